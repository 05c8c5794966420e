"""Opening what nobody vouches for: only a file of bytes is opened at all."""

import stat
from pathlib import Path
from typing import BinaryIO

from phasor.errors import ArgumentError


def check_regular(path: Path) -> None:
    """Raise unless `path` leads to a file of bytes.

    A pipe, a socket or a device may never give a byte, or never stop.

    Raises:
        ArgumentError: It does not, or it cannot be looked at.
    """
    try:
        mode = path.stat().st_mode
    except OSError as error:
        raise ArgumentError(f"{path} cannot be read: {error.strerror}") from None
    except ValueError as error:  # a name that no file can have
        raise ArgumentError(f"{str(path)!r} cannot be read: {error}") from None
    if not stat.S_ISREG(mode):
        kind = next((word for test, word in _KINDS if test(mode)), "something else")
        raise ArgumentError(f"{path} must be a regular file, and is {kind}")


def open_regular(path: Path) -> BinaryIO:
    """Open a file of bytes for reading.

    Raises:
        ArgumentError: As `check_regular`, or the system refuses.
    """
    check_regular(path)
    try:
        return path.open("rb")
    except OSError as error:
        raise ArgumentError(f"{path} cannot be read: {error.strerror}") from None


_KINDS = (
    (stat.S_ISDIR, "a folder"),
    (stat.S_ISFIFO, "a pipe"),
    (stat.S_ISSOCK, "a socket"),
    (stat.S_ISCHR, "a device"),
    (stat.S_ISBLK, "a device"),
)
