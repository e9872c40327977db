"""The cases behind spec/vectors/: documents by hand, and the facts they state. See make_vectors.py."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, TypeAlias

Text: TypeAlias = str | list[str | dict[str, Any]]
"""A string, or the pieces it is made of: strings, repetitions and numbered lists."""

SHA = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
MISSING: Any = object()


@dataclass(frozen=True)
class Raw:
    """JSON text that goes into a document as it is."""

    text: Text


@dataclass(frozen=True)
class Valid:
    """A document, or text that states its facts in another way, with the facts in normal form where they are others."""

    name: str
    document: dict[str, Any] = field(default_factory=dict)
    facts: dict[str, Any] | None = None
    given: Text | None = None
    same_facts: bool = True
    """Whether the input differs from the canonical form by its serialisation alone."""
    canonical: Text | None = None


def document(**members: Any) -> dict[str, Any]:
    """The plain document of these vectors with some members replaced; coordinates' by their names."""
    made: dict[str, Any] = {
        "stat7": 1,
        "id": "hero/ada",
        "entity_type": "character",
        "created_at": None,
        "coordinates": {
            "realm": "narrative", "lineage": 3, "adjacency": ["town/oxbow"], "horizon": "peak",
            "resonance": 0.82, "velocity": 0.1, "density": 0.45,
        },
        "state": {"name": "Ada"},
        "files": [],
        "previous": None,
    }  # fmt: skip
    for name, value in members.items():
        inside = made["coordinates"] if name in made["coordinates"] else made
        inside[name] = value
        if value is MISSING:
            del inside[name]
    return made


def attached(**members: Any) -> dict[str, Any]:
    """An entry of `files` with some members replaced."""
    made = {"name": "ada.png", "media_type": "image/png", "size": 3, "sha256": SHA, **members}
    return {name: value for name, value in made.items() if value is not MISSING}


def numbered(first: int, last: int, before: str, after: str, digits: int = 4) -> dict[str, Any]:
    """The piece that lists numbers, with a comma between."""
    return {"first": first, "last": last, "digits": digits, "before": before, "after": after, "between": ","}


def repeated(text: str, times: int) -> dict[str, Any]:
    """The piece that repeats a text."""
    return {"repeat": text, "times": times}


def valid_cases() -> Iterator[Valid]:
    """Everything that must be accepted."""
    yield Valid("plain", document())
    yield from _edges()
    yield from _times()
    yield from _reals()
    yield from _numbers()
    yield from _strings()
    yield from _spellings()
    yield from _large()


def _edges() -> Iterator[Valid]:
    yield Valid("id of 1 byte", document(id="a"))
    yield Valid("id of 256 bytes", document(id="x" * 256))
    yield Valid("id of 64 characters of 4 bytes", document(id="😀" * 64))
    yield Valid("id with a space, a quote and a backslash", document(id=' a"b\\c '))
    yield Valid("entity_type of 1 character", document(entity_type="a"))
    yield Valid("entity_type of 64 characters", document(entity_type="a" + "z09_.-" * 10 + "aaa"))
    yield Valid("realm of 1 character", document(realm="a"))
    yield Valid("realm of 32 characters", document(realm="a" + "z09_-" * 6 + "a"))
    yield Valid("lineage 0", document(lineage=0))
    yield Valid("lineage 2^53 - 1", document(lineage=2**53 - 1))
    for horizon in ("genesis", "emergence", "decay", "crystallization"):
        yield Valid(f"horizon {horizon}", document(horizon=horizon))
    yield Valid("previous", document(previous=SHA))
    yield Valid("empty state, no neighbours", document(state={}, adjacency=[]))
    yield Valid("neighbour of 256 bytes", document(adjacency=["é" * 128]))
    yield Valid("file of size 0, name of 1 byte", document(files=[attached(name="a", size=0)]))
    name = "é" * 127 + "a"
    yield Valid("file of size 2^53 - 1, name of 255 bytes", document(files=[attached(name=name, size=2**53 - 1)]))
    yield Valid("file name that is not NFC", document(files=[attached(name="e\u0301")]))
    yield Valid("file name of three dots", document(files=[attached(name="...")]))
    media_type = "A1!#$&^_.+-" + "a" * 116 + "/" + "0" * 127
    yield Valid("media type of 127 and 127 characters", document(files=[attached(media_type=media_type)]))


