"""What a person sees while trials run, driven by hand."""

import io
from dataclasses import replace

import pytest
from lab.test_store import TRIAL
from rich.console import Console

from phasor._compare.config import TrialConfig
from phasor._compare.screen import LiveScreen, PlainScreen
from phasor._compare.tables import trials_table
from phasor._compare.trial import Trial
from phasor._compare.workers import Finished, Job, Progressed, Started


@pytest.fixture
def console() -> Console:
    return Console(file=io.StringIO(), force_terminal=True, width=80, color_system=None)


@pytest.fixture
def config() -> TrialConfig:
    return TrialConfig(task="lm", train_length=8, eval_lengths=(8,), steps=100, batch_size=4)


def shown(screen: LiveScreen, console: Console) -> str:
    with console.capture() as capture:
        console.print(screen._render())
    return capture.get()


def trial(seed: int, loss: float, encoding: str = "rotary") -> Trial:
    return replace(TRIAL, seed=seed, loss={"8": loss}, encoding=encoding)


def test_live_screen_from_start_to_end(console: Console, config: TrialConfig) -> None:
    screen = LiveScreen(console, config)
    first, second = Job("rotary", 1), Job("alibi", 1)
    screen.begin([trial(0, 1.0)], [first, second])
    try:
        assert "1/3" in shown(screen, console)
        assert "1.000" in shown(screen, console)
        screen.see(Started(first))
        screen.see(Progressed(first, 40, 2.5))
        assert "rotary seed 1" in shown(screen, console)
        assert "40/100 loss 2.500" in shown(screen, console)
        screen.see(Progressed(first, 100, 2.0))
        assert "measuring" in shown(screen, console)
        screen.see(Finished(first, trial(1, 3.0)))
        text = shown(screen, console)
        assert "2/3" in text
        assert "rotary seed 1" not in text
        assert "2.000 ±12.706" in text  # the mean of 1 and 3, with t for one degree of freedom
        screen.see(Started(second))
        screen.see(Finished(second, trial(1, 0.5, "alibi")))
        assert "3/3" in shown(screen, console)
    finally:
        screen.end()


def test_plain_screen_prints_a_line_for_each_trial(console: Console, config: TrialConfig) -> None:
    screen = PlainScreen(console, config)
    job = Job("rotary", 1)
    screen.begin([trial(0, 1.0)], [job])
    screen.see(Started(job))
    screen.see(Progressed(job, 40, 2.5))
    screen.see(Finished(job, trial(1, 3.0)))
    screen.end()
    assert isinstance(console.file, io.StringIO)
    lines = console.file.getvalue().splitlines()
    assert lines[0] == "1 trial to run, 1 kept from before"
    assert lines[1].startswith("[1/1] rotary seed 1: 3.000 at 8 (2 s, about 0 s left)")
    assert len(lines) == 2


def test_the_table_has_the_best_first(console: Console, config: TrialConfig) -> None:
    table = trials_table([trial(0, 2.0, "none"), trial(0, 1.0)], config)
    with console.capture() as capture:
        console.print(table)
    text = capture.get()
    assert text.index("rotary") < text.index("none")
    exact = [
        replace(trial(seed, 1.0), exact_match={"8": share}) for seed, share in ((0, 1), (1, 0))
    ]
    with console.capture() as capture:
        console.print(trials_table(exact, config))
    assert "0.00 to 1.00" in capture.get()


def test_the_live_table_ranks_as_the_results_do(console: Console, config: TrialConfig) -> None:
    """By exact answers first: the encoding with the lower loss may answer less."""
    worse = replace(trial(0, 0.1, "alibi"), exact_match={"8": 0.2})
    better = replace(trial(0, 0.9, "rotary"), exact_match={"8": 0.7})
    with console.capture() as capture:
        console.print(trials_table([worse, better], replace(config, task="copy")))
    text = capture.get()
    assert text.index("rotary") < text.index("alibi")
