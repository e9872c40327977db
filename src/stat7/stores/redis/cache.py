"""Documents in Redis, by address: fetched and stored many at a time, hashed before use, kept out once withdrawn.

A key is the prefix `stat7:1:`, 16 bytes that name the generation, and the 32 bytes of the address. The generation's
bytes are hashed from a token, which the store keeps (see stores/cached.py), and the run id of the Redis process: what a
Redis that was restarted finds on its disk, or a replica that took over holds, is from another time and never read.

The key of the prefix alone holds the fence, a random value that every withdrawal changes. A document is only stored if
the fence is still what it was before the document was read from the store, so a reader that was overtaken by a
withdrawal can't put it back. Withdrawn addresses hold a tombstone besides, which nothing but its expiry removes.
"""

from __future__ import annotations

import hashlib
import os
import struct
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from stat7.address import Address, is_address
from stat7.contracts import Check
from stat7.record import Notice
from stat7.stores.breaker import Breaker
from stat7.stores.cached import Documents, Look
from stat7.stores.redis.connection import Client, Command
from stat7.stores.redis.server import Server

TOMBSTONE: Final = b"\x00withdrawn"
"""What stands in place of a withdrawn document: no document begins with this byte."""

_PREFIX: Final = b"stat7:1:"
_TOGETHER: Final = 1000
"""Addresses in one round trip."""
_FILL_BYTES: Final = 8 * 1024 * 1024
"""Most bytes stored in one round trip: more are left for the next reader to store."""
_FENCE_SECONDS: Final = 7 * 24 * 3600
_PATIENCE: Final = 2.0
"""Seconds for telling Redis what was withdrawn: nobody waits to read meanwhile."""
_FAILURES: Final = 3
_PAUSE_SECONDS: Final = 2.0

# Stores what is missing, unless the fence moved. KEYS: the fence, documents; ARGV: fence, seconds, documents.
_FILL: Final = """\
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
for i = 2, #KEYS do redis.call('SET', KEYS[i], ARGV[i + 1], 'NX', 'EX', ARGV[2]) end
return 1
"""
# Moves the fence and erases documents. KEYS: the fence, documents; ARGV: fence, its seconds, tombstone, its seconds.
_BLOCK: Final = """\
redis.call('SET', KEYS[1], ARGV[1], 'EX', ARGV[2])
for i = 2, #KEYS do redis.call('SET', KEYS[i], ARGV[3], 'EX', ARGV[4]) end
return 1
"""


@dataclass(slots=True)
class Counts:
    """What a cache did since it was opened; several threads may lose a count to one another now and then."""

    hits: int = 0
    misses: int = 0
    poisoned: int = 0