def _times() -> Iterator[Valid]:
    for text in (
        "2026-01-31T12:00:00.000Z",
        "0001-01-01T00:00:00.000Z",
        "9999-12-31T23:59:59.999Z",
        "2024-02-29T00:00:00.001Z",
    ):
        yield Valid(f"time {text}", document(created_at=text))
    for text, utc in (
        ("2026-01-31T12:00:00Z", "2026-01-31T12:00:00.000Z"),
        ("2026-01-31t12:00:00.5z", "2026-01-31T12:00:00.500Z"),
        ("2026-01-31T12:00:00.120000+00:00", "2026-01-31T12:00:00.120Z"),
        ("2026-02-01T00:30:00.001+12:30", "2026-01-31T12:00:00.001Z"),
        ("2025-12-31T23:59:59.999-00:01", "2026-01-01T00:00:59.999Z"),
        ("0001-01-01T23:59:00Z", "0001-01-01T23:59:00.000Z"),
        ("0001-01-01T12:00:00+12:00", "0001-01-01T00:00:00.000Z"),
        ("9999-12-31T00:00:00-23:59", "9999-12-31T23:59:00.000Z"),
    ):
        yield Valid(f"time {text}", document(created_at=text), document(created_at=utc), same_facts=False)


def _reals() -> Iterator[Valid]:
    for name, low, high in (("resonance", -1, 1), ("velocity", -1, 1), ("density", 0, 1)):
        for value in (low, high):
            yield Valid(f"{name} {value}", document(**{name: value}))
        yield Valid(f"{name} 1e-8", document(**{name: 1e-8}))
        yield Valid(f"{name} 0.99999999", document(**{name: 0.99999999}))
    yield Valid("resonance 0.0000034, below 1e-5", document(resonance=0.0000034))
    for text, rounded in (
        ("0.001953125", 0.00195312),  # 1/512: a tie, to even
        ("0.005859375", 0.00585938),  # 3/512: a tie, to even
        ("-0.001953125", -0.00195312),
        ("-0.0", 0),
        ("-0", 0),
        ("0e0", 0),
        ("1.0", 1),
        ("1e0", 1),
        ("-10e-1", -1),
        ("1e-9", 0),
        ("-1e-9", 0),
        ("0.0000000049", 0),
        ("0.0000000051", 1e-8),
        ("0.123456785", 0.12345678),  # the binary64 nearest to it is below the tie
        ("0.999999996", 1),
        ("0.30000000000000004", 0.3),
        ("1e-400", 0),
    ):
        yield Valid(f"resonance {text}", document(resonance=Raw(text)), document(resonance=rounded), same_facts=False)


def _numbers() -> Iterator[Valid]:
    for text in (
        "0", "-0", "-0.0", "1.0", "100e-2", "1e-7", "1E-6", "0.0000034", "1e21", "1E+21", "-1e21", "9007199254740991",
        "-9007199254740991", "9007199254740991.0", "4503599627370497.5", "5e-324", "1.7976931348623157e308",
        "0.1000000000000000055511151231257827", "333333333.33333329", "1E30", "4.50", "2e-3",
        "0.000000000000000000000000001", "1e-400",
    ):  # fmt: skip
        yield Valid(f"number {text} in state", document(state={"n": Raw(text)}))
    for text in (
        "1000000000000000000000", "1000000000000000000001", "999999999999999999999", "-123456789012345678901234567890",
        "9007199254740991.4",
    ):  # fmt: skip
        value = float(text) + 0.0
        yield Valid(
            f"number {text} in state, read as binary64", document(state={"n": Raw(text)}), document(state={"n": value})
        )


