"""The command where its output is closed, knows ASCII alone, or is interrupted early."""

import json
import os
import signal
import subprocess
import sys
import time
from functools import partial
from pathlib import Path

import pytest

PHASOR = [sys.executable, "-m", "phasor"]
ASCII = {"LC_ALL": "C", "PYTHONIOENCODING": "ascii", "PYTHONUTF8": "0", "COLUMNS": "100"}
CONFIG = {
    "model_type": "llama", "hidden_size": 64, "num_attention_heads": 4, "num_hidden_layers": 2,
    "max_position_embeddings": 64, "rope_theta": 10000.0, "vocab_size": 32,
}  # fmt: skip


@pytest.fixture
def config(tmp_path: Path) -> Path:
    file = tmp_path / "config.json"
    file.write_text(json.dumps(CONFIG))
    return file


def phasor(*arguments: str, redirected: str = "") -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        ["sh", "-c", f'"$@" {redirected}', "sh", *PHASOR, *arguments],
        env=os.environ | ASCII,
        capture_output=True,
        timeout=120,
        check=False,
    )


@pytest.mark.parametrize("verb", ["compare", "inspect", "convert", "extend"])
def test_help_in_ascii(verb: str) -> None:
    run = phasor(verb, "--help")
    assert run.returncode == 0, run.stderr
    assert run.stdout.isascii()
    assert b"Usage" in run.stdout
    assert run.stderr == b""


def test_a_page_in_ascii(config: Path) -> None:
    run = phasor("inspect", str(config))
    assert run.returncode == 0, run.stderr
    assert run.stdout.isascii()
    assert b"64" in run.stdout
    assert run.stderr == b""


def test_a_name_that_ascii_lacks(tmp_path: Path) -> None:
    run = phasor("inspect", str(tmp_path / "größe"))
    assert run.returncode == 2
    assert b"Error: " in run.stderr
    assert b"Traceback" not in run.stderr


@pytest.mark.parametrize("redirected", [">&-", "<&- >&- 2>&-"])
def test_closed_outputs(redirected: str, config: Path) -> None:
    page = config.with_name("page.html")
    run = phasor("inspect", str(config), "--html", str(page), redirected=redirected)
    assert run.returncode == 0, run.stderr
    assert page.read_text().rstrip().endswith("</html>")
    assert run.stderr == b""


@pytest.mark.skipif(sys.platform == "win32", reason="Ctrl-C is another thing there")
def test_interrupted_while_it_imports() -> None:
    for after in (0.5, 1.0, 1.5):
        process = subprocess.Popen(
            [*PHASOR, "encodings"],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            preexec_fn=partial(signal.signal, signal.SIGINT, signal.SIG_DFL),
        )
        time.sleep(after)
        if process.poll() is None:
            process.send_signal(signal.SIGINT)
        _, stderr = process.communicate(timeout=60)
        # A shell says 130 of both.
        assert process.returncode in (0, 130, -signal.SIGINT)
        assert stderr == b""
