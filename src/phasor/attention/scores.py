"""Scores: products of query and key, and what an encoding makes of them."""

import torch
from torch import Tensor

from phasor.encoding import Features, PositionEncoding, Prepared, ScoreMod, check_sizes
from phasor.errors import SiteError


def look(
    encoding: PositionEncoding, prepared: Prepared, query: Tensor, key: Tensor, features: Features
) -> Prepared:
    """`encoding.look`, once it is clear that it gets what it looks at."""
    if not encoding.looks_at:
        return prepared
    if features is None and "hidden" in encoding.looks_at:
        raise SiteError(
            f"{type(encoding).__name__} looks at what goes into the layer; call "
            "encoding.observe(hidden) in the model and pass features=... here"
        )
    return encoding.look(prepared, query, key, features)


def attention_scores(
    query: Tensor,
    key: Tensor,
    encoding: PositionEncoding,
    prepared: Prepared,
    *,
    features: Features = None,
) -> Tensor:
    """What the softmax sees, before any mask: for looking at, and as the reference.

    Args:
        query: `[batch, num_heads, seq, head_dim]`, as projected.
        key: `[batch, num_kv_heads, key_seq, head_dim]`, as projected.
        encoding: Turns both and changes their scores.
        prepared: What `encoding(...)` returned for their positions.
        features: As in `attention`.

    Returns:
        `[batch, num_heads, seq, key_seq]`, in float32 at least.
    """
    scale = query.shape[-1] ** -0.5
    prepared = look(encoding, prepared, query, key, features)
    query, rotated_key = encoding.rotate(query, key, prepared)
    assert rotated_key is not None
    score_mod = encoding.score_mod(prepared)
    check_sizes(score_mod, (len(query), query.shape[1], query.shape[2], rotated_key.shape[2]))
    return scores(query, rotated_key, score_mod, scale)


def scores(
    query: Tensor,
    key: Tensor,
    score_mod: ScoreMod | None,
    scale: float,
    *,
    first_query: int = 0,
    first_key: int = 0,
) -> Tensor:
    """Scaled products after `score_mod`, in float32 at least; of a block that begins as said."""
    dtype = torch.promote_types(query.dtype, torch.float32)
    key = key.repeat_interleave(query.shape[1] // key.shape[1], dim=1)
    # Autocast would round what decides between positions.
    with torch.autocast(query.device.type, enabled=False):
        score = query.to(dtype) @ key.to(dtype).transpose(-1, -2) * scale
    if score_mod is None:
        return score
    shape = (len(query), query.shape[1], query.shape[2], key.shape[2])
    return modified(score, score_mod, shape, first_query=first_query, first_key=first_key)


def modified(
    score: Tensor,
    score_mod: ScoreMod,
    shape: tuple[int, int, int, int],
    *,
    first_query: int = 0,
    first_key: int = 0,
) -> Tensor:
    """What `score_mod` makes of a block of scores at once, of `shape`; `score` broadcasts to it."""
    starts = (0, 0, first_query, first_key)
    batch, head, query_index, key_index = (
        torch.arange(start, start + size, device=score.device).view(
            [-1 if axis == at else 1 for at in range(4)]
        )
        for axis, (start, size) in enumerate(zip(starts, shape, strict=True))
    )
    return score_mod(score, batch, head, query_index, key_index)
