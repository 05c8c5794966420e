"""The CPU benchmark's script, at a size of nothing."""

import sys
from dataclasses import replace
from pathlib import Path

import pytest

from phasor._bench.ours import OURS
from phasor._bench.shapes import Shape
from phasor.kernels import cpu

FOLDER = Path(__file__).parents[2] / "benchmarks"


@pytest.fixture
def script(monkeypatch: pytest.MonkeyPatch, small: Shape):
    if cpu.why_missing():
        pytest.skip(cpu.why_missing())
    monkeypatch.syspath_prepend(FOLDER)
    import rotate_cpu

    monkeypatch.setattr(rotate_cpu, "NAMED", {"A": small})
    yield rotate_cpu
    sys.modules.pop("rotate_cpu", None)


@pytest.mark.parametrize("storage", ["tokens first", "heads first"])
@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_every_row_runs_again_and_again(script, storage, dtype) -> None:
    rows = script.rows_of("A", dtype, storage)
    assert [row.name for row in rows[:6]] == [
        "copy_", "clone (fresh memory)", "in place, half", "into held memory, half",
        "out of place, half", "backward, half",
    ]  # fmt: skip
    for row in rows:
        assert row.work.setup is None
        row.work.call(None)
        row.work.call(None)


def test_a_wrong_result_ends_the_script(script, monkeypatch) -> None:
    wrong = [replace(each, prepare=lambda _: lambda query, key: (query, key)) for each in OURS]
    monkeypatch.setattr(script, "OURS", wrong)
    with pytest.raises(SystemExit, match="phasor in place, half, forward: error "):
        script.rows_of("A", "float32", "tokens first")


def test_it_asks_for_more_than_other_libraries_reach(script, monkeypatch) -> None:
    monkeypatch.setattr(script, "LARGEST_ERRORS", {"float32": 1e-9})
    with pytest.raises(SystemExit, match="in place, half: off by "):
        script.rows_of("A", "float32", "tokens first")


def test_transformers_forms_its_cosines_in_each_call(script) -> None:
    pytest.importorskip("transformers")
    (row,) = script.transformers_rows("A", "float32", compiled=False)
    assert row.name == "transformers, eager"
