"""Locators: `stat7://realm/lineage/adjacency/horizon?r=R&v=V&d=D` names a place in the seven dimensions, or a query."""

from __future__ import annotations

from hashlib import sha256

from stat7.canonical import canonicalize, format_number
from stat7.coordinates import HORIZONS, SCALE
from stat7.errors import InvalidQuery
from stat7.query import Query
from stat7.record import Record

SCHEME = "stat7://"
_REALS = {"r": "resonance", "v": "velocity", "d": "density"}


def adjacency_digest(adjacency: list[str]) -> str:
    """First 16 hex digits of the SHA-256 of the canonical adjacency array: the neighbourhood's part of a locator."""
    return sha256(canonicalize(adjacency)).hexdigest()[:16]


def locator_of(record: Record) -> str:
    """The locator of the place where an entity sits; entities with equal coordinates share it."""
    reals = "&".join(f"{key}={format_number(getattr(record, name) / SCALE)}" for key, name in _REALS.items())
    place = f"{record.realm}/{record.lineage}/{adjacency_digest(record.adjacency)}/{HORIZONS[record.horizon]}"
    return f"{SCHEME}{place}?{reals}"


def parse_locator(text: str) -> Query:
    """The query that a locator stands for; parts may be `*` or left out, lineage, horizon, r, v and d may be ranges.

    Raises InvalidQuery, also for a locator whose adjacency part is a digest: no query can ask for a digest.
    """
    # Only used here, and the command line starts quicker without.
    from urllib.parse import unquote

    if not text.startswith(SCHEME):
        raise InvalidQuery("locator", f"{text[:80]!r} does not begin with {SCHEME}")
    place, _, search = text[len(SCHEME) :].partition("?")
    parts = [unquote(part) for part in place.split("/")]
    if len(parts) > 4:
        raise InvalidQuery("locator", "has more than the four parts realm/lineage/adjacency/horizon")
    realm, lineage, adjacency, horizon = (
        None if part in ("", "*") else part for part in (*parts, *[""] * (4 - len(parts)))
    )
    if adjacency is not None:
        raise InvalidQuery("locator", "the adjacency part of a query must be `*`; ask for one neighbour by adjacent_to")
    reals: dict[str, str] = {}
    seen: set[str] = set()
    for parameter in search.split("&") if search else ():
        key, _, value = parameter.partition("=")
        if key not in _REALS or key in seen:
            raise InvalidQuery("locator", f"the parameter {key[:80]!r} is unknown or given twice; there are r, v and d")
        seen.add(key)
        if unquote(value) not in ("", "*"):
            reals[_REALS[key]] = unquote(value)
    return Query(realm=realm, lineage=lineage, horizon=horizon, **reals)
