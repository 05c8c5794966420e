"""Attention with any position encoding."""

from typing import Any, Literal

import torch
from torch import Tensor
from torch.nn.functional import scaled_dot_product_attention

from phasor.encoding import Features, NoPE, PositionEncoding, Prepared, ScoreMod
from phasor.errors import ArgumentError, ArgumentTypeError, SiteError
from phasor.rotary.phase import table_dtype

AttentionImpl = Literal["auto", "sdpa", "reference"]
IMPLS: tuple[AttentionImpl, ...] = ("auto", "sdpa", "reference")

# What `prepare` returns is the encoding's own affair and may well be None.
_NOT_GIVEN: Any = object()


def attention(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    encoding: PositionEncoding | None = None,
    *,
    positions: Tensor | None = None,
    key_positions: Tensor | None = None,
    prepared: Prepared = _NOT_GIVEN,
    features: Features = None,
    causal: bool = True,
    mask: Tensor | None = None,
    impl: AttentionImpl = "auto",
) -> Tensor:
    r"""Softmax attention whose query, key and scores carry position.

    Args:
        query: `[batch, num_heads, seq, head_dim]`.
        key: `[batch, num_kv_heads, key_seq, head_dim]`, not yet rotated; `num_kv_heads` divides
            `num_heads` (grouped-query attention).
        value: `[batch, num_kv_heads, key_seq, head_dim]`.
        encoding: What puts position into query, key and scores; `None` is `NoPE()`. Position that
            enters at the embedding is the model's to add: such an encoding is refused here unless
            `prepared` shows that the model has called it.
        positions: Of the queries, `[seq]` or `[batch, seq]`. If not given, they are the last `seq`
            of the positions of the keys, as in decoding with a cache.
        key_positions: Of the keys; 0, 1, 2, ... if not given.
        prepared: What `encoding.prepare(...)` returned, to share it between layers; then
            `positions` and `key_positions` must not be given.
        features: What `encoding.observe(...)` made of the layer's input, for all keys; for
            encodings that look at it.
        causal: Let a query attend to no key that comes after it. The last query goes with the last
            key, so the order is that of the tensors, not of the positions.
        mask: Boolean, broadcastable to `[batch, num_heads, seq, key_seq]`, true where attention is
            allowed; on top of `causal`. A query that may attend to nothing yields zeros.
        impl: `"sdpa"` (PyTorch's fused attention), `"reference"` (plain, judge of the others), or
            `"auto"`: fused unless the encoding does more to a score than add to it.

    Returns:
        `[batch, num_heads, seq, head_dim]`, in the dtype of `query`.

    Raises:
        ArgumentError: Shapes that do not fit, or an unknown `impl`.
        ArgumentTypeError: Query, key and value of different dtypes, or a mask that is not boolean.
        SiteError: An encoding at the embedding, without `prepared`.
        NotImplementedError: `impl="sdpa"` for an encoding whose `score_mod` is not a bias.

    Examples:
        >>> query, key, value = torch.randn(3, 1, 8, 10, 64)
        >>> whole = phasor.attention(query, key, value, phasor.Rotary(64))
        >>> last = phasor.attention(query[:, :, 9:], key, value, phasor.Rotary(64))
        >>> torch.testing.assert_close(last, whole[:, :, 9:])
    """
    _check(query, key, value, mask=mask, causal=causal, impl=impl)
    encoding = NoPE() if encoding is None else encoding
    if prepared is _NOT_GIVEN:
        prepared = _prepare(query, key, encoding, positions, key_positions)
    elif positions is not None or key_positions is not None:
        raise ArgumentError(
            "prepared already holds the positions, got positions or key_positions as well; "
            "pass one or the other"
        )
    # Of the channels as projected: an encoding may hand back more (PoPE).
    scale = query.shape[-1] ** -0.5
    prepared = look(encoding, prepared, query, key, features)
    query, rotated_key = encoding.rotate(query, key, prepared)
    assert rotated_key is not None
    score_mod = encoding.score_mod(prepared)
    fits_sdpa = score_mod is None or encoding.score_is_bias
    if impl == "sdpa" and not fits_sdpa:
        raise NotImplementedError(
            f"{type(encoding).__name__} does more to a score than add to it, which fused attention "
            "cannot; use impl='auto'"
        )
    attend = _sdpa if fits_sdpa and impl != "reference" else _reference
    return attend(query, rotated_key, value, score_mod, scale, causal, mask)


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
        prepared: What `encoding.prepare(...)` returned for their positions.
        features: As in `attention`.

    Returns:
        `[batch, num_heads, seq, key_seq]`, in float32 at least.
    """
    scale = query.shape[-1] ** -0.5
    prepared = look(encoding, prepared, query, key, features)
    query, rotated_key = encoding.rotate(query, key, prepared)
    assert rotated_key is not None
    return _scores(query, rotated_key, encoding.score_mod(prepared), scale)


def _scores(query: Tensor, key: Tensor, score_mod: ScoreMod | None, scale: float) -> Tensor:
    dtype = torch.promote_types(query.dtype, torch.float32)
    key = key.repeat_interleave(query.shape[1] // key.shape[1], dim=1)
    score = query.to(dtype) @ key.to(dtype).transpose(-1, -2) * scale
    if score_mod is None:
        return score
    shape = (len(query), query.shape[1], query.shape[2], key.shape[2])
    return _modified(score, score_mod, shape)


def _modified(score: Tensor, score_mod: ScoreMod, shape: tuple[int, int, int, int]) -> Tensor:
    """What `score_mod` makes of all scores of `shape` at once; `score` broadcasts to it."""
    batch, head, query_index, key_index = (
        torch.arange(size, device=score.device).view([-1 if axis == at else 1 for at in range(4)])
        for axis, size in enumerate(shape)
    )
    return score_mod(score, batch, head, query_index, key_index)


def _sdpa(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    score_mod: ScoreMod | None,
    scale: float,
    causal: bool,
    mask: Tensor | None,
) -> Tensor:
    seq, key_seq = query.shape[2], key.shape[2]
    # PyTorch's is_causal aligns the first query with the first key: right only for equal lengths.
    # (Branches, because under torch.compile a truth value of sizes may be symbolic.)
    is_causal = False
    if causal and score_mod is None and mask is None and seq == key_seq:
        is_causal = True
    elif causal and seq > 1:
        mask = _causal_mask(query, key) if mask is None else mask & _causal_mask(query, key)
    bias = mask
    if score_mod is not None:
        # A bias is what it makes of score 0; of batch size 1 where the batch shares its positions.
        zero = torch.zeros((), dtype=table_dtype(query.dtype), device=query.device)
        bias = _modified(zero, score_mod, (len(query), query.shape[1], seq, key_seq))
        if mask is not None:
            bias = bias.masked_fill(~mask, float("-inf"))
    dtype = query.dtype
    if bias is not None and bias.is_floating_point() and query.device.type != "cpu":
        # Kernels for GPUs want a bias of the query's dtype; rounding it would move far tokens.
        query, key, value = (x.to(bias.dtype) for x in (query, key, value))
    grouped = False
    if query.shape[1] != key.shape[1]:
        grouped = True
    # Autocast would round the bias; query, key and value have the dtype it chose already.
    with torch.autocast(query.device.type, enabled=False):
        return scaled_dot_product_attention(
            query,
            key,
            value,
            attn_mask=bias,
            is_causal=is_causal,
            scale=scale,
            enable_gqa=grouped,
        ).to(dtype)


def _reference(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    score_mod: ScoreMod | None,
    scale: float,
    causal: bool,
    mask: Tensor | None,
) -> Tensor:
    score = _scores(query, key, score_mod, scale)
    allowed = torch.ones_like(score, dtype=torch.bool)
    if causal:
        allowed = allowed & _causal_mask(query, key)
    if mask is not None:
        allowed = allowed & mask
    # A row without any allowed key has no softmax; zeros keep its gradient finite too.
    score = score.masked_fill(~allowed, torch.finfo(score.dtype).min)
    weight = score.softmax(-1).masked_fill(~allowed, 0.0)
    value = value.repeat_interleave(query.shape[1] // value.shape[1], dim=1)
    return (weight @ value.to(score.dtype)).to(query.dtype)


def _causal_mask(query: Tensor, key: Tensor) -> Tensor:
    """`[seq, key_seq]`, true where the key is not after the query; last with last."""
    seq, key_seq = query.shape[2], key.shape[2]
    ones = torch.ones(seq, key_seq, dtype=torch.bool, device=query.device)
    return ones.tril(key_seq - seq)


def _prepare(
    query: Tensor,
    key: Tensor,
    encoding: PositionEncoding,
    positions: Tensor | None,
    key_positions: Tensor | None,
) -> Prepared:
    if "embedding" in encoding.sites:
        raise SiteError(
            f"{type(encoding).__name__} enters at the embedding, which attention cannot reach; "
            "call encoding.embed(x, prepared) in the model and pass prepared=... here"
        )
    if key_positions is None:
        if positions is not None and query.shape[2] != key.shape[2]:
            raise ArgumentError(
                f"positions were given for {query.shape[2]} queries but not for {key.shape[2]} "
                "keys; pass key_positions as well"
            )
        key_positions = positions
        if key_positions is None:
            key_positions = torch.arange(key.shape[2], device=key.device)
    if positions is None:
        positions = key_positions[..., key.shape[2] - query.shape[2] :]
    return encoding.prepare(positions, key_positions=key_positions, dtype=query.dtype)


def _check(
    query: Tensor, key: Tensor, value: Tensor, *, mask: Tensor | None, causal: bool, impl: str
) -> None:
    if impl not in IMPLS:
        raise ArgumentError(f"impl must be one of {list(IMPLS)}, got {impl!r}")
    for name, x in (("query", query), ("key", key), ("value", value)):
        if x.ndim != 4:
            raise ArgumentError(
                f"{name} must be [batch, num_heads, seq, head_dim], got shape {list(x.shape)}"
            )
        if not x.is_floating_point():
            raise ArgumentTypeError(f"{name} must be floating point, got {x.dtype}")
        if x.dtype != query.dtype:
            raise ArgumentTypeError(
                f"query, key and value must share a dtype, got {query.dtype} for query and "
                f"{x.dtype} for {name}; cast the cache or the query"
            )
    if key.shape[:3] != value.shape[:3]:
        raise ArgumentError(
            "key and value must agree in batch, num_kv_heads and seq, got shapes "
            f"{list(key.shape)} and {list(value.shape)}"
        )
    if query.shape[0] != key.shape[0] or query.shape[3] != key.shape[3]:
        raise ArgumentError(
            f"query and key must agree in batch and head_dim, got shapes {list(query.shape)} and "
            f"{list(key.shape)}"
        )
    if key.shape[1] == 0 or query.shape[1] % key.shape[1]:
        raise ArgumentError(
            f"num_heads must be a multiple of num_kv_heads, got {query.shape[1]} and {key.shape[1]}"
        )
    if causal and query.shape[2] > key.shape[2]:
        raise ArgumentError(
            f"causal attention pairs the last query with the last key, but there are "
            f"{query.shape[2]} queries and only {key.shape[2]} keys; pass the cached keys as well"
        )
    if mask is not None:
        if mask.dtype != torch.bool:
            raise ArgumentTypeError(
                f"mask must be boolean, true where attention is allowed, got {mask.dtype}; "
                "for a mask of 0 and 1 call mask.bool()"
            )
        expected = (query.shape[0], query.shape[1], query.shape[2], key.shape[2])
        fits = mask.ndim <= 4 and all(
            size in (1, full)
            for size, full in zip(reversed(mask.shape), reversed(expected), strict=False)
        )
        if not fits:
            raise ArgumentError(
                f"mask must broadcast to {list(expected)}, got shape {list(mask.shape)}; "
                "for a padding mask [batch, seq] pass mask[:, None, None, :]"
            )
