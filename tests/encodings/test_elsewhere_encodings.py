"""Encodings of a user's own: by module and class, and by the entry points of other packages."""

import subprocess
import sys
from pathlib import Path

import pytest

from phasor.encodings.catalogue import ModelShape, look_up
from phasor.encodings.spelling import parse_spelling
from phasor.errors import PhasorError

SHAPE = ModelShape(dim=64, head_dim=8, num_heads=8, num_positions=16)

SOURCE = """
import torch, phasor

class Decay(phasor.ScoreBias):
    paper = "none: an example"

    def __init__(self, num_heads, start=0.1):
        super().__init__(num_heads)
        self.slope = torch.nn.Parameter(torch.full((num_heads,), start))

    def bias(self, head, query_position, key_position, slope):
        return -slope[head] * (query_position - key_position).abs()

def function(): ...
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "own_encoding.py").write_text(SOURCE)
    (tmp_path / "own_broken.py").write_text("1 / 0")
    (tmp_path / "own_needing.py").write_text("import no_such_thing")
    (tmp_path / "own_leaving.py").write_text("raise SystemExit(3)")
    installed = tmp_path / "own_package-1.dist-info"
    installed.mkdir()
    (installed / "METADATA").write_text("Metadata-Version: 2.1\nName: own_package\nVersion: 1\n")
    (installed / "entry_points.txt").write_text(
        "[phasor.encodings]\nown_decay = own_encoding:Decay\nown_absent = own_absent:Decay\n"
    )
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    for name in ("own_encoding", "own_broken", "own_needing", "own_leaving"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    return tmp_path


@pytest.mark.parametrize(
    ("spelled", "kinds"),
    [
        ("own_encoding:Decay", ["Decay", "Decay"]),
        ("rope / own_encoding:Decay(start=0.5)", ["Rotary", "Decay"]),
    ],
)
def test_by_module_and_class(folder: Path, spelled: str, kinds: list[str]) -> None:
    spelling = parse_spelling(spelled)
    assert spelling.text == spelled.replace(" ", "").replace("rope", "rotary")
    assert parse_spelling(spelling.text).text == spelling.text
    layers = [*spelling.build(SHAPE, 2)]
    assert [type(layer).__name__ for layer in layers] == kinds
    assert layers[1].slope[0].item() == pytest.approx(0.5 if "start" in spelled else 0.1)


@pytest.mark.parametrize(
    ("spelled", "message"),
    [
        ("own_encoding:Deccay", "has no encoding 'Deccay'. Did you mean 'Decay'? There are: Decay"),
        ("own_absent:Decay", "there is no module 'own_absent' for the encoding 'own_absent:Decay'"),
        ("own_encoding.more:Decay", "there is no module"),
        ("own_broken:Decay", "cannot be imported: ZeroDivisionError: division by zero"),
        ("own_needing:Decay", "cannot be imported: ModuleNotFoundError: No module named 'no_such"),
        ("own_leaving:Decay", "cannot be imported: SystemExit: 3"),
        ("own_encoding:function", "no position encoding, got function; name a class that derives"),
        ("own_encoding:torch", "no position encoding, got module"),
        ("own_encoding.Decay", "cannot read the encoding"),
        ("own_encoding:", "cannot read the encoding"),
        (":Decay", "cannot read the encoding"),
        ("own_encoding:Decay:Decay", "cannot read the encoding"),
        ("own_encoding:Decay(heads=3)", "has no argument 'heads'. Did you mean 'num_heads'?"),
        ("rotary(layout=own_encoding:Decay)", "cannot read the encoding"),
    ],
)
def test_wrong_names(folder: Path, spelled: str, message: str) -> None:
    with pytest.raises(PhasorError) as caught:
        parse_spelling(spelled).build(SHAPE, 2)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_by_an_entry_point(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(folder)
    assert look_up("own_decay").__name__ == "Decay"
    assert parse_spelling("own_decay(start=0.5)").text == "own_decay(start=0.5)"
    with pytest.raises(PhasorError, match="there is no module 'own_absent'"):
        look_up("own_absent")
    with pytest.raises(PhasorError, match="Did you mean 'own_decay'"):
        look_up("own_dekay")


def phasor(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "phasor", *arguments],
        capture_output=True, text=True, check=False, timeout=300, cwd=folder,
    )  # fmt: skip


def test_the_command_lists_entry_points(folder: Path) -> None:
    done = phasor(folder, "encodings", "--json")
    assert done.returncode == 0, done.stderr
    assert '"own_decay"' in done.stdout
    assert done.stderr.startswith("Left out: there is no module 'own_absent'")


def test_worker_processes_find_it(folder: Path) -> None:
    """By the script that is installed, whose path does not have the working directory."""
    script = Path(sys.executable).with_name("phasor")
    done = subprocess.run(
        [str(script), "compare", "--encodings", "own_encoding:Decay", "--task", "copy", "--seeds",
         "1", "--steps", "2", "--batch-size", "2", "--train-length", "16", "--eval-factors", "1",
         "--width", "16", "--heads", "2", "--layers", "1", "--out", "out"],
        capture_output=True, text=True, check=False, timeout=300, cwd=folder,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "own_encoding:Decay" in (folder / "out" / "results.json").read_text()
