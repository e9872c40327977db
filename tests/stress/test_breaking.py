"""Breaking points: both ends confirmed, glitches outvoted, and what gave out first is told."""

from __future__ import annotations

import json
import shutil
from array import array
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass, field, replace
from random import Random
from typing import Any, cast

import jsonschema
import numpy as np
import pytest

from stat7.stress import breaking
from stat7.stress.breaking import CONFIRMATIONS, CRITERION, GENERATOR, SAMPLES, WRONG, Search, _Prober
from stat7.stress.context import Context, Stage
from stat7.stress.housing import Embedded, make_folder
from stat7.stress.ingest import Pace, build
from stat7.stress.measure import time_the_timer
from stat7.stress.offer import Ability, Offered, Offering
from stat7.stress.plan import Budget, Mode, Step
from stat7.stress.results import BreakingPoint, Figure, Probe, Results, Run, Target, TestResult, Verdict, schema
from stat7.stress.sabotage.load import Bounded
from stat7.stress.sabotage.stores import damaging_repository
from stat7.stress.subject import Location, Subject
from stat7.stress.targets import Profile
from stat7.stress.tasks.arrivals import Arrivals, Fixed
from stat7.stress.tests import paced
from stat7.stress.workload import Workload

SECOND = 1_000_000_000
SCALE = 3000
WORKLOAD = Workload(7)


def searched(start: float, holds: Callable[[float], bool], most: float = float("inf")) -> Search:
    search = Search(start, most)
    while (level := search.next) is not None and len(search.probes) < 60:
        held = holds(level)
        search.probes.append(Probe(level, held, "held" if held else "p99 is high"))
    return search


@pytest.mark.parametrize("start", [20.0, 90.0, 299.0, 301.0, 5000.0])
def test_the_edge_lies_between_confirmed_ends_that_are_near(start: float) -> None:
    search = searched(start, lambda level: level <= 300)
    assert search.held is not None
    assert search.failed is not None
    assert search.held <= 300 < search.failed <= search.held * 1.1
    assert search.confirmations == CONFIRMATIONS
    assert len(search.probes) < 25


def test_a_glitch_is_outvoted_and_stays_on_record() -> None:
    seen: dict[float, int] = {}

    def holds(level: float) -> bool:
        seen[level] = seen.get(level, 0) + 1
        return level <= 300 and not (level == 100 and seen[level] == 1)

    search = searched(100.0, holds)
    assert search.held is not None
    assert search.failed is not None
    assert search.held <= 300 < search.failed <= search.held * 1.1
    assert [probe.held for probe in search.probes if probe.level == 100][:3] == [False, True, True]


def test_an_edge_that_is_random_ends_all_the_same() -> None:
    random = Random(5)
    search = searched(100.0, lambda level: random.random() > (level - 200) / 200)
    assert search.held is not None
    assert search.failed is not None
    assert 150 < search.held < search.failed < 450
    assert search.next is None


def test_where_nothing_holds_or_nothing_fails_one_end_is_missing() -> None:
    nothing = searched(100.0, lambda level: False)
    assert (nothing.held, nothing.next) == (None, None)
    everything = searched(100.0, lambda level: True, most=1000.0)
    assert (everything.held, everything.failed) == (1000.0, None)
    assert everything.confirmations == CONFIRMATIONS
    assert Search(1.0).confirmations == 0


