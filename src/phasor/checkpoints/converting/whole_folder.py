"""A folder that appears whole or not at all."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from phasor.errors import ArgumentError


@contextmanager
def whole_folder(target: Path, *, num_bytes: int) -> Iterator[Path]:
    """A hidden folder beside `target` to fill; at the end it becomes `target`.

    Whatever goes wrong, `target` does not exist. A process that is killed leaves the hidden
    folder behind, which may be deleted.

    Args:
        target: Must not exist.
        num_bytes: What will be written, checked against the space on the disk before anything is.
    """
    if target.exists() or target.is_symlink():
        raise ArgumentError(f"{target} exists already; name a folder that does not")
    try:
        free = shutil.disk_usage(target.parent).free
        if free < num_bytes:
            raise ArgumentError(
                f"the disk of {target} has {free:,} bytes free, and {num_bytes:,} are needed"
            )
        folder = Path(tempfile.mkdtemp(dir=target.parent, prefix=f".{target.name}."))
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


def _sync(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
