"""All checks of one model, from its folder or live."""

from pathlib import Path
from typing import Any

import torch
from torch import nn

from phasor._check.angles import check_angles, what_survives
from phasor._check.equalities import Runs, check_equalities
from phasor._check.result import Checked, Result
from phasor._check.tables import captured_tables, copied
from phasor._inspect.source import open_source
from phasor._read.loading import load_model
from phasor.errors import ArgumentError
from phasor.spec import PositionSpec


def check(model: Any) -> Checked:
    """Run a model, and say whether it handles position as it should.

    Its angles against exact ones up to a million tokens; decoding with a cache, left padding and
    packing, which must not change its answers; and what casting does to its frequencies.

    Args:
        model: A folder with a model of transformers, or a live one in float32.

    Returns:
        Each check with its numbers.

    Raises:
        ArgumentError: No model there, one that is not understood, or one that takes more than
            tokens.
    """
    if isinstance(model, nn.Module):
        return Checked(type(model).__name__, tuple(check_model(model, open_source(model).spec)))
    return Checked(str(model), tuple(check_folder(Path(model))))


def check_folder(folder: Path) -> list[Result]:
    """Load the model of a folder and check it. No code of the folder is run.

    Raises:
        ArgumentError: No model there, one that is not understood, or one that takes more than
            tokens.
    """
    spec = open_source(folder).spec
    if not folder.is_dir():
        raise ArgumentError(f"{folder} is a file; give the folder that has the weights too")
    results = check_model(load_model(folder, causal=spec.causal).model, spec)
    if any(result.name == "angles" and result.status != "skip" for result in results):
        model = load_model(folder, causal=spec.causal, dtype=torch.bfloat16).model
        with captured_tables(model) as tables:
            Runs(model, _vocabulary(model))
        results.append(check_angles(spec, tables, "angles, loaded in bfloat16"))
    return results


def check_model(model: Any, spec: PositionSpec) -> list[Result]:
    """Check a live model of transformers against what it should do.

    Args:
        model: In float32; it is put into evaluation mode and otherwise left as it is.
        spec: What it should do, as `phasor.read` gives it.

    Raises:
        ArgumentError: A model that takes more than tokens.
    """
    assert isinstance(model, nn.Module)
    model.eval()
    with captured_tables(model) as tables:
        runs = _first_run(model)
    tables = copied(tables)
    return [
        check_angles(spec, tables),
        *check_equalities(spec, runs),
        *what_survives(spec, tables),
    ]


def _first_run(model: nn.Module) -> Runs:
    try:
        return Runs(model, _vocabulary(model))
    except Exception as error:
        # What a model raises without the images or the encoder states it needs is its own matter.
        reason = " ".join(str(error).split())[:200]
        raise ArgumentError(
            f"{type(model).__name__} does not run on tokens alone: {type(error).__name__}: {reason}"
        ) from None


def _vocabulary(model: Any) -> int:
    return int(model.config.get_text_config().vocab_size)
