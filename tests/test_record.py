"""Documents become records: normalised, checked and hashed, or refused with their place and reason."""

from __future__ import annotations

import copy
import enum
import hashlib
import json
import random
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import ROUND_HALF_EVEN, Decimal
from types import MappingProxyType
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stat7 import record as module
from stat7.address import digest
from stat7.coordinates import HORIZONS
from stat7.errors import InvalidEntity
from stat7.record import (
    MAX_ADJACENCY,
    MAX_DOCUMENT,
    MAX_FILES,
    MAX_NESTING,
    Attachment,
    Record,
    address_of,
    check_file_name,
    check_id,
    document_of,
    format_time,
    normalise,
    normalise_json,
    parse_time,
    read_canonical,
    read_trusted,
)
from stat7.testing.strategies import documents
from tests.hostile import random_text, random_value, reference, respell, values

SHA = "ab" * 32
MISSING: Any = object()


def document(**members: Any) -> dict[str, Any]:
    """A plain valid document with some members replaced; coordinates' by their names, `MISSING` takes one out."""
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
        if value is MISSING:
            del inside[name]
        else:
            inside[name] = value
    return made


def attached(**members: Any) -> dict[str, Any]:
    """One entry of `files` with some members replaced."""
    made = {"name": "a.png", "media_type": "image/png", "size": 3, "sha256": SHA, **members}
    return {name: value for name, value in made.items() if value is not MISSING}


def refused(text: bytes | str) -> InvalidEntity:
    """The error that normalising this text raises."""
    with pytest.raises(InvalidEntity) as caught:
        normalise_json(text if isinstance(text, bytes) else text.encode("utf-8", "surrogatepass"))
    return caught.value


def outcome(make: Callable[[Any], Record], given: Any) -> Record | InvalidEntity:
    """The record, or the error in its place; any other error gets through."""
    try:
        return make(given)
    except InvalidEntity as error:
        return error


def nested(depth: int) -> Any:
    """An array that has `depth` arrays open at its innermost place."""
    value: Any = []
    for _ in range(depth - 1):
        value = [value]
    return value


