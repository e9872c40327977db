"""From raw nanoseconds to figures: the timer's own cost, warm-up cut off, percentiles where the samples carry them.

Times come as int64 nanoseconds: for each operation when it ended, counted from the start, and how long it took.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from math import ceil
from typing import Any, Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

from stat7.stress.histogram import Counts, Histogram, Nanoseconds, buckets_of, middle_of
from stat7.stress.results import Figure
from stat7.stress.statistics import t_value

Clock: TypeAlias = Callable[[], int]
Series: TypeAlias = NDArray[np.float64]
Interval: TypeAlias = tuple[float, float]

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

RESAMPLES: Final = 1000
CONFIDENCE: Final = 0.95
"""Of every interval."""

PERCENTILES: Final = (("p50", 0.5), ("p95", 0.95), ("p99", 0.99))

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
    sorted; `window` is the time that was kept, in ns from the start. `at` and `inside` are, for each operation, its
    block and its latency in the order of time, warm-up included.
    """

    latencies: Nanoseconds
    rate: float
    blocks: Series
    cut: int
    steady: bool
    window: tuple[int, int]
    at: Nanoseconds
    inside: Nanoseconds

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

    def figures(self, prefix: str = "", *, rate: str | None = None, each: int = 1) -> dict[str, Figure]:
        """mean, p50, p95, p99, max in ms and the rate, named with the prefix, with intervals (none for the max).

        An operation handles `each` entities: rate and samples count entities.
        """
        count = len(self.latencies) * each
        spread = self.intervals()
        mean = float(self.latencies.mean()) / _MILLISECOND if count else None
        most = float(self.latencies[-1]) / _MILLISECOND if count else None
        named = {name: self.percentile(share) for name, share in PERCENTILES}
        return {
            rate or f"{prefix}per_second": Figure(
                self.rate * each if count else None, "1/s", count, _scaled(spread.get("rate"), each)
            ),
            f"{prefix}mean": Figure(mean, "ms", count, _scaled(spread.get("mean"), 1 / _MILLISECOND)),
            **{
                f"{prefix}{name}": Figure(None, "ms", count)
                if value is None
                else Figure(value / _MILLISECOND, "ms", count, _scaled(spread.get(name), 1 / _MILLISECOND))
                for name, value in named.items()
            },
            f"{prefix}max": Figure(most, "ms", count),
        }

    def intervals(self) -> dict[str, Interval]:
        """Of the rate (1/s) and of the mean and percentiles (ns): by bootstrap over the blocks that were kept.

        Blocks are drawn whole, with replacement, so that what disturbs an operation and its neighbours counts as one
        disturbance (Künsch 1989). Few blocks make the ends of a bootstrap lie too near: they are moved outwards by the
        ratio of Student's to the normal distribution. Empty if fewer than LEAST_BLOCKS blocks were kept.
        """
        count = len(self.blocks) - self.cut
        if count < LEAST_BLOCKS or not len(self.latencies):
            return {}
        table, sums, middles = self._by_block(count)
        weights = np.random.default_rng(count).multinomial(count, np.full(count, 1 / count), size=RESAMPLES)
        numbers = weights @ table.sum(axis=1)
        held = numbers > 0
        weights, numbers = weights[held], numbers[held]
        drawn = {"rate": weights @ self.blocks[self.cut :] / count, "mean": weights @ sums / numbers}
        exact = {"rate": self.rate, "mean": float(self.latencies.mean())}
        reached = np.cumsum(weights @ table, axis=1)
        for name, share in PERCENTILES:
            value = self.percentile(share)
            if value is None:
                continue
            exact[name] = value
            ranks = np.maximum(1, np.ceil(share * numbers - 1e-9))
            drawn[name] = middles[(reached >= ranks[:, None]).argmax(axis=1)]
        return {name: _around(exact[name], values, count) for name, values in drawn.items()}

    def histogram(self) -> dict[str, Any]:
        """The latencies that were kept, as they stand in the results."""
        return Histogram.of(self.latencies).as_dict()

    def series(self) -> dict[str, Any]:
        """The run over time, warm-up included, as it stands in the results: rate, median and worst of each block."""
        ordered = [np.sort(self.inside[self.at == block]) for block in range(len(self.blocks))]
        medians = [float(np.median(part)) / _MILLISECOND if len(part) else None for part in ordered]
        return {
            "block_seconds": self.window[1] / _SECOND / max(len(self.blocks), 1),
            "warm_up_blocks": self.cut,
            "steady": self.steady,
            "per_second": [round(float(rate), 3) for rate in self.blocks],
            "median_ms": medians,
            "max_ms": [float(part[-1]) / _MILLISECOND if len(part) else None for part in ordered],
        }

    def _by_block(self, count: int) -> tuple[Counts, Series, Series]:
        """For each block that was kept: how many latencies fall into each bucket, and their sum; and the buckets'
        middles.
        """
        kept = self.at >= self.cut
        latencies, at = self.inside[kept], self.at[kept] - self.cut
        found, places = np.unique(buckets_of(latencies), return_inverse=True)
        table: Counts = np.bincount(at * len(found) + places, minlength=count * len(found)).astype(np.int64)
        table = table.reshape(count, len(found))
        sums: Series = np.bincount(at, weights=latencies, minlength=count).astype(np.float64)
        return table, sums, middle_of(found)


