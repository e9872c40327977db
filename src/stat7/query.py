"""Queries over the seven coordinates (and type, time and attached file): their grammar, their test, their cursors.

Text forms, the same on the command line, in locators and over HTTP: sets are comma lists (`data,event`), ranges
`a..b`, `a..`, `..b` with closed ends, horizons follow the lifecycle order (`peak..`).
"""

from __future__ import annotations

import json
import re
from base64 import b64decode, urlsafe_b64encode
from collections.abc import Callable, Iterable
from hashlib import sha256
from typing import Any, Final, NamedTuple, TypeAlias

from stat7.address import is_address
from stat7.coordinates import (
    ENTITY_TYPE,
    HORIZON_RANK,
    HORIZONS,
    MAX_LINEAGE,
    REALM,
    SCALE,
    units_at_least,
    units_at_most,
)
from stat7.errors import InvalidEntity, InvalidQuery
from stat7.record import Record, check_id, format_time, parse_time

_INTEGER = re.compile(r"[+-]?[0-9]{1,20}")
_REAL = re.compile(r"[+-]?(?:[0-9]+(?:\.[0-9]+)?|\.[0-9]+)(?:[eE][+-]?[0-9]{1,3})?")
_EARLIEST: Final = -62135596800000  # 0001-01-01T00:00:00.000Z
_LATEST: Final = 253402300799999  # 9999-12-31T23:59:59.999Z
_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")

VERSIONS: Final = ("current", "all")


class Interval(NamedTuple):
    """A closed range of integers; None leaves that end open. `low > high` (made by rounding inwards) holds nothing."""

    low: int | None = None
    high: int | None = None

    def holds(self, value: int) -> bool:
        """Whether `value` lies in the range."""
        return (self.low is None or value >= self.low) and (self.high is None or value <= self.high)


ANY: Final = Interval()

SetLike: TypeAlias = str | Iterable[str] | None
"""A comma list, or the values themselves."""

RangeLike: TypeAlias = str | int | float | tuple[Any, Any] | None
"""`"a..b"`, one value, or a pair whose None leaves an end open."""


