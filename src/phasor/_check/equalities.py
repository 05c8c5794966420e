"""What must not change a model's answer: caching, padding, packing; and what must."""

import inspect
from typing import Any

import torch
from torch import Tensor, nn

from phasor._check.result import Result
from phasor.spec import PositionSpec

_TOKENS, _CACHED, _PADS = 22, 9, 5
_ALLOWED = 1e-4
_LEAST_EFFECT = 1e-6
_POSITIONS = "position_ids"


class Runs:
    """A model, some tokens, and its answers to them.

    Args:
        model: Of transformers, in float32.
        vocabulary: Number of tokens.
    """

    def __init__(self, model: nn.Module, vocabulary: int) -> None:
        self.model = model
        generator = torch.Generator().manual_seed(0)
        self.tokens = torch.randint(1, vocabulary, (1, _TOKENS), generator=generator)
        self.takes = set(inspect.signature(model.forward).parameters)
        self.whole = self.answers(self.tokens)

    def answers(self, tokens: Tensor, **keywords: Any) -> Tensor:
        """Logits, or hidden states of a model without: `[batch, tokens, width]`."""
        return self.outputs(tokens, use_cache=False, **keywords)[0]

    def outputs(self, tokens: Tensor, **keywords: Any) -> tuple[Tensor, Any]:
        """Answers, and the cache if there is one."""
        given = {name: value for name, value in keywords.items() if name in self.takes}
        with torch.no_grad():
            found = self.model(input_ids=tokens, **given)
        answers = getattr(found, "logits", None)
        answers = found.last_hidden_state if answers is None else answers
        return answers.double(), getattr(found, "past_key_values", None)

    def apart(self, found: Tensor, expected: Tensor) -> float:
        """The largest difference, as a share of how much answers vary at all."""
        difference = (found - expected).abs().max()
        return float("inf") if difference.isnan() else float(difference / self.whole.std())


def check_equalities(spec: PositionSpec, runs: Runs) -> list[Result]:
    """All of them, those that do not apply as such."""
    return [
        _decoding(spec, runs),
        _left_padding(runs),
        _packing(spec, runs),
        _positions_matter(spec, runs),
    ]


def _decoding(spec: PositionSpec, runs: Runs) -> Result:
    name = "decode = prefill"
    if not spec.causal or "past_key_values" not in runs.takes:
        return Result(name, "skip", "The model does not decode.")
    found, cache = runs.outputs(runs.tokens[:, :_CACHED], use_cache=True)
    steps = [found]
    for at in range(_CACHED, _TOKENS):
        token = runs.tokens[:, at : at + 1]
        found, cache = runs.outputs(token, use_cache=True, past_key_values=cache)
        steps.append(found)
    apart = runs.apart(torch.cat(steps, 1), runs.whole)
    return _equal(name, apart, "Tokens decoded one by one")


def _left_padding(runs: Runs) -> Result:
    name = "left-padded = unpadded"
    if "attention_mask" not in runs.takes:
        return Result(name, "skip", "The model takes no attention_mask.")
    tokens = torch.cat([torch.zeros(1, _PADS, dtype=torch.long), runs.tokens], 1)
    mask = (torch.arange(tokens.shape[1]) >= _PADS).long()[None]
    found = runs.answers(tokens, attention_mask=mask)[:, _PADS:]
    apart = runs.apart(found, runs.whole)
    result = _equal(name, apart, f"After {_PADS} masked tokens")
    if result.status == "pass" or _POSITIONS not in runs.takes:
        return result
    positions = (mask.cumsum(-1) - 1).clamp_min(0)
    told = runs.answers(tokens, attention_mask=mask, position_ids=positions)[:, _PADS:]
    helps = runs.apart(told, runs.whole) <= _ALLOWED
    advice = (
        " With position_ids counted from the first real token they agree: pass them."
        if helps
        else " They do not agree with position_ids either."
    )
    return Result(name, "fail", result.text + advice, result.measured, result.allowed)


def _packing(spec: PositionSpec, runs: Runs) -> Result:
    name = "packed = unpacked"
    if _POSITIONS not in runs.takes or not spec.causal:
        return Result(name, "skip", "The model takes no position_ids, or sees both sides.")
    alone = runs.answers(runs.tokens[:, _CACHED:])
    positions = torch.cat([torch.arange(_CACHED), torch.arange(_TOKENS - _CACHED)])[None]
    packed = runs.answers(runs.tokens, position_ids=positions)[:, _CACHED:]
    result = _equal(name, runs.apart(packed, alone), "A document behind another")
    if result.status == "pass" or "attention_mask" not in runs.takes:
        return result
    masked = runs.answers(
        runs.tokens, position_ids=positions, attention_mask=_block_mask(positions)
    )
    apart = runs.apart(masked[:, _CACHED:], alone)
    if apart > _ALLOWED:
        return result
    text = "With a mask between the documents; position_ids that start anew are not enough."
    return Result(name, "pass", text, apart, _ALLOWED)


def _block_mask(positions: Tensor) -> Tensor:
    """What each token sees, added to its scores: earlier ones of its own document."""
    document = (positions[0] == 0).cumsum(0)
    sees = (document[:, None] == document[None]).tril()
    return torch.zeros(sees.shape).masked_fill(~sees, torch.finfo(torch.float32).min)[None, None]


def _positions_matter(spec: PositionSpec, runs: Runs) -> Result:
    name = "positions matter"
    if _POSITIONS not in runs.takes:
        return Result(name, "skip", "The model takes no position_ids.")
    if spec.embedding is None and not any(layer.encodings for layer in spec.layers):
        return Result(name, "skip", "The spec has no position encoding.")
    # Not a shift, which a relative encoding must ignore. Without the mask, transformers would take
    # positions that jump for documents packed together.
    spread, all_of_them = torch.arange(_TOKENS)[None] * 3, torch.ones_like(runs.tokens)
    found = runs.answers(runs.tokens, position_ids=spread, attention_mask=all_of_them)
    apart = runs.apart(found, runs.whole)
    works = apart > _LEAST_EFFECT
    text = (
        f"Three times as far apart, they change the answers by {apart:.2g} of their spread."
        if works
        else "Three times as far apart, they change nothing: the model has no encoding."
    )
    return Result(name, "pass" if works else "fail", text, apart, _LEAST_EFFECT)


def _equal(name: str, apart: float, what: str) -> Result:
    good = apart <= _ALLOWED
    text = f"{what}: apart by {apart:.1e} of the answers' spread; {_ALLOWED:.0e} is allowed."
    return Result(name, "pass" if good else "fail", text, apart, _ALLOWED)
