"""What is installed: which distribution this is, and which of its extras brings a library."""

import re
from importlib import metadata, util
from pathlib import Path

from phasor.errors import ArgumentError

# Of a checkout that was never installed.
_NAME = "torch-phasor"
_COMMAND = "phasor.__main__:main"


def install(extra: str) -> str:
    """The command that installs an extra of this distribution."""
    return f"pip install '{_name()}[{extra}]'"


def needs(module: str, what: str) -> None:
    """Raise one sentence where a library is missing.

    Args:
        module: Its name when imported.
        what: What needs it, as the beginning of a sentence.

    Raises:
        ArgumentError: It is not installed.
    """
    if util.find_spec(module) is None:
        raise ArgumentError(f"{what} needs {module}; {how_to_get(module)}")


def how_to_get(module: str) -> str:
    """What to type to get a library that one of our extras brings, or what brings it."""
    extra = extra_of(module)
    if extra is None:
        # A library that one of our libraries needs: the installation is not whole.
        return f"pip install --force-reinstall '{_name()}[lab]'"
    return install(extra)


def extra_of(module: str) -> str | None:
    """The extra that brings a library: the one with the fewest others."""
    libraries: dict[str, set[str]] = {}
    for requirement in _requirements():
        found = re.match(r"([\w.-]+).*?\bextra\s*==\s*['\"]([\w-]+)['\"]", requirement)
        if found:
            libraries.setdefault(found[2], set()).add(_plain(found[1]))
    fitting = [extra for extra, names in libraries.items() if _plain(module) in names]
    return min(fitting, key=lambda extra: len(libraries[extra]), default=None)


def another_phasor() -> str | None:
    """What to say where another distribution has written a `phasor` of its own beside this one.

    PyPI has one, a library for optics: the files of both land in one folder.
    """
    beside = Path(__file__).parents[1]
    for record in beside.glob("phasor-*.dist-info"):
        version = record.name.removeprefix("phasor-").removesuffix(".dist-info")
        return (
            f"another distribution named 'phasor' ({version}) is installed beside {_NAME}, and "
            "both write into one folder, so either may be broken: pip uninstall phasor "
            f"{_NAME}, then pip install {_NAME}"
        )
    return None


def _requirements() -> list[str]:
    mine = _distribution()
    return [] if mine is None else mine.requires or []


def _name() -> str:
    mine = _distribution()
    return _NAME if mine is None else mine.metadata["Name"]


def _distribution() -> metadata.Distribution | None:
    """The distribution that brought the command `phasor`."""
    for entry in metadata.entry_points(group="console_scripts", name="phasor"):
        if entry.value == _COMMAND:
            return entry.dist
    return None


def _plain(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()
