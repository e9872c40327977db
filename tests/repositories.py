"""Repositories for tests, on every pair of stores that needs no server, and ways to harm them below the façade."""

from __future__ import annotations

import os
import time
from contextlib import closing
from pathlib import Path
from typing import Final

import apsw

from stat7.address import Address
from stat7.files.local import LocalFiles
from stat7.files.memory import MemoryFiles
from stat7.repository import Repository
from stat7.stores.memory import MemoryStore
from stat7.stores.sqlite import SQLiteStore
from stat7.testing.repositories import Bounded as Bounded
from stat7.testing.repositories import Intercepted as Intercepted
from stat7.testing.repositories import addresses as addresses
from stat7.testing.repositories import contents as contents
from stat7.testing.repositories import lead_in_a_circle as lead_in_a_circle
from stat7.testing.repositories import lose_document as lose_document
from stat7.testing.repositories import lose_head as lose_head
from stat7.testing.repositories import missing_file as missing_file
from stat7.testing.repositories import put_file as put_file
from stat7.testing.repositories import put_new as put_new
from stat7.testing.repositories import statuses as statuses
from stat7.testing.repositories import store_below as store_below
from stat7.testing.repositories import with_files as with_files
from stat7.testing.repositories import with_store as with_store

KINDS: Final = ("memory", "sqlite")
"""Memory in memory, and SQLite with a folder of files."""

DAY_MS: Final = 24 * 3600 * 1000


class Clock:
    """A clock that runs `ahead_ms` before the machine's."""

    def __init__(self) -> None:
        self.ahead_ms = 0

    def __call__(self) -> float:
        return time.time() + self.ahead_ms / 1000


def make_repository(kind: str, folder: Path, clock: Clock | None = None) -> Repository:
    """A repository of this kind in `folder`, which is made; opening it again opens the same SQLite and files."""
    folder.mkdir(exist_ok=True)
    clock = clock or Clock()
    if kind == "memory":
        return Repository(MemoryStore(), MemoryFiles(), clock=clock)
    return Repository(SQLiteStore(folder / "store.db"), LocalFiles(folder / "files"), clock=clock)


def damage_document(repo: Repository, address: Address, data: bytes = b"damaged") -> None:
    """Put other bytes in place of a stored document."""
    if isinstance(repo.store, MemoryStore):
        repo.store.contents().documents[address] = data
    else:
        _change(repo, "UPDATE documents SET document = ? WHERE address = ?", data, bytes.fromhex(address))


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
