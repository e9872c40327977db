"""Where it breaks: the highest rate of requests that a store holds, and the largest scale, each as an interval whose
ends are confirmed.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from math import inf, sqrt
from typing import Final

from stat7.stress.context import SATURATED, Context, Stage, one_line
from stat7.stress.offer import ENOUGH, WARM_UP, Offered, Offering, look_back, lost_writes, offering, wrong_answers
from stat7.stress.results import BreakingPoint, Figure, Probe, Results, Target, TestResult, Verdict
from stat7.stress.targets import judge
from stat7.stress.tasks.arrivals import Arrivals, Poisson
from stat7.stress.tasks.paced import Load
from stat7.stress.tests import concurrent, lookup
from stat7.stress.tests.paced import usual

CRITERION: Final = (Target("p99", "<=", 50, "ms"), Target("errors", "==", 0, "operations"))
"""Where the profile says nothing of `paced`."""

ANSWERED: Final = Target("answered_share", ">=", 0.95, "1")

CONFIRMATIONS: Final = 3
CLOSE: Final = 1.1
"""The interval is narrow enough when its upper end is at most so many times the lower."""

PART: Final = 1
"""Of the writes' indexes: see tasks.writing.paced_from."""

GENERATOR: Final = "generator"
WRONG: Final = "correctness"
SAMPLES: Final = "samples"
_NOT_THE_STORE: Final = {
    GENERATOR: "the harness gave out, not the store",
    SAMPLES: "there were too few requests to judge",
}
_START: Final = 0.3
_FACTOR: Final = 1.6
_LOWEST: Final = 1 / 64
_MOST_PROBES: Final = 60
_LONGEST: Final = 15.0
_LOOKED_AT: Final = ("offered_per_second", "answered_per_second", "answered_share", "p50", "p99", "errors",
                     "backlog_at_half", "backlog_at_end")  # fmt: skip


@dataclass(slots=True)
class Search:
    """Looks for the edge between levels that hold and those that don't, one probe after the other.

    A level holds if most of its probes did. `start` is the first level, `most` one that can't be gone beyond.
    """

    start: float
    most: float = inf
    probes: list[Probe] = field(default_factory=list)

    def agreeing(self, level: float) -> int:
        """How many probes say about a level what most of them say."""
        said = [probe.held for probe in self.probes if probe.level == level]
        return max(said.count(True), said.count(False))

    @property
    def failed(self) -> float | None:
        """The lowest level that doesn't hold."""
        return min((level for level in self._levels() if self._balance(level) < 0), default=None)

    @property
    def held(self) -> float | None:
        """The highest level below that which holds."""
        below = inf if self.failed is None else self.failed
        return max((level for level in self._levels() if level < below and self._balance(level) > 0), default=None)

    @property
    def next(self) -> float | None:
        """The level to probe next; None when both ends are near and confirmed, or there is nowhere to go."""
        torn = [level for level in self._levels() if not self._balance(level)]
        if torn:
            return torn[0]
        held, failed = self.held, self.failed
        if held is None:
            lower = self.start if failed is None else failed / _FACTOR
            return lower if lower >= self.start * _LOWEST else None
        if failed is None and held < self.most:
            return min(self.most, held * _FACTOR)
        if failed is not None and failed > held * CLOSE:
            return sqrt(failed * held)
        least = min((level for level in (failed, held) if level is not None), key=self.agreeing)
        return least if self.agreeing(least) < CONFIRMATIONS else None

    @property
    def confirmations(self) -> int:
        """How many probes agree on each end that was found, at least."""
        ends = [level for level in (self.held, self.failed) if level is not None]
        return min((self.agreeing(level) for level in ends), default=0)

    def why(self, level: float) -> str:
        """What the last probe said that found that a level doesn't hold."""
        return next(probe.why for probe in reversed(self.probes) if probe.level == level and not probe.held)

    def _levels(self) -> list[float]:
        return sorted({probe.level for probe in self.probes})

    def _balance(self, level: float) -> int:
        said = [probe.held for probe in self.probes if probe.level == level]
        return said.count(True) - said.count(False)


