"""Repositories for tests, on every pair of stores that needs no server, and ways to harm them below the façade."""

from __future__ import annotations

import os
import time
from collections.abc import Iterable, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any, Final, cast

import apsw

from stat7.address import Address, digest
from stat7.files.base import FileStore
from stat7.files.local import LocalFiles
from stat7.files.memory import MemoryFiles
from stat7.record import Attachment, Notice, Record
from stat7.repository import PutResult, Repository, Status
from stat7.stores.base import HeadMove, Store
from stat7.stores.memory import MemoryStore
from stat7.stores.sqlite import SQLiteStore
from stat7.testing.samples import attached

KINDS: Final = ("memory", "sqlite")
"""Memory in memory, and SQLite with a folder of files."""

DAY_MS: Final = 24 * 3600 * 1000


class Clock:
    """A clock that runs `ahead_ms` before the machine's."""

    def __init__(self) -> None:
        self.ahead_ms = 0

    def __call__(self) -> float:
        return time.time() + self.ahead_ms / 1000


class Intercepted:
    """A store (or a store of files) that passes everything on; subclasses put something between."""

    def __init__(self, inner: object) -> None:
        self.inner: Any = inner

    def __getattr__(self, name: str) -> Any:
        return getattr(self.inner, name)


def make_repository(kind: str, folder: Path, clock: Clock | None = None) -> Repository:
    """A repository of this kind in `folder`, which is made; opening it again opens the same SQLite and files."""
    folder.mkdir(exist_ok=True)
    clock = clock or Clock()
    if kind == "memory":
        return Repository(MemoryStore(), MemoryFiles(), clock=clock)
    return Repository(SQLiteStore(folder / "store.db"), LocalFiles(folder / "files"), clock=clock)


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
    items = dict(repo.store.scan(None, 10_000).items)
    return items, dict(repo.store.scan_heads(None, 10_000).items)


def store_below(repo: Repository, *records: Record) -> None:
    """Store documents without moving a head, as a put that was cut off leaves them."""
    repo.store.put(records)


def damage_document(repo: Repository, address: Address, data: bytes = b"damaged") -> None:
    """Put other bytes in place of a stored document."""
    if isinstance(repo.store, MemoryStore):
        repo.store.contents().documents[address] = data
    else:
        _change(repo, "UPDATE documents SET document = ? WHERE address = ?", data, bytes.fromhex(address))


def lose_document(repo: Repository, address: Address) -> None:
    """Take a document away, as damage would, leaving its head."""
    repo.store.discard([address])


def lose_head(repo: Repository, id: str) -> None:
    """Take the head of an id away."""
    head = repo.store.heads([id])[id]
    assert repo.store.swap_heads([HeadMove(id, head, None)]) == [True]


def damage_index(repo: Repository, address: Address, sha256: str) -> None:
    """Make the index forget that this document names this file."""
    if isinstance(repo.store, MemoryStore):
        held = repo.store.contents()
        held.naming[sha256].discard(address)
    else:
        key = int.from_bytes(bytes.fromhex(address)[:8], "big") - 2**63
        _change(repo, "DELETE FROM links WHERE target = ? AND key = ?", bytes.fromhex(sha256), key)


def damage_file(repo: Repository, sha256: str, data: bytes) -> None:
    """Put other bytes in place of a stored file."""
    if isinstance(repo.files, MemoryFiles):
        held = repo.files._files[sha256]
        held.data, held.table = data, None
    else:
        assert isinstance(repo.files, LocalFiles)
        (repo.files.folder / sha256[:2] / sha256).write_bytes(data)


def lose_file(repo: Repository, sha256: str) -> None:
    """Take a file's bytes away."""
    assert repo.files.delete([sha256]) == {sha256}


def missing_file(data: bytes = b"never stored") -> Attachment:
    """An attachment that names a file nobody stored."""
    return attached(digest(data))._replace(size=len(data))


def _change(repo: Repository, statement: str, *values: bytes | str | int) -> None:
    assert isinstance(repo.store, SQLiteStore)
    with closing(apsw.Connection(str(repo.store.path))) as connection:
        connection.execute(statement, values)
        assert connection.changes() == 1, "nothing was there to be harmed"


def age_file(repo: Repository, sha256: str, ms: int) -> int:
    """Set a stored file's time to `ms` before now; that time, ms since 1970."""
    moment = int(time.time() * 1000) - ms
    if isinstance(repo.files, MemoryFiles):
        repo.files._files[sha256].stored_at = moment
    else:
        assert isinstance(repo.files, LocalFiles)
        os.utime(repo.files.folder / sha256[:2] / sha256, ns=(moment * 1_000_000, moment * 1_000_000))
    return moment
