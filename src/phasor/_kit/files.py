"""Writing files so that a kill at any moment leaves the old file or the new one."""

import os
import re
import secrets
from pathlib import Path

import psutil

from phasor.interruption import put_off


def write_atomically(path: Path, text: str) -> None:
    """Write `text` to a temporary file beside `path`, then rename it.

    A process that is killed meanwhile leaves the temporary file, and the next one that writes the
    same file deletes it. Its name says which process it is of.
    """
    _delete_left_behind(path)
    # The name is known before the file is there: Ctrl-C may come at any line.
    temporary = path.with_name(f".{path.name}.phasor-{os.getpid()}-{secrets.token_hex(4)}")
    try:
        with temporary.open("x", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        temporary.chmod(0o644)
        temporary.replace(path)
    finally:
        with put_off():
            temporary.unlink(missing_ok=True)


def _delete_left_behind(path: Path) -> None:
    made_here = re.compile(re.escape(f".{path.name}.phasor-") + r"(\d+)-[a-z0-9_]{8}")
    for beside in path.parent.iterdir():
        name = made_here.fullmatch(beside.name)
        if name and not _is_running(int(name[1]), beside):
            beside.unlink(missing_ok=True)


def _is_running(pid: int, file: Path) -> bool:
    """Whether process `pid` is the one that made `file`, and no later one with its number."""
    try:
        # The system keeps the two times with other precisions.
        return psutil.Process(pid).create_time() <= file.stat().st_mtime + 1
    except (psutil.NoSuchProcess, FileNotFoundError):
        return False