class TestNormalForm:
    """What normalising makes of a valid document."""

    @pytest.mark.parametrize("thousand", [1, 2, 3])
    def test_hostile_entities_have_the_addresses_of_published_implementations(self, thousand: int) -> None:
        source = random.Random(2026 + thousand)
        for number in range(1_000):
            given_document, expected = random_entity(source, number)
            canonical = reference(expected)
            record = normalise_json(respell(given_document, source).encode())
            assert record.document == canonical
            assert record.address == hashlib.sha256(canonical).hexdigest()
            assert normalise(given_document) == record
            assert address_of(expected) == record.address

    @given(documents(), st.randoms(use_true_random=False))
    def test_any_spelling_of_the_facts_gives_the_same_record(
        self, facts: dict[str, Any], source: random.Random
    ) -> None:
        record = normalise(facts)
        place = facts["coordinates"]
        respelled = {**facts, "coordinates": {**place, "adjacency": [*place["adjacency"], *place["adjacency"][:1]]}}
        source.shuffle(respelled["coordinates"]["adjacency"])
        respelled["files"] = source.sample(facts["files"], len(facts["files"]))
        if facts["created_at"] is not None:
            respelled["created_at"] = shifted(facts["created_at"], source.randint(-1439, 1439))
        assert normalise_json(respell(respelled, source).encode()) == record

    @given(documents())
    def test_the_canonical_form_is_a_fixed_point_and_gives_the_same_record(self, facts: dict[str, Any]) -> None:
        record = normalise(facts)
        assert normalise_json(record.document) == record
        assert read_canonical(record.document) == record
        assert read_trusted(record.address, record.document) == record
        assert normalise(document_of(record)) == record
        assert record.document == reference(document_of(record))

    @given(documents(), st.data())
    def test_a_change_of_any_one_fact_changes_the_address(self, facts: dict[str, Any], data: st.DataObject) -> None:
        before = document_of(normalise(facts))
        other = document_of(normalise(data.draw(documents())))
        after = copy.deepcopy(before)
        inside, name = data.draw(
            st.sampled_from(
                [(after, name) for name in before if name not in ("stat7", "coordinates")]
                + [(after["coordinates"], name) for name in before["coordinates"]]
            )
        )
        inside[name] = (other if inside is after else other["coordinates"])[name]
        assert (normalise(after).address == normalise(before).address) == (after == before)

    @given(documents(), st.dictionaries(st.text(st.characters(codec="utf-8"), max_size=4), values(), max_size=4))
    def test_any_state_is_kept(self, facts: dict[str, Any], state: dict[str, Any]) -> None:
        record = normalise({**facts, "state": state})
        assert document_of(record)["state"] == orjson.loads(reference(state))

    def test_reals_are_rounded_to_eight_decimals(self) -> None:
        record = normalise(document(resonance=1 / 512, velocity=-0.0, density=5e-9))
        assert (record.resonance, record.velocity, record.density) == (195312, 0, 1)
        assert b'"density":1e-8,' in record.document
        assert b'"resonance":0.00195312,"velocity":0}' in record.document

    @pytest.mark.parametrize("value", [-1, -1.0, "-1e0", "-0.9999999951", "-0.10e1"])
    def test_integral_reals_are_written_as_integers(self, value: Any) -> None:
        text = json.dumps(document(resonance="VALUE")).replace('"VALUE"', str(value))
        record = normalise_json(text.encode())
        assert record.resonance == -(10**8)
        assert b'"resonance":-1,' in record.document

    def test_integers_may_be_spelled_with_a_point_or_an_exponent(self) -> None:
        plain = document(files=[attached(size=20)])
        text = json.dumps(plain).replace('"stat7": 1', '"stat7": 1.0').replace('"lineage": 3', '"lineage": 0.3e1')
        assert normalise_json(text.replace('"size": 20', '"size": 2E1').encode()) == normalise(plain)

    def test_neighbours_are_sorted_by_utf_16_and_once_each(self) -> None:
        record = normalise(document(adjacency=["\ue000", "b", "\U00010000", "a", "b"]))
        assert record.adjacency == ["a", "b", "\U00010000", "\ue000"]
        assert document_of(record)["coordinates"]["adjacency"] == record.adjacency

    def test_files_are_sorted_by_name_in_utf_16(self) -> None:
        names = ["\ue000", "b", "\U00010000", "a", "B"]
        record = normalise(document(files=[attached(name=name) for name in names]))
        assert [entry.name for entry in record.files] == ["B", "a", "b", "\U00010000", "\ue000"]
        assert document_of(record)["files"] == [entry._asdict() for entry in record.files]

    @pytest.mark.parametrize(
        ("text", "canonical"),
        [
            ("2026-01-31T12:00:00Z", "2026-01-31T12:00:00.000Z"),
            ("2026-01-31t12:00:00.5z", "2026-01-31T12:00:00.500Z"),
            ("2026-01-31T12:00:00.120000000000+00:00", "2026-01-31T12:00:00.120Z"),
            ("2026-02-01T00:30:00.001+12:30", "2026-01-31T12:00:00.001Z"),
            ("2025-12-31T23:59:59.999-00:01", "2026-01-01T00:00:59.999Z"),
            ("2024-02-29T00:00:00-00:00", "2024-02-29T00:00:00.000Z"),
            ("0001-01-01T00:00:00Z", "0001-01-01T00:00:00.000Z"),
            ("0001-01-01T12:00:00+12:00", "0001-01-01T00:00:00.000Z"),
            ("9999-12-31T23:59:59.999Z", "9999-12-31T23:59:59.999Z"),
        ],
    )
    def test_times_are_brought_to_utc_with_milliseconds(self, text: str, canonical: str) -> None:
        record = normalise(document(created_at=text))
        assert document_of(record)["created_at"] == canonical
        assert record.created_at == parse_time(text) == parse_time(canonical)
        assert format_time(parse_time(text)) == canonical

    def test_the_record_holds_the_facts(self) -> None:
        facts = document(created_at="1970-01-01T00:00:01.5Z", files=[attached()], previous=SHA, lineage=2**53 - 1)
        record = normalise(facts)
        assert record == Record(
            record.address, record.document, "hero/ada", "character", 1500, "narrative", 2**53 - 1, ["town/oxbow"], 2,
            82_000_000, 10_000_000, 45_000_000, [Attachment("a.png", "image/png", 3, SHA)], SHA,
        )  # fmt: skip
        assert record.address == digest(record.document)
        assert isinstance(record, Record)

    @pytest.mark.parametrize("realm", ["data", "a", "x" * 32, "a-b_c9"])
    def test_any_token_is_a_realm(self, realm: str) -> None:
        assert normalise(document(realm=realm)).realm == realm


