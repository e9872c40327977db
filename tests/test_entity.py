"""Entities as programs meet them: made, read, compared, followed by a next version, never changed."""

from __future__ import annotations

import copy
import hashlib
import pickle
import random
import unicodedata
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, timezone, tzinfo
from typing import Any

import pytest
from hypothesis import given

from stat7 import Attachment, Coordinates, Entity
from stat7.address import to_cid
from stat7.errors import InvalidEntity
from stat7.record import normalise
from stat7.testing.strategies import documents
from tests.hostile import random_text, random_value, reference, respell

SHA = "ab" * 32
FILE = Attachment("ada.png", "image/png", 3, SHA)


def hero(**changes: Any) -> Entity:
    """The entity of the examples, some facts changed."""
    facts: dict[str, Any] = {
        "id": "hero/ada",
        "entity_type": "character",
        "coordinates": Coordinates(
            realm="narrative",
            lineage=3,
            adjacency=["town/oxbow"],
            horizon="peak",
            resonance=0.82,
            velocity=0.1,
            density=0.45,
        ),
        "state": {"name": "Ada"},
    }
    return Entity(**(facts | changes))


@given(documents())
def test_every_way_in_gives_the_same_entity(facts: dict[str, Any]) -> None:
    entity = Entity.from_dict(facts)
    parts = {name: value for name, value in facts.items() if name != "stat7"}
    text = entity.canonical.decode()
    again = [
        Entity(**parts),
        Entity.from_record(normalise(facts)),
        Entity.from_canonical(entity.canonical),
        Entity.from_json(text),
        Entity.from_json(text.encode()),
        Entity.from_dict(entity.as_dict()),
        Entity(**parts | {"coordinates": entity.coordinates, "files": entity.files}),
    ]
    assert all(other == entity and hash(other) == hash(entity) for other in again)
    assert all(other.record == entity.record for other in again)


def test_what_it_shows() -> None:
    entity = hero(files=[FILE], created_at="2026-01-31T13:00:00+01:00", previous=SHA)
    assert (entity.id, entity.entity_type, entity.previous) == ("hero/ada", "character", SHA)
    assert entity.created_at == "2026-01-31T12:00:00.000Z"
    assert entity.coordinates == Coordinates(
        realm="narrative",
        lineage=3,
        adjacency=["town/oxbow"],
        horizon="peak",
        resonance=0.82,
        velocity=0.1,
        density=0.45,
    )
    assert entity.files == (FILE,)
    assert entity.state == {"name": "Ada"}
    assert entity.cid == to_cid(entity.address)
    assert entity.canonical.startswith(b'{"coordinates":{"adjacency":["town/oxbow"],"density":0.45,')
    assert entity.as_dict()["files"] == [FILE._asdict()]
    assert repr(entity) == f"<Entity hero/ada {entity.address[:12]}>"
    assert entity != entity.canonical
    assert hero().created_at is None


def test_what_is_left_out_has_plain_defaults() -> None:
    entity = Entity(id="a", entity_type="b", coordinates=Coordinates(realm="void"))
    assert entity.as_dict() == {
        "stat7": 1,
        "id": "a",
        "entity_type": "b",
        "created_at": None,
        "coordinates": {
            "realm": "void", "lineage": 0, "adjacency": [], "horizon": "genesis",
            "resonance": 0, "velocity": 0, "density": 0,
        },
        "state": {},
        "files": [],
        "previous": None,
    }  # fmt: skip


def test_nothing_changes_it() -> None:
    entity = hero()
    before = entity.canonical
    entity.state["name"] = "Eve"
    entity.as_dict()["id"] = "x"
    with pytest.raises(AttributeError, match="can't be changed"):
        entity.record = hero(id="x").record
    with pytest.raises(AttributeError):
        entity.coordinates.realm = "data"  # type: ignore[misc]
    assert entity.canonical == before
    assert entity.state == {"name": "Ada"}


def test_neighbours_may_come_from_any_iterable_once() -> None:
    def once() -> Iterator[str]:
        yield "b"
        yield "a"

    place = Coordinates(realm="data", adjacency=once())
    assert hero(coordinates=place).coordinates.adjacency == ("a", "b")
    assert hero(coordinates=place) == hero(coordinates=Coordinates(realm="data", adjacency={"a", "b"}))
    assert hero(files=iter([FILE, FILE._asdict() | {"name": "b"}])).files[0] == FILE


def test_the_next_version_names_the_one_before() -> None:
    first = hero(files=[FILE], created_at="2026-01-31T12:00:00Z")
    second = first.next(state={"name": "Ada", "level": 2})
    assert second.previous == first.address
    assert second.as_dict() == first.as_dict() | {"state": {"name": "Ada", "level": 2}, "previous": first.address}
    moved = second.next(coordinates=Coordinates(realm="data"), files=[], created_at=None, entity_type="ghost")
    assert (moved.previous, moved.coordinates.realm, moved.files) == (second.address, "data", ())
    assert (moved.entity_type, moved.created_at, moved.id) == ("ghost", None, "hero/ada")


@pytest.mark.parametrize("changes", [{"id": "x"}, {"previous": None}, {"owner": 1}])
def test_the_next_version_can_not_change_what_makes_it_one(changes: dict[str, Any]) -> None:
    with pytest.raises(TypeError, match=r"next\(\) can't change"):
        hero().next(**changes)


