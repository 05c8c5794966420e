"""What can be said of a longer context without running the model."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch

from phasor._extend.methods import RotaryCandidate, Situation
from phasor._extend.table import TableCandidate, TableSubject
from phasor.encodings import Learned
from phasor.rotary import Frequencies, geometric

_STEPS, _LARGEST = 50, 12  # to a decade, and decades: how finely and how far bases are searched
_BLOCK = 1 << 14
_DISTANCES = 64  # of rows of a table, that are compared


@dataclass(frozen=True, kw_only=True)
class Explanation:
    """What the frequencies of a model mean for the length that is wanted.

    Args:
        trained_length: Tokens.
        target_length: Tokens.
        wavelengths: Tokens in which each pair turns once, fastest first; `inf` for one that stands
            still.
        incomplete: Pairs that turn less than once in the trained length: beyond it they take
            angles that no training has seen, so they break first.
        base: The model's, or `None`.
        base_context: The longest context that the frequencies carry by the bound of the base.
        base_needed: The smallest base that carries the target by that bound; `None` if there is
            no base to compare with, or none that does.
        ratios: By candidate, how fast each pair turns at the target, as a share of what it did.
    """

    trained_length: int
    target_length: int
    wavelengths: tuple[float, ...]
    incomplete: tuple[int, ...]
    base: float | None
    base_context: int
    base_needed: float | None
    ratios: dict[str, tuple[float, ...]]


@dataclass(frozen=True, kw_only=True)
class TableExplanation:
    """What the rows of a learned table mean for the length that is wanted.

    Args:
        trained_length: Rows that it has.
        target_length: Rows that are wanted.
        similarity: By candidate, the mean cosine of rows at a distance of 0, 1, 2, ... positions.
    """

    trained_length: int
    target_length: int
    similarity: dict[str, tuple[float, ...]]


def explain_table(subject: TableSubject, found: Sequence[TableCandidate]) -> TableExplanation:
    """Compare rows of the table, and of the longer one, by their distance."""
    tables = {"none": subject.table, "interpolate": subject.longer}
    return TableExplanation(
        trained_length=subject.trained_length,
        target_length=subject.target_length,
        similarity={one.name: _similarity(tables[one.name]) for one in found},
    )


def _similarity(table: Learned) -> tuple[float, ...]:
    rows = table.weight.detach()[table.offset :].double()
    rows = rows / rows.norm(dim=-1, keepdim=True).clamp_min(1e-30)
    cosines = rows @ rows.T
    longest = min(_DISTANCES, len(rows) - 1)
    return tuple(cosines.diagonal(distance).mean().item() for distance in range(longest + 1))


def explain(situation: Situation, found: Sequence[RotaryCandidate]) -> Explanation:
    """Read off the frequencies what breaks first, and what each candidate does about it."""
    before = _none_at(situation, found)
    wavelengths = tuple(
        2 * math.pi / abs(speed) if speed else math.inf for speed in before.inv_freq[0].tolist()
    )
    base = situation.frequencies.base
    return Explanation(
        trained_length=situation.trained_length,
        target_length=situation.target_length,
        wavelengths=wavelengths,
        incomplete=tuple(
            pair for pair, length in enumerate(wavelengths) if length > situation.trained_length
        ),
        base=base,
        base_context=context_of(before, 2 * situation.target_length),
        base_needed=None
        if base is None
        else base_for(situation.frequencies.rotary_dim, situation.target_length),
        ratios={
            candidate.name: _ratio(
                candidate.frequencies(situation.frequencies, situation.target_length), before
            )
            for candidate in found
        },
    )


def context_of(frequencies: Frequencies, longest: int) -> int:
    r"""Tokens up to which a pair of equal tokens still scores higher than one of random ones.

    The largest $L$ with $\sum_p \cos(m\,\omega_p) \ge 0$ for all $m \le L$, at most `longest`: the
    bound that a base puts on the context.

    Source:
        Men et al. 2024, arXiv:2405.14591, theorem 1.

    Examples:
        >>> from phasor._extend.explain import context_of
        >>> context_of(phasor.geometric(128, 10_000.0), 8192)
        1706
    """
    speeds = frequencies.inv_freq[0]
    for start in range(0, longest + 1, _BLOCK):
        places = torch.arange(start, min(start + _BLOCK, longest + 1), dtype=torch.float64)
        total = (places[:, None] * speeds).cos().sum(-1)
        below = (total < 0).nonzero()
        if len(below):
            return start + int(below[0, 0]) - 1
    return longest


def base_for(rotary_dim: int, length: int) -> float | None:
    """The smallest base, to a fiftieth of a decade, that carries `length` by `context_of`.

    Bases from 100 to 10^12 are tried; `None` if none of them does.

    Examples:
        >>> from phasor._extend.explain import base_for
        >>> f"{base_for(128, 4096):.1e}"
        '2.9e+04'
    """
    for step in range(2 * _STEPS, _LARGEST * _STEPS + 1):
        base = 10 ** (step / _STEPS)
        if context_of(geometric(rotary_dim, base), length) >= length:
            return base
    return None


def _none_at(situation: Situation, found: Sequence[RotaryCandidate]) -> Frequencies:
    none = next(candidate for candidate in found if candidate.name == "none")
    return none.frequencies(situation.frequencies, situation.trained_length)


def _ratio(after: Frequencies, before: Frequencies) -> tuple[float, ...]:
    return tuple(
        new / old if old else 1.0
        for new, old in zip(after.inv_freq[0].tolist(), before.inv_freq[0].tolist(), strict=True)
    )


def explanation_lines(explanation: Explanation | TableExplanation) -> list[str]:
    """What the frequencies or the table say before anything is run, a sentence each."""
    trained, target = explanation.trained_length, explanation.target_length
    lines = [f"From {trained:,} to {target:,} tokens, by a factor of {target / trained:g}."]
    if isinstance(explanation, TableExplanation):
        return [*lines, *_table_lines(explanation)]
    missing, pairs = len(explanation.incomplete), len(explanation.wavelengths)
    if missing:
        lines.append(
            f"{missing} of {pairs} pairs never complete a turn in {trained:,} tokens, from pair "
            f"{explanation.incomplete[0]} on: past it they take angles that no training has seen."
        )
    else:
        lines.append(f"All {pairs} pairs complete a turn in {trained:,} tokens.")
    if explanation.base is not None:
        needed = explanation.base_needed
        take = f"{target:,} take {needed:,.0f}" if needed else f"no base carries {target:,}"
        lines.append(
            f"By the bound on the base, {explanation.base:,.0f} carries "
            f"{explanation.base_context:,} tokens, and {take}; trained models often "
            "exceed it."
        )
    return lines


def _table_lines(explanation: TableExplanation) -> list[str]:
    neighbours = {name: values[1] for name, values in explanation.similarity.items()}
    lines = [
        f"Its table has a vector for each of {explanation.trained_length:,} positions and ends "
        "there: past it the model as it is cannot read at all."
    ]
    if "interpolate" in neighbours:
        lines.append(
            "Interpolated, tokens lie closer than in any training: the vectors of neighbours have "
            f"a mean cosine of {neighbours['none']:.4f} before and "
            f"{neighbours['interpolate']:.4f} after."
        )
    return lines
