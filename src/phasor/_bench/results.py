"""What a run finds, as data: the source of the table and of the JSON."""

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from phasor._bench.hardware import Hardware
from phasor._bench.shapes import Shape
from phasor._bench.workload import Direction
from phasor._kit.shown import Shown
from phasor.rotary import Layout

if TYPE_CHECKING:
    from rich.console import RenderableType

COPY = "copy_"

Status = Literal["timed", "wrong", "cannot", "failed"]


@dataclass(frozen=True, kw_only=True)
class Row:
    """One contender at one workload.

    Args:
        contender: Its name.
        layout: Which pairs turned; `None` for the copy.
        status: `"timed"`; or why not: its result is wrong, it cannot do this, or it raised.
        reason: In words, where it was not timed.
        error: Largest distance from the exact rotation, as a part of the length of the pair.
        seconds: Of one call, the median of all rounds.
        low: Lower quartile of the rounds.
        high: Upper quartile.
        gigabytes_per_second: Query and key, read once and written once, in that time.
        times_copy: Seconds over those of `copy_` of the same tensors.
        times_in_place: Seconds over those of phasor in place, on the same layout.
        times_new: Seconds over those of phasor that returns new tensors, on the same layout.
    """

    contender: str
    layout: Layout | None
    status: Status = "timed"
    reason: str | None = None
    error: float | None = None
    seconds: float | None = None
    low: float | None = None
    high: float | None = None
    gigabytes_per_second: float | None = None
    times_copy: float | None = None
    times_in_place: float | None = None
    times_new: float | None = None


@dataclass(frozen=True, kw_only=True)
class Case:
    """All contenders at one shape, dtype and direction."""

    shape: Shape
    dtype: str
    direction: Direction
    bytes: int
    rows: tuple[Row, ...]

    @property
    def title(self) -> str:
        """In a line: which one this is."""
        sizes = f"query {self.shape.query}, key {self.shape.key}"
        name = f"{self.shape.name}: " if self.shape.name.isalpha() else ""
        return f"{name}{sizes}, {self.dtype}, {self.direction}"


@dataclass(frozen=True, kw_only=True)
class PeerFound:
    """A peer that was asked for: its version, `None` where it is not installed."""

    name: str
    version: str | None
    installed: bool
    call: str
    excluded: str
    install: str
    devices: tuple[str, ...]
    in_place: bool


@dataclass(frozen=True, kw_only=True, repr=False)
class Results(Shown):
    """Everything that a run found.

    Args:
        hardware: Processor or GPU, system and threads.
        versions: Of Python, PyTorch, Triton where there is one, and phasor.
        clock: What was measured.
        rounds: How often each contender had its turn.
        no_kernel: Why phasor computed by its plain reference; `None` where it had a kernel.
        peers: Those that were asked for.
        cases: What was measured.
    """

    hardware: Hardware
    versions: Mapping[str, str]
    clock: str
    rounds: int
    no_kernel: str | None
    peers: tuple[PeerFound, ...]
    cases: tuple[Case, ...] = field(default=())

    def as_json(self) -> dict[str, Any]:
        """Everything in lists, dictionaries, strings and numbers."""
        return asdict(self)

    def _parts(self) -> "Iterator[RenderableType]":
        from phasor._bench.table import parts

        yield from parts(self)
