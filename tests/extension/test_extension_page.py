"""The report of an extension in a real browser, from made-up measurements."""

import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from extension.situations import situation
from playwright.sync_api import Page, sync_playwright

from phasor._extend.evidence import edges
from phasor._extend.explain import explain
from phasor._extend.methods import METHODS, candidates
from phasor._extend.page import render_page
from phasor._extend.page.figures import colours, excess_by_position, search_trials, training_loss
from phasor._extend.result import Extension
from phasor._extend.search import Searched
from phasor._extend.space import spaces
from phasor._extend.store import Measurement
from phasor._extend.verdict import judge

CHROMIUM = next(
    filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None
)
TRAINED, TARGET = 2048, 8192
SLOPES = {"linear": 0.02, "ntk": 0.05, "dynamic_ntk": 0.04, "yarn": 0.01, "llama3": 0.015}


def made_up(*, measured: bool = True) -> Extension:
    given = situation(rotary_dim=128, trained=TRAINED, target=TARGET)
    found = candidates(["auto"], given)
    bounds = edges(TARGET, TRAINED)
    results = []
    common = {"length": TARGET, "depth": None, "seconds": 1.0}
    for document in range(3 * measured):
        base = [2.5 + 0.01 * document + 1 / (1 + at) for at in range(len(bounds) - 1)]
        results.append(Measurement(
            kind="cropped", candidate="none", document=document, values=tuple(base), **common
        ))  # fmt: skip
        for candidate in found:
            slope = SLOPES.get(candidate.name, 0.0)
            values = [
                loss + slope * at / 10 + (1.5 if candidate.name == "none" and at > 4 else 0)
                for at, loss in enumerate(base)
            ]
            results.append(Measurement(
                kind="loss", candidate=candidate.name, document=document, values=tuple(values),
                **common,
            ))  # fmt: skip
    for length in (1024, 2048, 5120, 8192) if measured else ():
        for depth in (0.1, 0.5, 0.9):
            for name in ("none", "yarn", "llama3"):
                key = float(name != "none" or length <= TRAINED)
                results.append(Measurement(
                    kind="passkey", candidate=name, document=0, values=(key,), length=length,
                    depth=depth, seconds=1.0,
                ))  # fmt: skip
    verdict = judge(results, found, trained_length=TRAINED, target_length=TARGET)
    return Extension(
        explanation=explain(given, found),
        verdict=verdict,
        complete=measured,
        text={"source": "</script><b>text", "sha256": "0", "left_out": "1 file is not text (<i>)"},
        methods={candidate.name: candidate.why for candidate in found},
        fields={"rope_theta": "the base"} if verdict.best else {},
    )


def searched_and_trained() -> Extension:
    """A search that stopped one setting early and found the best in the third, and training."""
    setting = {"factor": 4.25}
    (_, yarn) = candidates(["yarn"], situation(trained=TRAINED, target=TARGET))
    found = Searched(
        candidate=yarn, setting=setting, loss=2.5, start_loss=2.75, trials=4, pruned=1,
        complete=True, tried=((2.75, False), (None, False), (2.5, False), (2.25, True)),
    )  # fmt: skip
    before = made_up()
    return replace(
        before,
        searched={"yarn-searched": found},
        methods=before.methods | {"yarn-searched": "YaRN with a searched factor"},
        training=tuple(3.0 - step / 20 for step in range(40)),
    )


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("page") / "report.html"
    file.write_text(render_page(searched_and_trained()), encoding="utf-8")
    return file


@pytest.fixture(scope="module")
def page(report: Path) -> Iterator[Page]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=CHROMIUM,
            args=["--no-sandbox", "--disable-gpu", "--disable-background-networking"],
        )
        page = browser.new_page(viewport={"width": 1200, "height": 900}, color_scheme="light")
        problems: list[str] = []
        page.on("console", lambda message: problems.append(message.text)
                if message.type in ("error", "warning") else None)  # fmt: skip
        page.on("pageerror", lambda error: problems.append(str(error)))
        page.on("request", lambda request: problems.append(request.url)
                if not request.url.startswith(("file:", "data:", "blob:")) else None)  # fmt: skip
        page.goto(report.as_uri())
        page.wait_for_function("document.body.dataset.drawn")
        yield page
        assert problems == []
        browser.close()