@dataclass(slots=True)
class _Prober:
    """Tries a rate on a crew that is kept for all of them."""

    offer: Offering
    arrivals: Callable[[float], Arrivals]
    targets: Sequence[Target]
    lanes: int
    seconds: float
    able: float = 0.0
    """The highest rate that the generator has shown to manage by itself."""

    def probe(self, level: float) -> tuple[Probe, str]:
        """Offer it; also what gave out first, "" if nothing did."""
        planned = self.arrivals(level)
        offered = self.offer.offer(planned, self._measured(level))
        figures = offered.figures(offered.summaries())
        gave_out, why = self._judge(offered, figures)
        if gave_out not in ("", WRONG, SAMPLES) and level > self.able:
            ability = self.offer.ability(planned)
            weak = ability.too_weak()
            if weak:
                gave_out, why = GENERATOR, weak
            else:
                self.able = level
        shown = {name: figures[name] for name in _LOOKED_AT}
        return Probe(level, not gave_out, one_line(why), shown), gave_out

    def takes(self, level: float) -> float:
        """Seconds that a probe takes, if the store keeps up."""
        return self._measured(level) / (1 - WARM_UP)

    def _measured(self, level: float) -> float:
        return max(self.seconds, min(_LONGEST, ENOUGH / level))

    def _judge(self, offered: Offered, figures: Mapping[str, Figure]) -> tuple[str, str]:
        wrong = wrong_answers(offered)
        if wrong:
            return WRONG, wrong
        unsent = offered.never_sent()
        if unsent:
            return "backlog", f"{unsent}: they were given up"
        plain = {name: _plain(figure) for name, figure in figures.items()}
        for target in (*self.targets, ANSWERED):
            verdict, why = judge([target], plain)
            if verdict is Verdict.NO_DATA:
                return SAMPLES, why
            if verdict is not Verdict.PASS:
                return target.figure, why
        end, half = offered.backlog(offered.length), offered.backlog((offered.first + offered.length) / 2)
        if end > half and end > max(self.lanes, offered.due_in_time / offered.seconds * self._patience):
            return "backlog", f"backlog growing: {half} requests waited at half of the time, {end} at its end"
        return "", "held"

    @property
    def _patience(self) -> float:
        """Seconds of work that may lie unanswered: the bound on the 99th percentile, since that is how long they'd
        wait.
        """
        bounds = [target.value for target in self.targets if target.figure == "p99" and target.unit == "ms"]
        return min(bounds, default=50.0) / 1000


def _plain(figure: Figure) -> Figure:
    """The figure as if it were exact: here repeated probes say how sure it is."""
    return figure if figure.value is None else replace(figure, interval=(figure.value, figure.value))


def rate(
    context: Context,
    stage: Stage,
    closed_loop: float | None,
    *,
    workers: int = 4,
    threads: int = 1,
    seconds: float = 0.7,
    limit: float = 12.0,
    load: Load | None = None,
    arrivals: Callable[[float], Arrivals] = Poisson,
) -> BreakingPoint:
    """The highest rate of requests at which the profile's targets for `paced` hold.

    From a fraction of the `closed_loop` rate upwards, then by bisection. A probe takes `seconds`, or what it takes for
    a 99th percentile; none is begun that would end more than `limit` seconds after the first was. Raises WorkerFailed,
    Stat7Error and OSError.
    """
    begun, share = time.monotonic(), context.budget.begin("breaking rate", stage.scale)
    targets = context.profile.of("paced") or CRITERION
    found = _Rate(stage.scale, _criterion(targets, workers * threads), begun)
    if load is None:
        if stage.location is None or stage.digests is None:
            return found.nothing(stage.broken or stage.lacking)
        load = usual(stage, PART)
    if not closed_loop:
        return found.nothing("no rate to begin with: the closed loop before gave none")
    with offering(context, load, workers, threads, context.workload.seed + PART) as offer:
        prober = _Prober(offer, arrivals, targets, workers * threads, seconds)
        most = SATURATED * offer.ceiling()
        search = Search(min(closed_loop * _START, most), most)
        found.look(prober, search, time.monotonic() + limit * share, context)
    lost = lost_writes(*look_back(load, offer.told))
    return found.result(search, lost)


