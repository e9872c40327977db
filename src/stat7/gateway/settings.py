"""What a gateway is told when it starts: where it listens, who may do what, and every limit."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from ipaddress import IPv4Network, IPv6Network
from typing import Final

KIB: Final = 1024
MIB: Final = 1024 * KIB
GIB: Final = 1024 * MIB


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
}
"""For each key and kind of route. Whoever comes without a key has a tenth of it, by client address."""

STRANGERS_SHARE: Final = 0.1


@dataclass(frozen=True, slots=True)
class Limits:
    """What one request, and all together, may take; beyond it a clear status and no memory.

    Bytes: `body` of JSON or NDJSON as sent, `decompressed` the same after gzip, `line` of NDJSON, `file`. Counts:
    `lines` of NDJSON, `batch` of addresses or ids, `ranges` of a file, `page` of a find or scan. Seconds: `query` for
    one call of the store, `idle` between pieces of a body, `grace` before `slowest` (bytes a second) is asked of an
    upload. At once: `requests`, `transfers` (uploads and streams), `calls` (threads that call the store).
    """

    body: int = 256 * MIB
    decompressed: int = 1 * GIB
    line: int = 4 * MIB
    lines: int = 200_000
    file: int = 64 * GIB
    batch: int = 10_000
    page: int = 10_000
    ranges: int = 32
    query: float = 30.0
    idle: float = 20.0
    grace: float = 10.0
    slowest: int = 1 * KIB
    requests: int = 512
    transfers: int = 64
    calls: int = 16


@dataclass(frozen=True, slots=True)
class Settings:
    """Everything but the stores. `hosts` are the names by which it may be called where strangers may read on loopback
    (None: any); `trusted` are the proxies whose X-Forwarded-For is believed.
    """

    public_read: bool = False
    hosts: frozenset[str] | None = None
    cache_max_age: int = 60
    limits: Limits = field(default_factory=Limits)
    rates: Mapping[str, Rate] = field(default_factory=lambda: dict(RATES))
    strangers_share: float = STRANGERS_SHARE
    trusted: tuple[IPv4Network | IPv6Network, ...] = ()
