"""The command line that repeats a comparison, and the one that scales it up."""

import shlex
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from phasor._compare.config import TrialConfig

_TIMES_LONGER = 8


def command_line(
    encodings: Sequence[str], seeds: int, config: TrialConfig, text: Path | None
) -> str:
    """`phasor compare` with every option that decides the outcome."""
    factors = ",".join(f"{length / config.train_length:g}" for length in config.eval_lengths)
    options = {
        "encodings": ",".join(encodings),
        "task": config.task,
        **({"text": str(text)} if text else {}),
        "train-length": config.train_length,
        "eval-factors": factors,
        "seeds": seeds,
        "steps": config.steps,
        "batch-size": config.batch_size,
        "width": config.width,
        "layers": config.layers,
        "heads": config.heads,
        "learning-rate": f"{config.learning_rate:g}",
        "device": config.device,
    }
    words = [word for name, value in options.items() for word in (f"--{name}", str(value))]
    return shlex.join(["phasor", "compare", *words])


def scale_up_command(
    encodings: Sequence[str], seeds: int, config: TrialConfig, text: Path | None
) -> str:
    """The same comparison at 25 million parameters: an hour or so a trial on a GPU."""
    larger = replace(
        config,
        train_length=config.train_length * _TIMES_LONGER,
        eval_lengths=tuple(length * _TIMES_LONGER for length in config.eval_lengths),
        steps=20_000,
        batch_size=32,
        width=512,
        layers=8,
        heads=8,
        learning_rate=6e-4,
        device="auto",
    )
    return command_line(encodings, seeds, larger, text)