@dataclass(slots=True)
class _Rate:
    """What becomes the breaking point. `gave_out` holds, by level, what gave out there last."""

    scale: int
    criterion: str
    begun: float
    gave_out: dict[float, str] = field(default_factory=dict)

    def look(self, prober: _Prober, search: Search, until: float, context: Context) -> None:
        """Probe until the search is over, or the time."""
        while (level := search.next) is not None and len(search.probes) < _MOST_PROBES:
            if time.monotonic() + prober.takes(level) > until:
                return
            probe, gave_out = prober.probe(level)
            search.probes.append(probe)
            context.tell(len(search.probes), None)
            if gave_out:
                self.gave_out[level] = gave_out
            if gave_out == WRONG:
                return

    def result(self, search: Search, lost: str | None) -> BreakingPoint:
        """The interval, or why there is none."""
        wrong = lost or next((search.why(level) for level, what in self.gave_out.items() if what == WRONG), None)
        if wrong:
            return self._point(None, None, WRONG, 0, wrong, search.probes)
        held, failed, sure = search.held, search.failed, search.confirmations
        if failed is not None and self.gave_out[failed] in _NOT_THE_STORE:
            what = self.gave_out[failed]
            why = f"at {failed:,.0f}/s {_NOT_THE_STORE[what]}: {search.why(failed)}"
            return self._point(held, None, what, sure, why, search.probes)
        if failed is not None:
            why = f"at {failed:,.0f}/s {search.why(failed)}{self._open(search)}"
            return self._point(held, failed, self.gave_out[failed], sure, why, search.probes)
        if held is not None and held >= search.most:
            why = f"held up to {held:,.0f}/s, {SATURATED:.0%} of what the harness itself can do: {GENERATOR} saturated"
            return self._point(held, None, GENERATOR, sure, why, search.probes)
        tried = len(search.probes)
        why = f"the time was over before any rate failed: {tried} probes, each as long as a 99th percentile takes"
        return self._point(held, None, None, sure, why, search.probes)

    def _open(self, search: Search) -> str:
        """What is missing from the interval, if anything."""
        if search.held is None:
            return "; no rate was found that holds"
        if search.next is not None:
            return f"; the time was over before both ends were near and confirmed {CONFIRMATIONS} times"
        return ""

    def nothing(self, why: str) -> BreakingPoint:
        """Nothing could be tried."""
        return self._point(None, None, None, 0, why, [])

    def _point(
        self, held: float | None, failed: float | None, what: str | None, sure: int, why: str, probes: Sequence[Probe]
    ) -> BreakingPoint:
        seconds = round(time.monotonic() - self.begun, 3)
        return BreakingPoint(
            "rate", self.scale, self.criterion, "1/s", held, failed, what, sure, one_line(why), probes, seconds
        )


def _criterion(targets: Sequence[Target], lanes: int) -> str:
    wanted = ", ".join(f"{target.figure} {target.relation} {target.value:g} {target.unit}" for target in targets)
    return f"open loop by {lanes} lanes: {wanted}, {ANSWERED.value:.0%} answered in time, no growing backlog"


_JUDGED: Final = ("lookup", "concurrent")
_LOOKUP_SECONDS: Final = 0.4


def scale(context: Context, results: Results, limit: float = 15.0) -> BreakingPoint:
    """The largest scale at which the targets of `lookup` and `concurrent` hold, by the tests of this run.

    Both ends are confirmed by repeating tests on the stores that are still there, each end in turn; after `limit`
    seconds no other is begun. Raises WorkerFailed, Stat7Error and OSError.
    """
    begun = time.monotonic()
    until = begun + limit * context.budget.begin("breaking scale", context.mode.scales[-1])
    scales = _Scales([test for test in results.tests if test.name in _JUDGED])
    while time.monotonic() < until:
        test = scales.to_repeat(context)
        if test is None:
            break
        scales.add(test, _repeat(context, test, scales.times(test)))
    return scales.result(context, round(time.monotonic() - begun, 3))


