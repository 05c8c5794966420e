"""The GPU benchmark, as far as it can be run without a GPU."""

import json
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from phasor._bench.timing import Work

FOLDER = Path(__file__).parents[3] / "benchmarks"


@pytest.fixture
def script(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.syspath_prepend(FOLDER)
    import rotate_gpu

    yield rotate_gpu
    for name in ("rotate_gpu", "gpu_cases"):
        sys.modules.pop(name, None)


class FakeClock:
    """By it a copy takes 50 microseconds and all else 100."""

    most_repetitions = 1

    def seconds(self, work: Work, repetitions: int) -> float:
        return 50e-6 if isinstance(work.call(None), torch.Tensor) else 100e-6


def test_every_case_is_right_at_a_small_size(script, device) -> None:
    from gpu_cases import cases

    titles = []
    for case in cases(str(device), peers=(), shrink=True):
        rows = script.rows(case, str(device), FakeClock(), rounds=1)
        assert [row for row in rows if "note" in row] == []
        assert {row["contender"] for row in rows} == {"copy", *case.contenders}
        assert all(row["of_copy"] == (1.0 if row["contender"] == "copy" else 0.5) for row in rows)
        titles.append(case.title)
    assert len(titles) >= 20


def test_a_wrong_result_is_not_timed(script) -> None:
    from gpu_cases import Case

    truth = [torch.ones(4, dtype=torch.float64)]
    contenders = {
        "right": lambda: lambda: [torch.ones(4)],
        "wrong": lambda: lambda: [torch.tensor([1.0, 1.0, 1.0, 1.03])],
        "nan": lambda: lambda: [torch.full((4,), torch.nan)],
        "broken": lambda: 1 / 0,
    }
    case = Case(
        "sums", 640_000, lambda: truth, contenders, left_out={"absent": "not installed"}
    )  # fmt: skip
    rows = script.rows(case, "cpu", FakeClock(), rounds=1)
    assert {row["contender"] for row in rows if "of_copy" in row} == {"right", "copy"}
    text = script.table(rows)
    assert "wrong, not timed: off by 0.03" in text
    assert "off by inf" in text
    assert "failed: ZeroDivisionError" in text
    assert "absent             not installed" in text
    assert "right                  100.0 us        6 GB/s   50.0% of copy   error 0.0e+00" in text


def test_our_own_failure_is_no_footnote(script) -> None:
    from gpu_cases import Case

    with pytest.raises(ZeroDivisionError):
        script.rows(
            Case("sums", 64, list, {"phasor": lambda: 1 / 0}), "cpu", FakeClock(), rounds=1
        )  # fmt: skip


def test_bars_name_cases_that_exist(script) -> None:
    from gpu_cases import Shape

    row = {"case": f"rotation {Shape()}", "contender": "phasor in place", "of_copy": 0.95}
    assert script.verdicts([row]) == [
        "met    95.0% of copy, asked 93%: phasor in place, rotation [4,32+8,8192,128] bfloat16 "
        "half, tokens first"
    ]
    assert script.verdicts([{**row, "of_copy": 0.9}])[0].startswith("MISSED 90.0%")
    kinds = {"rotation", "rotation backward", "norm + rotation", "norm + rotation backward (query)"}
    shapes = {str(Shape()), str(Shape(layout="interleaved"))}
    assert {case for case, _, _ in script.BARS} <= {f"{k} {s}" for k in kinds for s in shapes}


@pytest.mark.parametrize("storage", ["tokens first", "heads first"])
@pytest.mark.parametrize("seq", [1, 3])
def test_a_peer_has_the_problem_of_ours(script, storage, seq) -> None:
    from gpu_cases import PEERS, Shape, _Inputs

    from phasor._bench.peers import llama

    shape = Shape(
        batch=2, heads=2, kv_heads=1, seq=seq, dtype=torch.float32, storage=storage,
        layout="interleaved",
    )  # fmt: skip
    given = _Inputs(shape, "cpu")
    assert given.left_out(llama.PEER) is None
    assert script.error(given.against(llama.PEER)(), given.turned(given.pairs())) < 1e-5
    assert "FlashInfer" in PEERS


def test_who_is_left_out_says_why(script) -> None:
    from gpu_cases import Shape, _Inputs

    from phasor._bench.peers import llama, vllm

    here = replace(vllm.PEER, module="", devices=("cpu",))
    given = _Inputs(Shape(batch=1, heads=1, kv_heads=1, seq=3, storage="heads first"), "cpu")
    assert given.left_out(replace(here, module="no_such_module")) == "not installed"
    assert given.left_out(llama.PEER) == "left out: is for layout 'interleaved' only"
    assert given.left_out(here) == "left out: stores tokens first only"
    only = replace(here, storages=("heads first",), dtypes=())
    assert given.left_out(only) == "left out: does not take bfloat16"


def test_without_a_gpu_it_says_so(script, capsys, monkeypatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert script.main([]) == 2
    assert "needs a CUDA device and found none" in capsys.readouterr().err


def test_arguments(script, capsys) -> None:
    assert script.arguments(["--peers", "none"]).peers == ()
    assert script.arguments(["--peers", "Liger,vLLM"]).peers == ("Liger", "vLLM")
    assert "torch.compile" in script.arguments([]).peers
    for wrong in (["--peers", "ligre"], ["--rounds", "0"]):
        with pytest.raises(SystemExit):
            script.arguments(wrong)
    assert "unknown peers ['ligre']; there are torch.compile, Liger" in capsys.readouterr().err


def test_results_are_written_whole(script, tmp_path) -> None:
    file = tmp_path / "results" / "some-gpu.json"
    script.write(file, {"device": "some GPU", "rows": []})
    assert json.loads(file.read_text()) == {"device": "some GPU", "rows": []}
    assert list(file.parent.iterdir()) == [file]
