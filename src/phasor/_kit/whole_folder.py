"""Folders that a kill does not leave half: one that appears whole, and one that is for a while."""

import os
import re
import secrets
import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from phasor.errors import ArgumentError
from phasor.interruption import put_off

_LOCK, _FILES = "lock", "whole"
_PASSING = "phasor-for-a-while-"


@contextmanager
def whole_folder(target: Path, *, num_bytes: int = 0) -> Iterator[Path]:
    """A folder to fill, in a hidden one beside `target`; at the end it becomes `target`.

    Whatever goes wrong, `target` does not exist. A process that is killed leaves the hidden folder
    behind, and the next one with the same `target` deletes it. The lock in a hidden folder tells
    them apart from those that are being filled: the system gives it back when its process ends.

    Args:
        target: Must not exist.
        num_bytes: What will be written, checked against the space on the disk before anything is.
    """
    try:
        delete_left_behind(target)
        if target.exists() or target.is_symlink():
            raise ArgumentError(f"{target} exists already; name a folder that does not")
        free = shutil.disk_usage(target.parent).free
        if free < num_bytes:
            raise ArgumentError(
                f"the disk of {target} has {free:,} bytes free, and {num_bytes:,} are needed"
            )
    except FileNotFoundError:
        raise ArgumentError(f"there is no folder {target.parent} to write in") from None
    with _hidden_folder(target.parent, _prefix(target)) as folder:
        yield folder
        _sync(folder)
        if target.exists():
            raise ArgumentError(f"{target} was made by somebody else meanwhile")
        with put_off():
            folder.rename(target)
            _sync(target.parent)


def delete_left_behind(target: Path) -> None:
    """Delete the hidden folders of processes that were killed while they filled `target`.

    One that was killed just after `target` appeared has left such a folder too. So whoever goes on
    with what is in `target`, and fills it no more, calls this.
    """
    _delete_left_behind(target.parent, _prefix(target))


@contextmanager
def passing_folder() -> Iterator[Path]:
    """An empty folder among the system's temporary ones, for as long as the block lasts.

    Like `whole_folder`: what a process that was killed left behind, the next one deletes.
    """
    parent = Path(tempfile.gettempdir())
    _delete_left_behind(parent, _PASSING)
    with _hidden_folder(parent, _PASSING) as folder:
        yield folder


def _prefix(target: Path) -> str:
    return f".{target.name}.phasor-"


@contextmanager
def _hidden_folder(parent: Path, prefix: str) -> Iterator[Path]:
    """A new folder in a hidden one of `parent`, whose lock is held as long as the block lasts."""
    # The name is known before the folder is there: Ctrl-C may come at any line.
    hidden = parent / f"{prefix}{secrets.token_hex(4)}"
    lock = FileLock(hidden / _LOCK, timeout=0)
    try:
        while not _made(hidden, lock):
            hidden = parent / f"{prefix}{secrets.token_hex(4)}"
            lock = FileLock(hidden / _LOCK, timeout=0)
        folder = hidden / _FILES
        folder.mkdir()
        yield folder
    finally:
        with put_off():
            shutil.rmtree(hidden / _FILES, ignore_errors=True)
            lock.release()
            shutil.rmtree(hidden, ignore_errors=True)


def _made(hidden: Path, lock: FileLock) -> bool:
    """Make `hidden` and take its lock, unless somebody takes it for left behind, and deletes it."""
    hidden.mkdir(mode=0o700)
    try:
        lock.acquire()
    except (FileNotFoundError, Timeout):
        return False
    except (NotImplementedError, OSError):  # a file system without locks: nobody can take it
        return True
    if (hidden / _LOCK).exists():
        return True
    lock.release()
    return False


def _delete_left_behind(parent: Path, prefix: str) -> None:
    made_here = re.compile(re.escape(prefix) + r"[a-z0-9_]{8}")
    try:
        found = sorted(parent.iterdir())
    except PermissionError:  # it may be written to all the same
        return
    for hidden in found:
        if not made_here.fullmatch(hidden.name) or hidden.is_symlink() or not hidden.is_dir():
            continue
        if not _is_mine(hidden):
            continue
        lock = FileLock(hidden / _LOCK, timeout=0)
        try:
            lock.acquire()
        except (NotImplementedError, OSError, Timeout):  # it is being filled, or nobody can tell
            continue
        # On Windows a file that is open cannot be deleted, nor its folder.
        if sys.platform == "win32":
            lock.release()
        shutil.rmtree(hidden, ignore_errors=True)
        lock.release()


def _is_mine(folder: Path) -> bool:
    """Whether nobody else can have put something there: many write to one temporary folder."""
    if sys.platform == "win32":
        return True
    try:
        return folder.stat().st_uid == os.getuid()
    except FileNotFoundError:  # somebody else has deleted it meanwhile
        return False


def _sync(folder: Path) -> None:
    if sys.platform == "win32":  # where folders cannot be opened
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
