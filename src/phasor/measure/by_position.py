"""Loss of each token of a long document, for any causal model of transformers."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from phasor.errors import ArgumentError

CHUNK = 512
"""Tokens that are read at a time: a block of scores is then no larger than that many rows."""

Progress = Callable[[int], None]
"""Called with the number of tokens that were just read."""


@dataclass(frozen=True)
class LossByPosition:
    """Mean loss of the tokens of each bin of positions.

    Args:
        edges: Where the bins begin, and where the last one ends, in tokens.
        nats: Mean loss of each bin, nats per token.
    """

    edges: tuple[int, ...]
    nats: tuple[float, ...]


@torch.no_grad()
def token_losses(
    model: Any, tokens: Tensor, *, chunk: int = CHUNK, progress: Progress | None = None
) -> Tensor:
    """Loss of each token of `tokens` but the first, with all earlier ones as context.

    Reads the document in chunks against a cache of keys and values: what is in memory at a time is
    the cache, and scores and logits of one chunk.

    Args:
        model: A causal language model of transformers, or any callable that takes `input_ids`,
            `past_key_values` and `use_cache` and returns `logits`.
        tokens: `[seq]`, integers.
        chunk: Tokens to read at a time.
        progress: Told how many tokens were read, after each chunk.

    Returns:
        `[seq - 1]`, float64, nats; number `i` is the loss of token `i + 1`.

    Raises:
        ArgumentError: Fewer than two tokens, or more than one axis.
    """
    from transformers import DynamicCache

    if tokens.ndim != 1 or len(tokens) < 2:
        raise ArgumentError(
            f"tokens must be one document of at least two tokens, got shape {list(tokens.shape)}"
        )
    cache = DynamicCache(config=model.config)
    losses = []
    for start in range(0, len(tokens) - 1, chunk):
        end = min(start + chunk, len(tokens) - 1)
        logits = model(
            input_ids=tokens[None, start:end], past_key_values=cache, use_cache=True
        ).logits[0]
        targets = tokens[start + 1 : end + 1]
        losses.append(cross_entropy(logits.float(), targets, reduction="none").double().cpu())
        if progress is not None:
            progress(end - start)
    return torch.cat(losses)


def cropped_losses(
    model: Any,
    tokens: Tensor,
    window: int,
    *,
    chunk: int = CHUNK,
    progress: Progress | None = None,
) -> Tensor:
    """Loss of each token with no more context than `window` tokens: what a longer one must beat.

    Windows overlap by half, so a token beyond the first window has between half a window and a
    whole one before it.

    Args:
        model: As in `token_losses`.
        tokens: `[seq]`, integers.
        window: Tokens of the longest context, at least 4.
        chunk: As in `token_losses`.
        progress: As in `token_losses`.

    Returns:
        `[seq - 1]`, float64, nats.

    Raises:
        ArgumentError: `window` is less than 4.
    """
    if window < 4:
        raise ArgumentError(f"window must be at least 4 tokens, got {window}")
    losses = token_losses(model, tokens[: window + 1], chunk=chunk, progress=progress)
    parts, half = [losses], window // 2
    done = window + 1
    while done < len(tokens):
        end = min(done + half, len(tokens))
        part = tokens[end - min(window + 1, end) : end]
        whole = token_losses(model, part, chunk=chunk, progress=progress)
        parts.append(whole[-(end - done) :])
        done = end
    return torch.cat(parts)


def in_bins(losses: Tensor, edges: Sequence[int]) -> LossByPosition:
    """Mean of `losses` `[seq - 1]`, as `token_losses` gives them, over bins of positions.

    Args:
        losses: Of the tokens from the second on.
        edges: Ascending; a bin holds the tokens that come after `edges[i]` others, or more, and
            after fewer than `edges[i + 1]`.

    Raises:
        ArgumentError: Edges that do not ascend, or lie outside the document.
    """
    if list(edges) != sorted(set(edges)) or len(edges) < 2:
        raise ArgumentError(f"edges must ascend, at least two of them, got {list(edges)}")
    if edges[0] < 0 or edges[-1] > len(losses):
        raise ArgumentError(
            f"edges must lie between 0 and {len(losses)}, got {edges[0]} and {edges[-1]}"
        )
    parts = losses.tensor_split(list(edges))[1:-1]
    return LossByPosition(tuple(edges), tuple(part.mean().item() for part in parts))
