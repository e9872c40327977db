"""Histograms keep percentiles to within 1 %."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stat7.stress.histogram import Histogram, buckets_of, middle_of


@given(st.integers(0, 2**52 - 1))
def test_a_bucket_stands_for_its_values_to_within_one_percent(value: int) -> None:
    middle = float(middle_of(buckets_of(np.array([value], dtype=np.int64)))[0])
    assert abs(middle - value) <= 0.01 * value


@given(st.lists(st.integers(0, 2**52 - 1), min_size=2, max_size=50))
def test_larger_values_never_have_smaller_buckets(values: list[int]) -> None:
    ordered = buckets_of(np.array(sorted(values), dtype=np.int64))
    assert (np.diff(ordered) >= 0).all()


def test_negative_times_count_as_none() -> None:
    assert buckets_of(np.array([-5, 0], dtype=np.int64)).tolist() == [0, 0]


@pytest.mark.parametrize("share", [0.01, 0.5, 0.9, 0.95, 0.99, 0.999])
@pytest.mark.parametrize("spread", [0.1, 1.0, 3.0])
def test_percentiles_lie_within_one_percent_of_the_exact_ones(share: float, spread: float) -> None:
    times = np.random.default_rng(7).lognormal(11, spread, 50_000).astype(np.int64)
    exact = float(np.quantile(times, share, method="inverted_cdf"))
    assert Histogram.of(times).percentile(share) == pytest.approx(exact, rel=0.01)


def test_a_histogram_survives_being_stored() -> None:
    times = np.array([3, 3, 5_000, 5_001, 80_000_000], dtype=np.int64)
    histogram = Histogram.read(Histogram.of(times).as_dict())
    assert histogram.total == 5
    assert histogram.percentile(0.2) == 3
    assert histogram.percentile(0.99) == pytest.approx(80_000_000, rel=0.01)