def _scaled(interval: Interval | None, factor: float) -> Interval | None:
    return None if interval is None else (interval[0] * factor, interval[1] * factor)


def _around(exact: float, drawn: Series, count: int) -> Interval:
    """The middle CONFIDENCE of what was drawn, moved outwards from the exact figure as so few blocks ask for."""
    tail = (1 - CONFIDENCE) / 2
    low, high = np.quantile(drawn, (tail, 1 - tail))
    wider = t_value(CONFIDENCE, count - 1) / t_value(CONFIDENCE) * (count / (count - 1)) ** 0.5
    least = max(0.0, exact - wider * max(0.0, exact - float(low)))
    return least, exact + wider * max(0.0, float(high) - exact)


def bootstrap(values: Sequence[float]) -> Interval | None:
    """The interval of the mean of some values of equal standing; None if they are fewer than LEAST_BLOCKS."""
    each = np.asarray(values, dtype=np.float64)
    if len(each) < LEAST_BLOCKS:
        return None
    chosen = np.random.default_rng(len(each)).integers(0, len(each), size=(RESAMPLES, len(each)))
    return _around(float(each.mean()), each[chosen].mean(axis=1), len(each))


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
    return None if endless or drifts(values[cut:]) else cut


def _uncertainty(rest: Series) -> float:
    return float(np.square(rest - rest.mean()).sum()) / len(rest) ** 2


def drifts(rest: Series) -> bool:
    """Whether the mean of a series moves: its trend, or the difference of its halves, is drift (DRIFT, SIGNIFICANT)."""
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
    ends, durations = _until(length, workers)
    count = max(1, min(BLOCKS, len(ends) // LEAST_PER_BLOCK)) if length else 0
    if not count:
        return Summary(ends, 0.0, np.zeros(0), 0, False, (0, 0), ends, durations)
    at, rates = _blocks(ends, length, count)
    steady = steady_from(rates)
    cut = steady or 0
    kept = np.sort(durations[at >= cut])
    first = round(cut * (length / count))
    rate = float(rates[cut:].mean())
    return Summary(kept, rate, rates, cut, steady is not None, (first, length), at, durations)


def part_of(whole: Summary, workers: Sequence[Timings]) -> Summary:
    """The same for some of the operations behind `whole` (its reads, say), over the time that `whole` kept."""
    first, last = whole.window
    count = len(whole.blocks)
    ends, durations = _until(last, workers)
    if not count:
        return replace(whole, latencies=ends, at=ends, inside=durations)
    at, rates = _blocks(ends, last, count)
    kept = np.sort(durations[at >= whole.cut])
    rate = len(kept) / (last - first) * _SECOND if last > first else 0.0
    return replace(whole, latencies=kept, rate=rate, blocks=rates, at=at, inside=durations)


def _blocks(ends: Nanoseconds, length: int, count: int) -> tuple[Counts, Series]:
    """In which of `count` equal blocks of time each operation ended, and the operations per second of each block."""
    width = length / count
    at: Counts = np.clip(np.ceil(ends / width).astype(np.int64) - 1, 0, count - 1)
    return at, np.bincount(at, minlength=count) / (width / _SECOND)


def _until(length: int, workers: Sequence[Timings]) -> Timings:
    """Ends and durations of all workers' operations that ended by then."""
    none = np.zeros(0, dtype=np.int64)
    early = [ends <= length for ends, _ in workers]
    return (
        np.concatenate([none, *(ends[part] for part, (ends, _) in zip(early, workers, strict=True))]),
        np.concatenate([none, *(durations[part] for part, (_, durations) in zip(early, workers, strict=True))]),
    )
