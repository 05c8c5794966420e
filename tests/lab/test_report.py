"""The report in a real browser: no errors, everything drawn, legends and themes work."""

import json
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import ConsoleMessage, Page, sync_playwright

from phasor._compare.compare import Comparison, compare
from phasor._compare.config import TrialConfig
from phasor._compare.report import render_report
from phasor._compare.results import Results
from phasor._kit.text import Text

CHROMIUM = next(
    filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None
)
needs_browser = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine")


@pytest.fixture(scope="module", params=["lm", "count"])
def report(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, text: Text
) -> Path:
    out = tmp_path_factory.mktemp(f"report-{request.param}")
    config = TrialConfig(
        task=request.param, train_length=16, eval_lengths=(16, 32), steps=20, batch_size=4,
        width=16, layers=1, heads=2,
    )  # fmt: skip
    comparison = Comparison(
        encodings=["none", "learned", "rotary", "alibi"], seeds=range(2), config=config,
        text=text if request.param == "lm" else None, out=out, workers=2,
        text_path=Path("</script><b>"),
    )  # fmt: skip
    compare(comparison, lambda event: None)
    return out / "report.html"


@pytest.fixture(scope="module")
def page(report: Path) -> Iterator[Page]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=CHROMIUM,
            args=["--no-sandbox", "--disable-gpu", "--disable-background-networking"],
        )
        page = browser.new_page(viewport={"width": 1200, "height": 900}, color_scheme="light")
        problems: list[str] = []

        def hear(message: ConsoleMessage) -> None:
            if message.type in ("error", "warning"):
                problems.append(message.text)

        page.on("console", hear)
        page.on("pageerror", lambda error: problems.append(str(error)))
        page.on("request", lambda request: problems.append(request.url)
                if not request.url.startswith(("file:", "data:", "blob:")) else None)  # fmt: skip
        page.goto(report.as_uri())
        page.wait_for_function("document.body.dataset.drawn")
        yield page
        assert problems == []
        browser.close()


@pytest.mark.browser
@needs_browser
class TestInTheBrowser:
    def test_every_plot_is_drawn(self, page: Page) -> None:
        plots = page.locator(".plot")
        assert plots.count() >= 4
        assert page.evaluate("document.body.dataset.drawn") == str(plots.count())
        for at in range(plots.count()):
            drawn = plots.nth(at).locator(".trace path, .bars path, .plot path").count()
            assert drawn > 0, plots.nth(at).get_attribute("id")

    def test_the_legend_toggles_a_line_and_its_band(self, page: Page) -> None:
        plot = page.locator("#learning_curves")
        lines = plot.locator(".scatterlayer .trace").count()
        plot.locator(".legendtoggle").first.click()
        page.wait_for_timeout(600)  # Plotly waits for a possible double click.
        assert plot.locator(".scatterlayer .trace").count() < lines
        plot.locator(".legendtoggle").first.click()
        page.wait_for_timeout(600)
        assert plot.locator(".scatterlayer .trace").count() == lines

    def test_the_theme_changes_page_and_plots(self, page: Page) -> None:
        def colours() -> list[str]:
            return page.evaluate(
                "[getComputedStyle(document.body).backgroundColor,"
                " document.querySelector('#cost .xtick text').style.fill]"
            )

        light = colours()
        page.get_by_role("button", name="Switch between light and dark").click()
        page.wait_for_timeout(500)
        dark = colours()
        assert all(before != after for before, after in zip(light, dark, strict=True))
        page.get_by_role("button", name="Switch between light and dark").click()

    def test_nothing_is_wider_than_a_phone(self, page: Page) -> None:
        page.set_viewport_size({"width": 390, "height": 800})
        # A busy machine takes its time to lay the page out again.
        page.wait_for_function("document.documentElement.scrollWidth <= 390", timeout=10_000)
        page.set_viewport_size({"width": 1200, "height": 900})


def test_every_number_in_the_tables_is_in_the_results(report: Path) -> None:
    html = report.read_text()
    results = json.loads((report.parent / "results.json").read_text())
    quantity = "loss" if results["config"]["task"] == "lm" else "exact_match"
    table = re.search(r'<table id="numbers">(.*?)</table>', html, re.DOTALL)
    assert table
    for summary in results["encodings"].values():
        for cell in summary[quantity].values():
            assert f"{cell['mean']:.3f}" in table[1]
            assert all(f"{seed:.3f}" in table[1] for seed in cell["seeds"])
    assert results["config"]["task"] in html
    assert str(results["versions"]["torch"]) in html


def test_the_report_is_made_from_the_results_alone(report: Path) -> None:
    results = json.loads((report.parent / "results.json").read_text())
    assert render_report(Results.from_json(results)) == report.read_text()


def test_what_the_user_typed_cannot_break_the_page(report: Path) -> None:
    html = report.read_text()
    assert "&lt;/script&gt;&lt;b&gt;" in html
    assert "</script><b>" not in html


def test_the_page_repeats_and_scales_up_what_was_run(report: Path) -> None:
    results = json.loads((report.parent / "results.json").read_text())
    command, larger = results["command"], results["scale_up_command"]
    for option in ("--train-length 16", "--eval-factors 1,2", "--seeds 2", "--steps 20"):
        assert option in command
    assert "--resume" not in command
    for option in ("--train-length 128", "--eval-factors 1,2", "--width 512", "--device auto"):
        assert option in larger
    for line in (command, larger):
        assert "--encodings none,learned,rotary,alibi" in line
        assert "'</script><b>'" in line


def test_claims_appear_only_where_they_apply(report: Path) -> None:
    results = json.loads((report.parent / "results.json").read_text())
    assert "learned table" in render_report(Results.from_json(results))
    for name in ("learned",):
        del results["encodings"][name]
    results["ranking"] = [name for name in results["ranking"] if name in results["encodings"]]
    results["differences"] = [
        row for row in results["differences"] if "learned" not in (row["better"], row["worse"])
    ]
    html = render_report(Results.from_json(results))
    assert "learned table" not in html
    assert "added to the embedding starts at" not in html


def test_one_seed_has_no_intervals_and_says_so(report: Path) -> None:
    results: dict[str, Any] = json.loads((report.parent / "results.json").read_text())

    def forget(value: Any) -> Any:
        if isinstance(value, dict):
            return {
                key: None
                if key in ("low", "high") and not isinstance(item, list)
                else [None] * len(item)
                if key in ("low", "high")
                else forget(item)
                for key, item in value.items()
            }
        return [forget(item) for item in value] if isinstance(value, list) else value

    html = render_report(Results.from_json(forget(results)))
    assert "no interval" in html or results["config"]["task"] == "count"
    assert "nan" not in html.split("<script>")[0].lower().replace("finance", "")
