"""RFC 8785 (JSON Canonicalization Scheme): `canonicalize` writes it, `parse_json` and `parse_canonical` read JSON strictly.

Two writers give the same bytes. orjson is used wherever its output is provably canonical; the writer below, which follows
the RFC section by section and knows the path of everything it meets, is used for the rest and for naming errors.

orjson 3.13 (OPT_SORT_KEYS, OPT_STRICT_INTEGER) differs from RFC 8785 only in
- floats with an integral value (`1.0`, `-0.0`, `1e+16`) and those from 1e-6 up to 1e-5 (`3.4e-6`),
- keys beyond the Basic Multilingual Plane, which it sorts by code point and not by UTF-16 code unit,
- NaN and infinities, which it writes as null.
`_is_canonical` recognises outputs that hold none of them; tests/test_canonical.py would notice a change of orjson.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from enum import Enum
from typing import Any, NoReturn
from uuid import UUID

import orjson

from stat7.errors import InvalidEntity

_TOO_DEEP = "arrays and objects are nested too deep"
_UNSAFE_INTEGER = 2**53
_EXPONENT_FROM = 10**21
_OPTIONS = (
    orjson.OPT_SORT_KEYS
    | orjson.OPT_STRICT_INTEGER
    | orjson.OPT_PASSTHROUGH_SUBCLASS
    | orjson.OPT_PASSTHROUGH_DATACLASS
    | orjson.OPT_PASSTHROUGH_DATETIME
)
# Two quick searches (a literal prefix makes `re` faster than `in` here), then the exact pattern of the number tokens that
# orjson writes otherwise than RFC 8785 asks: integral with a point, or with one of these exponents.
_INTEGRAL = re.compile(rb"\.0(?:[,}\]]|$)").search
_SMALL = re.compile(rb"e-6").search
_FOREIGN_NUMBER = re.compile(rb"(?:^|[:,\[])-?[0-9]+(?:\.0(?![0-9])|(?:\.[0-9]+)?e(?:-6|\+))").search
_SUPPLEMENTARY = re.compile(rb"[\xf0-\xf4]").search
_PLUS = ord("+")
_PLAIN_KEY = re.compile(r"[A-Za-z0-9_-]+")

Path = tuple[str | int, ...]


def canonicalize(value: Any) -> bytes:
    """The RFC 8785 bytes of a JSON value given as Python objects.

    dict (with str keys), list and tuple, str, bool, None, int and float are JSON; an Enum is written as its value and a
    UUID as its text. Raises InvalidEntity, naming the path, for NaN and infinities, integers that other readers would
    round (2^53 <= |v| < 10^21), lone surrogates, keys that are not strings, other types, and
    nesting too deep for the interpreter.
    """
    try:
        written = orjson.dumps(value, option=_OPTIONS)
    except (TypeError, ValueError, RecursionError):
        return _write_slowly(value)
    if _is_canonical(written) and not _may_hide_nan(value, written):
        return written
    return _write_slowly(value)


def canonicalize_parsed(value: Any) -> bytes:
    """`canonicalize` for what `parse_json` returned, which can't hold NaN: skips that check."""
    try:
        written = orjson.dumps(value, option=_OPTIONS)
    except (TypeError, ValueError, RecursionError):
        return _write_slowly(value)
    return written if _is_canonical(written) else _write_slowly(value)


def parse_json(data: bytes | str) -> Any:
    """Parse JSON text strictly (I-JSON, RFC 7493). Numbers come as Python's int and float.

    Raises InvalidEntity for invalid UTF-8, a byte-order mark, syntax errors, trailing bytes, duplicate member names, lone
    surrogates, numbers beyond binary64 and nesting too deep for the interpreter, naming the path where there is one.
    """
    try:
        encoded = data if isinstance(data, bytes) else data.encode("utf-8")
        value = orjson.loads(encoded)
    except (UnicodeEncodeError, orjson.JSONDecodeError, RecursionError):
        return _parse_slowly(data)
    return value if proves_distinct_members(encoded, orjson.dumps(value)) else _parse_slowly(data)


def parse_canonical(data: bytes) -> Any:
    """Parse bytes that must already be the RFC 8785 form of what they say; anything else raises InvalidEntity."""
    try:
        value = orjson.loads(data)
    except (orjson.JSONDecodeError, RecursionError):
        value = _parse_slowly(data)
    require_canonical(data, canonicalize_parsed(value))
    return value


