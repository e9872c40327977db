"""Single values of a table: what is a number, a boolean, a time, and what is refused."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stat7.importers.values import (
    TYPES,
    as_boolean,
    as_integer,
    as_json,
    as_number,
    as_text,
    as_time,
    check_time_format,
    is_empty,
    shown,
)


@pytest.mark.parametrize(
    ("value", "text"), [("a b", "a b"), ("", ""), (3, "3"), (3.0, "3"), (-0.5, "-0.5"), (1e21, "1e+21"), (True, "true")]
)
def test_a_value_as_text(value: Any, text: str) -> None:
    assert as_text(value) == text


@pytest.mark.parametrize(
    ("value", "number"),
    [
        ("7", 7),
        ("+7", 7),
        (" -1.5e3 ", -1500.0),
        (".5", 0.5),
        ("2.", 2.0),
        (4, 4),
        (0.25, 0.25),
        ("9" * 20, 10**20 - 1),
    ],
)
def test_a_value_as_number(value: Any, number: float) -> None:
    assert as_number(value) == number
    assert type(as_number(value)) is type(number)


@given(st.integers(-(10**30), 10**30) | st.floats(allow_nan=False, allow_infinity=False))
def test_a_number_written_and_read_is_the_same(number: float) -> None:
    assert float(as_number(as_text(number))) == float(number)


REFUSED: list[tuple[Callable[[Any], Any], Any, str]] = [
    (as_text, None, "has no value"),
    (as_text, {"a": 1}, "is an object"),
    (as_text, [1], "is an array"),
    (as_number, "", "is not a number"),
    (as_number, "1,5", "is not a number"),
    (as_number, "0x10", "is not a number"),
    (as_number, "nan", "is not a number"),
    (as_number, "inf", "is not a number"),
    (as_number, "1e999", "is not a number"),
    (as_number, "1_000", "is not a number"),
    (as_number, "٣", "is not a number"),
    (as_number, "9" * 401, "is not a number"),
    (as_number, True, "is a boolean"),
    (as_number, None, "has no value"),
    (as_integer, "1.5", "is not an integer"),
    (as_boolean, "maybe", "is not a boolean"),
    (as_boolean, "", "is not a boolean"),
    (as_json, "{", "not JSON"),
    (as_json, '{"a":1,"a":2}', "twice"),
]


@pytest.mark.parametrize(("read", "value", "reason"), REFUSED)
def test_what_cannot_be_read_is_refused_on_one_line(read: Callable[[Any], Any], value: Any, reason: str) -> None:
    with pytest.raises(ValueError, match=reason) as caught:
        read(value)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 200


def test_integers_booleans_and_json() -> None:
    assert [as_integer(value) for value in ("3", 3.0, "3.0", "-3e2")] == [3, 3, 3, -300]
    assert [as_boolean(value) for value in (True, "YES", " t ", 1, "0", "False", "n", 0)] == [True] * 4 + [False] * 4
    values: list[Any] = ['{"a":[1]}', "null", [2], None]
    assert [as_json(value) for value in values] == [{"a": [1]}, None, [2], None]
    assert set(TYPES) == {"string", "integer", "number", "boolean", "json"}


def test_no_value_is_null_or_empty_text_and_not_zero() -> None:
    values: list[Any] = [None, "", 0, False, " ", []]
    assert [is_empty(value) for value in values] == [True, True, False, False, False, False]


@pytest.mark.parametrize(
    ("value", "format", "time"),
    [
        ("2026-01-31T12:00:00+01:00", "rfc3339", "2026-01-31T11:00:00.000Z"),
        ("2026-01-31", "date", "2026-01-31T00:00:00.000Z"),
        (0, "unix", "1970-01-01T00:00:00.000Z"),
        ("1769860800.123", "unix", "2026-01-31T12:00:00.123Z"),
        (0.1, "unix", "1970-01-01T00:00:00.100Z"),
        (-1, "unix-ms", "1969-12-31T23:59:59.999Z"),
        ("31/01/2026", "%d/%m/%Y", "2026-01-31T00:00:00.000Z"),
        ("20260131 120000.25 +0200", "%Y%m%d %H%M%S.%f %z", "2026-01-31T10:00:00.250Z"),
    ],
)
def test_times_in_the_forms_that_tables_have(value: Any, format: str, time: str) -> None:
    assert as_time(value, check_time_format(format)) == time


@pytest.mark.parametrize(
    ("value", "format", "reason"),
    [
        ("2026-01-31", "rfc3339", "is not an RFC 3339 time"),
        ("31.1.2026", "date", "is not a date"),
        ("2026-02-31", "date", "is not a moment"),
        ("soon", "unix", "is not a number"),
        (0.0001, "unix", "finer than a millisecond"),
        (10**18, "unix", "years 0001 to 9999"),
        ("31/31/2026", "%d/%m/%Y", "is not a time of the form"),
        ("0.000001", "%S.%f", "finer than a millisecond"),
        ("0001-01-01 +1400", "%Y-%m-%d %z", "years 0001 to 9999"),
    ],
)
def test_times_that_are_none_are_refused(value: Any, format: str, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        as_time(value, format)


@pytest.mark.parametrize("format", ["iso", "", 3, "%d %B %Y", "%x", "%Y%"])
def test_formats_that_depend_on_the_machine_or_mean_nothing_are_refused(format: object) -> None:
    with pytest.raises(ValueError, match=r"rfc3339|not understood"):
        check_time_format(format)


def test_long_and_hostile_values_are_shown_short_and_escaped() -> None:
    assert shown("\x1b[31m\n") == "'\\x1b[31m\\n'"
    assert len(shown("x" * 1000)) == 60
