"""What phasor says about how it is installed."""

import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from phasor import installation
from phasor.errors import ArgumentError

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
EXTRAS: dict[str, list[str]] = PROJECT["optional-dependencies"]
ASKS = re.compile(r"""\b(?:needs|how_to_get)\(\s*["'](\w+)["']""")
STRANGER = "phasor-1.0.0.dev3.dist-info"  # on PyPI since 2017, a library for optics


def asked_for() -> set[str]:
    return {
        module for file in (ROOT / "src").rglob("*.py") for module in ASKS.findall(file.read_text())
    }


def test_a_hint_names_an_extra_that_brings_the_library() -> None:
    assert asked_for() >= {"gguf", "optuna", "peft", "safetensors", "transformers"}
    for module in asked_for() | {"typer", "rich"}:
        extra = installation.extra_of(module)
        assert extra is not None, module
        assert any(re.match(rf"{module}\b", each) for each in EXTRAS[extra]), module
        assert installation.how_to_get(module) == f"pip install '{PROJECT['name']}[{extra}]'"


def test_what_no_extra_names_is_installed_anew() -> None:
    assert installation.how_to_get("click") == ("pip install --force-reinstall 'torch-phasor[lab]'")


def test_the_strangers_distribution_is_never_named_to_be_installed() -> None:
    files = [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *(ROOT / "src").rglob("*.py")]
    for file in files:
        wrong = re.findall(r"(?<!torch-)\bphasor\[.*?\]|pip install phasor\b", file.read_text())
        assert not wrong, file
    documented = {
        extra
        for file in files
        for extras in re.findall(r"torch-phasor\[([\w,]+)\]", file.read_text())
        for extra in extras.split(",")
    }
    assert documented <= EXTRAS.keys()


def test_a_missing_library_is_one_sentence() -> None:
    with pytest.raises(ArgumentError) as error:
        installation.needs("optunaa", "--search")
    assert str(error.value).startswith("--search needs optunaa; pip install ")


@pytest.fixture
def beside_the_stranger(tmp_path: Path) -> Path:
    """Both distributions in one folder of packages, ours written last."""
    skipped = shutil.ignore_patterns("__pycache__")
    shutil.copytree(ROOT / "src" / "phasor", tmp_path / "phasor", ignore=skipped)
    (tmp_path / STRANGER).mkdir()
    return tmp_path


def run(site: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=site, capture_output=True, text=True, timeout=120, check=False,
        env={"PYTHONPATH": str(site), "PATH": "/usr/bin:/bin"},
    )  # fmt: skip


def test_import_beside_the_strangers_distribution_says_so(beside_the_stranger: Path) -> None:
    done = run(beside_the_stranger, "-c", "import phasor; print(phasor.__version__)")
    assert "another distribution named 'phasor' (1.0.0.dev3) is installed" in done.stderr
    assert "pip uninstall phasor torch-phasor" in done.stderr
    assert done.stdout


def test_the_command_says_so_where_the_stranger_was_installed_last(
    beside_the_stranger: Path,
) -> None:
    (beside_the_stranger / "phasor" / "__init__.py").write_text("")
    done = run(beside_the_stranger, "-m", "phasor", "encodings")
    assert done.returncode == 1
    assert done.stderr.startswith("another distribution named 'phasor' (1.0.0.dev3) is installed")