def _strings() -> Iterator[Valid]:
    names = dict.fromkeys(reversed(SORTED_NAMES[0]["sorted"]), 0)
    yield Valid("names sorted as in RFC 8785", document(state=names))
    yield Valid(
        "names beyond the Basic Multilingual Plane", document(state={"\ue000": 1, "\U00010000": 2, "\ud7ff": 3})
    )
    same = {"😀b": 1, "😀a": 2, "\uffff": 3, "": 4, "a": {"\U0010ffff": 1, "\ufffd": 2}}
    yield Valid("names beyond the Basic Multilingual Plane, nested", document(state=same))
    traps = {"__proto__": 1, "constructor": 2, "10": 3, "9": 4, "-1": 5, "01": 6, "toJSON": 7, "length": 8}
    yield Valid("names that programs trip over", document(state=traps))
    escapes = '\u20ac$\u000f\nA\'B"\\\\"/ \b\t\f\r\x00\x1f\x7f\x80\u2028\u2029\ufeff\uffff'
    yield Valid("escapes of RFC 8785", document(state={"\x00\n": escapes}))
    raw = Raw('"\\u20ac$\\u000F\\u000aA\'\\u0042\\u0022\\u005c\\\\\\"\\/"')
    facts = document(state={"string": '\u20ac$\u000f\nA\'B"\\\\"/'})
    yield Valid("escapes given otherwise", document(state={"string": raw}), facts)
    raw = Raw('"\\ud83d\\uDE00 \\u00e9 e\\u0301"')
    yield Valid("strings are not normalised", document(state={"s": raw}), document(state={"s": "😀 é e\u0301"}))
    syntax = {"a": "1.0,", ":1.0,": ":3e-6]", "[1e+16": '{"a":1,"a":2}', "null": "null", "\\u003a": "::"}
    yield Valid("strings that look like syntax", document(state=syntax))
    values: dict[str, Any] = {
        "t": True,
        "f": False,
        "n": None,
        "a": [],
        "o": {},
        "nested": [[{"a": [None, [1.5]]}], []],
    }
    yield Valid("every type of value", document(state=values))


def _spellings() -> Iterator[Valid]:
    facts = document(lineage=20, files=[attached(size=200)])
    spread = json.dumps(facts, indent="\t").replace(": 20,", ": 2.0e1,").replace(": 200,", ": 0.2E+3,")
    spread = spread.replace('"stat7": 1', '"stat7" : 10e-1').replace("Ada", "\\u0041\\u0064a")
    yield Valid("white space, escapes and other numbers", given=f"\r\n {spread} \t", facts=facts)
    turned = dict(reversed([*document().items()]))
    turned["coordinates"] = dict(reversed([*document()["coordinates"].items()]))
    yield Valid("members in another order", turned, document())
    spelled = [Raw('"b\\u003a"'), "a", "b:", "a"]
    yield Valid(
        "neighbours unsorted and repeated",
        document(adjacency=spelled),
        document(adjacency=["a", "b:"]),
        same_facts=False,
    )
    order = ["a", "é", "\U00010000", "\ue000"]
    yield Valid(
        "neighbours sorted by UTF-16", document(adjacency=order[::-1]), document(adjacency=order), same_facts=False
    )
    files = [attached(name=name) for name in ("B", "a", "é", "\U00010000", "\ue000")]
    yield Valid("files sorted by UTF-16", document(files=files[::-1]), document(files=files), same_facts=False)


def _large() -> Iterator[Valid]:
    deepest = Raw([repeated("[", 62), repeated("]", 62)])
    yield Valid("nested 64 deep", document(state={"a": deepest}), canonical=_canonical('{"a":', *deepest.text, "}"))
    text = Raw(['"', repeated("x", 261_890), '"'])
    yield Valid("262144 bytes", document(state={"a": text}), canonical=_canonical('{"a":', *text.text, "}"))
    pieces: list[str | dict[str, Any]] = ["[", numbered(0, 1023, '"n/', '"'), "]"]
    head, tail = json.dumps(in_order(document(adjacency="HERE")), separators=(",", ":")).split('"HERE"')
    yield Valid("1024 neighbours", document(adjacency=Raw(pieces)), canonical=[head + "[", pieces[1], "]" + tail])
    twice = Raw(["[", numbered(0, 1023, '"n/', '"'), ",", numbered(0, 1023, '"n/', '"'), "]"])
    facts = document(adjacency=Raw(pieces))
    yield Valid(
        "1024 neighbours, each twice",
        document(adjacency=twice),
        facts,
        same_facts=False,
        canonical=[head + "[", pieces[1], "]" + tail],
    )
    entry = f'","sha256":"{SHA}","size":3}}'
    listed: list[str | dict[str, Any]] = ["[", numbered(0, 1023, '{"media_type":"image/png","name":"', entry), "]"]
    head, tail = json.dumps(in_order(document(files="HERE")), separators=(",", ":")).split('"HERE"')
    yield Valid("1024 files", document(files=Raw(listed)), canonical=[head + "[", listed[1], "]" + tail])


