"""Real coordinates are the decimals nearest to the binary value, ties to even; bounds are rounded inwards."""

from __future__ import annotations

import math
from decimal import ROUND_HALF_EVEN, Decimal

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from stat7.coordinates import (
    ENTITY_TYPE,
    HORIZON_RANK,
    HORIZONS,
    REALM,
    SCALE,
    STANDARD_REALMS,
    quantise,
    real,
    units_at_least,
    units_at_most,
)

REALS = st.one_of(
    st.floats(-1, 1),
    st.integers(-SCALE, SCALE).map(lambda units: units / SCALE),
    st.integers(-2 * SCALE, 2 * SCALE).map(lambda halves: halves / (2 * SCALE)),
    st.integers(-SCALE + 1, SCALE - 1).map(lambda units: math.nextafter(units / SCALE, 2)),
    st.integers(-SCALE + 1, SCALE - 1).map(lambda units: math.nextafter(units / SCALE, -2)),
)


def exactly(value: float) -> int:
    """Units of 1e-8 by decimal arithmetic on the exact binary value."""
    return int((Decimal(value) * SCALE).to_integral_value(ROUND_HALF_EVEN))


@given(REALS)
@example(1 / 512)
@example(-0.0)
@example(5e-9)
@example(math.nextafter(5e-9, 0))
@example(5e-324)
def test_quantising_rounds_the_exact_binary_value_half_to_even(value: float) -> None:
    assert quantise(value) == exactly(value)


def test_every_exact_tie_goes_to_the_even_neighbour() -> None:
    """Only odd multiples of 1/512 lie half way between two decimals of eight digits."""
    for numerator in range(-511, 512, 2):
        value = numerator / 512
        assert Decimal(value) * SCALE % 1 in (Decimal("0.5"), Decimal("-0.5"))
        assert quantise(value) == exactly(value)
        assert quantise(value) % 2 == 0


@given(st.integers(-SCALE, SCALE))
def test_units_read_back_from_their_number(units: int) -> None:
    number = real(units)
    assert quantise(number) == units
    assert isinstance(number, int) == (units % SCALE == 0)
    assert Decimal(repr(number)) == Decimal(units).scaleb(-8)
    assert math.copysign(1, number) == (-1 if units < 0 else 1)


@given(st.one_of(REALS, st.floats(-2.5, 2.5)))
@example(2.0)
@example(-2.0)
def test_bounds_are_the_innermost_units(value: float) -> None:
    low, high = units_at_least(value), units_at_most(value)
    if abs(value) <= 2:
        assert (low - 1) / SCALE < value <= low / SCALE
        assert high / SCALE <= value < (high + 1) / SCALE
        assert low - high in (0, 1)


@given(st.integers(-SCALE, SCALE))
def test_a_quantised_bound_is_itself(units: int) -> None:
    assert units_at_least(units / SCALE) == units_at_most(units / SCALE) == units


@pytest.mark.parametrize("value", [2.1, 1e300, math.inf, 10**400])
def test_bounds_far_outside_saturate(value: float) -> None:
    assert units_at_least(value) == units_at_most(value) == 2 * SCALE
    assert units_at_least(-value) == units_at_most(-value) == -2 * SCALE


def test_horizons_are_in_the_order_of_life() -> None:
    assert HORIZONS == ("genesis", "emergence", "peak", "decay", "crystallization")
    assert [HORIZON_RANK[name] for name in HORIZONS] == [0, 1, 2, 3, 4]


def test_standard_realms_and_types_are_tokens() -> None:
    assert all(REALM.fullmatch(name) and ENTITY_TYPE.fullmatch(name) for name in STANDARD_REALMS)
    assert not REALM.fullmatch("a.b")
    assert ENTITY_TYPE.fullmatch("a.b")
