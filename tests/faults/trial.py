"""One trial: strike a verb at one moment, look at what is left, go on with it, compare."""

import os
import random
import shutil
import signal
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from faults.processes import Started
from faults.verbs import Materials, Verb, lines_of

SIGNALS = (signal.SIGKILL, signal.SIGTERM, signal.SIGINT)
# A server of forks that is still importing ends when it has done so.
_ENDS_WITHIN, HANGS_AFTER = 30.0, 120.0


@dataclass(frozen=True)
class Undisturbed:
    """What a verb ends with when nobody disturbs it, and how long it takes."""

    found: Any
    seconds: float


@dataclass
class Outcome:
    """Of one trial.

    Args:
        seed: Repeats it.
        struck: "before" it ended, "record" within half a second of one, or "late" after its end.
        resumed: Whether it went on with records of before.
        wrong: What must not be.
    """

    verb: str
    signal: str
    seed: int
    struck: str = "before"
    resumed: bool = False
    wrong: list[str] = field(default_factory=list)


def undisturbed(verb: Verb, given: Materials, folder: Path) -> Undisturbed:
    """Run it once, in `folder`."""
    out, said, temporary = _places(folder)
    start = time.monotonic()
    started = Started(verb.arguments(given, out), said, temporary)
    if started.wait(HANGS_AFTER) != 0:
        raise RuntimeError(f"{verb.name} does not run undisturbed: {said.read_text()}")
    found = verb.found(out)
    return Undisturbed(found, time.monotonic() - start)


def strike(
    verb: Verb, given: Materials, usual: Undisturbed, folder: Path, sign: signal.Signals,
    seed: int, *, anew: bool = False,
) -> Outcome:  # fmt: skip
    """One trial in `folder`, which is deleted if all is well."""
    chance = random.Random(f"{verb.name} {sign.name} {seed}")
    outcome = Outcome(verb.name, sign.name, seed)
    out, said, temporary = _places(folder)
    arguments = verb.arguments(given, out)
    started = Started(arguments, said, temporary, anew=anew)
    if seed % 2:
        number = chance.randrange(6 if verb.resumes else 1)
        if _wait_for_record(started, verb.records(out), number):
            outcome.struck = "record"
        # Half of these at once: between a record and the next step there is little time.
        started.wait(chance.choice((0.0, chance.uniform(0, 0.5))))
    else:
        started.wait(chance.uniform(0, usual.seconds + (4.0 if anew else 0.0)))
    if started.status() is None:
        os.kill(started.pid, sign)
    else:
        outcome.struck = "late"
    _look(verb, usual, out, said, temporary, started, sign, outcome)
    if not outcome.wrong:
        _go_on(verb, usual, arguments, out, said, temporary, outcome)
    for pid in started.left():
        os.kill(pid, signal.SIGKILL)
    if not outcome.wrong:
        shutil.rmtree(folder)
    return outcome


def _places(folder: Path) -> tuple[Path, Path, Path]:
    for name in ("tmp", "work"):
        (folder / name).mkdir(parents=True)
    return folder / "work" / "out", folder / "said", folder / "tmp"


def _wait_for_record(started: Started, files: list[Path], number: int) -> bool:
    """Until a file appeared or grew for the time after `number` times."""
    seen = 0
    before = _sizes(files)
    while started.status() is None:
        now = _sizes(files)
        if now != before:
            before, seen = now, seen + 1
            if seen > number:
                return True
        time.sleep(0.001)
    return False


def _sizes(files: list[Path]) -> list[int]:
    return [file.stat().st_size if file.is_file() else -1 + file.is_dir() for file in files]


def _look(
    verb: Verb, usual: Undisturbed, out: Path, said: Path, temporary: Path, started: Started,
    sign: signal.Signals, outcome: Outcome,
) -> None:  # fmt: skip
    wrong = outcome.wrong
    if started.wait(20) is None:
        wrong.append(f"it goes on after {sign.name}")
        os.kill(started.pid, signal.SIGKILL)
        started.wait(5)
    if left := started.left_after(_ENDS_WITHIN):
        wrong.append(f"{len(left)} processes go on after it")
    if "Traceback" in said.read_text():
        wrong.append("a traceback")
    if verb.name != "compare" and out.exists() and not same(verb, out, usual):
        wrong.append("half an output")
    if sign != signal.SIGKILL:
        nothing_left(out, temporary, wrong, but={f"{out.name}.measuring"})


def _go_on(
    verb: Verb, usual: Undisturbed, arguments: list[str], out: Path, said: Path,
    temporary: Path, outcome: Outcome,
) -> None:  # fmt: skip
    wrong = outcome.wrong
    kept = verb.kept(out)
    records = lines_of(kept) if kept is not None else []
    if verb.name == "extend" and not records:
        records = lines_of(out / "measurements.jsonl")
    outcome.resumed = bool(records)
    if verb.name == "convert" and out.exists():
        shutil.rmtree(out)
    more = ["--resume"] if verb.resumes else []
    said.write_text("")
    again = Started([*arguments, *more], said, temporary)
    status = again.wait(HANGS_AFTER)
    if status != 0:
        wrong.append(f"going on ends with {status}: {said.read_text()[-300:]}")
        return
    if not same(verb, out, usual):
        wrong.append("going on ends with something else")
    if again.left_after(_ENDS_WITHIN):
        wrong.append("processes go on after going on")
    nothing_left(out, temporary, wrong, but=set())


def same(verb: Verb, out: Path, usual: Undisturbed) -> bool:
    try:
        return verb.found(out) == usual.found
    except (OSError, ValueError, AssertionError, KeyError):
        return False


def nothing_left(out: Path, temporary: Path, wrong: list[str], but: set[str]) -> None:
    names = {file.name for file in out.parent.iterdir()} - {out.name} - but
    if names:
        wrong.append(f"left beside the output: {sorted(names)}")
    inside = [f.name for f in out.glob(".*.phasor-*")] if out.is_dir() else []
    if inside:
        wrong.append(f"left in the output: {inside}")
    if there := sorted(file.name for file in temporary.iterdir()):
        wrong.append(f"left in the temporary folder: {there}")
