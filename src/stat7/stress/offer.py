"""Offering a store requests at a given rate, by a crew of worker processes, and what came of it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from stat7.stress.context import SILENCE, Context
from stat7.stress.histogram import Nanoseconds
from stat7.stress.measure import LEAST_PER_BLOCK, Summary, drifts, percentile
from stat7.stress.results import Figure, exact
from stat7.stress.tasks.arrivals import Arrivals, AtOnce
from stat7.stress.tasks.paced import BUSY, GO, NO_GOOD, Load, PacedWorker, Plan
from stat7.stress.workers import Crew, run_together

WARM_UP: Final = 0.2
"""The share of the time that is left out of every figure. It is set beforehand: a cut that follows the data could cut
off a stall.
"""

LATE_MS: Final = 25.0
"""A generator whose 99th percentile of lateness (the 95th, if there are too few requests) is over this, with a store
that does nothing, can't keep a schedule. It's half of the latency that is usually bounded.
"""

KEPT: Final = 0.95
"""The share of requests that it must have sent in time for that."""

ENOUGH: Final = 1100
"""Requests to plan for a 99th percentile: Poisson arrivals make it fewer than 1,000 only once in a thousand times."""

GROWTH: Final = 1.5
"""Latencies vary more than rates: they aren't steady where they drift and one half's mean is so many times the other's.
"""

_PARTS: Final = 5
_MOST_BLOCKS: Final = 20
_CEILING_REQUESTS: Final = 20_000
_CEILING_SECONDS: Final = 0.25
_IDLE_SECONDS: Final = (0.3, 1.0)
_SECOND: Final = 1_000_000_000
_MILLISECOND: Final = 1e6


@dataclass(frozen=True, slots=True)
class Offered:
    """Requests of all lanes, those that were sent, by when they were due (ns from the start).

    `expected` is how many were to be planned, by the rate. `ends` are when they were answered, `kinds` numbers in
    `names`, or NO_GOOD; `lateness` is BUSY where the lane still waited. The first WARM_UP of `length` ns is warm-up.
    """

    expected: float
    length: int
    names: tuple[str, ...]
    planned: int
    due: Nanoseconds
    ends: Nanoseconds
    kinds: NDArray[np.uint8]
    lateness: Nanoseconds
    errors: int
    wrong: int
    first_error: str

    @property
    def sent(self) -> int:
        """Requests that were sent."""
        return len(self.due)

    @property
    def first(self) -> int:
        """Where the warm-up ends, in ns."""
        return round(self.length * WARM_UP)

    @property
    def seconds(self) -> float:
        """The time that counts."""
        return (self.length - self.first) / _SECOND

    def backlog(self, at: float) -> int:
        """Requests due before then (ns) that hadn't been answered."""
        return int(((self.due < at) & (self.ends > at)).sum()) + self.planned_beyond

    @property
    def planned_beyond(self) -> int:
        """Planned requests that were never sent."""
        return self.planned - self.sent

    @property
    def due_in_time(self) -> int:
        """Requests due after the warm-up."""
        return int((self.due >= self.first).sum())

    @property
    def answered_share(self) -> float:
        """Good answers within the time that counts, to the requests due in it."""
        good = (self.kinds != NO_GOOD) & (self.ends >= self.first) & (self.ends < self.length)
        return int(good.sum()) / max(1, self.due_in_time + self.planned_beyond)

    def summaries(self) -> dict[str, Summary]:
        """All good answers (`all`), and those of each kind.

        Latencies belong to the block in which their request was due, so that none is left out for having come too
        late; rates are of the answers that came in each block. Steady: the mean latency doesn't drift (GROWTH).
        """
        count = max(1, min(_MOST_BLOCKS, self.sent // LEAST_PER_BLOCK) // _PARTS) * _PARTS
        good = self.kinds != NO_GOOD
        whole = self._summary(good, count, steady=True)
        steady = self._is_steady(whole)
        chosen = {"all": good, **{name: self.kinds == number for number, name in enumerate(self.names)}}
        return {name: self._summary(part, count, steady) for name, part in chosen.items()}

    def lateness_summary(self) -> Summary:
        """How late requests were sent whose lane was idle: the generator's own doing, and the machine's."""
        count = max(1, min(_MOST_BLOCKS, self.sent // LEAST_PER_BLOCK) // _PARTS) * _PARTS
        return self._summary(self.lateness != BUSY, count, steady=True, values=self.lateness)

    def _summary(
        self, chosen: NDArray[np.bool_], count: int, steady: bool, values: Nanoseconds | None = None
    ) -> Summary:
        width, cut = self.length / count, count // _PARTS
        inside = (self.ends - self.due if values is None else values)[chosen]
        at = np.clip((self.due[chosen] / width).astype(np.int64), 0, count - 1)
        ended = (self.ends[chosen] / width).astype(np.int64)
        blocks = np.bincount(ended[ended < count], minlength=count) / (width / _SECOND)
        kept = np.sort(inside[at >= cut])
        return Summary(kept, float(blocks[cut:].mean()), blocks, cut, steady, (self.first, self.length), at, inside)

    def _is_steady(self, whole: Summary) -> bool:
        kept = len(whole.blocks) - whole.cut
        numbers = np.bincount(whole.at, minlength=len(whole.blocks))[whole.cut :]
        if kept < _PARTS or not numbers.all():
            return False
        sums = np.bincount(whole.at, weights=whole.inside, minlength=len(whole.blocks))[whole.cut :]
        means = sums / numbers
        halves = sorted(float(half.mean()) for half in np.array_split(means, 2))
        return not (drifts(means) and halves[1] > GROWTH * halves[0])

    def figures(self, summaries: Mapping[str, Summary]) -> dict[str, Figure]:
        """Rates, latencies from when requests were due, counts, backlog, and the generator's lateness."""
        due = self.due_in_time + self.planned_beyond
        figures = {"offered_per_second": exact(due / self.seconds, "1/s", due)}
        figures |= summaries["all"].figures(rate="answered_per_second")
        for name in self.names:
            figures |= summaries[name].figures(f"{name}_")
        late = self.lateness_summary().figures("generator_lateness_")
        figures |= {name: _in_microseconds(figure) for name, figure in late.items() if figure.unit == "ms"}
        counts = {"planned": self.planned, "sent": self.sent, "answered": self.sent - self.errors}
        figures |= {name: exact(count, "requests", self.planned) for name, count in counts.items()}
        figures["answered_share"] = exact(self.answered_share, "1", due)
        figures["backlog_at_half"] = exact(self.backlog((self.first + self.length) / 2), "requests", due)
        figures["backlog_at_end"] = exact(self.backlog(self.length), "requests", due)
        figures["errors"] = exact(self.errors, "operations", self.sent)
        figures["error_share"] = exact(self.errors / max(1, self.sent), "1", self.sent)
        return figures

    def never_sent(self) -> str | None:
        """Why the measurement is void: the schedule wasn't kept."""
        if abs(self.planned - self.expected) > 6 * self.expected**0.5 + 1:
            return f"open loop: {self.planned} requests were planned, where the rate asks for {self.expected:.0f}"
        if not self.planned_beyond:
            return None
        return f"open loop: {self.planned_beyond} of {self.planned} planned requests were never sent"


@dataclass(frozen=True, slots=True)
class Ability:
    """What the generator can do with a store that does nothing, at the rate that is asked of it."""

    rate: float
    ceiling: float
    kept: float
    late_ms: float | None

    def figures(self) -> dict[str, Figure]:
        """As they stand in the results."""
        figures = {"generator_ceiling": Figure(self.ceiling, "1/s", 1), "generator_kept": Figure(self.kept, "1", 1)}
        return figures | {"generator_alone_lateness": _in_microseconds(Figure(self.late_ms, "ms", 1))}

    def too_weak(self) -> str | None:
        """Why it can't offer this rate, None if it can."""
        if self.kept < KEPT:
            return (
                f"generator saturated: of {self.rate:,.0f}/s it sent only {self.kept:.0%} in time to a store that does "
                "nothing"
            )
        if self.late_ms is not None and self.late_ms > LATE_MS:
            return (
                f"generator saturated: at {self.rate:,.0f}/s to a store that does nothing requests were sent up to "
                f"{self.late_ms:.1f} ms late (99th percentile, or 95th of few)"
            )
        return None


@dataclass(slots=True)
class Offering:
    """A crew that is ready to offer; made by `offering`."""

    load: Load
    crew: Crew
    seed: int
    told: list[tuple[int, Mapping[str, Mapping[str, Any]]]] = field(default_factory=list)

    def offer(self, arrivals: Arrivals, seconds: float, idle: bool = False) -> Offered:
        """Offer requests for so many seconds that count, after a warm-up; all are sent, however late.

        What isn't sent within three times the time, and 5 s, is given up. Raises WorkerFailed.
        """
        whole = seconds / (1 - WARM_UP)
        return self._carry_out(Plan(arrivals, whole, self._next_seed(), 3 * whole + 5, idle), int(whole * _SECOND))

    def ability(self, arrivals: Arrivals) -> Ability:
        """Measure the generator itself: at most, and at this rate. If it seems too weak it has a second chance."""
        first = self._ability(arrivals)
        if first.too_weak() is None:
            return first
        second = self._ability(arrivals)
        return second if second.too_weak() is None else first

    def _ability(self, arrivals: Arrivals) -> Ability:
        rate = arrivals.rate
        least, most = _IDLE_SECONDS
        alone = self.offer(arrivals, min(most, max(least, ENOUGH / rate)), idle=True)
        late = np.sort(alone.lateness[alone.lateness != BUSY])
        high = next((found for share in (0.99, 0.95) if (found := percentile(late, share)) is not None), None)
        kept = 1 - alone.backlog(alone.length) / max(1, alone.planned)
        return Ability(rate, self.ceiling(), kept, None if high is None else high / _MILLISECOND)

    def ceiling(self) -> float:
        """Requests per second that all lanes can send to a store that does nothing."""
        plan = Plan(AtOnce(_CEILING_REQUESTS), 0.0, self._next_seed(), _CEILING_SECONDS, True)
        self.crew.order(plan, SILENCE)
        lanes = self._go(SILENCE)
        return float(sum(lane["sent"] / max(_last(lane), 1) * _SECOND for lane in lanes))

    def _carry_out(self, plan: Plan, length: int) -> Offered:
        self.crew.order(plan, SILENCE)
        lanes = self._go(plan.patience + SILENCE)
        due, ends, lateness = [], [], []
        for lane in lanes:
            end = np.frombuffer(lane["ends"], dtype=np.int64)
            ends.append(end)
            due.append(end - np.frombuffer(lane["durations"], dtype=np.int64))
            lateness.append(np.frombuffer(lane["lateness"], dtype=np.int64))
        kinds = np.concatenate([np.frombuffer(lane["kinds"], dtype=np.uint8) for lane in lanes])
        if not plan.idle:
            self.told += [(lane["lane"], lane["told"]) for lane in lanes]
        return Offered(
            plan.arrivals.expected(plan.seconds),
            length,
            tuple(self.load.weights),
            sum(lane["planned"] for lane in lanes),
            np.concatenate(due),
            np.concatenate(ends),
            kinds,
            np.concatenate(lateness),
            sum(lane["errors"] for lane in lanes),
            sum(lane["wrong"] for lane in lanes),
            next((lane["first_error"] for lane in lanes if lane["wrong"]), ""),
        )

    def _go(self, silence: float) -> list[Mapping[str, Any]]:
        return [lane for hand in self.crew.order(GO, silence) for lane in hand["lanes"]]

    def _next_seed(self) -> int:
        self.seed += 1
        return self.seed


def _in_microseconds(figure: Figure) -> Figure:
    """A figure in milliseconds that may well be below what the timer costs: it's no latency of anything measured."""
    value = None if figure.value is None else figure.value * 1000
    interval = None if figure.interval is None else (figure.interval[0] * 1000, figure.interval[1] * 1000)
    return Figure(value, "us", figure.samples, interval)


def _last(lane: Mapping[str, Any]) -> int:
    """When the last request of a lane ended, in ns."""
    ends = np.frombuffer(lane["ends"], dtype=np.int64)
    return int(ends[-1]) if len(ends) else 0


@contextmanager
def offering(context: Context, load: Load, workers: int, threads: int, seed: int) -> Iterator[Offering]:
    """A crew of `workers` processes with `threads` lanes each. What they may have written is told to the housing."""
    lanes = workers * threads
    hands = [PacedWorker(context.subject, load, worker, lanes, threads) for worker in range(workers)]
    wrote = {lane: load.room(lane) for lane in range(lanes)}  # at most, which is all that is known if a worker fails
    try:
        with Crew(hands, SILENCE + 3 * workers) as crew:
            made = Offering(load, crew, seed)
            yield made
        last = dict(made.told)
        wrote = {lane: load.written(lane, last.get(lane, {})) for lane in range(lanes)}
    finally:
        for indexes in wrote.values():
            if indexes:
                context.housing.wrote(indexes)


def look_back(load: Load, told: Sequence[tuple[int, Mapping[str, Mapping[str, Any]]]]) -> tuple[int, int]:
    """How many acknowledged writes are lost, and how many were looked for, by a process that had no part in it."""
    task = load.read_back(told)
    if task is None:
        return 0, 0
    (back,) = run_together([task], seconds=SILENCE)
    return back["lost"], back["looked"]


def wrong_answers(offered: Offered) -> str | None:
    """Why a measurement is void: answers were wrong."""
    if not offered.wrong:
        return None
    return f"re-hashed reads: {offered.wrong} wrong answers under load, the first: {offered.first_error}"


def lost_writes(lost: int, looked: int) -> str | None:
    """Why a measurement is void: acknowledged writes were lost."""
    return f"acknowledged writes read back: {lost} of {looked} are not there as they were put" if lost else None