class TestPythonObjects:
    """`normalise` takes what Python programs have at hand and keeps nothing of it."""

    def test_the_given_objects_are_not_changed(self) -> None:
        facts = document(adjacency=["b", "a"], density=1.0, created_at="2026-01-31T12:00:00+01:00", files=[attached()])
        before = copy.deepcopy(facts)
        record = normalise(facts)
        assert facts == before
        assert list(facts) == list(before)
        record.adjacency.append("c")
        assert facts == before

    def test_mappings_tuples_enumerations_and_subclasses_are_taken_as_json(self) -> None:
        class Realm(str, enum.Enum):  # noqa: UP042 - a StrEnum is printed as its value
            NARRATIVE = "narrative"

        class Number(float):
            pass

        facts = document(
            realm=Realm.NARRATIVE,
            resonance=Number(0.82),
            adjacency=("town/oxbow",),
            state=MappingProxyType({"name": "Ada"}),
        )
        facts["coordinates"] = MappingProxyType(facts["coordinates"])
        record = normalise(MappingProxyType(facts))
        assert record == normalise(document())
        assert type(record.realm) is str

    def test_files_may_be_attachments(self) -> None:
        entry = Attachment("a.png", "image/png", 3, SHA)
        assert normalise(document(files=(entry,))) == normalise(document(files=[attached()]))

    @pytest.mark.parametrize(
        ("member", "value", "path"),
        [
            ("resonance", float("nan"), "coordinates.resonance"),
            ("density", float("inf"), "coordinates.density"),
            ("lineage", 10**400, "coordinates.lineage"),
            ("lineage", 2**53, "coordinates.lineage"),
            ("lineage", 1e21, "coordinates.lineage"),
            ("adjacency", {"a"}, "coordinates.adjacency"),
            ("adjacency", ["\ud800"], "coordinates.adjacency[0]"),
            ("created_at", datetime(2026, 1, 1, tzinfo=UTC), "created_at"),
            ("id", b"x", "id"),
            ("state", {1: 2}, "state"),
            ("state", {"a": [None, float("nan")]}, "state.a[1]"),
        ],
    )
    def test_what_is_no_json_is_refused_with_its_path(self, member: str, value: Any, path: str) -> None:
        with pytest.raises(InvalidEntity) as caught:
            normalise(document(**{member: value}))
        assert caught.value.path == path

    @pytest.mark.parametrize("value", [None, 5, "x", [], {1: 2}, b"{}"])
    def test_what_is_no_document_is_refused(self, value: Any) -> None:
        with pytest.raises(InvalidEntity):
            normalise(value)


