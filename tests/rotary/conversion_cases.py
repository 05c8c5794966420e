"""Models to convert, and how their scores are computed before and after."""

from dataclasses import dataclass
from typing import Any

import torch
from hypothesis import strategies as st
from torch import Tensor

import phasor
from phasor.kernels.reference import apply_rotation
from phasor.rotary.layout import LAYOUTS, ROTARY_SLICES, Layout, RotarySlice

BATCH, SEQ, IN_FEATURES, RANK = 2, 5, 6, 3
# Values stay below 2**10 and sum a few dozen terms, each rounded by 2**-53.
ROUNDING = 2.0**-37


@dataclass(frozen=True)
class Case:
    """The shapes of a model, and the conversion asked for."""

    pairs: int
    still: int
    rotary_slice: RotarySlice
    num_kv_heads: int
    group: int
    source: Layout
    target: Layout
    flip: bool
    seed: int

    @property
    def rotary_dim(self) -> int:
        return 2 * self.pairs

    @property
    def head_dim(self) -> int:
        return self.rotary_dim + self.still

    @property
    def num_heads(self) -> int:
        return self.num_kv_heads * self.group

    @property
    def slice(self) -> dict[str, Any]:
        # Where all channels turn, `None` must mean the same as their number.
        rotary_dim = None if self.still == 0 and self.seed % 2 else self.rotary_dim
        return {"rotary_dim": rotary_dim, "rotary_slice": self.rotary_slice}

    @property
    def there(self) -> dict[str, Any]:
        return {"source": self.source, "target": self.target, **self.slice}

    @property
    def back(self) -> dict[str, Any]:
        return {"source": self.target, "target": self.source, **self.slice}


CASES = st.builds(
    Case,
    pairs=st.integers(1, 5),
    still=st.integers(0, 3),
    rotary_slice=st.sampled_from(ROTARY_SLICES),
    num_kv_heads=st.integers(1, 3),
    group=st.integers(1, 3),
    source=st.sampled_from(LAYOUTS),
    target=st.sampled_from(LAYOUTS),
    flip=st.booleans(),
    seed=st.integers(0, 999),
)
# One in which forgetting anything shows: partial, trailing, grouped, flipped.
HARD = Case(3, 3, "trailing", 2, 2, "interleaved", "half", flip=True, seed=0)


def normal(*shape: int) -> Tensor:
    return torch.randn(shape, dtype=torch.float64)


def in_heads(x: Tensor, num_heads: int) -> Tensor:
    return x.unflatten(-1, (num_heads, -1)).transpose(1, 2)


def rotate(
    case: Case, x: Tensor, positions: Tensor, layout: Layout, *, backwards: bool = False
) -> Tensor:
    cos, sin = phasor.cos_sin(positions, phasor.geometric(case.rotary_dim), dtype=torch.float64)
    sin = -sin if backwards else sin
    if case.rotary_slice == "leading":
        return apply_rotation(x, cos, sin, layout=layout)
    still, turning = x.split((case.still, case.rotary_dim), dim=-1)
    return torch.cat((still, apply_rotation(turning, cos, sin, layout=layout)), dim=-1)


def products(query: Tensor, key: Tensor) -> Tensor:
    key = key.repeat_interleave(query.shape[1] // key.shape[1], dim=1)
    return query @ key.transpose(-1, -2)


def scores(case: Case, query: Tensor, key: Tensor, positions: Tensor, *, converted: bool) -> Tensor:
    """What the source's own model computes, or the target's on converted numbers."""
    layout = case.target if converted else case.source
    backwards = case.flip and not converted
    return products(
        rotate(case, query, positions, layout, backwards=backwards),
        rotate(case, key, positions, layout, backwards=backwards),
    )


def random_positions() -> Tensor:
    return torch.randint(0, 10_000, (BATCH, SEQ))


def equal(got: Tensor, want: Tensor) -> None:
    torch.testing.assert_close(got, want, rtol=0, atol=0)


def close(got: Tensor, want: Tensor) -> None:
    torch.testing.assert_close(got, want, rtol=0, atol=ROUNDING)


# The permutation itself
