"""Entities as a program meets them: immutable, checked when made, carrying their canonical bytes and address."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from stat7.address import Address, to_cid
from stat7.canonical import canonicalize, parse_json
from stat7.coordinates import HORIZONS, real
from stat7.record import Attachment, Record, document_of, format_time, normalise, normalise_json, read_canonical


@dataclass(frozen=True, slots=True, kw_only=True)
class Coordinates:
    """Where an entity sits. realm: token; lineage: integer 0 to 2^53-1; adjacency: ids, a set; horizon: genesis,
    emergence, peak, decay or crystallization; resonance and velocity in [-1, 1], density in [0, 1], kept to 8
    decimals.

    Checked, sorted and quantised when the entity is made.
    """

    realm: str
    lineage: int = 0
    adjacency: Iterable[str] = ()
    horizon: str = "genesis"
    resonance: float = 0
    velocity: float = 0
    density: float = 0

    def __post_init__(self) -> None:
        adjacency = _listed(self.adjacency)  # once: it may be a generator
        object.__setattr__(self, "adjacency", tuple(adjacency) if isinstance(adjacency, list) else adjacency)

    def as_dict(self) -> dict[str, Any]:
        """The member `coordinates` of a document, as given."""
        return {
            "realm": self.realm,
            "lineage": self.lineage,
            "adjacency": _listed(self.adjacency),
            "horizon": self.horizon,
            "resonance": self.resonance,
            "velocity": self.velocity,
            "density": self.density,
        }


class Entity:
    """One version of a thing: an immutable view of a canonical document.

    Raises InvalidEntity, naming the path, if a rule of spec/entity.md is broken. Two entities are equal when their
    addresses are. `state` is read anew at each access: changing what you got changes nothing here.
    """

    __slots__ = ("record",)

    record: Record

    def __init__(
        self,
        *,
        id: str,
        entity_type: str,
        coordinates: Coordinates | Mapping[str, Any],
        state: Mapping[str, Any] | None = None,
        files: Iterable[Attachment | Mapping[str, Any]] = (),
        created_at: str | datetime | None = None,
        previous: Address | None = None,
    ) -> None:
        document = {
            "stat7": 1,
            "id": id,
            "entity_type": entity_type,
            "created_at": _time(created_at),
            "coordinates": coordinates.as_dict() if isinstance(coordinates, Coordinates) else coordinates,
            "state": {} if state is None else state,
            "files": _listed(files),
            "previous": previous,
        }
        object.__setattr__(self, "record", normalise(document))

    @classmethod
    def from_record(cls, record: Record) -> Entity:
        """The entity of a record that was checked already."""
        entity = cls.__new__(cls)
        object.__setattr__(entity, "record", record)
        return entity

    @classmethod
    def from_json(cls, text: str | bytes) -> Entity:
        """Any JSON text that denotes a valid entity, brought to the canonical form."""
        try:
            data = text.encode("utf-8") if isinstance(text, str) else text
        except UnicodeEncodeError:
            data = canonicalize(parse_json(text))  # raises: it names the place of the lone surrogate
        return cls.from_record(normalise_json(data))

    @classmethod
    def from_dict(cls, document: Mapping[str, Any]) -> Entity:
        """A whole document given as Python objects, brought to the canonical form."""
        return cls.from_record(normalise(document))

    @classmethod
    def from_canonical(cls, data: bytes) -> Entity:
        """Bytes that must be the canonical form already; others raise InvalidEntity."""
        return cls.from_record(read_canonical(data))

    @property
    def address(self) -> Address:
        """SHA-256 of the canonical bytes, 64 lowercase hex digits."""
        return self.record.address

    @property
    def cid(self) -> str:
        """The address as a CIDv1 (codec json, sha2-256, base32)."""
        return to_cid(self.record.address)

    @property
    def canonical(self) -> bytes:
        """The canonical bytes (RFC 8785)."""
        return self.record.document

    @property
    def id(self) -> str:
        """The name of the thing across its versions."""
        return self.record.id

    @property
    def entity_type(self) -> str:
        """The type token."""
        return self.record.entity_type

    @property
    def created_at(self) -> str | None:
        """RFC 3339 UTC with milliseconds, or None."""
        return None if self.record.created_at is None else format_time(self.record.created_at)

    @property
    def coordinates(self) -> Coordinates:
        """The seven coordinates, normalised."""
        record = self.record
        return Coordinates(
            realm=record.realm,
            lineage=record.lineage,
            adjacency=tuple(record.adjacency),
            horizon=HORIZONS[record.horizon],
            resonance=real(record.resonance),
            velocity=real(record.velocity),
            density=real(record.density),
        )

    @property
    def state(self) -> dict[str, Any]:
        """The free part of the document, a new copy at each access."""
        state: dict[str, Any] = document_of(self.record)["state"]
        return state

    @property
    def files(self) -> tuple[Attachment, ...]:
        """The attached files, sorted by name."""
        return tuple(self.record.files)

    @property
    def previous(self) -> Address | None:
        """The address of the version that this one replaces, or None."""
        return self.record.previous

    def as_dict(self) -> dict[str, Any]:
        """The document as Python objects, a new copy."""
        return document_of(self.record)

    def next(self, **changes: Any) -> Entity:
        """The version after this one: same id, `previous` set to this address, the given members changed.

        Takes entity_type, coordinates, state, files and created_at; what isn't given is kept.
        """
        document = self.as_dict()
        unknown = changes.keys() - {"entity_type", "coordinates", "state", "files", "created_at"}
        if unknown:
            raise TypeError(f"next() can't change {', '.join(sorted(unknown))}")
        return Entity(
            **{name: document[name] for name in ("id", "entity_type", "coordinates", "state", "files", "created_at")}
            | changes
            | {"previous": self.address}
        )

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError("an entity can't be changed; next() makes the version after it")

    def __reduce__(self) -> tuple[Any, tuple[Record]]:
        return type(self).from_record, (self.record,)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Entity) and self.record.address == other.record.address

    def __hash__(self) -> int:
        return hash(self.record.address)

    def __repr__(self) -> str:
        return f"<Entity {self.id} {self.address[:12]}>"


def _listed(given: Any) -> Any:
    """A list of what is iterable and no text, for JSON to hold; anything else as it is, to be refused with its path."""
    return list(given) if isinstance(given, Iterable) and not isinstance(given, (str, bytes, Mapping)) else given


def _time(given: str | datetime | None) -> str | None:
    if not isinstance(given, datetime):
        return given
    return (given if given.utcoffset() is not None else given.replace(tzinfo=UTC)).isoformat()