class Query:
    """What to find. All keywords are optional and all given ones must hold.

    realm, entity_type: one token or several (`"data,event"`, or an iterable). lineage: integers; resonance, velocity,
    density: reals, compared as the quantised coordinates; created: RFC 3339 times or dates (entities without a time
    don't match). horizon: names, a set or a range of them. adjacent_to: an id that must be among the neighbours. file:
    the SHA-256 of an attached file. versions: "current" (heads only, the default) or "all".

    Raises InvalidQuery naming the field for what can't be read, an empty set, or a range turned round. Immutable; the
    attributes hold what stores use: sorted tuples, `Interval`s of integers (units of 1e-8, milliseconds), horizon
    ranks.
    """

    __slots__ = (
        "adjacent_to", "created", "density", "entity_types", "file", "horizons", "lineage", "realms", "resonance",
        "velocity", "versions",
    )  # fmt: skip

    adjacent_to: str | None
    created: Interval
    density: Interval
    entity_types: tuple[str, ...] | None
    file: str | None
    horizons: tuple[int, ...] | None
    lineage: Interval
    realms: tuple[str, ...] | None
    resonance: Interval
    velocity: Interval
    versions: str

    def __init__(
        self,
        *,
        realm: SetLike = None,
        lineage: RangeLike = None,
        adjacent_to: str | None = None,
        horizon: SetLike = None,
        resonance: RangeLike = None,
        velocity: RangeLike = None,
        density: RangeLike = None,
        entity_type: SetLike = None,
        created: RangeLike = None,
        file: str | None = None,
        versions: str = "current",
    ) -> None:
        if file is not None and not is_address(file):
            raise InvalidQuery("file", f"{_shown(file)} is not 64 lowercase hex digits")
        if versions not in VERSIONS:
            raise InvalidQuery("versions", f"{_shown(versions)} is not one of {', '.join(VERSIONS)}")
        parts = {
            "adjacent_to": None if adjacent_to is None else _id(adjacent_to),
            "created": _created(created),
            "density": _reals("density", density, 0),
            "entity_types": _tokens("entity_type", entity_type, ENTITY_TYPE),
            "file": file,
            "horizons": _horizons(horizon),
            "lineage": _lineages(lineage),
            "realms": _tokens("realm", realm, REALM),
            "resonance": _reals("resonance", resonance, -SCALE),
            "velocity": _reals("velocity", velocity, -SCALE),
            "versions": versions,
        }
        for name, part in parts.items():
            object.__setattr__(self, name, part)

    def matches(self, record: Record) -> bool:
        """Whether a document's facts satisfy this query (`versions` is not judged here: that takes the heads)."""
        return (
            (self.realms is None or record.realm in self.realms)
            and (self.horizons is None or record.horizon in self.horizons)
            and self.lineage.holds(record.lineage)
            and self.resonance.holds(record.resonance)
            and self.velocity.holds(record.velocity)
            and self.density.holds(record.density)
            and (self.entity_types is None or record.entity_type in self.entity_types)
            and (self.adjacent_to is None or self.adjacent_to in record.adjacency)
            and (self.created == ANY or (record.created_at is not None and self.created.holds(record.created_at)))
            and (self.file is None or any(entry.sha256 == self.file for entry in record.files))
        )

    def as_dict(self) -> dict[str, str]:
        """The given parts in their text forms; `Query(**query.as_dict())` equals the query."""
        parts = {
            "realm": ",".join(self.realms or ()),
            "lineage": _text(self.lineage, str),
            "adjacent_to": self.adjacent_to or "",
            "horizon": ",".join(HORIZONS[rank] for rank in self.horizons or ()),
            "resonance": _text(self.resonance, _decimal),
            "velocity": _text(self.velocity, _decimal),
            "density": _text(self.density, _decimal),
            "entity_type": ",".join(self.entity_types or ()),
            "created": _text(self.created, format_time),
            "file": self.file or "",
            "versions": "" if self.versions == "current" else self.versions,
        }
        return {name: text for name, text in parts.items() if text}

    def cursor(self, position: str) -> str:
        """An opaque cursor that carries a store's position and is bound to this query."""
        return urlsafe_b64encode(f"{self._fingerprint()}:{position}".encode()).decode("ascii").rstrip("=")

    def position(self, cursor: str) -> str:
        """The position inside a cursor made for this query; any other text raises InvalidQuery("cursor", …)."""
        try:
            padded = cursor.encode("ascii") + b"=" * (-len(cursor) % 4)
            fingerprint, _, position = b64decode(padded, b"-_", validate=True).decode("utf-8").partition(":")
        except ValueError:
            raise InvalidQuery("cursor", "is not a cursor that a find returned") from None
        if fingerprint != self._fingerprint():
            raise InvalidQuery("cursor", "belongs to another query; repeat the find it came from, or drop the cursor")
        return position

    def _fingerprint(self) -> str:
        return sha256(json.dumps(self._key()).encode()).hexdigest()[:16]

    def _key(self) -> tuple[Any, ...]:
        return tuple(getattr(self, name) for name in self.__slots__)

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError("a query can't be changed; make another")

    def __reduce__(self) -> tuple[Callable[..., Query], tuple[dict[str, str]]]:
        return _query, (self.as_dict(),)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Query) and self._key() == other._key()

    def __hash__(self) -> int:
        return hash(self._key())

    def __repr__(self) -> str:
        return f"Query({', '.join(f'{name}={text!r}' for name, text in self.as_dict().items())})"


def _query(parts: dict[str, str]) -> Query:
    """What unpickling calls."""
    return Query(**parts)


def split_range(field: str, text: str) -> tuple[str | None, str | None]:
    """`a..b` into its ends (None where open); one value alone is both ends. Raises InvalidQuery for `..` or nothing."""
    low, dots, high = text.partition("..")
    low, high = low.strip(), high.strip()
    # Of three dots one could belong to a number on either side.
    if not (low or high) or ".." in high or "..." in text:
        raise InvalidQuery(field, f"{_shown(text)} is not a value or a range: write a, a..b, a.. or ..b")
    if not dots:
        return low, low
    return low or None, high or None


def _ends(field: str, given: Any) -> tuple[Any, Any]:
    if isinstance(given, str):
        return split_range(field, given)
    if isinstance(given, tuple):
        if len(given) != 2:
            raise InvalidQuery(field, "a range is a pair of ends")
        return given
    return given, given


def _lineages(given: RangeLike) -> Interval:
    if given is None:
        return ANY
    low, high = (None if end is None else _integer("lineage", end) for end in _ends("lineage", given))
    _refuse_turned("lineage", low, high)
    return _within(low, high, 0, MAX_LINEAGE)


def _reals(field: str, given: RangeLike, least: int) -> Interval:
    if given is None:
        return ANY
    low, high = (None if end is None else _number(field, end) for end in _ends(field, given))
    _refuse_turned(field, low, high)
    return _within(
        None if low is None else units_at_least(low), None if high is None else units_at_most(high), least, SCALE
    )


def _refuse_turned(field: str, low: float | None, high: float | None) -> None:
    if low is not None and high is not None and low > high:
        raise InvalidQuery(
            field, f"the range {_shown(low)}..{_shown(high)} is turned round; write {_shown(high)}..{_shown(low)}"
        )


