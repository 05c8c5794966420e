"""What becomes of one tensor: which of its blocks of channels are put in another order."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from math import prod

import torch

from phasor._convert.families import (
    COLUMNS,
    PAIR_LAYOUTS,
    ROWS,
    PairLayout,
    Part,
)
from phasor._convert.heads import Heads
from phasor._convert.tensor_file import PIECE, Entry
from phasor.errors import ArgumentError
from phasor.rotary.conversion import channel_order, sign_of_channels

# Modules of attention outside the table: a cross-attention, another tower, an indexer.
_SUSPICIOUS = re.compile(
    r"(?:^|\.)(?!ln_)(?:\w+_)?(?:attn|attention|crossattn|crossattention|indexer|mixer)\d*\."
    r"|(?:^|\.)(?:[qk]|qkv|wq|wk|wqkv|w_pack|c_attn|query|key|query_key_value)"
    r"(?:_proj|_[ab]_proj)?\.",
    re.IGNORECASE,
)
DTYPES = {
    "F64": torch.float64,
    "F32": torch.float32,
    "F16": torch.float16,
    "BF16": torch.bfloat16,
}


@dataclass(frozen=True)
class Turning:
    """A tensor as blocks of `head_dim` channels.

    Args:
        part: What it is.
        entry: The tensor.
        head_dim: Channels of a block.
        turns: For each block whether its channels turn.
    """

    part: Part
    entry: Entry
    head_dim: int
    turns: tuple[bool, ...]

    def blocks(self) -> Iterator[tuple[bool, bytearray]]:
        """Its blocks one after the other; no more than one is in memory."""
        size = self.entry.size // len(self.turns)
        pieces = self.entry.pieces(max(size, PIECE // size * size))
        turns = iter(self.turns)
        for piece in pieces:
            for start in range(0, len(piece), size):
                yield next(turns), bytearray(memoryview(piece)[start : start + size])


def part_of(name: str, heads: Heads) -> Part | None:
    """What the tensor `name` is, `None` outside attention; raises where it may be either."""
    inside = re.match(heads.family.attention + r"\.(?P<rest>.+)", name)
    if inside is None:
        if _SUSPICIOUS.search(name):
            raise ArgumentError(
                f"{name} looks like a part of attention that phasor does not know in this "
                "architecture; nothing was written, since its channels may turn too"
            )
        return None
    rest = inside["rest"]
    for module, part in heads.family.modules:
        found = re.match(rf"(?:{module})(?P<tensor>\..+)?$", rest)
        if found is None:
            continue
        tensor = found["tensor"] or ""
        if part == "still" or tensor in COLUMNS:
            return "still"
        if tensor in ROWS:
            # The table has one word for all; how Falcon fuses depends on its configuration.
            return "stacked" if part == "grouped" and heads.stacked else part
        raise ArgumentError(
            f"{name} is not the weight or bias of a projection; dequantise the checkpoint first"
        )
    raise ArgumentError(
        f"{name} is not known in the attention of this architecture; nothing was written, since "
        "its channels may turn"
    )


def turning_of(entry: Entry, heads: Heads) -> Turning | None:
    """How a tensor is cut into blocks that turn, `None` where nothing of it does."""
    part = part_of(entry.name, heads)
    if part is None or part == "still" or entry.size == 0:
        return None
    channels = prod(entry.shape) if part == "norm" else (entry.shape or (0,))[0]
    head_dim = channels if part == "latent" else heads.head_dim
    blocks, rest = divmod(channels, head_dim)
    expected = {
        "query": heads.num_heads,
        "key": heads.num_kv_heads or blocks,
        "latent": 1,
        "norm": blocks,
    }.get(part, heads.num_heads + 2 * (heads.num_kv_heads or heads.num_heads))
    too_narrow = head_dim < (heads.rotary_dim or 0)
    if rest or blocks != expected or blocks < 1 or too_narrow or entry.size % channels:
        raise ArgumentError(
            f"{entry.name} has shape {list(entry.shape)}, but the configuration says {expected} "
            f"heads of {heads.head_dim} channels"
        )
    return Turning(part, entry, head_dim, _turns(part, blocks, heads))


def _turns(part: Part, blocks: int, heads: Heads) -> tuple[bool, ...]:
    if part not in ("stacked", "grouped", "quartered"):
        return (True,) * blocks
    if part == "quartered":
        some = blocks // 12  # of query, value and key, of a quarter of the heads
        return ((True,) * some + (False,) * some + (True,) * some) * 4
    num_kv_heads = heads.num_kv_heads or heads.num_heads
    if part == "stacked":
        return (True,) * (blocks - num_kv_heads) + (False,) * num_kv_heads
    return ((True,) * (blocks // num_kv_heads - 1) + (False,)) * num_kv_heads


@dataclass(frozen=True)
class Change:
    """From one layout to another, for a whole checkpoint.

    Args:
        heads: The checkpoint as it is.
        target: Layout wanted.
        gains_reversed: Where a reversal goes: to the gains and biases of its norms, or to the
            projections.
    """

    heads: Heads
    target: PairLayout
    gains_reversed: bool

    @property
    def reverses(self) -> bool:
        """Whether one of the layouts turns the other way."""
        return PAIR_LAYOUTS[self.heads.layout][1] != PAIR_LAYOUTS[self.target][1]

    def converted(self, turning: Turning) -> Iterator[bytes]:
        """The bytes of a tensor in the layout wanted."""
        source, _ = PAIR_LAYOUTS[self.heads.layout]
        target, _ = PAIR_LAYOUTS[self.target]
        head_dim, rotary_dim = turning.head_dim, self.heads.rotary_dim
        rotary_slice = self.heads.rotary_slice
        order = channel_order(
            head_dim,
            source=source,
            target=target,
            rotary_dim=rotary_dim,
            rotary_slice=rotary_slice,
        )
        flip = self.reverses and (turning.part == "norm") == self.gains_reversed
        sign = sign_of_channels(
            head_dim, layout=target, rotary_dim=rotary_dim, rotary_slice=rotary_slice
        )
        for turns, block in turning.blocks():
            if not turns:
                yield bytes(block)
                continue
            moved = torch.frombuffer(block, dtype=torch.uint8).view(head_dim, -1)[order]
            if flip:
                numbers = moved.view(_float(turning.entry))
                numbers[sign < 0] = -numbers[sign < 0]
            yield moved.numpy().tobytes()


def _float(entry: Entry) -> torch.dtype:
    if entry.dtype not in DTYPES:
        raise ArgumentError(
            f"{entry.name} is {entry.dtype}, whose signs phasor does not reverse; convert it to "
            f"one of {', '.join(DTYPES)} first"
        )
    return DTYPES[entry.dtype]
