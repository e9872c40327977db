"""The store over all shards: what each call asks of which shard, and how the answers become one."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import Future
from functools import partial
from typing import Final, TypeVar

from stat7.address import Address, is_address
from stat7.contracts import checks_of
from stat7.errors import InvalidQuery, Stat7Error, Unavailable
from stat7.paging import at_least_one
from stat7.query import Query
from stat7.record import Notice, Record
from stat7.stores.base import Capabilities, Check, Finding, HeadMove, Match, Outcome, Page, Plan, Store
from stat7.stores.sharded import paging
from stat7.stores.sharded.paging import Places, Walk
from stat7.stores.sharded.putting import put
from stat7.stores.sharded.shard import Shard
from stat7.stores.sharded.shard_map import MARK, ShardMap
from stat7.stores.sharded.summing import add_up_plans, condensed, weakest

Result = TypeVar("Result")
Item = TypeVar("Item")

_FIRST: Final = 0
"""The shard that keeps the marks."""


class ShardedStore:
    """A `Store` over several, of which each holds one range of addresses, and the heads of ids by their SHA-256.

    `openers`: one for each shard, in the order of their ranges, which gives its store; that must have the mark of
    `shard_map`, or every use of it is a ConfigError and nothing is written. All shards are opened at once, those that
    are down when they are needed; only if all are down, Unavailable is raised here. `names` are the shards' places and
    `origin` the map's, for messages without credentials.

    What is atomic: what a call does to one shard, as far as that shard's store has transactions; nothing across shards.
    A shard that is down makes calls Unavailable that concern it, and no others. After a failed call some shards may
    have done their part: putting again completes it.
    """

    def __init__(
        self, openers: Sequence[Callable[[], Store]], shard_map: ShardMap, names: Sequence[str] = (), origin: str = ""
    ) -> None:
        if len(openers) != shard_map.count:
            raise ValueError(f"{len(openers)} stores for a map of {shard_map.count} shards")
        self.shard_map = shard_map
        self._origin = f" {origin}" if origin else ""
        self._bounds = shard_map.bounds
        self._shards = [
            Shard(number, shard_map, open_it, names[number] if names else f"shard {number}", self._origin)
            for number, open_it in enumerate(openers)
        ]
        self._places = Places(shard_map.name, shard_map.count)
        try:
            self.capabilities = self._combined()
        except BaseException:
            self.close()
            raise

    # Entities: in

    def put(self, records: Sequence[Record], moves: Sequence[HeadMove] = ()) -> tuple[list[Outcome], list[bool]]:
        """Store the records, all shards at the same time, then move the heads that live elsewhere.

        Atomic are the records of one shard together with the moves to one of its addresses whose heads live there too.
        All other moves are made when every record is stored, so no head names a document that isn't. A crash in between
        leaves documents whose head was not moved; putting again moves it. A move counts as tried after the records were
        stored: an address that is withdrawn in between may become a head, as if it had been withdrawn right after.
        """
        if len(records) == 1 and len(moves) == 1 and moves[0].new == records[0].address:
            return self._put_one(records, moves)
        return put(self, records, moves)

    def replace(self, records: Sequence[Record]) -> None:
        """Each shard its own, at the same time."""
        parts = self.by_address(records, [record.address for record in records])
        self.on_parts(parts, lambda part, store: store.replace(part))

    def discard(self, addresses: Sequence[Address]) -> None:
        """Each shard its own, at the same time."""
        parts = self.by_address(addresses, addresses)
        self.on_parts(parts, lambda part, store: store.discard(part))

    def withdraw(self, notices: Sequence[Notice]) -> None:
        """Each shard its own, at the same time."""
        parts = self.by_address(notices, [notice.address for notice in notices])
        self.on_parts(parts, lambda part, store: store.withdraw(part))

    # Entities: out

    def get(self, addresses: Sequence[Address]) -> dict[Address, bytes | Notice]:
        """The documents and notices of those that are known."""
        if len(addresses) == 1:
            return self._shards[bisect_right(self._bounds, addresses[0])].run(lambda store: store.get(addresses))
        parts = self.by_address(addresses, addresses)
        return _merged(self.on_parts(parts, lambda part, store: store.get(part)))

    def has(self, addresses: Sequence[Address]) -> set[Address]:
        """Those that have a document."""
        parts = self.by_address(addresses, addresses)
        found = self.on_parts(parts, lambda part, store: store.has(part))
        return {address for part in found.values() for address in part}

    def find(self, query: Query, cursor: str | None, limit: int) -> Page[Match]:
        """The next matches, shard after shard. Needs only the shards that fill the page."""
        return paging.find(self._shards, self._places, query, cursor, at_least_one(limit))

    def explain(self, query: Query) -> Plan:
        """What all shards say, added up."""
        return add_up_plans(self._everywhere(lambda store: store.explain(query)))

    def scan(self, cursor: str | None, limit: int) -> Page[tuple[Address, bytes | Notice]]:
        """Documents and notices in address order, if all shards have that order."""
        return self._walk("scan").filled(
            lambda store, inner, most: store.scan(inner, most), cursor, at_least_one(limit)
        )

    def scan_notices(self, cursor: str | None, limit: int) -> Page[Notice]:
        """The notices alone, shard after shard."""
        walk = self._walk("notices")
        return walk.filled(lambda store, inner, most: store.scan_notices(inner, most), cursor, at_least_one(limit))

    def named_files(self, sha256s: Sequence[str]) -> set[str]:
        """Those of the files that a document of any shard names."""
        if not sha256s:
            return set()
        return {sha256 for found in self._everywhere(lambda store: store.named_files(sha256s)) for sha256 in found}

    def check(self, cursor: str | None, limit: int) -> Page[Finding]:
        """What each shard finds wrong with itself, one after the other; what isn't about an address names its shard."""
        walk = self._walk("check")
        at, page = walk.step(lambda store, inner, most: store.check(inner, most), cursor, at_least_one(limit))
        findings = [
            found if is_address(found.subject) else found._replace(detail=f"shard {at}: {found.detail}")
            for found in page.items
        ]
        return Page(findings, page.cursor)

    def count(self) -> int:
        """Documents of all shards."""
        return sum(self._everywhere(lambda store: store.count()))

    # Heads and marks

    def heads(self, ids: Sequence[str]) -> dict[str, Address]:
        """The current address of each id that has one."""
        if len(ids) == 1:
            return self._shards[self.shard_map.home_of(ids[0])].run(lambda store: store.heads(ids))
        parts = _grouped(ids, map(self.shard_map.home_of, ids))
        return _merged(self.on_parts(parts, lambda part, store: store.heads(part)))

    def swap_heads(self, moves: Sequence[HeadMove]) -> list[bool]:
        """Try each move on its own, all shards at the same time."""
        parts = _grouped(moves, (self.shard_map.home_of(move.id) for move in moves))
        made = self.on_parts(parts, lambda part, store: store.swap_heads(part))
        done = {move.id: moved for at, part in parts.items() for move, moved in zip(part, made[at], strict=True)}
        return [done[move.id] for move in moves]

    def scan_heads(self, cursor: str | None, limit: int) -> Page[tuple[str, Address]]:
        """Every head, shard after shard."""
        walk = self._walk("heads")
        return walk.filled(lambda store, inner, most: store.scan_heads(inner, most), cursor, at_least_one(limit))

    def marks(self) -> dict[str, str]:
        """The marks that are set; they live on the first shard."""
        marks = self._shards[_FIRST].run(lambda store: store.marks())
        return {name: value for name, value in marks.items() if name != MARK}

    def set_mark(self, name: str, value: str | None) -> None:
        """Set a mark on the first shard. Raises InvalidQuery for the name that the map has."""
        if name == MARK:
            raise InvalidQuery("mark", f"{MARK} is the map of the shards; choose another name")
        self._shards[_FIRST].run(lambda store: store.set_mark(name, value))

    # The whole

    def compact(self) -> int:
        """All shards at the same time; the bytes freed of those that can tell."""
        return sum(self._everywhere(lambda store: store.compact()))

    def diagnose(self) -> list[Check]:
        """One line for the map and one for each shard, whether it answers or not."""
        text = f"{self.shard_map.count} shards, set {self.shard_map.name[:8]}{self._origin}; fixed: to grow, copy"
        checks = [Check("shard map", "ok", f"{text} into a wider set")]
        for shard, asked in zip(self._shards, self._ask_all(_checks), strict=True):
            name = f"shard {shard.number}"
            where = f"{self.shard_map.range_of(shard.number)} at {shard.where}"
            try:
                checks.append(condensed(name, where, asked.result()))
            except Stat7Error as error:
                checks.append(Check(name, "fail", f"{where}: {error}"))
        return checks

    def disk_bytes(self) -> int | None:
        """Bytes of all shards, None if one can't tell."""
        sizes = self._everywhere(_size)
        return None if None in sizes else sum(size for size in sizes if size is not None)

    def shard_counts(self) -> dict[str, int]:
        """Documents in each shard, by its number and place."""
        counts = self._everywhere(lambda store: store.count())
        return {f"{shard.number} ({shard.where})": count for shard, count in zip(self._shards, counts, strict=True)}

    def close(self) -> None:
        """Close all shards."""
        for shard in self._shards:
            shard.close()

    # What the modules beside this one use too

    def by_address(self, items: Sequence[Item], addresses: Iterable[Address]) -> dict[int, list[Item]]:
        """The items by the shards that hold their addresses, in their order."""
        bounds = self._bounds
        return _grouped(items, (bisect_right(bounds, address) for address in addresses))

    def on_parts(
        self, parts: Mapping[int, list[Item]], work: Callable[[list[Item], Store], Result]
    ) -> dict[int, Result]:
        """`work(part, store)` for each part on its shard, all at the same time."""
        return self.gather({at: partial(work, part) for at, part in parts.items()})

    def gather(self, jobs: Mapping[int, Callable[[Store], Result]]) -> dict[int, Result]:
        """Run each job on its shard, all at the same time; raises the first error when all have ended.

        The last one is run by the caller's thread, so a single one takes no detour.
        """
        if not jobs:
            return {}
        *others, last = jobs
        futures: dict[int, Future[Result]] = {}
        results: dict[int, Result] = {}
        failure: Stat7Error | None = None
        try:
            for at in others:
                futures[at] = self._shards[at].submit(jobs[at])
            results[last] = self._shards[last].run(jobs[last])
        except Stat7Error as error:
            failure = error
        for at, future in futures.items():
            try:
                results[at] = future.result()
            except Stat7Error as error:
                failure = failure or error
        if failure is not None:
            raise failure
        return results

    # Inside

    def _put_one(self, records: Sequence[Record], moves: Sequence[HeadMove]) -> tuple[list[Outcome], list[bool]]:
        """The same as `put` for one record that becomes the head of an id: this is how most are put."""
        at, home = bisect_right(self._bounds, records[0].address), self.shard_map.home_of(moves[0].id)
        if at == home:
            return self._shards[at].run(lambda store: store.put(records, moves))
        outcomes, _ = self._shards[at].run(lambda store: store.put(records))
        if outcomes[0] is Outcome.WITHDRAWN:
            return outcomes, [False]
        return outcomes, self._shards[home].run(lambda store: store.swap_heads(moves))

    def _everywhere(self, work: Callable[[Store], Result]) -> list[Result]:
        results = self.gather(dict.fromkeys(range(len(self._shards)), work))
        return [results[at] for at in range(len(self._shards))]

    def _ask_all(self, work: Callable[[Store], Result]) -> list[Future[Result]]:
        return [shard.submit(work) for shard in self._shards]

    def _walk(self, kind: str) -> Walk:
        return Walk(self._shards, self._places, kind)

    def _combined(self) -> Capabilities:
        """What all shards are like that answer."""
        known: list[Capabilities] = []
        failure: Unavailable | None = None
        for asked in self._ask_all(lambda store: store.capabilities):
            try:
                known.append(asked.result())
            except Unavailable as error:
                failure = failure or error
        if failure is not None and not known:
            raise failure
        return weakest(known)


def _grouped(items: Sequence[Item], shards: Iterable[int]) -> dict[int, list[Item]]:
    parts: dict[int, list[Item]] = {}
    for item, at in zip(items, shards, strict=True):
        parts.setdefault(at, []).append(item)
    return parts


def _merged(parts: Mapping[int, dict[str, Result]]) -> dict[str, Result]:
    return {key: value for part in parts.values() for key, value in part.items()}


def _checks(store: Store) -> list[Check]:
    checks = checks_of(store, "store", store.capabilities.durable)
    is_restricted: Callable[[], bool] | None = getattr(store, "is_restricted", None)
    if is_restricted is not None and not is_restricted():
        text = "the server takes rows of other shards too, a CHECK is missing; copy into a new set"
        checks.append(Check("range", "fail", text))
    return checks


def _size(store: Store) -> int | None:
    ask: Callable[[], int | None] | None = getattr(store, "disk_bytes", None)
    return None if ask is None else ask()
