"""Context parallelism: which tokens of a sequence each rank holds, and how to put them back."""

from typing import Literal, overload

import torch
from torch import Tensor

from phasor.errors import ArgumentError, ArgumentTypeError
from phasor.positions.checks import check_count

ShardOrder = Literal["contiguous", "zigzag", "round_robin"]


@overload
def shard(
    positions: Tensor,
    *,
    rank: int,
    world_size: int,
    order: ShardOrder,
    dim: int = -1,
    return_index: Literal[False] = False,
) -> Tensor: ...


@overload
def shard(
    positions: Tensor,
    *,
    rank: int,
    world_size: int,
    order: ShardOrder,
    dim: int = -1,
    return_index: Literal[True],
) -> tuple[Tensor, Tensor]: ...


def shard(
    positions: Tensor,
    *,
    rank: int,
    world_size: int,
    order: ShardOrder,
    dim: int = -1,
    return_index: bool = False,
) -> Tensor | tuple[Tensor, Tensor]:
    r"""The positions, or anything else along the sequence, that one rank holds.

    Every rank gets as many tokens; each token goes to one rank. Shard the positions of the whole
    sequence: a rank that numbers its own tokens 0, 1, 2, ... is wrong in every order, and packed
    documents need nothing more than their positions and document numbers sharded alike.

    Args:
        positions: `[..., seq]`, or any tensor whose axis `dim` is the whole sequence.
        rank: This rank in its context-parallel group, from 0.
        world_size: $W$, the number of ranks in the group.
        order: Which tokens a rank $r$ holds.

            - `"contiguous"`: the $r$-th of $W$ runs (all-gather of keys and values, Ulysses).
            - `"zigzag"`: of $2W$ chunks the $r$-th from the start and the $r$-th from the end, so
              that under a causal mask all ranks have as much to do (ring attention, Megatron).
            - `"round_robin"`: tokens $r, r + W, r + 2W, \ldots$ (striped attention).
        dim: The axis of the tokens: -1 for positions `[batch, seq]`, -2 for `[batch, seq, axes]`
            and for activations `[batch, num_heads, seq, head_dim]`.
        return_index: Return where those tokens stand in the whole sequence as well: `query_index`
            and `key_index` of `phasor.attention`. (Positions do not say: tokens may share theirs.)

    Returns:
        A copy with `seq / world_size` tokens along `dim`, in rising order; with `return_index` that
        and their indices `[seq / world_size]`, int64.

    Raises:
        ArgumentError: `seq` does not divide, `rank` or `dim` is not there, or an unknown order.
        ArgumentTypeError: `positions` is no tensor, `rank` or `world_size` no integer.

    Source:
        Megatron-LM's context parallelism (`"zigzag"`); Brandon et al. 2023, arXiv:2311.09431
        (`"round_robin"`).

    Examples:
        >>> phasor.positions.shard(torch.arange(8), rank=0, world_size=2, order="zigzag").tolist()
        [0, 1, 6, 7]
    """
    if not isinstance(positions, Tensor):
        raise ArgumentTypeError(
            f"shard takes positions as a tensor, got {type(positions).__name__}; "
            "wrap them: torch.as_tensor(positions)"
        )
    if not -positions.ndim <= dim < positions.ndim:
        raise ArgumentError(
            f"dim must be an axis of positions of shape {list(positions.shape)}, got {dim}; "
            "pass the axis of the tokens"
        )
    held = _held(positions.shape[dim], world_size, order, positions.device)
    check_count("rank", rank, at_least=0, advice="pass the rank within the group")
    if rank >= world_size:
        raise ArgumentError(
            f"rank must be less than world_size={world_size}, got {rank}; pass the rank within the "
            "context-parallel group, not the one in the whole job"
        )
    part = positions.index_select(dim, held[rank])
    return (part, held[rank]) if return_index else part


def unshard_order(
    seq: int, world_size: int, order: ShardOrder, *, device: torch.device | str = "cpu"
) -> Tensor:
    r"""Where each token of the whole stands in the shards of all ranks, one after the other.

    `torch.cat(shards, dim).index_select(dim, unshard_order(...))` is the whole again.

    Args:
        seq: Tokens of the whole sequence.
        world_size: Number of ranks.
        order: As in `shard`.
        device: Of the result.

    Returns:
        Indices `[seq]`, int64: a permutation of 0 to `seq - 1`.

    Raises:
        ArgumentError: `seq` does not divide, or an unknown order.
        ArgumentTypeError: `seq` or `world_size` is no integer.

    Examples:
        >>> phasor.positions.unshard_order(8, 2, "zigzag").tolist()
        [0, 1, 4, 5, 6, 7, 2, 3]
    """
    return _held(seq, world_size, order, device).flatten().argsort()


def _held(seq: int, world_size: int, order: str, device: torch.device | str) -> Tensor:
    """Indices `[world_size, seq / world_size]`: a row for each rank, each token in one place."""
    check_count("seq", seq, at_least=0, advice="pass the tokens of the whole sequence")
    check_count("world_size", world_size, at_least=1, advice="pass the number of ranks")
    if order not in ("contiguous", "zigzag", "round_robin"):
        raise ArgumentError(f"order must be 'contiguous', 'zigzag' or 'round_robin', got {order!r}")
    parts = 2 * world_size if order == "zigzag" else world_size
    if seq % parts:
        raise ArgumentError(
            f"the sequence must be a multiple of {parts} tokens for {world_size} ranks in order "
            f"{order!r}, got {seq}; pad it to {seq + -seq % parts}"
        )
    index = torch.arange(seq, device=device)
    if order == "round_robin":
        return index.view(-1, world_size).T
    chunks = index.view(parts, -1)
    if order == "contiguous":
        return chunks
    return torch.cat([chunks[:world_size], chunks[world_size:].flip(0)], dim=1)
