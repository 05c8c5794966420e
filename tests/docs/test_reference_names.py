"""Every public name has a place in the reference."""

import ast
import importlib
import inspect
import re
from functools import reduce
from pathlib import Path
from types import ModuleType

import pytest

import phasor

PAGES = Path(__file__).parents[2] / "docs" / "reference" / "api"
ENTRY = re.compile(r"^::: (\S+)\n    options:\n      heading: (\S+)$", re.MULTILINE)
MODULES = (
    "phasor.attention", "phasor.errors", "phasor.kernels", "phasor.measure", "phasor.positions",
    "phasor.rotary", "phasor.rotary.scaling", "phasor.spec", "phasor.testing",
)  # fmt: skip


def entries() -> dict[str, str]:
    """By heading, what it documents."""
    found: dict[str, str] = {}
    for page in PAGES.glob("*.md"):
        text = page.read_text()
        of_page = ENTRY.findall(text)
        assert len(of_page) == text.count(":::"), page
        for path, heading in of_page:
            assert heading not in found, heading
            found[heading] = path
    return found


def at(path: str) -> object:
    module = max(
        (name for name in (*MODULES, "phasor.encodings", "phasor") if path.startswith(f"{name}.")),
        key=len,
    )
    names = path.removeprefix(f"{module}.").split(".")
    return reduce(getattr, names, importlib.import_module(module))


def public(name: str) -> list[str]:
    """What the `__init__` of a module hands out, `X as X`, and what it defines itself."""
    module = importlib.import_module(name)
    found: list[str] = []
    for node in ast.parse(inspect.getsource(module)).body:
        if isinstance(node, ast.ImportFrom):
            found += [alias.name for alias in node.names if alias.name == alias.asname]
        elif isinstance(node, ast.FunctionDef | ast.ClassDef):
            found.append(node.name)
        elif isinstance(node, ast.Assign | ast.AnnAssign):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            found += [target.id for target in targets if isinstance(target, ast.Name)]
    return [
        each
        for each in found
        if not each.startswith("_") and not isinstance(getattr(module, each), ModuleType)
    ]


def test_every_name_of_phasor() -> None:
    names = [
        name
        for name in dir(phasor)
        if not name.startswith("_") and not isinstance(getattr(phasor, name), ModuleType)
    ]
    assert len(names) > 60
    missing = {f"phasor.{name}" for name in names} - entries().keys()
    assert missing == set(), "add them to a page in docs/reference/api"


@pytest.mark.parametrize("module", MODULES)
def test_every_name_of_its_modules(module: str) -> None:
    documented = [at(path) for path in entries().values()]
    names = public(module)
    assert names
    home = importlib.import_module(module)
    missing = [n for n in names if not any(getattr(home, n) is each for each in documented)]
    assert missing == [], "add them to a page in docs/reference/api"


@pytest.mark.parametrize(("heading", "path"), sorted(entries().items()))
def test_headings_are_what_users_write(heading: str, path: str) -> None:
    assert at(heading.replace("phasor.scaling.", "phasor.rotary.scaling.")) is at(path)
