"""The lab finds what is known: orderings that published work and our own log agree on.

Trains 32 models, five minutes or so on two free cores: `pytest -m slow tests/lab/test_orderings.py`
"""

from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from phasor._compare.compare import Comparison, compare
from phasor._compare.options import Options
from phasor._compare.plan import make_config
from phasor._compare.progress import shown_on
from phasor._compare.workers import default_workers
from phasor._kit.text import load_text

pytestmark = pytest.mark.slow

SEEDS = 2


def run(task: str, encodings: str, out: Path) -> dict[str, Any]:
    """`phasor compare` with the recipe of `task`; the encodings of its results."""
    config = make_config(task, Options(), "cpu")
    names = encodings.split()
    comparison = Comparison(
        encodings=names, seeds=range(SEEDS), config=config, out=out, text_path=None,
        text=load_text(window=config.eval_lengths[-1]) if task == "lm" else None,
        workers=default_workers("cpu", len(names) * SEEDS),
    )  # fmt: skip
    with shown_on(Console()) as watch:
        results = compare(comparison, watch).to_json()
    print(task, results["verdict"])
    return results["encodings"]


def least(summary: dict[str, Any], length: int) -> float:
    return min(summary["exact_match"][str(length)]["seeds"])


def most(summary: dict[str, Any], length: int) -> float:
    return max(summary["exact_match"][str(length)]["seeds"])


def test_language_modelling(tmp_path: Path) -> None:
    """In length rotary, alibi, learned, none; past it alibi is flat and learned breaks at once.

    Press et al. 2021 (arXiv:2108.12409), tables 2 and 13 to 15; Haviv et al. 2022
    (arXiv:2203.16634), table 1: no encoding is the worst in length.
    """
    found = run("lm", "none learned rotary alibi", tmp_path)
    loss = {name: summary["loss"] for name, summary in found.items()}
    for seed in range(SEEDS):
        ranked = sorted(loss, key=lambda name: loss[name]["64"]["seeds"][seed])
        assert ranked == ["rotary", "alibi", "learned", "none"]
        rise = {
            name: [by[length]["seeds"][seed] - by["64"]["seeds"][seed] for length in by]
            for name, by in loss.items()
        }
        assert max(rise["alibi"]) < 0.1
        assert rise["learned"][1] > 0.5
        assert rise["rotary"][1] < 0.25 < rise["rotary"][-1]


def test_counting(tmp_path: Path) -> None:
    """Past the training length nothing, kerple and fire count on; rotary and learned do not at all.

    Kazemnejad et al. 2023 (arXiv:2305.19466), copying one repeated token.
    """
    found = run("count", "none kerple fire rotary learned", tmp_path)
    for name, summary in found.items():
        assert least(summary, 10) > 0.95, name
    for name in ("none", "kerple", "fire"):
        assert least(found[name], 11) > 0.9, name
    for name in ("rotary", "learned"):
        assert most(found[name], 11) == 0.0, name


def test_copying(tmp_path: Path) -> None:
    """One letter past the training length alibi and kerple still copy; rotary and learned fail.

    Kazemnejad et al. 2023 (arXiv:2305.19466), copying random tokens.
    """
    found = run("copy", "alibi kerple rotary learned", tmp_path)
    for name in ("alibi", "kerple", "rotary"):
        assert least(found[name], 10) > 0.9, name
    assert least(found["learned"], 10) > 0.5
    for name in ("alibi", "kerple"):
        assert least(found[name], 11) > 0.6, name
    for name in ("rotary", "learned"):
        assert most(found[name], 11) < 0.3, name


def test_sorting_is_a_control(tmp_path: Path) -> None:
    """Where content alone decides, encodings do not differ: not in length nor just past it."""
    found = run("sort", "none rotary alibi", tmp_path)
    for name, summary in found.items():
        assert least(summary, 10) > 0.95, name
        assert least(summary, 11) > 0.9, name
