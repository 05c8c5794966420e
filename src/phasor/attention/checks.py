"""What attention refuses, and what it says then."""

import math
from numbers import Real

import torch
from torch import Tensor

from phasor.attention.choice import IMPLS
from phasor.encoding import PositionEncoding
from phasor.encodings import Rotary
from phasor.errors import ArgumentError, ArgumentTypeError
from phasor.per_layer import PerLayer
from phasor.rotary.layout import VALUES


def check_tensors(
    query: Tensor, key: Tensor, value: Tensor, *, mask: Tensor | None, causal: bool
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


def _with_batch(documents: Tensor) -> Tensor:
    return documents if documents.ndim == 2 else documents[None]


def check_encoding(encoding: object) -> None:
    """Raise unless it is a position encoding or `None`."""
    if encoding is None or isinstance(encoding, PositionEncoding):
        return
    advice = "pass one such as phasor.Rotary(head_dim)"
    if isinstance(encoding, type):
        advice = f"pass an instance: phasor.{encoding.__name__}(...)"
    elif isinstance(encoding, PerLayer):
        advice = "a PerLayer has one for each layer: pass encodings[layer]"
    kind = f"the class {encoding.__name__}" if isinstance(encoding, type) else repr(encoding)
    if not isinstance(encoding, str | type):
        kind = type(encoding).__name__
    raise ArgumentTypeError(f"encoding must be a position encoding, got {kind}; {advice}")


def check_values(values: str, encoding: PositionEncoding | None) -> None:
    """Raise unless `encoding` can do to values what is asked for."""
    if values not in VALUES:
        raise ArgumentError(f"values must be one of {list(VALUES)}, got {values!r}")
    if values != "still" and not isinstance(encoding, Rotary):
        raise ArgumentError(
            f"values={values!r} needs a Rotary, got {type(encoding).__name__}; leave values still"
        )
