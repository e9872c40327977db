"""Percentiles, steady state and summaries against values worked out by other means."""

from __future__ import annotations

import time
from fractions import Fraction
from math import ceil

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stat7.stress.histogram import Nanoseconds
from stat7.stress.measure import (
    BEYOND,
    LEAST_BLOCKS,
    Series,
    bootstrap,
    part_of,
    percentile,
    steady_from,
    summarise,
    time_the_timer,
)
from stat7.stress.sabotage.load import CoarseClock


def ints(*values: int) -> Nanoseconds:
    return np.array(values, dtype=np.int64)


def floats(values: list[float]) -> Series:
    return np.array(values, dtype=np.float64)


@given(values=st.lists(st.integers(0, 10**9), min_size=1, max_size=400), hundredths=st.integers(1, 99))
def test_a_percentile_is_the_smallest_value_that_so_many_do_not_exceed(values: list[int], hundredths: int) -> None:
    ordered = sorted(values)
    found = percentile(np.array(ordered, dtype=np.int64), hundredths / 100)
    rank = ceil(Fraction(hundredths, 100) * len(ordered))
    assert found == (ordered[rank - 1] if len(ordered) - rank >= BEYOND else None)


@pytest.mark.parametrize(("count", "known"), [(999, False), (1000, True), (100_000, True)])
def test_the_99th_percentile_takes_a_thousand_samples(count: int, known: bool) -> None:
    assert (percentile(np.arange(count, dtype=np.int64), 0.99) is not None) is known


def test_percentiles_of_a_known_distribution_are_exact() -> None:
    ordered = np.arange(1, 10_001, dtype=np.int64)
    assert [percentile(ordered, share) for share in (0.5, 0.95, 0.99, 0.999)] == [5000, 9500, 9900, 9990]


def noisy(mean: list[float], spread: float = 0.02) -> Series:
    noise = np.random.default_rng(5).normal(1, spread, len(mean))
    return floats(mean) * noise


def test_a_constant_series_is_steady_from_its_start() -> None:
    assert steady_from(floats([100.0] * 20)) == 0
    assert steady_from(noisy([100.0] * 20, 0.1)) in range(6)


@pytest.mark.parametrize("warm_up", [1, 2, 5])
def test_a_slow_start_is_cut_off(warm_up: int) -> None:
    assert steady_from(noisy([40.0] * warm_up + [100.0] * (20 - warm_up))) == warm_up


def test_a_ramp_that_levels_off_is_cut_where_it_does() -> None:
    cut = steady_from(noisy([20.0, 40.0, 60.0, 80.0] + [100.0] * 16, 0.005))
    assert cut == 4


@pytest.mark.parametrize(
    "values",
    [
        [100.0 - 4 * block for block in range(20)],
        [100.0 + 10 * block for block in range(20)],
        [100.0] * 13 + [50.0] * 7,
        [100.0] * 12 + [1.0] * 8,
        [1.0] * 10 + [100.0] * 10,
    ],
    ids=["falling", "rising", "halved", "broken down", "half a warm-up"],
)
def test_a_series_that_drifts_to_its_end_is_not_steady(values: list[float]) -> None:
    assert steady_from(noisy(values)) is None


@pytest.mark.parametrize("values", [[], [1.0] * (LEAST_BLOCKS - 1), [0.0] * 8])
def test_too_few_blocks_or_no_work_at_all_are_not_steady(values: list[float]) -> None:
    assert steady_from(floats(values)) is None


def test_a_summary_counts_operations_per_second_of_all_workers_until_the_first_is_done() -> None:
    quick = np.arange(1, 1001, dtype=np.int64) * 1_000_000
    slow = np.arange(1, 401, dtype=np.int64) * 5_000_000
    found = summarise([(quick, quick * 0 + 900_000), (slow, slow * 0 + 4_000_000)])
    assert found.window == (0, 1_000_000_000)
    assert found.rate == pytest.approx(1200)
    assert found.steady
    assert len(found.latencies) == 1200
    assert found.latencies[0] == 900_000


def test_the_warm_up_is_in_no_figure_but_the_blocks() -> None:
    durations = np.array([9_000_000] * 50 + [1_000_000] * 2000, dtype=np.int64)
    found = summarise([(durations.cumsum(), durations)])
    assert found.cut >= 1
    assert found.rate == pytest.approx(1000, rel=0.01)
    assert found.percentile(0.99) == 1_000_000
    assert len(found.blocks) == 20