MALFORMED: list[tuple[dict[str, Any], str, str]] = [
    ({"stat7": 2}, "stat7", "must be the integer 1, not 2"),
    ({"stat7": True}, "stat7", "not true"),
    ({"stat7": "1"}, "stat7", 'not "1"'),
    ({"stat7": 1.5}, "stat7", "not 1.5"),
    ({"stat7": [1]}, "stat7", "not an array"),
    ({"stat7": MISSING}, "stat7", "missing"),
    ({"id": ""}, "id", "1 to 256 bytes of UTF-8, has 0"),
    ({"id": "x" * 257}, "id", "has 257"),
    ({"id": "é" * 129}, "id", "has 258"),
    ({"id": "a\nb"}, "id", "control character"),
    ({"id": "a\x7f"}, "id", "control character"),
    ({"id": "a\x85"}, "id", "control character"),
    ({"id": "e\u0301"}, "id", "NFC"),
    ({"id": "\u212b"}, "id", "NFC"),
    ({"id": 5}, "id", "must be a string, not a number"),
    ({"id": None}, "id", "not null"),
    ({"entity_type": "Character"}, "entity_type", '"Character" is not a token [a-z]'),
    ({"entity_type": "a" * 65}, "entity_type", "not a token"),
    ({"entity_type": ""}, "entity_type", "not a token"),
    ({"entity_type": "a\n"}, "entity_type", '"a\\n" is not a token'),
    ({"entity_type": ["a"]}, "entity_type", "an array is not a token"),
    ({"created_at": 0}, "created_at", "0 is not an RFC 3339 time"),
    ({"created_at": "2026-01-31"}, "created_at", "not an RFC 3339 time"),
    ({"created_at": "2026-01-31T12:00:00"}, "created_at", "not an RFC 3339 time"),
    ({"created_at": "2026-01-31 12:00:00Z"}, "created_at", "not an RFC 3339 time"),
    ({"created_at": "2026-01-31T12:00:00,123Z"}, "created_at", "not an RFC 3339 time"),
    ({"created_at": "2026-W05-6T12:00:00.000Z"}, "created_at", "not an RFC 3339 time"),
    ({"created_at": "\u0662026-01-31T12:00:00.00Z"}, "created_at", "not an RFC 3339 time"),
    ({"created_at": "2026-02-30T12:00:00.000Z"}, "created_at", "not a moment"),
    ({"created_at": "0000-01-01T00:00:00.000Z"}, "created_at", "not a moment"),
    ({"created_at": "2026-01-31T24:00:00.000Z"}, "created_at", "not a moment"),
    ({"created_at": "2026-01-31T12:00:60.000Z"}, "created_at", "not a moment"),
    ({"created_at": "2026-01-31T12:00:00.000+24:00"}, "created_at", "not a moment"),
    ({"created_at": "2026-01-31T12:00:00.000+00:60"}, "created_at", "not a moment"),
    ({"created_at": "0001-01-01T00:00:00.000+00:01"}, "created_at", "not a moment"),
    ({"created_at": "9999-12-31T23:59:59.999-00:01"}, "created_at", "not a moment"),
    ({"created_at": "2026-01-31T12:00:00.0001Z"}, "created_at", "finer than a millisecond"),
    ({"previous": "AB" * 32}, "previous", "64 lowercase hex"),
    ({"previous": "ab" * 31}, "previous", "64 lowercase hex"),
    ({"previous": SHA + "\n"}, "previous", "64 lowercase hex"),
    ({"previous": 0}, "previous", "64 lowercase hex digits, not 0"),
    ({"previous": {}}, "previous", "not an object"),
    ({"state": []}, "state", "must be an object, not an array"),
    ({"state": None}, "state", "not null"),
    ({"state": MISSING}, "state", "missing"),
    ({"state": {"a": [1, 2**53]}}, "state.a[1]", "beyond 2^53 - 1"),
    ({"state": {"a": {"b c": 1e17}}}, 'state.a["b c"]', "write it as a string"),
    ({"state": {"\ud800": 1}}, 'state["\\ud800"]', "lone surrogate"),
    ({"state": {"a": "\udfff"}}, "state.a", "lone surrogate"),
    ({"state": {"a": nested(64)}}, "state.a" + "[0]" * 10 + "…", "nested over 64 deep"),
    ({"coordinates": None}, "coordinates", "must be an object, not null"),
    ({"coordinates": [1] * 7}, "coordinates", "must be an object, not an array"),
    ({"coordinates": "x"}, "coordinates", "must be an object, not a string"),
    ({"realm": "Data"}, "coordinates.realm", '"Data" is not a token'),
    ({"realm": "a" * 33}, "coordinates.realm", "not a token"),
    ({"realm": "a.b"}, "coordinates.realm", "not a token"),
    ({"realm": None}, "coordinates.realm", "null is not a token"),
    ({"realm": MISSING}, "coordinates.realm", "missing"),
    ({"lineage": -1}, "coordinates.lineage", "0 to 2^53 - 1, is -1"),
    ({"lineage": 2**53}, "coordinates.lineage", "0 to 2^53 - 1, is 9007199254740992"),
    ({"lineage": 1.5}, "coordinates.lineage", "must be an integer, not 1.5"),
    ({"lineage": True}, "coordinates.lineage", "must be an integer, not true"),
    ({"lineage": "3"}, "coordinates.lineage", 'must be an integer, not "3"'),
    ({"lineage": None}, "coordinates.lineage", "must be an integer, not null"),
    ({"adjacency": "abc"}, "coordinates.adjacency", "must be an array of ids, not a string"),
    ({"adjacency": {}}, "coordinates.adjacency", "not an object"),
    ({"adjacency": None}, "coordinates.adjacency", "not null"),
    ({"adjacency": ["a", 5]}, "coordinates.adjacency[1]", "must be a string, not a number"),
    ({"adjacency": [["a"]]}, "coordinates.adjacency[0]", "must be a string, not an array"),
    ({"adjacency": ["a", ""]}, "coordinates.adjacency[1]", "has 0"),
    ({"adjacency": [""]}, "coordinates.adjacency[0]", "has 0"),
    ({"adjacency": ["a", "b\t"]}, "coordinates.adjacency[1]", "control character"),
    ({"adjacency": ["é", "e\u0301"]}, "coordinates.adjacency[1]", "NFC"),
    ({"adjacency": ["b", "a" * 257]}, "coordinates.adjacency[1]", "has 257"),
    ({"adjacency": [str(n) for n in range(1025)]}, "coordinates.adjacency", "1025 neighbours"),
    ({"horizon": "Peak"}, "coordinates.horizon", '"Peak" is not one of genesis'),
    ({"horizon": 2}, "coordinates.horizon", "2 is not one of"),
    ({"horizon": ["peak"]}, "coordinates.horizon", "an array is not one of"),
    ({"resonance": 1.000000001}, "coordinates.resonance", "must be in [-1, 1], is 1.000000001"),
    ({"resonance": -2}, "coordinates.resonance", "must be in [-1, 1], is -2"),
    ({"velocity": 1e300}, "coordinates.velocity", "must be in [-1, 1]"),
    ({"velocity": "0.5"}, "coordinates.velocity", "must be a number in [-1, 1], not a string"),
    ({"velocity": True}, "coordinates.velocity", "not a boolean"),
    ({"velocity": None}, "coordinates.velocity", "not null"),
    ({"density": -0.5}, "coordinates.density", "must be in [0, 1], is -0.5"),
    ({"density": -1e-12}, "coordinates.density", "must be in [0, 1]"),
    ({"density": [0.5]}, "coordinates.density", "not an array"),
    ({"files": {}}, "files", "must be an array, not an object"),
    ({"files": "abc"}, "files", "must be an array, not a string"),
    ({"files": None}, "files", "not null"),
    ({"files": [attached(), 5]}, "files[1]", "must be an object, not a number"),
    ({"files": [attached(size=MISSING)]}, "files[0].size", "missing"),
    ({"files": [attached(owner="x")]}, "files[0].owner", "unknown member; allowed are name, media_type"),
    ({"files": [attached(name="")]}, "files[0].name", "1 to 255 bytes"),
    ({"files": [attached(name="x" * 256)]}, "files[0].name", "has 256"),
    ({"files": [attached(name="a/b")]}, "files[0].name", "may not hold '/'"),
    ({"files": [attached(name="..")]}, "files[0].name", "nor be '.' or '..'"),
    ({"files": [attached(name=".")]}, "files[0].name", "nor be '.' or '..'"),
    ({"files": [attached(name="a\x1b[2J")]}, "files[0].name", '"a\\u001b[2J" may not'),
    ({"files": [attached(name=None)]}, "files[0].name", "must be a string, not null"),
    ({"files": [attached(), attached()]}, "files[1].name", '"a.png" is listed twice'),
    ({"files": [attached(media_type="image")]}, "files[0].media_type", '"image" is not a media type'),
    ({"files": [attached(media_type="text/html; charset=x")]}, "files[0].media_type", "not a media type"),
    ({"files": [attached(media_type="a/" + "b" * 128)]}, "files[0].media_type", "not a media type"),
    ({"files": [attached(media_type=None)]}, "files[0].media_type", "null is not a media type"),
    ({"files": [attached(size=-1)]}, "files[0].size", "is -1"),
    ({"files": [attached(size=2**53)]}, "files[0].size", "is 9007199254740992"),
    ({"files": [attached(size=0.5)]}, "files[0].size", "must be an integer, not 0.5"),
    ({"files": [attached(size=False)]}, "files[0].size", "must be an integer, not false"),
    ({"files": [attached(sha256="AB" * 32)]}, "files[0].sha256", "64 lowercase hex"),
    ({"files": [attached(sha256=None)]}, "files[0].sha256", "not null"),
    ({"files": [attached(name=str(n)) for n in range(1025)]}, "files", "1025 files, over the limit of 1024"),
    ({"owner": "x"}, "owner", "unknown member; allowed are stat7, id"),
    ({"a\n\x1b[2J": "x"}, '["a\\n\\u001b[2J"]', "unknown member"),
]


