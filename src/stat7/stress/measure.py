"""From raw nanoseconds to figures: the timer's own cost, warm-up cut off, percentiles where the samples carry them.

Times come as int64 nanoseconds: for each operation when it ended, counted from the start, and how long it took.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from math import ceil
from typing import Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

from stat7.stress.results import Figure

Clock: TypeAlias = Callable[[], int]
Nanoseconds: TypeAlias = NDArray[np.int64]
Series: TypeAlias = NDArray[np.float64]

BEYOND: Final = 10
"""Samples that must lie beyond a percentile for it to be stated: 1,000 in all for the 99th."""

BLOCKS: Final = 20
LEAST_BLOCKS: Final = 5
LEAST_PER_BLOCK: Final = 4
DRIFT: Final = 0.10
"""A trend, or a difference of halves, is drift when it's over this share of the mean and over SIGNIFICANT standard
errors.
"""

SIGNIFICANT: Final = 3.0
UNSTEADY: Final = 2.0
"""Without a steady state figures count only as far as a factor of this wouldn't change what they say."""

COARSEST_STEP_NS: Final = 10_000
"""A clock that moves in coarser steps can't tell the targets' latencies apart (the tightest is 100,000 ns)."""

Timings: TypeAlias = tuple[Nanoseconds, Nanoseconds]
"""The operations of one worker in their order: when each ended, counted from the common start, and how long it took."""

_MILLISECOND: Final = 1e6
_SECOND: Final = 1e9


@dataclass(frozen=True, slots=True)
class Timer:
    """What an empty timed pair costs (median and 99th percentile), and the clock's smallest step, all in ns."""

    floor_ns: float
    floor_p99_ns: float
    step_ns: float

    @property
    def too_coarse(self) -> bool:
        """Whether nothing that this clock measures can be judged."""
        return self.step_ns > COARSEST_STEP_NS


@dataclass(frozen=True, slots=True)
class Summary:
    """A run of one kind of operation in its steady state.

    `rate` is operations per second of wall time, `blocks` that rate in each block of time, warm-up included, of which
    the first `cut` were left out of everything else; `steady` is False if no steady state was found. `latencies` are
    sorted; `window` is the time that was kept, in ns from the start.
    """

    latencies: Nanoseconds
    rate: float
    blocks: Series
    cut: int
    steady: bool
    window: tuple[int, int]

    @property
    def slack(self) -> float:
        """By which factor figures may be off: 1 in a steady state, else UNSTEADY, or more if the halves differ more."""
        if self.steady or not len(self.blocks):
            return 1.0
        middle = (len(self.blocks) + 1) // 2
        halves = [float(half.mean()) for half in (self.blocks[:middle], self.blocks[middle:]) if len(half)]
        return max(UNSTEADY, max(halves) / max(min(halves), 1e-9))

    def percentile(self, share: float) -> float | None:
        """The latency in ns that `share` of the operations don't exceed; None if fewer than BEYOND lie beyond it."""
        return percentile(self.latencies, share)

    def figures(self, prefix: str = "", *, rate: str | None = None) -> dict[str, Figure]:
        """mean, p50, p95, p99, max in ms and the rate, named with the prefix."""
        count = len(self.latencies)
        mean = float(self.latencies.mean()) / _MILLISECOND if count else None
        most = float(self.latencies[-1]) / _MILLISECOND if count else None
        named = {name: self.percentile(share) for name, share in (("p50", 0.5), ("p95", 0.95), ("p99", 0.99))}
        return {
            rate or f"{prefix}per_second": Figure(self.rate if count else None, "1/s", count),
            f"{prefix}mean": Figure(mean, "ms", count),
            **{
                f"{prefix}{name}": Figure(None if value is None else value / _MILLISECOND, "ms", count)
                for name, value in named.items()
            },
            f"{prefix}max": Figure(most, "ms", count),
        }


def time_the_timer(clock: Clock, pairs: int = 20_000, steps: int = 200, limit_ns: int = 500_000_000) -> Timer:
    """Measure the clock itself, within about half a second even if it moves slowly."""
    costs = np.zeros(pairs, dtype=np.int64)
    begun = clock()
    for index in range(pairs):
        start = clock()
        costs[index] = clock() - start
    smallest = _smallest_step(clock, steps, begun + limit_ns)
    return Timer(float(np.median(costs)), float(np.percentile(costs, 99)), float(smallest))


