"""Strategies for JSON that tempts writers and parsers into mistakes, and a tool to spell the same facts otherwise."""

from __future__ import annotations

import json
import math
import random
import struct
from typing import Any, Final

import rfc8785
from hypothesis import strategies as st

TEXTS: Final = (
    "", "a", "null", "true", "-0", "1.0", "x:1.0,", '":1.0,"', "e-6", ":3e-6]", "2.0 and C++", "[:1e+21,", "\\u003a",
    "\\", '"', "a:b", '{"a":1,"a":2}', "\x00", "\x1f", "\x7f", "\x80", "\n\r\t\b\f", "/", "</script>", "\u2028\u2029",
    "\ud7ff", "\ue000", "\uffff", "\U00010000", "\U0010ffff", "😀", "😀\"x", "é", "e\u0301", "\u20ac", "\ufb33",
    "\ufeff", "日本",
)  # fmt: skip
"""Strings that look like syntax, or that order and escapes go wrong on."""

NUMBERS: Final = (
    0, -0.0, 0.0, 1, -1, 1.0, -1.0, 10.0, 0.1, 1 / 3, 1e-5, 1e-6, -1e-6, 3.4e-6, 9.999999e-6, 9.999999999999999e-6,
    1e-7, 1.5e-7, 1e-60, 1.5e-66, 4.35, 333333333.3333333, 5e-324, -5e-324, 2.2250738585072014e-308,
    1.7976931348623157e308, 1e21, -1e21, 1.5e300, 1e23, 2.0**70, 10**21, 2**70, 2**53 - 1, -(2**53) + 1,
    9007199254740991.0, 4503599627370497.5, 295147905179352830000.0 * 10,
)  # fmt: skip
"""Numbers where writers differ, all of them allowed in a document."""


def texts() -> st.SearchStrategy[str]:
    """Strings of any Unicode scalar values, awkward ones often."""
    return st.one_of(st.sampled_from(TEXTS), st.text(st.characters(codec="utf-8"), max_size=12))


def numbers() -> st.SearchStrategy[int | float]:
    """Every number that may be written: all exponents alike, small integers and awkward ones often."""
    any_bits = st.integers(0, 2**64 - 1).map(lambda bits: float(struct.unpack(">d", bits.to_bytes(8, "big"))[0]))
    integers = st.integers(-(2**53) + 1, 2**53 - 1)
    integral = st.integers(-1000, 1000).map(float)
    return st.one_of(st.sampled_from(NUMBERS), integers, integral, any_bits.filter(is_writable))


def values() -> st.SearchStrategy[Any]:
    """JSON values of hostile strings and numbers, nested a few levels."""
    scalars = st.one_of(st.none(), st.booleans(), numbers(), texts())
    return st.recursive(
        scalars,
        lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(texts(), inner, max_size=4)),
        max_leaves=12,
    )


def reference(value: Any) -> bytes:
    """The RFC 8785 form by a published implementation, which takes no integers beyond 2^53 but their floats."""
    return rfc8785.dumps(_with_floats(value))


def _with_floats(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _with_floats(item) for name, item in value.items()}
    if isinstance(value, list):
        return [_with_floats(item) for item in value]
    return float(value) if type(value) is int and abs(value) >= 2**53 else value


def is_writable(value: float) -> bool:
    """Whether a number may stand in a document: finite, and no integer in 2^53 <= |v| < 10^21."""
    return math.isfinite(value) and not 2**53 <= abs(value) < 10**21


def random_value(source: random.Random, depth: int = 3) -> Any:
    """A JSON value as `values` makes them, without Hypothesis, for large counts."""
    kind = source.randrange(8 if depth else 5)
    if kind >= 5:
        count = source.randrange(4)
        if kind == 5:
            return [random_value(source, depth - 1) for _ in range(count)]
        return {random_text(source): random_value(source, depth - 1) for _ in range(count)}
    if kind == 0:
        return source.choice((None, True, False))
    return random_number(source) if kind < 3 else random_text(source)


def random_text(source: random.Random) -> str:
    """A hostile string."""
    if source.random() < 0.5:
        return source.choice(TEXTS)
    points = (source.choice((0x7F, 0x7FF, 0xFFFF, 0x10FFFF)) for _ in range(source.randrange(8)))
    chosen = (source.randint(0, most) for most in points)
    return "".join(chr(point) for point in chosen if not 0xD800 <= point < 0xE000)


def random_number(source: random.Random) -> int | float:
    """A hostile number."""
    if source.random() < 0.4:
        return source.choice(NUMBERS)
    value = float(struct.unpack(">d", source.randbytes(8))[0])
    return value if is_writable(value) else source.randint(-(2**53) + 1, 2**53 - 1)


def respell(value: Any, source: random.Random) -> str:
    """JSON text that denotes `value` otherwise: another order of members, white space, escapes, forms of numbers."""
    space = source.choice(("", " ", "\n", "\t ", "\r\n"))
    if isinstance(value, dict):
        members = [f"{respell(name, source)}{space}:{space}{respell(item, source)}" for name, item in value.items()]
        source.shuffle(members)
        return f"{{{space}{f'{space},'.join(members)}{space}}}"
    if isinstance(value, list):
        return f"[{space}{f',{space}'.join(respell(item, source) for item in value)}{space}]"
    if isinstance(value, str):
        return _respell_text(value, source)
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return _respell_number(value, source)
    return json.dumps(value)


def _respell_text(text: str, source: random.Random) -> str:
    kind = source.randrange(3)
    if kind < 2:
        return json.dumps(text, ensure_ascii=bool(kind)).replace("/", source.choice(("/", "\\/")))
    digits = text.encode("utf-16-be").hex()
    digits = source.choice((digits, digits.upper()))
    return '"' + "".join(f"\\u{digits[at : at + 4]}" for at in range(0, len(digits), 4)) + '"'


def _respell_number(value: int | float, source: random.Random) -> str:
    if value == 0:
        return source.choice(("0", "-0", "0.0", "-0.0", "0e5", "0.000E-7"))
    plain = repr(value)
    spelled = [plain, f"{value:.25e}", f"{value:.17E}" if isinstance(value, float) else plain]
    if value == int(value) and abs(value) < 2**53:
        spelled += [f"{int(value)}", f"{int(value)}.0", f"{int(value)}.000e0", f"{int(value)}0e-1", f"{int(value)}E+0"]
    return source.choice([text for text in spelled if float(text) == value])
