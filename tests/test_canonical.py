"""RFC 8785 written and JSON read: both ways of each agree with each other and with published implementations."""

from __future__ import annotations

import enum
import json
import math
import random
import struct
import time
import uuid
from collections import OrderedDict
from collections.abc import Callable
from types import MappingProxyType
from typing import Any, NamedTuple

import orjson
import pytest
import rfc8785
from hypothesis import example, given
from hypothesis import strategies as st

from stat7 import canonical
from stat7.canonical import (
    MAX_DEPTH,
    canonicalize,
    canonicalize_parsed,
    check_duplicates,
    format_number,
    format_path,
    parse_canonical,
    parse_json,
    require_canonical,
    sort_key,
)
from stat7.errors import InvalidEntity
from tests.hostile import NUMBERS, TEXTS, is_writable, numbers, random_value, reference, respell, texts, values


class Letter(str, enum.Enum):  # noqa: UP042 - a StrEnum is printed as its value
    """A str that is printed as `Letter.A`."""

    A = "a"


class Level(enum.IntEnum):
    """An int with a name."""

    ONE = 1


class Value(enum.Enum):
    """Plain enumeration of JSON values, and of one that is none."""

    PAIR = (1, 2.0)
    NOTHING = None
    HIDDEN = math.nan


class Shout(str):
    """A str that is printed as something else."""

    __slots__ = ()

    def __str__(self) -> str:
        return '","injected":"'


class Half(float):
    """A float that is printed as something else, as numpy's are."""

    def __repr__(self) -> str:
        return "Half(0.5)"


class Point(NamedTuple):
    """A tuple with names."""

    x: float
    y: float


def refused(value: Any) -> InvalidEntity:
    """The error that writing `value` raises."""
    with pytest.raises(InvalidEntity) as caught:
        canonicalize(value)
    return caught.value


def outcome(parse: Callable[[bytes], Any], data: bytes) -> str:
    """What a parser makes of `data`, types of numbers included; any error but InvalidEntity gets through."""
    try:
        return repr(parse(data))
    except InvalidEntity:
        return "refused"


