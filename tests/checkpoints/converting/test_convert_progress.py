"""A bar appears in a terminal after two seconds, and nowhere else."""

import io

import pytest
from rich.console import Console

from phasor._convert.progress import shown_on
from phasor._kit import screen
from phasor._kit.watching import begin


@pytest.mark.parametrize(
    ("terminal", "seconds", "shown"), [(True, 3, True), (True, 1, False), (False, 3, False)]
)
def test_the_bar(
    terminal: bool, seconds: float, shown: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = [100.0]
    monkeypatch.setattr(screen.time, "monotonic", lambda: now[0])
    file = io.StringIO()
    with shown_on(Console(file=file, force_terminal=terminal, width=100)) as watch:
        advance = begin(watch, "writing", 1000)
        advance(100)
        now[0] += seconds
        advance(100)
        begin(watch, "comparing", 1000)(500)
    assert ("writing" in file.getvalue()) == shown
    assert ("comparing" in file.getvalue()) == shown
