"""A folder that appears whole or not at all."""

import fcntl
import os
import re
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from phasor.errors import ArgumentError


@contextmanager
def whole_folder(target: Path, *, num_bytes: int = 0) -> Iterator[Path]:
    """A hidden folder beside `target` to fill; at the end it becomes `target`.

    Whatever goes wrong, `target` does not exist. A process that is killed leaves the hidden folder
    behind, and the next one with the same `target` deletes it. The lock on a folder tells them
    apart from those that are being filled: the system gives it back when its process ends.

    Args:
        target: Must not exist.
        num_bytes: What will be written, checked against the space on the disk before anything is.
    """
    if target.exists() or target.is_symlink():
        raise ArgumentError(f"{target} exists already; name a folder that does not")
    prefix = f".{target.name}.phasor-"
    try:
        _delete_left_behind(target.parent, prefix)
        free = shutil.disk_usage(target.parent).free
        if free < num_bytes:
            raise ArgumentError(
                f"the disk of {target} has {free:,} bytes free, and {num_bytes:,} are needed"
            )
        folder, handle = _locked_folder(target.parent, prefix)
    except FileNotFoundError:
        raise ArgumentError(f"there is no folder {target.parent} to write in") from None
    try:
        yield folder
        folder.chmod(0o755)
        _sync(folder)
        if target.exists():
            raise ArgumentError(f"{target} was made by somebody else meanwhile")
        folder.rename(target)
        _sync(target.parent)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        os.close(handle)


def _locked_folder(parent: Path, prefix: str) -> tuple[Path, int]:
    """A new folder and the handle that holds its lock."""
    while True:
        folder = Path(tempfile.mkdtemp(dir=parent, prefix=prefix))
        handle = os.open(folder, os.O_RDONLY)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:  # somebody takes it for left behind, and is deleting it
            os.close(handle)
            continue
        except OSError:  # a file system without such locks, where nobody can take it either
            return folder, handle
        if folder.exists():
            return folder, handle
        os.close(handle)


def _delete_left_behind(parent: Path, prefix: str) -> None:
    made_here = re.compile(re.escape(prefix) + r"[a-z0-9_]{8}")  # as tempfile names them
    for folder in sorted(parent.iterdir()):
        if not made_here.fullmatch(folder.name):
            continue
        try:
            handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
        except OSError:  # not a folder, or another user's
            continue
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            shutil.rmtree(folder, ignore_errors=True)
        except OSError:  # it is being filled, or nobody can tell
            pass
        finally:
            os.close(handle)


def _sync(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
