"""What transformers does not have, from the formulas of papers and other engines, in 50 digits."""

from collections.abc import Callable, Iterable, Sequence
from fractions import Fraction

import mpmath
from mpmath import mpf
from oracles.subject import Case, Subject

SHAPES = (
    {"dim": 128, "base": 10_000.0, "factor": 8.0, "length": 2048},
    {"dim": 64, "base": 500_000.0, "factor": 32.0, "length": 8192},
)


def pair_that_turns(times: float, dim: int, base: float, length: int) -> mpf:
    return dim * mpmath.log(length / (2 * mpmath.pi * mpf(times))) / (2 * mpmath.log(base))


def ramp(
    pair: int,
    fast: float,
    slow: float,
    *,
    dim: int,
    base: float,
    length: int,
    last: int | None = None,
) -> mpf:
    low = max(mpmath.floor(pair_that_turns(fast, dim, base, length)), 0)
    last = dim - 1 if last is None else last
    high = min(mpmath.ceil(pair_that_turns(slow, dim, base, length)), last)
    return min(max((pair - low) / (high - low), mpf(0)), mpf(1))


def omega(pair: int, dim: int, base: float | mpf) -> mpf:
    return mpf(base) ** (mpf(-2 * pair) / dim)


def ntk(pair: int, *, dim: int, base: float, factor: float, length: int) -> mpf:
    return omega(pair, dim, base * mpf(factor) ** (mpf(dim) / (dim - 2)))


def theta_scale(pair: int, *, dim: int, base: float, factor: float, length: int) -> mpf:
    turn = 2 * mpmath.pi
    exponent = mpmath.log(length * factor / turn) / mpmath.log(length / turn)
    return omega(pair, dim, mpf(base) ** exponent)


def yarn_log(pair: int, *, dim: int, base: float, factor: float, length: int) -> mpf:
    whole, share = omega(pair, dim, base), ramp(pair, 8, 1, dim=dim, base=base, length=length)
    return mpmath.exp(mpmath.log(whole) * (1 - share) + mpmath.log(whole / factor) * share)


def yarn(pair: int, *, dim: int, base: float, factor: float, length: int) -> mpf:
    whole, share = omega(pair, dim, base), ramp(pair, 32, 1, dim=dim, base=base, length=length)
    return whole * (1 - share) + whole / factor * share


