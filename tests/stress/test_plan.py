"""The plan of a run and how it keeps its limit."""

from __future__ import annotations

import pytest

from stat7.stress.plan import FULL, LEAST_SHARE, QUICK, Budget, Mode, Step, steps_of


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
    assert sum(step.seconds for step in steps_of(mode)) <= 0.95 * mode.limit


def test_memory_and_concurrency_end_at_a_million() -> None:
    names = {scale: [step.name for step in steps_of(FULL) if step.scale == scale] for scale in FULL.scales}
    everything = ["address", "ingest", "collisions", "lookup", "concurrent 4", "concurrent 16", "memory"]
    assert all(names[scale] == everything for scale in FULL.scales[:-1])
    assert names[10_000_000] == ["address", "ingest", "collisions", "lookup", "scaling"]


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
