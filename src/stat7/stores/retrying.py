"""A store that tries again what failed because the one below was unavailable, where that can do no harm.

| method | tried again | because |
|---|---|---|
| get, has, find, explain, scan, scan_notices, named_files, check, count, heads, scan_heads, marks | yes | they read |
| put, replace | yes | documents are stored once, whoever stores them |
| withdraw | yes | the first notice wins |
| set_mark | yes | a mark is set by the one job that it belongs to, that of a cache's generation by its beginner |
| moves of heads, in put and swap_heads | yes | a move is only made from the head that it expects |
| discard | no | somebody may have stored the document again meanwhile: that must not be undone |
| compact, diagnose, disk_bytes, close | no | long, or about the store as it is now |

An attempt that failed may have been carried out and only its answer lost. Then a record that it stored comes as EXISTED
instead of NEW, and a head that it moved as not moved: as after a race, whoever asked reads the head again. To call it
moved because it is where it should be would let two writers believe that both of them moved it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

from stat7.address import Address
from stat7.backoff import Backoff
from stat7.query import Query
from stat7.record import Notice, Record
from stat7.stores.base import Finding, HeadMove, Match, Outcome, Page, Plan, Store
from stat7.stores.wrapping import StoreWrapper

Result = TypeVar("Result")


class RetryingStore(StoreWrapper):
    """A `Store` that tries again by `backoff` what raised Unavailable; see the table above. A closed one does not."""

    def __init__(self, inner: Store, backoff: Backoff | None = None) -> None:
        super().__init__(inner)
        self._backoff = backoff or Backoff()
        self._closed = False

    def put(self, records: Sequence[Record], moves: Sequence[HeadMove] = ()) -> tuple[list[Outcome], list[bool]]:
        """See EntityStore.put."""
        return self._again(lambda: self.inner.put(records, moves))

    def swap_heads(self, moves: Sequence[HeadMove]) -> list[bool]:
        """See HeadStore.swap_heads."""
        return self._again(lambda: self.inner.swap_heads(moves))

    def replace(self, records: Sequence[Record]) -> None:
        """See EntityStore.replace."""
        self._again(lambda: self.inner.replace(records))

    def get(self, addresses: Sequence[Address]) -> dict[Address, bytes | Notice]:
        """See EntityStore.get."""
        return self._again(lambda: self.inner.get(addresses))

    def has(self, addresses: Sequence[Address]) -> set[Address]:
        """See EntityStore.has."""
        return self._again(lambda: self.inner.has(addresses))

    def find(self, query: Query, cursor: str | None, limit: int) -> Page[Match]:
        """See EntityStore.find."""
        return self._again(lambda: self.inner.find(query, cursor, limit))

    def explain(self, query: Query) -> Plan:
        """See EntityStore.explain."""
        return self._again(lambda: self.inner.explain(query))

    def scan(self, cursor: str | None, limit: int) -> Page[tuple[Address, bytes | Notice]]:
        """See EntityStore.scan."""
        return self._again(lambda: self.inner.scan(cursor, limit))

    def scan_notices(self, cursor: str | None, limit: int) -> Page[Notice]:
        """See EntityStore.scan_notices."""
        return self._again(lambda: self.inner.scan_notices(cursor, limit))

    def named_files(self, sha256s: Sequence[str]) -> set[str]:
        """See EntityStore.named_files."""
        return self._again(lambda: self.inner.named_files(sha256s))

    def withdraw(self, notices: Sequence[Notice]) -> None:
        """See EntityStore.withdraw."""
        self._again(lambda: self.inner.withdraw(notices))

    def check(self, cursor: str | None, limit: int) -> Page[Finding]:
        """See EntityStore.check."""
        return self._again(lambda: self.inner.check(cursor, limit))

    def count(self) -> int:
        """See EntityStore.count."""
        return self._again(self.inner.count)

    def heads(self, ids: Sequence[str]) -> dict[str, Address]:
        """See HeadStore.heads."""
        return self._again(lambda: self.inner.heads(ids))

    def scan_heads(self, cursor: str | None, limit: int) -> Page[tuple[str, Address]]:
        """See HeadStore.scan_heads."""
        return self._again(lambda: self.inner.scan_heads(cursor, limit))

    def marks(self) -> dict[str, str]:
        """See HeadStore.marks."""
        return self._again(self.inner.marks)

    def set_mark(self, name: str, value: str | None) -> None:
        """See HeadStore.set_mark."""
        self._again(lambda: self.inner.set_mark(name, value))

    def close(self) -> None:
        """Close the wrapped store; calls under way are not tried again."""
        self._closed = True
        self.inner.close()

    def _again(self, call: Callable[[], Result]) -> Result:
        return self._backoff.call(call, lambda: self._closed)
