"""RFC 8785 (JSON Canonicalization Scheme), written by `canonicalize`; `parse_json` and `parse_canonical` read strictly.

Two writers and two parsers give the same results. orjson is used wherever its result is provably right; the writer and
the parser below, which follow the RFC section by section and know the path of everything they meet, are used for the
rest and for naming errors.

orjson 3.13 (OPT_SORT_KEYS, OPT_STRICT_INTEGER) writes otherwise than RFC 8785 asks only in
- floats below 1e21 with an integral value (`1.0`, `-0.0`, `1e+16`) and those from 1e-6 up to 1e-5 (`3.4e-6`),
- keys beyond the Basic Multilingual Plane, which it sorts by code point and not by UTF-16 code unit,
- NaN and infinities, which it writes as null.
It reads otherwise only in keeping the last of members of one name. tests/test_canonical.py would notice a change of
orjson.
"""

from __future__ import annotations

import json
import math
import re
from collections import Counter
from collections.abc import Mapping
from enum import Enum
from typing import Any, Final, NoReturn
from uuid import UUID

import orjson

from stat7.errors import InvalidEntity

MAX_DEPTH: Final = 254
"""Arrays and objects open at one place, in any JSON read or written here: orjson's limit, kept by the slow ways too."""

_TOO_DEEP = f"arrays and objects are nested over {MAX_DEPTH} deep"
_UNSAFE_INTEGER = 2**53
_EXPONENT_FROM = 10**21
_OPTIONS = (
    orjson.OPT_SORT_KEYS
    | orjson.OPT_STRICT_INTEGER
    | orjson.OPT_PASSTHROUGH_SUBCLASS
    | orjson.OPT_PASSTHROUGH_DATACLASS
    | orjson.OPT_PASSTHROUGH_DATETIME
)
_dumps = orjson.dumps  # global names are found quicker than attributes

# Three quick searches, then the exact pattern of the number tokens that orjson writes otherwise than RFC 8785 asks:
# integral with a point, or with one of these exponents. `re` is quickest with a literal prefix that starts with a
# rare byte.
_INTEGRAL = re.compile(rb"\.0(?![0-9])").search
_SMALL = re.compile(rb"-6(?<=e-6)").search
_PLUS = ord("+")
_FOREIGN_NUMBER = re.compile(rb"([:,\[])(-?[0-9]+(?:\.0(?![0-9])|(?:\.[0-9]+)?e(?:-6|\+1[6-9]|\+20)(?![0-9])))")
# From a character beyond the Basic Multilingual Plane to the end of its string, and the colon if that was a member's
# name.
_SUPPLEMENTARY = re.compile(rb'[\xf0-\xf4](?:[^"\\]|\\.)*+"(:?)').findall
_BACKSLASH = ord("\\")
_PLAIN_KEY = re.compile(r"[A-Za-z0-9_-]+")

Path = tuple[str | int, ...]


def canonicalize(value: Any) -> bytes:
    """The RFC 8785 bytes of a JSON value given as Python objects.

    dict and other mappings (with str keys), list and tuple, str, bool, None, int and float are JSON; an Enum is
    written as its value and a UUID as its text. Raises InvalidEntity, naming the path, for NaN and infinities,
    integers that other readers would round (2^53 <= |v| < 10^21, or beyond that without an exact binary64 form), lone
    surrogates, keys that are not strings, other types, and nesting over MAX_DEPTH. An `orjson.Fragment` is not looked
    into: don't give it one.
    """
    try:
        written = _dumps(value, None, _OPTIONS)
    except (TypeError, ValueError, RecursionError):
        return _write_slowly(value)
    nulls = written.count(b"null")
    if nulls and type(value) is dict:
        # Most documents have these nulls alone; any other might be a NaN.
        nulls -= (value.get("created_at", 0) is None) + (value.get("previous", 0) is None)
    if (
        nulls == 0
        and not ((_PLUS in written or _INTEGRAL(written) or _SMALL(written)) and _holds_foreign_number(written))
        and (written.isascii() or _sorts_alike(written))
    ):
        return written
    return _respell(value, written)


def canonicalize_parsed(value: Any, limit: int | None = None) -> bytes:
    """`canonicalize` for what `parse_json` returned, which can't hold NaN: skips that check.

    With `limit`, a form that is certain to have over that many bytes may be refused (InvalidEntity) without being made.
    """
    try:
        written = _dumps(value, None, _OPTIONS)
    except (TypeError, ValueError, RecursionError):
        return _write_slowly(value)
    # Respelling numbers makes `0,` of `-0.0,` at best, which is more than a third.
    if limit is not None and len(written) > 3 * limit:
        raise InvalidEntity("", f"the canonical form is over the limit of {limit} bytes; attach a file")
    return written if _is_canonical(written) else _respell(value, written)