class TestRefusing:
    """Every rule has its error: the path inside the document, and a reason on one line."""

    @pytest.mark.parametrize(("members", "path", "reason"), MALFORMED)
    def test_a_malformed_document_is_refused(self, members: dict[str, Any], path: str, reason: str) -> None:
        error = refused(json.dumps(document(**members)))
        assert error.path == path
        assert reason in error.reason
        assert str(error).isprintable()
        assert len(str(error)) < 400

    @pytest.mark.parametrize(("members", "path", "reason"), MALFORMED)
    def test_as_python_objects_it_is_refused_at_the_same_place(
        self, members: dict[str, Any], path: str, reason: str
    ) -> None:
        with pytest.raises(InvalidEntity) as caught:
            normalise(document(**members))
        assert caught.value.path == path
        assert reason in caught.value.reason or "lone surrogate" in reason or "beyond 2^53" in caught.value.reason

    @pytest.mark.parametrize(
        ("text", "path", "reason"),
        [
            ("", "", "not JSON"),
            ("{}", "stat7", "missing"),
            ("[]", "", "must be an object, not an array"),
            ("null", "", "must be an object, not null"),
            ('"x"', "", "must be an object, not a string"),
            ("17", "", "must be an object, not a number"),
            ('{"a":1,"a":1}', "a", "occurs twice"),
            ("\ufeff{}", "", "byte-order mark"),
            ("{} {}", "", "not JSON"),
            ("[" * 200, "", "not JSON"),
            ("[" * 500_000, "", "nested over 254 deep"),
        ],
    )
    def test_what_is_no_document_is_refused(self, text: str, path: str, reason: str) -> None:
        error = refused(text)
        assert error.path == path
        assert reason in error.reason

    @pytest.mark.parametrize(
        ("old", "new", "path"),
        [
            ('"id":"hero/ada"', '"id":"hero/ada","id":"hero/ada"', "id"),
            ('"stat7":1', '"stat7":1,"stat7":1', "stat7"),
            ('"stat7":1', '"stat7":2,"stat7":1', "stat7"),
            ('"stat7":1', '"stat7":1,"stat7":2', "stat7"),
            ('"state":{"name":"Ada"}', '"state":{"name":"Ada","n\\u0061me":"Eve"}', "state.name"),
            ('"state":{"name":"Ada"}', '"state":{"a":[{"b":1,"b":1}]}', "state.a[0].b"),
            ('"state":{"name":"Ada"}', '"state":{"a":"\\u003a\\u003A:","b":1,"b":1}', "state.b"),
            ('"state":{"name":"Ada"}', '"state":{"a":1,"a":"\\u003a"}', "state.a"),
            ('"state":{"name":"Ada"}', '"state":{":":1,":":2}', 'state[":"]'),
            ('"adjacency":["town/oxbow"]', '"adjacency":["a:b","a:b"],"adjacency":[]', "coordinates.adjacency"),
            ('"realm":"narrative"', '"realm":"data","realm":"narrative"', "coordinates.realm"),
            ('"created_at":null', '"created_at":"2026-01-31T12:00:00+01:00","created_at":null', "created_at"),
            ('"created_at":null', '"created_at":null,"created_at":"2026-01-31T12:00:00+01:00"', "created_at"),
            ('"files":[]', f'"files":[{json.dumps(attached())[:-1]},"size":3}}]', "files[0].size"),
        ],
    )
    def test_a_repeated_member_is_refused_wherever_it_is(self, old: str, new: str, path: str) -> None:
        text = json.dumps(document(), separators=(",", ":"))
        assert old in text
        error = refused(text.replace(old, new))
        assert (error.path, error.reason) == (path, "this member name occurs twice")

    @pytest.mark.parametrize(
        "members",
        [
            {"adjacency": ["a:b", "a:b", "a"]},
            {"created_at": "2026-01-31T12:00:00+01:00"},
            {"created_at": "2026-01-31T12:00:00+01:00", "adjacency": ["::", "::"], "state": {"a": "\\:\n"}},
            {"state": {"\\u003a": ":", ":": "\\u003a"}},
        ],
    )
    def test_lost_colons_that_are_no_members_do_not_matter(self, members: dict[str, Any]) -> None:
        text = json.dumps(document(**members))
        assert normalise_json(text.encode()) == normalise(document(**members))
        escaped = text.replace("town", "\\u0074own").replace("Ada", "\\u003ada")
        assert normalise_json(escaped.encode()).id == "hero/ada"

    @given(documents(), st.data())
    def test_damaged_bytes_are_refused_with_one_kind_of_error(self, facts: dict[str, Any], data: st.DataObject) -> None:
        text = bytearray(normalise(facts).document)
        for _ in range(data.draw(st.integers(1, 3))):
            at = data.draw(st.integers(0, len(text)))
            pieces = (
                b'"',
                b"\\",
                b"{",
                b"}",
                b"[",
                b"]",
                b",",
                b":",
                b"0",
                b"1e9",
                b"null",
                b"true",
                b'"a":1,',
                b"\\u0000",
            )
            text[at : at + data.draw(st.integers(0, 4))] = data.draw(
                st.one_of(st.binary(max_size=3), st.sampled_from(pieces))
            )
        found = outcome(normalise_json, bytes(text))
        if isinstance(found, InvalidEntity):
            assert str(found).isprintable()
        else:
            assert read_canonical(found.document) == found

    @given(st.one_of(st.binary(max_size=40), values().map(lambda value: json.dumps(value).encode())))
    def test_anything_else_is_refused_with_the_same_kind_of_error(self, text: bytes) -> None:
        with pytest.raises(InvalidEntity):
            normalise_json(text)
        with pytest.raises(InvalidEntity):
            read_canonical(text)
        with pytest.raises(InvalidEntity):
            read_trusted("0" * 64, text)

    @given(documents(), st.data())
    def test_any_member_of_any_json_type_is_taken_or_refused(self, facts: dict[str, Any], data: st.DataObject) -> None:
        inside = data.draw(st.sampled_from([facts, facts["coordinates"], *facts["files"]]))
        inside[data.draw(st.sampled_from([*inside, "x"]))] = data.draw(values())
        from_text = outcome(normalise_json, json.dumps(facts).encode())
        from_objects = outcome(normalise, facts)
        if isinstance(from_text, InvalidEntity):
            assert isinstance(from_objects, InvalidEntity)
            assert from_objects.path == from_text.path
        else:
            assert from_objects == from_text

    @pytest.mark.parametrize(
        "state",
        [
            b'{"a":[' + b"1.0," * 2_500_000 + b"1]}",
            b'{"a":[' + b"1.0," * 190_000 + b"1]}",
            b'{"a":"' + b"\\u003a" * 1_500_000 + b'"}',
            b'{"a":"' + "😀".encode() * 2_000_000 + b'"}',
            b"{" + b",".join(b'"%d":{}' % number for number in range(300_000)) + b',"0":{}}',
        ],
        ids=["foreign numbers", "foreign numbers under the first look", "escapes", "emoji", "one repeated of many"],
    )
    def test_ten_megabytes_are_refused_in_bounded_time(self, state: bytes) -> None:
        started = time.process_time()
        refused(json.dumps(document(state={})).encode().replace(b'"state": {}', b'"state": ' + state))
        assert time.process_time() - started < 30