def yarn_cut_at_pairs(pair: int, *, dim: int, base: float, factor: float, length: int) -> mpf:
    shape = {"dim": dim, "base": base, "length": length}
    whole, share = omega(pair, dim, base), ramp(pair, 32, 1, **shape, last=dim // 2 - 1)
    return whole * (1 - share) + whole / factor * share


def ntk_by_parts_of_the_code(
    pair: int, *, dim: int, base: float, factor: float, length: int
) -> mpf:
    shape = {"dim": dim, "base": base, "length": length}
    stretch, change = ramp(pair, 1.25, 0.75, **shape), ramp(pair, 16, 2, **shape)
    middle = ntk(pair, factor=factor, **shape) * (1 - stretch)
    scaled = middle + omega(pair, dim, base) / factor * stretch
    return omega(pair, dim, base) * (1 - change) + scaled * change


def ntk_by_parts_of_the_paper(
    pair: int, *, dim: int, base: float, factor: float, length: int
) -> mpf:
    whole = omega(pair, dim, base)
    turns = length * whole / (2 * mpmath.pi)
    kept = min(max((turns - 1) / (32 - 1), mpf(0)), mpf(1))
    return (1 - kept) * whole / factor + kept * whole


def resonance(pair: int, *, dim: int, base: float, factor: float, length: int) -> mpf:
    return 2 * mpmath.pi / mpmath.nint(2 * mpmath.pi / omega(pair, dim, base))


def resonance_yarn(pair: int, *, dim: int, base: float, factor: float, length: int) -> mpf:
    stretched = yarn(pair, dim=dim, base=base, factor=factor, length=length)
    return 2 * mpmath.pi / mpmath.nint(2 * mpmath.pi / stretched)


def cases_of(
    *rules: Callable[..., mpf],
    gain: Callable[[float], mpf] = lambda factor: mpf(1),
    shapes: Sequence[dict[str, float]] = SHAPES,
) -> Callable[[], Iterable[Case]]:
    def cases() -> Iterable[Case]:
        with mpmath.workdps(50):
            for rule in rules:
                for shape in shapes:
                    yield {
                        "name": rule.__name__,
                        **shape,
                        "attention_factor": float(gain(shape["factor"])),
                        "inv_freq": [
                            float(rule(pair, **shape)) for pair in range(shape["dim"] // 2)
                        ],
                    }

    return cases


def openpangu(sizes: tuple[int, ...]) -> list[int]:
    """Smallest share first, never the same axis twice running if there is a choice."""
    wanted = {0: sizes[0] - 1, 1: sizes[1], 2: sizes[2]}
    order: list[int] = []
    while len(order) < sum(wanted.values()):
        shares = {
            axis: Fraction(order.count(axis), size)
            for axis, size in wanted.items()
            if order.count(axis) < size
        }
        if len(shares) > 1 and order:
            shares.pop(order[-1], None)
        order.append(min(shares, key=lambda axis: (shares[axis], axis)))
    return [*order, 0]


def section_rules() -> Iterable[Case]:
    for sizes in ((24, 20, 20), (16, 24, 24), (2, 3, 9)):
        yield {"name": "openPangu-VL", "sizes": sizes, "axis": openpangu(sizes)}
    yield {"name": "VideoRoPE", "sizes": [16, 24, 24], "axis": [1, 2] * 24 + [0] * 16}
    yield {
        "name": "XD-RoPE",
        "sizes": [16, 16, 16, 16],
        "axis": [0] * 16 + [1] * 16 + [2] * 16 + [3] * 16,
    }


def subject(
    name: str,
    cases: Callable[[], Iterable[Case]],
    source: str,
    formula: str,
    made_with: tuple[str, ...] = ("mpmath",),
) -> Subject:
    return Subject(name, source, formula, made_with, cases, rounding=0.0)


SUBJECTS = (
    subject(
        "ntk",
        cases_of(ntk),
        "Peng et al. 2023, arXiv:2309.00071, appendix A.1, in mpmath",
        "b' = b s^(d / (d - 2))",
    ),
    subject(
        "grok",
        cases_of(yarn_log, theta_scale),
        "vLLM, grok1_scaling_rope.py (beta_fast 8, beta_slow 1), in mpmath",
        "yarn_log: exp((1 - r) ln w + r ln(w / s)); theta_scale: b^(ln(s L / 2 pi) / ln(L / 2 pi))",
    ),
    subject(
        "telechat3",
        cases_of(yarn, gain=lambda factor: 1 + mpf(7) / 100 * mpmath.log(factor)),
        "vLLM, telechat3_scaling_rope.py, in mpmath",
        "YaRN with gain 0.07 ln s + 1",
    ),
    subject(
        "yarn_clamp",
        cases_of(
            yarn_cut_at_pairs,
            shapes=({"dim": 128, "base": 10_000.0, "factor": 8.0, "length": 131_072},),
        ),
        "OLMo-core's and Keras's cut of the ramp, which transformers does not have, in mpmath",
        "YaRN with its slow end at d / 2 - 1; the length is over 2 pi times the base",
    ),
    subject(
        "ntk_by_parts",
        cases_of(ntk_by_parts_of_the_code, ntk_by_parts_of_the_paper),
        "jquesnelle/yarn, LlamaPartNTKScaledRotaryEmbedding.py; arXiv:2309.00071, section 3.2; "
        "both in mpmath",
        "code: linear, NTK and original blended by the pair, between 1.25 and 0.75 and between 16 "
        "and 2 turns; paper: w / s and w blended by the turns, between 1 and 32",
    ),
    subject(
        "resonance",
        cases_of(resonance, resonance_yarn),
        "Wang et al. 2024, arXiv:2403.00071, and sheryc/resonance_rope, in mpmath",
        "2 pi / round(2 pi / w)",
    ),
    subject(
        "section_rules",
        section_rules,
        "vLLM, openpangu_rope.py and xdrope.py (as Tencent's own code); Wiselnn570/VideoRoPE, "
        "modeling_videorope.py",
        "axis of each pair, fastest first; sizes and axes as time, height, width, and XD-RoPE's as "
        "position, width, height, image",
        made_with=(),
    ),
)
