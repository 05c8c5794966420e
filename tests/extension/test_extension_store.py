"""What is on disk: measurements that survive a kill, folders that appear whole or not at all."""

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

import phasor
from phasor._extend import run
from phasor._extend.store import Measurement, open_store
from phasor._extend.write import appearing
from phasor.errors import ArgumentError

SETUP: dict[str, Any] = {"path": "model", "target_length": 256, "text": "abc"}


def measurement(document: int = 0) -> Measurement:
    return Measurement(
        kind="loss", candidate="yarn", document=document, length=256, depth=None,
        values=(1.5, 0.1 + 0.2), seconds=0.25,
    )  # fmt: skip


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """With three measurements."""
    with open_store(tmp_path / "out.measuring", SETUP, resume=False) as store:
        for document in range(3):
            store.add(measurement(document))
    return tmp_path / "out.measuring"


def test_what_was_added_is_there_again(folder: Path) -> None:
    with open_store(folder, SETUP, resume=True) as store:
        assert store.measurements == [measurement(document) for document in range(3)]
        store.add(measurement(3))
    with open_store(folder, dict(SETUP), resume=True) as store:
        assert len(store.measurements) == 4


@pytest.mark.parametrize("cut", [1, 2, 40])
def test_a_line_that_was_cut_is_measured_again(folder: Path, cut: int) -> None:
    file = folder / "measurements.jsonl"
    file.write_bytes(file.read_bytes()[:-cut])
    with open_store(folder, SETUP, resume=True) as store:
        assert store.measurements == [measurement(0), measurement(1)]
        store.add(measurement(2))
    with open_store(folder, SETUP, resume=True) as store:
        assert store.measurements == [measurement(document) for document in range(3)]


def test_without_resume_it_is_left_alone(folder: Path) -> None:
    before = (folder / "measurements.jsonl").read_bytes()
    with (
        pytest.raises(ArgumentError, match="holds 3 measurements of a run that did not end"),
        open_store(folder, SETUP, resume=False),
    ):
        pass
    assert (folder / "measurements.jsonl").read_bytes() == before


@pytest.mark.parametrize("change", [{"target_length": 512}, {"text": "xyz"}, {"more": 1}])
def test_measurements_of_another_run_are_refused(folder: Path, change: dict[str, Any]) -> None:
    (key,) = change
    with (
        pytest.raises(ArgumentError, match=f"of another run: {key} is .* there and .* here"),
        open_store(folder, SETUP | change, resume=True),
    ):
        pass


@pytest.mark.parametrize("line", ["nonsense", "[]", "{}", '{"setup": {}, "values": 3}'])
def test_a_damaged_line_is_said_to_be_one(folder: Path, line: str) -> None:
    file = folder / "measurements.jsonl"
    file.write_text(file.read_text() + line + "\n")
    with (
        pytest.raises(ArgumentError, match=r"is damaged or was not written .*line 4"),
        open_store(folder, SETUP, resume=True),
    ):
        pass


def test_measurements_of_an_older_phasor_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By its version, and by records that have other fields; both are said with what to do."""
    model = tmp_path / "model.gguf"
    model.write_bytes(b"weights")
    subject: Any = SimpleNamespace(path=model, trained_length=128, target_length=256)
    texts: Any = SimpleNamespace(sha256="abc", first_sha256="a")
    monkeypatch.setattr(phasor, "__version__", "0.0.9")
    older = run._setup(subject, texts)
    monkeypatch.undo()
    newer, folder = run._setup(subject, texts), tmp_path / "out.measuring"
    with open_store(folder, older, resume=False) as store:
        store.add(measurement())
    advice = "repeat with those, or choose another folder with out="
    said = f"another run: phasor is '0.0.9' there and '{phasor.__version__}' here; {advice}$"
    with pytest.raises(ArgumentError, match=said), open_store(folder, newer, resume=True):
        pass
    file = folder / "measurements.jsonl"
    fields = json.loads(file.read_text())
    del fields["seconds"]
    for other in (fields, {**fields, "seconds": 1.0, "score": 1.0}):
        file.write_text(json.dumps(other) + "\n")
        with (
            pytest.raises(ArgumentError, match=r"was not written by this version .* start anew$"),
            open_store(folder, newer, resume=True),
        ):
            pass
        assert json.loads(file.read_text()) == other


def test_two_runs_do_not_write_to_one_folder(folder: Path) -> None:
    with (
        open_store(folder, SETUP, resume=True),
        pytest.raises(ArgumentError, match="another run is writing"),
        open_store(folder, SETUP, resume=True),
    ):
        pass


def test_a_file_in_the_way(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("kept")
    with (
        pytest.raises(ArgumentError, match="cannot write to"),
        open_store(tmp_path / "file", SETUP, resume=False),
    ):
        pass
    assert (tmp_path / "file").read_text() == "kept"


def test_every_line_says_what_it_belongs_to(folder: Path) -> None:
    for line in (folder / "measurements.jsonl").read_text().splitlines():
        assert json.loads(line)["setup"] == SETUP


def test_a_folder_appears_whole(tmp_path: Path) -> None:
    with appearing(tmp_path / "new" / "out") as draft:
        (draft / "a").write_text("1")
        assert not (tmp_path / "new" / "out").exists()
    assert [file.name for file in (tmp_path / "new").iterdir()] == ["out"]
    assert (tmp_path / "new" / "out" / "a").read_text() == "1"


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt, OSError(28, "No space left")])
def test_after_an_exception_there_is_no_folder(tmp_path: Path, error: Any) -> None:
    expected = ArgumentError if isinstance(error, OSError) else error

    def write() -> None:
        with appearing(tmp_path / "out") as draft:
            (draft / "a").write_text("1")
            raise error

    with pytest.raises(expected):
        write()
    assert not list(tmp_path.iterdir())


def test_a_folder_that_exists_is_refused(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    with pytest.raises(ArgumentError, match="exists already"), appearing(tmp_path / "out"):
        pass
    assert not list((tmp_path / "out").iterdir())
