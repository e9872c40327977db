"""What the suites for repositories share: stores with something between, and ways to put, look and lose."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, cast

from stat7.address import Address, digest
from stat7.files.base import FileStore
from stat7.record import Attachment, Notice, Record
from stat7.repository import PutResult, Repository, Status
from stat7.stores.base import HeadMove, Store
from stat7.testing.samples import attached
from stat7.testing.store_suite import scan_all, scan_all_heads


class Intercepted:
    """A store (or a store of files) that passes everything on; subclasses put something between."""

    def __init__(self, inner: object) -> None:
        self.inner: Any = inner

    def __getattr__(self, name: str) -> Any:
        return getattr(self.inner, name)


def with_store(repo: Repository, store: object) -> Repository:
    """The repository over another store, with the same files and clock."""
    return Repository(cast(Store, store), repo.files, clock=repo._clock)


def with_files(repo: Repository, files: object) -> Repository:
    """The repository over other files, with the same store and clock."""
    return Repository(repo.store, cast(FileStore, files), clock=repo._clock)


def put_new(repo: Repository, records: Iterable[Record]) -> list[Address]:
    """Put records that must all be new; their addresses."""
    results = repo.put_many(records)
    assert [result.status for result in results] == [Status.NEW] * len(results), results
    return [result.address for result in results if result.address is not None]


def put_file(repo: Repository, data: bytes, name: str = "file.bin") -> Attachment:
    """Store these bytes as a file; the attachment that names it."""
    return attached(repo.put_file(data).sha256, name)._replace(size=len(data))


def statuses(results: Sequence[PutResult]) -> list[str]:
    """The outcomes by their names."""
    return [result.status.value for result in results]


def addresses(records: Iterable[Record]) -> list[Address]:
    """The addresses of the records."""
    return [record.address for record in records]


def contents(repo: Repository) -> tuple[dict[Address, bytes | Notice], dict[str, Address]]:
    """Everything the store holds: what is under each address, and the heads."""
    return dict(scan_all(repo.store)), dict(scan_all_heads(repo.store))


def store_below(repo: Repository, *records: Record) -> None:
    """Store documents without moving a head, as a put that was cut off leaves them."""
    repo.store.put(records)


def lose_document(repo: Repository, address: Address) -> None:
    """Take a document away, as damage would, leaving its head."""
    repo.store.discard([address])


def lose_head(repo: Repository, id: str) -> None:
    """Take the head of an id away."""
    head = repo.store.heads([id])[id]
    assert repo.store.swap_heads([HeadMove(id, head, None)]) == [True]


def missing_file(data: bytes = b"never stored") -> Attachment:
    """An attachment that names a file nobody stored."""
    return attached(digest(data))._replace(size=len(data))


class Bounded(Intercepted):
    """A store that answers `get` a hundred times and no more, so that who goes round in circles is noticed."""

    left = 100

    def get(self, addresses: Sequence[Address]) -> dict[Address, bytes | Notice]:
        """See EntityStore.get."""
        self.left -= 1
        assert self.left, "it goes round in circles"
        found: dict[Address, bytes | Notice] = self.inner.get(addresses)
        return found


def lead_in_a_circle(repo: Repository, id: str, *before: Record) -> tuple[Repository, list[Notice]]:
    """Give `id` a head whose notices name each other, as a forged source could; `before` are put first.

    Returns the repository over a store that notices endless walks, and the notices, the head's first.
    """
    put_new(repo, before)
    head = before[-1].address if before else None
    first, second = "a" * 64, "b" * 64
    notices = [
        Notice(address, "1", "r", "2026-01-01T00:00:00.000Z", id, previous)
        for address, previous in ((first, second), (second, first))
    ]
    repo.store.withdraw(notices)
    assert repo.store.swap_heads([HeadMove(id, head, first)]) == [True]
    return with_store(repo, Bounded(repo.store)), notices
