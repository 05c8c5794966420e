"""Intervals over few seeds. A t interval throughout: over 3 seeds a bootstrap covers 75 %."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
from scipy import stats

CONFIDENCE = 0.95


@dataclass(frozen=True)
class Estimate:
    """A mean and its interval; the bounds are `None` where one value says nothing of spread."""

    mean: float
    low: float | None
    high: float | None

    @property
    def excludes_zero(self) -> bool:
        """Whether the interval lies on one side of zero."""
        return self.low is not None and self.high is not None and (self.low > 0 or self.high < 0)


def mean_interval(values: Sequence[float]) -> Estimate:
    """Mean of `values` with its two-sided 95 % t interval.

    Examples:
        >>> from phasor._kit.statistics import mean_interval
        >>> mean_interval([1.0, 2.0, 3.0])
        Estimate(mean=2.0, low=-0.484..., high=4.484...)
    """
    mean = sum(values) / len(values)
    if len(values) < 2:
        return Estimate(mean, None, None)
    error = float(np.std(values, ddof=1) / np.sqrt(len(values)))
    low, high = _quantiles(len(values) - 1)
    return Estimate(mean, mean + error * low, mean + error * high)


@cache
def _quantiles(freedom: int) -> tuple[float, float]:
    """Of the t distribution: looked up once, since that takes longer than all the rest."""
    outside = (1 - CONFIDENCE) / 2
    return float(stats.t.ppf(outside, freedom)), float(stats.t.ppf(1 - outside, freedom))


def paired_difference(first: Sequence[float], second: Sequence[float]) -> Estimate:
    """`second` less `first`, seed by seed, with its paired t interval."""
    return mean_interval([b - a for a, b in zip(first, second, strict=True)])


def share_interval(shares: Sequence[float], trials: int) -> Estimate:
    """Mean of per-seed shares of `trials` sequences, from the least Wilson bound to the greatest.

    Shares sit at 0 or 1 so often that a t interval means nothing; the envelope of the seeds' own
    intervals shows both the seeds and the number of sequences.
    """
    bounds = [
        stats.binomtest(round(share * trials), trials).proportion_ci(CONFIDENCE, method="wilson")
        for share in shares
    ]
    return Estimate(
        sum(shares) / len(shares),
        float(min(bound.low for bound in bounds)),
        float(max(bound.high for bound in bounds)),
    )
