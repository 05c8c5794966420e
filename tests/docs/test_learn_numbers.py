"""Learn's pages against their data: pictures inlined as they are, numbers as they were measured."""

import importlib
import json
import re
import sys
from pathlib import Path
from types import ModuleType

import pytest

LEARN = Path(__file__).parents[2] / "docs" / "learn"
MINE = ("01-order", "02-numbers", "04-table", "07-biases", "08-length", "10-practice", "questions")
MADE = sorted(path.stem for path in (LEARN / "data").glob("*.json"))


@pytest.fixture
def pages(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(str(LEARN / "data"))
    for name in ("pages", "picture"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    return importlib.import_module("pages")


@pytest.mark.parametrize("name", MINE)
def test_every_quoted_number_is_that_of_its_data(pages: ModuleType, name: str) -> None:
    quotes = list(pages.quotes(LEARN / f"{name}.md"))
    assert quotes
    assert [wrong for quote in quotes if (wrong := pages.disagreement(quote))] == []


@pytest.mark.parametrize("name", MINE)
def test_every_mark_is_read_as_a_quote_or_a_picture(pages: ModuleType, name: str) -> None:
    text = (LEARN / f"{name}.md").read_text()
    marks = re.findall(r"<!-- ([\w-]+): ", text)
    drawn = [picture for picture, _ in pages.pictures_in(text)]
    quoted = list(pages.quotes(LEARN / f"{name}.md"))
    assert len(marks) == len(drawn) + len(quoted)


@pytest.mark.parametrize("name", MINE)
def test_no_line_begins_with_a_quote(pages: ModuleType, name: str) -> None:
    # Markdown takes a comment at the start of a line for a block of HTML and ends the paragraph.
    lines = (LEARN / f"{name}.md").read_text().splitlines()
    assert [line for line in lines if re.match(r"\s*<!-- [\w-]+: [^>]+/", line)] == []


@pytest.mark.parametrize("name", MINE)
def test_pictures_are_inlined_as_the_data_are(pages: ModuleType, name: str) -> None:
    text = (LEARN / f"{name}.md").read_text()
    assert {picture for picture, _ in pages.pictures_in(text)} <= set(MADE)
    assert pages.with_pictures(text) == text, "run python docs/learn/data/make.py"


@pytest.mark.parametrize("name", MADE)
def test_data_are_whole(pages: ModuleType, name: str) -> None:
    found = json.loads((LEARN / "data" / f"{name}.json").read_text())
    assert found["sha256"] == pages.sha256(found), "changed by hand"
    assert found["command"]
    assert found["versions"]
    length = len(found["x"]["values"])
    for each in found["series"]:
        for key in ("values", "low", "high"):
            assert len(each[key] or [None] * length) == length


def test_a_wrong_number_is_found(pages: ModuleType, tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(
        "<!-- angles: phasor/1000 -->7.5 <!-- angles: phasor/1000 -->7.6 "
        "<!-- angles: phasor/3 -->7.5 <!-- nothing: a/1 -->2 "
        "<!-- padding: sinusoidal, padding counted/4 -->43 %"
    )
    wrong = [pages.disagreement(quote) for quote in pages.quotes(page)]
    assert wrong[0] is None
    assert wrong[1] == "page.md:1: angles: phasor/1000: the page says 7.6, the data 7.5"
    assert "no such number" in wrong[2]
    assert "there is no nothing.json" in wrong[3]
    assert wrong[4] is None


def test_stale_data_are_found(pages: ModuleType) -> None:
    text = "before\n<!-- data: angles -->\nold\n<!-- end -->\nafter\n"
    renewed = pages.with_pictures(text)
    assert renewed != text
    assert pages.with_pictures(renewed) == renewed
    ((name, block),) = pages.pictures_in(renewed)
    data = re.search(r'<script type="application/json">(.*)</script>', block)
    assert name == "angles"
    assert data is not None
    assert json.loads(data[1]) == pages.read("angles")
