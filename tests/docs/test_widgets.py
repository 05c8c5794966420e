"""The pictures to touch of Learn in a real browser: operated, and their numbers beside phasor's."""

import json
import math
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from playwright.sync_api import Browser, ConsoleMessage, Locator, Page, Route, sync_playwright
from spec.golden.phi import phi_3_128k

import phasor

ASSETS = Path(__file__).parents[2] / "docs/assets/phasor"
SCRIPTS = ["phase", *(f"widgets/{name}" for name in ("base", "plot", "pairing"))]
SCRIPTS += [f"widgets/{name}" for name in ("curves", "rotation", "clock", "wavelengths")]
SCRIPTS += ["widgets/stretching"]
CHROMIUM = next(
    filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None
)
pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine"),
]

LONGROPE = phi_3_128k().layers[0].rotary.scaling
CURVES: dict[str, Any] = {
    "title": "Loss by length </b>",
    "x": {"label": "length", "values": [64, 128, 256], "log": True},
    "y": {"label": "nats per byte"},
    "series": [
        {"name": "rotary", "values": [1.93, 1.965, 2.943], "low": [1.9, 1.93, 2.8],
         "high": [1.95, 2.0, 3.1]},
        {"name": "alibi", "values": [2.057, None, 2.027], "low": None, "high": None},
    ],
    "command": "phasor compare",
    "versions": {"torch": "2.13.0"},
    "sha256": "0123456789abcdef",
}  # fmt: skip
STRETCHING = {
    "longrope": {"name": "LongRoPE", "factor": 32, "long_factor": list(LONGROPE.long_factor)}
}


def widget(name: str, data: Any = None, **options: object) -> str:
    inside = "" if data is None else json.dumps(data).replace("</", "<\\/")
    given = "".join(f' data-{key.replace("_", "-")}="{value}"' for key, value in options.items())
    return (
        f'<div class="phasor-widget" data-widget="{name}"{given}><p>Static {name}.</p>'
        + (f'<script type="application/json">{inside}</script>' if inside else "")
        + "</div>"
    )


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    scripts = "".join(f'<script src="{(ASSETS / name).as_uri()}.js"></script>' for name in SCRIPTS)
    body = "".join(
        (
            widget("curves", CURVES),
            widget("rotation", head_dim=8, base=10000, pair=1),
            widget("clock"),
            widget("wavelengths", base=10000, head_dim=128, context=4096),
            widget("stretching", STRETCHING, base=10000, head_dim=96, context=4096),
        )
    )
    path = tmp_path_factory.mktemp("widgets") / "page.html"
    path.write_text(
        '<!doctype html><html lang="en"><meta charset="utf-8"><title>Widgets</title>'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f'<link rel="stylesheet" href="{(ASSETS / "widgets.css").as_uri()}">'
        f'<body style="margin: 8px">{body}{scripts}</body></html>'
    )
    return path


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=CHROMIUM,
            args=["--no-sandbox", "--disable-gpu", "--disable-background-networking"],
        )
        yield browser
        browser.close()


def opened(browser: Browser, file: Path, problems: list[str], **options: Any) -> Page:
    page = browser.new_page(**{"viewport": {"width": 1000, "height": 900}, **options})

    def hear(message: ConsoleMessage) -> None:
        if message.type in ("error", "warning"):
            problems.append(message.text)

    def outside(route: Route) -> None:
        problems.append(route.request.url)
        route.abort()

    page.on("console", hear)
    page.on("pageerror", lambda error: problems.append(str(error)))
    page.route(lambda url: not url.startswith(("file:", "data:")), outside)
    page.goto(file.as_uri())
    return page


@pytest.fixture(scope="module")
def page(browser: Browser, file: Path) -> Iterator[Page]:
    problems: list[str] = []
    page = opened(browser, file, problems)
    yield page
    assert problems == []
    page.close()


def found(page: Page, name: str) -> Locator:
    return page.locator(f'.phasor-widget[data-widget="{name}"]')


