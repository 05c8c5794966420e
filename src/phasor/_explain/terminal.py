"""An explanation in the terminal."""

from collections.abc import Iterator

from rich.console import RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from phasor._explain.chapters import TITLES
from phasor._explain.explanation import Explained, Explanation
from phasor._explain.picture import Curve, Picture
from phasor._inspect.terminal import pair_table
from phasor._words import number

_BLOCKS = "▁▂▃▄▅▆▇█"
_INDENT = (0, 0, 0, 2)
_FLAT = 1e-9


def parts(explained: Explained) -> Iterator[RenderableType]:
    """All of it, one part below the other."""
    first = explained.parts[0]
    if len(explained.parts) == 1 and not first.layers:
        yield from _part(first, explained.asked)
    else:
        yield Text(explained.asked, style="bold")
        for part in explained.parts:
            yield ""
            yield from _part(part, part.name)
    if explained.more:
        yield ""
        yield explained.more


def _part(part: Explanation, heading: str) -> Iterator[RenderableType]:
    yield Text.assemble((heading, "bold"), f" · {part.layers}" if part.layers else "")
    yield Text(part.summary)
    yield _named(
        ("enters", part.enters),
        ("formula", part.formula),
        ("", part.legend),
        ("numbers", part.numbers),
    )
    if part.rotation is not None:
        yield Padding(pair_table(part.rotation, brief=True), _INDENT)
    if part.picture is not None:
        yield Padding(Text(part.picture.title, style="dim"), _INDENT)
        yield Padding(_curves(part.picture), _INDENT)
    title = f"{int(part.chapter[:2])}, {TITLES[part.chapter]}"
    yield _named(
        ("measured", part.unmeasured if part.row is None else part.row.in_words()),
        ("source", part.source),
        ("chapter", f"{title} (--html opens it)"),
    )


def _named(*lines: tuple[str, str]) -> RenderableType:
    table = Table.grid(padding=(0, 2))
    table.add_column(style="cyan", no_wrap=True, min_width=8)
    table.add_column()
    for name, sentence in lines:
        if sentence:
            table.add_row(Text(name), Text(sentence, style="" if name else "dim"))
    return table


def _curves(picture: Picture) -> Table:
    table = Table.grid(padding=(0, 2))
    every = [value for curve in picture.curves for value in curve.values]
    low, high = min(every), max(every)
    for curve in picture.curves:
        ends = f"{_number(curve.values[0])} to {_number(curve.values[-1])}"
        table.add_row(Text(curve.name), Text(_line(curve, low, high), style="blue"), Text(ends))
    return table


def _line(curve: Curve, low: float, high: float) -> str:
    """A block for each value, the lowest of all curves the shortest."""
    if high - low < _FLAT:
        return _BLOCKS[3] * len(curve.values)
    steps = (len(_BLOCKS) - 1) / (high - low)
    return "".join(_BLOCKS[round((value - low) * steps)] for value in curve.values)


def _number(value: float) -> str:
    short = number(float(f"{value:.3g}"))
    return short.replace("-", "−")
