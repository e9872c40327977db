"""What every wrapper of a store is built on: a store that hands each call on to another one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from stat7.address import Address
from stat7.contracts import Check, checks_of
from stat7.query import Query
from stat7.record import Notice, Record
from stat7.stores.base import Capabilities, Finding, HeadMove, Match, Outcome, Page, Plan, Store


class StoreWrapper:
    """A `Store` that does what `inner` does; a subclass overrides what it does otherwise.

    Names that are no part of the contract (`path`, say) are looked up in `inner`, so that a wrapped store still says
    where it is.
    """

    def __init__(self, inner: Store) -> None:
        self.inner = inner
        self.capabilities: Capabilities = inner.capabilities

    def __getattr__(self, name: str) -> Any:
        # Asked only for what is not found here; `inner` itself is missing while a wrapper is being copied or unpickled.
        if name == "inner":
            raise AttributeError(name)
        return getattr(self.inner, name)

    def put(self, records: Sequence[Record], moves: Sequence[HeadMove] = ()) -> tuple[list[Outcome], list[bool]]:
        """See EntityStore.put."""
        return self.inner.put(records, moves)

    def replace(self, records: Sequence[Record]) -> None:
        """See EntityStore.replace."""
        self.inner.replace(records)

    def discard(self, addresses: Sequence[Address]) -> None:
        """See EntityStore.discard."""
        self.inner.discard(addresses)

    def get(self, addresses: Sequence[Address]) -> dict[Address, bytes | Notice]:
        """See EntityStore.get."""
        return self.inner.get(addresses)

    def has(self, addresses: Sequence[Address]) -> set[Address]:
        """See EntityStore.has."""
        return self.inner.has(addresses)

    def find(self, query: Query, cursor: str | None, limit: int) -> Page[Match]:
        """See EntityStore.find."""
        return self.inner.find(query, cursor, limit)

    def explain(self, query: Query) -> Plan:
        """See EntityStore.explain."""
        return self.inner.explain(query)

    def scan(self, cursor: str | None, limit: int) -> Page[tuple[Address, bytes | Notice]]:
        """See EntityStore.scan."""
        return self.inner.scan(cursor, limit)

    def scan_notices(self, cursor: str | None, limit: int) -> Page[Notice]:
        """See EntityStore.scan_notices."""
        return self.inner.scan_notices(cursor, limit)

    def named_files(self, sha256s: Sequence[str]) -> set[str]:
        """See EntityStore.named_files."""
        return self.inner.named_files(sha256s)

    def withdraw(self, notices: Sequence[Notice]) -> None:
        """See EntityStore.withdraw."""
        self.inner.withdraw(notices)

    def check(self, cursor: str | None, limit: int) -> Page[Finding]:
        """See EntityStore.check."""
        return self.inner.check(cursor, limit)

    def count(self) -> int:
        """See EntityStore.count."""
        return self.inner.count()

    def compact(self) -> int:
        """See EntityStore.compact."""
        return self.inner.compact()

    def heads(self, ids: Sequence[str]) -> dict[str, Address]:
        """See HeadStore.heads."""
        return self.inner.heads(ids)

    def swap_heads(self, moves: Sequence[HeadMove]) -> list[bool]:
        """See HeadStore.swap_heads."""
        return self.inner.swap_heads(moves)

    def scan_heads(self, cursor: str | None, limit: int) -> Page[tuple[str, Address]]:
        """See HeadStore.scan_heads."""
        return self.inner.scan_heads(cursor, limit)

    def marks(self) -> dict[str, str]:
        """See HeadStore.marks."""
        return self.inner.marks()

    def set_mark(self, name: str, value: str | None) -> None:
        """See HeadStore.set_mark."""
        self.inner.set_mark(name, value)

    def diagnose(self) -> list[Check]:
        """What the wrapped store says of its health."""
        return checks_of(self.inner, "store", self.capabilities.durable)

    def close(self) -> None:
        """Close the wrapped store."""
        self.inner.close()