class TestLimits:
    """Each limit at its edge is kept to, and one past it refused (tests/test_vectors.py has more of them)."""

    def test_size_at_most_256_kib(self) -> None:
        room = MAX_DOCUMENT - len(normalise(document(state={"a": ""})).document)
        assert len(normalise(document(state={"a": "x" * room})).document) == 262_144
        with pytest.raises(InvalidEntity, match="has 262145 bytes, over the limit of 262144; attach a file"):
            normalise(document(state={"a": "x" * (room + 1)}))

    def test_white_space_and_escapes_do_not_count(self) -> None:
        room = MAX_DOCUMENT - len(normalise(document(state={"a": ""})).document)
        text = json.dumps(document(state={"a": "y" * room}), indent=40).replace("yy", "\\u0079y")
        assert len(text) > 2 * MAX_DOCUMENT
        assert len(normalise_json(text.encode()).document) == MAX_DOCUMENT

    @pytest.mark.parametrize("read", [normalise, lambda facts: normalise_json(json.dumps(facts).encode())])
    def test_nesting_at_most_64_with_the_document_as_the_first(self, read: Callable[[Any], Record]) -> None:
        assert MAX_NESTING == 64
        assert read(document(state={"a": nested(62)}))
        assert read(document(state={"a": [nested(61), nested(61)], "b": [[]] * 200}))
        with pytest.raises(InvalidEntity, match="nested over 64 deep"):
            read(document(state={"a": nested(63)}))
        with pytest.raises(InvalidEntity, match="nested over 64 deep"):
            read(document(state={"a": 1, "b": {"c": [{}, nested(62)]}}))

    @pytest.mark.parametrize("depth", [250, 251, 252, 253, 254, 255, 1000, 1020, 1025])
    def test_any_deeper_nesting_is_refused(self, depth: int) -> None:
        text = json.dumps(document(state={"a": "HERE"})).replace('"HERE"', "[" * depth + "]" * depth)
        assert "nested over" in refused(text).reason

    def test_neighbours_at_most_1024_once_each(self) -> None:
        names = [str(number) for number in range(MAX_ADJACENCY)]
        assert len(normalise(document(adjacency=names + names)).adjacency) == 1024

    def test_files_at_most_1024(self) -> None:
        files = [attached(name=str(number)) for number in range(MAX_FILES)]
        assert len(normalise(document(files=files)).files) == 1024

    @pytest.mark.parametrize("name", ["x" * 256, "é" * 128, "😀" * 64, "a", " "])
    def test_ids_at_most_256_bytes(self, name: str) -> None:
        assert normalise(document(id=name, adjacency=[name])).id == name

    @pytest.mark.parametrize("name", ["x" * 255, "é" * 127, "...", "e\u0301", "\\", " ", "a:b"])
    def test_file_names_at_most_255_bytes_and_not_normalised(self, name: str) -> None:
        assert normalise(document(files=[attached(name=name, size=2**53 - 1)])).files[0].name == name

    @pytest.mark.parametrize("media_type", ["a/b", "image/svg+xml", "A1!#$&^_.+-/" + "x" * 127])
    def test_media_types_of_rfc_6838(self, media_type: str) -> None:
        assert normalise(document(files=[attached(media_type=media_type)])).files[0].media_type == media_type


