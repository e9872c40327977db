"""The few distributions and fits that verdicts need."""

from __future__ import annotations

from collections.abc import Sequence
from math import erfc, exp, lgamma, log, log10, sqrt
from statistics import fmean, variance
from typing import Final, NamedTuple

_NORMAL_FROM: Final = 10_000
"""Expected count from which a Poisson count is as good as normal."""

ERRORS: Final = 2.0
"""Standard errors on each side of an interval."""


class Fit(NamedTuple):
    """An exponent with its standard error, and how many points it was fitted to."""

    exponent: float
    error: float
    points: int

    @property
    def interval(self) -> tuple[float, float]:
        """ERRORS standard errors to each side."""
        return self.exponent - ERRORS * self.error, self.exponent + ERRORS * self.error


def poisson_probability(observed: int, expected: float) -> float:
    """How probable a Poisson count as far out as `observed`, on either side, is: twice the smaller tail, at most 1."""
    if expected <= 0:
        return 1.0 if observed == 0 else 0.0
    if expected >= _NORMAL_FROM:
        return erfc(abs(observed - expected) / sqrt(2 * expected))
    tail = _lower_tail(observed, expected) if observed < expected else _upper_tail(observed, expected)
    return min(1.0, 2 * tail)


def fit_exponent(points: Sequence[tuple[int, Sequence[float]]]) -> Fit | None:
    """The exponent of time against N by least squares on log-log; None for fewer than two scales with a time.

    `points` holds for each scale N the times that its blocks of work would take for all N. With three scales or more
    each counts as one point (its mean) and the error comes from their distance to the line; with two, from their
    blocks' spread.
    """
    usable = [(scale, times) for scale, times in points if times and min(times) > 0]
    if len(usable) < 2:
        return None
    across = [log10(scale) for scale, _ in usable]
    up = [log10(fmean(times)) for _, times in usable]
    middle, level = fmean(across), fmean(up)
    width = sum((x - middle) ** 2 for x in across)
    exponent = sum((x - middle) * (y - level) for x, y in zip(across, up, strict=True)) / width
    if len(usable) > 2:
        residual = sum((y - level - exponent * (x - middle)) ** 2 for x, y in zip(across, up, strict=True))
        return Fit(exponent, sqrt(residual / (len(usable) - 2) / width), len(usable))
    spread = sum(_error_of_log_mean(times) ** 2 for _, times in usable)
    return Fit(exponent, sqrt(spread) / (across[1] - across[0]), len(usable))


def _error_of_log_mean(times: Sequence[float]) -> float:
    """The standard error of log10 of the mean."""
    if len(times) < 2:
        return 0.0
    return sqrt(variance(times) / len(times)) / fmean(times) / log(10)


def _poisson_term(count: int, expected: float) -> float:
    return exp(count * log(expected) - expected - lgamma(count + 1))


def _lower_tail(observed: int, expected: float) -> float:
    return sum(_poisson_term(count, expected) for count in range(observed + 1))


def _upper_tail(observed: int, expected: float) -> float:
    """From `observed` >= expected upwards, summed until the terms vanish."""
    total = term = _poisson_term(observed, expected)
    count = observed
    while term > total * 1e-17 and term > 0:
        count += 1
        term *= expected / count
        total += term
    return total