def put(box: Locator, name: str, value: float) -> None:
    box.locator(f'input[name="{name}"]').evaluate(
        "(input, value) => { input.value = value; input.dispatchEvent(new Event('input')); }", value
    )


def read(box: Locator, name: str) -> float:
    return float(box.locator(f'[data-name="{name}"]').get_attribute("data-value") or "nan")


def turned(pair: int, m: int, n: int, layout: phasor.rotary.Layout) -> tuple[float, float]:
    """Score and length of the widget's query and key, turned by phasor."""
    first, second = (pair, pair + 4) if layout == "half" else (2 * pair, 2 * pair + 1)
    query, key = torch.zeros(2, 1, 1, 1, 8, dtype=torch.float64)
    query[..., first] = 1.0
    key[..., first], key[..., second] = 0.8, 0.6
    frequencies = phasor.geometric(8)
    query, _ = phasor.rotate(query, None, torch.tensor([m]), frequencies, layout=layout)
    key, _ = phasor.rotate(key, None, torch.tensor([n]), frequencies, layout=layout)
    return (query * key).sum().item(), query.norm().item()


class TestRotation:
    @pytest.mark.parametrize(("pair", "m", "n"), [(0, 63, 0), (1, 20, 6), (3, 5, 40)])
    def test_scores_and_lengths_are_those_of_phasor(
        self, page: Page, pair: int, m: int, n: int
    ) -> None:
        box = found(page, "rotation")
        for layout in ("interleaved", "half"):
            box.get_by_label(layout).check()
            for name, value in {"pair": pair, "m": m, "n": n, "both": 0}.items():
                put(box, name, value)
            score, length = turned(pair, m, n, layout)
            assert read(box, "score") == pytest.approx(score, abs=1e-12)
            assert read(box, "length") == pytest.approx(length, abs=1e-12)
            assert read(box, "distance") == m - n
            assert read(box, "query-angle") == pytest.approx(m * 10.0**-pair)

    def test_the_score_stands_still_when_both_move(self, page: Page) -> None:
        box = found(page, "rotation")
        scores = []
        for both in range(0, 64, 7):
            put(box, "both", both)
            scores.append(read(box, "score"))
        assert max(scores) - min(scores) < 1e-13
        put(box, "both", 0)

    def test_layouts_pair_other_channels(self, page: Page) -> None:
        box = found(page, "rotation")
        put(box, "pair", 1)
        channels = box.locator('[data-name="channels"]')
        assert channels.inner_text() == "1 and 5"
        box.get_by_label("interleaved").check()
        assert channels.inner_text() == "2 and 3"
        box.get_by_label("half").check()

    def test_keys_move_it(self, page: Page) -> None:
        box = found(page, "rotation")
        slider = box.get_by_label("m, position of the query")
        put(box, "m", 20)
        slider.focus()
        page.keyboard.press("ArrowRight")
        assert slider.get_attribute("aria-valuetext") == "21"
        page.keyboard.press("Home")
        assert read(box, "query-angle") == 0

    @pytest.mark.parametrize("kind", ["mouse", "touch"])
    def test_an_arrow_is_dragged(self, page: Page, kind: str) -> None:
        box = found(page, "rotation")
        for name, value in {"pair": 1, "m": 0, "n": 20, "both": 0}.items():
            put(box, name, value)
        svg = box.locator("svg").first
        # From the tip of the query at 0 radians to 1 radian: 10 tokens of pair 1.
        svg.evaluate(
            """(svg, kind) => {
                const box = svg.getBoundingClientRect();
                svg.setPointerCapture = () => {};
                const send = (type, angle) => svg.dispatchEvent(new PointerEvent(type, {
                    pointerId: 1, pointerType: kind,
                    clientX: box.left + 150 + 100 * Math.cos(angle),
                    clientY: box.top + 145 - 100 * Math.sin(angle),
                }));
                send("pointerdown", 0);
                for (let at = 0.1; at < 1.05; at += 0.1) send("pointermove", at);
                send("pointerup", 1);
                send("pointermove", 2);
            }""",
            kind,
        )
        assert read(box, "distance") == 10 - 20


