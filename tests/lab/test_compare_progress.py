"""What a person sees while trials run, driven by hand."""

import io
from dataclasses import replace

import pytest
from lab.test_store import TRIAL
from rich.console import Console

from phasor._compare.compare import Planned
from phasor._compare.config import TrialConfig
from phasor._compare.progress import shown_on
from phasor._compare.tables import trials_table
from phasor._compare.trial import Trial
from phasor._compare.workers import Finished, Job, Progressed, Started


@pytest.fixture
def console() -> Console:
    return Console(file=io.StringIO(), force_terminal=True, width=80, color_system=None)


@pytest.fixture
def config() -> TrialConfig:
    return TrialConfig(task="lm", train_length=8, eval_lengths=(8,), steps=100, batch_size=4)


def shown(console: Console) -> str:
    """What stands below a line that is printed."""
    assert isinstance(console.file, io.StringIO)
    console.file.truncate(console.file.seek(0))
    console.print("line")
    return console.file.getvalue()


def trial(seed: int, loss: float, encoding: str = "rotary") -> Trial:
    return replace(TRIAL, seed=seed, loss={"8": loss}, encoding=encoding)


def test_a_terminal_from_start_to_end(console: Console, config: TrialConfig) -> None:
    first, second = Job("rotary", 1), Job("alibi", 1)
    with shown_on(console) as watch:
        watch(Planned(config, "", [trial(0, 1.0)], [first, second]))
        assert "1/3" in shown(console)
        assert "1.000" in shown(console)
        watch(Started(first))
        watch(Progressed(first, 40, 2.5))
        assert "rotary seed 1" in shown(console)
        assert "40/100 loss 2.500" in shown(console)
        watch(Progressed(first, 100, 2.0))
        assert "measuring" in shown(console)
        watch(Finished(first, trial(1, 3.0)))
        text = shown(console)
        assert "2/3" in text
        assert "rotary seed 1" not in text
        assert "2.000 ±12.706" in text  # the mean of 1 and 3, with t for one degree of freedom
        watch(Started(second))
        watch(Progressed(second, 100, 0.5))
        assert "2/3" in shown(console)
        watch(Finished(second, trial(1, 0.5, "alibi")))
        assert shown(console) == "line\n"  # what was drawn last stays, and is drawn no more


def test_the_last_picture_of_each_task_stays(console: Console, config: TrialConfig) -> None:
    assert isinstance(console.file, io.StringIO)
    with shown_on(console) as watch:
        for at in (1, 2):
            job = Job("rotary", at)
            watch(Planned(config, f"lm ({at} of 2): ", [], [job]))
            watch(Started(job))
            console.file.truncate(console.file.seek(0))
            watch(Finished(job, trial(1, float(at))))
            text = console.file.getvalue()
            assert f"lm ({at} of 2): all trials" in text
            assert "1/1" in text
            assert f"{at}.000" in text
            assert text.endswith("\n\x1b[?25h")
    # With nothing left to run there is nothing to draw.
    console.file.truncate(console.file.seek(0))
    with shown_on(console) as watch:
        watch(Planned(config, "", [trial(0, 1.0)], []))
    assert console.file.getvalue() == ""


def test_elsewhere_there_is_a_line_for_each_trial(config: TrialConfig) -> None:
    file, job = io.StringIO(), Job("rotary", 1)
    with shown_on(Console(file=file, width=20)) as watch:
        watch(Planned(config, "lm (1 of 2): ", [trial(0, 1.0)], [job]))
        watch(Started(job))
        watch(Progressed(job, 40, 2.5))
        watch(Finished(job, trial(1, 3.0)))
    assert file.getvalue().splitlines() == [
        "lm (1 of 2): 1 trial to run, 1 kept from before",
        "lm (1 of 2): [1/1] rotary seed 1: 3.000 at 8 (2 s, about 0 s left)",
    ]


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