class RedisCache:
    """A cache of documents in the Redis at `server`; nothing of it raises, since a cache that fails is no cache.

    `ttl`: seconds after which an entry is forgotten. `timeout`: most seconds that one round trip of a read may take,
    connecting included; there are three at most. `largest`: documents of more bytes are not kept. After three failures
    in a row it is left alone for two seconds. `counts` says what it did.
    """

    def __init__(self, server: Server, *, ttl: float = 3600, timeout: float = 0.1, largest: float = 65_536) -> None:
        self.server = server
        self.ttl = int(ttl)
        self.timeout = timeout
        self.largest = int(largest)
        self.counts = Counts()
        self._client = Client(server)
        self._breaker = Breaker(_FAILURES, _PAUSE_SECONDS)

    def look(self, generation: bytes, addresses: Sequence[Address]) -> Look:
        """What is known of these addresses. What isn't an address is missing."""
        look = self._look(generation, addresses[:_TOGETHER])
        for at in range(_TOGETHER, len(addresses), _TOGETHER):
            part = addresses[at : at + _TOGETHER]
            # A cache that failed once is not asked again within this call.
            more = self._look(generation, part) if look.fence else Look({}, list(part), [], b"")
            look.hits.update(more.hits)
            look.missing.extend(more.missing)
            look.poisoned.extend(more.poisoned)
        return look

    def fill(self, generation: bytes, look: Look, documents: Documents) -> None:
        """Store documents that were read, and hashed, after `look`; erase what was poisoned."""
        kept = dict(self._fitting(documents))
        if not look.fence or not (kept or look.poisoned):
            return

        def build(run_id: bytes) -> list[Command]:
            prefix = _prefix(generation, run_id)
            commands: list[Command] = []
            if look.poisoned:
                commands.append((b"DEL", *_keys(prefix, look.poisoned)))
            if kept:
                keys = _keys(prefix, kept)
                commands.append((b"EVAL", _FILL, len(keys) + 1, prefix, *keys, look.fence, self.ttl, *kept.values()))
            return commands

        self._try(build)

    def block(self, generations: Sequence[bytes], addresses: Sequence[Address]) -> bool:
        """Erase these from every generation named and keep them out; whether Redis said that it is done.

        Asked however often it failed before, and given two seconds for a thousand addresses.
        """
        return all(
            self._block(generation, addresses[at : at + _TOGETHER])
            for generation in generations
            for at in range(0, len(addresses), _TOGETHER)
        )

    def diagnose(self) -> list[Check]:
        """Whether it answers, how fast, and whether its settings suit a cache."""
        from stat7.stores.redis.health import diagnose

        return diagnose(self._client, self.counts)

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    def _look(self, generation: bytes, addresses: Sequence[Address]) -> Look:
        try:
            names = [bytes.fromhex(address) for address in addresses]
        except (ValueError, UnicodeEncodeError):
            return self._look_for_valid(generation, addresses)

        def build(run_id: bytes) -> list[Command]:
            prefix = _prefix(generation, run_id)
            return [(b"MGET", prefix, *[prefix + name for name in names])]

        answers = self._try(build)
        if answers is None:
            return Look({}, list(addresses), [], b"")
        try:
            fence, *values = answers[0]
            look = self._sort(addresses, values, fence)
        except (TypeError, ValueError):
            self._breaker.failed()
            return Look({}, list(addresses), [], b"")
        if look.missing and not look.fence:
            return look._replace(fence=self._plant(generation))
        return look

    def _sort(self, addresses: Sequence[Address], values: Sequence[bytes | None], fence: bytes | None) -> Look:
        """Every value is hashed here: what does not hash to its address is as good as missing."""
        hits: dict[Address, bytes | Notice] = {}
        missing: list[Address] = []
        poisoned: list[Address] = []
        sha256 = hashlib.sha256
        for address, value in zip(addresses, values, strict=True):
            if value is None:
                missing.append(address)
            elif sha256(value).hexdigest() == address:
                hits[address] = value
            else:
                missing.append(address)
                if value != TOMBSTONE and is_address(address):
                    poisoned.append(address)
        counts = self.counts
        counts.hits += len(hits)
        counts.misses += len(missing)
        counts.poisoned += len(poisoned)
        return Look(hits, missing, poisoned, fence or b"")

    def _look_for_valid(self, generation: bytes, addresses: Sequence[Address]) -> Look:
        valid = [address for address in addresses if is_address(address)]
        look = self._look(generation, valid)
        look.missing.extend(address for address in addresses if not is_address(address))
        return look

    def _plant(self, generation: bytes) -> bytes:
        """Make the fence, or find the one that another reader just made."""

        def build(run_id: bytes) -> list[Command]:
            prefix = _prefix(generation, run_id)
            return [(b"SET", prefix, os.urandom(16), b"NX", b"EX", _FENCE_SECONDS), (b"GET", prefix)]

        answers = self._try(build)
        return answers[1] if answers and isinstance(answers[1], bytes) else b""

    def _fitting(self, documents: Documents) -> list[tuple[Address, bytes]]:
        kept: list[tuple[Address, bytes]] = []
        left = _FILL_BYTES
        for address, document in documents.items():
            left -= len(document)
            if len(document) <= self.largest and left >= 0 and len(kept) < _TOGETHER:
                kept.append((address, document))
        return kept

    def _block(self, generation: bytes, addresses: Sequence[Address]) -> bool:
        def build(run_id: bytes) -> list[Command]:
            prefix = _prefix(generation, run_id)
            keys = _keys(prefix, addresses)
            # The tombstone outlives whatever a reader may be about to store.
            values = (os.urandom(16), _FENCE_SECONDS, TOMBSTONE, self.ttl)
            return [(b"EVAL", _BLOCK, len(keys) + 1, prefix, *keys, *values)]

        try:
            return self._client.exchange(build, _PATIENCE) == [1]
        except Exception:
            self._breaker.failed()
            return False

    def _try(self, build: Callable[[bytes], list[Command]]) -> list[Any] | None:
        """The answers, None if there are none within the limit or nobody is to wait for them at the moment."""
        if not self._breaker.allows():
            return None
        try:
            answers = self._client.exchange(build, self.timeout)
        except Exception:
            # Whatever it is, redis-py's own or what bytes from a stranger made of it: a read doesn't fail by it.
            self._breaker.failed()
            return None
        self._breaker.succeeded()
        return answers


def _prefix(generation: bytes, run_id: bytes) -> bytes:
    name = hashlib.sha256(struct.pack(">I", len(generation)) + generation + run_id).digest()
    return _PREFIX + name[:16]


def _keys(prefix: bytes, addresses: Sequence[Address] | Documents) -> list[bytes]:
    return [prefix + bytes.fromhex(address) for address in addresses]
