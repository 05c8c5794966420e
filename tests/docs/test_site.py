"""The site: it builds, asks nothing of other hosts, and its links lead somewhere."""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest

ASSETS = {
    "script": "src", "img": "src", "iframe": "src", "source": "src", "video": "src",
    "audio": "src", "embed": "src", "object": "data",
}  # fmt: skip


@dataclass
class Parsed:
    ids: set[str] = field(default_factory=set)
    links: list[str] = field(default_factory=list)
    assets: list[str] = field(default_factory=list)


class Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.found = Parsed()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value for name, value in attrs if value is not None}
        self.found.ids.update(given[name] for name in ("id", "name") if name in given)
        if tag == "a" and "href" in given:
            self.found.links.append(given["href"])
        if tag == "link" and not {"canonical", "prev", "next"} & set(given["rel"].split()):
            self.found.assets.append(given["href"])
        if ASSETS.get(tag) in given:
            self.found.assets.append(given[ASSETS[tag]])
        self.found.assets += in_css(given.get("style", ""))


def in_css(text: str) -> list[str]:
    found = re.findall(r"""url\(\s*["']?([^"')]+)|@import\s+["']([^"']+)""", text)
    return [url or imported for url, imported in found if not url.startswith("data:")]


@pytest.fixture(scope="module")
def pages(site: Path) -> dict[Path, Parsed]:
    def parsed(page: Path) -> Parsed:
        reader = Reader()
        text = page.read_text()
        reader.feed(text)
        for style in re.findall(r"<style.*?>(.*?)</style>", text, re.DOTALL):
            reader.found.assets += in_css(style)
        return reader.found

    # The page of a server about pages that are not there; its links begin at the server's root.
    found = [page for page in site.rglob("*.html") if page.name != "404.html"]
    assert len(found) > 30
    return {page: parsed(page) for page in found}


def leads_nowhere(pages: dict[Path, Parsed], page: Path, link: str) -> bool:
    parts = urlsplit(link)
    target = (page.parent / unquote(parts.path)).resolve() if parts.path else page
    if not target.is_file():
        return True
    wanted = unquote(parts.fragment)
    return bool(wanted) and target in pages and wanted not in pages[target].ids


def test_it_builds_within_a_minute(built: tuple[Path, float]) -> None:
    assert built[1] < 60


def test_no_asset_is_of_another_host(site: Path, pages: dict[Path, Parsed]) -> None:
    def assets() -> Iterator[tuple[Path, str]]:
        for page, parsed in pages.items():
            yield from ((page, asset) for asset in parsed.assets)
        for sheet in site.rglob("*.css"):
            yield from ((sheet, asset) for asset in in_css(sheet.read_text()))

    elsewhere = [(at, url) for at, url in assets() if re.match(r"(\w+:)?//", url)]
    assert elsewhere == []
    broken = [(at, url) for at, url in assets() if leads_nowhere(pages, at, url.split("?")[0])]
    assert broken == []


def test_every_link_within_leads_somewhere(pages: dict[Path, Parsed]) -> None:
    broken = [
        (str(page), link)
        for page, parsed in pages.items()
        for link in parsed.links
        if not re.match(r"https?://|mailto:", link) and leads_nowhere(pages, page, link)
    ]
    assert broken == []


def test_formulas_are_mathml(site: Path) -> None:
    text = (site / "reference" / "api" / "query-key.html").read_text()
    assert text.count("<math") > 20
    for page in site.rglob("*.html"):
        assert 'class="arithmatex"' not in page.read_text(), page
    index = json.loads((site / "search.json").read_text())
    (yarn,) = [item for item in index["items"] if item["title"].startswith("phasor.scaling.yarn")]
    assert "where the ramp rp goes" in yarn["text"]


def test_learn_is_one_path(site: Path) -> None:
    """Each chapter leads to the one before and the one after."""
    chapters = sorted((site / "learn").glob("[0-9]*.html"))
    assert len(chapters) == 10
    chapters.append(site / "learn" / "questions.html")
    for before, after in pairwise(chapters):
        for page, name, target in ((before, "next", after), (after, "prev", before)):
            tag = re.search(rf'<a href="([^"]+)" class="[^"]*--{name}"', page.read_text())
            assert tag, (page, name)
            assert (page.parent / tag[1]).resolve() == target


def test_pages_are_all_reached(pages: dict[Path, Parsed]) -> None:
    reached = {
        (page.parent / unquote(urlsplit(link).path)).resolve()
        for page, parsed in pages.items()
        for link in parsed.links
        if not urlsplit(link).scheme and urlsplit(link).path
    }
    assert set(pages) - reached == set()