def parse_json(data: bytes | str) -> Any:
    """Parse JSON text strictly (I-JSON, RFC 7493). Numbers come as Python's int (64 bits at most) and float.

    Raises InvalidEntity for invalid UTF-8, a byte-order mark, syntax errors, trailing bytes, duplicate member names,
    lone surrogates, numbers beyond binary64 and nesting over MAX_DEPTH, naming the path where there is one.
    """
    try:
        encoded = data if isinstance(data, bytes) else data.encode("utf-8")
        value = orjson.loads(encoded)
        rewritten = orjson.dumps(value)
    except (TypeError, ValueError, RecursionError):
        return _parse_slowly(data)
    return value if proves_distinct_members(encoded, rewritten) else _parse_slowly(data)


def parse_canonical(data: bytes) -> Any:
    """Parse bytes that must already be the RFC 8785 form of what they say; anything else raises InvalidEntity."""
    try:
        value = orjson.loads(data)
    except (ValueError, RecursionError):
        value = _parse_slowly(data)
    require_canonical(data, canonicalize_parsed(value))
    return value


def require_canonical(data: bytes, canonical: bytes) -> None:
    """Raise InvalidEntity, naming the first byte that differs, unless `data` equals its canonical form."""
    if data == canonical:
        return
    check_duplicates(data)  # the better message
    pairs = zip(data, canonical, strict=False)
    at = next((i for i, (a, b) in enumerate(pairs) if a != b), min(len(data), len(canonical)))
    raise InvalidEntity("", f"the bytes are not the canonical form (RFC 8785): they differ from it at byte {at}")


def proves_distinct_members(data: bytes, written: bytes) -> bool:
    """Whether `written`, made from all that was parsed out of `data`, proves that `data` repeats no member name.

    Of a repeated name parsing keeps one member, so its colon is lost. Colons inside strings stay as they are, unless
    `data` spells one as an escape; so equal counts prove that nothing was lost.
    """
    if _BACKSLASH in data and b"\\u003" in data:
        return False
    return data.count(b":") == written.count(b":")


def check_duplicates(data: bytes) -> None:
    """Raise InvalidEntity if a member name is repeated anywhere in this JSON text, or if it isn't JSON."""
    parse_json(data)


def format_number(value: float) -> str:
    """A finite binary64 as ECMAScript writes it (RFC 8785, 3.2.2.3; ECMA-262, Number::toString): 1e21 -> `1e+21`."""
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
    """A path inside a document as a person reads it: `coordinates.density`, `files[0].name`, `state["a b"]`.

    Characters other than ASCII come as escapes; long names and deep paths are cut.
    """
    parts: list[str] = []
    for step in path[:12]:
        if isinstance(step, int):
            parts.append(f"[{step}]")
            continue
        shown = step if len(step) <= 80 else step[:80] + "…"
        if _PLAIN_KEY.fullmatch(shown):
            parts.append(f".{shown}" if parts else shown)
        else:
            parts.append(f"[{json.dumps(shown)}]")
    return "".join(parts) + ("…" if len(path) > 12 else "")


def _is_canonical(written: bytes) -> bool:
    """Whether orjson's output is certainly the RFC 8785 form, judged by the bytes alone."""
    if (_PLUS in written or _INTEGRAL(written) or _SMALL(written)) and _holds_foreign_number(written):
        return False
    return written.isascii() or _sorts_alike(written)


def _holds_foreign_number(written: bytes) -> bool:
    # A lone number has nothing before it for the pattern to stand on: hence the colon.
    return _FOREIGN_NUMBER.search(b":" + written) is not None


def _sorts_alike(written: bytes) -> bool:
    """Whether no member's name has a character beyond the Basic Multilingual Plane."""
    # One search for each byte is several times quicker than a pattern of five.
    if not (0xF0 in written or 0xF1 in written or 0xF2 in written or 0xF3 in written or 0xF4 in written):
        return True
    return b":" not in _SUPPLEMENTARY(written)


def _respell(value: Any, written: bytes) -> bytes:
    """The canonical bytes from orjson's: foreign numbers respelled in place, if reading that back gives `value`.

    Equality proves that no string was touched, and that no null stands for a NaN. What
    isn't proven so goes through the slow writer.
    """
    respelled = _FOREIGN_NUMBER.sub(_respell_number, written)
    try:
        if _is_canonical(respelled) and orjson.loads(respelled) == value:
            return respelled
    except (ValueError, RecursionError):
        pass
    return _write_slowly(value)


