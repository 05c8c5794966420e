"""The new folder appears whole or not at all, in little memory, whatever happens."""

import errno
import json
import os
import resource
import shutil
import signal
import struct
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from phasor._convert.convert import plan, write
from phasor._convert.json_file import write_object
from phasor._convert.source import read_source
from phasor._extend.place import check_place
from phasor._kit import whole_folder
from phasor.errors import ArgumentError

CONVERT = """
import re, sys
from pathlib import Path
from phasor._convert.convert import plan, write
from phasor._convert.proof import prove
from phasor._convert.source import read_source
source, target = map(Path, sys.argv[1:])
def peak():
    # Not ru_maxrss, which a child begins with its parent's.
    return int(re.search(r"VmHWM:\\s+(\\d+)", Path("/proc/self/status").read_text())[1])
before = peak()
planned = plan(read_source(source), layout="interleaved")
write(planned, target, verify=lambda folder: prove(planned, folder))
print(before, peak())
"""


def large(folder: Path, megabytes: int) -> Path:
    """One fused projection of zeros, which take no place on the disk until they are copied."""
    folder.mkdir()
    rows = 3 * 64 * 16
    columns = (megabytes << 20) // rows // 4
    name = "gpt_neox.layers.0.attention.query_key_value.weight"
    size = rows * columns * 4
    text = json.dumps(
        {name: {"dtype": "F32", "shape": [rows, columns], "data_offsets": [0, size]}}
    ).encode()
    with (folder / "model.safetensors").open("wb") as file:
        file.write(struct.pack("<Q", len(text)) + text)
        file.truncate(8 + len(text) + size)
    config = {"model_type": "gpt_neox", "num_attention_heads": 16, "hidden_size": 1024}
    write_object(folder / "config.json", {**config, "rotary_pct": 0.25})
    return folder


def small(folder: Path) -> Path:
    folder.mkdir()
    save_file(
        {"model.layers.0.self_attn.q_proj.weight": torch.randn(64, 64)},
        folder / "model.safetensors",
    )
    write_object(
        folder / "config.json",
        {"model_type": "llama", "num_attention_heads": 4, "hidden_size": 64},
    )
    return folder


def content(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_memory_holds_no_whole_tensor(tmp_path: Path) -> None:
    """The bar is the largest tensor and 300 MB, of which PyTorch alone takes more than 200."""
    source = large(tmp_path / "source", 250)
    run = subprocess.run(
        [sys.executable, "-c", CONVERT, source, tmp_path / "target"],
        capture_output=True, text=True, timeout=120, check=True,
    )  # fmt: skip
    before, peak = (int(kilobytes) / 1024 for kilobytes in run.stdout.split())
    assert peak < 250 + 300
    assert peak - before < 250


@pytest.mark.parametrize("megabytes", [0, 60])
def test_killed_while_it_writes(megabytes: int, tmp_path: Path) -> None:
    source, target = large(tmp_path / "source", 150), tmp_path / "target"
    size = (source / "model.safetensors").stat().st_size
    process = subprocess.Popen([sys.executable, "-c", CONVERT, source, target])
    deadline = time.monotonic() + 60
    while True:
        written = [path.stat().st_size for path in tmp_path.glob(".target.*/whole/*.safetensors")]
        if written and written[0] >= megabytes << 20:
            break
        assert process.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.001)
    process.kill()
    assert process.wait() == -signal.SIGKILL
    assert not target.exists()
    assert sorted(path.name for path in source.iterdir()) == ["config.json", "model.safetensors"]
    assert (source / "model.safetensors").stat().st_size == size
    # What it left behind is hidden, in nobody's way, and gone after the next run.
    (left,) = tmp_path.glob(".target.*")
    assert left.is_dir()
    write(plan(read_source(source), layout="interleaved"), target)
    assert {path.name for path in tmp_path.iterdir()} == {"source", "target"}


KILLED_AFTER_IT_APPEARED = """
import os, pathlib, sys
from phasor._kit import whole_folder
whole_folder.shutil.rmtree = lambda *_, **__: os._exit(9)
with whole_folder.whole_folder(pathlib.Path(sys.argv[1])) as folder:
    (folder / "file").write_text("whole")
"""


@pytest.mark.parametrize("target", ["out", "out.measuring"])
def test_killed_just_after_it_appeared(target: str, tmp_path: Path) -> None:
    """Whoever goes on with it, and has nothing to write there, deletes the hidden folder too."""
    arguments = [sys.executable, "-c", KILLED_AFTER_IT_APPEARED, tmp_path / target]
    assert subprocess.run(arguments, check=False).returncode == 9
    assert len(list(tmp_path.glob(f".{target}.phasor-*"))) == 1
    check_place(tmp_path / "out.other", resume=True)  # of another run
    assert len(list(tmp_path.iterdir())) == 2
    (tmp_path / target / "measurements.jsonl").touch()
    check_place(tmp_path / "out", resume=True)
    assert [path.name for path in tmp_path.iterdir()] == [target]
    with pytest.raises(ArgumentError, match="exists already"):
        check_place(tmp_path / target, resume=False)


