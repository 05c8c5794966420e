"""Results as a person reads them: a table for each case, then what it comes to."""

from collections.abc import Iterator

from rich.box import SIMPLE_HEAD
from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from phasor._bench.results import COPY, Case, PeerFound, Results, Row

# With the names of contenders, 79 characters: a terminal of 80 shows everything.
_COLUMNS = ("time", "±", "GB/s", "× copy_", "× in place", "× new", "error")

# Half the spread of the middle rounds up to which a median says something.
_CALM = 0.25


def parts(results: Results) -> Iterator[RenderableType]:
    """Everything, one below the other."""
    for case in results.cases:
        yield case_table(case)
        for note in case_notes(case):
            yield Text(note, style="dim")
        yield ""
    yield from summary(results)


def case_table(case: Case) -> Table:
    """Everyone who was timed at `case`."""
    table = Table(
        title=case.title,
        title_justify="left",
        title_style="bold",
        box=SIMPLE_HEAD,
        show_edge=False,
        padding=(0, 1, 0, 0),
    )
    table.add_column("contender", no_wrap=True)
    # Nobody works in place where gradients flow.
    columns = [name for name in _COLUMNS if case.direction == "forward" or name != "× in place"]
    for name in columns:
        table.add_column(name, justify="right", no_wrap=True)
    layout = None
    for row in case.rows:
        if row.seconds is None:
            continue
        if row.layout != layout:
            layout = row.layout
            table.add_row(f"[dim]{layout} pairs[/dim]")
        cells = _cells(row)
        table.add_row(row.contender, *(cells[name] for name in columns))
    return table


def case_notes(case: Case) -> Iterator[str]:
    """Who was not timed at `case`, and why: a line for each reason."""
    for row in case.rows:
        if row.status == "wrong":
            yield f"WRONG, so not timed: {row.contender}, {row.layout}: {row.reason}"
        elif row.status == "failed":
            yield f"Failed, so not timed: {row.contender}, {row.layout}: {row.reason}"
    unable = {row.contender: row.reason for row in case.rows if row.status == "cannot"}
    if unable:
        yield "Not timed: " + ", ".join(f"{name} ({reason})" for name, reason in unable.items())


def summary(results: Results) -> Iterator[str]:
    """What the tables come to, a line each; the last one says what to do next."""
    hardware, versions = results.hardware, results.versions
    where = hardware.gpu or hardware.cpu
    software = ", ".join(f"{name} {number}" for name, number in versions.items())
    yield f"{where}, {results.clock}, median of {results.rounds} rounds; {software}"
    yield (
        "× copy_, × in place, × new: how many times the time of copy_ of the same tensors, of "
        "phasor in place, of phasor with new results. ±: half the spread of the middle rounds."
    )
    yield "error: largest distance from the exact rotation, over the length of the pair."
    yield (
        "BHSD: memory in the order [batch, heads, seq, head_dim]; that of all others is [batch, "
        "seq, heads, head_dim]."
    )
    yield (
        "phasor forms its angles in each call, peers have theirs from before; --json says what "
        "each leaves out."
    )
    yield from _lost(results)
    if any(_spread(row) > _CALM for case in results.cases for row in case.rows):
        yield (
            f"Some times spread by more than {_CALM:.0%}: the machine is busy. Trust those that "
            "do not, or ask for more --rounds."
        )
    if results.no_kernel is not None:
        yield f"phasor had no kernel and computed by plain PyTorch: {results.no_kernel}."
    missing = [peer for peer in results.peers if not peer.installed]
    for peer in missing:
        only = "" if "cpu" in peer.devices else ", for CUDA only"
        yield f"Not installed: {peer.name} ({peer.install}{only})"
    yield f"Next: {_next(results, missing)}"


def _lost(results: Results) -> Iterator[str]:
    in_place = {peer.name for peer in results.peers if peer.in_place}
    for case in results.cases:
        for row in case.rows:
            if row.contender not in {peer.name for peer in results.peers}:
                continue
            times = row.times_in_place if row.contender in in_place else row.times_new
            if times is not None and times < 1:
                yield (
                    f"Slower than a peer: phasor takes {1 / times:.2f} times as long as "
                    f"{row.contender} at {case.title}, {row.layout}"
                )


def _next(results: Results, missing: list[PeerFound]) -> str:
    device = results.hardware.device
    useful = [peer.install for peer in missing if device in peer.devices]
    if results.no_kernel is not None:
        return "get the kernel, as said above, then phasor bench again"
    if useful:
        return f"{useful[0]}, then phasor bench again"
    if all(case.direction == "forward" for case in results.cases):
        return "phasor bench --backward"
    return "phasor bench --out bench.json keeps these numbers"


def _cells(row: Row) -> dict[str, str]:
    assert row.seconds is not None
    return {
        "time": _time(row.seconds),
        "±": f"{min(_spread(row), 9.99):.0%}",
        "GB/s": f"{row.gigabytes_per_second:.1f}",
        "× copy_": _times(row.times_copy),
        "× in place": _times(row.times_in_place),
        "× new": _times(row.times_new),
        "error": "" if row.contender == COPY else f"{row.error:.0e}",
    }


def _spread(row: Row) -> float:
    if row.seconds is None or row.low is None or row.high is None:
        return 0.0
    return (row.high - row.low) / row.seconds / 2


def _times(ratio: float | None) -> str:
    if ratio is None:
        return ""
    return f"{ratio:.2f}" if ratio < 10 else f"{ratio:.0f}"


def _time(seconds: float) -> str:
    if seconds >= 0.1:
        return f"{seconds * 1e3:.1f} ms"
    return f"{seconds * 1e3:.2f} ms" if seconds >= 1e-3 else f"{seconds * 1e6:.1f} µs"
