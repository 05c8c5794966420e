"""What attention refuses, and what it says then."""

import math
from numbers import Real

import torch
from torch import Tensor

from phasor.attention.choice import IMPLS
from phasor.encoding import PositionEncoding
from phasor.errors import ArgumentError, ArgumentTypeError
from phasor.positions.checks import check_integers
from phasor.rotary.layout import VALUES


def check_tensors(
    query: Tensor, key: Tensor, value: Tensor, *, mask: Tensor | None, in_order: bool
) -> None:
    """Raise unless shapes and dtypes fit together."""
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
    if in_order and query.shape[2] > key.shape[2]:
        raise ArgumentError(
            f"causal attention pairs the last query with the last key, but there are "
            f"{query.shape[2]} queries and only {key.shape[2]} keys; pass the cached keys as well, "
            "or query_index and key_index"
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


def check_numbers(
    *, window: int | None, softcap: float | None, scale: float | None, impl: str
) -> None:
    """Raise unless each is of its type and range."""
    if impl not in IMPLS:
        raise ArgumentError(f"impl must be one of {list(IMPLS)}, got {impl!r}")
    if window is not None:
        if not isinstance(window, int) or isinstance(window, bool):
            raise ArgumentTypeError(f"window must be a number of tokens, got {window!r}")
        if window < 1:
            raise ArgumentError(
                f"window must be at least 1, the query itself, got {window}; None is for no window"
            )
    for name, number in (("softcap", softcap), ("scale", scale)):
        if number is None:
            continue
        if not isinstance(number, Real):
            raise ArgumentTypeError(f"{name} must be a number, got {type(number).__name__}")
        if not 0 < number < math.inf:
            raise ArgumentError(f"{name} must be positive and finite, got {number}")


def check_documents(
    documents: Tensor | None, key_documents: Tensor | None, *, batch: int, seq: int, key_seq: int
) -> tuple[Tensor | None, Tensor | None]:
    """Both as `[1 or batch, seq]` and `[1 or batch, key_seq]`, each from the other if missing."""
    if documents is None and key_documents is None:
        return None, None
    for name, given, size in (
        ("documents", documents, seq),
        ("key_documents", key_documents, key_seq),
    ):
        if given is None:
            continue
        if given.dtype == torch.bool or given.is_floating_point() or given.is_complex():
            raise ArgumentTypeError(
                f"{name} must be integers, one for each document, got {given.dtype}"
                + "; a mask of padding goes into mask=" * (given.dtype == torch.bool)
            )
        if (
            given.ndim not in (1, 2)
            or given.shape[-1] != size
            or given.shape[:-1].numel()
            not in (
                1,
                batch,
            )
        ):
            raise ArgumentError(
                f"{name} must be [{size}] or [{batch}, {size}], got shape {list(given.shape)}"
            )
    if documents is None:
        assert key_documents is not None
        if seq > key_seq:
            raise ArgumentError(
                f"there are {seq} queries and only {key_seq} keys to take documents from; pass "
                "documents as well"
            )
        documents = key_documents[..., key_seq - seq :]
    elif key_documents is None:
        if seq != key_seq:
            raise ArgumentError(
                f"documents were given for {seq} queries but not for {key_seq} keys; pass "
                "key_documents as well"
            )
        key_documents = documents
    return _with_batch(documents), _with_batch(key_documents)


def check_indices(
    query_index: Tensor | None,
    key_index: Tensor | None,
    encoding: PositionEncoding,
    *,
    batch: int,
    seq: int,
    key_seq: int,
    device: torch.device,
) -> tuple[Tensor | None, Tensor | None]:
    """Both as `[1 or batch, seq]` and `[1 or batch, key_seq]`, or neither."""
    if query_index is None and key_index is None:
        return None, None
    if encoding.score_needs_row or "hidden" in encoding.looks_at:
        raise ArgumentError(
            f"{type(encoding).__name__} counts the tokens between a query and a key in the order "
            "of the tensors, which query_index and key_index would change; pass all keys up to "
            "the last query, in order, without them"
        )
    for name, given, size in (("query_index", query_index, seq), ("key_index", key_index, key_seq)):
        if given is None:
            continue
        check_integers(name, given, advice="pass where each token stands in the sequence")
        if given.shape not in ((size,), (1, size), (batch, size)):
            raise ArgumentError(
                f"{name} must be [{size}] or [{batch}, {size}], got shape {list(given.shape)}"
            )
    if key_index is None:
        key_index = torch.arange(key_seq, device=device)
    if query_index is None:
        if seq > key_seq:
            raise ArgumentError(
                f"there are {seq} queries and only {key_seq} keys to take query_index from; pass "
                "query_index as well"
            )
        query_index = key_index[..., key_seq - seq :]
    # Wide and signed, so that differences are right.
    return _with_batch(query_index).long(), _with_batch(key_index).long()


def check_encoding(encoding: object) -> None:
    """Raise `ArgumentTypeError` for what is no encoding, though one may take it for one."""
    if isinstance(encoding, type):
        got, advice = f"the class {encoding.__name__}", f"make one: {encoding.__name__}(...)"
    elif isinstance(encoding, str):
        got, advice = repr(encoding), "make one, such as phasor.Rotary(head_dim)"
    elif hasattr(encoding, "sites") and hasattr(encoding, "looks_at"):
        return
    elif hasattr(encoding, "distinct"):
        got, advice = "the encodings of all layers", "pass that of the layer: encodings[layer]"
    else:
        got, advice = type(encoding).__name__, "make one, such as phasor.Rotary(head_dim)"
    raise ArgumentTypeError(f"encoding must be a position encoding or None, got {got}; {advice}")


def _with_batch(documents: Tensor) -> Tensor:
    return documents if documents.ndim == 2 else documents[None]


def check_values(values: str, encoding: PositionEncoding | None) -> None:
    """Raise unless `encoding` can do to values what is asked for."""
    if values not in VALUES:
        raise ArgumentError(f"values must be one of {list(VALUES)}, got {values!r}")
    if values != "still" and not (encoding is not None and encoding.turns_values):
        raise ArgumentError(
            f"values={values!r} needs a Rotary or another encoding with site 'value', got "
            f"{type(encoding).__name__}; leave values still"
        )
