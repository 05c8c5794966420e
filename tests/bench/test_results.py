"""What a run finds, and what is printed of it."""

import json
from dataclasses import replace
from io import StringIO

import pytest
import torch
from rich.console import Console

from phasor._bench import ours
from phasor._bench import run as run_module
from phasor._bench.contender import Contender
from phasor._bench.hardware import Hardware
from phasor._bench.options import Options, make_plan
from phasor._bench.ours import OURS
from phasor._bench.results import Case, PeerFound, Results, Row
from phasor._bench.run import Event, Plan, run
from phasor._bench.shapes import Shape
from phasor._bench.table import case_notes, case_table, summary
from phasor._bench.workload import Pair
from phasor._kit.watching import Advanced, Begun


def silent(event: Event) -> None:
    """Is told and says nothing."""


ABSENT = Contender(
    name="absent", call="absent.rotate(q, k)", prepare=lambda workload: pytest.fail("not there"),
    module="phasor_no_such_module", package="phasor-no-such-package",
    install="pip install absent",
)  # fmt: skip


def _nothing(query: torch.Tensor, key: torch.Tensor) -> Pair:
    return query, key


LIAR = Contender(
    name="liar", call="return q, k", prepare=lambda workload: _nothing, layouts=("half",)
)
ELSEWHERE = Contender(
    name="elsewhere", call="", prepare=lambda workload: _nothing, devices=("cuda",)
)


def plan_of(shape: Shape, *peers: Contender, backward: bool = False) -> Plan:
    return Plan(
        shapes=[shape], dtypes=[torch.float32], layouts=["half", "interleaved"], peers=peers,
        device=torch.device("cpu"), rounds=2, backward=backward,
    )  # fmt: skip


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """A clock by which in place takes 1 ms, new results 2 ms, and everything else 4 ms."""

    class Clock:
        most_repetitions = 2000

        def __init__(self, number: int = 0) -> None:
            self.seen: list[object] = []

        def seconds(self, work: object, repetitions: int) -> float:
            if work not in self.seen:
                self.seen.append(work)
            # copy_, in place, in place BHSD, new, new BHSD; and again for the other layout.
            return (4e-3, 1e-3, 4e-3, 2e-3, 4e-3, 1e-3, 4e-3, 2e-3, 4e-3)[self.seen.index(work)]

    monkeypatch.setattr(run_module, "HostClock", Clock)


def rendered(results: Results, width: int = 80) -> str:
    console = Console(file=StringIO(), width=width)
    for case in results.cases:
        console.print(case_table(case))
        for note in case_notes(case):
            console.print(note, markup=False)
    for line in summary(results):
        console.print(line, soft_wrap=True, markup=False)
    assert isinstance(console.file, StringIO)
    return console.file.getvalue()


@pytest.mark.usefixtures("quick")
def test_ratios(small: Shape) -> None:
    events: list[Event] = []
    found = run(plan_of(small, LIAR, ABSENT, ELSEWHERE), events.append)
    begun, *advanced = events
    (case,) = found.cases
    assert begun == Begun(replace(case, rows=()), begun.total)
    done = [event.done for event in advanced if isinstance(event, Advanced)]
    assert done == sorted(done)
    assert done[-1] == begun.total
    assert (case.dtype, case.direction) == ("float32", "forward")
    assert case.bytes == 2 * 4 * 6 * 8 * 16
    rows = {(row.contender, row.layout): row for row in case.rows}
    for layout in ("half", "interleaved"):
        in_place, new = rows["phasor in place", layout], rows["phasor", layout]
        assert (in_place.times_copy, in_place.times_in_place, in_place.times_new) == (0.25, 1, 0.5)
        assert (new.times_copy, new.times_in_place, new.times_new) == (0.5, 2, 1)
        assert new.seconds == new.low == new.high == 2e-3
        assert new.gigabytes_per_second == case.bytes / 2e-3 / 1e9
        assert new.error is not None
        assert 0 < new.error < 1e-6
    liar = rows["liar", "half"]
    assert (liar.status, liar.seconds, liar.times_copy) == ("wrong", None, None)
    assert ("liar", "interleaved") not in rows
    assert rows["elsewhere", "half"].reason == "runs on cuda only"
    assert not any(name == "absent" for name, _ in rows)


@pytest.mark.usefixtures("quick")
def test_table_at_eighty_columns(small: Shape) -> None:
    text = rendered(run(plan_of(small, LIAR, ABSENT, ELSEWHERE), silent))
    lines = [line.rstrip() for line in text.splitlines()]
    assert lines[0] == "query [1, 4, 8, 16], key [1, 2, 8, 16], float32, forward"
    assert lines[1].split("  ")[0] == "contender"
    assert "…" not in text
    row = next(line for line in lines if line.startswith("phasor in place "))
    assert row.split()[3:9] == ["1.00", "ms", "0%", "0.0", "0.25", "1.00"]
    assert "WRONG, so not timed: liar, half: error" in text
    assert "Not timed: elsewhere (runs on cuda only)" in text
    assert "Not installed: absent (pip install absent)" in text
    assert "Slower than a peer" not in text
    assert lines[-1] == "Next: pip install absent, then phasor bench again"


