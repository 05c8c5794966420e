"""`pytest --phasor-encoding`: the contract, of an encoding outside of the library."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import phasor_pytest

SOURCE = """
import torch, phasor

class Decay(phasor.ScoreBias):
    paper = "none: an example"

    def __init__(self, num_heads):
        super().__init__(num_heads)
        self.slope = torch.nn.Parameter(torch.full((num_heads,), 0.1))

    def bias(self, head, query_position, key_position, slope):
        return -slope[head] * (query_position - key_position).abs()

class Shifting(Decay):
    def bias(self, head, query_position, key_position, slope):
        return super().bias(head, query_position, key_position, slope) * (query_position + 1)
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """As where the plugin is installed: without this repository's own conftest above it."""
    home = Path(phasor_pytest.__file__).parent
    shutil.copytree(home, tmp_path / "site" / "phasor_pytest")
    (tmp_path / "mine.py").write_text(SOURCE)
    (tmp_path / "test_other.py").write_text("def test_of_mine(): ...")
    return tmp_path


def run(folder: Path, *arguments: str) -> tuple[int, str]:
    places = [str(folder / "site"), str(Path(phasor_pytest.__file__).parents[1])]
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "phasor_pytest",
         *arguments],
        capture_output=True, text=True, check=False, timeout=300, cwd=folder,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(places)},
    )  # fmt: skip
    return done.returncode, done.stdout + done.stderr


def test_seven_lines_pass(folder: Path) -> None:
    chosen = "decode or chunks or meta or pickle or TestRefuses"
    status, out = run(folder, "--phasor-encoding", "mine:Decay", "-k", chosen)
    assert status == 0, out
    assert " passed" in out
    assert "of_mine" not in out


def test_what_is_wrong_is_found(folder: Path) -> None:
    status, out = run(folder, "--phasor-encoding", "mine:Shifting", "-k", "a_shift_of")
    assert status == 1, out
    assert "test_a_shift_of_all_positions" in out


def test_a_wrong_name_is_one_sentence(folder: Path) -> None:
    status, out = run(folder, "--phasor-encoding", "mine:Dekay", "-k", "deepcopy")
    assert status == 1
    assert "module 'mine' has no encoding 'Dekay'. Did you mean 'Decay'?" in out


def test_beside_tests_that_are_named(folder: Path) -> None:
    status, out = run(
        folder, "test_other.py", "--phasor-encoding", "mine:Decay", "-k", "of_mine or deepcopy"
    )
    assert status == 0, out
    assert "2 passed" in out