class TestExact:
    """Ways in that change nothing."""

    @pytest.mark.parametrize(
        "change",
        [
            lambda text: text + b"\n",
            lambda text: text.replace(b":", b": ", 1),
            lambda text: text.replace(b"0.45", b"0.450"),
            lambda text: text.replace(b"0.45", b"4.5e-1"),
            lambda text: text.replace(b"Ada", b"\\u0041da"),
            lambda text: text.replace(b'"lineage":3', b'"lineage":3.0'),
            lambda text: text.replace(b'"stat7":1,', b"").replace(b'{"coord', b'{"stat7":1,"coord'),
        ],
    )
    def test_bytes_that_are_not_canonical_are_refused(self, change: Callable[[bytes], bytes]) -> None:
        text = normalise(document()).document
        assert change(text) != text
        assert normalise_json(change(text)).document == text
        with pytest.raises(InvalidEntity, match=r"not the canonical form \(RFC 8785\): they differ from it at byte"):
            read_canonical(change(text))

    def test_an_unsorted_neighbour_is_refused(self) -> None:
        text = normalise(document(adjacency=["a", "b"])).document
        with pytest.raises(InvalidEntity, match="not the canonical form"):
            read_canonical(text.replace(b'["a","b"]', b'["b","a"]'))

    def test_a_document_is_given_anew_each_time(self) -> None:
        record = normalise(document())
        document_of(record)["state"]["name"] = "Eve"
        assert document_of(record)["state"] == {"name": "Ada"}

    def test_an_address_is_taken_without_checking(self) -> None:
        assert address_of({"b": 1.0, "a": None}) == hashlib.sha256(b'{"a":null,"b":1}').hexdigest()
        with pytest.raises(InvalidEntity):
            address_of({"a": float("nan")})


