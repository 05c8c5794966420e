"""What a trained model does with position."""

import copy
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from phasor._compare.model import Decoder
from phasor._compare.tasks import Batch
from phasor.attention import attention_scores, look

_MAX_TOKENS = 2048
_POSITION_BINS = 128
_LONGEST_DISTANCE = 512


@dataclass(frozen=True)
class Predictions:
    """What a model made of a batch, token by token.

    Args:
        nats: `[batch, seq]`, loss of each target.
        right: `[batch, seq]`, whether its arg max is the target.
    """

    nats: Tensor
    right: Tensor


@torch.no_grad()
def predict(model: Decoder, batch: Batch) -> Predictions:
    """One teacher-forced pass over all of `batch`."""
    nats, right = [], []
    for part in batch.split(_MAX_TOKENS):
        logits = model(part.tokens).float()
        loss = cross_entropy(logits.flatten(0, 1), part.targets.flatten(), reduction="none")
        nats.append(loss.view_as(part.targets))
        right.append(logits.argmax(-1) == part.targets)
    return Predictions(torch.cat(nats).double(), torch.cat(right))


@dataclass(frozen=True)
class Score:
    """Loss (nats per scored token), share of right tokens, share of wholly right sequences."""

    loss: float
    token_accuracy: float
    exact_match: float


def score(predictions: Predictions, batch: Batch) -> Score:
    """Judge the scored tokens of `batch`.

    Under greedy decoding an answer is right exactly if every teacher-forced arg max is right, so
    no text needs to be generated.
    """
    return Score(
        predictions.nats[batch.scored].mean().item(),
        predictions.right[batch.scored].double().mean().item(),
        (predictions.right | ~batch.scored).all(-1).double().mean().item(),
    )