def _within(low: int | None, high: int | None, least: int, most: int) -> Interval:
    """The interval inside the domain: ends at its edge or beyond are open, or just outside if nothing can match."""
    return Interval(
        None if low is None or low <= least else min(low, most + 1),
        None if high is None or high >= most else max(high, least - 1),
    )


def _integer(field: str, given: Any) -> int:
    if isinstance(given, str) and _INTEGER.fullmatch(given.strip()):
        return int(given)
    if isinstance(given, int) and not isinstance(given, bool):
        return given
    raise InvalidQuery(field, f"{_shown(given)} is not an integer")


def _number(field: str, given: Any) -> float:
    if isinstance(given, str) and _REAL.fullmatch(given.strip()):
        return float(given)
    if isinstance(given, (int, float)) and not isinstance(given, bool) and given == given:
        return given
    raise InvalidQuery(field, f"{_shown(given)} is not a number")


def _created(given: RangeLike) -> Interval:
    if given is None:
        return ANY
    first, last = _ends("created", given)
    low = None if first is None else _time_bound(first, True)
    high = None if last is None else _time_bound(last, False)
    if low is not None and high is not None and low > high:
        raise InvalidQuery("created", f"the range {first}..{last} is turned round; write {last}..{first}")
    # Unlike the coordinates, the time may be absent: an open end at the edge still asks for entities that have one.
    return Interval(_EARLIEST if low is None else low, _LATEST if high is None else high)


def _time_bound(given: Any, lower: bool) -> int:
    """A time, or a whole day: its first millisecond as a lower bound, its last as an upper one."""
    if not isinstance(given, str):
        raise InvalidQuery("created", f"{_shown(given)} is not an RFC 3339 time or a date such as 2026-01-31")
    text = given.strip()
    if _DATE.fullmatch(text):
        text += "T00:00:00.000Z" if lower else "T23:59:59.999Z"
    try:
        return parse_time(text, "created")
    except InvalidEntity as error:
        raise InvalidQuery("created", f"{error.reason}, nor a date such as 2026-01-31") from None


def _tokens(field: str, given: SetLike, rule: re.Pattern[str]) -> tuple[str, ...] | None:
    if given is None:
        return None
    names = _values(field, given)
    for name in names:
        if not isinstance(name, str) or not rule.fullmatch(name):
            raise InvalidQuery(field, f"{_shown(name)} is not a token {rule.pattern}")
    return tuple(sorted({str.__str__(name) for name in names}))


def _values(field: str, given: Any) -> list[Any]:
    """The members of a set: a comma list or any iterable."""
    if not isinstance(given, Iterable):
        raise InvalidQuery(field, f"must be a comma list or several values, not {_shown(given)}")
    values = [part.strip() for part in given.split(",")] if isinstance(given, str) else list(given)
    if not values:
        raise InvalidQuery(field, "the set is empty; leave it out to match any")
    return values


def _horizons(given: SetLike) -> tuple[int, ...] | None:
    if given is None:
        return None
    if isinstance(given, str) and ".." in given:
        low, high = split_range("horizon", given)
        first = 0 if low is None else _rank(low)
        last = len(HORIZONS) - 1 if high is None else _rank(high)
        if first > last:
            raise InvalidQuery(
                "horizon", f"the range {_shown(given)} is turned round: the order is {', '.join(HORIZONS)}"
            )
        ranks = set(range(first, last + 1))
    else:
        ranks = {_rank(name) for name in _values("horizon", given)}
    return None if len(ranks) == len(HORIZONS) else tuple(sorted(ranks))


def _rank(name: Any) -> int:
    rank = HORIZON_RANK.get(name) if isinstance(name, str) else None
    if rank is None:
        raise InvalidQuery("horizon", f"{_shown(name)} is not one of {', '.join(HORIZONS)}")
    return rank


def _id(given: str) -> str:
    try:
        return check_id(given, "adjacent_to")
    except InvalidEntity as error:
        raise InvalidQuery("adjacent_to", error.reason) from None


def _decimal(units: float) -> str:
    return f"{units / SCALE:.9f}".rstrip("0").rstrip(".")


def _text(interval: Interval, write: Callable[[int], str]) -> str:
    low, high = interval
    if low is None and high is None:
        return ""
    if low is not None and high is not None and low >= high:
        # One value, or one between two quantised ones: that is what left no room between the ends.
        return write(low) if low == high else _decimal((low + high) / 2)
    return f"{'' if low is None else write(low)}..{'' if high is None else write(high)}"


def _shown(given: Any) -> str:
    """What was given, for an error's text."""
    if isinstance(given, str):
        return repr(str.__str__(given)[:80])
    if isinstance(given, (int, float)) and abs(given) < 1e300:
        return str(given)
    return f"a {type(given).__name__}"
