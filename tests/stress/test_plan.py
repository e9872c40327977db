"""The plan of a run and how it keeps its limit."""

from __future__ import annotations

import pytest

from stat7.stress.plan import FULL, LEAST_SHARE, QUICK, Budget, Mode, Step, remaining, scales_of, steps_of


class Watch:
    """A clock that is set by hand."""

    def __init__(self) -> None:
        self.time = 100.0

    def __call__(self) -> float:
        return self.time


def test_the_modes_are_those_of_the_design() -> None:
    assert (QUICK.scales, QUICK.limit) == ((10_000, 100_000), 60.0)
    assert (FULL.scales, FULL.limit) == ((1_000, 10_000, 100_000, 1_000_000, 10_000_000), 600.0)


@pytest.mark.parametrize("mode", [QUICK, FULL])
def test_what_is_planned_fits_the_limit(mode: Mode) -> None:
    assert sum(step.seconds for step in steps_of(mode)) <= mode.limit


def test_memory_and_concurrency_end_at_a_million() -> None:
    names = {scale: [step.name for step in steps_of(FULL) if step.scale == scale] for scale in FULL.scales}
    everything = ["address", "ingest", "collisions", "lookup", "concurrent 4", "concurrent 16", "paced", "memory"]
    found = {scale: [step for step in names[scale] if step not in ("reference", "breaking rate")] for scale in names}
    assert all(found[scale] == everything for scale in FULL.scales[:-1])
    assert found[10_000_000] == ["address", "ingest", "collisions", "lookup", "scaling", "breaking scale"]
    assert [scale for scale in FULL.scales if "breaking rate" in names[scale]] == [100_000]


def test_the_smaller_scale_of_a_quick_run_is_tried_with_few_workers_alone() -> None:
    names = {scale: {step.name for step in steps_of(QUICK) if step.scale == scale} for scale in QUICK.scales}
    assert {"concurrent 4", "concurrent 16"} <= names[100_000]
    assert "concurrent 16" not in names[10_000]
    assert "concurrent 4" in names[10_000]


def test_steps_take_their_time_as_long_as_there_is_enough() -> None:
    watch = Watch()
    budget = Budget([Step("a", 1, 10), Step("b", 1, 10)], 30, watch)
    assert budget.begin("a", 1) == 1
    watch.time += 12
    assert budget.begin("b", 1) == 1
    assert budget.cuts == []
    assert budget.done == budget.total == 20
    assert budget.next_seconds == 0
    assert budget.elapsed == 12


def test_later_steps_shrink_when_earlier_ones_took_too_long_and_the_cut_is_noted() -> None:
    watch = Watch()
    budget = Budget([Step("a", 1, 10), Step("b", 1000, 10), Step("c", 1, 10)], 40, watch)
    budget.begin("a", 1)
    assert budget.reserved == 20
    watch.time += 28
    assert budget.begin("b", 1000) == pytest.approx(0.5)
    assert budget.cuts == ["b at 1,000: measured for 50% of the planned time"]
    watch.time += 100
    assert budget.begin("c", 1) == LEAST_SHARE
    assert budget.remaining < 0


def test_what_cannot_be_shrunk_is_not_and_its_time_is_taken_from_the_others() -> None:
    watch = Watch()
    budget = Budget([Step("a", 1, 10), Step("build", 1, 20, shrinks=False), Step("c", 1, 10)], 50, watch)
    watch.time += 12.5
    assert budget.begin("a", 1) == pytest.approx((50 * 0.95 - 12.5 - 20) / 20)
    watch.time += 30
    assert budget.begin("build", 1) == 1
    assert len(budget.cuts) == 1


def test_steps_that_were_left_out_give_their_time_to_the_others() -> None:
    watch = Watch()
    budget = Budget([Step("a", 1, 10), Step("b", 1, 50), Step("c", 1, 10)], 30, watch)
    watch.time += 15
    assert budget.begin("c", 1) == 1
    assert budget.done == 70


def test_what_is_left_of_a_run_builds_again_the_stores_that_it_needs() -> None:
    steps = steps_of(Mode("quick", (100, 200), 60.0, 0.1, 1000, 0.1, 0.1, workers=(2,)))
    done = {(step.name, step.scale) for step in steps if step.name != "ingest"}
    assert remaining(steps, done) == []
    lookup = [(step.name, step.scale) for step in remaining(steps, done - {("lookup", 200)})]
    assert lookup == [("ingest", 200), ("lookup", 200)]
    fitted = [(step.name, step.scale) for step in remaining(steps, done - {("scaling", 200)})]
    assert fitted == [("ingest", 100), ("ingest", 200), ("scaling", 200)]
    assert remaining(steps, done - {("address", 100)}) == [steps[0]]


def test_scales_of_ones_own_are_measured_like_the_quick_ones() -> None:
    mode = scales_of((1000, 50_000))
    assert (mode.name, mode.scales, mode.lookup_seconds) == ("scales", (1000, 50_000), QUICK.lookup_seconds)
    assert mode.limit > sum(step.seconds for step in steps_of(mode))