class TestWriting:
    """`canonicalize` against the RFC, a published implementation and its own slow writer."""

    @given(values())
    @example({"\ue000": 1, "\U00010000": 2, "a": "\U00010000\ue000"})
    @example(["x:1.0,", 1.0, ":3e-6]", 3.4e-6, None, '":-0.0}', -0.0])
    @example({"null": None, "a": [None, {"b": None}], "created_at": None, "previous": None})
    def test_agrees_with_a_published_implementation(self, value: Any) -> None:
        assert canonicalize(value) == reference(value)
        assert canonicalize_parsed(value) == reference(value)

    @given(values())
    def test_both_writers_agree(self, value: Any) -> None:
        assert canonical._write_slowly(value) == canonicalize(value)

    @given(values())
    def test_what_is_taken_from_orjson_is_canonical(self, value: Any) -> None:
        try:
            written = orjson.dumps(value, option=canonical._OPTIONS)
        except TypeError:
            return
        if canonical._is_canonical(written):
            assert written == reference(value)

    def test_orjson_differs_in_nothing_but_what_is_known(self) -> None:
        source = random.Random(11)
        for _ in range(30_000):
            number = struct.unpack(">d", source.randbytes(8))[0]
            if not is_writable(number):
                continue
            known = (number == int(number) and abs(number) < 1e21) or 1e-6 <= abs(number) < 1e-5
            assert known or orjson.dumps(number).decode() == format_number(number), number
        differing = (1.0, -0.0, 1e16, 1e-6, 9.999999999999999e-6)
        assert [orjson.dumps(number).decode() for number in differing] == [
            "1.0", "-0.0", "1e+16", "1e-6", "9.999999999999999e-6",
        ]  # fmt: skip
        assert orjson.dumps({"\ue000": 1, "\U00010000": 2}, option=orjson.OPT_SORT_KEYS) == (
            '{"\ue000":1,"\U00010000":2}'.encode()
        )
        assert orjson.dumps([math.nan, math.inf]) == b"[null,null]"
        assert orjson.loads('{"a":1,"a":2}') == {"a": 2}

    @pytest.mark.parametrize(
        "usual",
        [
            {"a": 0.5, "text": "v2.0 of C++ came in 1e-6 s, ratio 1.0, x", "created_at": None, "previous": None},
            {"a": "😀 and \ue000", "é": "\U0010ffff"},
            {"a": 1e-7, "b": 1e-60, "c": 1.5e-66, "d": 1e21, "e": -1.5e206},
        ],
    )
    def test_the_usual_document_does_not_take_the_slow_writer(
        self, usual: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        expected = reference(usual)
        monkeypatch.setattr(canonical, "_write_slowly", pytest.fail)
        monkeypatch.setattr(canonical, "_respell", pytest.fail)
        assert canonicalize(usual) == canonicalize_parsed(usual) == expected

    @pytest.mark.parametrize(
        "respelled", [{"a": [1.0, -0.0, 2.5], "b": 3.4e-6}, {"a": 1e21, "b": 1.0}, {"a": [None, None], "b": "null"}]
    )
    def test_numbers_respelled_and_nulls_inside_do_not_take_the_slow_writer(
        self, respelled: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        expected = reference(respelled)
        monkeypatch.setattr(canonical, "_write_slowly", pytest.fail)
        assert canonicalize(respelled) == canonicalize_parsed(respelled) == expected

    @pytest.mark.parametrize(
        ("value", "expected"),
        [
            (Letter.A, b'"a"'),
            ([Letter.A, Level.ONE, Value.PAIR, Value.NOTHING], b'["a",1,[1,2],null]'),
            ({Letter.A: 1, "b": Letter.A}, b'{"a":1,"b":"a"}'),
            (Shout("x"), b'"x"'),
            ({Shout("k"): Shout("v")}, b'{"k":"v"}'),
            (Half(0.5), b"0.5"),
            ([True, False, None], b"[true,false,null]"),
            (Point(1.0, 0.5), b"[1,0.5]"),
            ((), b"[]"),
            ((1, ({"a": ()},)), b'[1,[{"a":[]}]]'),
            (uuid.UUID(int=10), b'"00000000-0000-0000-0000-00000000000a"'),
            (OrderedDict(b=1, a=2), b'{"a":2,"b":1}'),
            (MappingProxyType({"b": 1, "a": None}), b'{"a":null,"b":1}'),
            (10**21, b"1e+21"),
            (-(2**70), b"-1.1805916207174113e+21"),
            (5.0, b"5"),
            (3.4e-6, b"0.0000034"),
        ],
    )
    def test_kinds_of_python_objects(self, value: Any, expected: bytes) -> None:
        assert canonicalize(value) == expected
        assert canonical._write_slowly(value) == expected

    @pytest.mark.parametrize(
        ("value", "path", "reason"),
        [
            (math.nan, "", "NaN"),
            ({"a": {"b": [1, math.inf]}}, "a.b[1]", "infinity"),
            ({"a": [None, math.nan], "b": None}, "a[1]", "NaN"),
            ({"created_at": None, "state": math.nan}, "state", "NaN"),
            ({"created_at": math.nan, "previous": None}, "created_at", "NaN"),
            ({"a": "null", "b": -math.inf}, "b", "infinity"),
            ({"a": [Value.HIDDEN]}, "a[0]", "NaN"),
            (2**53, "", "beyond 2^53"),
            ({"a": -(2**53)}, "a", "write it as a string"),
            ({"a": [9007199254740992.0]}, "a[0]", "the integer 9007199254740992 is beyond"),
            ({"a": 1e16}, "a", "the integer 10000000000000000 is beyond"),
            ({"a": 999999999999999868928.0}, "a", "beyond 2^53"),
            ({"a": 10**21 - 1}, "a", "999999999999999999999"),
            ({"a": 10**21 + 1}, "a", "no exact binary64"),
            ({"a": 10**400}, "a", "no exact binary64"),
            ({"a": -(10**5000)}, "a", "no exact binary64"),
            ({"a": ["\ud800"]}, "a[0]", "lone surrogate"),
            ({"a": {"x\udfff": 1}}, 'a["x\\udfff"]', "lone surrogate"),
            ({1: 2}, "", "a member name is a int"),
            ({"a": {None: 2, "b": 1}}, "a", "a member name is a NoneType"),
            ({"a": {uuid.UUID(int=1): 2}}, "a", "a member name is a UUID"),
            ({"a": {1, 2}}, "a", "a set is not a JSON value"),
            ({"a": b"x"}, "a", "a bytes is not a JSON value"),
            ({"a": 1j}, "a", "a complex is not a JSON value"),
            ({"a": object}, "a", "a type is not a JSON value"),
        ],
    )
    def test_refuses_what_is_no_json_and_names_the_place(self, value: Any, path: str, reason: str) -> None:
        error = refused(value)
        assert error.path == path
        assert reason in error.reason
        assert len(str(error)) < 400

    def test_refuses_names_that_become_equal(self) -> None:
        class Other(str):
            """Equal to nothing but itself."""

            __slots__ = ()
            __hash__ = object.__hash__

            def __eq__(self, other: object) -> bool:
                return self is other

        error = refused({"x": {Other("a"): 1, Other("a"): 2}})
        assert (error.path, error.reason) == ("x.a", "this member name occurs twice")

    def test_an_object_that_contains_itself_is_nested_too_deep(self) -> None:
        loop: list[Any] = []
        loop.append({"again": loop})
        assert "nested over" in refused(loop).reason

    @pytest.mark.parametrize("write", [canonicalize, canonicalize_parsed, canonical._write_slowly])
    def test_nesting_is_limited_alike_by_both_writers(self, write: Callable[[Any], bytes]) -> None:
        deepest: Any = []
        for _ in range(MAX_DEPTH - 1):
            deepest = [deepest]
        assert write(deepest) == b"[" * MAX_DEPTH + b"]" * MAX_DEPTH
        with pytest.raises(InvalidEntity, match="nested over 254 deep"):
            write([deepest])
        with pytest.raises(InvalidEntity, match="nested over 254 deep"):
            write({"a": {"b": deepest}})

    def test_a_stack_that_is_nearly_full_is_refused_and_no_crash(self) -> None:
        value: Any = {Shout("a"): 1}
        for _ in range(200):
            value = [value]

        def with_less_and_less_stack() -> None:
            try:
                with_less_and_less_stack()
            except RecursionError:
                with pytest.raises(InvalidEntity):
                    canonicalize(value)

        with_less_and_less_stack()


class TestNumbers:
    """The form of numbers."""

    @given(st.floats(allow_nan=False, allow_infinity=False))
    def test_reads_back_as_the_same_number(self, number: float) -> None:
        assert float(format_number(number)) == number

    @given(numbers())
    def test_agrees_with_a_published_implementation(self, number: float) -> None:
        assert format_number(float(number)).encode() == rfc8785.dumps(float(number))

    def test_random_bits_agree_with_a_published_implementation(self) -> None:
        source = random.Random(5)
        for _ in range(20_000):
            number = struct.unpack(">d", source.randbytes(8))[0]
            if math.isfinite(number):
                assert format_number(number).encode() == rfc8785.dumps(number)


class TestReading:
    """`parse_json` and `parse_canonical`, quick and slow."""

    @given(values(), st.randoms(use_true_random=False))
    def test_any_spelling_gives_the_same_canonical_form(self, value: Any, source: random.Random) -> None:
        assert canonicalize(parse_json(respell(value, source))) == canonicalize(value)
        assert canonicalize(canonical._parse_slowly(respell(value, source).encode())) == canonicalize(value)

    @given(values())
    def test_the_canonical_form_is_a_fixed_point(self, value: Any) -> None:
        written = canonicalize(value)
        assert canonicalize(parse_json(written)) == written
        assert canonicalize(parse_canonical(written)) == written

    @pytest.mark.parametrize(
        "text",
        [
            "", " ", "[", "]", "[1,]", "[1 2]", "{", '{"a"}', '{"a":}', '{"a":1,}', "{a:1}", "{1:2}", "'a'", "01",
            "-01", "1.", ".5", "+1", "-", "--1", "1e", "1e+", "0x10", "1_000", "NaN", "Infinity", "-Infinity", "nan",
            "True", "nul", "truefalse", "[1]x", "1 2", '"', '"\t"', '"\n"', '"\x00"', '"\\x41"', '"\\u12"',
            '"\\u12g4"', '"\\', '"\\ud800"', '"\\udc00"', '"\\ud800\\ud800"', '"\\udc00\\ud800"', '"\\ud800x"',
            '"\\ud800\\n"', "\ufeff1", "//x\n1", "/*x*/1", "#", "[1]\x00", "\x0c1", "\u00a01", "1e400", "-1e400",
            "1" * 400, "[1e309]", "1.7976931348623159e308", '{"a":1,"a":1}', '{"a":1,"\\u0061":2}',
            '[{"x":{"b":1,"c":2,"b":1}}]', '{"\\u003a":":","a":1,"a":2}', '{":":1,":":2}', '{"a":{"a":1,"a":1},"a":2}',
            "\u0661", '{"a":1 "b":2}',
        ],
    )  # fmt: skip
    def test_both_parsers_refuse(self, text: str) -> None:
        data = text.encode()
        assert outcome(parse_json, data) == outcome(canonical._parse_slowly, data) == "refused"
        with pytest.raises(InvalidEntity):
            parse_json(text)
        with pytest.raises(InvalidEntity):
            parse_canonical(data)

    @pytest.mark.parametrize("data", [b"\xff", b'"\xed\xa0\x80"', b'"\xc0\xaf"', b'"\xf4\x90\x80\x80"', b'"\xe2\x82"'])
    def test_both_parsers_refuse_what_is_no_utf_8(self, data: bytes) -> None:
        assert outcome(parse_json, data) == outcome(canonical._parse_slowly, data) == "refused"
        with pytest.raises(InvalidEntity, match="not UTF-8: byte 0x"):
            parse_json(data)

    @pytest.mark.parametrize(
        "text",
        [
            " 1 ", "\r\n\t[ ]", '"\\u0000"', '"\\ud83d\\uDE00"', '"\\/\\b"', "-0", "-0.0", "0e0", "1E+2", "1e-400",
            "18446744073709551615", "18446744073709551616", "-9223372036854775808", "-9223372036854775809",
            "999999999999999999", "-999999999999999999", "9999999999999999999", "1" * 300, "0." + "0" * 500 + "1",
            "123456789012345678901234567890.5e-30", "2.4703282292062327e-324", "2.4703282292062328e-324",
            '{"a":{"b":1},"c":{"b":1}}', '{"a":"\\u003a","b":":"}', '[{"":1},{"":1}]', '"\\\\u003a"',
            "9007199254740993", "9007199254740993.0", "0.1000000000000000055511151231257827021181583404541015625",
            "8.41e21", "2e23",
        ],
    )  # fmt: skip
    def test_both_parsers_read_the_same(self, text: str) -> None:
        data = text.encode()
        assert outcome(parse_json, data) == outcome(canonical._parse_slowly, data) != "refused"

    @given(values(), st.data())
    def test_both_parsers_agree_on_damaged_text(self, value: Any, data: st.DataObject) -> None:
        damaged = bytearray(json.dumps(value, ensure_ascii=data.draw(st.booleans())).encode())
        for _ in range(data.draw(st.integers(1, 3))):
            at = data.draw(st.integers(0, len(damaged)))
            piece = data.draw(
                st.one_of(st.binary(max_size=2), st.sampled_from([b'"', b"\\", b"{", b"]", b",", b":", b"0"]))
            )
            damaged[at : at + data.draw(st.integers(0, 2))] = piece
        text = bytes(damaged)
        assert outcome(parse_json, text) == outcome(canonical._parse_slowly, text)
        assert outcome(parse_canonical, text) in (outcome(parse_json, text), "refused")

    @pytest.mark.parametrize(
        ("text", "path", "reason"),
        [
            ('{"a":[{"b":1,"b":2}]}', "a[0].b", "occurs twice"),
            ('{"a\\nb":{"x":1,"x":2}}', '["a\\nb"].x', "occurs twice"),
            ('{"a":{"b":1,"b":1},"a":0}', "a", "occurs twice"),
            ('{"a":[1e400]}', "a[0]", "infinity"),
            ('{"a":NaN}', "a", "NaN"),
            ('{"a":["\\ud800"]}', "a[0]", "lone surrogate"),
            ('{"\\ud800":1}', '["\\ud800"]', "lone surrogate"),
            ("\ufeff{}", "", "byte-order mark"),
            ('{"a":1', "", "at line 1 column"),
            ('{"a":1}\n}', "", "at line 2 column 1"),
        ],
    )
    def test_names_the_place_and_the_reason(self, text: str, path: str, reason: str) -> None:
        with pytest.raises(InvalidEntity) as caught:
            parse_json(text)
        assert caught.value.path == path
        assert reason in caught.value.reason

    def test_a_lone_surrogate_in_a_str_is_found(self) -> None:
        with pytest.raises(InvalidEntity, match="a: holds a lone surrogate"):
            parse_json('{"a":"\ud800"}')

    @pytest.mark.parametrize("opening", ["[", '{"a":'])
    def test_nesting_is_limited_alike_by_both_parsers(self, opening: str) -> None:
        closing = "]" if opening == "[" else "}"
        middle = "1" if closing == "}" else ""
        for depth in (MAX_DEPTH - 1, MAX_DEPTH, MAX_DEPTH + 1, 1023, 1024, 1025, 100_000):
            data = (opening * depth + middle + closing * depth).encode()
            refused = depth > MAX_DEPTH
            assert (outcome(parse_json, data) == "refused") == refused
            assert (outcome(canonical._parse_slowly, data) == "refused") == refused
        assert outcome(parse_json, opening.encode() * 1_000_000) == "refused"

    def test_duplicates_alone_can_be_asked_for(self) -> None:
        check_duplicates(b'{"a":{"b":1},"b":{"a":1}}')
        with pytest.raises(InvalidEntity, match="a: this member name occurs twice"):
            check_duplicates(b'{"a":1,"a":1}')

    @pytest.mark.parametrize(
        ("text", "at"), [(b'{"b":1,"a":2}', 2), (b"1.0", 1), (b" 1", 0), (b"1 ", 1), (b'"\\u0041"', 1), (b"-0", 0)]
    )
    def test_parse_canonical_says_where_the_form_is_left(self, text: bytes, at: int) -> None:
        with pytest.raises(InvalidEntity, match=f"not the canonical form .* at byte {at}$"):
            parse_canonical(text)

    def test_require_canonical_prefers_the_plainer_reason(self) -> None:
        require_canonical(b"1", b"1")
        with pytest.raises(InvalidEntity, match="occurs twice"):
            require_canonical(b'{"a":1,"a":1}', b'{"a":1}')

    @pytest.mark.parametrize(
        "text",
        [
            b"[" + b"1.0," * 300_000 + b"1]",
            b'["' + b"\\u003a" * 400_000 + b'"]',
            b'["' + "😀".encode() * 600_000 + b'"]',
            b"[" + b'{"a":1},' * 100_000 + b'{"a":1,"a":1}' + b',{"a":1,"a":1}' * 100_000 + b"]",
            b"{" + b",".join(b'"%d":0' % number for number in range(200_000)) + b',"0":1}',
            b"[" * 2_000_000,
            b'"' + b"x" * 2_000_000,
        ],
        ids=["foreign numbers", "escapes", "emoji", "many repeated", "one repeated of many", "open", "unclosed"],
    )
    def test_megabytes_of_spite_take_time_in_proportion(self, text: bytes) -> None:
        started = time.process_time()
        outcome(lambda data: len(canonicalize(parse_json(data))), text)
        assert time.process_time() - started < 20


class TestOrderAndPaths:
    """The order of names, and paths as text."""

    @given(st.lists(texts(), unique=True))
    def test_names_are_sorted_by_utf_16_code_units(self, names: list[str]) -> None:
        def units(name: str) -> list[int]:
            data = name.encode("utf-16-be")
            return [data[at] * 256 + data[at + 1] for at in range(0, len(data), 2)]

        assert sorted(names, key=sort_key) == sorted(names, key=units)
        assert list(json.loads(canonicalize(dict.fromkeys(names, 0)))) == sorted(names, key=units)

    @pytest.mark.parametrize(
        ("path", "text"),
        [
            ((), ""),
            (("coordinates", "density"), "coordinates.density"),
            (("files", 0, "name"), "files[0].name"),
            (("state", "a b", "c"), 'state["a b"].c'),
            (("", "x"), '[""].x'),
            (("a\n\x1b\u2028", 'q"'), '["a\\n\\u001b\\u2028"]["q\\""]'),
            ((3, "a"), "[3].a"),
        ],
    )
    def test_paths_are_one_line_of_ascii(self, path: tuple[str | int, ...], text: str) -> None:
        assert format_path(path) == text

    def test_paths_stay_short(self) -> None:
        assert len(format_path(("\U0001f600" * 1000,) * 200)) < 20_000
        assert format_path(tuple("abcdefghijklmnop")) == "a.b.c.d.e.f.g.h.i.j.k.l…"


def test_random_values_agree_with_a_published_implementation() -> None:
    source = random.Random(3)
    for _ in range(3_000):
        value = random_value(source)
        assert canonicalize(value) == canonicalize_parsed(value) == reference(value)


def test_every_awkward_text_and_number_alone() -> None:
    for text in TEXTS:
        assert canonicalize(text) == canonical._write_slowly(text) == reference(text)
        assert canonicalize({text: text}) == reference({text: text})
    for number in NUMBERS:
        assert canonicalize(number) == canonical._write_slowly(number) == reference(number)
        assert canonicalize([number, {"a": number}]) == reference([number, {"a": number}])