@dataclass
class Simulated:
    """An offering to `lanes` servers of which each takes its time for a request, in no time."""

    took_ns: int
    lanes: int = 2
    errors: int = 0
    wrong: int = 0
    patience: float = 60.0
    able: float = 1e9
    asked: list[float] = field(default_factory=list)
    told: list[tuple[int, Mapping[str, Any]]] = field(default_factory=list)

    def offer(self, arrivals: Arrivals, seconds: float, idle: bool = False) -> Offered:
        """What a queue in front of each server makes of it."""
        whole = seconds / 0.8
        self.asked.append(arrivals.rate)
        due, ends, planned = array("q"), array("q"), 0
        for lane in range(self.lanes):
            free = 0
            for at in arrivals.times(Random(lane), whole, lane, self.lanes):
                planned += 1
                if free < self.patience * SECOND:
                    free = max(at, free) + self.took_ns
                    due.append(at)
                    ends.append(free)
        found = np.array(due, dtype=np.int64), np.array(ends, dtype=np.int64)
        kinds, late = np.zeros(len(due), dtype=np.uint8), np.zeros(len(due), dtype=np.int64)
        counts = self.errors, self.wrong
        return Offered(
            arrivals.expected(whole), int(whole * SECOND), ("act",), planned, *found, kinds, late, *counts, "first"
        )

    def ability(self, arrivals: Arrivals) -> Ability:
        return Ability(arrivals.rate, 1e9, 1.0 if arrivals.rate <= self.able else 0.5, 0.1)


def prober(simulated: Simulated, *targets: Target) -> _Prober:
    return _Prober(cast(Offering, simulated), Fixed, targets or CRITERION, simulated.lanes, 0.7)