def _canonical(*state: str | dict[str, Any]) -> Text:
    head, tail = json.dumps(in_order(document(state="HERE")), separators=(",", ":")).split('"HERE"')
    return [head + str(state[0]), *state[1:-1], str(state[-1]) + tail]


def in_order(made: dict[str, Any]) -> dict[str, Any]:
    """A document of ASCII names with its members, and those of its coordinates, in canonical order."""
    return {name: dict(sorted(made[name].items())) if name == "coordinates" else made[name] for name in sorted(made)}


SORTED_NAMES: list[dict[str, Any]] = [
    {"name": "RFC 8785, 3.2.3", "sorted": ["\r", "1", "\u0080", "\u00f6", "\u20ac", "\U0001f600", "\ufb33"]},
    {
        "name": "both sides of the surrogates",
        "sorted": ["", "\x00", "\ud7ff", "\U00010000", "\U0010ffff", "\ue000", "\uffff"],
    },
    {"name": "prefixes", "sorted": ["a", "a\x00", "aa", "a\U00010000", "a\uffff"]},
]
"""Names in their order by UTF-16 code units."""

NUMBERS = [
    ("0000000000000000", "0"), ("8000000000000000", "0"), ("0000000000000001", "5e-324"),
    ("8000000000000001", "-5e-324"), ("7fefffffffffffff", "1.7976931348623157e+308"),
    ("ffefffffffffffff", "-1.7976931348623157e+308"), ("4340000000000000", "9007199254740992"),
    ("c340000000000000", "-9007199254740992"), ("4430000000000000", "295147905179352830000"),
    ("7fffffffffffffff", "null"), ("7ff0000000000000", "null"), ("44b52d02c7e14af5", "9.999999999999997e+22"),
    ("44b52d02c7e14af6", "1e+23"), ("44b52d02c7e14af7", "1.0000000000000001e+23"),
    ("444b1ae4d6e2ef4e", "999999999999999700000"), ("444b1ae4d6e2ef4f", "999999999999999900000"),
    ("444b1ae4d6e2ef50", "1e+21"), ("3eb0c6f7a0b5ed8c", "9.999999999999997e-7"), ("3eb0c6f7a0b5ed8d", "0.000001"),
    ("41b3de4355555553", "333333333.3333332"), ("41b3de4355555554", "333333333.33333325"),
    ("41b3de4355555555", "333333333.3333333"), ("41b3de4355555556", "333333333.3333334"),
    ("41b3de4355555557", "333333333.33333343"), ("becbf647612f3696", "-0.0000033333333333333333"),
    ("43143ff3c1cb0959", "1424953923781206.2"),
    # Not in the RFC: what writers are known to differ on.
    ("fff0000000000000", "null"), ("3ff0000000000000", "1"), ("bff0000000000000", "-1"), ("3fe0000000000000", "0.5"),
    ("433fffffffffffff", "9007199254740991"), ("4330000000000001", "4503599627370497"),
    ("4320000000000001", "2251799813685248.5"), ("4341c37937e08000", "10000000000000000"),
    ("3ee4f8b588e368f1", "0.00001"), ("3ee4f8b588e368f0", "0.000009999999999999999"),
    ("3e7ad7f29abcaf48", "1e-7"), ("3f60624dd2f1a9fc", "0.002"), ("0010000000000000", "2.2250738585072014e-308"),
    ("000fffffffffffff", "2.225073858507201e-308"), ("3d19000000000000", "2.220446049250313e-14"),
    ("4415af1d78b58c40", "100000000000000000000"), ("c44b1ae4d6e2ef50", "-1e+21"), ("3ff3c0ca428c59fb",
    "1.2345678901234567"),
]  # fmt: skip
"""Binary64 numbers by their bits, and their text; those of RFC 8785, appendix B, come first."""
