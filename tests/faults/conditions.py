"""Poor machines: `cd tests && python -m faults.conditions`, as root on Linux.

Each verb runs on a full disk, in a read-only folder, without shared memory, without a process or a
thread to spare, on one core and with 2 GB. It ends with what it ends with elsewhere, or with one
sentence, another status than 0, and nothing or all of its output.
"""

import ctypes
import os
import resource
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path

from faults.campaign import materials
from faults.processes import Started, warm
from faults.trial import HANGS_AFTER, Undisturbed, nothing_left, same, undisturbed
from faults.verbs import VERBS, Materials, Verb

_NEW_MOUNTS = 0x00020000  # CLONE_NEWNS
_PIDS = Path("/sys/fs/cgroup/pids") / "phasor-faults"


@dataclass(frozen=True)
class Condition:
    """What a machine lacks.

    Args:
        name: In the table.
        disk: Options of the file system that holds output and temporary files; `None`: the usual.
        before: What the process does to itself before it becomes the command.
        must_succeed: Whether a verb has all that it needs.
    """

    name: str
    disk: str | None = None
    before: Callable[[], None] = lambda: None
    must_succeed: bool = False


def _no_shared_memory() -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(_NEW_MOUNTS):
        raise OSError(ctypes.get_errno(), "unshare")
    for command in (
        ["mount", "--make-rprivate", "/"],
        ["mount", "-t", "tmpfs", "-o", "ro,size=4k", "none", "/dev/shm"],
    ):
        subprocess.run(command, check=True)


def _no_more_processes() -> None:
    (_PIDS / "cgroup.procs").write_text(str(os.getpid()))
    (_PIDS / "pids.max").write_text("1")


def _one_core() -> None:
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})


def _two_gigabytes() -> None:
    resource.setrlimit(resource.RLIMIT_DATA, (2 << 30, 2 << 30))


CONDITIONS = [
    *(Condition(f"a disk of {size}", disk=f"size={size}") for size in ("4k", "64k", "512k")),
    Condition("a read-only folder", disk="size=4m,ro"),
    Condition("no /dev/shm", before=_no_shared_memory, must_succeed=True),
    Condition("no process to spare", before=_no_more_processes),
    Condition("one core", before=_one_core, must_succeed=True),
    Condition("2 GB", before=_two_gigabytes, must_succeed=True),
]


@contextmanager
def _mounted(place: Path, options: str | None) -> Iterator[None]:
    place.mkdir(parents=True)
    for name in ("tmp", "work"):
        (place / name).mkdir()
    if options is None:
        yield
        return
    # The folders must be there before it is read-only.
    size = next(option for option in options.split(",") if option.startswith("size="))
    subprocess.run(["mount", "-t", "tmpfs", "-o", size, "none", place], check=True)
    try:
        for name in ("tmp", "work"):
            (place / name).mkdir()
        subprocess.run(["mount", "-o", f"remount,{options}", place], check=True)
        yield
    finally:
        subprocess.run(["umount", place], check=True)


def run(
    verb: Verb, condition: Condition, given: Materials, usual: Undisturbed, folder: Path
) -> tuple[str, list[str]]:
    """How it ended, in words, and what must not be."""
    place, said = folder / "disk", folder / "said"
    wrong: list[str] = []
    with _mounted(place, condition.disk):
        out = place / "work" / "out"
        arguments = verb.arguments(given, out)
        started = Started(arguments, said, place / "tmp", before=condition.before)
        status = started.wait(HANGS_AFTER)
        words = said.read_text()
        if status is None:
            wrong.append("it hangs")
            os.killpg(started.pid, 9)
            started.wait(5)
        if left := started.left_after(5):
            wrong.append(f"{len(left)} processes go on after it")
        if "Traceback" in words:
            wrong.append(f"a traceback: {words[-600:]}")
        if status == 0 and not same(verb, out, usual):
            wrong.append("another result")
        if status not in (0, None):
            if condition.must_succeed or status < 0:
                wrong.append(f"it ends with {status}: {words[-300:]}")
            if "Error: " not in words:
                wrong.append(f"no sentence: {words[-300:]}")
            if verb.name != "compare" and out.exists() and not same(verb, out, usual):
                wrong.append("half an output")
        nothing_left(out, place / "tmp", wrong, but={f"{out.name}.measuring"})
    sentence = next((line for line in words.splitlines() if line.startswith("Error: ")), "")
    return "as elsewhere" if status == 0 else sentence or f"status {status}", wrong


def main() -> int:
    if sys.platform != "linux" or os.getuid():
        print("the conditions are made by root on Linux")
        return 2
    total = failed = 0
    _PIDS.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        warm()
        with get_context("fork").Pool(1) as pool:
            things = pool.apply(materials, (folder / "materials",))
        for verb in VERBS:
            if sys.argv[1:] and verb.name not in sys.argv[1:]:
                continue
            usual = undisturbed(verb, things, folder / verb.name)
            for number, condition in enumerate(CONDITIONS):
                ended, wrong = run(verb, condition, things, usual, folder / f"{verb.name}{number}")
                (_PIDS / "pids.max").write_text("max")
                print(f"{verb.name:8} {condition.name:20} {ended}", flush=True)
                for each in wrong:
                    print(f"    wrong: {each}", flush=True)
                total, failed = total + 1, failed + bool(wrong)
    _PIDS.rmdir()
    print(f"{total} runs, {failed} wrong")
    return int(failed > 0)


if __name__ == "__main__":
    sys.exit(main())
