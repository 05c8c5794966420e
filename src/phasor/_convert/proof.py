r"""The proof on the weights themselves: rotated products are what they were.

Each converted projection makes channels for two random tokens, from the old rows and from the new.
Both are rotated at random positions, each in its own layout, by `phasor.rotate`, and their products
must agree: $(R_m W x)\cdot(R_n W y) = (R'_m W' x)\cdot(R'_n W' y)$ for every head. Nothing in here
knows how the rows were moved.
"""

from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor

from phasor._convert.convert import Plan
from phasor._convert.families import PAIR_LAYOUTS, PairLayout
from phasor._convert.tensor_file import read_entries
from phasor._convert.turning import DTYPES, Turning
from phasor.errors import ArgumentError
from phasor.kernels.api import rotate
from phasor.rotary.frequencies import geometric

# Sums of products rounded by 2**-53, relative to the largest one.
_TOLERANCE = 1e-9


def prove(
    plan: Plan, folder: Path, advance: Callable[[int], None] = lambda _: None
) -> tuple[int, float]:
    """Compare the products of every converted projection in `folder` with those of its source.

    Args:
        plan: What was written.
        folder: Where.
        advance: Told how many bytes were read.

    Returns:
        How many projections were compared, and their largest difference relative to the largest
        product. Weights in eight bits or fewer, vectors, and all projections where a reversal is
        at the norms are left to the logits.

    Raises:
        ArgumentError: They differ: nothing of the conversion may be kept.
    """
    written = {entry.name: entry for name in plan.files for entry in read_entries(folder / name)[0]}
    generator = torch.Generator().manual_seed(0)
    compared, worst = 0, 0.0
    for outputs in plan.files.values():
        for output in outputs:
            before = plan.turnings.get(output.entry.name)
            if before is None or not _comparable(plan, before):
                continue
            after = Turning(before.part, written[output.name], before.head_dim, before.turns)
            tokens = torch.randn(output.entry.shape[1], 2, dtype=torch.float64, generator=generator)
            positions = torch.randint(0, 10_000, (2,), generator=generator)
            old = _products(plan, before, plan.source.heads.layout, tokens, positions)
            new = _products(plan, after, plan.layout, tokens, positions)
            difference = ((old - new).abs().max() / old.abs().max().clamp(min=1e-300)).item()
            if not difference < _TOLERANCE:
                raise ArgumentError(
                    f"{output.entry.name} does not give the products it gave before: they differ "
                    f"by {difference:.1e} of the largest; nothing was kept"
                )
            compared, worst = compared + 1, max(worst, difference)
            advance(output.entry.size)
    return compared, worst


def _comparable(plan: Plan, turning: Turning) -> bool:
    entry = turning.entry
    return (
        entry.dtype in DTYPES
        and len(entry.shape) == 2
        and turning.part != "norm"
        and not (plan.change.gains_reversed and plan.change.reverses)
    )


def _products(
    plan: Plan, turning: Turning, layout: PairLayout, tokens: Tensor, positions: Tensor
) -> Tensor:
    """Of each head's channels for two tokens at two positions; values as they are."""
    pairing, backwards = PAIR_LAYOUTS[layout]
    dtype = DTYPES[turning.entry.dtype]
    # Small results made one by one between large blocks would keep the allocator from reusing them.
    channels = torch.empty(len(turning.turns), turning.head_dim, 2, dtype=torch.float64)
    for (_, block), result in zip(turning.blocks(), channels, strict=True):
        rows = torch.frombuffer(block, dtype=dtype).view(turning.head_dim, -1)
        torch.matmul(rows.double(), tokens, out=result)
    channels = channels.transpose(1, 2)
    frequencies = geometric(plan.source.heads.rotary_dim or turning.head_dim)
    turned, _ = rotate(
        channels[None],
        None,
        positions,
        frequencies,
        layout=pairing,
        inverse=backwards,
        rotary_slice=plan.source.heads.rotary_slice,
    )
    moves = torch.tensor(turning.turns)[:, None, None]
    result = torch.where(moves, turned[0], channels)
    own = result[:, 0] * result[:, 1]
    # Values must be the same channel by channel, others in their sum.
    return torch.cat((own[torch.tensor(turning.turns)].sum(1), channels[~moves[:, 0, 0]].flatten()))
