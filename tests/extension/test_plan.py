"""The order of measurements, and what a budget leaves out."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from phasor._extend import plan as plan_module
from phasor._extend.evidence import edges
from phasor._extend.plan import DEPTHS, Clock, Plan, Task
from phasor._extend.store import Measurement

NAMES = ["none", "linear", "ntk", "yarn"]
LOSS = {"none": 5.0, "linear": 3.0, "ntk": 2.5, "yarn": 2.0}


def plan(documents: int = 2, trials: int = 2) -> Plan:
    return Plan(
        names=NAMES, trained_length=64, target_length=256, documents=documents,
        passkey_lengths=(64, 256) if trials else (), passkey_trials=trials,
    )  # fmt: skip


def done(task: Task) -> Measurement:
    return Measurement(
        kind=task.kind, candidate=task.candidate, document=task.document, length=task.length,
        depth=task.depth, values=(LOSS[task.candidate],), seconds=1.0,
    )  # fmt: skip


def run(planned: Plan, measure: Callable[[Task], Measurement] = done) -> list[Task]:
    """Measure all of it, one after the other."""
    tasks, measured = [], []
    while left := planned.next(measured):
        tasks.append(left[0])
        measured.append(measure(left[0]))
    return tasks


def test_cheap_ones_come_first_and_finalists_are_asked_more() -> None:
    order = [(t.kind, t.candidate, t.document, t.length) for t in run(plan(documents=5))]
    assert order[:4] == [("loss", name, 0, 8) for name in NAMES]
    # Best first, once the first look has ranked them.
    ranked = ["none", "yarn", "ntk", "linear"]
    assert order[4] == ("cropped", "none", 0, 256)
    assert order[5:9] == [("loss", name, 0, 256) for name in ranked]
    # Four documents, so that there are intervals at all; then pass keys; then the others.
    assert order[9:24] == [
        (kind, name, at, 256)
        for at in (1, 2, 3)
        for kind, name in [("cropped", "none"), *(("loss", name) for name in ranked)]
    ]
    keys = order[24 : 24 + 2 * 2 * 3 * 3]
    assert [length for *_, length in keys] == [64] * 18 + [256] * 18
    assert {(kind, name) for kind, name, *_ in keys} == {
        ("passkey", "none"), ("passkey", "yarn"), ("passkey", "ntk")
    }  # fmt: skip
    assert order[60] == ("cropped", "none", 4, 256)
    assert order[61:] == [("loss", name, 4, 256) for name in ranked]


def test_nothing_is_measured_twice_and_a_resumed_run_measures_the_same() -> None:
    planned = plan()
    tasks = run(planned)
    keys = [task.key for task in tasks]
    assert len(set(keys)) == len(keys)
    assert {task.depth for task in tasks if task.kind == "passkey"} == set(DEPTHS)
    for stop in range(len(tasks)):
        measured = [done(task) for task in tasks[:stop]]
        assert planned.next(measured)[0].key == keys[stop]
    assert not planned.next([done(task) for task in tasks])


@pytest.mark.parametrize("found_at", [None, 0.5], ids=["none", "one"])
def test_what_finds_no_pass_key_is_not_asked_at_greater_lengths(found_at: float | None) -> None:
    def measure(task: Task) -> Measurement:
        lost = task.kind == "passkey" and task.candidate == "ntk" and task.depth != found_at
        return replace(done(task), values=(0.0,)) if lost else done(task)

    keys = [task for task in run(plan(), measure) if task.kind == "passkey"]
    asked = {name: {t.length for t in keys if t.candidate == name} for name in LOSS}
    assert asked["yarn"] == {64, 256}
    assert asked["ntk"] == ({64} if found_at is None else {64, 256})
    assert len([t for t in keys if (t.candidate, t.length) == ("ntk", 64)]) == 2 * len(DEPTHS)


def test_no_pass_keys_need_be_asked_for() -> None:
    assert not [task for task in run(plan(trials=0)) if task.kind == "passkey"]


def test_the_cost_of_a_pass_grows_faster_than_its_length() -> None:
    clock = Clock(per_token=3.0, per_score=0.5, budget=None)

    def cost(kind: str, length: int) -> float:
        return clock.cost(Task(kind=kind, candidate="none", document=0, length=length), 64)

    assert cost("loss", 100) == cost("passkey", 100) == 100 * 3 + 100**2 / 2 * 0.5
    # One window of 64 and six steps of 32.
    assert cost("cropped", 256) == 7 * cost("loss", 64)
    assert cost("cropped", 40) == cost("loss", 40)


def test_a_budget_is_not_exceeded(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [100.0]
    monkeypatch.setattr(plan_module.time, "monotonic", lambda: now[0])
    clock = Clock(per_token=1.0, per_score=0.0, budget=10.0)
    assert clock.seconds(1e9) == 0.0
    assert clock.allows(1e9)
    clock.learn(cost=4.0, seconds=2.0)
    now[0] += 2.0
    assert clock.seconds(6.0) == 3.0
    assert clock.allows(16.0)
    assert not clock.allows(16.1)
    now[0] += 8.0
    assert clock.allows(0.0)
    assert not clock.allows(0.1)
    assert Clock(per_token=1.0, per_score=0.0, budget=None).allows(1e30)


@pytest.mark.parametrize(
    ("length", "trained"), [(256, 64), (65, 64), (100, 64), (8192, 64), (64, 64), (8, 64), (3, 2)]
)
def test_bins_meet_at_the_trained_length(length: int, trained: int) -> None:
    found = edges(length, trained)
    assert found[0] == 0
    assert found[-1] == length
    assert found == sorted(set(found))
    assert len(found) <= 17
    assert length < trained or trained in found
    if length == 256:
        assert found == list(range(0, 257, 16))