def test_json_holds_every_number(small: Shape) -> None:
    found = run(plan_of(small, LIAR, ABSENT), silent)
    read = json.loads(json.dumps(found.as_json(), allow_nan=False))
    assert read["versions"]["torch"] == torch.__version__
    assert set(read["versions"]) >= {"python", "torch", "phasor"}
    assert read["hardware"]["threads"] == 1
    assert read["hardware"]["cpu"]
    assert [(peer["name"], peer["version"], peer["installed"]) for peer in read["peers"]] == [
        ("liar", None, True),
        ("absent", None, False),
    ]
    (case,) = read["cases"]
    assert case["shape"] == {
        "name": small.name, "batch": 1, "query_heads": 4, "key_heads": 2, "seq": 8,
        "head_dim": 16,
    }  # fmt: skip
    timed = [row for row in case["rows"] if row["status"] == "timed"]
    assert len(timed) == 1 + 2 * len([each for each in OURS if "forward" in each.directions])
    assert all(0 < row["low"] <= row["seconds"] <= row["high"] for row in timed)


def test_backward(small: Shape) -> None:
    found = run(plan_of(small, backward=True), silent)
    assert [case.direction for case in found.cases] == ["forward", "backward"]
    names = {row.contender for row in found.cases[1].rows}
    assert names == {"copy_", "phasor", "phasor, BHSD"}
    assert "× in place" not in rendered(replace(found, cases=found.cases[1:])).splitlines()[1]


def test_threads_are_given_back(small: Shape) -> None:
    before = torch.get_num_threads()
    run(replace(plan_of(small), threads=before + 1), silent)
    assert torch.get_num_threads() == before


def results_with(rows: tuple[Row, ...], shape: Shape, *, in_place: bool) -> Results:
    peer = PeerFound(
        name="rival", version="1", installed=True, call="", excluded="", install="",
        devices=("cpu",), in_place=in_place,
    )  # fmt: skip
    case = Case(shape=shape, dtype="float32", direction="forward", bytes=1, rows=rows)
    return Results(
        hardware=Hardware(cpu="some", device="cpu", cores=1, threads=1, system="some"),
        versions={}, clock="", rounds=1,
        no_kernel=None, peers=(peer,), cases=(case,),
    )  # fmt: skip


@pytest.mark.parametrize(("in_place", "expected"), [(True, "1.25"), (False, "2.00")])
def test_who_is_faster_is_named(small: Shape, in_place: bool, expected: str) -> None:
    row = Row(
        contender="rival", layout="half", error=0.0, seconds=1.0, low=1.0, high=1.0,
        gigabytes_per_second=1.0, times_copy=1.0, times_in_place=0.8, times_new=0.5,
    )  # fmt: skip
    lines = list(summary(results_with((row,), small, in_place=in_place)))
    (lost,) = [line for line in lines if line.startswith("Slower than a peer")]
    assert lost.startswith(f"Slower than a peer: phasor takes {expected} times as long as rival")


def test_times_that_spread_are_not_passed_over(small: Shape) -> None:
    row = Row(
        contender="rival", layout="half", error=0.0, seconds=1.0, low=0.7, high=1.3,
        gigabytes_per_second=1.0, times_copy=1.0, times_in_place=2.0, times_new=2.0,
    )  # fmt: skip
    for spread in (True, False):
        rows = (row if spread else replace(row, low=0.9),)
        lines = list(summary(results_with(rows, small, in_place=False)))
        assert any("the machine is busy" in line for line in lines) == spread


def test_a_missing_kernel_is_said_with_what_to_do(small: Shape) -> None:
    found = replace(results_with((), small, in_place=False), no_kernel="it was not built; do x")
    lines = list(summary(found))
    assert "phasor had no kernel and computed by plain PyTorch: it was not built; do x." in lines
    assert lines[-1] == "Next: get the kernel, as said above, then phasor bench again"


def test_why_there_is_no_kernel(monkeypatch: pytest.MonkeyPatch) -> None:
    here = torch.device("cpu")
    monkeypatch.setattr(ours, "launcher", lambda x: object())
    assert ours.why_no_kernel(here, torch.float32) is None
    monkeypatch.setattr(ours, "launcher", lambda x: None)
    monkeypatch.setattr(ours.cpu, "why_missing", lambda: "it was not built; do x")
    assert ours.why_no_kernel(here, torch.float32) == "it was not built; do x"


def test_all_that_is_asked_for_is_listed() -> None:
    plan = make_plan(
        Options(
        device="cpu", shapes="1x2x3x4", against="all", dtype="float32", layout="half",
        threads=1, rounds=1, backward=False,
        )
    )  # fmt: skip
    assert all(peer.install for peer in plan.peers if peer.module)
    assert all(peer.call and peer.excluded for peer in plan.peers)