class TestClock:
    def test_digits(self, page: Page) -> None:
        box = found(page, "clock")
        put(box, "m", 37)
        assert box.locator('[data-name="digits"]').inner_text() == "100101"
        assert [read(box, f"row-{p}") for p in range(6)] == [1, 0, 1, 0, 0, 1]

    def test_sines_of_the_same_periods(self, page: Page) -> None:
        box = found(page, "clock")
        box.get_by_label("sines", exact=True).check()
        halves = torch.tensor([[math.pi / 2**p for p in range(6)]], dtype=torch.float64)
        frequencies = phasor.geometric(12).with_inv_freq(halves)
        put(box, "m", 37)
        _, sin = phasor.cos_sin(torch.tensor([37]), frequencies, dtype=torch.float64)
        sines = [read(box, f"row-{p}") for p in range(6)]
        assert sines == pytest.approx(sin[0].tolist(), abs=1e-12)

    def test_sinusoids_are_those_of_phasor(self, page: Page) -> None:
        box = found(page, "clock")
        box.get_by_label("phasor.Sinusoidal(12)").check()
        table = phasor.Sinusoidal(12).prepare(torch.arange(64), dtype=torch.float64)
        for m in (0, 1, 37, 63):
            put(box, "m", m)
            sines = table[m, ::2].tolist()
            assert [read(box, f"row-{p}") for p in range(6)] == pytest.approx(sines, abs=1e-12)

    def test_it_counts_only_when_asked(self, page: Page) -> None:
        box = found(page, "clock")
        put(box, "m", 5)
        page.wait_for_timeout(400)
        assert read(box, "position") == 5
        box.get_by_role("button", name="Count").click()
        page.wait_for_function(
            "document.querySelector('[data-name=\"position\"]').dataset.value !== '5'"
        )
        box.get_by_role("button", name="Stop").click()


@pytest.mark.parametrize(
    ("base", "head_dim", "context"), [(1e4, 128, 4096), (5e5, 128, 131072), (1e6, 64, 64)]
)
def test_wavelengths(page: Page, base: float, head_dim: int, context: int) -> None:
    box = found(page, "wavelengths")
    bases = [100, 1000, 1e4, 5e4, 1e5, 5e5, 1e6, 5e6, 1e7, 1e8]
    put(box, "base", bases.index(base))
    put(box, "headDim", [16, 32, 64, 80, 96, 128, 192, 256].index(head_dim))
    put(box, "context", math.log2(context / 64))
    inv_freq = phasor.geometric(head_dim, base).inv_freq[0]
    turns = context * inv_freq / (2 * math.pi)
    assert read(box, "pairs") == head_dim / 2
    assert read(box, "unfinished") == (turns < 1).sum().item()
    assert box.locator(".pw-ring").count() == (turns < 1).sum().item()
    assert read(box, "shortest") == pytest.approx(2 * math.pi / inv_freq[0].item())
    assert read(box, "longest") == pytest.approx(2 * math.pi / inv_freq[-1].item())
    assert read(box, "turns") == pytest.approx(turns[-1].item())


@pytest.mark.parametrize(("factor", "pair"), [(1, 0), (8, 24), (32, 30), (32, 47)])
def test_stretching(page: Page, factor: int, pair: int) -> None:
    box = found(page, "stretching")
    put(box, "factor", math.log2(factor))
    put(box, "pair", pair)
    plain = phasor.geometric(96)
    length = {"factor": factor, "original_seq_len": 4096}
    scaled = {
        "linear": phasor.scaling.linear(factor=factor)(plain),
        "ntk": phasor.scaling.ntk(factor=factor)(plain),
        "yarn": phasor.scaling.yarn(**length)(plain),
        "llama3": phasor.scaling.llama3(**length)(plain),
    }
    if factor == 32:
        scaled["longrope"] = LONGROPE.long()(plain)
    else:
        assert box.locator('[data-name="longrope"]').inner_text() == "only for 32"
    for name, frequencies in scaled.items():
        slower = plain.inv_freq[0, pair] / frequencies.inv_freq[0, pair]
        assert read(box, name) == pytest.approx(slower.item(), rel=1e-12), name
    assert read(box, "gain") == pytest.approx(scaled["yarn"].attention_scale, rel=1e-12)
    turns = 4096 * plain.inv_freq[0, pair].item() / (2 * math.pi)
    assert read(box, "turns") == pytest.approx(turns)