class TestNames:
    """The checks that others use too."""

    class Printed(str):
        """A str that is printed as something else."""

        __slots__ = ()

        def __str__(self) -> str:
            return "other"

    def test_a_checked_name_is_plain_text(self) -> None:
        for checked in (check_id(self.Printed("a")), check_file_name(self.Printed("a"))):
            assert checked == "a"
            assert type(checked) is str

    @pytest.mark.parametrize("check", [check_id, check_file_name])
    def test_a_lone_surrogate_is_no_character(self, check: Callable[[str], str]) -> None:
        with pytest.raises(InvalidEntity, match="holds a lone surrogate"):
            check("a\ud800")

    def test_the_given_path_is_named(self) -> None:
        with pytest.raises(InvalidEntity, match=r"^where: must be a string, not a number$"):
            check_id(5, "where")
        with pytest.raises(InvalidEntity, match=r"^name: must be 1 to 255 bytes"):
            check_file_name("")

    @given(st.text(max_size=8))
    def test_a_quick_look_and_a_close_one_agree(self, text: str) -> None:
        def accepted(make: Callable[[], object]) -> bool:
            try:
                make()
            except InvalidEntity:
                return False
            return True

        by_name = accepted(lambda: check_id(text))
        assert accepted(lambda: normalise(document(id=text))) == by_name
        assert accepted(lambda: normalise(document(adjacency=["a", text]))) == by_name
        assert accepted(lambda: normalise(document(adjacency=[text]))) == by_name
        assert accepted(lambda: normalise(document(files=[attached(name=text)]))) == accepted(
            lambda: check_file_name(text)
        )

    @given(st.integers(-62135596800000, 253402300799999))
    def test_times_read_back(self, milliseconds: int) -> None:
        assert parse_time(format_time(milliseconds)) == milliseconds
        assert normalise(document(created_at=format_time(milliseconds))).created_at == milliseconds

    def test_times_outside_the_years_overflow(self) -> None:
        with pytest.raises(OverflowError):
            format_time(253402300800000)

    def test_long_values_are_cut_in_errors(self) -> None:
        assert len(str(refused(json.dumps(document(realm="X" * 100_000))))) < 200

    def test_facts_are_those_of_the_record(self) -> None:
        assert Record._fields[2:] == tuple(Record.__annotations__)[2:]
        assert len(module._facts(document())) == len(Record._fields) - 2


def shifted(text: str, minutes: int) -> str:
    """The same moment with another offset, if the years allow it."""
    moment = datetime.fromisoformat(text)
    try:
        local = moment.astimezone(UTC) + timedelta(minutes=minutes)
    except OverflowError:
        return text
    sign, hours, rest = "-" if minutes < 0 else "+", abs(minutes) // 60, abs(minutes) % 60
    return f"{local.replace(tzinfo=None).isoformat(timespec='milliseconds')}{sign}{hours:02d}:{rest:02d}"


def random_entity(source: random.Random, number: int) -> tuple[dict[str, Any], dict[str, Any]]:
    """A hostile document, and what normalising must make of it, worked out here without the code under test."""
    reals = {
        "resonance": source.choice((source.uniform(-1, 1), source.randint(-511, 511) / 512, -0.0, 1, -1.0, 1e-9, 4e-6)),
        "velocity": source.choice(
            (source.uniform(-1, 1), round(source.uniform(-1, 1), 8), source.uniform(-1e-7, 1e-7))
        ),
        "density": source.choice((source.random(), source.randint(0, 511) / 512, 1.0, 3.4e-6)),
    }
    neighbours = [f"{name}{index}" for index, name in enumerate(("a:", "\ue000", "\U00010000", "é", '"', "\\u003a"))]
    given_neighbours = source.choices(neighbours, k=source.randrange(6))
    files = [attached(name=name, size=source.randrange(2**53)) for name in source.sample(("a", "\ue000", "😀"), 2)]
    moment = datetime(1, 1, 2, tzinfo=UTC) + timedelta(milliseconds=source.randrange(315_537_724_800_000))
    stamp = moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
    has_time = source.random() < 0.5
    facts: dict[str, Any] = {
        "stat7": 1,
        "id": f"entity/{number}/é😀",
        "entity_type": source.choice(("character", "a", "b.c-d_9")),
        "created_at": shifted(stamp, source.randint(-1439, 1439)) if has_time else None,
        "coordinates": {
            "realm": source.choice(("data", "void", "x-1")),
            "lineage": source.choice((0, 2**53 - 1, source.randrange(100))),
            "adjacency": given_neighbours,
            "horizon": source.choice(HORIZONS),
            **reals,
        },
        "state": {random_text(source): random_value(source, 2) for _ in range(source.randrange(5))},
        "files": files,
        "previous": source.choice((None, SHA)),
    }
    expected = copy.deepcopy(facts)
    expected["created_at"] = stamp if has_time else None
    expected["coordinates"]["adjacency"] = sorted(set(given_neighbours), key=lambda name: name.encode("utf-16-be"))
    expected["files"].sort(key=lambda entry: entry["name"].encode("utf-16-be"))
    for name, value in reals.items():
        rounded = Decimal(value).quantize(Decimal("1e-8"), rounding=ROUND_HALF_EVEN)
        expected["coordinates"][name] = float(rounded) + 0.0
    return facts, expected
