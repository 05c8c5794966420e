"""The command in a session of its own: forked from a process that imported it, or started anew."""

import importlib
import multiprocessing
import os
import subprocess
import sys
import tempfile
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn

import psutil

MODULES = (
    "phasor._compare.workers_preload", "transformers.models.llama.modeling_llama",
    "phasor._compare.compare", "phasor._compare.progress", "phasor._extend.run",
    "phasor._extend.progress", "phasor._convert.command", "phasor._inspect.page",
    "phasor._inspect.terminal", "phasor.cli",
)  # fmt: skip


def warm() -> None:
    """Import what the verbs import, once.

    The trials of `compare` are forked from the command then: its own server would import all anew,
    seconds for each kill. The commands that are started anew have their server.
    """
    for name in MODULES:
        importlib.import_module(name)
    import torch

    from phasor._compare import workers

    torch.set_num_threads(1)
    workers._context = lambda: multiprocessing.get_context("fork")


def _become(arguments: list[str], said: Path, temporary: Path, before: Callable[[], None]) -> int:
    os.setsid()
    handle = os.open(said, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.dup2(handle, 1)
    os.dup2(handle, 2)
    os.environ["TMPDIR"], tempfile.tempdir = str(temporary), None
    sys.argv = ["phasor", *arguments]
    # What multiprocessing takes for the program: else its servers would import the campaign.
    entry = importlib.import_module("phasor.__main__")
    sys.modules["__main__"] = entry
    before()
    try:
        entry.main()
    except SystemExit as ended:
        if ended.code is None or isinstance(ended.code, int):
            return ended.code or 0
        print(ended.code, file=sys.stderr)
        return 1
    return 0


def _end(arguments: list[str], said: Path, temporary: Path, before: Callable[[], None]) -> NoReturn:
    status = 99
    try:
        status = _become(arguments, said, temporary, before)
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)


class Started:
    """A running command, the leader of its session."""

    def __init__(
        self,
        arguments: list[str],
        said: Path,
        temporary: Path,
        *,
        anew: bool = False,
        before: Callable[[], None] = lambda: None,
    ) -> None:
        self._status: int | None = None
        if anew:
            with said.open("ab") as output:
                self.pid = subprocess.Popen(
                    [sys.executable, "-m", "phasor", *arguments],
                    stdout=output, stderr=output, start_new_session=True,
                    env=os.environ | {"TMPDIR": str(temporary)}, preexec_fn=before,
                ).pid  # fmt: skip
            return
        self.pid = os.fork()
        if not self.pid:
            _end(arguments, said, temporary, before)

    def status(self) -> int | None:
        """As `subprocess` gives it; `None` while it runs."""
        if self._status is None:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                self._status = os.waitstatus_to_exitcode(status)
        return self._status

    def wait(self, seconds: float) -> int | None:
        deadline = time.monotonic() + seconds
        while self.status() is None and time.monotonic() < deadline:
            time.sleep(0.005)
        return self._status

    def left(self) -> list[int]:
        """Processes of its session that still run, itself apart."""
        found = []
        for pid in psutil.pids():
            try:
                mine = pid != self.pid and os.getsid(pid) == self.pid
                if mine and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE:
                    found.append(pid)
            except (ProcessLookupError, psutil.NoSuchProcess):
                continue
        return found

    def left_after(self, seconds: float) -> list[int]:
        """Those that still run after so long."""
        deadline = time.monotonic() + seconds
        while (found := self.left()) and time.monotonic() < deadline:
            time.sleep(0.05)
        return found
