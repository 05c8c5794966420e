"""A bar appears in a terminal after two seconds, and nowhere else."""

import io

import pytest
from rich.console import Console

from phasor._convert import screen


@pytest.mark.parametrize(
    ("terminal", "seconds", "shown"), [(True, 3, True), (True, 1, False), (False, 3, False)]
)
def test_the_bar(
    terminal: bool, seconds: float, shown: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = [100.0]
    monkeypatch.setattr(screen.time, "monotonic", lambda: now[0])
    file = io.StringIO()
    with screen.Screen(Console(file=file, force_terminal=terminal, width=100)) as bar:
        bar.begin("writing", 1000)
        bar.advance(100)
        now[0] += seconds
        bar.advance(100)
        bar.begin("comparing", 1000)
        bar.advance(500)
    assert ("writing" in file.getvalue()) == shown
    assert ("comparing" in file.getvalue()) == shown
