"""All trials of a comparison as one set of numbers: what `results.json` holds."""

import platform
import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, astuple, replace
from functools import partial
from importlib.metadata import version
from itertools import combinations

import psutil
import torch

import phasor
from phasor._compare.config import TrialConfig
from phasor._compare.known_answers import KnownAnswer
from phasor._compare.results import (
    Cell,
    Curve,
    Difference,
    Machine,
    Results,
    Setup,
    Summary,
    TextRead,
)
from phasor._compare.tasks import look_up_task
from phasor._compare.trial import Trial
from phasor._compare.verdict import verdict
from phasor._kit.statistics import Estimate, mean_interval, paired_difference, share_interval
from phasor._kit.text import Text
from phasor.encodings.spelling import parse_spelling


def summarise(
    trials: Sequence[Trial],
    encodings: Sequence[str],
    seeds: Sequence[int],
    config: TrialConfig,
    text: Text | None,
    answers: Sequence[KnownAnswer],
    command: str,
    scale_up: str,
) -> Results:
    """Everything the report shows.

    Args:
        trials: One for each encoding and seed, in any order.
        encodings: In the order in which the user named them.
        seeds: In ascending order; all lists over seeds follow it.
        config: What all trials had in common.
        text: What language models read.
        answers: Known answers, checked beforehand.
        command: How to repeat the comparison.
        scale_up: How to run it on larger models.
    """
    found = {(trial.encoding, trial.seed): trial for trial in trials}
    grouped = {name: [found[name, seed] for seed in seeds] for name in encodings}
    task = look_up_task(config.task)
    summaries = {
        name: _summarise_encoding(name, group, task.num_sequences)
        for name, group in grouped.items()
    }
    results = Results(
        config=Setup(**asdict(config), encodings=tuple(encodings), seeds=tuple(seeds)),
        unit=task.unit,
        encodings=summaries,
        differences=_differences(grouped, config),
        changes=_changes(grouped, config),
        known_answers=tuple(answers),
        text=None
        if text is None
        else TextRead(
            source=text.source,
            bytes=text.num_bytes,
            sha256=text.sha256,
            train_files=len(text.train),
            held_out_files=len(text.held_out),
            split=text.split,
        ),
        versions=_versions(),
        machine=_machine(config.device),
        command=command,
        scale_up_command=scale_up,
        ranking=_ranking(summaries, str(config.train_length)),
    )
    return replace(results, verdict=verdict(results))


def _ranking(encodings: Mapping[str, Summary], train_length: str) -> tuple[str, ...]:
    """Best first: by exact answers over all lengths where there are any, else by loss."""

    def order(name: str) -> tuple[float, float]:
        shares = [cell.mean for cell in encodings[name].exact_match.values()]
        return -sum(shares), encodings[name].loss[train_length].mean

    return tuple(sorted(encodings, key=order))


def _summarise_encoding(name: str, trials: list[Trial], num_sequences: int) -> Summary:
    first = trials[0]
    encodings = [spelled.encoding for spelled in parse_spelling(name).turns]
    share = partial(share_interval, trials=num_sequences)
    return Summary(
        sites=tuple(sorted({site for encoding in encodings for site in encoding.sites})),
        paper=", ".join(dict.fromkeys(encoding.paper for encoding in encodings)),
        loss=_by_length([trial.loss for trial in trials], mean_interval),
        token_accuracy=_by_length([trial.token_accuracy for trial in trials], mean_interval),
        exact_match=_by_length([trial.exact_match for trial in trials], share),
        train_loss=statistics.mean(trial.train_loss for trial in trials),
        parameters=first.parameters,
        model_parameters=first.model_parameters,
        tokens_per_second=statistics.median(trial.tokens_per_second for trial in trials),
        peak_memory=statistics.median(trial.peak_memory for trial in trials),
        seconds=statistics.median(trial.seconds for trial in trials),
        embedding_gain=_mean_or_none([trial.embedding_gain for trial in trials]),
        query_key_gain=_mean_or_none([trial.query_key_gain for trial in trials]),
        norm_error=max(trial.norm_error for trial in trials),
        additive_ratio=_mean_or_none([trial.additive_ratio for trial in trials]),
        shift_spread=statistics.mean(trial.shift_spread for trial in trials),
        loss_by_position=_curve(first.position, [trial.position_loss for trial in trials]),
        learning_curve=_curve(first.train_step, [trial.train_loss_curve for trial in trials]),
        order_sensitivity=_curve(
            first.order_distance, [trial.order_sensitivity for trial in trials]
        ),
        score_by_distance=_curve(
            list(range(len(first.score_by_distance))),
            [trial.score_by_distance for trial in trials],
        ),
    )


def _by_length(
    values: list[dict[str, float]], interval: Callable[[Sequence[float]], Estimate]
) -> dict[str, Cell]:
    return {
        length: Cell(
            *astuple(interval([value[length] for value in values])),
            seeds=tuple(value[length] for value in values),
        )
        for length in values[0]
    }


def _curve(at: Sequence[float], rows: list[list[float]]) -> Curve:
    points = [mean_interval(column) for column in zip(*rows, strict=True)]
    return Curve(
        at=tuple(at),
        mean=tuple(point.mean for point in points),
        low=tuple(point.low for point in points),
        high=tuple(point.high for point in points),
    )


def _differences(grouped: dict[str, list[Trial]], config: TrialConfig) -> tuple[Difference, ...]:
    """Loss of every encoding less that of every better one, at every length, paired by seed."""
    rows = []
    for length in map(str, config.eval_lengths):
        losses = {name: [trial.loss[length] for trial in group] for name, group in grouped.items()}
        ranked = sorted(losses, key=lambda name: statistics.mean(losses[name]))
        for better, worse in combinations(ranked, 2):
            difference = paired_difference(losses[better], losses[worse])
            rows.append(
                Difference(
                    length=length,
                    better=better,
                    worse=worse,
                    **asdict(difference),
                    tie=not difference.excludes_zero,
                )
            )
    return tuple(rows)


def _changes(
    grouped: dict[str, list[Trial]], config: TrialConfig
) -> dict[str, dict[str, Estimate]]:
    """Loss at each longer length less that at the training length, paired by seed."""
    start = str(config.train_length)
    return {
        name: {
            length: paired_difference(
                [trial.loss[start] for trial in group], [trial.loss[length] for trial in group]
            )
            for length in map(str, config.eval_lengths[1:])
        }
        for name, group in grouped.items()
    }


def _mean_or_none(values: list[float | None]) -> float | None:
    numbers = [value for value in values if value is not None]
    return statistics.mean(numbers) if numbers else None


def _versions() -> dict[str, str]:
    return {
        "phasor": phasor.__version__,
        "python": platform.python_version(),
        "torch": torch.__version__,
        **{name: version(name) for name in ("accelerate", "scipy", "plotly")},
    }


def _machine(device: str) -> Machine:
    return Machine(
        system=f"{platform.system()} {platform.release()}",
        processor=_processor(),
        cores=psutil.cpu_count(),
        memory=psutil.virtual_memory().total,
        gpu=torch.cuda.get_device_name() if device == "cuda" else None,
    )


def _processor() -> str:
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as file:
            names = [line.split(":", 1)[1].strip() for line in file if "model name" in line]
    except OSError:
        names = []
    return names[0] if names else platform.processor() or platform.machine()