def require_canonical(data: bytes, canonical: bytes) -> None:
    """Raise InvalidEntity, naming the first byte that differs, unless `data` equals its canonical form."""
    if data == canonical:
        return
    _parse_slowly(data)  # a duplicate or another plain fault is the better message
    at = next((i for i, (a, b) in enumerate(zip(data, canonical, strict=False)) if a != b), min(len(data), len(canonical)))
    raise InvalidEntity("", f"the bytes are not the canonical form (RFC 8785): they differ from it at byte {at}")


def format_number(value: float) -> str:
    """A finite binary64 as ECMAScript writes it (RFC 8785, 3.2.2.3; ECMA-262, Number::toString), e.g. 1e21 -> `1e+21`."""
    if value == 0:
        return "0"
    sign = "-" if value < 0 else ""
    digits, point = _shortest_digits(abs(value))
    count = len(digits)
    if count <= point <= 21:
        return sign + digits + "0" * (point - count)
    if 0 < point <= 21:
        return f"{sign}{digits[:point]}.{digits[point:]}"
    if -6 < point <= 0:
        return f"{sign}0.{'0' * -point}{digits}"
    mantissa = digits if count == 1 else f"{digits[0]}.{digits[1:]}"
    return f"{sign}{mantissa}e{point - 1:+d}"


def sort_key(text: str) -> bytes:
    """Key that sorts strings by UTF-16 code units, as RFC 8785 orders member names."""
    return text.encode("utf-16-be", "surrogatepass")


def format_path(path: Path) -> str:
    """A path inside a document as a person reads it: `coordinates.density`, `files[0].name`, `state["a b"]`."""
    parts: list[str] = []
    for step in path:
        if isinstance(step, int):
            parts.append(f"[{step}]")
        elif _PLAIN_KEY.fullmatch(step):
            parts.append(f".{step}" if parts else step)
        else:
            shown = step if len(step) <= 80 else step[:80] + "…"
            parts.append(f"[{json.dumps(shown)}]")
    return "".join(parts)


def _is_canonical(written: bytes) -> bool:
    """Whether orjson's output is certainly the RFC 8785 form, judged by the bytes alone."""
    if (_PLUS in written or _INTEGRAL(written) or _SMALL(written)) and _FOREIGN_NUMBER(written):
        return False
    return written.isascii() or not _SUPPLEMENTARY(written)


def _may_hide_nan(value: Any, written: bytes) -> bool:
    """Whether some `null` in orjson's output could be a NaN or an infinity."""
    nulls = written.count(b"null")
    if nulls == 0:
        return False
    if type(value) is dict and nulls == [*value.values()].count(None):
        return False
    try:
        json.dumps(value, allow_nan=False, default=str)
    except (ValueError, TypeError, RecursionError):
        return True
    return False


def _shortest_digits(value: float) -> tuple[str, int]:
    """The shortest digits that read back as `value` > 0, and where the decimal point stands: 0.0012 -> ('12', -2)."""
    mantissa, _, exponent = repr(value).partition("e")
    whole, _, fraction = mantissa.partition(".")
    fraction = "" if fraction == "0" else fraction
    point = len(whole) + int(exponent or 0)
    digits = whole + fraction
    stripped = digits.lstrip("0")
    point -= len(digits) - len(stripped)
    return stripped.rstrip("0"), point


def proves_distinct_members(data: bytes, written: bytes) -> bool:
    """Whether `written`, made from all that was parsed out of `data`, proves that `data` repeats no member name.

    A repeated name is lost in parsing and its quotes with it, so without escapes equal counts of quotes prove it.
    """
    return b"\\" not in data and data.count(b'"') == written.count(b'"')


def check_duplicates(data: bytes) -> None:
    """Raise InvalidEntity if a member name is repeated anywhere in this JSON text."""
    _parse_slowly(data)


