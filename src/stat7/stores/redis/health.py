"""What `doctor` says of the cache: its version, how fast it answers, whether it forgets what it must, and its hits."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

from stat7.contracts import Check
from stat7.stores.redis.connection import Client, Command
from stat7.stores.redis.errors import translated

if TYPE_CHECKING:
    from stat7.stores.redis.cache import Counts

_SECONDS: Final = 2.0
_SLOW_MS: Final = 20.0
_SECTIONS: Final[tuple[Command, ...]] = ((b"INFO", b"server"), (b"INFO", b"memory"), (b"INFO", b"stats"))
_ADVICE: Final = "set maxmemory (256mb, say) and maxmemory-policy allkeys-lru"


def diagnose(client: Client, counts: Counts) -> list[Check]:
    """Checks named `cache`, `cache memory` and `cache hits`; only the first, failed, if it can't be used."""
    try:
        client.exchange(lambda run_id: [(b"PING",)], _SECONDS)
        started = time.perf_counter()
        answers = client.exchange(lambda run_id: _SECTIONS, _SECONDS)
        milliseconds = (time.perf_counter() - started) * 1000
        # What every read and every withdrawal needs.
        client.exchange(lambda run_id: [(b"EVAL", "return 1", 0), (b"MGET", b"stat7:1:")], _SECONDS)
    except Exception as error:
        return [Check("cache", "fail", str(translated(error, client.server.place)))]
    known: dict[str, str] = {}
    for answer in answers:
        known |= _facts(answer)
    return [_answers(client.server.place, known, milliseconds), _memory(known), _hits(known, counts)]


def _facts(info: object) -> dict[str, str]:
    """The lines `name:value` of an answer to INFO."""
    lines = info.decode("utf-8", "replace").splitlines() if isinstance(info, bytes) else []
    return {name: value for name, colon, value in (line.partition(":") for line in lines) if colon}


def _answers(place: str, known: Mapping[str, str], milliseconds: float) -> Check:
    text = f"{place}, Redis {known.get('redis_version', 'of unknown version')}, answers in {milliseconds:.1f} ms"
    if milliseconds > _SLOW_MS:
        return Check("cache", "warn", f"{text}; slower than most stores, so leave it out or move it nearer")
    return Check("cache", "ok", text)


def _memory(known: Mapping[str, str]) -> Check:
    policy, most = known.get("maxmemory_policy", "unknown"), known.get("maxmemory", "0")
    used = known.get("used_memory_human", "?")
    if most == "0":
        return Check("cache memory", "warn", f"{used} used, no limit: it may fill the machine; {_ADVICE}")
    limit = known.get("maxmemory_human", most)
    if not policy.startswith("allkeys-"):
        return Check("cache memory", "warn", f"{used} of {limit} used, policy {policy}; {_ADVICE}")
    return Check("cache memory", "ok", f"{used} of {limit} used, policy {policy}")


def _hits(known: Mapping[str, str], counts: Counts) -> Check:
    """By the server's own count, which includes whatever else it is used for, and by ours where there is one."""
    hits, misses = (_number(known, f"keyspace_{name}") for name in ("hits", "misses"))
    found = f"{hits / (hits + misses):.1%} of the keys asked for were there" if hits + misses else "nothing asked for"
    text = f"{found}, {known.get('evicted_keys', '?')} evicted"
    if counts.hits + counts.misses:
        text += f"; of ours {counts.hits / (counts.hits + counts.misses):.1%}"
    if counts.poisoned:
        text += f"; {counts.poisoned:,} entries did not hash to their address: find out who else writes to it"
        return Check("cache hits", "warn", text)
    return Check("cache hits", "ok", text)


def _number(known: Mapping[str, str], name: str) -> int:
    text = known.get(name, "")
    return int(text) if text.isdecimal() else 0
