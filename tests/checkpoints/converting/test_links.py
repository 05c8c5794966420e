"""What is converted is what the folder holds, and nothing that a link in it leads to."""

import shutil
from pathlib import Path

import pytest
from checkpoints.converting.models import build

from phasor._convert.convert import plan, write
from phasor._convert.source import read_source
from phasor.errors import ArgumentError

SECRET = "what nobody meant to publish"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "llama"
    build("llama").save_pretrained(folder)
    (folder / "notes.txt").write_text("of the folder")
    return folder


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*.*")}


def test_a_link_out_is_left_behind(folder: Path, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "secret.txt").write_text(SECRET)
    (folder / "tokenizer.json").symlink_to(outside / "secret.txt")
    (folder / "more").symlink_to(outside)
    (folder / "inside.txt").symlink_to("notes.txt")
    (folder / "gone.txt").symlink_to("nowhere")
    (folder / "round.txt").symlink_to("round.txt")
    planned = plan(read_source(folder), layout="interleaved")
    assert set(planned.left_out) >= {"tokenizer.json", "more", "gone.txt", "round.txt"}
    write(planned, tmp_path / "target")
    found = contents(tmp_path / "target")
    assert not any(SECRET.encode() in data for data in found.values())
    assert {"notes.txt", "inside.txt"} <= set(found)
    assert not {"tokenizer.json", "more", "gone.txt", "round.txt"} & set(found)


@pytest.mark.parametrize("name", ["config.json", "model.safetensors"])
def test_what_is_read_lies_in_the_folder(folder: Path, tmp_path: Path, name: str) -> None:
    shutil.move(folder / name, tmp_path / name)
    (folder / name).symlink_to(tmp_path / name)
    with pytest.raises(ArgumentError, match="outside of that folder"):
        read_source(folder)


def test_a_snapshot_of_the_cache_is_a_folder(folder: Path, tmp_path: Path) -> None:
    cache = tmp_path / "hub" / "models--some--llama"
    blobs, snapshot = cache / "blobs", cache / "snapshots" / "0123"
    blobs.mkdir(parents=True)
    snapshot.mkdir(parents=True)
    for number, path in enumerate(sorted(folder.iterdir())):
        shutil.copyfile(path, blobs / f"{number:064}")
        (snapshot / path.name).symlink_to(Path("../../blobs") / f"{number:064}")
    write(plan(read_source(snapshot), layout="interleaved"), tmp_path / "from_cache")
    write(plan(read_source(folder), layout="interleaved"), tmp_path / "from_folder")
    assert contents(tmp_path / "from_cache") == contents(tmp_path / "from_folder")
