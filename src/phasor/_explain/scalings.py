"""Scalings explained: what they do to the pairs of a rotary encoding."""

import inspect
from dataclasses import replace
from typing import Any

from phasor._explain.chapters import OF_SCALINGS
from phasor._explain.docstrings import source, summary
from phasor._explain.encodings import TRAINED, look_at_example
from phasor._explain.explanation import Explanation
from phasor._explain.letters import legend
from phasor._explain.measured import compare_command
from phasor._extend.methods import METHODS
from phasor._words import number
from phasor.encodings.catalogue import EXAMPLE
from phasor.rotary.scaling import BY_NAME, LengthScaling, Scaling
from phasor.rotary.words import scaling_in_words
from phasor.spec import RotarySpec

_PAIRS = EXAMPLE.head_dim // 2
_FACTOR = 4.0
_SLOWER = tuple(_FACTOR ** (pair / (_PAIRS - 1)) for pair in range(_PAIRS))
_EXAMPLE: dict[str, Any] = {
    "factor": _FACTOR,
    "alpha": _FACTOR,
    "original_seq_len": TRAINED,
    "factors": _SLOWER,
    "short_factor": (1.0,) * _PAIRS,
    "long_factor": _SLOWER,
}
_SEARCHED = ("stretch", "longrope")


def of_scaling(name: str, given: Scaling | LengthScaling | None = None) -> Explanation:
    """A scaling by name, `given` with its arguments or as an example from 1,024 to 4,096 tokens."""
    if given is None:
        kind = BY_NAME[name]
        wanted = inspect.signature(kind).parameters.keys()
        given = kind(**{key: value for key, value in _EXAMPLE.items() if key in wanted})
    per_pair = getattr(given, "factors", getattr(given, "long_factor", ()))
    rotary = RotarySpec(2 * (len(per_pair) or _PAIRS), scaling=given)
    return replace(
        in_checkpoint(name, given),
        numbers=f"{scaling_in_words(given)}, base {number(rotary.unscaled.base or 0)}",
        rotation=look_at_example(rotary),
        unmeasured=_measures(name),
    )


def in_checkpoint(name: str, given: Scaling | LengthScaling, *, layers: str = "") -> Explanation:
    """A scaling that a checkpoint has, whose rotary encoding is explained beside it."""
    kind = BY_NAME[name]
    return Explanation(
        name=name,
        summary=summary(kind),
        chapter=OF_SCALINGS,
        enters="at query and key: it changes the frequencies of rotary",
        layers=layers,
        formula=kind.formula,
        legend=legend(kind.formula, embedded=False),
        numbers=scaling_in_words(given),
        source=source(kind),
    )


def _measures(name: str) -> str:
    if name in METHODS:
        command = f"phasor extend MODEL --to 16384 --methods none,{name}"
    elif name in _SEARCHED:
        command = "phasor extend MODEL --to 16384 --search"
    else:
        # The arguments that a comparison needs: it trains on sequences of 64 tokens.
        small = {"factor": 4, "alpha": 4, "original_seq_len": 64}
        wanted = inspect.signature(BY_NAME[name]).parameters.keys()
        arguments = ", ".join(f"{key}={value}" for key, value in small.items() if key in wanted)
        call = f"{name}({arguments})" if arguments else f"{name}()"
        command = compare_command(f"rotary(scaling={call})")
    return f"not measured yet: {command}"