def _parse_slowly(data: bytes | str) -> Any:
    """The strict reference parser, on the standard library: finds the fault that made the quick one stop, and its path."""
    text = _decode(data)
    repeated: list[tuple[dict[str, Any], str]] = []

    def members(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        made = dict(pairs)
        if len(made) != len(pairs):
            names = [name for name, _ in pairs]
            repeated.append((made, next(name for name in names if names.count(name) > 1)))
        return made

    try:
        value = json.loads(text, object_pairs_hook=members, parse_int=_parse_int)
        _walk(value, (), repeated)
    except json.JSONDecodeError as error:
        raise InvalidEntity("", f"not JSON: {error.msg} at line {error.lineno} column {error.colno}") from None
    except RecursionError:
        raise InvalidEntity("", _TOO_DEEP) from None
    return value


def _decode(data: bytes | str) -> str:
    try:
        text = data if isinstance(data, str) else str(data, "utf-8")
    except UnicodeDecodeError as error:
        raise InvalidEntity("", f"not UTF-8: byte 0x{data[error.start]:02x} at offset {error.start}") from None
    if text.startswith("\ufeff"):
        raise InvalidEntity("", "begins with a byte-order mark; save the text as UTF-8 without one")
    return text


def _parse_int(text: str) -> int | float:
    """Integers of up to 64 bits as int, longer ones as binary64: what orjson does too."""
    if len(text) < 19:
        return int(text)
    if len(text) <= 20 and -(2**63) <= (value := int(text)) < 2**64:
        return value
    return float(text)


def _walk(value: Any, path: Path, repeated: list[tuple[dict[str, Any], str]]) -> None:
    """Report, with its path, the first repeated member, non-finite number or lone surrogate."""
    if isinstance(value, float) and not math.isfinite(value):
        _refuse_non_finite(value, path)
    if isinstance(value, str):
        _quote(value, path)
    if not isinstance(value, (dict, list)):
        return
    if isinstance(value, list):
        for index, item in enumerate(value):
            _walk(item, (*path, index), repeated)
        return
    for made, name in repeated:
        if made is value:
            raise InvalidEntity(format_path((*path, name)), "this member name occurs twice")
    for name, item in value.items():
        _quote(name, (*path, name))
        _walk(item, (*path, name), repeated)


def _write_slowly(value: Any) -> bytes:
    parts: list[str] = []
    try:
        _write(value, (), parts)
    except RecursionError:
        raise InvalidEntity("", _TOO_DEEP) from None
    return "".join(parts).encode("utf-8")


def _write(value: Any, path: Path, parts: list[str]) -> None:
    """Append the canonical text of `value` to `parts` (RFC 8785, section 3.2)."""
    if value is None or value is True or value is False:
        parts.append({None: "null", True: "true", False: "false"}[value])
    elif isinstance(value, Enum):
        _write(value.value, path, parts)
    elif isinstance(value, str):
        parts.append(_quote(value, path))
    elif isinstance(value, (int, float)):
        parts.append(_number(value, path))
    elif isinstance(value, UUID):
        parts.append(f'"{value}"')
    elif isinstance(value, Mapping):
        _write_object(value, path, parts)
    elif isinstance(value, (list, tuple)):
        _write_array(value, path, parts)
    else:
        raise InvalidEntity(format_path(path), f"a {type(value).__name__} is not a JSON value")


def _write_array(items: list[Any] | tuple[Any, ...], path: Path, parts: list[str]) -> None:
    parts.append("[")
    for index, item in enumerate(items):
        if index:
            parts.append(",")
        _write(item, (*path, index), parts)
    parts.append("]")


def _write_object(members: Mapping[Any, Any], path: Path, parts: list[str]) -> None:
    for name in members:
        if not isinstance(name, str):
            raise InvalidEntity(format_path(path), f"the member name {name!r} is not a string")
    parts.append("{")
    for index, name in enumerate(sorted(members, key=sort_key)):
        if index:
            parts.append(",")
        inside = (*path, str(name))
        parts.append(_quote(name, inside))
        parts.append(":")
        _write(members[name], inside, parts)
    parts.append("}")


def _quote(text: str, path: Path) -> str:
    try:
        return str(orjson.dumps(str(text)), "utf-8")
    except TypeError:
        raise InvalidEntity(format_path(path), "holds a lone surrogate, which is not a character") from None


def _number(value: int | float, path: Path) -> str:
    if isinstance(value, float) and not math.isfinite(value):
        _refuse_non_finite(value, path)
    if abs(value) < _UNSAFE_INTEGER:
        return str(int(value)) if isinstance(value, int) else format_number(value)
    if value == int(value) and abs(value) < _EXPONENT_FROM:
        reason = f"the integer {value:.0f} is beyond 2^53 - 1, other readers would round it; write it as a string"
        raise InvalidEntity(format_path(path), reason)
    try:
        nearest = float(value)
    except OverflowError:
        nearest = math.inf
    if nearest != value:
        raise InvalidEntity(format_path(path), "this integer has no exact binary64 form; write it as a string")
    return format_number(nearest)


def _refuse_non_finite(value: float, path: Path) -> NoReturn:
    name = "NaN" if math.isnan(value) else "an infinity (or a number beyond binary64)"
    raise InvalidEntity(format_path(path), f"{name} is not a JSON number")
