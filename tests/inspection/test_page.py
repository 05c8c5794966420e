"""The page of an inspection in a real browser, and what is in it."""

import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from playwright.sync_api import Page, sync_playwright
from spec.golden import GOLDEN
from spec.golden.layer import rotary_layer
from typer.testing import CliRunner

from phasor._inspect import inspect
from phasor._inspect.page import render_page
from phasor._inspect.page.figures import coverage, errors_by_position, score_by_distance
from phasor.cli import app
from phasor.spec import PositionSpec

CHROMIUM = next(
    filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None
)


@pytest.fixture(scope="module", params=["gemma-3-4b", "bloom-176b"])
def page(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Page]:
    if CHROMIUM is None:
        pytest.skip("no Chromium on this machine")
    path = tmp_path_factory.mktemp("page") / "page.html"
    path.write_text(render_page(inspect(GOLDEN[request.param]())))
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"]
        )
        page = browser.new_page(viewport={"width": 1200, "height": 900}, color_scheme="light")
        problems: list[str] = []
        page.on("console", lambda message: problems.append(message.text))
        page.on("pageerror", lambda error: problems.append(str(error)))
        page.on(
            "request",
            lambda request: (
                None
                if request.url.startswith(("file:", "data:", "blob:"))
                else problems.append(request.url)
            ),
        )
        page.goto(path.as_uri())
        page.wait_for_function("document.body.dataset.drawn")
        yield page
        assert problems == []
        browser.close()


@pytest.mark.browser
class TestInTheBrowser:
    def test_every_plot_is_drawn(self, page: Page) -> None:
        plots = page.locator(".plot")
        assert page.evaluate("document.body.dataset.drawn") == str(plots.count())
        for at in range(plots.count()):
            assert plots.nth(at).locator(".trace path, .bars path").count() > 0

    def test_the_theme_changes(self, page: Page) -> None:
        colour = "getComputedStyle(document.body).backgroundColor"
        before = page.evaluate(colour)
        page.get_by_role("button", name="Switch between light and dark").click()
        assert page.evaluate(colour) != before

    def test_nothing_is_wider_than_a_phone(self, page: Page) -> None:
        page.set_viewport_size({"width": 390, "height": 800})
        # A busy machine takes its time to lay the page out again.
        page.wait_for_function("document.documentElement.scrollWidth <= 390", timeout=10_000)


def test_the_page_says_what_the_terminal_says() -> None:
    inspection = inspect(GOLDEN["llama-3.1-8b"]())
    html = render_page(inspection)
    for finding in inspection.findings:
        assert finding.code in html
    assert 'href="https://github.com/unslothai/unsloth/issues/2405"' in html
    assert "65,536 tokens" in html
    assert html.count('<div class="map"') == 1


def test_what_a_file_says_cannot_break_the_page() -> None:
    spec = replace(GOLDEN["llama-7b"](), model="</script><b>bold")
    html = render_page(inspect(spec))
    assert "<b>bold" not in html
    assert "&lt;b&gt;bold" in html


def test_many_different_layers_do_not_make_an_endless_page() -> None:
    layers = tuple(rotary_layer(8, base=1000.0 + at) for at in range(40))
    html = render_page(inspect(PositionSpec(model="odd", layers=layers, max_seq_len=64)))
    assert "32 more that differ" in html


def test_pictures_hold_the_numbers() -> None:
    (rotation,) = inspect(GOLDEN["llama-3.1-8b"]()).rotations
    seen, unseen = coverage(rotation).data
    for at, pair in enumerate(rotation.pairs):
        assert seen.y[at] == min(1, pair.turns_trained)  # type: ignore[operator]
        assert seen.y[at] + unseen.y[at] <= 1 + 1e-12
        assert (unseen.y[at] > 0) == (at in rotation.unseen)
    plain, scaled = score_by_distance(rotation).data
    # A key beside its query is turned by hardly anything; far away slower pairs keep more.
    assert plain.y[0] > 0.9
    assert scaled.y[-1] > plain.y[-1]
    bfloat16, float32 = errors_by_position(rotation).data
    assert bfloat16.x[-1] == float32.x[-1] == 131_072
    assert all(b > f for b, f in zip(bfloat16.y, float32.y, strict=True))


def test_the_command_writes_a_page_and_nothing_else(tmp_path: Path) -> None:
    spec, out = tmp_path / "spec.json", tmp_path / "page.html"
    spec.write_text(GOLDEN["mistral-7b-v0.1"]().to_json())
    done = CliRunner().invoke(app, ["inspect", str(spec), "--html", str(out)])
    assert done.exit_code == 0, done.output
    assert "Mistral 7B v0.1" in out.read_text()
    assert {path.name for path in tmp_path.iterdir()} == {"spec.json", "page.html"}
    for bad in (tmp_path, tmp_path / "no" / "page.html"):
        done = CliRunner().invoke(app, ["inspect", str(spec), "--html", str(bad)])
        assert done.exit_code == 2
        assert "cannot be written" in done.stderr
