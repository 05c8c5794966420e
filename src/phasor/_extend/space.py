"""What is left open in a method, and the candidate that each setting of it makes."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from phasor._extend.methods import RotaryCandidate, Situation, extended, ntk
from phasor.rotary import scaling
from phasor.rotary.scaling.yarn_ramp import mscale_gain

Setting = Mapping[str, float]

_NODES = 5
_BEYOND = 4.0  # the slowest pair is stretched by up to this times the factor of the lengths
_DIGITS = 6


@dataclass(frozen=True, kw_only=True)
class Range:
    """The values that a number may take; `log` if ratios count and not differences."""

    low: float
    high: float
    log: bool = False


@dataclass(frozen=True, kw_only=True)
class Space:
    """The settings of one method.

    Args:
        name: Of the candidate that is found.
        ranges: By the name of each number.
        starts: Settings that are tried before all others.
        candidate: What a setting makes.
    """

    name: str
    ranges: Mapping[str, Range]
    starts: tuple[Setting, ...]
    candidate: Callable[[Setting], RotaryCandidate]


def spaces(situation: Situation) -> list[Space]:
    """Of YaRN, of the base, and of a stretch for each pair."""
    return [_yarn(situation), _ntk(situation), _longrope(situation)]


def _yarn(situation: Situation) -> Space:
    def candidate(setting: Setting) -> RotaryCandidate:
        method = scaling.yarn(
            factor=setting["factor"],
            original_seq_len=situation.trained_length,
            beta_fast=setting["beta_fast"],
            beta_slow=setting["beta_slow"],
        )
        return extended(
            "yarn-searched",
            method,
            situation,
            f"YaRN with a searched factor {method.factor:.4g}, beta_fast {method.beta_fast:.4g} "
            f"and beta_slow {method.beta_slow:.4g}",
        )

    beta_fast, beta_slow = scaling.YaRN.beta_fast, scaling.YaRN.beta_slow
    return Space(
        name="yarn-searched",
        ranges={
            # Not less: vLLM takes the longest sequence to be this times the trained length.
            "factor": Range(low=situation.factor, high=_BEYOND * situation.factor, log=True),
            "beta_fast": Range(low=4.0, high=128.0, log=True),
            "beta_slow": Range(low=0.125, high=3.5, log=True),
        },
        starts=({"factor": situation.factor, "beta_fast": beta_fast, "beta_slow": beta_slow},),
        candidate=candidate,
    )


def _ntk(situation: Situation) -> Space:
    def candidate(setting: Setting) -> RotaryCandidate:
        return ntk(situation, setting["stretch"], "ntk-searched", "a larger base, searched")

    return Space(
        name="ntk-searched",
        ranges={"stretch": Range(low=1.0, high=_BEYOND * situation.factor, log=True)},
        starts=({"stretch": situation.factor},),
        candidate=candidate,
    )


def _longrope(situation: Situation) -> Space:
    r"""A stretch for each pair that no slower pair undercuts, from a few numbers.

    The logarithm of the stretch, as a share of that of the slowest pair, is given at nodes evenly
    spread over the pairs, fastest first, and linear between: 1 at the last node, and at each other
    `share` times what it is at the next.
    """
    pairs = situation.frequencies.pairs
    nodes = min(_NODES, pairs)

    def candidate(setting: Setting) -> RotaryCandidate:
        heights = [1.0]
        for node in reversed(range(nodes - 1)):
            heights.insert(0, heights[0] * setting[f"share_{node}"])
        stretch = math.log(setting["stretch"])
        long_factor = [
            round(math.exp(stretch * _between(heights, pair / max(1, pairs - 1))), _DIGITS)
            for pair in range(pairs)
        ]
        gain = round(setting["attention_factor"], _DIGITS)
        return extended(
            "longrope",
            scaling.longrope(
                short_factor=[1.0] * pairs, long_factor=long_factor,
                original_seq_len=situation.trained_length, factor=situation.factor,
                short_attention_factor=gain, long_attention_factor=gain,
            ),
            situation,
            f"a searched stretch for each pair, from {long_factor[0]:.4g} to "
            f"{long_factor[-1]:.4g}, in sequences longer than {situation.trained_length:,}; "
            "engines differ in what they do with cached keys when a sequence grows past that",
        )  # fmt: skip

    def start(heights: list[float], gain: float) -> Setting:
        shares = {
            f"share_{node}": heights[node] / heights[node + 1] if heights[node + 1] else 0.0
            for node in range(nodes - 1)
        }
        return {"stretch": situation.factor, "attention_factor": gain, **shares}

    gain = mscale_gain(situation.factor)
    even = [node / max(1, nodes - 1) for node in range(nodes)]
    return Space(
        name="longrope",
        ranges={
            "stretch": Range(low=1.0, high=_BEYOND * situation.factor, log=True),
            "attention_factor": Range(low=1.0, high=2 * gain - 1.0),
            **{f"share_{node}": Range(low=0.0, high=1.0) for node in range(nodes - 1)},
        },
        # What ntk does to the pairs, and linear; both with YaRN's gain.
        starts=(start(even, gain), start([1.0] * nodes, gain)),
        candidate=candidate,
    )


def _between(heights: list[float], share: float) -> float:
    """`heights` at `share` of the way from the first to the last, linear between them."""
    place = share * (len(heights) - 1)
    node = min(int(place), max(0, len(heights) - 2))
    after = heights[min(node + 1, len(heights) - 1)]
    return heights[node] + (place - node) * (after - heights[node])
