"""An inspection in the terminal."""

import math
from collections.abc import Iterator
from itertools import compress

from rich.console import RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from phasor._inspect.finding import Finding
from phasor._inspect.inspect import Inspection
from phasor._inspect.rotation import Rotation
from phasor._inspect.sentences import (
    headline,
    layer_lines,
    rotation_lines,
    rotation_title,
    travel_line,
)
from phasor._words import number

_BAR = 24
_ROWS = 9
_FEW_ROWS = 5


def parts(inspection: Inspection) -> Iterator[RenderableType]:
    """All of it, towers last."""
    yield Text(headline(inspection), style="bold")
    yield ""
    yield _named(layer_lines(inspection))
    travel = travel_line(inspection)
    if travel:
        yield Text(travel)
    for rotation, rounding in zip(inspection.rotations, inspection.roundings, strict=True):
        yield ""
        yield Text(rotation_title(inspection, rotation), style="bold")
        yield _named(rotation_lines(rotation, rounding))
        yield pair_table(rotation)
    for level, title, style in (("warning", "Warnings", "yellow"), ("note", "Notes", "dim")):
        found = [finding for finding in inspection.findings if finding.level == level]
        if found:
            yield ""
            yield Text(title, style="bold")
            yield from (_finding(finding, style) for finding in found)
    for tower in inspection.towers:
        yield ""
        yield from parts(tower)


def _named(lines: list[tuple[str, str]]) -> RenderableType:
    table = Table.grid(padding=(0, 2))
    table.add_column(style="cyan", no_wrap=True, max_width=44)
    table.add_column()
    for name, sentence in lines:
        table.add_row(Text(name), Text(sentence))
    return table


def _finding(finding: Finding, style: str) -> RenderableType:
    text = Text(finding.code, style=style)
    text.append(f"  {finding.text}", style="default")
    text.append(f"  [{', '.join(finding.references)}]", style="dim")
    return Padding(text, (0, 0, 0, 2))


def pair_table(rotation: Rotation, *, brief: bool = False) -> Table:
    """Some pairs of a rotary encoding against the trained context.

    Args:
        rotation: Of which.
        brief: Fewer pairs, without what they meet at the length, and how much they are slowed only
            where they are: for a screen of 80 columns.
    """
    table = Table(pad_edge=False, box=None, padding=(0, 2, 0, 0))
    slowed = not brief or any(pair.slowed != 1 for pair in rotation.pairs)
    kept = [True, True, True, slowed, not brief]
    for name in compress(("pair", "tokens a turn", "turns in training", "slowed", "unseen"), kept):
        table.add_column(name, justify="right", style="default")
    table.add_column("log; │ trained context" if brief else "tokens a turn, log; │ trained context")
    turning = [pair.wavelength for pair in rotation.pairs if not math.isinf(pair.wavelength)]
    longest = max(turning, default=1.0)
    for at in sorted(set(_telling(rotation, _FEW_ROWS if brief else _ROWS))):
        pair = rotation.pairs[at]
        cells = (
            str(at),
            number(round(pair.wavelength, 1) if pair.wavelength < 100 else _whole(pair.wavelength)),
            "–" if pair.turns_trained is None else _short(pair.turns_trained),
            _short(pair.slowed),
            "–" if pair.unseen is None else f"{pair.unseen:.2g} turns" if pair.unseen else "",
        )
        bar = _bar(pair.wavelength, rotation.trained_length, longest)
        table.add_row(*compress(cells, kept), bar)
    return table


def _telling(rotation: Rotation, rows: int) -> Iterator[int]:
    """A few pairs at equal steps, and those where something changes."""
    last = len(rotation.pairs) - 1
    yield from (round(step * last / (rows - 2)) for step in range(rows - 1))
    for some in (rotation.never_around, rotation.standing, rotation.unseen):
        if some:
            yield some[0]


def _bar(wavelength: float, trained: int | None, longest: float) -> Text:
    scale = _BAR / math.log(max(longest, trained or 1, 2))
    filled = _BAR if math.isinf(wavelength) else round(scale * math.log(max(wavelength, 1)))
    bar = Text("━" * filled + " " * (_BAR + 1 - filled), style="blue")
    if trained is not None:
        mark = min(_BAR, round(scale * math.log(max(trained, 1))))
        before, after = bar[:mark], bar[mark + 1 :]
        bar = Text.assemble(before, ("│", "bold"), after)
    return bar


def _whole(value: float) -> float:
    return value if math.isinf(value) else round(value)


def _short(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"
