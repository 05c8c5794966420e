"""Several tasks in one run: a folder for each, a page about all, and nothing lost by a kill."""

import json
import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from lab.test_command import phasor, running, without_clocks
from lab.test_report import CHROMIUM, needs_browser
from playwright.sync_api import Page, sync_playwright

from phasor._compare.plan import encoding_names, task_names
from phasor._compare.report import render_overview
from phasor._compare.report.heat_map import heat_map
from phasor._compare.results import Results
from phasor._compare.tasks import TASKS
from phasor.encodings.catalogue import CATALOGUE
from phasor.errors import ArgumentError

SMALL = (
    "--train-length=6", "--eval-factors=1,2", "--seeds=2", "--steps=40", "--batch-size=4",
    "--width=16", "--layers=1", "--heads=2", "--encodings=none,alibi", "--workers=1",
)  # fmt: skip
BOTH = (*SMALL, "--task=parity,induction")
FILES = {"trials.jsonl", "results.json", "report.html"}


def read(folder: Path) -> dict:
    return json.loads((folder / "results.json").read_text())


def typed(results: dict) -> dict[str, Results]:
    return {name: Results.from_json(values) for name, values in results["tasks"].items()}


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("several")
    run = phasor("compare", *BOTH, f"--out={out}")
    assert run.returncode == 0, run.stderr
    assert run.stderr == ""
    lines = run.stdout.splitlines()
    assert lines[0] == "parity (1 of 2): 4 trials to run"
    assert "induction (2 of 2): 4 trials to run" in lines
    assert any(line.startswith("induction (2 of 2): [4/4] alibi seed 1: ") for line in lines)
    assert any("parity 6 → 12" in line and "induction 6 → 12" in line for line in lines)
    assert any(line.startswith("parity: Sequences answered exactly: ") for line in lines)
    assert any(line.startswith("induction: At the training length of 6: ") for line in lines)
    assert lines[-1] == f"Report: {out / 'report.html'} (open it in a browser)"
    return out


def test_each_task_has_its_files_and_the_run_has_those_about_all(finished: Path) -> None:
    assert {file.name for file in finished.iterdir()} == {
        "parity", "induction", "results.json", "report.html",
    }  # fmt: skip
    found = read(finished)
    assert list(found["tasks"]) == ["parity", "induction"]
    for name, results in found["tasks"].items():
        assert {file.name for file in (finished / name).iterdir()} - {".lock"} == FILES
        assert results == read(finished / name)
        assert results["config"]["task"] == name
        assert results["config"]["eval_lengths"] == [6, 12]


def test_killed_in_the_second_task_and_resumed_it_gives_the_same(
    finished: Path, tmp_path: Path
) -> None:
    file = tmp_path / "induction" / "trials.jsonl"
    with running("compare", *BOTH, f"--out={tmp_path}") as process:
        deadline = time.monotonic() + 120
        while not (file.exists() and file.read_text().count("\n") >= 1):
            assert time.monotonic() < deadline
            assert process.poll() is None, "it finished before it could be killed"
            time.sleep(0.02)
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
    assert not (tmp_path / "results.json").exists()
    kept = file.read_text().count("\n")
    resumed = phasor("compare", *BOTH, f"--out={tmp_path}", "--resume")
    assert resumed.returncode == 0, resumed.stderr
    assert "parity (1 of 2): 0 trials to run, 4 kept from before" in resumed.stdout
    assert f"{4 - kept} trial" in resumed.stdout
    assert f"induction (2 of 2): {4 - kept} trial" in resumed.stdout
    assert without_clocks(read(tmp_path)) == without_clocks(read(finished))


def test_a_task_is_added_and_the_others_stay(finished: Path, tmp_path: Path) -> None:
    for name in ("parity", "induction"):
        (tmp_path / name).mkdir()
        for file in FILES:
            (tmp_path / name / file).write_bytes((finished / name / file).read_bytes())
    refused = phasor("compare", *SMALL, "--task=sum", f"--out={tmp_path}")
    assert refused.returncode == 2
    assert "already holds trials of several tasks; add --resume to go on" in refused.stderr
    assert not (tmp_path / "sum").exists()
    run = phasor("compare", *SMALL, "--task=sum", f"--out={tmp_path}", "--resume", "--json")
    assert run.returncode == 0, run.stderr
    assert json.loads(run.stdout) == read(tmp_path)
    assert list(read(tmp_path)["tasks"]) == ["sum", "parity", "induction"]
    assert read(tmp_path)["tasks"]["parity"] == read(finished)["tasks"]["parity"]


