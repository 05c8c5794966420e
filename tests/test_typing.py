"""What type checkers say of README's own lines, of a user's small program, and of slips."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]

PROGRAM = """
from typing import assert_type

import torch
from torch import Tensor

import phasor

query, key = torch.randn(1, 8, 3, 64), torch.randn(1, 2, 3, 64)
positions, frequencies = torch.arange(3), phasor.geometric(64)
turned, turned_key = phasor.rotate(query, key, positions, frequencies)
assert_type(turned_key, Tensor)
turned, absent = phasor.rotate(query, None, positions, frequencies)
assert_type(absent, None)


def either(key: Tensor | None) -> Tensor | None:
    return phasor.rotate(query, key, positions, frequencies)[1]


def loss(folder: str) -> float:
    found = phasor.compare(encodings=["rotary", "alibi"], seeds=2, progress=print)
    print(phasor.extend(folder, to=16384, methods="yarn").verdict.best)
    print(phasor.inspect(folder, length=8192).findings[0].text)
    print(phasor.diff(folder, folder).sentences, phasor.check(folder).passed)
    print(phasor.convert(folder, "there", layout="half").logits)
    print(phasor.bench(shapes="A").cases[0].rows[0].seconds)
    return found.tasks["lm"].encodings["rotary"].loss["64"].mean
"""

SLIPS = """
import phasor

phasor.Rotry(64)
phasor.compare(encoding="rotary")
phasor.extend("model", to="16384")
"""


def of_readme() -> str:
    blocks = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(), re.S)
    return "import torch\n\nimport phasor\n\n" + "\n".join(blocks)


def errors_of_mypy(folder: Path) -> dict[str, list[int]]:
    done = subprocess.run(
        [
            sys.executable, "-m", "mypy", "--strict", "--follow-imports=silent",
            f"--cache-dir={ROOT / '.mypy_cache'}", "readme.py", "program.py", "slips.py",
        ],
        capture_output=True, text=True, timeout=900, check=False, cwd=folder,
        env={"MYPYPATH": f"{ROOT / 'src'}:{folder / 'typings'}", "PATH": ""},
    )  # fmt: skip
    assert done.returncode in (0, 1), done.stderr
    found: dict[str, list[int]] = {}
    for name, line in re.findall(r"(\w+)\.py:(\d+): error", done.stdout):
        found.setdefault(name, []).append(int(line))
    return found


def errors_of_pyright(folder: Path) -> dict[str, list[int]]:
    (folder / "pyrightconfig.json").write_text(
        json.dumps({"extraPaths": [str(ROOT / "src")], "stubPath": "typings"})
    )
    done = subprocess.run(
        [
            sys.executable, "-m", "pyright", "--outputjson",
            "--pythonpath", sys.executable, "-p", str(folder),
        ],
        capture_output=True, text=True, timeout=900, check=False,
    )  # fmt: skip
    found: dict[str, list[int]] = {}
    for one in json.loads(done.stdout)["generalDiagnostics"]:
        if one["severity"] == "error":
            line = one["range"]["start"]["line"] + 1
            found.setdefault(Path(one["file"]).stem, []).append(line)
    return found


@pytest.mark.parametrize("errors", [errors_of_mypy, errors_of_pyright])
def test_checkers_take_what_is_right_and_nothing_else(tmp_path: Path, errors: object) -> None:
    assert callable(errors)
    # What transformers says of itself is not asked here, and takes minutes.
    (stub := tmp_path / "typings" / "transformers").mkdir(parents=True)
    (stub / "__init__.pyi").write_text(
        "from typing import Any\n\ndef __getattr__(name: str) -> Any: ...\n"
    )
    (tmp_path / "readme.py").write_text(of_readme())
    (tmp_path / "program.py").write_text(PROGRAM)
    (tmp_path / "slips.py").write_text(SLIPS)
    assert errors(tmp_path) == {"slips": [4, 5, 6]}