def loss_by_position(predictions: Predictions) -> tuple[list[float], list[float]]:
    """Mean loss of each position, scored or not, in up to 128 bins of equal width.

    Returns:
        Middle of each bin, in tokens from the start, and its loss in nats per token.
    """
    nats = predictions.nats.mean(0).cpu()
    width = -(-len(nats) // _POSITION_BINS)
    bins = nats.split(width)
    middles = [at * width + (len(part) - 1) / 2 for at, part in enumerate(bins)]
    return middles, [part.mean().item() for part in bins]


@torch.no_grad()
def order_sensitivity(model: Decoder, tokens: Tensor) -> tuple[list[int], list[float]]:
    """How much the last prediction changes when two neighbours further back change places.

    Args:
        model: The model.
        tokens: `[batch, seq]`; the first is BOS and stays.

    Returns:
        Distances 1, 2, 4, ... of the nearer of the two from the last token, and the mean total
        variation between the two next-token distributions, 0 (order ignored) to 1.
    """
    seq = tokens.shape[1]
    before = model(tokens)[:, -1].float().softmax(-1)
    distances = [2**power for power in range(seq.bit_length()) if seq - 2 - 2**power >= 1]
    variations = []
    for distance in distances:
        at = seq - 1 - distance
        swapped = tokens.clone()
        swapped[:, [at - 1, at]] = tokens[:, [at, at - 1]]
        # Neighbours that are the same token make no difference to any model.
        differs = tokens[:, at - 1] != tokens[:, at]
        after = model(swapped)[:, -1].float().softmax(-1)
        variation = (before - after).abs().sum(-1)[differs] / 2
        variations.append(variation.mean().item() if len(variation) else 0.0)
    return distances, variations


@dataclass(frozen=True)
class Distance:
    """How the first layer's score depends on distance, and on anything else about position."""

    score: list[float]
    shift_spread: float


@torch.no_grad()
def score_by_distance(model: Decoder, tokens: Tensor, length: int) -> Distance:
    """Score of fixed pairs of tokens, placed at every pair of positions below `length`.

    Args:
        model: The model; read in float64, so that only position can move a score.
        tokens: `[pairs, 2]`: query token and key token of each pair.
        length: Positions to place them at: the training length; 512 at most.

    Returns:
        Mean score by distance 0 ... `length` - 1 (logits, mean removed), and the spread along a
        fixed distance as a share of the whole spread.
    """
    exact = copy.deepcopy(model).double()
    length = min(length, _LONGEST_DISTANCE)
    positions = torch.arange(length, device=tokens.device)
    prepared = exact.encoding(positions, dtype=torch.float64)
    means, variances, values, squares = [], [], [], []
    for pair in tokens:  # one at a time: a matrix of scores for each would not fit
        query_x, key_x = (
            exact.first_block.attention_norm(
                exact.encoding.embed(exact.embedding(token.expand(1, length)), prepared)
            )
            for token in pair
        )
        query, _, _ = exact.first_block.project(query_x)
        _, key, _ = exact.first_block.project(key_x)
        scores = attention_scores(
            query,
            key,
            exact.encoding[0],
            prepared.layers[0],
            features=exact.encoding[0].observe(key_x),
        )
        diagonals = [scores.diagonal(-distance, -2, -1) for distance in range(length)]
        means.append(torch.stack([diagonal.mean() for diagonal in diagonals]))
        # The farthest distance has a single place, and so no spread.
        spread = [diagonal.var(-1, correction=0).mean() for diagonal in diagonals[:-1]]
        variances.append(torch.stack(spread).mean())
        below = torch.cat(diagonals, dim=-1)
        values.append(below.mean())
        squares.append(below.square().mean())
    mean = torch.stack(means).mean(0)
    whole = torch.stack(squares).mean() - torch.stack(values).mean().square()
    share = (torch.stack(variances).mean() / whole).sqrt() if whole > 0 else whole
    return Distance((mean - mean.mean()).tolist(), share.item())


@dataclass(frozen=True)
class Magnitude:
    """Norms after a hook over norms before: mean at each site, and the worst departure from 1."""

    embedding: float | None
    query_key: float | None
    error: float


@torch.no_grad()
def magnitude(model: Decoder, tokens: Tensor) -> Magnitude:
    """What embedding and first layer do to the lengths of vectors; `tokens` `[batch, seq]`."""
    exact = copy.deepcopy(model).double()
    encoding = exact.encoding
    positions = torch.arange(tokens.shape[1], device=tokens.device)
    prepared = encoding(positions, dtype=torch.float64)
    x = exact.embedding(tokens)
    embedded = encoding.embed(x, prepared)
    hidden = exact.first_block.attention_norm(embedded)
    query, key, _ = exact.first_block.project(hidden)
    seen = look(encoding[0], prepared.layers[0], query, key, encoding[0].observe(hidden))
    rotated_query, rotated_key = encoding[0].rotate(query, key, seen)
    assert rotated_key is not None
    gain = {
        "embedding": _gain(x, embedded),
        "query_key": torch.cat((_gain(query, rotated_query), _gain(key, rotated_key))),
    }
    sites = encoding[0].sites | (encoding.embedding.sites if encoding.embedding else frozenset())
    mean = {site: value.mean().item() for site, value in gain.items() if site in sites}
    worst = [(gain[site] - 1).abs().max().item() for site in mean]
    return Magnitude(mean.get("embedding"), mean.get("query_key"), max(worst, default=0.0))


def additive_ratio(model: Decoder, seq: int) -> float | None:
    """Root mean square of what the encoding adds, over that of the embedding's weights."""
    if "embedding" not in model.encoding.sites:
        return None
    weight = model.embedding.weight.detach()
    zeros = torch.zeros(1, seq, weight.shape[1], device=weight.device)
    positions = torch.arange(seq, device=weight.device)
    added = model.encoding.embed(zeros, model.encoding(positions)).detach()
    return (added.square().mean() / weight.square().mean()).sqrt().item()


def _gain(before: Tensor, after: Tensor) -> Tensor:
    return (after.norm(dim=-1) / before.norm(dim=-1)).flatten()
