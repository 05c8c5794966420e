"""`phasor bench` from outside."""

import json
import os
import signal
import subprocess
import sys
from functools import partial
from pathlib import Path

import pytest
from typer.testing import CliRunner

from phasor.cli import app

SMALL = ("bench", "--device=cpu", "--shapes=1x4+2x8x16", "--rounds=1", "--dtype=float32")


def test_prints_and_writes(tmp_path: Path) -> None:
    out = tmp_path / "bench.json"
    done = CliRunner().invoke(app, [*SMALL, "--against=llama", f"--out={out}"])
    assert done.exit_code == 0, done.output
    lines = done.stdout.splitlines()
    assert lines[0] == "[1/1] query [1, 4, 8, 16], key [1, 2, 8, 16], float32, forward"
    assert any(line.startswith("llama ") for line in lines)
    assert lines[-1].startswith("Next: ")
    assert json.loads(out.read_text())["peers"][0]["name"] == "llama"
    assert [path.name for path in tmp_path.iterdir()] == ["bench.json"]


def test_json_is_alone_on_standard_output() -> None:
    done = CliRunner().invoke(app, [*SMALL, "--against=none", "--json"])
    assert done.exit_code == 0, done.output
    assert json.loads(done.stdout)["cases"][0]["rows"][0]["contender"] == "copy_"
    assert "Next: " in done.stderr


@pytest.mark.parametrize(
    ("arguments", "part"),
    [
        (["--shapes=Z"], "unknown shape 'Z'"),
        (["--shapes=1x4x8x15"], "head_dim must be even, got 15"),
        (["--against=torchtun"], "unknown peer 'torchtun'. Did you mean 'torchtune'?"),
        (["--dtype=int8"], "unknown dtype 'int8'"),
        (["--layout=quarter"], "unknown layout 'quarter'"),
        (["--device=tpu"], "--device must be auto, cpu or cuda, got 'tpu'"),
        (["--rounds=0"], "rounds must be at least 1, got 0"),
        (["--threads=0"], "threads must be at least 1, got 0"),
        (["--out=no/such/folder/bench.json"], "--out no/such/folder/bench.json cannot be written"),
        (["--out=."], "--out . cannot be written"),
    ],
)
def test_what_cannot_be_is_said_in_a_sentence(arguments: list[str], part: str) -> None:
    done = CliRunner().invoke(app, ["bench", *arguments])
    assert done.exit_code == 2
    assert done.stderr.startswith("Error: ")
    assert part in done.stderr
    assert done.stdout == ""


def test_control_c_is_a_sentence() -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", "phasor", *SMALL[:-2], "--against=none", "--rounds=1000000"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "COLUMNS": "100"},
        # A shell ignores Ctrl-C for what it runs in the background, and so would its children.
        preexec_fn=partial(signal.signal, signal.SIGINT, signal.SIG_DFL),
    )
    try:
        assert process.stdout is not None
        assert process.stdout.readline().startswith("[1/2] ")
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=60)
    finally:
        process.kill()
    assert errors == "Error: stopped; nothing was written\n"
    assert process.returncode == 130
