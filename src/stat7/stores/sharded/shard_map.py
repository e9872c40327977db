"""Which shard holds which addresses, and the text by which each shard knows its place.

SHA-256 is uniform, so equal ranges of addresses hold equally much. The ranges are fixed when a set is made: to have
more shards is to copy into another set.
"""

from __future__ import annotations

import json
import re
import secrets
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Any, Final, NamedTuple

from stat7.address import Address
from stat7.errors import ConfigError

VERSION: Final = 1
"""The version of the map's forms, that of the mark and that of the file."""

MARK: Final = "shards:map"
"""The name of the mark under which a shard keeps the map. Users of the whole don't see it."""

MOST: Final = 256
"""Most shards of a set."""

_BITS: Final = 64
_BOUND: Final = re.compile(r"[0-9a-f]{1,64}")
_NAME: Final = re.compile(r"[0-9a-f]{32}")


class AddressRange(NamedTuple):
    """The addresses from `low` on and before `high`; None leaves that end open."""

    low: Address | None
    high: Address | None

    def __str__(self) -> str:
        end = "the end" if self.high is None else f"before {_short(self.high)}…"
        return f"{_short(self.low or '0')}… to {end}"


@dataclass(frozen=True, slots=True)
class ShardMap:
    """`name` tells the set from all others: 32 random hex digits. `bounds` are the first addresses of all shards but
    the first, ascending, and may be given without the zeros at their ends. Raises ConfigError for what can't be.
    """

    name: str
    bounds: tuple[Address, ...]

    def __post_init__(self) -> None:
        if _NAME.fullmatch(self.name) is None:
            raise ConfigError(f"the shard map's set {self.name[:80]!r} is not 32 hex digits; restore the file")
        for bound in self.bounds:
            if _BOUND.fullmatch(bound) is None:
                raise ConfigError(f"the shard map's bound {bound[:80]!r} is not 1 to 64 hex digits; restore the file")
        full = tuple(bound.ljust(64, "0") for bound in self.bounds)
        if list(full) != sorted({*full, "0" * 64})[1:]:
            raise ConfigError("the bounds in the shard map don't ascend from above 0; restore the file")
        if len(full) >= MOST:
            raise ConfigError(f"the shard map has {len(full) + 1} shards; at most {MOST} are possible")
        object.__setattr__(self, "bounds", full)

    @classmethod
    def equal(cls, count: int) -> ShardMap:
        """A new set of `count` shards with equal ranges."""
        bounds = (f"{(number << _BITS) // count:0{_BITS // 4}x}" for number in range(1, count))
        return cls(secrets.token_hex(16), tuple(bounds))

    @property
    def count(self) -> int:
        """How many shards there are."""
        return len(self.bounds) + 1

    @property
    def firsts(self) -> list[str]:
        """Where each shard begins, as short as it can be written: `0`, `5555555555555555`, …"""
        return ["0", *map(_short, self.bounds)]

    def shard_of(self, address: Address) -> int:
        """The number of the shard that holds this address; some shard's also for a text that is no address."""
        return bisect_right(self.bounds, address)

    def home_of(self, id: str) -> int:
        """The number of the shard that holds the head of this id."""
        return bisect_right(self.bounds, sha256(id.encode("utf-8", "surrogatepass")).hexdigest())

    def range_of(self, number: int) -> AddressRange:
        """The addresses that a shard holds."""
        ends = (None, *self.bounds, None)
        return AddressRange(ends[number], ends[number + 1])

    def mark(self, number: int) -> str:
        """What the mark of this shard says."""
        facts = {"version": VERSION, "set": self.name, "shards": self.count, "shard": number, "from": self.firsts}
        return json.dumps(facts, separators=(",", ":"))

    def objection(self, number: int, mark: str | None) -> str | None:
        """What is wrong if shard `number` has this mark; None if it is as it should be."""
        if mark == self.mark(number):
            return None
        if mark is None:
            return "it belongs to no set of shards"
        found = _facts(mark)
        if found is None:
            return "its mark can't be read, or a newer stat7 made it"
        if found["set"] != self.name:
            return f"it belongs to the set {found['set'][:8]}, the map is of the set {self.name[:8]}"
        if found["from"] != self.firsts:
            return f"its set has {len(found['from'])} shards with other ranges than the map says"
        return f"it is shard {found['shard']} of this set: the map's URLs are mixed up"


def read_map(name: object, firsts: Sequence[object]) -> ShardMap:
    """The map of a set, from what a file says: where each shard begins, the first at 0. Raises ConfigError."""
    if not isinstance(name, str) or not all(isinstance(first, str) for first in firsts):
        raise ConfigError("set and from must be texts in quotes")
    begins = [str(first) for first in firsts]
    if not begins or begins[0].strip("0"):
        raise ConfigError("the first shard must be from 0")
    return ShardMap(name, tuple(begins[1:]))


def _short(bound: str) -> str:
    return bound.rstrip("0") or "0"


def _facts(mark: str) -> dict[str, Any] | None:
    try:
        found = json.loads(mark)
        sound = found["version"] == VERSION and isinstance(found["set"], str) and isinstance(found["from"], list)
        return found if sound and isinstance(found["shard"], int) else None
    except (ValueError, KeyError, TypeError):
        return None