def test_curves_read_out_what_their_data_hold(page: Page) -> None:
    box = found(page, "curves")
    for at, x in enumerate(CURVES["x"]["values"]):
        put(box, "x", at)
        assert box.locator("input").get_attribute("aria-valuetext") == str(x)
        for each in CURVES["series"]:
            value = box.locator(f'[data-name="{each["name"]}"]').get_attribute("data-value")
            assert value == ("" if each["values"][at] is None else str(each["values"][at]))
    assert box.locator('[data-name="rotary"]').inner_text() == "2.943 (2.8 to 3.1)"
    assert box.locator(".pw-title").inner_text() == "Loss by length </b>"
    assert box.locator("details").inner_text() == "How this was measured"
    assert box.locator("path.pw-line").count() == 2


@pytest.mark.parametrize("width", [360, 768, 1280])
def test_nothing_is_wider_than_the_page(page: Page, width: int) -> None:
    page.set_viewport_size({"width": width, "height": 800})
    page.wait_for_timeout(200)
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    for svg in page.locator(".pw-picture svg").all():
        inner, outer = svg.bounding_box(), svg.locator("..").bounding_box()
        assert inner is not None
        assert outer is not None
        assert inner["width"] <= outer["width"]
    page.set_viewport_size({"width": 1000, "height": 900})


def test_every_control_and_picture_has_a_name(page: Page) -> None:
    for name in ("curves", "rotation", "clock", "wavelengths", "stretching"):
        box = found(page, name)
        assert "Static" not in box.inner_text()
        for control in box.locator("input").all():
            assert control.evaluate("input => input.labels[0].textContent")
        assert box.locator(".pw-picture svg[role=img]").get_attribute("aria-label")


def test_a_site_chooses_the_colours(page: Page) -> None:
    colours = []
    for scheme in ("default", "slate"):
        page.evaluate("scheme => document.body.dataset.mdColorScheme = scheme", scheme)
        colours.append(page.evaluate(
            "getComputedStyle(document.querySelector('.pw')).backgroundColor"
        ))  # fmt: skip
    page.evaluate("() => { delete document.body.dataset.mdColorScheme }")
    assert colours[0] != colours[1]


def test_where_no_motion_is_wanted_nothing_can_be_made_to_move(
    browser: Browser, file: Path
) -> None:
    problems: list[str] = []
    page = opened(browser, file, problems, reduced_motion="reduce")
    assert found(page, "clock").locator("input[name=m]").count() == 1
    assert page.get_by_role("button").count() == 0
    assert problems == []
    page.close()


def test_without_javascript_the_static_picture_stays(browser: Browser, file: Path) -> None:
    problems: list[str] = []
    page = opened(browser, file, problems, java_script_enabled=False)
    for name in ("curves", "rotation", "clock", "wavelengths", "stretching"):
        assert found(page, name).inner_text() == f"Static {name}."
    assert problems == []
    page.close()


def test_what_fails_leaves_the_static_picture(browser: Browser, file: Path, tmp_path: Path) -> None:
    broken = tmp_path / "broken.html"
    text = file.read_text().replace('"title":', '"title"')
    broken.write_text(text)
    problems: list[str] = []
    page = opened(browser, broken, problems)
    assert found(page, "curves").inner_text() == "Static curves."
    assert read(found(page, "rotation"), "length") == pytest.approx(1)
    assert len(problems) == 1
    assert "JSON" in problems[0]
    page.close()
