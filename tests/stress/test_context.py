"""From what a test measured to its verdict."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from stat7.errors import Unavailable
from stat7.stress.context import Context, Outcome, Stage, attempt, one_line, saturated, timings
from stat7.stress.housing import Embedded
from stat7.stress.measure import Summary, Timer, summarise
from stat7.stress.plan import QUICK, Budget
from stat7.stress.results import Figure, TestResult, Verdict, exact
from stat7.stress.subject import Subject
from stat7.stress.targets import SEED
from stat7.stress.workers import WorkerFailed
from stat7.stress.workload import Workload

WORKLOAD = Workload(7)


@pytest.fixture
def context(tmp_path: Path) -> Context:
    timer = Timer(floor_ns=80, floor_p99_ns=120, step_ns=10)
    return Context(Subject(), WORKLOAD, Embedded(tmp_path), tmp_path, QUICK, SEED, Budget([], 60), timer, cores=2)


def steady(rate: float = 10_000) -> Summary:
    ends = (np.arange(1, 4001) * 1e9 / rate).astype(np.int64)
    return summarise([(ends, ends * 0 + 50_000)])


def drifting() -> Summary:
    ends = np.cumsum(np.linspace(0.6e6, 1e6, 4000)).astype(np.int64)
    return summarise([(ends, ends * 0 + 50_000)])


def looked_up(rate: float, *summaries: Summary, mean: float = 0.01) -> Outcome:
    figures: dict[str, Figure] = {}
    for kind in ("hit_", "miss_"):
        figures |= {f"{kind}per_second": exact(rate, "1/s", 4000)}
        figures |= {f"{kind}{name}": exact(mean, "ms", 4000) for name in ("mean", "p95", "p99")}
    figures |= {f"batched_{kind}_per_second": exact(rate, "1/s", 4000) for kind in ("hits", "misses")}
    return Outcome(
        "lookup", 1000, "it is quick", figures=figures, summaries=dict(zip(("hit", "miss"), summaries, strict=False))
    )


def test_good_figures_in_a_steady_state_pass(context: Context) -> None:
    result = looked_up(10_000, steady()).judged(context)
    assert (result.verdict, result.why) == (Verdict.PASS, "all 10 targets met")
    assert result.target == SEED.of("lookup")


def test_without_a_steady_state_figures_need_room_to_spare(context: Context) -> None:
    assert looked_up(10_000, steady(), drifting()).judged(context).verdict is Verdict.PASS
    close = looked_up(1500, steady(), drifting()).judged(context)
    assert close.verdict is Verdict.NO_DATA
    assert "no steady state" in close.why
    assert looked_up(1500, steady()).judged(context).verdict is Verdict.PASS
    assert looked_up(100, drifting()).judged(context).verdict is Verdict.FAIL


def test_a_clock_that_is_too_coarse_voids_what_was_timed_and_nothing_else(context: Context) -> None:
    context.timer = replace(context.timer, step_ns=1_000_000)
    timed = looked_up(10_000, steady()).judged(context)
    assert timed.verdict is Verdict.INVALID
    assert timed.why.startswith("timer floor: the clock moves in steps of 1 ms")
    small = {name: exact(100, "B", 1000) for name in ("bytes_per_entity", "bytes_per_put_again")}
    counted = Outcome("memory", 1000, "it is small", figures=small)
    assert counted.judged(context).verdict is Verdict.PASS


def test_a_failed_check_of_correctness_beats_every_figure(context: Context) -> None:
    outcome = looked_up(10_000, steady())
    outcome.invalid = "wrong\nbytes"
    result = outcome.judged(context)
    assert (result.verdict, result.why) == (Verdict.INVALID, "wrong bytes")


def test_what_lies_below_the_cost_of_the_timer_is_said_to(context: Context) -> None:
    result = looked_up(10_000, steady(), mean=60e-6).judged(context)
    assert result.verdict is Verdict.PASS
    assert "at or below the timer's floor: hit_mean, hit_p95" in result.why
    assert "floor" not in looked_up(10_000, steady()).judged(context).why


def test_what_is_lacking_is_no_data_and_what_is_broken_is_invalid(context: Context) -> None:
    stage = Stage(1000, WORKLOAD, lacking="no room")
    assert Outcome("lookup", 1000, "c").without(stage, context).verdict is Verdict.NO_DATA
    stage.broken = "building failed"
    broken = Outcome("lookup", 1000, "c").without(stage, context)
    assert (broken.verdict, broken.why) == (Verdict.INVALID, "building failed")


@pytest.mark.parametrize("error", [WorkerFailed("worker 1 is gone"), Unavailable("down"), OSError("no\nspace")])
def test_an_error_makes_a_test_invalid(context: Context, error: Exception) -> None:
    def failing() -> TestResult:
        raise error

    result = attempt(context, Outcome("memory", 1000, "c"), failing)
    assert result.verdict is Verdict.INVALID
    assert result.why == f"the measurement broke off: {one_line(str(error))}"


def test_a_mistake_of_our_own_is_not_swallowed(context: Context) -> None:
    with pytest.raises(ZeroDivisionError):
        attempt(context, Outcome("memory", 1000, "c"), lambda: 1 / 0)  # type: ignore[arg-type, return-value]


@pytest.mark.parametrize(("rate", "void"), [(79_999, False), (80_000, True), (120_000, True)])
def test_a_rate_within_80_percent_of_the_generators_own_is_void(rate: float, void: bool) -> None:
    reason = saturated(rate, 100_000)
    assert (reason is not None) is void
    assert reason is None or reason.startswith("generator saturated: ")


def test_the_operations_of_one_kind_are_told_apart() -> None:
    numbers = np.arange(6, dtype=np.int64)
    result = {"ends": numbers.tobytes(), "durations": (numbers * 10).tobytes(), "kinds": bytes([0, 1, 0, 0, 1, 0])}
    assert timings(result)[0].tolist() == [0, 1, 2, 3, 4, 5]
    ends, durations = timings(result, 1)
    assert (ends.tolist(), durations.tolist()) == ([1, 4], [10, 40])


def test_one_line_is_one_line() -> None:
    assert one_line(" a\n b\t c ") == "a b c"
    assert one_line("") == "no reason given"