def test_it_survives_pickling_and_copying() -> None:
    entity = hero(files=[FILE])
    for again in (pickle.loads(pickle.dumps(entity)), copy.copy(entity), copy.deepcopy(entity)):  # noqa: S301
        assert again == entity
        assert again.record == entity.record


class NoOffset(tzinfo):
    """A time zone that does not know its offset: such a datetime counts as naive."""

    def utcoffset(self, moment: datetime | None) -> None:
        """Unknown."""

    def dst(self, moment: datetime | None) -> None:
        """Unknown."""

    def tzname(self, moment: datetime | None) -> None:
        """Unknown."""


@pytest.mark.parametrize(
    "given_time",
    [
        datetime(2026, 1, 31, 12, 0, 0, 5000),
        datetime(2026, 1, 31, 12, 0, 0, 5000, tzinfo=UTC),
        datetime(2026, 1, 31, 14, 0, 0, 5000, tzinfo=timezone(timedelta(hours=2))),
        datetime(2026, 1, 31, 12, 0, 0, 5000, tzinfo=NoOffset()),
    ],
)
def test_a_time_may_be_a_datetime_and_a_naive_one_is_utc(given_time: datetime) -> None:
    assert hero(created_at=given_time).created_at == "2026-01-31T12:00:00.005Z"


@pytest.mark.parametrize(
    ("changes", "path"),
    [
        ({"created_at": datetime(2026, 1, 31, 12, 0, 0, 5, tzinfo=UTC)}, "created_at"),
        ({"created_at": 5}, "created_at"),
        ({"coordinates": Coordinates(realm="data", adjacency=5)}, "coordinates.adjacency"),  # type: ignore[arg-type]
        ({"coordinates": Coordinates(realm="data", adjacency="town")}, "coordinates.adjacency"),
        ({"coordinates": Coordinates(realm="data", adjacency=None)}, "coordinates.adjacency"),  # type: ignore[arg-type]
        ({"coordinates": Coordinates(realm="data", adjacency=[5])}, "coordinates.adjacency[0]"),  # type: ignore[list-item]
        ({"coordinates": None}, "coordinates"),
        ({"files": 5}, "files"),
        ({"files": "ada.png"}, "files"),
        ({"files": FILE._asdict()}, "files"),
        ({"files": ["ada.png"]}, "files[0]"),
        ({"state": 5}, "state"),
        ({"id": None}, "id"),
        ({"previous": "x"}, "previous"),
    ],
)
def test_wrong_facts_are_refused_with_their_path(changes: dict[str, Any], path: str) -> None:
    with pytest.raises(InvalidEntity) as caught:
        hero(**changes)
    assert caught.value.path == path


def test_a_lone_surrogate_in_text_is_refused_with_its_path() -> None:
    with pytest.raises(InvalidEntity, match=r"^id: holds a lone surrogate"):
        Entity.from_json('{"id":"\ud800"}')
    with pytest.raises(InvalidEntity, match="not JSON"):
        Entity.from_json("\ud800")


def test_bytes_that_are_not_canonical_are_refused_by_the_exact_way_in() -> None:
    with pytest.raises(InvalidEntity, match="not the canonical form"):
        Entity.from_canonical(hero().canonical + b" ")


def hostile_document(source: random.Random) -> dict[str, Any]:
    """A valid document in normal form, of hostile strings and numbers."""

    def name(forbidden: str) -> str:
        text = "".join(char for char in random_text(source) if unicodedata.category(char) != "Cc")
        text = unicodedata.normalize("NFC", "".join(char for char in text if char not in forbidden))
        return text if text.strip(".") else f"{text}x"

    def units(least: int) -> float:
        return source.choice((least, 0, 10**8, source.randint(least, 10**8))) / 10**8

    names = {name("/") for _ in range(source.choice((0, 0, 1, 3)))}
    return {
        "stat7": 1,
        "id": name(""),
        "entity_type": source.choice(("a", "badge.gold", "z" + "-" * 63)),
        "created_at": source.choice((None, "0001-01-01T00:00:00.000Z", "9999-12-31T23:59:59.999Z")),
        "coordinates": {
            "realm": source.choice(("data", "void", "x" * 32)),
            "lineage": source.choice((0, 2**53 - 1, source.randrange(2**53))),
            "adjacency": sorted({name("") for _ in range(source.choice((0, 1, 4)))}, key=utf_16),
            "horizon": source.choice(("genesis", "peak", "crystallization")),
            "resonance": units(-(10**8)),
            "velocity": units(-(10**8)),
            "density": units(0),
        },
        "state": {random_text(source): random_value(source) for _ in range(source.randrange(5))},
        "files": [
            {"name": it, "media_type": "a/b", "size": source.randrange(2**53), "sha256": source.randbytes(32).hex()}
            for it in sorted(names, key=utf_16)
        ],
        "previous": source.choice((None, source.randbytes(32).hex())),
    }


def utf_16(text: str) -> bytes:
    return text.encode("utf-16-be")


def test_addresses_of_random_hostile_entities_are_those_of_published_implementations() -> None:
    source = random.Random(8785)
    addresses = set()
    for _ in range(3_000):
        document = hostile_document(source)
        given = {name: value for name, value in document.items() if name != "stat7"}
        address = Entity(**given).address
        assert address == hashlib.sha256(reference(document)).hexdigest()
        assert Entity.from_json(respell(document, source)).address == address
        addresses.add(address)
    assert len(addresses) == 3_000