def test_killed_just_after_it_appeared_and_refused(tmp_path: Path) -> None:
    arguments = [sys.executable, "-c", KILLED_AFTER_IT_APPEARED, tmp_path / "out"]
    assert subprocess.run(arguments, check=False).returncode == 9
    with (
        pytest.raises(ArgumentError, match="exists already"),
        whole_folder.whole_folder(tmp_path / "out"),
    ):
        pass
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_a_folder_that_cannot_be_listed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody can tell what was left behind there, but it can be written to."""

    def refuse(folder: Path) -> None:
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(folder))

    with monkeypatch.context() as patched:
        patched.setattr(Path, "iterdir", refuse)
        check_place(tmp_path / "out", resume=False)
        with whole_folder.whole_folder(tmp_path / "out") as folder:
            (folder / "file").write_text("whole")
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_only_what_is_left_behind_is_deleted(tmp_path: Path) -> None:
    """Not a folder that another process fills, nor one of somebody else, nor what a link names."""
    source, target = small(tmp_path / "source"), tmp_path / "target"
    planned = plan(read_source(source), layout="interleaved")
    mine = tmp_path / "mine"
    mine.mkdir()
    (tmp_path / ".target.phasor-notes").mkdir()
    (tmp_path / ".target.other").mkdir()
    (tmp_path / ".target.phasor-abcdefg1").symlink_to(mine)
    (tmp_path / ".target.phasor-abcdefg2").write_text("a file")
    (tmp_path / ".target.phasor-abcdefg3").mkdir()
    (tmp_path / ".target.phasor-abcdefg3" / "model.safetensors").write_bytes(b"half")
    kept = {path.name for path in tmp_path.iterdir()} - {".target.phasor-abcdefg3"}

    def second(being_filled: Path) -> None:
        write(planned, target)
        assert (being_filled / "model.safetensors").exists()

    with pytest.raises(ArgumentError, match="made by somebody else meanwhile"):
        write(planned, target, verify=second)
    assert {path.name for path in tmp_path.iterdir()} == kept | {"target"}
    assert content(target).keys() == content(source).keys()


def test_interrupted_while_the_hidden_folder_is_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(whole_folder.FileLock, "acquire", interrupt)
    with pytest.raises(KeyboardInterrupt), whole_folder.whole_folder(tmp_path / "target"):
        pass
    assert not list(tmp_path.iterdir())


def test_a_file_system_without_locks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody can tell whether a folder is in use, so none is deleted."""
    source, left = small(tmp_path / "source"), tmp_path / ".target.phasor-abcdefgh"
    left.mkdir()

    def refuse(*_: object) -> None:
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    monkeypatch.setattr(whole_folder.FileLock, "acquire", refuse)
    write(plan(read_source(source), layout="interleaved"), tmp_path / "target")
    assert {path.name for path in tmp_path.iterdir()} == {"source", "target", left.name}


def test_a_disk_that_fills_up(tmp_path: Path) -> None:
    """The limit on the size of files stands in for it: the write itself fails."""
    source, target = large(tmp_path / "source", 64), tmp_path / "target"

    def limit() -> None:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (32 << 20, 32 << 20))

    run = subprocess.run(
        [sys.executable, "-m", "phasor", "convert", source, target, "--layout=interleaved"],
        capture_output=True, text=True, timeout=120, check=False, preexec_fn=limit,
    )  # fmt: skip
    assert run.returncode == 1
    assert run.stderr.endswith("File too large; nothing was kept\n")
    assert run.stderr.count("\n") == 1
    assert [path.name for path in tmp_path.iterdir()] == ["source"]


def test_a_disk_that_is_full_before(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = small(tmp_path / "source")
    usage = type("Usage", (), {"free": 100})
    monkeypatch.setattr(whole_folder.shutil, "disk_usage", lambda _: usage)
    planned = plan(read_source(source), layout="interleaved")
    with pytest.raises(ArgumentError, match="has 100 bytes free, and 16,384 are needed"):
        write(planned, tmp_path / "target")
    assert [path.name for path in tmp_path.iterdir()] == ["source"]


@pytest.mark.parametrize("call", ["mkdir", "copyfile", "write_text", "fsync", "rename"])
def test_a_disk_that_refuses(call: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = small(tmp_path / "source")
    (source / "tokenizer.json").write_text("{}")
    before = content(source)
    planned = plan(read_source(source), layout="interleaved")

    def fail(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    module = {"copyfile": shutil, "fsync": os}.get(call, Path)
    monkeypatch.setattr(module, call, fail)
    with pytest.raises(OSError, match="No space left"):
        write(planned, tmp_path / "target")
    monkeypatch.undo()
    assert [path.name for path in tmp_path.iterdir()] == ["source"]
    assert content(source) == before


def test_a_verdict_that_fails_leaves_nothing(tmp_path: Path) -> None:
    source = small(tmp_path / "source")

    def refuse(folder: Path) -> None:
        assert (folder / "model.safetensors").exists()
        raise ArgumentError("wrong")

    with pytest.raises(ArgumentError, match="wrong"):
        write(plan(read_source(source), layout="interleaved"), tmp_path / "target", verify=refuse)
    assert [path.name for path in tmp_path.iterdir()] == ["source"]


@pytest.mark.parametrize("kind", ["folder", "file", "dangling link"])
def test_what_is_there_already_stays(kind: str, tmp_path: Path) -> None:
    source, target = small(tmp_path / "source"), tmp_path / "target"
    {
        "folder": target.mkdir,
        "file": lambda: target.write_text("mine"),
        "dangling link": lambda: target.symlink_to(tmp_path / "nowhere"),
    }[kind]()
    with pytest.raises(ArgumentError, match="exists already"):
        write(plan(read_source(source), layout="interleaved"), target)
    assert {path.name for path in tmp_path.iterdir()} == {"source", "target"}


@pytest.mark.parametrize("where", ["source/inside", "source/deep/inside", "nowhere/target"])
def test_places_that_will_not_do(where: str, tmp_path: Path) -> None:
    source = small(tmp_path / "source")
    (source / "deep").mkdir()
    message = "there is no folder" if "nowhere" in where else "is not to be touched"
    with pytest.raises(ArgumentError, match=message):
        write(plan(read_source(source), layout="interleaved"), tmp_path / where)