@pytest.mark.browser
@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine")
class TestInTheBrowser:
    def test_every_plot_is_drawn(self, page: Page) -> None:
        plots = page.locator(".plot")
        names = [plots.nth(at).get_attribute("id") for at in range(plots.count())]
        assert names == ["change", "search", "training", "loss", "excess", "passkeys"]
        assert page.evaluate("document.body.dataset.drawn") == "6"
        lines = [page.locator(f"#{name} .scatterlayer .trace").count() for name in names]
        assert lines == [6, 2, 2, 7, 6, 3]

    @pytest.mark.parametrize("width", [1200, 390])
    def test_no_label_lies_on_another_or_on_a_legend(self, page: Page, width: int) -> None:
        page.set_viewport_size({"width": width, "height": 900})
        page.wait_for_timeout(500)
        for plot in page.locator(".plot").all():
            boxes = [
                box
                for item in plot.locator(".legend .bg, .annotation-text, .xtitle, .ytitle").all()
                if (box := item.bounding_box())
            ]
            assert len(boxes) >= 3
            for at, a in enumerate(boxes):
                for b in boxes[at + 1 :]:
                    apart = (
                        a["x"] + a["width"] <= b["x"] + 1
                        or b["x"] + b["width"] <= a["x"] + 1
                        or a["y"] + a["height"] <= b["y"] + 1
                        or b["y"] + b["height"] <= a["y"] + 1
                    )
                    assert apart, (plot.get_attribute("id"), a, b)
        page.set_viewport_size({"width": 1200, "height": 900})

    def test_nothing_is_wider_than_a_phone(self, page: Page) -> None:
        page.set_viewport_size({"width": 390, "height": 800})
        # A busy machine takes its time to lay the page out again.
        page.wait_for_function("document.documentElement.scrollWidth <= 390", timeout=10_000)
        page.set_viewport_size({"width": 1200, "height": 900})


def test_the_page_says_what_was_found(report: Path) -> None:
    html, extension = report.read_text(), searched_and_trained()
    assert extension.verdict.best == "yarn"
    assert "Take yarn: it loses least, " in html
    assert extension.verdict.sentence in html
    for finding in extension.verdict.findings:
        assert f"</span>{finding.name}</td>" in html
        if finding.regression:
            assert f"{finding.regression.mean:+.3f}" in html
    assert html.count("12 of 12") == 2
    assert "6 of 12" in html
    assert "18 of 64 pairs" not in html
    assert "pairs never complete a turn in 2,048 tokens" in html


def test_the_intervals_that_the_caption_speaks_of_are_drawn() -> None:
    """Three documents, of which the last is .03 worse: by the table of t, 4.303 standard errors."""
    results = [
        Measurement(
            kind=kind, candidate="none", document=document, length=TARGET, depth=None,
            values=(value,) * (len(edges(TARGET, TRAINED)) - 1), seconds=1.0,
        )
        for document, loss in enumerate((2.5, 2.5, 2.53))
        for kind, value in (("cropped", 2.5), ("loss", loss))
    ]  # fmt: skip
    given = situation(rotary_dim=128, trained=TRAINED, target=TARGET)
    none = [each for each in candidates(["auto"], given) if each.name == "none"]
    verdict = judge(results, none, trained_length=TRAINED, target_length=TARGET)
    (line,) = excess_by_position(verdict, TRAINED).data
    assert line.y == pytest.approx([0.01] * len(line.y))
    half = 4.303 * 0.03 / 3  # the standard deviation is .03 / sqrt(3), its error that / sqrt(3)
    assert line.error_y.array == pytest.approx([half] * len(line.y), rel=1e-3)
    assert line.error_y.arrayminus == pytest.approx([half] * len(line.y), rel=1e-3)
    (line,) = excess_by_position(
        judge(results[:2], none, trained_length=TRAINED, target_length=TARGET), TRAINED
    ).data
    assert line.error_y.array is None


def test_the_search_is_shown_with_its_best(report: Path) -> None:
    extension = searched_and_trained()
    trials, least = search_trials(extension.searched, colours(list(extension.methods))).data
    # The setting without a finite loss has no place; one stopped early is not the best.
    assert list(trials.x) == [1, 3, 4]
    assert list(trials.marker.symbol) == ["circle", "star", "circle-open"]
    assert list(least.x) == [1, 3]
    assert list(least.y) == [2.75, 2.5]
    html = report.read_text()
    assert "<td>2.7500</td>" in html
    assert "factor 4.25" in html


def test_the_training_is_shown_step_by_step() -> None:
    losses = searched_and_trained().training
    each, mean = training_loss(losses).data
    assert tuple(each.y) == losses
    assert mean.y[20] == pytest.approx(sum(losses[18:23]) / 5)


def test_colours_do_not_repeat_with_all_that_a_run_may_have() -> None:
    names = [*METHODS, *(space.name for space in spaces(situation())), "yarn-finetuned"]
    assert len(set(colours(names).values())) == len(names)


def test_what_the_user_typed_cannot_break_the_page(report: Path) -> None:
    html = report.read_text()
    assert "&lt;/script&gt;&lt;b&gt;text" in html
    assert "</script><b>text" not in html
    assert "1 file is not text (&lt;i&gt;)" in html


def test_a_page_without_measurements(report: Path) -> None:
    html = render_page(made_up(measured=False))
    assert "The budget ended before all was measured" in html
    assert 'id="change"' in html
    assert 'id="loss"' not in html
    assert "The config that was written" not in html
    no_keys = made_up()
    findings = tuple(replace(f, passkeys={}) for f in no_keys.verdict.findings)
    html = render_page(replace(no_keys, verdict=replace(no_keys.verdict, findings=findings)))
    assert 'id="passkeys"' not in html
