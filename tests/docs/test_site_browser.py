"""The site as readers have it: from file://, on a desk and on a phone."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, ConsoleMessage, Page, expect, sync_playwright

CHROMIUM = next(
    filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None
)
pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine"),
]
READ = ("index", "learn/05-rotation", "how-to/train", "reference/rotary", "reference/api/scaling")


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            timeout=120_000,
            executable_path=CHROMIUM,
            args=["--no-sandbox", "--disable-gpu", "--disable-background-networking"],
        )
        yield browser
        browser.close()


@pytest.fixture(params=[(1280, "light"), (360, "dark")], ids=["desk", "phone"])
def page(request: pytest.FixtureRequest, browser: Browser) -> Iterator[Page]:
    width, scheme = request.param
    page = browser.new_page(viewport={"width": width, "height": 760}, color_scheme=scheme)
    page.set_default_timeout(60_000)
    problems: list[str] = []

    def hear(message: ConsoleMessage) -> None:
        if message.type in ("error", "warning"):
            problems.append(message.text)

    page.on("console", hear)
    page.on("pageerror", lambda error: problems.append(str(error)))
    page.on("request", lambda request: problems.append(request.url)
            if not request.url.startswith(("file:", "data:", "blob:")) else None)  # fmt: skip
    yield page
    assert problems == []
    page.close()


@pytest.mark.parametrize("name", READ)
def test_nothing_is_wider_than_the_screen(site: Path, page: Page, name: str) -> None:
    page.goto((site / f"{name}.html").as_uri())
    root = page.evaluate("[document.documentElement.scrollWidth, innerWidth]")
    assert root[0] <= root[1]
    expect(page.locator("h1")).to_be_visible()


def test_dark_and_light_follow_the_system(site: Path, page: Page) -> None:
    page.goto((site / "index.html").as_uri())
    red = page.evaluate("getComputedStyle(document.body).backgroundColor.match(/\\d+/)[0]")
    dark = page.evaluate("matchMedia('(prefers-color-scheme: dark)').matches")
    assert (int(red) < 64) == dark


def test_search_finds_a_name(site: Path, page: Page) -> None:
    page.goto((site / "learn" / "01-order.html").as_uri())
    page.keyboard.press("Control+k")
    page.keyboard.type("dynamic_ntk")
    found = page.get_by_text("phasor.scaling.dynamic_ntk").first
    expect(found).to_be_visible(timeout=60_000)
    found.click()
    expect(page.locator("h1")).to_contain_text("Scaling", timeout=60_000)
