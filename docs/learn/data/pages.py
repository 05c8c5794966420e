"""Pages and their data: pictures that are written into a page, and numbers that a page quotes."""

import html
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from picture import FOLDER, read, values_of
from picture import sha256 as sha256

LEARN = FOLDER.parent
_BLOCK = re.compile(r"(<!-- data: ([\w-]+) -->\n)(.*?)(<!-- end -->)", re.S)
# <!-- length: rotary/512 -->3.082 quotes the value of the series "rotary" at x = 512.
_QUOTE = re.compile(r"<!-- ([\w-]+): ([^>]+?/[^>]+?) -->([+−-]?[\d,.]*\d(?:e[+−-]?\d+)?)( %)?")
_MOST_COLUMNS = 7


class Quote(NamedTuple):
    """A number in a page, and where it says that it comes from."""

    page: str
    line: int
    picture: str
    address: str
    text: str
    percent: bool


def pages() -> list[Path]:
    """The chapters."""
    return sorted(LEARN.glob("*.md"))


def pictures_in(text: str) -> Iterator[tuple[str, str]]:
    """Name and content of each block of data in a page."""
    for found in _BLOCK.finditer(text):
        yield found[2], found[3]


def with_pictures(text: str) -> str:
    """The page with all its blocks as the data are now; one that has no data yet stays."""

    def renewed(found: re.Match[str]) -> str:
        made = (FOLDER / f"{found[2]}.json").exists()
        return found[1] + (block(read(found[2])) if made else found[3]) + found[4]

    return _BLOCK.sub(renewed, text)


def quotes(page: Path) -> Iterator[Quote]:
    """Every number of the page that is marked with where it comes from."""
    for line, text in enumerate(page.read_text().splitlines(), start=1):
        for name, address, number, percent in _QUOTE.findall(text):
            yield Quote(page.name, line, name, address, number, bool(percent))


def disagreement(quote: Quote) -> str | None:
    """What is wrong with a quoted number, or `None`: it must be its value, rounded as written."""
    where = f"{quote.page}:{quote.line}: {quote.picture}: {quote.address}"
    if not (FOLDER / f"{quote.picture}.json").exists():
        return f"{where}: there is no {quote.picture}.json"
    numbers = values_of(read(quote.picture))
    if quote.address not in numbers:
        return f"{where}: no such number; there are {', '.join(numbers)}"
    value = numbers[quote.address] * (100 if quote.percent else 1)
    plain = quote.text.replace("−", "-").replace(",", "")
    if "e" in plain:
        written = f"{value:.{len(plain.split('e')[0].partition('.')[2])}e}"
        same = float(written) == float(plain)
    else:
        written = f"{value:.{len(plain.partition('.')[2])}f}"
        same = float(written) == float(plain)
    return None if same else f"{where}: the page says {quote.text}, the data {written}"


def block(found: dict[str, Any]) -> str:
    """The picture as HTML: a small table for those without JavaScript, and the data."""
    data = json.dumps(found, separators=(",", ":"), ensure_ascii=False).replace("</", "<\\/")
    return (
        '<div class="phasor-widget" data-widget="curves">\n'
        f"{_table(found)}\n"
        f'<script type="application/json">{data}</script>\n'
        "</div>\n"
    )


def _table(found: dict[str, Any]) -> str:
    xs = found["x"]["values"]
    count = min(len(xs), _MOST_COLUMNS)
    shown = sorted({round(at * (len(xs) - 1) / max(count - 1, 1)) for at in range(count)})
    head = "".join(f'<th scope="col">{xs[at]:,g}</th>' for at in shown)
    rows = [
        f'<tr><th scope="row">{html.escape(each["name"])}</th>'
        + "".join(f"<td>{_cell(each['values'][at])}</td>" for at in shown)
        + "</tr>"
        for each in found["series"]
    ]
    caption = f"{found['title']} ({found['y']['label']})"
    return "\n".join((
        "<table>",
        f"<caption>{html.escape(caption)}</caption>",
        f'<tr><th scope="col">{html.escape(found["x"]["label"])}</th>{head}</tr>',
        *rows,
        "</table>",
    ))  # fmt: skip


def _cell(value: float | None) -> str:
    return "–" if value is None else f"{value:.4g}"