def _respell_number(found: re.Match[bytes]) -> bytes:
    number = float(found[2])
    if _UNSAFE_INTEGER <= abs(number) < _EXPONENT_FROM:
        return found[0]  # the slow writer refuses it and names the path
    return found[1] + format_number(number).encode("ascii")


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


def _parse_slowly(data: bytes | str) -> Any:
    """The strict reference parser, on the standard library: finds what made the quick one stop, and its path."""
    text = _decode(data)
    # By the identity of the object that lacks a member. The objects are kept too, so that no identity is used again.
    repeated: dict[int, tuple[str, dict[str, Any]]] = {}

    def members(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        made = dict(pairs)
        if len(made) != len(pairs):
            repeated[id(made)] = _first_repeated(pairs), made
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


def _first_repeated(pairs: list[tuple[str, Any]]) -> str:
    count = Counter(name for name, _ in pairs)
    return next(name for name in count if count[name] > 1)


def _parse_int(text: str) -> int | float:
    """Integers of up to 64 bits as int, longer ones as binary64: what orjson does too."""
    if len(text) < 19:
        return int(text)
    if len(text) <= 20 and -(2**63) <= (value := int(text)) < 2**64:
        return value
    return float(text)


def _walk(value: Any, path: Path, repeated: dict[int, tuple[str, dict[str, Any]]]) -> None:
    """Report, with its path, the first repeated member, non-finite number, lone surrogate or too deep nesting."""
    if isinstance(value, float) and not math.isfinite(value):
        _refuse_non_finite(value, path)
    if isinstance(value, str):
        _quote(value, path)
    if not isinstance(value, (dict, list)):
        return
    _check_depth(path)
    if isinstance(value, list):
        for index, item in enumerate(value):
            _walk(item, (*path, index), repeated)
        return
    if id(value) in repeated:
        raise InvalidEntity(format_path((*path, repeated[id(value)][0])), "this member name occurs twice")
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
    elif isinstance(value, (str, UUID)):
        parts.append(_quote(value if isinstance(value, str) else str(value), path))
    elif isinstance(value, (int, float)):
        parts.append(_number(value, path))
    elif isinstance(value, Mapping):
        _write_object(value, path, parts)
    elif isinstance(value, (list, tuple)):
        _write_array(value, path, parts)
    else:
        raise InvalidEntity(format_path(path), f"a {type(value).__name__} is not a JSON value")


def _write_array(items: list[Any] | tuple[Any, ...], path: Path, parts: list[str]) -> None:
    _check_depth(path)
    parts.append("[")
    for index, item in enumerate(items):
        if index:
            parts.append(",")
        _write(item, (*path, index), parts)
    parts.append("]")


def _write_object(members: Mapping[Any, Any], path: Path, parts: list[str]) -> None:
    _check_depth(path)
    named: dict[str, Any] = {}
    for key, item in members.items():
        if not isinstance(key, str):
            raise InvalidEntity(format_path(path), f"a member name is a {type(key).__name__}, not a string")
        name = str.__str__(key)  # the characters themselves, whatever a subclass says
        if name in named:
            raise InvalidEntity(format_path((*path, name)), "this member name occurs twice")
        named[name] = item
    parts.append("{")
    for index, name in enumerate(sorted(named, key=sort_key)):
        if index:
            parts.append(",")
        parts.append(_quote(name, (*path, name)))
        parts.append(":")
        _write(named[name], (*path, name), parts)
    parts.append("}")


def _check_depth(path: Path) -> None:
    if len(path) >= MAX_DEPTH:
        raise InvalidEntity(format_path(path), _TOO_DEEP)


def _quote(text: str, path: Path) -> str:
    try:
        return str(orjson.dumps(str.__str__(text)), "utf-8")
    except TypeError:
        raise InvalidEntity(format_path(path), "holds a lone surrogate, which is not a character") from None


def _number(given: int | float, path: Path) -> str:
    # Subclasses (IntEnum, numpy's float64) have their own ways to be printed.
    value = float.__float__(given) if isinstance(given, float) else int.__index__(given)
    if isinstance(value, float) and not math.isfinite(value):
        _refuse_non_finite(value, path)
    if abs(value) < _UNSAFE_INTEGER:
        return str(value) if isinstance(value, int) else format_number(value)
    if abs(value) < _EXPONENT_FROM:
        reason = f"the integer {int(value)} is beyond 2^53 - 1, other readers would round it; write it as a string"
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