def test_what_cannot_be_used_is_refused_before_anything_runs(
    finished: Path, tmp_path: Path
) -> None:
    trials = (finished / "induction" / "trials.jsonl").read_bytes()
    (tmp_path / "trials.jsonl").write_bytes(trials)
    one = phasor("compare", *BOTH, f"--out={tmp_path}", "--resume")
    assert one.returncode == 2
    assert "holds the trials of one task; choose another folder for several" in one.stderr
    (tmp_path / "trials.jsonl").unlink()
    (tmp_path / "induction").mkdir()
    (tmp_path / "induction" / "trials.jsonl").write_text("damaged\n")
    run = phasor("compare", *BOTH, f"--out={tmp_path}", "--resume")
    assert run.returncode == 2
    assert "trials.jsonl is damaged" in run.stderr
    assert run.stdout == ""
    (tmp_path / "induction" / "trials.jsonl").write_bytes(trials)
    (tmp_path / "induction" / "results.json").write_text("damaged")
    run = phasor("compare", *SMALL, "--task=parity", f"--out={tmp_path}", "--resume", "--steps=1")
    assert run.returncode == 2
    assert "results.json is damaged" in run.stderr
    assert "name its task in --task" in run.stderr


def test_the_page_is_made_from_the_results_alone(finished: Path) -> None:
    assert render_overview(typed(read(finished))) == (finished / "report.html").read_text()


def test_every_number_of_the_heat_map_is_in_the_results(finished: Path) -> None:
    results = read(finished)
    trace = heat_map(typed(results)).data[0]
    assert list(trace.y) == ["none", "alibi"]
    for row, name in enumerate(trace.y):
        parity, induction = (results["tasks"][task]["encodings"][name] for task in results["tasks"])
        shares = [parity["exact_match"][length]["mean"] for length in ("6", "12")]
        losses = [induction["loss"][length]["mean"] for length in ("6", "12")]
        texts = [f"{mean:.2f}" for mean in (*shares, *losses)]
        assert list(trace.text[row]) == [*texts[:2], "", *texts[2:]]
        assert list(trace.z[row][:2]) == shares
        assert trace.z[row][2] is None
    # The least loss of a task is all good, the greatest not at all.
    assert {min(row[3:]) for row in trace.z} | {max(row[3:]) for row in trace.z} >= {0.0, 1.0}


def test_an_encoding_that_only_one_task_has(finished: Path) -> None:
    results = read(finished)
    del results["tasks"]["parity"]["encodings"]["alibi"]
    results["tasks"]["parity"]["config"]["encodings"] = ["none"]
    trace = heat_map(typed(results)).data[0]
    assert list(trace.text[1])[:2] == ["", ""]
    assert "alibi" in render_overview(typed(results))


@pytest.fixture(scope="module")
def page(finished: Path) -> Iterator[Page]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"]
        )
        page = browser.new_page(viewport={"width": 1200, "height": 900})
        problems: list[str] = []
        page.on("console", lambda message: problems.append(message.text))
        page.on("pageerror", lambda error: problems.append(str(error)))
        page.goto((finished / "report.html").as_uri())
        page.wait_for_function("document.body.dataset.drawn")
        yield page
        assert problems == []
        browser.close()


@pytest.mark.browser
@needs_browser
class TestInTheBrowser:
    def test_the_heat_map_is_drawn_with_its_numbers(self, page: Page, finished: Path) -> None:
        shown = page.locator("#heat_map .heatmap-label").all_text_contents()
        parity = read(finished)["tasks"]["parity"]["encodings"]["none"]["exact_match"]["6"]
        assert len(shown) == 8
        assert f"{parity['mean']:.2f}" in shown

    def test_it_leads_to_the_page_of_each_task(self, page: Page, finished: Path) -> None:
        for name in ("parity", "induction"):
            link = page.get_by_role("link", name=name).get_attribute("href")
            assert (finished / str(link)).exists()

    def test_nothing_is_wider_than_a_phone(self, page: Page) -> None:
        page.set_viewport_size({"width": 390, "height": 800})
        # A busy machine takes its time to lay the page out again.
        page.wait_for_function("document.documentElement.scrollWidth <= 390", timeout=10_000)


def test_all_means_all() -> None:
    assert encoding_names("all") == list(CATALOGUE)
    assert encoding_names("rotary(base=5), all")[1:] == list(CATALOGUE)
    assert task_names("all") == list(TASKS)
    with pytest.raises(ArgumentError, match="name each task once, and at least one; got copy, cop"):
        task_names("copy, copy")
