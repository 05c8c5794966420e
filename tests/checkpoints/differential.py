"""Random configs, read by phasor and run by transformers: the same, or one of them refuses.

`python -m checkpoints.differential` in `tests` draws configs for each model type, builds the tiny
model that transformers makes of each, runs it, and compares what it does to queries and keys, layer
by layer, with the spec that `phasor.read` gives of the same config. Prints how many ended how, and
fails if one differs.
"""

import argparse
import copy
import json
import logging
import sys
import warnings
from collections import Counter, defaultdict
from dataclasses import dataclass
from typing import Any

import torch
from checkpoints.proof import HALVES_OUT, axes_of, run, type_of_the_layers
from checkpoints.random_rope import draw_config
from checkpoints.tiny import BATCH, SEQ, Subject, subjects
from torch import Tensor, nn
from transformers import CONFIG_MAPPING

from phasor._read import examine
from phasor.errors import PhasorError
from phasor.spec import PositionSpec, RotarySpec

SAME = "the same angles"
REFUSED = "refused by phasor alone"
THEIRS = "refused by transformers alone"
BOTH = "refused by both"
DIFFERS = "differ"
CRASHED = "phasor raised no PhasorError"
OUTCOMES = (SAME, REFUSED, THEIRS, BOTH, DIFFERS, CRASHED)


@dataclass(frozen=True)
class Case:
    """One config, and how it ended."""

    config: dict[str, Any]
    outcome: str
    reason: str = ""

    @property
    def failed(self) -> bool:
        return self.outcome in (DIFFERS, CRASHED)


def compared() -> dict[str, Subject]:
    """What is drawn for: text models whose config class a `model_type` names."""
    return {
        name: subject
        for name, subject in subjects().items()
        if subject.row is None
        and CONFIG_MAPPING[subject.config_class.model_type] is subject.config_class
    }


def case(subject: Subject, seed: int) -> Case:
    """One config drawn, read and run."""
    return judged(subject, draw_config(subject, seed))


def judged(subject: Subject, config: dict[str, Any]) -> Case:
    """The config read and run."""
    spec, refusal = None, ""
    try:
        spec = examine(copy.deepcopy(config)).spec
    except PhasorError as error:
        refusal = str(error)
    except Exception as error:
        return Case(config, CRASHED, f"{type(error).__name__}: {error}")
    try:
        made = CONFIG_MAPPING[config["model_type"]].from_dict(copy.deepcopy(config))
        model = subject.model_of(made)
        if spec is None:
            _forward(subject, model)
            return Case(config, REFUSED, refusal)
        halves = type_of_the_layers(made, made.model_type) in HALVES_OUT
        proof = run(subject, model, spec, _positions(spec), halves=halves)
    except Exception as error:
        # Models fail in any way that a wrong value makes Python fail.
        reason = f"{type(error).__name__}: {' '.join(str(error).split())}"
        return Case(config, BOTH if spec is None else THEIRS, refusal or reason)
    differences = [*proof.differences, *_unlike_tables(spec, model)]
    return Case(config, DIFFERS if differences else SAME, "; ".join(differences))


def _positions(spec: PositionSpec) -> Tensor:
    """Past the lengths that some configs name, and within those of others."""
    axes = axes_of(spec)
    if axes == 1:
        return torch.stack((torch.arange(SEQ) + 3, 7 * torch.arange(SEQ) + 40))
    return torch.randint(0, 120, (axes, BATCH, SEQ), generator=torch.Generator().manual_seed(1))


def _forward(subject: Subject, model: nn.Module) -> None:
    with torch.no_grad():
        model(**subject.some_inputs())


def _unlike_tables(spec: PositionSpec, model: nn.Module) -> list[str]:
    """Slow pairs turn too little for the run to show: their frequencies are compared as such."""
    tables = [
        buffer.double().flatten()
        for module in model.modules()
        for name, buffer in module.named_buffers(recurse=False)
        if name.endswith("inv_freq") and "original" not in name
    ]
    differences = []
    stated = {each for layer in spec.layers for each in layer.encodings}
    for rotary in (each for each in stated if isinstance(each, RotarySpec)):
        built = rotary.build()
        if built.length_scaling is not None or not tables:
            continue
        ours = built.frequencies.inv_freq.sum(0).abs()
        if not any(_alike(ours[: len(table)], table.abs()) for table in tables):
            differences.append(f"no table of the model has the frequencies of {rotary}")
    return differences


def _alike(ours: Tensor, theirs: Tensor) -> bool:
    ours, theirs = ours[ours != 0].sort().values, theirs[theirs != 0].sort().values
    return len(ours) == len(theirs) and torch.allclose(ours, theirs, rtol=1e-5, atol=0)


def campaign(names: list[str], first: int, count: int) -> list[Case]:
    """`count` configs of each of these, from the seed `first` on."""
    chosen = compared()
    return [case(chosen[name], first + at) for name in names for at in range(count)]


def report(cases: list[Case]) -> str:
    """Counts by outcome, and what was refused for which reason."""
    counts = Counter(each.outcome for each in cases)
    types = len({each.config["model_type"] for each in cases})
    lines = [f"{len(cases)} configs of {types} model types"]
    lines += [f"{counts[outcome]:6} {outcome}" for outcome in OUTCOMES]
    reasons: dict[str, list[str]] = defaultdict(list)
    for each in cases:
        if each.outcome == REFUSED:
            reasons[_kind(each.reason)].append(each.config["model_type"])
    for reason, found in sorted(reasons.items(), key=lambda item: -len(item[1])):
        lines.append(f"{len(found):6} refused: {reason} ({', '.join(sorted(set(found))[:4])})")
    for each in cases:
        if each.failed:
            lines.append(f"{each.outcome}: {each.reason}\n    {json.dumps(each.config)}")
    return "\n".join(lines)


def _kind(reason: str) -> str:
    """A refusal without its numbers."""
    words = reason.removeprefix("config: ").split(", got ")[0]
    return "".join("#" if letter.isdigit() else letter for letter in words)[:110]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=0, help="the first of each model type")
    parser.add_argument("--count", type=int, default=4, help="configs of each model type")
    parser.add_argument("names", nargs="*", help="config classes; all of them if none is named")
    given = parser.parse_args()
    quiet()
    cases = campaign(given.names or list(compared()), given.seed, given.count)
    print(report(cases))
    sys.exit(any(each.failed for each in cases))


def quiet() -> None:
    """Without what transformers says of odd values, which is most of them."""
    logging.disable(logging.ERROR)
    warnings.simplefilter("ignore")
    torch.set_num_threads(1)


if __name__ == "__main__":
    main()