class _Scales:
    """What tests said about scales: of each test all its repetitions, the run's own first."""

    def __init__(self, tests: Sequence[TestResult]) -> None:
        self.said = {_which(test): [test] for test in tests}
        self.probes = [_probe(test) for test in tests if test.verdict in _CLEAR]

    def add(self, test: TestResult, repeated: TestResult) -> None:
        """Note a repetition."""
        self.said[_which(test)].append(repeated)
        if repeated.verdict in _CLEAR:
            self.probes.append(_probe(repeated))

    def times(self, test: TestResult) -> int:
        """How often a test was repeated."""
        return len(self.said[_which(test)]) - 1

    @property
    def failed(self) -> int | None:
        """The smallest scale at which a test failed more often than not."""
        return min((each[0].scale for each in self.said.values() if _balance(each) < 0), default=None)

    @property
    def held(self) -> int | None:
        """The largest scale below that at which every test passed more often than not."""
        below = inf if self.failed is None else self.failed
        whole = [scale for scale in self._scales() if all(_balance(each) > 0 for each in self._at(scale))]
        return max((scale for scale in whole if scale < below), default=None)

    def to_repeat(self, context: Context) -> TestResult | None:
        """The test at one of the ends that was confirmed least; None if all are, or can't be."""
        ends = [self._deciding(scale) for scale in (self.failed, self.held) if scale is not None]
        torn = [each for each in self.said.values() if not _balance(each) and _agreeing(each)]
        wanting = [
            each
            for tests in (torn, *ends)
            for each in tests
            if _agreeing(each) < CONFIRMATIONS and len(each) <= _REPETITIONS and _can_repeat(context, each[0])
        ]
        return min(wanting, key=_agreeing)[0] if wanting else None

    def result(self, context: Context, seconds: float) -> BreakingPoint:
        """The interval, and why it ends there."""
        held, failed = self.held, self.failed
        deciding = [each for scale in (failed, held) if scale is not None for each in self._deciding(scale)]
        sure = min(map(_agreeing, deciding), default=0)
        what = None
        if failed is not None:
            first = next(test for test in self._deciding(failed)[0] if test.verdict is Verdict.FAIL)
            what, why = _which(first)[0], f"at {failed:,}: {first.name} {first.variant}: {first.why}"
        elif self.said:
            why = f"not reached up to {max(self._scales()):,}"
        else:
            why = "nothing was measured that could tell"
        vague = sorted({each[0].scale for each in self.said.values() if not _balance(each)})
        if vague:
            why += f"; not decided at {', '.join(f'{scale:,}' for scale in vague)}"
        if deciding and sure < CONFIRMATIONS:
            why += f"; ends confirmed {sure} of {CONFIRMATIONS} times"
        largest = max(self._scales(), default=context.mode.scales[-1])
        criterion = f"the targets of lookup, and of concurrent where it's measured, in profile {context.profile.name}"
        return BreakingPoint(
            "scale", largest, criterion, "entities", held, failed, what, sure, one_line(why), self.probes, seconds
        )

    def _scales(self) -> list[int]:
        return sorted({each[0].scale for each in self.said.values()})

    def _at(self, scale: int) -> list[list[TestResult]]:
        return [each for each in self.said.values() if each[0].scale == scale]

    def _deciding(self, scale: int) -> list[list[TestResult]]:
        """The tests that an end stands on: where it holds all of them, where it doesn't the first that failed."""
        if scale != self.failed:
            return self._at(scale)
        return [next(each for each in self._at(scale) if _balance(each) < 0)]


_CLEAR: Final = (Verdict.PASS, Verdict.FAIL)
"""Anything else says nothing about the scale: INVALID tells of the store or of the harness, whatever the scale."""

_REPETITIONS: Final = 4


def _which(test: TestResult) -> tuple[str, str, int]:
    return test.name, test.variant, test.scale


def _balance(each: Sequence[TestResult]) -> int:
    verdicts = [test.verdict for test in each]
    return verdicts.count(Verdict.PASS) - verdicts.count(Verdict.FAIL)


def _agreeing(each: Sequence[TestResult]) -> int:
    verdicts = [test.verdict for test in each]
    return max(map(verdicts.count, _CLEAR))


def _probe(test: TestResult) -> Probe:
    targets = {target.figure for target in test.target}
    shown = {name: figure for name, figure in test.figures.items() if name in targets}
    why = f"{test.name} {test.variant}: {test.why}"
    return Probe(test.scale, test.verdict is Verdict.PASS, one_line(why), shown)


def _stage(context: Context, scale: int) -> Stage | None:
    return next((stage for stage in context.stages if stage.scale == scale), None)


def _can_repeat(context: Context, test: TestResult) -> bool:
    """Whether the store is as it was: still there, and not grown to a larger scale."""
    stage = _stage(context, test.scale)
    if stage is None or stage.location is None:
        return False
    return context.housing.apart or test.scale == max(stage.scale for stage in context.stages)


def _repeat(context: Context, test: TestResult, times: int) -> TestResult:
    stage = _stage(context, test.scale)
    assert stage is not None
    if test.name == "concurrent":
        return concurrent.measure(context, stage, test.parameters["workers"], again=times + 1)
    shorter = replace(context, mode=replace(context.mode, lookup_seconds=_LOOKUP_SECONDS))
    return lookup.measure(shorter, replace(stage))
