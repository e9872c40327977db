"""The few distributions and fits that verdicts need."""

from __future__ import annotations

from collections.abc import Sequence
from math import inf, log10, sqrt
from statistics import fmean, variance
from typing import Final, NamedTuple

from scipy.special import ndtri, pdtr, pdtrc, stdtrit

ERRORS: Final = 2.0
"""Standard errors on each side of an interval."""


class Fit(NamedTuple):
    """An exponent with its standard error, and how many points, or rounds, it was fitted to."""

    exponent: float
    error: float
    points: int

    @property
    def interval(self) -> tuple[float, float]:
        """ERRORS standard errors to each side."""
        return self.exponent - ERRORS * self.error, self.exponent + ERRORS * self.error


def t_value(confidence: float, freedom: float = inf) -> float:
    """Student's t that bounds the middle `confidence` with so many degrees of freedom (by default the normal
    distribution's bound).
    """
    return float(ndtri((1 + confidence) / 2) if freedom == inf else stdtrit(freedom, (1 + confidence) / 2))


def poisson_probability(observed: int, expected: float) -> float:
    """How probable a Poisson count as far out as `observed`, on either side, is: twice the smaller tail, at most 1."""
    if expected <= 0:
        return 1.0 if observed == 0 else 0.0
    lower, upper = float(pdtr(observed, expected)), 1.0
    if observed > 0:
        upper = float(pdtrc(observed - 1, expected))
    return min(1.0, 2 * min(lower, upper))


def fit_exponent(points: Sequence[tuple[int, float]]) -> Fit | None:
    """The exponent of time against N by least squares on log-log, its error from the distance of the points to the
    line.

    `points` are pairs of N and the time for all N; under three there is no telling how far off the line is: None.
    """
    if len(points) < 3:
        return None
    exponent, residual, width = _line([log10(scale) for scale, _ in points], [log10(time) for _, time in points])
    return Fit(exponent, sqrt(residual / (len(points) - 2) / width), len(points))


def fit_rounds(scales: Sequence[int], rounds: Sequence[Sequence[float]]) -> Fit | None:
    """The mean exponent over rounds that each measured all scales in turn, its error from the rounds' spread.

    Each round holds, for each scale, the time for all N. Whatever slows the machine for longer than a round moves all
    times of the round, and none of its exponent. Rounds with a time of 0 are left out; None if under two are left.
    """
    rounds = [times for times in rounds if min(times) > 0]
    if len(scales) < 2 or len(rounds) < 2:
        return None
    across = [log10(scale) for scale in scales]
    exponents = [_line(across, [log10(time) for time in times])[0] for times in rounds]
    return Fit(fmean(exponents), sqrt(variance(exponents) / len(exponents)), len(exponents))


def _line(across: Sequence[float], up: Sequence[float]) -> tuple[float, float, float]:
    """Slope, sum of squared residuals, and sum of squared distances of `across` from its mean."""
    middle, level = fmean(across), fmean(up)
    width = sum((x - middle) ** 2 for x in across)
    slope = sum((x - middle) * (y - level) for x, y in zip(across, up, strict=True)) / width
    residual = sum((y - level - slope * (x - middle)) ** 2 for x, y in zip(across, up, strict=True))
    return slope, residual, width
