"""How the rows of projections are cut, against what `phasor.read` says of the model."""

from pathlib import Path
from typing import Any, NamedTuple

from phasor._convert.families import PAIR_LAYOUTS
from phasor._convert.heads import Heads
from phasor._read.reader import examine
from phasor.errors import ArgumentError
from phasor.rotary.layout import Layout, RotarySlice
from phasor.spec import RotarySpec


class _Geometry(NamedTuple):
    head_dim: int
    rotary_dim: int
    rotary_slice: RotarySlice
    layout: Layout
    backwards: bool

    def __str__(self) -> str:
        turns = ", by minus the angle" if self.backwards else ""
        return (
            f"the {self.rotary_slice} {self.rotary_dim} of {self.head_dim} channels turn in "
            f"{self.layout} pairs{turns}"
        )


def check_agreement(heads: Heads, config: dict[str, Any], where: Path) -> None:
    """Raise unless the spec says the same of every layer that turns.

    Args:
        heads: How the rows will be cut.
        config: What the code of the family reads: without phasor's mark.
        where: Its file, for errors.

    Raises:
        ArgumentError: They differ, layers differ among themselves, or the spec cannot be read.
    """
    layout, backwards = PAIR_LAYOUTS[heads.family.layout]
    rotary_dim = heads.rotary_dim or heads.head_dim
    wanted = _Geometry(heads.head_dim, rotary_dim, heads.rotary_slice, layout, backwards)
    spec = examine(config, strict=False, where=str(where)).spec
    found = {
        _geometry(encoding)
        for layer in spec.layers
        for encoding in layer.encodings
        if isinstance(encoding, RotarySpec)
    }
    if found != {wanted}:
        other = " and ".join(sorted(map(str, found - {wanted}))) or "nothing turns"
        raise ArgumentError(
            f"{where} would be converted as if {wanted}, but by its spec {other}; nothing was "
            "written"
        )


def _geometry(rotary: RotarySpec) -> _Geometry:
    inv_freq = rotary.frequencies.build().inv_freq
    return _Geometry(
        rotary.head_dim,
        2 * inv_freq.shape[1],
        rotary.rotary_slice,
        rotary.layout,
        bool((inv_freq < 0).any()),
    )
