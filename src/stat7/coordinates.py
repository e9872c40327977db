"""The seven coordinates' own rules: horizons in lifecycle order, and the quantisation of the three real ones."""

from __future__ import annotations

import re
from typing import Final

STANDARD_REALMS: Final = ("data", "narrative", "system", "faculty", "event", "pattern", "void")
"""The realms with an agreed meaning; any other token of the same form is a realm too."""

HORIZONS: Final = ("genesis", "emergence", "peak", "decay", "crystallization")
"""Lifecycle stages in their order; stores keep the position in this tuple (0 to 4)."""

HORIZON_RANK: Final = {name: rank for rank, name in enumerate(HORIZONS)}

SCALE: Final = 10**8
"""Real coordinates are kept as integers of 1/SCALE: they fit 32 bits and compare exactly."""

MAX_LINEAGE: Final = 2**53 - 1

REALM: Final = re.compile(r"[a-z][a-z0-9_-]{0,31}")
ENTITY_TYPE: Final = re.compile(r"[a-z][a-z0-9_.-]{0,63}")


def quantise(value: float) -> int:
    """A finite real in units of 1e-8: the 8-digit decimal nearest to the binary value, ties to even (never -0).

    `round` with digits is correctly rounded in CPython (dtoa), so `round(value, 8)` is the binary64 nearest to that
    decimal, and multiplying by 1e8 lands within half a unit of the integer for |value| <= 1.
    """
    units = round(value * SCALE)
    if units / SCALE == value:
        return units
    return round(round(value, 8) * SCALE)


def real(units: int) -> int | float:
    """The JSON number for `units` of 1e-8; an int if the value is integral, to be written as `1` and not `1.0`."""
    whole, rest = divmod(units, SCALE)
    return units / SCALE if rest else whole


def units_at_least(value: float) -> int:
    """The least number of units whose binary64 is >= `value` (a lower bound rounded inwards); saturates at 2."""
    return _ceiling(value) if -2 <= value <= 2 else _saturated(value)


def units_at_most(value: float) -> int:
    """The greatest number of units whose binary64 is <= `value` (an upper bound rounded inwards); saturates at 2."""
    return -_ceiling(-value) if -2 <= value <= 2 else _saturated(value)


def _saturated(value: float) -> int:
    return 2 * SCALE if value > 0 else -2 * SCALE


def _ceiling(value: float) -> int:
    units = quantise(value)
    return units if units / SCALE >= value else units + 1
