# ruff: noqa: N803 - compile-time arguments are upper-case, as everywhere in Triton.
"""Pieces that every kernel of the family is made of: where rows lie, and how pairs turn."""

import triton
import triton.language as tl


@triton.jit
def token_rows(seq, tokens, BLOCK_TOKENS: tl.constexpr):
    """Batch and place in the sequence of the program's tokens, int64 `[BLOCK_TOKENS]`, and a mask.

    Tokens of all sequences are numbered through, so that many short sequences fill a tile, too.
    64 bits from here on: a tensor may have more elements than an int32 can count.
    """
    first = tl.program_id(0).to(tl.int64) * BLOCK_TOKENS
    token = first + tl.arange(0, BLOCK_TOKENS)
    batch = first // seq
    # One 64-bit division for the program; within the tile 32 bits are enough.
    place = (first - batch * seq).to(tl.int32) + tl.arange(0, BLOCK_TOKENS)
    wraps = place // seq.to(tl.int32)
    return batch + wraps, (place - wraps * seq.to(tl.int32)).to(tl.int64), token < tokens


@triton.jit
def offsets(steps, batch, place, head, UNIT: tl.constexpr):
    """Element offset of each row, int64 `[heads, tokens, 1]`, from strides in `UNIT` elements."""
    rows = batch * steps[0] + place * steps[2]
    return ((head.to(tl.int64) * steps[1])[:, None, None] + rows[None, :, None]) * UNIT


@triton.jit
def load_pairs(
    x,
    rows,
    mask,
    START: tl.constexpr,
    PAIRS: tl.constexpr,
    BLOCK_PAIRS: tl.constexpr,
    INTERLEAVED: tl.constexpr,
):
    """First and second channel of each pair: `[heads, tokens, BLOCK_PAIRS]` each, in x's dtype.

    Both come from contiguous accesses: a pointer that skips every other channel would halve their
    width.
    """
    if INTERLEAVED:
        channel = tl.arange(0, 2 * BLOCK_PAIRS)[None, None, :]
        both = tl.load(x + rows + START + channel, mask & (channel < 2 * PAIRS), other=0)
        shape: tl.constexpr = (both.shape[0], both.shape[1], BLOCK_PAIRS, 2)
        first, second = tl.split(tl.reshape(both, shape))
    else:
        channel = tl.arange(0, BLOCK_PAIRS)[None, None, :]
        inside = mask & (channel < PAIRS)
        first = tl.load(x + rows + START + channel, inside, other=0)
        second = tl.load(x + rows + START + PAIRS + channel, inside, other=0)
    return first, second


@triton.jit
def store_pairs(
    out,
    rows,
    mask,
    first,
    second,
    START: tl.constexpr,
    PAIRS: tl.constexpr,
    BLOCK_PAIRS: tl.constexpr,
    INTERLEAVED: tl.constexpr,
):
    """The counterpart of `load_pairs`; rounds to out's dtype."""
    first = first.to(out.dtype.element_ty)
    second = second.to(out.dtype.element_ty)
    if INTERLEAVED:
        channel = tl.arange(0, 2 * BLOCK_PAIRS)[None, None, :]
        shape: tl.constexpr = (first.shape[0], first.shape[1], 2 * BLOCK_PAIRS)
        both = tl.reshape(tl.join(first, second), shape)
        tl.store(out + rows + START + channel, both, mask & (channel < 2 * PAIRS))
    else:
        channel = tl.arange(0, BLOCK_PAIRS)[None, None, :]
        inside = mask & (channel < PAIRS)
        tl.store(out + rows + START + channel, first, inside)
        tl.store(out + rows + START + PAIRS + channel, second, inside)


@triton.jit
def copy_channels(x, out, rows, rows_out, mask, FIRST: tl.constexpr, END: tl.constexpr):
    """Channels `FIRST` to `END` of each row, as they are."""
    if END > FIRST:
        still = load_channels(x, rows, mask, FIRST, END - FIRST)
        store_channels(out, rows_out, mask, still, FIRST, END - FIRST)


@triton.jit
def load_channels(x, rows, mask, FIRST: tl.constexpr, COUNT: tl.constexpr):
    """`COUNT` channels of each row from `FIRST` on, `[heads, tokens, power of two]`."""
    channel = tl.arange(0, triton.next_power_of_2(COUNT))[None, None, :]
    return tl.load(x + rows + FIRST + channel, mask & (channel < COUNT), other=0)


@triton.jit
def store_channels(out, rows, mask, values, FIRST: tl.constexpr, COUNT: tl.constexpr):
    """The counterpart of `load_channels`; rounds to out's dtype."""
    channel = tl.arange(0, triton.next_power_of_2(COUNT))[None, None, :]
    values = values.to(out.dtype.element_ty)
    tl.store(out + rows + FIRST + channel, values, mask & (channel < COUNT))
