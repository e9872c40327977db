"""Valid records made by hand and at random (seeded, without Hypothesis), chosen to meet the traps stores fall into."""

from __future__ import annotations

import random
from collections.abc import Iterable, Sequence
from typing import Any, Final

from stat7.address import Address, digest
from stat7.coordinates import HORIZONS, MAX_LINEAGE, STANDARD_REALMS, real
from stat7.query import Query
from stat7.record import COORDINATES, Attachment, Notice, Record, format_time, normalise

WITHDRAWN_AT: Final = "2026-02-03T04:05:06.789Z"

HOSTILE_IDS: Final = (
    "a", "A", "a ", " a", "ä", "Ä", "ß", "ss", "İ", "ı", "i", "ﬁ", "fi",
    "'; DROP TABLE documents; --", '"quoted"', "back\\slash", "100%", "under_score", "underXscore", "*", "?", "[a]",
    "$a", "..", "../../etc/passwd", "null", "0", "1e5", "1", "01", "{}", "a,b", "a..b", "a/b", "a#b", "a=b&c", "a:b",
    "%41", "a+b",
    '","density":1,"horizon":"peak","lineage":1,"realm":"void","resonance":1,"velocity":1},"created_at":',
    "\ufeffmark", "\u202eright to left", "a\u200bb", "\u2028", "\u00a0", "\ue000", "\uffff", "\U00010000", "\U0010ffff",
    "😀", "x" * 255, "x" * 256, "😀" * 64,
)  # fmt: skip
"""Ids that are allowed (NFC, no control characters) and easily confused, cut, folded, escaped or sorted wrongly."""

REALMS: Final = (*STANDARD_REALMS, "d", "data-2", "data_2", "x" * 32)
TYPES: Final = ("a", "badge", "badge.gold", "character", "z" + "-" * 63)
LINEAGES: Final = (0, 1, 2, 3, 7, 2**31 - 1, 2**31, 2**32, MAX_LINEAGE - 1, MAX_LINEAGE)
UNITS: Final = (-(10**8), -99999999, -50000000, -1, 0, 1, 3, 50000000, 99999999, 10**8)
"""Real coordinates in units of 1e-8: the ends, their neighbours, and what is written with an exponent."""
TIMES: Final = (
    "0001-01-01T00:00:00.000Z", "1969-12-31T23:59:59.999Z", "1970-01-01T00:00:00.000Z", "2026-01-31T12:00:00.000Z",
    "2026-01-31T23:59:59.999Z", "2026-02-01T00:00:00.000Z", "9999-12-31T23:59:59.999Z",
)  # fmt: skip
FILES: Final = ("0" * 64, "f" * 64, *(digest(bytes([number])) for number in range(6)))


def sample(id: str = "sample", **facts: Any) -> Record:
    """A valid record: plain facts, save those given by their names in the document (`realm=…` goes to the coordinates).

    Raises InvalidEntity for facts that break a rule.
    """
    coordinates: dict[str, Any] = {
        "realm": "data", "lineage": 0, "adjacency": [], "horizon": "genesis",
        "resonance": 0, "velocity": 0, "density": 0,
    }  # fmt: skip
    document: dict[str, Any] = {
        "stat7": 1, "id": id, "entity_type": "sample", "created_at": None, "coordinates": coordinates,
        "state": {}, "files": [], "previous": None,
    }  # fmt: skip
    for name, value in facts.items():
        (coordinates if name in COORDINATES else document)[name] = value
    return normalise(document)


def samples(count: int, prefix: str = "sample") -> list[Record]:
    """`count` distinct records that differ in their ids alone."""
    return [sample(f"{prefix}-{number}") for number in range(count)]


def chain(id: str, length: int) -> list[Record]:
    """Versions of one id, oldest first, each with `previous` set to the one before."""
    versions: list[Record] = []
    for number in range(length):
        previous = versions[-1].address if versions else None
        versions.append(sample(id, state={"version": number}, previous=previous))
    return versions


def attached(sha256: str, name: str = "file.bin") -> Attachment:
    """An attachment of one byte under this digest and name."""
    return Attachment(name, "application/octet-stream", 1, sha256)


def notice(address: Address, case: str = "case 1", **more: Any) -> Notice:
    """A notice that withdraws this address."""
    return Notice(address, case, "by request", WITHDRAWN_AT, **more)


