"""What a gateway is told when it starts: where it listens, who may do what, and every limit."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from ipaddress import IPv4Network, IPv6Network
from typing import Any, Final

KIB: Final = 1024
MIB: Final = 1024 * KIB
GIB: Final = 1024 * MIB

BYTES: Final = "bytes"
SECONDS: Final = "seconds"
COUNT: Final = "count"

MOST_BYTES: Final = 2**60
MOST_COUNT: Final = 1_000_000_000
LEAST_SECONDS: Final = 0.001
MOST_SECONDS: Final = 86_400.0

_UNITS: Final = {"": 1, "KiB": KIB, "MiB": MIB, "GiB": GIB}
_SIZE: Final = re.compile(r"([0-9]{1,19})(|KiB|MiB|GiB)")
_WHOLE: Final = re.compile(r"[0-9]{1,10}")
_DECIMAL: Final = re.compile(r"[0-9]{1,6}(?:\.[0-9]{1,6})?")


@dataclass(frozen=True, slots=True)
class Rate:
    """So many requests a second on average, and so many at once after a pause."""

    per_second: float
    burst: float


RATES: Final[Mapping[str, Rate]] = {
    "read": Rate(2000, 4000),
    "find": Rate(200, 400),
    "write": Rate(500, 1000),
    "bulk": Rate(50, 100),
    "admin": Rate(20, 40),
    "keys": Rate(5, 100),
}
"""For each key and kind of route. Whoever comes without a key has a tenth of it, by client address. `keys` is for each
client address: requests without a key that is needed, or with one that isn't valid.
"""

STRANGERS_SHARE: Final = 0.1


def _limit(default: float, unit: str, told: str) -> Any:
    return field(default=default, metadata={"unit": unit, "told": told})


@dataclass(frozen=True, slots=True)
class Limits:
    """What one request, and all together, may take; beyond it a clear status and no memory. `LIMITS` says of each what
    it bounds, and in which unit.
    """

    body: int = _limit(256 * MIB, BYTES, "JSON or NDJSON, as sent")
    decompressed: int = _limit(1 * GIB, BYTES, "a body of JSON or NDJSON after gzip")
    line: int = _limit(4 * MIB, BYTES, "a line of NDJSON, or a document")
    lines: int = _limit(200_000, COUNT, "lines of NDJSON in a request")
    file: int = _limit(64 * GIB, BYTES, "a file")
    batch: int = _limit(10_000, COUNT, "addresses, ids or moves in a request")
    page: int = _limit(10_000, COUNT, "matches in a page")
    ranges: int = _limit(32, COUNT, "ranges of a file in a request")
    spool: int = _limit(16 * GIB, BYTES, "all large answers that wait on the disk")
    query: float = _limit(30.0, SECONDS, "seconds for one call of the store")
    idle: float = _limit(20.0, SECONDS, "seconds of silence within a request")
    unread: float = _limit(60.0, SECONDS, "seconds in which a client reads nothing of its answer")
    grace: float = _limit(10.0, SECONDS, "seconds until `slowest` is asked of an upload")
    slowest: int = _limit(1 * KIB, BYTES, "bytes a second, at least, of an upload")
    requests: int = _limit(512, COUNT, "requests at once")
    transfers: int = _limit(64, COUNT, "uploads and streams at once")
    calls: int = _limit(16, COUNT, "threads that call the store")


@dataclass(frozen=True, slots=True)
class Limit:
    """One of Limits: `unit` is BYTES, SECONDS or COUNT; `told` says what it bounds, for people."""

    name: str
    default: float
    unit: str
    told: str

    @property
    def shown(self) -> str:
        """The default as people write it: 4MiB."""
        return shown_size(int(self.default)) if self.unit == BYTES else f"{self.default:.15g}"

    def read(self, text: str) -> int | float:
        """Its value from a text. Raises ValueError, which says what is wanted."""
        if self.unit == BYTES:
            return read_size(text)
        if self.unit == COUNT:
            if not _WHOLE.fullmatch(text) or not 1 <= int(text) <= MOST_COUNT:
                raise ValueError(f"{text!r} is not a whole number from 1 to {MOST_COUNT}")
            return int(text)
        if not _DECIMAL.fullmatch(text) or not LEAST_SECONDS <= float(text) <= MOST_SECONDS:
            raise ValueError(f"{text!r} is not a number of seconds from {LEAST_SECONDS:g} to {MOST_SECONDS:g}")
        return float(text)


_DEFAULT: Final = Limits()

LIMITS: Final[Mapping[str, Limit]] = {
    each.name: Limit(each.name, getattr(_DEFAULT, each.name), each.metadata["unit"], each.metadata["told"])
    for each in fields(Limits)
}


def read_size(text: str) -> int:
    """Bytes from `4194304`, `4096KiB` or `4MiB`. Raises ValueError, which says what is wanted."""
    found = _SIZE.fullmatch(text)
    size = int(found[1]) * _UNITS[found[2]] if found else 0
    if not 1 <= size <= MOST_BYTES:
        raise ValueError(f"{text!r} is no size; write bytes, or such as 512KiB, 64MiB, 2GiB")
    return size


def shown_size(size: int) -> str:
    """As `read_size` reads it, in the largest unit without a fraction."""
    unit = next(unit for unit in reversed(_UNITS) if size % _UNITS[unit] == 0)
    return f"{size // _UNITS[unit]}{unit}"


@dataclass(frozen=True, slots=True)
class Settings:
    """Everything but the stores. `hosts` are the names by which it may be called (None: any); on loopback those of this
    machine are added, and looked at wherever strangers may read without --public-read. `trusted` are the proxies whose
    X-Forwarded-For is believed.
    """

    public_read: bool = False
    hosts: frozenset[str] | None = None
    cache_max_age: int = 60
    limits: Limits = field(default_factory=Limits)
    rates: Mapping[str, Rate] = field(default_factory=lambda: dict(RATES))
    strangers_share: float = STRANGERS_SHARE
    trusted: tuple[IPv4Network | IPv6Network, ...] = ()
