"""The faults behind spec/vectors/invalid.json, by hand: inputs, where they are wrong, and how. See make_vectors.py."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from vector_cases import MISSING, SHA, Raw, Text, attached, document, in_order, numbered, repeated


@dataclass(frozen=True)
class Invalid:
    """A document or text, and where and of which kind its fault is; `exact` if only the exact way in refuses it."""

    name: str
    path: str
    kind: str
    document: dict[str, Any] = field(default_factory=dict)
    given: Text | bytes | None = None
    exact: bool = False


def invalid_cases() -> Iterator[Invalid]:
    """Everything that must be refused."""
    yield from _not_json()
    yield from _shape()
    yield from _wrong_members()
    yield from _wrong_coordinates()
    yield from _wrong_state()
    yield from _wrong_files()
    yield from _not_canonical()


def _text(**members: Any) -> str:
    return json.dumps(document(**members), separators=(",", ":"))


def _not_json() -> Iterator[Invalid]:
    plain = _text()
    yield Invalid("nothing", "", "syntax", given="")
    yield Invalid("cut short", "", "syntax", given=plain[:-1])
    yield Invalid("trailing bytes", "", "syntax", given=plain + "x")
    yield Invalid("two documents", "", "syntax", given=plain + plain)
    yield Invalid("a trailing NUL", "", "syntax", given=plain + "\x00")
    yield Invalid("trailing comma", "", "syntax", given=plain[:-1] + ",}")
    yield Invalid("a comment", "", "syntax", given="/**/" + plain)
    yield Invalid("single quotes", "", "syntax", given=plain.replace('"', "'"))
    yield Invalid("a name without quotes", "", "syntax", given=plain.replace('"id"', "id"))
    yield Invalid("a name that is a number", "", "syntax", given=plain.replace('"name"', "5"))
    yield Invalid("a raw control character in a string", "", "syntax", given=plain.replace("Ada", "A\nda"))
    for text in ("01", "+1", "1.", ".5", "1e", "0x10"):
        yield Invalid(f"the number {text}", "", "syntax", given=plain.replace('"Ada"', text))
    yield Invalid("a byte-order mark", "", "byte-order-mark", given="\ufeff" + plain)
    yield Invalid("invalid UTF-8", "", "encoding", given=plain.encode().replace(b"Ada", b"\xff"))
    yield Invalid("a surrogate in UTF-8", "", "encoding", given=plain.encode().replace(b"Ada", b"\xed\xa0\x80"))
    yield Invalid("UTF-16", "", "encoding", given=plain.encode("utf-16"))
    yield Invalid("an array", "", "type", given="[]")
    yield Invalid("null", "", "type", given="null")
    yield Invalid("100000 open arrays", "", "nesting", given=[repeated("[", 100_000)])


def _shape() -> Iterator[Invalid]:
    for name in document():
        yield Invalid(f"no {name}", name, "missing-member", document(**{name: MISSING}))
    for name in document()["coordinates"]:
        yield Invalid(f"no coordinates.{name}", f"coordinates.{name}", "missing-member", document(**{name: MISSING}))
    yield Invalid("an unknown member", "owner", "unknown-member", document(owner=1))
    place = document()["coordinates"]
    yield Invalid(
        "an unknown coordinate", "coordinates.mood", "unknown-member", document(coordinates=place | {"mood": 1})
    )
    plain = _text()
    for old, new, path in (
        ('"id"', '"id":"hero/ada","id"', "id"),
        ('"stat7":1', '"stat7":1,"stat7":2', "stat7"),
        ('"realm"', '"realm":"data","realm"', "coordinates.realm"),
        ('"name":"Ada"', '"name":"Ada","n\\u0061me":"Ada"', "state.name"),
        ('"name":"Ada"', '"a":[{"b":1,"b":1}]', "state.a[0].b"),
        ('"name":"Ada"', '"a":"\\u003a","b":1,"b":1', "state.b"),
        ('"files":[]', f'"files":[{json.dumps(attached())[:-1]},"size":3}}]', "files[0].size"),
    ):
        yield Invalid(f"{path} twice", path, "duplicate", given=plain.replace(old, new))


def _wrong_members() -> Iterator[Invalid]:
    value: Any
    for value in (2, 0, True, "1", 1.5, None):
        yield Invalid(f"stat7 {json.dumps(value)}", "stat7", "version", document(stat7=value))
    yield Invalid("empty id", "id", "length", document(id=""))
    yield Invalid("id of 257 bytes", "id", "length", document(id="x" * 257))
    yield Invalid("id of 129 characters of 2 bytes", "id", "length", document(id="é" * 129))
    for character in ("\x00", "\n", "\x7f", "\x85"):
        yield Invalid(f"id with U+{ord(character):04X}", "id", "control", document(id=f"a{character}b"))
    yield Invalid("id in NFD", "id", "nfc", document(id="e\u0301"))
    yield Invalid("id with an angstrom sign", "id", "nfc", document(id="\u212b"))
    yield Invalid("id with a lone surrogate", "id", "surrogate", document(id=Raw('"\\ud800"')))
    for value in (5, None, True, ["a"]):
        yield Invalid(f"id {json.dumps(value)}", "id", "type", document(id=value))
    for value in ("", "Character", "9a", "a b", "é", "a" * 65, "a\n", None, 5, ["a"]):
        yield Invalid(f"entity_type {json.dumps(value)}", "entity_type", "token", document(entity_type=value))
    for value in (
        "", "2026-01-31", "2026-01-31T12:00:00", "2026-01-31 12:00:00Z", "2026-1-31T12:00:00Z", "2026-01-31T12:00Z",
        "2026-01-31T12:00:00.Z", "2026-01-31T12:00:00,5Z", "2026-01-31T12:00:00+0100", "2026-W05-6T12:00:00.000Z",
        "+2026-01-31T12:00:00Z", "2026-02-29T12:00:00Z", "2026-13-01T12:00:00Z", "2026-01-31T24:00:00Z",
        "2026-01-31T12:60:00Z", "2026-01-31T12:00:60Z", "2026-01-31T12:00:00+24:00", "2026-01-31T12:00:00+00:60",
        "0000-12-31T23:59:59.999Z", "0001-01-01T00:00:00+00:01", "9999-12-31T23:59:59.999-00:01", 0, True, [],
    ):  # fmt: skip
        yield Invalid(f"created_at {json.dumps(value)}", "created_at", "time", document(created_at=value))
    fine = "2026-01-31T12:00:00.0001Z"
    yield Invalid("created_at finer than a millisecond", "created_at", "precision", document(created_at=fine))
    for value in (SHA.upper(), SHA[:-1], SHA + "0", "", 0, []):
        yield Invalid(f"previous {json.dumps(value)}", "previous", "digest", document(previous=value))


def _wrong_coordinates() -> Iterator[Invalid]:
    value: Any
    for value in (None, [], "x", 5):
        yield Invalid(f"coordinates {json.dumps(value)}", "coordinates", "type", document(coordinates=value))
    for value in ("", "Data", "a.b", "a" * 33, "é", None, 5, {}):
        yield Invalid(f"realm {json.dumps(value)}", "coordinates.realm", "token", document(realm=value))
    for value in (-1, 2**53, 1e21):
        yield Invalid(f"lineage {json.dumps(value)}", "coordinates.lineage", "range", document(lineage=value))
    for value in (1.5, True, "3", None, [3]):
        yield Invalid(f"lineage {json.dumps(value)}", "coordinates.lineage", "type", document(lineage=value))
    for value in ("peak ", "Peak", "", 2, None, ["peak"]):
        yield Invalid(f"horizon {json.dumps(value)}", "coordinates.horizon", "horizon", document(horizon=value))
    for name, outside in (
        ("resonance", ("1.00000001", "-1.00000001", "1.0000000000000002", "2", "1e300")),
        ("velocity", ("1.00000001", "-1.00000001")),
        ("density", ("1.00000001", "-1e-8", "-1e-300", "-1")),
    ):
        for text in outside:
            yield Invalid(f"{name} {text}", f"coordinates.{name}", "range", document(**{name: Raw(text)}))
        for value in (True, "0.5", None, [0.5], {}):
            yield Invalid(f"{name} {json.dumps(value)}", f"coordinates.{name}", "type", document(**{name: value}))
        for text in ("NaN", "Infinity", "1e400"):
            yield Invalid(f"{name} {text}", f"coordinates.{name}", "not-finite", document(**{name: Raw(text)}))
    for value in (None, {}, "town", 5):
        yield Invalid(f"adjacency {json.dumps(value)}", "coordinates.adjacency", "type", document(adjacency=value))
    for value, kind in (
        (5, "type"),
        (["a"], "type"),
        ("", "length"),
        ("x" * 257, "length"),
        ("\t", "control"),
        ("e\u0301", "nfc"),
    ):
        shown = json.dumps(value)
        yield Invalid(f"neighbour {shown}", "coordinates.adjacency[1]", kind, document(adjacency=["a", value]))
    many = Raw(["[", numbered(0, 1024, '"n/', '"'), "]"])
    yield Invalid("1025 neighbours", "coordinates.adjacency", "count", document(adjacency=many))


def _wrong_state() -> Iterator[Invalid]:
    value: Any
    for value in (None, [], "x", 5):
        yield Invalid(f"state {json.dumps(value)}", "state", "type", document(state=value))
    for text in (
        "9007199254740992", "-9007199254740992", "9007199254740993", "9007199254740992.0", "1e16", "1e20",
        "999999999999999868928", "18446744073709551616", "9007199254740991.6",
    ):  # fmt: skip
        yield Invalid(f"the number {text}", "state.a[1]", "unsafe-integer", document(state={"a": [0, Raw(text)]}))
    for text in ("NaN", "-Infinity", "1e400", "-1e309"):
        yield Invalid(f"the number {text}", "state.a", "not-finite", document(state={"a": Raw(text)}))
    for text in ("\\ud800", "\\udc00", "\\ud800\\ud800", "\\udc00\\ud800", "\\ud800a"):
        yield Invalid(f'the string "{text}"', "state.a", "surrogate", document(state={"a": Raw(f'"{text}"')}))
    text = _text().replace('"name"', '"\\udfff"')
    yield Invalid("a name with a lone surrogate", 'state["\\udfff"]', "surrogate", given=text)
    deep = Raw([repeated("[", 63), repeated("]", 63)])
    yield Invalid("nested 65 deep", "state.a", "nesting", document(state={"a": deep}))
    deep = Raw([repeated('{"a":', 63), "1", repeated("}", 63)])
    yield Invalid("objects nested 65 deep", "state.b", "nesting", document(state={"a": 1, "b": deep}))
    large = Raw(['"', repeated("x", 261_891), '"'])
    yield Invalid("262145 bytes", "", "size", document(state={"a": large}))


def _wrong_files() -> Iterator[Invalid]:
    value: Any
    for value in (None, {}, "x"):
        yield Invalid(f"files {json.dumps(value)}", "files", "type", document(files=value))
    for value in (None, [], "ada.png"):
        yield Invalid(f"a file {json.dumps(value)}", "files[0]", "type", document(files=[value]))
    for name in attached():
        yield Invalid(
            f"a file with no {name}",
            f"files[0].{name}",
            "missing-member",
            document(files=[attached(**{name: MISSING})]),
        )
    yield Invalid(
        "a file with an unknown member", "files[0].path", "unknown-member", document(files=[attached(path="a")])
    )
    for name, value, kind in (
        ("name", "", "length"), ("name", "x" * 256, "length"), ("name", "a/b", "file-name"), ("name", ".",
        "file-name"), ("name", "..", "file-name"), ("name", "a\u0000", "file-name"), ("name", "a\u009b",
        "file-name"), ("name", 5, "type"), ("name", Raw('"\\ud800"'), "surrogate"), ("media_type", "image",
        "media-type"), ("media_type", "", "media-type"), ("media_type", "a/b/c", "media-type"), ("media_type",
        "text/html; charset=utf-8", "media-type"), ("media_type", "-a/b", "media-type"), ("media_type",
        "a/" + "b" * 128, "media-type"), ("media_type", None, "media-type"), ("size", -1, "range"), ("size",
        2**53, "range"), ("size", 0.5, "type"), ("size", True, "type"), ("size", "3", "type"), ("sha256",
        SHA.upper(), "digest"), ("sha256", SHA[1:], "digest"), ("sha256", None, "digest"),
    ):  # fmt: skip
        shown = value.text if isinstance(value, Raw) else json.dumps(value)
        files = [attached(name="first"), attached(**{name: value})]
        yield Invalid(f"a file with {name} {shown}", f"files[1].{name}", kind, document(files=files))
    yield Invalid("two files of one name", "files[1].name", "repeated-name", document(files=[attached(), attached()]))
    entry = f'","sha256":"{SHA}","size":3}}'
    many = Raw(["[", numbered(0, 1024, '{"media_type":"image/png","name":"', entry), "]"])
    yield Invalid("1025 files", "files", "count", document(files=many))


def _not_canonical() -> Iterator[Invalid]:
    canonical = json.dumps(in_order(document(adjacency=["a", "b"])), separators=(",", ":"))
    for name, old, new in (
        ("white space after it", "}}", "}}\n"),
        ("white space inside", '":', '": '),
        ("a needless escape", "Ada", "\\u0041da"),
        ("a number spelled longer", "0.45", "0.450"),
        ("an integer with a point", '"stat7":1', '"stat7":1.0'),
        ("a minus before zero", '"lineage":3', '"lineage":-0'),
        ("a real that is not rounded", "0.45", "0.4500000001"),
        ("unsorted neighbours", '"a","b"', '"b","a"'),
        ("a repeated neighbour", '"a","b"', '"a","b","b"'),
        ("unsorted members", '"previous":null,"stat7":1', '"stat7":1,"previous":null'),
        ("a time with an offset", '"created_at":null', '"created_at":"2026-01-31T12:00:00.000+00:00"'),
    ):
        text = canonical.replace(old, new, 1)
        yield Invalid(f"exact: {name}", "", "not-canonical", given=text, exact=True)
