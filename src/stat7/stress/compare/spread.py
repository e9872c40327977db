"""How much a figure differs from run to run when nothing was changed, and what a difference has to be to stand out.

All spreads are standard deviations of natural logarithms (0.1 is 10 %). Two sources are put together:

- what is assumed: from runs of one commit compared with each other, a spread for each kind of figure. It has a part
  that is always there and a part that grows with the unrest of the machine, which is how much the reference loop itself
  differed within and between the runs that are compared;
- what the runs themselves show, where a side has several.

The assumed variance counts as if it had been seen with so many degrees of freedom as it is known by, at most WEIGHT;
the variance of the runs counts with their own (a scaled inverse chi-square prior: Smyth 2004). So a single run has
something to go by, with the wide tails of few degrees of freedom, and the more runs there are the less is assumed.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from math import sqrt
from statistics import fmean, median, variance
from typing import Final

from stat7.stress.statistics import t_value


@dataclass(frozen=True, slots=True)
class Unrest:
    """How much the reference loop differed, and the degrees of freedom by which that is known."""

    spread: float
    freedom: float


@dataclass(frozen=True, slots=True)
class Assumed:
    """The spread between runs of one kind of figure: `base` in any case, and `restless` times the machine's unrest."""

    base: float
    restless: float

    def variance(self, unrest: Unrest) -> tuple[float, float]:
        """With so much unrest, and the degrees of freedom by which that is known (Satterthwaite's)."""
        always, moved = self.base**2, (self.restless * unrest.spread) ** 2
        doubt = (always**2 / WEIGHT + moved**2 / unrest.freedom) / (always + moved) ** 2
        return always + moved, min(WEIGHT, 1 / doubt)


ASSUMED: Final[Mapping[str, Assumed]] = {
    "rate": Assumed(0.03, 0.9),
    "mean": Assumed(0.03, 0.9),
    "p50": Assumed(0.02, 0.15),
    "p50 of writes": Assumed(0.04, 1.0),
    "p95": Assumed(0.1, 2.25),
    "p99": Assumed(0.16, 2.35),
    "bytes": Assumed(0.01, 0.0),
    "edge": Assumed(0.16, 2.35),
}
"""Fitted to runs of scripts/stress_same.py on two cores, with an unrest of 0.1 to 1.2; `base`, which is what is left on
a machine without any, is a guess to the safe side. An edge is taken to be as uncertain as the tail it depends on.
"""

NORMALISED: Final = frozenset(ASSUMED) - {"p50", "bytes"}
"""The kinds from which the machine's speed, as the reference loop has it, is taken out.

Others that want the processor stop the reference loop and the store alike now and then, which moves means and tails;
the median operation isn't stopped, and would become the less certain.
"""

ENOUGH: Final = 3
"""A median counts for more than a mean only where there are so many runs on each side."""

WEIGHT: Final = 8.0
UNKNOWN_UNREST: Final = Unrest(0.3, 3.0)
"""Where a run has no reference loop the machine is taken to be as restless as the busy one that ASSUMED comes from."""

POWER: Final = 0.8
"""The smallest difference that is stated would be found in so many comparisons of the sort."""

MOST_RUNS: Final = 1000


@dataclass(frozen=True, slots=True)
class Sample:
    """One figure of one side: the logarithm of its value in each run, and its standard error within each run."""

    logs: Sequence[float]
    within: Sequence[float]


@dataclass(frozen=True, slots=True)
class Noise:
    """What a figure of one run differs by: `spread` in all, known by degrees of freedom that come from what is
    `assumed` and from the `runs` themselves.
    """

    spread: float
    assumed: float
    runs: int

    @property
    def freedom(self) -> float:
        """All degrees of freedom."""
        return self.assumed + self.runs

    def error(self, before: int, after: int) -> float:
        """The standard error of the ratio of two means over so many runs."""
        return self.spread * sqrt(1 / before + 1 / after)

    def bound(self, confidence: float) -> float:
        """Student's t for so much confidence."""
        return _student(confidence, self.freedom)


@cache
def _student(confidence: float, freedom: float) -> float:
    """The same for all figures of a comparison, which would otherwise spend its time on this."""
    return t_value(confidence, freedom)


def unrest_of(references: Sequence[Sequence[float]]) -> Unrest:
    """The unrest in the references (logarithms) of all runs; UNKNOWN_UNREST if any run has under two.

    Those of one run share its moods: of three only one counts.
    """
    if not references or min(map(len, references)) < 2:
        return UNKNOWN_UNREST
    each = [speed for run in references for speed in run]
    return Unrest(sqrt(variance(each)), len(each) / 3)


def noise_of(kind: str, before: Sample, after: Sample, unrest: Unrest) -> Noise:
    """The noise of a figure, from what is assumed of its kind and, where both sides have several runs, what they show.

    Unlike the mean the median is hardly moved by most moods of a machine, and by some of them altogether, for as long
    as a run or two take, which the reference loop needn't meet. ENOUGH runs show that; of fewer it must be feared,
    however alike.
    """
    errors = [error**2 for side in (before, after) for error in side.within]
    fewest, freedom = min(len(before.logs), len(after.logs)), len(errors) - 2
    seen = sum(variance(side.logs) * (len(side.logs) - 1) for side in (before, after) if len(side.logs) > 1)
    feared = kind == "p50" and fewest < ENOUGH
    between, weight = ASSUMED["mean" if feared else kind].variance(unrest)
    if fewest == 1 or feared:
        return Noise(sqrt(max(between + fmean(errors), seen / max(freedom, 1))), weight, 0)
    # The median: an odd run shows in how far it lies from the others, and needn't be counted twice.
    within = median(errors)
    found = (weight * (between + within) + seen) / (weight + freedom)
    # A run is never better known than its own interval says.
    return Noise(sqrt(max(found, within)), weight, freedom)


def smallest(noise: Noise, before: int, after: int, confidence: float) -> float:
    """The difference (of logarithms) that is found in POWER of all comparisons: (t + t_power) standard errors."""
    return (noise.bound(confidence) + _student(2 * POWER - 1, noise.freedom)) * noise.error(before, after)


def runs_to_show(difference: float, noise: Noise, confidence: float) -> int | None:
    """How many runs each side needs to show a difference (of logarithms); None if more than MOST_RUNS."""

    def is_shown(count: int) -> bool:
        known = Noise(noise.spread, noise.assumed, 2 * count - 2)
        return smallest(known, count, count, confidence) <= difference

    count = bisect_left(range(1, MOST_RUNS + 1), True, key=is_shown) + 1
    return count if count <= MOST_RUNS else None
