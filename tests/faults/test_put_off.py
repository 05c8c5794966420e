"""Ctrl-C while something is put away: it is put away all the same, and then Ctrl-C is heard."""

import os
import pathlib
import shutil
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from phasor._kit import whole_folder
from phasor._kit.files import write_atomically
from phasor.interruption import as_usual, put_off

STRIKES = [signal.SIGINT, signal.SIGTERM]


class Destroyed:
    """Struck while it is destroyed, where Python drops whatever is raised."""

    def __init__(self, sign: signal.Signals) -> None:
        self.sign = sign

    def __del__(self) -> None:
        os.kill(os.getpid(), self.sign)
        time.sleep(0.001)


@pytest.mark.parametrize("sign", STRIKES)
def test_what_python_drops_is_heard_again(
    sign: signal.Signals, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "unraisablehook", sys.unraisablehook)
    as_usual()
    passing = [Destroyed(sign)]

    def destroy() -> None:
        passing.clear()
        time.sleep(5)

    with pytest.raises(KeyboardInterrupt):
        destroy()


@pytest.fixture(autouse=True)
def _as_in_the_command() -> Any:
    before = {sign: signal.signal(sign, signal.default_int_handler) for sign in STRIKES}
    yield
    for sign, handler in before.items():
        signal.signal(sign, handler)


def struck(function: Callable[..., Any], sign: signal.Signals) -> Callable[..., Any]:
    """`function`, with a signal right before it does anything, and one right after."""

    def striking(*args: Any, **kwargs: Any) -> Any:
        os.kill(os.getpid(), sign)
        found = function(*args, **kwargs)
        os.kill(os.getpid(), sign)
        return found

    return striking


@pytest.mark.parametrize("sign", STRIKES)
@pytest.mark.parametrize(("owner", "name"), [(shutil, "rmtree"), (pathlib.Path, "rename")])
def test_a_folder(
    owner: Any, name: str, sign: signal.Signals, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(owner, name, struck(getattr(owner, name), sign))
    target = tmp_path / "target"
    with pytest.raises(KeyboardInterrupt), whole_folder.whole_folder(target) as folder:
        (folder / "weights").write_text("1")
    assert [file.name for file in tmp_path.iterdir()] == ["target"]
    assert (target / "weights").read_text() == "1"


@pytest.mark.parametrize("sign", STRIKES)
@pytest.mark.parametrize("name", ["chmod", "replace", "unlink"])
def test_a_file(
    name: str, sign: signal.Signals, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pathlib.Path, name, struck(getattr(pathlib.Path, name), sign))
    page = tmp_path / "page.html"
    with pytest.raises(KeyboardInterrupt):
        write_atomically(page, "whole")
    assert [file.name for file in tmp_path.iterdir()] == ["page.html"] * (name == "unlink")


def test_it_is_heard_once_and_after() -> None:
    seen = []

    def both() -> None:
        with put_off():
            os.kill(os.getpid(), signal.SIGINT)
            os.kill(os.getpid(), signal.SIGTERM)
            seen.append("after both")

    with pytest.raises(KeyboardInterrupt):
        both()
    assert seen == ["after both"]
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
