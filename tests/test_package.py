"""The package as a whole: its names, its weight, its promises."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

import phasor
from phasor.encodings.catalogue import CATALOGUE

ROOT = Path(__file__).parents[1]


def run(code: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=120
    )
    return done.stdout.strip()


def test_public_names() -> None:
    """Other people's scripts rely on these."""
    found = run("import phasor; print(*sorted(n for n in vars(phasor) if not n.startswith('_')))")
    modules = {"encoding", "encodings", "errors", "kernels", "per_layer", "positions", "rotary"}
    modules |= {"TYPE_CHECKING", "installation", "interruption"}
    encodings = set(phasor.encodings.MODULES)
    assert encodings >= {
        "ALiBi",
        "FIRE",
        "KERPLE",
        "Learned",
        "Rotary",
        "Sandwich",
        "Sinusoidal",
        "T5Bias",
        "XPos",
    }
    assert set(found.split()) - modules - encodings == {
        "Compose",
        "EncodingSpec",
        "Frequencies",
        "NoPE",
        "PerLayer",
        "PositionEncoding",
        "QueryKeyTurn",
        "ScoreBias",
        "ScoreMod",
        "attention",
        "axial",
        "constructed_from",
        "cos_sin",
        "geometric",
        "image_periods",
        "norm_rotate",
        "pixel",
        "proportional",
        "require_sites",
        "rerotate",
        "rotate",
        "rotate_into_cache",
        "scaling",
        "sections",
    }


def test_specs_are_there_when_asked_for() -> None:
    asked = "import sys, phasor; print('phasor.spec' in sys.modules, phasor.PositionSpec.__name__)"
    assert run(asked) == "False PositionSpec"
    assert run("import phasor; print(phasor.spec.LayerSpec.__name__)") == "LayerSpec"
    asked = "import sys, phasor; print('phasor._read' in sys.modules, phasor.read.__name__)"
    assert run(asked) == "False read"
    assert run("import phasor; print(phasor.patch.__name__, phasor.unpatch.__name__)") == (
        "patch unpatch"
    )
    asked = (
        "import sys, phasor; print('phasor._extend' in sys.modules, phasor.extend.__name__, "
        "'transformers' in sys.modules)"
    )
    assert run(asked) == "False extend False"
    verbs = ["bench", "check", "compare", "convert", "diff", "explain", "extend", "inspect"]
    asked = f"import sys, phasor; print(*[getattr(phasor, verb).__name__ for verb in {verbs}])"
    assert run(asked).split() == verbs
    lazy = {*verbs, "PositionSpec", "patch", "read", "spec", "unpatch"}
    assert lazy <= set(run("import phasor; print(*dir(phasor))").split())
    with pytest.raises(AttributeError, match="'phasor' has no attribute 'Rotery'"):
        _ = phasor.Rotery  # type: ignore[attr-defined]


def test_no_encoding_escapes_the_contract() -> None:
    from contract.cases import CASES

    held = {type(make()) for make in CASES.values()}
    assert held >= set(CATALOGUE.values())


def test_every_public_object_is_documented_with_its_source() -> None:
    encodings = [
        name
        for name, value in ((name, getattr(phasor, name)) for name in dir(phasor))
        if isinstance(value, type) and issubclass(value, phasor.PositionEncoding)
    ]
    assert len(encodings) > 20
    own = {"PositionEncoding", "Compose", "QueryKeyTurn", "ScoreBias"}
    for name in (*sorted(set(encodings) - own), "geometric", "rotate"):
        doc = getattr(phasor, name).__doc__
        assert doc
        assert "arXiv" in doc, name


def test_import_needs_torch_alone() -> None:
    loaded = run(
        "import torch, sys; before = set(sys.modules); import phasor; "
        "print(sorted({name.split('.')[0] for name in set(sys.modules) - before}))"
    )
    assert loaded == "['phasor']"


def test_import_is_cheap(tmp_path: Path) -> None:
    """A twentieth of what torch takes, once the bytecode of both is there, as installs leave it."""
    code = (
        "import time; start = time.thread_time(); import torch; middle = time.thread_time(); "
        "import phasor; print((time.thread_time() - middle) / (middle - start))"
    )
    command = [sys.executable, "-X", f"pycache_prefix={tmp_path}", "-c", code]
    environment = {**os.environ, "PYTHONDONTWRITEBYTECODE": ""}
    shares = [
        float(subprocess.check_output(command, text=True, env=environment, timeout=120))
        for _ in range(4)
    ]
    assert min(shares[1:]) < 0.05


def test_the_command_says_what_to_install_where_its_extra_is_missing() -> None:
    code = (
        "import sys; sys.modules['typer'] = None; sys.argv = ['phasor', 'encodings']; "
        "from phasor.__main__ import main\n"
        "try:\n    main()\nexcept SystemExit as error:\n    print(error)"
    )
    assert run(code).endswith("pip install 'torch-phasor[lab]'")


def readme_commands() -> list[str]:
    text = (ROOT / "README.md").read_text()
    return [line for line in text.splitlines() if line.startswith("python3 -m venv")]


def test_readme_has_one_line_to_run_and_one_to_test() -> None:
    run_line, test_line = readme_commands()
    assert run_line.endswith("phasor compare")
    assert test_line.endswith("pytest")


def test_ci_runs_the_test_line_of_the_readme() -> None:
    script = (ROOT / ".ci" / "run").read_text()
    assert readme_commands()[1] in script.splitlines()


def test_constraints_pin_everything_that_the_extras_name() -> None:
    tomllib = pytest.importorskip("tomllib")
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = project["optional-dependencies"]
    pinned = {
        line.split("==")[0].lower()
        for line in (ROOT / "constraints.txt").read_text().splitlines()
        if "==" in line
    }
    wanted = {
        requirement.split(">=")[0].split("[")[0].lower()
        for name in ("lab", "dev", "docs")
        for requirement in [*extras[name], *project["dependencies"]]
    } - {"torch-phasor"}
    assert wanted <= pinned


def test_names_of_test_files_are_unique() -> None:
    names = [file.name for file in (ROOT / "tests").rglob("test_*.py")]
    assert sorted(names) == sorted(set(names))  # pytest imports them by their names alone


@pytest.mark.parametrize("name", ["src", "tests", "benchmarks"])
def test_files_are_small(name: str) -> None:
    for file in (ROOT / name).rglob("*.py"):
        assert len(file.read_text().splitlines()) <= 400, file
