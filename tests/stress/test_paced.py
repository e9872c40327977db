"""The open loop: requests are sent when they're due, none is left out, and a stall is counted for all that waited."""

from __future__ import annotations

import json
import shutil
import time
from array import array
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass, replace
from random import Random
from typing import Any

import jsonschema
import numpy as np
import pytest

from stat7.errors import Conflict, Stat7Error, Unavailable
from stat7.stress.context import Context, Stage
from stat7.stress.housing import Embedded, make_folder
from stat7.stress.ingest import Pace, build
from stat7.stress.measure import time_the_timer
from stat7.stress.offer import Ability, Offered
from stat7.stress.plan import Budget, Mode, Step
from stat7.stress.results import Verdict, schema
from stat7.stress.sabotage.load import LOAD_TESTS, stalling
from stat7.stress.subject import Subject
from stat7.stress.targets import SEED
from stat7.stress.tasks.arrivals import Arrivals, AtOnce, Bursts, Fixed, Poisson
from stat7.stress.tasks.mixed import READ, WRITE
from stat7.stress.tasks.paced import BUSY, GO, NO_GOOD, Load, Operation, PacedWorker, Plan
from stat7.stress.tests import concurrent, lookup, paced
from stat7.stress.workload import Workload

SECOND = 1_000_000_000
SCALE = 3000
WORKLOAD = Workload(7)


@pytest.mark.parametrize("arrivals", [Poisson(5000), Fixed(5000), Bursts(5000)])
def test_requests_are_due_at_the_rate_that_was_asked_and_each_lane_has_its_own(arrivals: Arrivals) -> None:
    lanes = [arrivals.times(Random(lane), 3.5, lane, 4) for lane in range(4)]
    for lane in lanes:
        assert list(lane) == sorted(lane)
        assert 0 <= lane[0] <= lane[-1] < 3.5 * SECOND
    expected = arrivals.expected(3.5)
    assert abs(sum(map(len, lanes)) - expected) < 4 * expected**0.5
    assert arrivals.expected(2.0) == pytest.approx(2 * arrivals.rate)
    assert len({tuple(lane[:5]) for lane in lanes}) == 4


def test_poisson_gaps_are_exponential_and_fixed_ones_are_equal() -> None:
    gaps = np.diff(np.array(Poisson(1000).times(Random(1), 20.0, 0, 1)))
    assert gaps.std() == pytest.approx(gaps.mean(), rel=0.05)
    together = sorted(at for lane in range(3) for at in Fixed(1000).times(Random(1), 1.0, lane, 3))
    assert set(np.diff(np.array(together)).tolist()) == {1_000_000}


def test_bursts_come_at_the_end_of_each_turn() -> None:
    due = np.array(Bursts(10_000, factor=4.0, every=1.0, length=0.2).times(Random(1), 10.0, 0, 1))
    inside = ((due % SECOND) >= 0.8 * SECOND).sum() / 0.2
    outside = ((due % SECOND) < 0.8 * SECOND).sum() / 0.8
    assert inside / outside == pytest.approx(4.0, rel=0.05)


class Acting:
    """An operation that does what it's given."""

    def __init__(self, act: Callable[[int], Any]) -> None:
        self.act = act
        self.drawn = 0

    def draw(self) -> int:
        self.drawn += 1
        return self.drawn

    def ask(self, given: int) -> Any:
        return self.act(given)

    def check(self, given: int, answer: Any) -> str | None:
        return None if answer is None else f"{given}: {answer}"

    def told(self) -> Mapping[str, Any]:
        return {"drawn": self.drawn}


@dataclass(frozen=True)
class Acts(Load):
    """One kind of operation."""

    act: Callable[[int], Any]

    @property
    def weights(self) -> Mapping[str, float]:
        return {"act": 1.0}

    def prepare(self, subject: Subject, stack: ExitStack, lanes: Sequence[int]) -> list[Mapping[str, Operation]]:
        return [{"act": Acting(self.act)} for _ in lanes]

    def idle(self, lane: int) -> Mapping[str, Operation]:
        return {"act": Acting(lambda number: None)}


def run(
    act: Callable[[int], Any], plan: Plan, subject: Subject | None = None, threads: int = 1
) -> list[Mapping[str, Any]]:
    """The lanes of one worker, run in this process."""
    with PacedWorker(subject or Subject(), Acts(act), 0, threads, threads).prepare() as obey:
        planned = obey(plan, lambda done: None)["planned"]
        lanes: list[Mapping[str, Any]] = obey(GO, lambda done: None)["lanes"]
        assert planned == [lane["planned"] for lane in lanes]
        return lanes


def numbers(lane: Mapping[str, Any], name: str) -> list[int]:
    return list(array("q", lane[name]))