def forge(record: Record, address: bytes | Address) -> Record:
    """The record under another address (32 bytes, or hex), as no honest hash would give it."""
    return record._replace(address=address.hex() if isinstance(address, bytes) else address)


def random_records(seed: int, count: int) -> list[Record]:
    """`count` distinct records of facts from small pools of awkward values; the same seed gives the same records."""
    source = random.Random(seed)
    return [_random_record(source, f"{source.choice(HOSTILE_IDS)[:40]}{number}") for number in range(count)]


def random_queries(seed: int, count: int, records: Sequence[Record]) -> list[Query]:
    """`count` queries of one to five predicates around the facts of some of the records: most find something."""
    source = random.Random(seed)
    return [_random_query(source, source.choice(records)) for _ in range(count)]


def queries_of_one_predicate(records: Sequence[Record]) -> list[Query]:
    """For each predicate alone, queries around the facts of the given records."""
    source = random.Random(7)
    return [Query(**{name: make(source, record)}) for record in records for name, make in _PREDICATES.items()]


def _random_record(source: random.Random, id: str) -> Record:
    neighbours = source.sample(HOSTILE_IDS, source.choice((0, 0, 1, 2, 5)))
    names = source.sample(("a.txt", "b.txt", "Ω", "😀"), source.choice((0, 0, 1, 2, 4)))
    return sample(
        id,
        entity_type=source.choice(TYPES),
        created_at=source.choice((None, *TIMES)),
        realm=source.choice(REALMS),
        lineage=source.choice((*LINEAGES, source.randrange(100))),
        adjacency=neighbours,
        horizon=source.choice(HORIZONS),
        resonance=real(_random_units(source)),
        velocity=real(_random_units(source)),
        density=real(abs(_random_units(source))),
        state={"text": source.choice(HOSTILE_IDS)},
        files=[attached(source.choice(FILES), name) for name in names],
        previous=source.choice((None, None, digest(id.encode()))),
    )


def _random_units(source: random.Random) -> int:
    return source.choice((source.choice(UNITS), source.randint(-(10**8), 10**8)))


def _random_query(source: random.Random, record: Record) -> Query:
    names = source.sample(sorted(_PREDICATES), source.choice((1, 1, 2, 2, 3, 4, 5)))
    versions = source.choice(("current", "all"))
    return Query(versions=versions, **{name: _PREDICATES[name](source, record) for name in names})


def _set_around(source: random.Random, pool: Sequence[str], value: str) -> list[str]:
    others = source.sample(pool, source.choice((0, 1, 3)))
    return [*others, value] if not others or source.random() < 0.9 else others


def _range_around(source: random.Random, values: Iterable[Any], value: Any) -> tuple[Any, Any]:
    """Ends from the pool on both sides of the value; either may be the value itself, or open."""
    pool = sorted({*values, value})
    at = pool.index(value)
    return source.choice((None, value, *pool[: at + 1])), source.choice((None, value, *pool[at:]))


def _lineages(source: random.Random, record: Record) -> tuple[int, int | None]:
    low, high = _range_around(source, LINEAGES, record.lineage)
    return low or 0, high


def _reals(source: random.Random, units: int) -> tuple[float | None, float | None]:
    low, high = _range_around(source, UNITS, units)
    return None if low is None else real(low), None if high is None else real(high)


def _times(source: random.Random, record: Record) -> tuple[str | None, str | None]:
    known = source.choice(TIMES) if record.created_at is None else format_time(record.created_at)
    low, high = _range_around(source, TIMES, known)
    return low, high


_PREDICATES: Final[dict[str, Any]] = {
    "realm": lambda source, record: _set_around(source, REALMS, record.realm),
    "entity_type": lambda source, record: _set_around(source, TYPES, record.entity_type),
    "horizon": lambda source, record: _set_around(source, HORIZONS, HORIZONS[record.horizon]),
    "lineage": _lineages,
    "resonance": lambda source, record: _reals(source, record.resonance),
    "velocity": lambda source, record: _reals(source, record.velocity),
    "density": lambda source, record: _reals(source, abs(record.density)),
    "created": _times,
    "adjacent_to": lambda source, record: source.choice(record.adjacency or HOSTILE_IDS),
    "file": lambda source, record: source.choice([entry.sha256 for entry in record.files] or FILES),
}
