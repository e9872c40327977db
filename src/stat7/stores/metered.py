"""A store that takes down how often each of its methods is called, how long that takes, and how it fails."""

from __future__ import annotations

from collections.abc import Sequence

from stat7.address import Address
from stat7.metrics import Metrics
from stat7.query import Query
from stat7.record import Notice, Record
from stat7.stores.base import Finding, HeadMove, Match, Outcome, Page, Plan, Store
from stat7.stores.wrapping import StoreWrapper


class MeteredStore(StoreWrapper):
    """A `Store` whose calls are counted in `metrics`, under the part `store`, by the names of its methods."""

    def __init__(self, inner: Store, metrics: Metrics) -> None:
        super().__init__(inner)
        self.metrics = metrics
        self._put = metrics.operation("store", "put")
        self._replace = metrics.operation("store", "replace")
        self._discard = metrics.operation("store", "discard")
        self._get = metrics.operation("store", "get")
        self._has = metrics.operation("store", "has")
        self._find = metrics.operation("store", "find")
        self._explain = metrics.operation("store", "explain")
        self._scan = metrics.operation("store", "scan")
        self._scan_notices = metrics.operation("store", "scan_notices")
        self._named_files = metrics.operation("store", "named_files")
        self._withdraw = metrics.operation("store", "withdraw")
        self._check = metrics.operation("store", "check")
        self._count = metrics.operation("store", "count")
        self._compact = metrics.operation("store", "compact")
        self._heads = metrics.operation("store", "heads")
        self._swap_heads = metrics.operation("store", "swap_heads")
        self._scan_heads = metrics.operation("store", "scan_heads")
        self._marks = metrics.operation("store", "marks")
        self._set_mark = metrics.operation("store", "set_mark")

    def put(self, records: Sequence[Record], moves: Sequence[HeadMove] = ()) -> tuple[list[Outcome], list[bool]]:
        """See EntityStore.put."""
        return self._put.call(self.inner.put, records, moves)

    def replace(self, records: Sequence[Record]) -> None:
        """See EntityStore.replace."""
        self._replace.call(self.inner.replace, records)

    def discard(self, addresses: Sequence[Address]) -> None:
        """See EntityStore.discard."""
        self._discard.call(self.inner.discard, addresses)

    def get(self, addresses: Sequence[Address]) -> dict[Address, bytes | Notice]:
        """See EntityStore.get."""
        return self._get.call(self.inner.get, addresses)

    def has(self, addresses: Sequence[Address]) -> set[Address]:
        """See EntityStore.has."""
        return self._has.call(self.inner.has, addresses)

    def find(self, query: Query, cursor: str | None, limit: int) -> Page[Match]:
        """See EntityStore.find."""
        return self._find.call(self.inner.find, query, cursor, limit)

    def explain(self, query: Query) -> Plan:
        """See EntityStore.explain."""
        return self._explain.call(self.inner.explain, query)

    def scan(self, cursor: str | None, limit: int) -> Page[tuple[Address, bytes | Notice]]:
        """See EntityStore.scan."""
        return self._scan.call(self.inner.scan, cursor, limit)

    def scan_notices(self, cursor: str | None, limit: int) -> Page[Notice]:
        """See EntityStore.scan_notices."""
        return self._scan_notices.call(self.inner.scan_notices, cursor, limit)

    def named_files(self, sha256s: Sequence[str]) -> set[str]:
        """See EntityStore.named_files."""
        return self._named_files.call(self.inner.named_files, sha256s)

    def withdraw(self, notices: Sequence[Notice]) -> None:
        """See EntityStore.withdraw."""
        self._withdraw.call(self.inner.withdraw, notices)

    def check(self, cursor: str | None, limit: int) -> Page[Finding]:
        """See EntityStore.check."""
        return self._check.call(self.inner.check, cursor, limit)

    def count(self) -> int:
        """See EntityStore.count."""
        return self._count.call(self.inner.count)

    def compact(self) -> int:
        """See EntityStore.compact."""
        return self._compact.call(self.inner.compact)

    def heads(self, ids: Sequence[str]) -> dict[str, Address]:
        """See HeadStore.heads."""
        return self._heads.call(self.inner.heads, ids)

    def swap_heads(self, moves: Sequence[HeadMove]) -> list[bool]:
        """See HeadStore.swap_heads."""
        return self._swap_heads.call(self.inner.swap_heads, moves)

    def scan_heads(self, cursor: str | None, limit: int) -> Page[tuple[str, Address]]:
        """See HeadStore.scan_heads."""
        return self._scan_heads.call(self.inner.scan_heads, cursor, limit)

    def marks(self) -> dict[str, str]:
        """See HeadStore.marks."""
        return self._marks.call(self.inner.marks)

    def set_mark(self, name: str, value: str | None) -> None:
        """See HeadStore.set_mark."""
        self._set_mark.call(self.inner.set_mark, name, value)