def test_latency_counts_from_when_a_request_was_due_and_nothing_is_left_out() -> None:
    (lane,) = run(lambda number: time.sleep(0.05), Plan(Fixed(100), 0.1, 1, 60.0))
    assert lane["planned"] == lane["sent"] == 10
    latencies = numbers(lane, "durations")
    # The last was due after 90 ms, and answered after ten times 50.
    assert latencies == sorted(latencies)
    assert latencies[0] >= 50_000_000
    assert latencies[-1] >= 410_000_000
    lateness = numbers(lane, "lateness")
    assert lateness[0] >= 0
    assert lateness[1:] == [BUSY] * 9


def test_requests_are_never_sent_before_they_are_due() -> None:
    begun: list[int] = []
    (lane,) = run(lambda number: begun.append(time.perf_counter_ns()), Plan(Poisson(500), 0.2, 3, 60.0))
    due = [end - took for end, took in zip(numbers(lane, "ends"), numbers(lane, "durations"), strict=True)]
    assert due == list(Poisson(500).times(Random(3 * 1_000_003), 0.2, 0, 1))
    assert min(numbers(lane, "durations")) >= 0
    assert np.diff(np.array(begun)).sum() >= due[-1] - due[0] - max(numbers(lane, "durations"))


def test_a_generator_that_skips_late_requests_sends_fewer_than_were_planned() -> None:
    skipping = Subject(skip_late_ns=1_000_000)
    (lane,) = run(lambda number: time.sleep(0.05), Plan(Fixed(100), 0.2, 1, 60.0), skipping)
    assert lane["planned"] == 20
    assert lane["sent"] == len(numbers(lane, "ends")) < 10


def test_a_store_that_never_keeps_up_is_given_up_when_patience_is_over() -> None:
    (lane,) = run(lambda number: time.sleep(0.05), Plan(Fixed(1000), 0.1, 1, 0.2))
    assert lane["planned"] == 100
    assert 2 <= lane["sent"] <= 6


def test_lanes_of_one_process_wait_for_answers_at_the_same_time() -> None:
    plan = Plan(Fixed(100), 0.4, 1, 60.0)
    (alone,) = run(lambda number: time.sleep(0.04), plan)
    together = run(lambda number: time.sleep(0.04), plan, threads=8)
    assert [lane["lane"] for lane in together] == list(range(8))
    assert sum(lane["sent"] for lane in together) == alone["sent"] == 40
    assert max(max(numbers(lane, "durations")) for lane in together) < numbers(alone, "durations")[-1] / 2


def test_refusals_are_errors_and_anything_else_that_is_wrong_is_told() -> None:
    def act(number: int) -> str | None:
        faults: dict[int, Stat7Error] = {2: Unavailable("busy"), 3: Conflict("some/id", "ab" * 32)}
        if number in faults:
            raise faults[number]
        return "other bytes" if number == 4 else None

    (lane,) = run(act, Plan(Fixed(1000), 0.006, 1, 60.0))
    assert (lane["sent"], lane["errors"], lane["wrong"]) == (6, 1, 2)
    assert list(lane["kinds"]) == [0, NO_GOOD, NO_GOOD, 0, 0, 0]
    assert lane["first_error"] == "Unavailable: busy"
    assert lane["told"] == {"act": {"drawn": 6}}


def test_an_idle_plan_leaves_the_store_alone() -> None:
    asked: list[int] = []
    (lane,) = run(asked.append, Plan(AtOnce(500), 0.0, 1, 10.0, idle=True))
    assert lane["sent"] == 500
    assert asked == []


def offered(due: Sequence[int], ends: Sequence[int], planned: int | None = None, expected: float = 0.0) -> Offered:
    """One second, its first 0.2 s warm-up, of requests of one kind."""
    count = len(due) if planned is None else planned
    late = np.zeros(len(due), dtype=np.int64)
    kinds = np.zeros(len(due), dtype=np.uint8)
    whole = np.array(due, dtype=np.int64), np.array(ends, dtype=np.int64)
    return Offered(expected or count, SECOND, ("act",), count, *whole, kinds, late, 0, 0, "")


EVERY_MS = [at * 1_000_000 for at in range(1000)]


def test_what_is_answered_after_the_end_still_counts_where_it_was_due() -> None:
    ends = [at + (5_000_000_000 if number >= 900 else 1000) for number, at in enumerate(EVERY_MS)]
    found = offered(EVERY_MS, ends)
    summary = found.summaries()["all"]
    assert len(summary.latencies) == 800
    assert summary.latencies[-1] == 5_000_000_000
    assert (summary.latencies == 5_000_000_000).sum() == 100
    figures = found.figures(found.summaries())
    assert figures["offered_per_second"].value == pytest.approx(1000)
    assert figures["answered_per_second"].value == pytest.approx(875, abs=2)
    assert figures["answered_share"].value == pytest.approx(700 / 800, abs=0.01)
    assert (figures["backlog_at_half"].value, figures["backlog_at_end"].value) == (0, 100)


