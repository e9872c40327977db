"""Probabilities and fits against values worked out by other means."""

from __future__ import annotations

from math import exp

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stat7.stress.statistics import fit_exponent, fit_rounds, poisson_probability


@pytest.mark.parametrize(
    ("observed", "expected", "probability"),
    [
        (0, 0.01, 1.0),
        (1, 0.01, 2 * (1 - exp(-0.01))),
        (3, 0.01, 2 * 1.6542e-7),
        (0, 50.0, 2 * exp(-50)),
        (50, 50.0, 1.0),
        (90, 50.0, 2 * 2.2e-7),
        (0, 0.0, 1.0),
        (5, 0.0, 0.0),
    ],
)
def test_how_probable_a_count_is(observed: int, expected: float, probability: float) -> None:
    assert poisson_probability(observed, expected) == pytest.approx(probability, rel=0.1)


@given(st.integers(0, 400), st.floats(0.001, 300))
def test_a_probability_lies_between_nothing_and_one(observed: int, expected: float) -> None:
    assert 0 <= poisson_probability(observed, expected) <= 1


def test_large_counts_are_judged_as_normal_ones() -> None:
    expected = 10_000_000 * 9_999_999 / 2 / 2**28
    assert poisson_probability(round(expected + expected**0.5), expected) == pytest.approx(0.317, abs=0.01)
    assert poisson_probability(round(expected + 6 * expected**0.5), expected) < 1e-8


def test_both_ways_of_counting_agree_where_they_meet() -> None:
    assert poisson_probability(9800, 9_999.9) == pytest.approx(poisson_probability(9800, 10_000.1), rel=0.15)


@given(st.floats(0.5, 2.0), st.lists(st.integers(10, 10**7), min_size=3, max_size=5, unique=True))
def test_an_exact_power_is_found_without_error(exponent: float, scales: list[int]) -> None:
    totals = [3e-6 * scale**exponent for scale in scales]
    for fit in (fit_exponent(list(zip(scales, totals, strict=True))), fit_rounds(scales, [totals] * 4)):
        assert fit is not None
        assert fit.exponent == pytest.approx(exponent, rel=1e-3)
        assert fit.error == pytest.approx(0, abs=1e-3)


def test_the_error_of_a_fit_comes_from_the_distance_to_the_line() -> None:
    fit = fit_exponent([(10, 1.0), (100, 15.0), (1000, 100.0)])
    assert fit is not None
    assert fit.exponent == pytest.approx(1)
    assert fit.error == pytest.approx((6 * 0.17609**2 / 9 / 2) ** 0.5, rel=0.01)
    assert fit.interval == (fit.exponent - 2 * fit.error, fit.exponent + 2 * fit.error)


def test_what_slows_a_whole_round_does_not_touch_its_exponent() -> None:
    rounds = [[10.0 * slow, 1000.0 * slow] for slow in (1, 3, 0.5, 20)]
    fit = fit_rounds([10, 1000], rounds)
    assert fit is not None
    assert fit.exponent == pytest.approx(1)
    assert fit.error == pytest.approx(0, abs=1e-12)


def test_the_error_over_rounds_comes_from_their_spread() -> None:
    fit = fit_rounds([10, 100], [[1.0, 10.0], [1.0, 100.0], [1.0, 10.0], [1.0, 100.0]])
    assert fit is not None
    assert fit.exponent == pytest.approx(1.5)
    assert fit.error == pytest.approx((1 / 3 / 4) ** 0.5)
    assert fit.points == 4


def test_a_round_in_which_the_clock_did_not_move_is_left_out() -> None:
    fit = fit_rounds([10, 100], [[1.0, 10.0], [0.0, 10.0], [2.0, 20.0]])
    assert fit is not None
    assert fit.exponent == pytest.approx(1)
    assert fit.points == 2


def test_too_few_points_are_no_line() -> None:
    assert fit_exponent([(10, 1.0), (100, 10.0)]) is None
    assert fit_rounds([10], [[1.0], [1.0]]) is None
    assert fit_rounds([10, 100], [[1.0, 10.0]]) is None
