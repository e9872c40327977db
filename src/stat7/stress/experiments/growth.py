"""Which growth describes latency against N: none, logarithmic, or linear; and when that can't be told.

All scales were measured in each of some rounds. A mood of the machine that lasts for a round moves all of its times by
one factor, which is taken out first. The three models are then fitted to the medians over the rounds by weighted least
squares and compared by Akaike's criterion, again for each of many resamples of the rounds.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy.special import bdtr

from stat7.stress.measure import CONFIDENCE, RESAMPLES
from stat7.stress.results import Figure

MODELS: Final = ("constant", "logarithmic", "linear")
TOLERANCE: Final = 0.03
"""No model is held to describe a machine (its caches, its page sizes) better than to this share of the latency."""

LEAST_ROUNDS: Final = 6
"""For an interval of a median."""

LEAD: Final = 2.0
"""Models whose criterion is within this of the best one's are as good (Burnham and Anderson 2002)."""

Array = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Fit:
    """One model: `level + slope * shape(N)`, in ns (the shape of the constant one is 0), and its criterion."""

    level: float
    slope: float
    criterion: float


@dataclass(frozen=True, slots=True)
class Growth:
    """Latencies without the moods of the machine, by scale, with intervals; the three fits; and which one it is.

    They are right in relation to each other; how high they are as a whole depends on what mood was the usual one.

    `support` is the share of the resamples in which a model was the best, `chosen` those models that can't be told
    apart: one, if it's clearly the best.
    """

    scales: Sequence[int]
    latencies: Array
    intervals: Sequence[tuple[float, float]]
    fits: dict[str, Fit]
    support: dict[str, float]
    chosen: tuple[str, ...]

    def predicted(self, model: str, scale: float) -> float:
        """The latency in ns that a model has for a scale."""
        fit = self.fits[model]
        return fit.level + fit.slope * float(_shapes(np.asarray([scale]))[MODELS.index(model)][0])

    @property
    def verdict(self) -> str:
        """What it is, in words."""
        if len(self.chosen) == 1:
            return self.chosen[0]
        return f"{' or '.join(self.chosen)}: they can't be told apart here"


def without_moods(rounds: Sequence[Sequence[float]], reference: Sequence[Sequence[float]] | None = None) -> Array:
    """Times by round and scale, each round's common factor (the median over the scales) taken out.

    With a `reference` the scales weren't measured in one round: then each time is taken relative to its own reference.
    Rounds with a time of 0 are left out.
    """
    times = np.asarray(rounds, dtype=np.float64)
    held = (times > 0).all(axis=1)
    if reference is not None:
        loops = np.asarray(reference, dtype=np.float64)
        return (times / loops * np.median(loops))[held]
    if not held.any():
        return times[held]
    logs = np.log(times[held])
    moods = np.median(logs - np.median(logs, axis=0), axis=1, keepdims=True)
    calm: Array = np.exp(logs - moods)
    return calm


def exponents(scales: Sequence[int], times: Array) -> Figure:
    """The exponent of time against N: the `typical` one of the rounds (each by least squares on log-log)."""
    count = len(times)
    if not count or len(scales) < 2:
        return Figure(None, "1", count)
    across = np.log(np.asarray(scales, dtype=np.float64))
    across -= across.mean()
    return typical(np.log(times) @ across / float(across @ across), "1")


def typical(values: Array, unit: str) -> Figure:
    """The median of what rounds found; its interval is by order statistics: exact whatever the distribution.

    There is none of it under six rounds.
    """
    count, ordered = len(values), np.sort(values)
    if not count:
        return Figure(None, unit, 0)
    outside = sum(bdtr(number, count, 0.5) <= (1 - CONFIDENCE) / 2 for number in range(count // 2))
    interval = (float(ordered[outside - 1]), float(ordered[-outside])) if count >= LEAST_ROUNDS else None
    return Figure(float(np.median(ordered)), unit, count, interval)


def describe(scales: Sequence[int], times: Array) -> Growth:
    """The growth behind `times` (ns, by round and scale, without moods): two scales and two rounds at least."""
    count = len(times)
    places = np.asarray(scales, dtype=np.float64)
    means = np.median(times, axis=0)
    chosen = np.random.default_rng(count).integers(0, count, size=(RESAMPLES, count))
    drawn = np.median(times[chosen], axis=1)
    spread = np.sqrt(drawn.var(axis=0) + np.square(TOLERANCE * means))
    tail = (1 - CONFIDENCE) / 2
    ends = np.quantile(drawn, (tail, 1 - tail), axis=0)
    fitted = [_fit(shape, means[None, :], spread) for shape in _shapes(places)]
    criteria = np.stack([_fit(shape, drawn, spread)[2] for shape in _shapes(places)])
    best = criteria.argmin(axis=0)
    return Growth(
        scales,
        means,
        [(float(low), float(high)) for low, high in ends.T],
        {
            model: Fit(float(level[0]), float(slope[0]), float(criterion[0]))
            for model, (level, slope, criterion) in zip(MODELS, fitted, strict=True)
        },
        {model: float((best == at).mean()) for at, model in enumerate(MODELS)},
        _chosen(criteria),
    )


def _chosen(criteria: Array) -> tuple[str, ...]:
    """The constant one if it's the best in nearly all resamples: what a further parameter doesn't improve it doesn't
    describe (Arnold 2010). Else the models that are within LEAD of the best in more than one resample of twenty.
    """
    if float((criteria.argmin(axis=0) == 0).mean()) >= CONFIDENCE:
        return MODELS[:1]
    close = criteria <= criteria.min(axis=0) + LEAD
    return tuple(model for model, share in zip(MODELS, close.mean(axis=1), strict=True) if share > 1 - CONFIDENCE)


def _shapes(scales: Array) -> tuple[Array, Array, Array]:
    return np.zeros_like(scales), np.log10(scales), scales


def _fit(shape: Array, means: Array, spread: Array) -> tuple[Array, Array, Array]:
    """Level, slope (never falling) and criterion for each row of means, by weighted least squares."""
    weights = 1 / np.square(spread)
    total = weights.sum()
    middle, level = float(weights @ shape) / total, means @ weights / total
    width = float(weights @ np.square(shape - middle))
    if width:
        slope = np.maximum(0.0, (means - level[:, None]) @ (weights * (shape - middle)) / width)
    else:
        slope = np.zeros(len(means))
    rest = means - level[:, None] - slope[:, None] * (shape - middle)
    return level - slope * middle, slope, np.square(rest) @ weights + 2 * (2 if width else 1)
