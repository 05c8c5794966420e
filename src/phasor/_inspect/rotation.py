"""A rotary encoding against the lengths it was trained on and is asked to meet."""

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Literal

from phasor.rotary import Frequencies
from phasor.rotary.scaling import NTK, LengthScaling, Linear
from phasor.spec import LayerSpec, RotarySpec

TrainedFrom = Literal[
    "original_seq_len", "trained_seq_len", "max_seq_len over factor", "max_seq_len"
]

_FARTHEST = 2**31
_ROUNDING = 1e-9


@dataclass(frozen=True)
class Pair:
    """One pair of channels.

    Args:
        wavelength: Tokens in which it turns once, as scaled; infinite if it stands still.
        slowed: How many times slower the scaling made it.
        turns_trained: Turns, or the part of one, that it made in the trained context.
        unseen: Part of a turn that it passes within the length and never did in training.
    """

    wavelength: float
    slowed: float
    turns_trained: float | None
    unseen: float | None


@dataclass(frozen=True)
class Rotation:
    """What one rotary encoding of a spec does, in numbers.

    Args:
        layers: That have it.
        rotary: The encoding.
        of_indexer: Whether it is that of their indexers, and not of attention.
        trained_length: Tokens of the context in which its angles were learned, before scaling.
        trained_from: Where that number comes from.
        length: That it is looked at for.
        met: Distances between a query and the keys it sees, from 0 on, that training had: as many
            as the trained context, or as the window or chunk.
        reach: The same at the length.
        effective_length: The longest length at which no pair meets an angle that it never met
            in training; `None` if there is no such limit.
        attention_scale: Gain on cos and sin.
        softmax_scale: Gain on the attention logits.
        pairs: Fastest first, as the encoding numbers them.
    """

    layers: tuple[int, ...]
    rotary: RotarySpec
    of_indexer: bool
    trained_length: int | None
    trained_from: TrainedFrom
    length: int | None
    met: int | None
    reach: int | None
    effective_length: int | None
    attention_scale: float
    softmax_scale: float
    pairs: tuple[Pair, ...]

    @property
    def standing(self) -> tuple[int, ...]:
        """Pairs that do not turn at all."""
        return tuple(at for at, pair in enumerate(self.pairs) if math.isinf(pair.wavelength))

    @property
    def never_around(self) -> tuple[int, ...]:
        """Pairs that turn, but never once around in the trained context: they break first."""
        return tuple(
            at
            for at, pair in enumerate(self.pairs)
            if pair.turns_trained is not None and 0 < pair.turns_trained < 1
        )

    @property
    def unseen(self) -> tuple[int, ...]:
        """Pairs that meet angles within the length that they never met in training."""
        return tuple(at for at, pair in enumerate(self.pairs) if pair.unseen)


def look_at_rotary(
    rotary: RotarySpec,
    layer: LayerSpec,
    layers: tuple[int, ...],
    *,
    max_seq_len: int | None,
    length: int | None,
    trained_seq_len: int | None = None,
    of_indexer: bool = False,
) -> Rotation:
    """The numbers of one rotary encoding.

    Args:
        rotary: Which.
        layer: In which it is: a window or a chunk bounds the distances it meets.
        layers: That have it.
        max_seq_len: The longest sequence that the model says it is meant for.
        length: To look at it for.
        trained_seq_len: The longest sequence that it was trained on, if it says so apart.
        of_indexer: Whether it is the rotation of the layers' indexers.
    """
    trained, trained_from = trained_length(rotary, max_seq_len, trained_seq_len)
    bare = plain_frequencies(rotary, trained_from)
    scaled = scaled_frequencies(rotary, length)
    spans = [span for span in (layer.window, layer.chunk) if span is not None]
    reach = None if length is None else min([length, *spans])
    met = None if trained is None else min([trained, *spans])
    old, new = (_speeds(frequencies) for frequencies in (bare, scaled))
    pairs = tuple(
        Pair(
            wavelength=2 * math.pi / fast if fast else math.inf,
            slowed=before / fast if fast else 1.0,
            turns_trained=None if met is None else met * before / (2 * math.pi),
            unseen=None if met is None or reach is None else _unseen(met, before, reach, fast),
        )
        for before, fast in zip(old, new, strict=True)
    )
    return Rotation(
        layers=layers,
        rotary=rotary,
        of_indexer=of_indexer,
        trained_length=trained,
        trained_from=trained_from,
        length=length,
        met=met,
        reach=reach,
        effective_length=None
        if met is None or trained is None or met < trained
        else _effective_length(rotary, bare, trained),
        attention_scale=scaled.attention_scale,
        softmax_scale=scaled.softmax_scale,
        pairs=pairs,
    )


