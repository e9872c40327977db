"""Single values of a table as text, numbers, booleans and times; ValueError gives the reason why one can't be read."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any, Final

from stat7.canonical import format_number, parse_json
from stat7.errors import InvalidEntity
from stat7.record import format_time, parse_time

_INTEGER = re.compile(r"[+-]?[0-9]{1,400}")
_NUMBER = re.compile(r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?")
_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
# Directives whose meaning does not depend on the machine's language.
_DIRECTIVE = re.compile(r"%(.?)")
_PORTABLE: Final = frozenset("YmdHMSfzyj%")
_BOOLEANS: Final = {
    "true": True, "t": True, "yes": True, "y": True, "1": True,
    "false": False, "f": False, "no": False, "n": False, "0": False,
}  # fmt: skip
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)

TIME_FORMATS: Final = ("rfc3339", "date", "unix", "unix-ms")
"""Names of time formats; any other is a pattern of numeric `strptime` directives, read as UTC unless it holds %z."""


def is_empty(value: Any) -> bool:
    """Whether there is no value: null, or text of no characters."""
    return value is None or value == ""


def as_text(value: Any) -> str:
    """A text as it is, a number in its canonical JSON form (`3.0` is `3`), a boolean as `true` or `false`."""
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value)
    if isinstance(value, float):
        return format_number(value)
    raise ValueError("has no value" if value is None else f"is {_kind(value)}, not one value")


def as_number(value: Any) -> int | float:
    """A number, or the one that a text denotes in decimal (`-1.5e3`, `.5`, `+7`); an int where it has no fraction."""
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return value
    if not isinstance(value, str):
        raise ValueError("has no value" if value is None else f"is {_kind(value)}, not a number")
    text = value.strip()
    if _INTEGER.fullmatch(text):
        return int(text)
    number = float(text) if _NUMBER.fullmatch(text) else math.nan
    if not math.isfinite(number):
        raise ValueError(f"{shown(value)} is not a number such as -1.5")
    return number


def as_integer(value: Any) -> int:
    """A number without a fraction (`3`, `3.0`, `"3"`)."""
    number = as_number(value)
    if number != int(number):
        raise ValueError(f"{shown(value)} is not an integer")
    return int(number)


def as_boolean(value: Any) -> bool:
    """A boolean, or what true, t, yes, y, 1 and false, f, no, n, 0 (of either case) mean."""
    found = value if isinstance(value, bool) else _BOOLEANS.get(as_text(value).strip().lower())
    if found is None:
        raise ValueError(f"{shown(value)} is not a boolean such as true or false")
    return found


def as_json(value: Any) -> Any:
    """The value that a text holds as JSON; what isn't text stays as it is."""
    if not isinstance(value, str):
        return value
    try:
        return parse_json(value)
    except InvalidEntity as error:
        raise ValueError(f"{shown(value)} is {error.reason}") from None


TYPES: Final[dict[str, Callable[[Any], Any]]] = {
    "string": as_text,
    "integer": as_integer,
    "number": as_number,
    "boolean": as_boolean,
    "json": as_json,
}
"""The types that a column can be declared to have."""


def as_time(value: Any, format: str) -> str:
    """A time, written in one of TIME_FORMATS or a `strptime` pattern, as RFC 3339 in UTC with milliseconds."""
    if format in ("unix", "unix-ms"):
        # Decimal, since 0.1 s times 1000 must be whole milliseconds.
        return _moment(Decimal(str(as_number(value))) * (1000 if format == "unix" else 1), value)
    text = as_text(value).strip()
    if format == "date":
        if not _DATE.fullmatch(text):
            raise ValueError(f"{shown(value)} is not a date such as 2026-01-31")
        text += "T00:00:00Z"
    if format in TIME_FORMATS:
        return _rfc3339(text)
    try:
        moment = datetime.strptime(text, format)
    except ValueError:
        raise ValueError(f"{shown(value)} is not a time of the form {format}") from None
    aware = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return _moment(Decimal((aware - _EPOCH) // _MICROSECOND) / 1000, value)


def check_time_format(format: Any) -> str:
    """Return `format` if `as_time` takes it, else raise ValueError."""
    names = ", ".join(TIME_FORMATS)
    if not isinstance(format, str) or (format not in TIME_FORMATS and "%" not in format):
        raise ValueError(f"must be one of {names} or a pattern such as %d/%m/%Y")
    for directive in _DIRECTIVE.findall(format):
        if directive not in _PORTABLE:
            reason = f"%{directive} is not understood; use %Y %m %d %H %M %S %f %z, which mean the same everywhere"
            raise ValueError(reason)
    return format


def shown(value: Any) -> str:
    """A value as one short line for an error's text; hostile characters come escaped."""
    text = ascii(value)
    return text if len(text) <= 60 else text[:57] + "..."


def _rfc3339(text: str) -> str:
    try:
        return format_time(parse_time(text))
    except InvalidEntity as error:
        raise ValueError(error.reason) from None


def _moment(milliseconds: Decimal, value: Any) -> str:
    if milliseconds != int(milliseconds):
        raise ValueError(f"{shown(value)} is finer than a millisecond; round it")
    try:
        return format_time(int(milliseconds))
    except OverflowError:
        raise ValueError(f"{shown(value)} is not in the years 0001 to 9999 UTC") from None


def _kind(value: Any) -> str:
    names = {dict: "an object", list: "an array", bool: "a boolean"}
    return names.get(type(value), f"a {type(value).__name__}")