def test_the_reads_of_a_mix_are_summed_up_over_the_time_that_the_whole_kept() -> None:
    ends = np.arange(1, 2001, dtype=np.int64) * 1_000_000
    durations = np.where(np.arange(2000) % 2 == 0, 100, 700_000).astype(np.int64)
    whole = summarise([(ends, durations)])
    reads = part_of(whole, [(ends[::2], durations[::2])])
    assert set(reads.latencies) == {100}
    assert reads.rate == pytest.approx(500, rel=0.01)
    assert reads.figures("read_")["read_p99"].value == pytest.approx(100 / 1e6)


def test_figures_without_a_steady_state_may_be_off_by_as_much_as_the_halves_differ() -> None:
    slowing = np.cumsum(np.linspace(1e6, 2e6, 4000)).astype(np.int64)
    little = summarise([(slowing, slowing * 0 + 10)])
    assert not little.steady
    assert little.slack == 2
    fast = np.arange(1, 2601, dtype=np.int64) * 100_000
    breaking = np.concatenate([fast, fast[-1] + np.arange(1, 21, dtype=np.int64) * 10_000_000])
    much = summarise([(breaking, breaking * 0 + 10)])
    assert not much.steady
    assert 2 < much.slack < 10
    assert summarise([(np.arange(1, 2001, dtype=np.int64) * 1000, breaking[:2000] * 0)]).slack == 1


def test_nothing_measured_is_no_data() -> None:
    empty = summarise([(ints(), ints())])
    assert not empty.steady
    figures = empty.figures("hit_")
    assert {figure.value for figure in figures.values()} == {None}
    assert part_of(empty, [(ints(), ints())]).rate == 0


def test_figures_without_enough_samples_are_none_but_the_mean_is_there() -> None:
    ends = np.arange(1, 101, dtype=np.int64) * 1_000_000
    figures = summarise([(ends, ends * 0 + 500_000)]).figures()
    assert figures["p99"].value is None
    assert figures["mean"].value == pytest.approx(0.5)
    assert figures["mean"].samples == 100


def test_the_timer_of_this_machine_is_fine_enough() -> None:
    timer = time_the_timer(time.perf_counter_ns)
    assert 0 < timer.step_ns < 10_000
    assert 0 < timer.floor_ns <= timer.floor_p99_ns
    assert not timer.too_coarse


def test_a_clock_of_one_millisecond_steps_is_too_coarse() -> None:
    timer = time_the_timer(CoarseClock(1_000_000), pairs=100, steps=3)
    assert timer.step_ns >= 1_000_000
    assert timer.too_coarse


def test_a_clock_that_stands_still_is_told_after_the_limit_at_the_latest() -> None:
    ticks = iter(range(0, 10**9, 400_000))
    timer = time_the_timer(lambda: next(ticks), pairs=10, steps=10**6, limit_ns=10_000_000)
    assert timer.step_ns == 400_000


def test_a_bootstrap_holds_the_truth_about_as_often_as_it_says() -> None:
    random = np.random.default_rng(3)
    held = 0
    for _ in range(300):
        durations = random.exponential(100_000, 3000).astype(np.int64)
        interval = summarise([(np.cumsum(durations), durations)]).intervals()["mean"]
        held += interval[0] <= 100_000 <= interval[1]
    assert 270 <= held <= 297


def test_what_disturbs_a_whole_block_widens_the_interval() -> None:
    calm = np.full(4000, 100_000, dtype=np.int64)
    moody = calm * (1 + (np.arange(4000) // 200 % 2))
    quiet = summarise([(np.cumsum(calm), calm)]).intervals()["mean"]
    spread = summarise([(np.cumsum(moody), moody)]).intervals()["mean"]
    assert quiet[1] - quiet[0] < 1000
    assert spread[1] - spread[0] > 20_000


def test_an_interval_takes_enough_blocks() -> None:
    few = np.full(16, 1000, dtype=np.int64)
    assert summarise([(np.cumsum(few), few)]).intervals() == {}
    assert bootstrap([1.0] * 4) is None
    low, high = bootstrap([9.0, 10.0, 11.0, 10.0, 10.5]) or (0, 0)
    assert 9 < low < 10.1 < high < 11.5


def test_the_part_of_one_kind_has_a_series_of_its_own() -> None:
    durations = np.full(4000, 100_000, dtype=np.int64)
    ends = np.cumsum(durations)
    whole = summarise([(ends, durations)])
    half = part_of(whole, [(ends[::2], durations[::2])])
    assert half.rate == pytest.approx(whole.rate / 2, rel=0.01)
    assert half.series()["per_second"] == pytest.approx([rate / 2 for rate in whole.series()["per_second"]], rel=0.02)
    assert sum(half.histogram()["counts"]) == len(half.latencies) == 2000
