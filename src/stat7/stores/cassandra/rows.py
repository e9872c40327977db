"""What a row of each table holds, and in which partition it lies.

A partition should stay well below a gigabyte. In `cells` there are five times `buckets` for each realm (the horizons,
and parts of the addresses), in `links` 512: docs/scaling.md says how large they grow.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from hashlib import sha256
from typing import Any, Final, NamedTuple

from stat7.address import Address, is_address
from stat7.coordinates import HORIZONS
from stat7.query import ANY, Query
from stat7.record import Notice, Record

LINK_GROUPS: Final = 128
"""Parts of the targets."""

LINK_BUCKETS: Final = 4
"""Parts of the addresses that have one neighbour; those that have one file lie together."""

KEY_BYTES: Final = 16

COORDINATES: Final = ("resonance", "velocity", "density")
FACTS: Final = (
    "id", "previous", "entity_type", "created_at", "realm", "horizon", "lineage", *COORDINATES, "links",
)  # fmt: skip
NOTICE: Final = ("case_name", "reason", "withdrawn_at", "noticed_id", "noticed_previous", "notice_digest")


class Facts(NamedTuple):
    """What the row of an entity says of its document; `links` are the keys of its neighbours and files, one by one."""

    id: str
    previous: str | None
    entity_type: str
    created_at: int | None
    realm: str
    horizon: int
    lineage: int
    resonance: int
    velocity: int
    density: int
    links: bytes


class CellKey(NamedTuple):
    """A row of `cells`."""

    realm: str
    horizon: int
    bucket: int
    lineage: int
    address: bytes


class LinkKey(NamedTuple):
    """A row of `links`."""

    part: int
    target: bytes
    address: bytes


def neighbour_key(id: str) -> bytes:
    """By what a neighbour is a target of links."""
    return b"\0" + sha256(id.encode()).digest()[: KEY_BYTES - 1]


def file_key(name: str) -> bytes:
    """By what a file is a target of links, from its SHA-256 in hex."""
    return b"\1" + sha256(name.encode()).digest()[: KEY_BYTES - 1]


def facts_of(record: Record) -> Facts:
    """The row that a record should have."""
    keys = [neighbour_key(id) for id in record.adjacency]
    keys += sorted({file_key(entry.sha256) for entry in record.files})
    return Facts(
        record.id, record.previous, record.entity_type, record.created_at, record.realm, record.horizon,
        record.lineage, record.resonance, record.velocity, record.density, b"".join(keys),
    )  # fmt: skip


def keys_in(links: bytes) -> Iterator[bytes]:
    """The keys of all links, one by one."""
    return (links[at : at + KEY_BYTES] for at in range(0, len(links) - KEY_BYTES + 1, KEY_BYTES))


def cell_key(address: bytes, facts: Facts, buckets: int) -> CellKey:
    """Where the entity is in `cells`."""
    return CellKey(facts.realm, facts.horizon, address[0] * buckets >> 8, facts.lineage, address)


def link_keys(address: bytes, facts: Facts) -> list[LinkKey]:
    """Where the entity is in `links`."""
    return [LinkKey(part_of(target, address), target, address) for target in keys_in(facts.links)]


def index_keys(facts: Mapping[bytes, Facts], buckets: int) -> tuple[list[CellKey], list[LinkKey]]:
    """The index rows of these entities, by their addresses."""
    # Damage may have left part of a row; such an entity has no place that could be told from it.
    keys = (cell_key(address, each, buckets) for address, each in facts.items())
    links = [key for address, each in facts.items() for key in link_keys(address, each)]
    return [key for key in keys if None not in key], links


def part_of(target: bytes, address: bytes) -> int:
    """The partition of one link."""
    return parts_of(target)[address[0] // (256 // LINK_BUCKETS) if target[0] == 0 else 0]


def parts_of(target: bytes) -> range:
    """The partitions of all links to a target, in the order of addresses."""
    first = target[1] % LINK_GROUPS * LINK_BUCKETS
    return range(first, first + (LINK_BUCKETS if target[0] == 0 else 1))


def by_partition(values: Iterable[Sequence[Any]], columns: int) -> list[list[Sequence[Any]]]:
    """The rows in groups that share a partition, whose key is their first `columns` values."""
    groups: dict[Any, list[Sequence[Any]]] = defaultdict(list)
    for each in values:
        groups[tuple(each[:columns])].append(each)
    return list(groups.values())


def known_addresses(addresses: Iterable[Address]) -> list[bytes]:
    """Those that are addresses at all, each once, as bytes."""
    return [bytes.fromhex(address) for address in dict.fromkeys(addresses) if is_address(address)]


def notice_in(address: Address, cells: Sequence[Any]) -> Notice:
    """The notice that a row holds, from its columns NOTICE."""
    case, reason, withdrawn_at, id, previous, _ = cells
    return Notice(address, case, reason, withdrawn_at, id, previous)


def is_possible(query: Query) -> bool:
    """Whether anything can match: no range of it is turned round."""
    ranges = (query.lineage, query.resonance, query.velocity, query.density, query.created)
    return not any(low is not None and high is not None and low > high for low, high in ranges)


def targets_of(query: Query) -> list[bytes]:
    """What a match must be linked to; the rarer comes first, as a rule."""
    targets = [] if query.file is None else [file_key(query.file)]
    return targets if query.adjacent_to is None else [*targets, neighbour_key(query.adjacent_to)]


def is_placed(query: Query, realm: str, horizon: int, lineage: int, reals: Sequence[int]) -> bool:
    """Whether these coordinates, which index rows hold, satisfy the query."""
    return (
        (query.realms is None or realm in query.realms)
        and (query.horizons is None or horizon in query.horizons)
        and query.lineage.holds(lineage)
        and query.resonance.holds(reals[0])
        and query.velocity.holds(reals[1])
        and query.density.holds(reals[2])
    )


def holds(query: Query, targets: Sequence[bytes], facts: Facts) -> bool:
    """Whether an entity's row satisfies the query."""
    return (
        is_placed(query, facts.realm, facts.horizon, facts.lineage, facts[7:10])
        and (query.entity_types is None or facts.entity_type in query.entity_types)
        and (query.created == ANY or (facts.created_at is not None and query.created.holds(facts.created_at)))
        and (not targets or set(targets) <= set(keys_in(facts.links)))
    )


def horizons_of(query: Query) -> Sequence[int]:
    """The horizons that a query asks for."""
    return range(len(HORIZONS)) if query.horizons is None else query.horizons