def test_latencies_that_keep_growing_are_no_steady_state_and_a_stall_is_one() -> None:
    growing = offered(EVERY_MS, [at + at // 10 + 1000 for at in EVERY_MS])
    assert not growing.summaries()["all"].steady
    stalls = [at + max(1000, 100_000_000 - at % 250_000_000) for at in EVERY_MS]
    stalled = offered(EVERY_MS, stalls).summaries()["all"]
    assert stalled.steady
    assert stalled.cut == 4
    assert (stalled.percentile(0.95) or 0) > 50_000_000


def test_requests_that_were_not_sent_or_not_even_planned_are_told() -> None:
    assert offered(EVERY_MS, EVERY_MS).never_sent() is None
    assert offered(EVERY_MS[:990], EVERY_MS[:990], 1000).never_sent() == (
        "open loop: 10 of 1000 planned requests were never sent"
    )
    fewer = offered(EVERY_MS[:700], EVERY_MS[:700], expected=1000.0).never_sent()
    assert fewer == "open loop: 700 requests were planned, where the rate asks for 1000"


def test_a_generator_must_keep_the_schedule_by_itself() -> None:
    assert Ability(1000, 50_000, 1.0, 0.3).too_weak() is None
    assert Ability(10, 50_000, 1.0, None).too_weak() is None
    assert "sent only 90%" in (Ability(1000, 50_000, 0.9, 0.3).too_weak() or "")
    assert "40.0 ms late" in (Ability(1000, 50_000, 1.0, 40.0).too_weak() or "")


class Noted(Embedded):
    """Notes what is said to have been written."""

    written: list[range]

    def wrote(self, indexes: range) -> None:
        """See Housing.wrote."""
        self.written.append(indexes)


@pytest.fixture(scope="module")
def built() -> Iterator[tuple[Context, Stage]]:
    """A context with a stage whose store is filled."""
    folder = make_folder()
    mode = Mode("quick", (SCALE,), 600.0, 0.25, 2000, 0.25, 2.0)
    noted, subject = Noted(folder), Subject()
    noted.written = []
    budget = Budget([Step("ingest", SCALE, 1.0)], mode.limit)
    context = Context(subject, WORKLOAD, noted, folder, mode, SEED, budget, time_the_timer(subject.clock), cores=2)
    stage = Stage(SCALE, WORKLOAD)
    build(context, stage, Pace())
    yield context, stage
    shutil.rmtree(folder)


def test_the_mix_is_offered_verified_and_told(built: tuple[Context, Stage]) -> None:
    context, stage = built
    load = paced.usual(stage, 4)
    result = paced.measure(context, stage, 200.0, 2, 1.0, "2 workers", load=load)
    jsonschema.validate(
        json.loads(json.dumps(asdict(result))), {**schema()["$defs"]["test"], "$defs": schema()["$defs"]}
    )
    value = {name: figure.value for name, figure in result.figures.items()}
    assert value["planned"] == value["sent"] == value["answered"]
    assert result.figures["read_mean"].samples + result.figures["write_mean"].samples == result.figures["mean"].samples
    assert value["acknowledged_writes_lost"] == 0
    written = context.housing.written[-2:]  # type: ignore[attr-defined]
    assert sum(map(len, written)) == result.figures["acknowledged_writes_lost"].samples > 100
    assert stage.location is not None
    with stage.location.open() as repository:
        records = [WORKLOAD.record(index) for indexes in written for index in indexes]
        assert repository.store.has([record.address for record in records]) == {r.address for r in records}
    assert result.histogram is not None
    assert set(result.histogram) == {"all", READ, WRITE}
    assert result.parameters["arrivals"] == "poisson"


def test_without_a_rate_or_a_store_there_is_nothing_to_offer(built: tuple[Context, Stage]) -> None:
    context, stage = built
    assert paced.measure(context, stage, None, 2, 1.0).verdict is Verdict.NO_DATA
    assert paced.measure(context, Stage(SCALE, WORKLOAD), 100.0, 2, 1.0).verdict is Verdict.NO_DATA


def test_the_rate_of_the_closed_loop_is_that_of_the_same_scale_and_workers(built: tuple[Context, Stage]) -> None:
    nothing = concurrent.measure(built[0], Stage(SCALE, WORKLOAD), 4)
    assert paced.closed_loop_rate([nothing], SCALE, 4) is None
    assert paced.closed_loop_rate([], SCALE, 4) is None


def test_a_stall_shows_in_the_open_loop_and_hides_in_the_closed_one(built: tuple[Context, Stage]) -> None:
    context, stage = built
    stalled = replace(context, subject=Subject(wrap=stalling), mode=replace(context.mode, lookup_seconds=1.3))
    closed = lookup.measure(stalled, stage)
    opened = LOAD_TESTS["paced"](stalled, stage)
    hidden, shown = closed.figures["hit_p99"].value, opened.figures["p99"].value
    assert hidden is not None
    assert shown is not None
    assert closed.series is not None
    assert max(worst for worst in closed.series["hit"]["max_ms"] if worst is not None) > 60
    assert shown > 60
    assert hidden < shown / 2
