"""The comparisons that pictures are made of: run once, then read."""

import json
import shlex
from pathlib import Path
from typing import Any

import phasor
from phasor._compare.results import Curve, Results

folder = Path("runs/learn")
"""Where they are kept; one folder for each."""

_RUNS: dict[str, dict[str, Any]] = {
    "encodings": {},
    "one_layer": {"encodings": "none,rotary", "layers": 1},
    "biases": {"encodings": "alibi,t5", "seeds": 1},
}


def comparison(name: str) -> Results:
    """What `phasor compare` found, from its folder or from a run that takes minutes."""
    out = folder / name
    if not (out / "results.json").exists():
        phasor.compare(out=out, resume=out.exists(), **_RUNS[name])
    return Results.from_json(json.loads((out / "results.json").read_text()))


def command(name: str) -> str:
    """What repeats it on the command line."""
    options = [f"--{key} {shlex.quote(str(value))}" for key, value in _RUNS[name].items()]
    return " ".join(("phasor compare", *options))


def thinned(curve: Curve, most: int = 64) -> Curve:
    """At most so many of its points, evenly spread, with the first and the last."""
    last = len(curve.at) - 1
    kept = sorted({round(at * last / (most - 1)) for at in range(most)})
    at, mean, low, high = (
        tuple(part[point] for point in kept)
        for part in (curve.at, curve.mean, curve.low, curve.high)
    )
    return Curve(at, mean, low, high)
