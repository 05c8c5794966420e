"""Facts about position that follow from mathematics alone, checked in float64 before training."""

from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from phasor._compare.model import Decoder
from phasor.attention import look
from phasor.encoding import NoPE, PositionEncoding
from phasor.encodings.catalogue import ModelShape
from phasor.encodings.spelling import parse_spelling
from phasor.per_layer import PerLayer

_VOCABULARY, _WIDTH, _HEADS, _LENGTH, _SHIFT, _LAYERS = 32, 32, 4, 12, 5, 2
_ZERO = 1e-12
_VISIBLE = 1e-3


@dataclass(frozen=True)
class KnownAnswer:
    """A fact and its check.

    Args:
        encoding: Whose.
        statement: The fact, in words.
        expected_zero: Whether the measured number must vanish, or must not.
        measured: Largest change, relative to the largest output.
        holds: Whether it agrees.
    """

    encoding: str
    statement: str
    expected_zero: bool
    measured: float
    holds: bool = field(init=False)

    def __post_init__(self) -> None:
        agrees = self.measured < _ZERO if self.expected_zero else self.measured > _VISIBLE
        object.__setattr__(self, "holds", agrees)


def known_answers(encodings: list[str]) -> list[KnownAnswer]:
    """Check NoPE, and each of `encodings`, on small random models. Takes milliseconds each."""
    with torch.random.fork_rng(devices=[]):
        return [*_without_encoding(), *(answer for name in encodings for answer in _of(name))]


def _without_encoding() -> list[KnownAnswer]:
    tokens = _tokens()
    order = torch.randperm(_LENGTH, generator=torch.Generator().manual_seed(1))
    bidirectional = _model(NoPE(), num_layers=2)
    permuted = bidirectional(tokens[:, order], causal=False)
    # The last token stays last; the earlier ones change places among themselves.
    earlier = torch.cat((order[order != _LENGTH - 1], order.new_tensor([_LENGTH - 1])))

    def last_changes(num_layers: int) -> float:
        model = _model(NoPE(), num_layers=num_layers)
        return _change(model(tokens)[:, -1], model(tokens[:, earlier])[:, -1])

    return [
        KnownAnswer(
            "none",
            "without a mask, permuting the tokens permutes the outputs and does nothing else",
            True,
            _change(bidirectional(tokens, causal=False)[:, order], permuted),
        ),
        KnownAnswer(
            "none",
            "with a causal mask and one layer, the last token ignores the order of earlier ones",
            True,
            last_changes(1),
        ),
        KnownAnswer(
            "none",
            "with a causal mask and two layers, it does not: the mask lets order in",
            False,
            last_changes(2),
        ),
    ]


def _of(name: str) -> list[KnownAnswer]:
    shape = ModelShape(
        dim=_WIDTH,
        head_dim=_WIDTH // _HEADS,
        num_heads=_HEADS,
        num_positions=_LENGTH + _SHIFT,
        rms=1.0,
    )
    torch.manual_seed(0)
    encoding = parse_spelling(name).build(shape, _LAYERS)
    model = _model(encoding, num_layers=_LAYERS)
    absolute = "embedding" in encoding.sites
    tokens, positions = _tokens(), torch.arange(_LENGTH)
    relative = not absolute and all(each.is_relative for each in encoding.distinct)
    constant = model(tokens[:, :1].expand(-1, _LENGTH))
    answers = [
        KnownAnswer(
            name,
            "a constant sequence gives "
            + ("different outputs" if absolute else "the same output")
            + " at different positions",
            not absolute,
            _change(constant[:, :1].expand_as(constant), constant),
        )
    ]
    # Of what is neither added nor relative nothing follows: it may look so for near positions.
    if absolute or relative:
        statement = "shifting all positions changes " + ("the outputs" if absolute else "nothing")
        change = _change(model(tokens, positions), model(tokens, positions + _SHIFT))
        answers.append(KnownAnswer(name, statement, relative, change))
    x = torch.randn(1, _LENGTH, _WIDTH, dtype=torch.float64)
    prepared = encoding(positions, dtype=x.dtype)
    if "embedding" in encoding.sites:
        change = _norm_change(x, encoding.embed(x, prepared))
        answers.append(KnownAnswer(name, "adding to a vector changes its norm", False, change))
    turning = [layer for layer in range(_LAYERS) if "query_key" in encoding[layer].sites]
    if turning and encoding[turning[0]].keeps_norm:
        own = encoding[turning[0]]
        heads = x.unflatten(-1, (_HEADS, -1)).transpose(1, 2)
        # Where a gain is meant, as in YaRN, position 0 shows it.
        if _norm_change(heads, _turned(own, x, heads, torch.zeros_like(positions))) < _ZERO:
            change = _norm_change(heads, _turned(own, x, heads, positions))
            answers.append(KnownAnswer(name, "turning a vector keeps its norm", True, change))
    return answers


def _model(encoding: PositionEncoding | PerLayer, *, num_layers: int) -> Decoder:
    torch.manual_seed(0)
    model = Decoder(
        encoding,
        vocab_size=_VOCABULARY,
        width=_WIDTH,
        num_layers=num_layers,
        num_heads=_HEADS,
    ).double()
    # Weights as large as after training: at their initial size attention is nearly uniform.
    for block in model.blocks.modules():
        if isinstance(block, nn.Linear):
            nn.init.normal_(block.weight, std=block.in_features**-0.5)
    nn.init.normal_(model.embedding.weight)
    return model.requires_grad_(False)


def _turned(encoding: PositionEncoding, x: Tensor, heads: Tensor, positions: Tensor) -> Tensor:
    """The queries `heads` of a layer whose input is `x`, after the rotation."""
    prepared = encoding(positions, dtype=x.dtype)
    seen = look(encoding, prepared, heads, heads, encoding.observe(x))
    return encoding.rotate(heads, None, seen)[0]


def _tokens() -> Tensor:
    generator = torch.Generator().manual_seed(2)
    return torch.randperm(_VOCABULARY, generator=generator)[None, :_LENGTH]


def _change(before: Tensor, after: Tensor) -> float:
    return ((after - before).abs().max() / before.abs().max()).item()


def _norm_change(before: Tensor, after: Tensor) -> float:
    return (after.norm(dim=-1) / before.norm(dim=-1) - 1).abs().max().item()
