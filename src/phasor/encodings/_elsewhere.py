"""Encodings that are not phasor's: by module and class, or from what is installed beside it."""

import os
import sys
from importlib import import_module
from importlib.metadata import EntryPoint, entry_points

from phasor.encoding import PositionEncoding
from phasor.errors import ArgumentError, ArgumentTypeError, unknown_name

GROUP = "phasor.encodings"


def load(name: str) -> type[PositionEncoding]:
    """The encoding `module:Class`, of a module that is installed or in the working directory.

    Raises:
        ArgumentError: No such module or class, or a module that cannot be imported.
        ArgumentTypeError: The class is no position encoding.
    """
    module_name, _, class_name = name.partition(":")
    if os.getcwd() not in sys.path:
        sys.path.append(os.getcwd())  # for good: the module may import others when it is used
    try:
        module = import_module(module_name)
    except (Exception, SystemExit) as error:
        if isinstance(error, ModuleNotFoundError) and f"{module_name}.".startswith(
            f"{error.name}."
        ):
            raise ArgumentError(
                f"there is no module {error.name!r} for the encoding {name!r}; it is looked for "
                "among what is installed and in the working directory"
            ) from None
        raise ArgumentError(
            f"the module of the encoding {name!r} cannot be imported: "
            f"{type(error).__name__}: {error}"
        ) from error
    found = getattr(module, class_name, None)
    if found is None:
        own = [known for known, value in vars(module).items() if _is_encoding(value)]
        raise unknown_name(f"module {module_name!r} has no encoding", class_name, own)
    if not _is_encoding(found):
        kind = found.__name__ if isinstance(found, type) else type(found).__name__
        raise ArgumentTypeError(
            f"{name} is no position encoding, got {kind}; name a class that derives from "
            "phasor.ScoreBias or phasor.PositionEncoding"
        )
    return found


def installed() -> dict[str, EntryPoint]:
    """Encodings of other packages, by the names that those gave them in the group of encodings."""
    return {point.name: point for point in entry_points(group=GROUP)}


def _is_encoding(value: object) -> bool:
    return isinstance(value, type) and issubclass(value, PositionEncoding)