def test_a_queue_of_300_a_second_breaks_around_300() -> None:
    """Two servers that take 1/150 s each."""
    simulated = Simulated(SECOND // 150)
    trying = prober(simulated)
    search = Search(90.0)
    while (level := search.next) is not None:
        search.probes.append(trying.probe(level)[0])
    assert search.held is not None
    assert search.failed is not None
    assert search.held <= 300 <= search.failed
    assert search.failed <= 300 * 1.15
    assert search.held >= 300 / 1.15
    assert search.confirmations == CONFIRMATIONS


@pytest.mark.parametrize(
    ("simulated", "level", "gave_out", "phrase"),
    [
        (Simulated(1_000_000), 100.0, "", "held"),
        (Simulated(60_000_000, lanes=50), 500.0, "p99", "p99 is 60 ms, target <= 50 ms"),
        (Simulated(1_000_000, errors=1), 100.0, "errors", "errors is 1"),
        (Simulated(1_000_000, wrong=1), 100.0, WRONG, "re-hashed reads: 1 wrong answers"),
        (Simulated(50_000_000, patience=1.0), 1000.0, "backlog", "were never sent"),
        (Simulated(60_000_000, able=50.0), 100.0, GENERATOR, "generator saturated"),
        (Simulated(1_000_000), 10.0, SAMPLES, "p99: too few samples"),
    ],
)
def test_what_gives_out_first_is_told(simulated: Simulated, level: float, gave_out: str, phrase: str) -> None:
    probe, found = prober(simulated).probe(level)
    assert found == gave_out
    assert phrase in probe.why
    assert probe.held == (not gave_out)


def test_a_backlog_that_grows_gives_out_even_where_no_latency_is_bounded() -> None:
    errors = Target("errors", "==", 0, "operations")
    assert prober(Simulated(10_000_000), errors).probe(400.0)[1] == "answered_share"
    slowly, found = prober(Simulated(10_400_000, lanes=2), errors).probe(200.0)
    assert found == "backlog"
    assert "waited at half of the time" in slowly.why


@pytest.fixture(scope="module")
def built() -> Iterator[tuple[Context, Stage]]:
    """A context with a stage whose store is filled."""
    folder = make_folder()
    mode = Mode("quick", (SCALE,), 1000.0, 0.25, 2000, 0.25, 2.0)
    subject = Subject()
    budget = Budget([Step("ingest", SCALE, 1.0)], mode.limit)
    relaxed = Profile("relaxed", {"paced": (Target("p99", "<=", 150, "ms"),)})
    timer = time_the_timer(subject.clock)
    context = Context(subject, WORKLOAD, Embedded(folder), folder, mode, relaxed, budget, timer, cores=2)
    stage = Stage(SCALE, WORKLOAD)
    build(context, stage, Pace())
    context.stages.append(stage)
    yield context, stage
    shutil.rmtree(folder)


def test_a_store_that_serves_1000_a_second_breaks_around_1000(built: tuple[Context, Stage]) -> None:
    """On real processes; a machine that is busy with other things gets three chances.

    Both ends lie near 1,000, maybe both above it: offered 1,006 requests in a second, such a store ends it with six
    waiting, which is no delay that the targets forbid.
    """
    context, stage = built
    bounded = replace(context, subject=Subject(wrap=Bounded(1000.0)))
    load = replace(paced.usual(stage, 2), writes=0.0)
    for _ in range(3):
        found = breaking.rate(bounded, stage, 2500.0, workers=1, load=load, arrivals=Fixed, limit=25.0)
        shape = {**schema()["$defs"]["breaking_point"], "$defs": schema()["$defs"]}
        jsonschema.validate(json.loads(json.dumps(asdict(found))), shape)
        if found.held and found.failed and 1000 / 1.15 <= found.held < found.failed <= 1000 * 1.15:
            assert found.gave_out in ("p99", "answered_share", "backlog")
            return
    pytest.fail(f"held {found.held}, failed {found.failed}: {found.why}")


def test_a_store_that_answers_wrongly_has_no_breaking_point(built: tuple[Context, Stage]) -> None:
    context, stage = built
    wrong = replace(context, subject=Subject(wrap=damaging_repository))
    found = breaking.rate(wrong, stage, 3000.0, workers=1, load=replace(paced.usual(stage, 2), writes=0.0), limit=5.0)
    assert (found.held, found.failed, found.gave_out) == (None, None, WRONG)
    assert "re-hashed reads" in found.why


def test_without_a_store_or_a_rate_there_is_nothing_to_break(built: tuple[Context, Stage]) -> None:
    context, stage = built
    assert breaking.rate(context, Stage(SCALE, WORKLOAD), 100.0).why == "the store of this scale wasn't built"
    assert "no rate to begin with" in breaking.rate(context, stage, None).why


def rate_of(search: Search, gave_out: Mapping[float, str]) -> BreakingPoint:
    return breaking._Rate(SCALE, "criterion", 0.0, dict(gave_out)).result(search, None)


def test_where_the_generator_gives_out_the_store_has_not_failed() -> None:
    search = searched(100.0, lambda level: level <= 300)
    assert search.failed is not None
    found = rate_of(search, {search.failed: GENERATOR})
    assert (found.held, found.failed, found.gave_out) == (search.held, None, GENERATOR)
    ceiling = rate_of(searched(100.0, lambda level: True, most=1000.0), {})
    assert (ceiling.held, ceiling.failed, ceiling.gave_out) == (1000.0, None, GENERATOR)


def test_an_unfinished_search_says_so_and_how_sure_it_is() -> None:
    search = Search(100.0, probes=[Probe(100.0, True, "held"), Probe(160.0, False, "p99 is high")])
    found = rate_of(search, {160.0: "p99"})
    assert (found.held, found.failed, found.gave_out, found.confirmations) == (100.0, 160.0, "p99", 1)
    assert "the time was over" in found.why
    assert "before any rate failed" in rate_of(Search(100.0), {}).why
    nothing = searched(100.0, lambda level: False)
    assert "no rate was found that holds" in rate_of(nothing, {nothing.failed or 0: "p99"}).why


def result_of(name: str, scale: int, verdict: Verdict, variant: str = "") -> TestResult:
    figures = {"hit_p99": Figure(1.0, "ms", 5000, (0.9, 1.1))}
    target = (Target("hit_p99", "<", 2.0, "ms"),)
    return TestResult(name, variant, scale, "claim", verdict, "hit_p99 is 1", target, figures, {"workers": 4})


def results(*tests: TestResult) -> Results:
    run = Run("ab" * 8, "quick", "", 7, "2026-01-01T00:00:00.000Z")
    return Results(run, {}, {}, list(tests))


PASSING, FAILING = Verdict.PASS, Verdict.FAIL
SMALL = (result_of("lookup", 1000, PASSING), result_of("concurrent", 1000, PASSING, "4 workers"))


@pytest.fixture
def repeating(built: tuple[Context, Stage], monkeypatch: pytest.MonkeyPatch) -> tuple[Context, list[tuple[str, int]]]:
    """A context with stores at three scales, where repeated tests come out as 3,000 entities were too many."""
    done: list[tuple[str, int]] = []

    def looked_up(context: Context, stage: Stage) -> TestResult:
        done.append(("lookup", stage.scale))
        return result_of("lookup", stage.scale, PASSING if stage.scale < SCALE else FAILING)

    def written(context: Context, stage: Stage, workers: int, again: int) -> TestResult:
        done.append((f"concurrent {again}", stage.scale))
        return result_of("concurrent", stage.scale, PASSING if stage.scale < SCALE else FAILING, f"{workers} workers")

    monkeypatch.setattr("stat7.stress.tests.lookup.measure", looked_up)
    monkeypatch.setattr("stat7.stress.tests.concurrent.measure", written)
    context = replace(built[0], stages=[Stage(scale, WORKLOAD, Location("memory:")) for scale in (1000, 2000, SCALE)])
    return context, done


def test_both_ends_of_the_scale_are_confirmed(repeating: tuple[Context, list[tuple[str, int]]]) -> None:
    context, done = repeating
    found = breaking.scale(
        context, results(*SMALL, result_of("lookup", 2000, PASSING), result_of("lookup", SCALE, FAILING))
    )
    assert (found.held, found.failed, found.confirmations) == (2000, SCALE, CONFIRMATIONS)
    assert found.gave_out == "lookup"
    assert sorted(done) == [("lookup", 2000)] * 2 + [("lookup", SCALE)] * 2
    assert [probe.held for probe in found.probes if probe.level == SCALE] == [False] * 3
    shape = {**schema()["$defs"]["breaking_point"], "$defs": schema()["$defs"]}
    jsonschema.validate(json.loads(json.dumps(asdict(found))), shape)


def test_a_scale_is_held_only_where_concurrency_holds_too(repeating: tuple[Context, list[tuple[str, int]]]) -> None:
    context, done = repeating
    at_most = (result_of("lookup", SCALE, PASSING), result_of("concurrent", SCALE, FAILING, "4 workers"))
    found = breaking.scale(context, results(*SMALL, *at_most))
    assert (found.held, found.failed, found.gave_out) == (1000, SCALE, "concurrent")
    assert ("concurrent 1", SCALE) in done
    assert ("concurrent 2", SCALE) in done
    assert ("lookup", SCALE) not in done
    assert done.count(("lookup", 1000)) == 2


def test_a_failure_that_does_not_come_again_is_outvoted(repeating: tuple[Context, list[tuple[str, int]]]) -> None:
    context, _ = repeating
    found = breaking.scale(context, results(result_of("lookup", 1000, PASSING), result_of("lookup", 2000, FAILING)))
    assert (found.held, found.failed, found.gave_out) == (2000, None, None)
    assert found.why == "not reached up to 2,000"


def test_what_cannot_be_repeated_or_was_not_decided_is_told(repeating: tuple[Context, list[tuple[str, int]]]) -> None:
    context, done = repeating
    told = breaking.scale(context, results(*SMALL, result_of("lookup", 2000, Verdict.INVALID)), limit=0.0)
    assert (told.held, told.failed, told.confirmations, done) == (1000, None, 1, [])
    assert "not decided at 2,000" in told.why
    assert f"ends confirmed 1 of {CONFIRMATIONS} times" in told.why
    one_store = replace(context, housing=_together(context.housing))
    grown = breaking.scale(one_store, results(*SMALL))
    assert (grown.held, grown.confirmations, done) == (1000, 1, [])
    assert breaking.scale(context, results()).why == "nothing was measured that could tell"


def _together(housing: Any) -> Any:
    made = Embedded(housing.folder)
    made.apart = False
    return made