def _smallest_step(clock: Clock, steps: int, until: int) -> int:
    smallest = 0
    last = clock()
    while steps and last < until:
        now = clock()
        if now != last:
            smallest = min(smallest or now - last, now - last)
            steps -= 1
        last = now
    return smallest


def percentile(ordered: Nanoseconds, share: float) -> float | None:
    """The nearest-rank percentile (0 < share < 1) of sorted values; None if fewer than BEYOND values lie beyond it."""
    count = len(ordered)
    rank = ceil(share * count - 1e-9)
    if count - rank < BEYOND or not rank:
        return None
    return float(ordered[rank - 1])


def steady_from(values: Series) -> int | None:
    """The block from which a series is steady, None if it isn't.

    The warm-up is cut where that leaves the mean of the rest most certain (MSER: White 1997). A series isn't steady if
    the rest still drifts (its slope, or the difference of its halves), or if too little of it is left.
    """
    if len(values) < LEAST_BLOCKS:
        return None
    most = min(len(values) // 2, len(values) - LEAST_BLOCKS)
    cut = min(range(most + 1), key=lambda start: (_uncertainty(values[start:]), start))
    # A warm-up that takes half of the time, or more, is none: what was measured never settled.
    endless = 0 < cut == len(values) // 2
    return None if endless or _drifts(values[cut:]) else cut


def _uncertainty(rest: Series) -> float:
    return float(np.square(rest - rest.mean()).sum()) / len(rest) ** 2


def _drifts(rest: Series) -> bool:
    count, mean = len(rest), float(rest.mean())
    if mean <= 0:
        return True
    at = np.arange(count) - (count - 1) / 2
    slope = float(at @ rest) / float(at @ at)
    spread = float(np.square(rest - mean - slope * at).sum()) / (count - 2)
    slope_error = (spread / float(at @ at)) ** 0.5
    first, second = rest[: count // 2], rest[(count + 1) // 2 :]
    gap = abs(float(first.mean() - second.mean()))
    gap_error = float(first.var(ddof=1) / len(first) + second.var(ddof=1) / len(second)) ** 0.5
    drift = abs(slope) * (count - 1)
    return (drift > DRIFT * mean and abs(slope) > SIGNIFICANT * slope_error) or (
        gap > DRIFT * mean and gap > SIGNIFICANT * gap_error
    )


def summarise(workers: Sequence[Timings]) -> Summary:
    """One summary over the operations of all workers.

    The time until the first worker ran out of work is cut into blocks; what came later, with fewer workers, is left
    out.
    """
    length = min((int(ends[-1]) for ends, _ in workers if len(ends)), default=0)
    ends = _within([ends for ends, _ in workers], workers, 0, length)
    count = max(1, min(BLOCKS, len(ends) // LEAST_PER_BLOCK)) if length else 0
    if not count:
        return Summary(ends, 0.0, np.zeros(0), 0, False, (0, 0))
    width = length / count
    block = np.clip(np.ceil(ends / width).astype(np.int64) - 1, 0, count - 1)
    rates = np.bincount(block, minlength=count) / (width / _SECOND)
    cut = steady_from(rates)
    first = round((cut or 0) * width)
    kept = _within([durations for _, durations in workers], workers, first, length)
    return Summary(np.sort(kept), float(rates[cut or 0 :].mean()), rates, cut or 0, cut is not None, (first, length))


def part_of(whole: Summary, workers: Sequence[Timings]) -> Summary:
    """The same for some of the operations behind `whole` (its reads, say), over the time that `whole` kept."""
    first, last = whole.window
    kept = _within([durations for _, durations in workers], workers, first, last)
    rate = len(kept) / (last - first) * _SECOND if last > first else 0.0
    return replace(whole, latencies=np.sort(kept), rate=rate)


def _within(values: Sequence[Nanoseconds], workers: Sequence[Timings], first: int, last: int) -> Nanoseconds:
    """Those of the workers' values whose operation ended after `first`, and at `last` at the latest."""
    parts = [part[(ends > first) & (ends <= last)] for part, (ends, _) in zip(values, workers, strict=True)]
    return np.concatenate(parts) if parts else np.zeros(0, dtype=np.int64)
