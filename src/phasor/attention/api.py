"""Attention with any position encoding."""

from typing import Any, Literal, overload

import torch
from torch import Tensor

from phasor.attention.allowed import Allowed
from phasor.attention.call import Call
from phasor.attention.checks import (
    check_documents,
    check_encoding,
    check_indices,
    check_numbers,
    check_tensors,
    check_values,
)
from phasor.attention.choice import AttentionImpl, attend
from phasor.attention.scores import look
from phasor.attention.stand_in import check_positions_given
from phasor.encoding import Features, NoPE, PositionEncoding, Prepared, check_sizes
from phasor.errors import ArgumentError, SiteError
from phasor.rotary.layout import Values

# What was prepared is the encoding's own affair and may well be None.
_NOT_GIVEN: Any = object()


@overload
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
    query_index: Tensor | None = None,
    key_index: Tensor | None = None,
    causal: bool = True,
    mask: Tensor | None = None,
    documents: Tensor | None = None,
    key_documents: Tensor | None = None,
    window: int | None = None,
    softcap: float | None = None,
    scale: float | None = None,
    values: Values = "still",
    return_lse: Literal[False] = False,
    impl: AttentionImpl = "auto",
) -> Tensor: ...


@overload
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
    query_index: Tensor | None = None,
    key_index: Tensor | None = None,
    causal: bool = True,
    mask: Tensor | None = None,
    documents: Tensor | None = None,
    key_documents: Tensor | None = None,
    window: int | None = None,
    softcap: float | None = None,
    scale: float | None = None,
    values: Values = "still",
    return_lse: Literal[True],
    impl: AttentionImpl = "auto",
) -> tuple[Tensor, Tensor]: ...


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
    query_index: Tensor | None = None,
    key_index: Tensor | None = None,
    causal: bool = True,
    mask: Tensor | None = None,
    documents: Tensor | None = None,
    key_documents: Tensor | None = None,
    window: int | None = None,
    softcap: float | None = None,
    scale: float | None = None,
    values: Values = "still",
    return_lse: bool = False,
    impl: AttentionImpl = "auto",
) -> Tensor | tuple[Tensor, Tensor]:
    r"""Softmax attention whose query, key and scores carry position.

    The score of a query and a key is the product of the two, as `encoding.rotate` turned them,
    times `scale`; then `encoding.score_mod`; then `softcap`; then what `causal`, `window`,
    `documents` and `mask` forbid is left out, all of them together, and softmax follows.

    Under `torch.distributed.tensor.experimental.context_parallel`, in which PyTorch's fused
    attention sees the keys of all processes, attention without mask or bias goes through it, with
    `positions` of the tokens that this process holds. All else is refused there.

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
        prepared: What `encoding(...)` returned, to share it between layers; then
            `positions` and `key_positions` must not be given.
        features: What `encoding.observe(...)` made of the layer's input, for all keys; for
            encodings that look at it.
        query_index: Where each query stands in the sequence, integers `[seq]` or `[batch, seq]`,
            where that is not the order of the tensors: shards, draft trees, keys out of order.
            `causal` and `window` follow it. (Positions are no order: tokens of an image share
            theirs.) If not given, that of the last `seq` keys. Positions, if not given, are these.
        key_index: Likewise of the keys, `[key_seq]` or `[batch, key_seq]`; 0, 1, 2, ... if not
            given.
        causal: Let a query attend to no key that comes after it. The last query goes with the last
            key, so the order is that of the tensors, unless `query_index` says another.
        mask: Boolean, broadcastable to `[batch, num_heads, seq, key_seq]`, true where attention is
            allowed; on top of `causal`. A query that may attend to nothing yields zeros.
        documents: Of the queries, integers `[seq]` or `[batch, seq]`: a query attends to keys of
            its own document. If not given, those of the last `seq` keys.
        key_documents: Of the keys, `[key_seq]` or `[batch, key_seq]`; those of the queries if not
            given and there are as many.
        window: Let a query attend to itself and the `window - 1` tokens before it, and without
            `causal` as many after it; by the order of the tensors, last with last, or by
            `query_index`.
        softcap: Bound $c$ of the scores, which become $c \tanh(s / c)$ (Gemma 2).
        scale: Factor on the product of query and key; `head_dim ** -0.5` if not given. A gain of
            the encoding comes on top.
        values: What an encoding with site `"value"`, such as `phasor.Rotary`, does besides:
            `"turned"`, values turn as keys do (CLVP, RoFormer's option); `"turned_back"`, and the
            output turns back by the angles of the queries, so that values carry distances too
            (DeepSeek-V4).
        return_lse: Return the log-sum-exp of each query's scores as well, by which what it found
            among some keys is put together with what it found among others (ring attention). By
            `"blockwise"` or `"reference"`.
        impl: Who computes it; each raises where it cannot, and none is replaced in silence.

            - `"sdpa"`: PyTorch's fused attention in one call, with a mask or bias of all queries
              and keys if there is any.
            - `"flex"`: FlexAttention, compiled. On CPU it has no gradient.
            - `"blockwise"`: One block of queries after the other, each by fused attention if what
              happens to scores is a bias; memory does not grow with the square of the length.
            - `"reference"`: As written above, all scores at once; judge of the others.
            - `"auto"`: `"sdpa"` if nothing but `causal` happens to scores. Otherwise `"flex"` on
              CUDA, if scores are many, it can, and nothing learned is added to them; else
              `"blockwise"`.

    Returns:
        `[batch, num_heads, seq, head_dim]`, in the dtype of `query`; with `return_lse` that and
        `[batch, num_heads, seq]`, natural logarithms in float32 (float64 for float64 activations),
        minus infinity for a query that may attend to nothing.

    Raises:
        ArgumentError: Shapes or numbers that do not fit, an unknown `impl`, or what cannot go
            through a function that replaces PyTorch's fused attention.
        ArgumentTypeError: Query, key and value of different dtypes, a mask that is not boolean, or
            documents that are not integers.
        SiteError: An encoding at the embedding, without `prepared`.
        NotImplementedError: A forced `impl` that cannot, with the reason.

    Source:
        Softcap: Gemma Team 2024, arXiv:2408.00118. Windows: Beltagy et al. 2020,
        arXiv:2004.05150. Values that turn: Su et al. 2021, arXiv:2104.09864, leave them still; the
        code of DeepSeek-V4 turns them, and its output back.

    Examples:
        >>> query, key, value = torch.randn(3, 1, 8, 10, 64)
        >>> whole = phasor.attention(query, key, value, phasor.Rotary(64))
        >>> last = phasor.attention(query[:, :, 9:], key, value, phasor.Rotary(64))
        >>> torch.testing.assert_close(last, whole[:, :, 9:])
    """
    encoding = NoPE() if encoding is None else encoding
    check_encoding(encoding)
    in_order = causal and query_index is None
    check_tensors(query, key, value, mask=mask, in_order=in_order)
    check_numbers(window=window, softcap=softcap, scale=scale, impl=impl)
    check_values(values, encoding)
    batch, _, seq, _ = query.shape
    key_seq = key.shape[2]
    indices = check_indices(
        query_index, key_index, encoding, batch=batch, seq=seq, key_seq=key_seq, device=key.device
    )
    allowed = Allowed(
        key_seq - seq,
        causal,
        window,
        None if mask is None else mask[(None,) * (4 - mask.ndim)],
        *check_documents(documents, key_documents, batch=batch, seq=seq, key_seq=key_seq),
        *indices,
    )
    if prepared is _NOT_GIVEN:
        if positions is None and key_positions is None:
            positions, key_positions = indices
        prepared = _prepare(query, key, encoding, positions, key_positions)
    elif positions is not None or key_positions is not None:
        raise ArgumentError(
            "prepared already holds the positions, got positions or key_positions as well; "
            "pass one or the other"
        )
    # Of the channels as projected: an encoding may hand back more (PoPE).
    scale = query.shape[-1] ** -0.5 if scale is None else scale
    prepared = look(encoding, prepared, query, key, features)
    if values != "still":
        value = encoding.turn_values(value, prepared)
    query, rotated_key = encoding.rotate(query, key, prepared)
    assert rotated_key is not None
    score_mod = encoding.score_mod(prepared)
    check_sizes(score_mod, (batch, query.shape[1], seq, key_seq))
    call = Call(
        query, rotated_key, value, scale, encoding, prepared, score_mod, softcap, allowed,
        return_lse,
    )  # fmt: skip
    found = attend(call, impl)
    if values != "turned_back":
        return found
    if isinstance(found, tuple):
        return encoding.turn_back(found[0], prepared), found[1]
    return encoding.turn_back(found, prepared)


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
            check_positions_given(encoding)
            key_positions = torch.arange(key.shape[2], device=key.device)
    if positions is None:
        positions = key_positions[..., key.shape[2] - query.shape[2] :]
    return encoding(positions, key_positions=key_positions, dtype=query.dtype)