def trained_length(
    rotary: RotarySpec, max_seq_len: int | None, trained_seq_len: int | None = None
) -> tuple[int | None, TrainedFrom]:
    """The context in which angles were learned before scaling, and how that is known.

    A scaling that states no length is taken to have extended the context by its factor.
    """
    scaling = rotary.scaling
    stated = getattr(scaling, "original_seq_len", None)
    if stated is not None:
        return int(stated), "original_seq_len"
    if trained_seq_len is not None:
        return trained_seq_len, "trained_seq_len"
    if isinstance(scaling, Linear | NTK) and max_seq_len is not None:
        return round(max_seq_len / scaling.factor), "max_seq_len over factor"
    return max_seq_len, "max_seq_len"


def plain_frequencies(rotary: RotarySpec, trained_from: TrainedFrom) -> Frequencies:
    """Those that the trained context had: without a scaling that extended it."""
    extends = isinstance(rotary.scaling, Linear | NTK)
    if trained_from == "max_seq_len" and not extends:
        return scaled_frequencies(rotary, None)
    return replace(rotary, scaling=None).build().frequencies


def scaled_frequencies(rotary: RotarySpec, length: int | None) -> Frequencies:
    """Those that the model has at `length`; of a scaling by length without one, the shortest."""
    built = rotary.build()
    return built.at(1 if length is None else length).frequencies


def _speeds(frequencies: Frequencies) -> list[float]:
    """Of each pair, in text: there all axes count the same tokens."""
    return [abs(speed) for speed in frequencies.inv_freq.sum(0).tolist()]


def _unseen(met: float, before: float, reach: float, now: float) -> float:
    old, new = met * before, min(reach * now, 2 * math.pi)
    return max(0.0, new - old) / (2 * math.pi) if new > old * (1 + _ROUNDING) else 0.0


def _effective_length(rotary: RotarySpec, bare: Frequencies, trained: int) -> int | None:
    limits = [trained * speed for speed in _speeds(bare)]
    if isinstance(rotary.scaling, LengthScaling):
        return _search(lambda length: _covered(limits, rotary, length), trained)
    now = _speeds(scaled_frequencies(rotary, None))
    lengths = [
        limit / speed
        for limit, speed in zip(limits, now, strict=True)
        if speed and limit < 2 * math.pi
    ]
    return None if not lengths else math.floor(min(lengths) * (1 + _ROUNDING))


def _covered(limits: list[float], rotary: RotarySpec, length: int) -> bool:
    now = _speeds(scaled_frequencies(rotary, length))
    return all(
        limit >= 2 * math.pi or length * speed <= limit * (1 + _ROUNDING)
        for limit, speed in zip(limits, now, strict=True)
    )


def _search(holds: Callable[[int], bool], start: int) -> int | None:
    """The last length from `start` on at which it holds; at `start` it does by definition."""
    good = start
    while holds(2 * good):
        good *= 2
        if good >= _FARTHEST:
            return None
    bad = 2 * good
    while bad - good > 1:
        middle = (good + bad) // 2
        good, bad = (middle, bad) if holds(middle) else (good, middle)
    return good
