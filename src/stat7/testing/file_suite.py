"""What the suites for stores of files share: the hooks that a backend gives them, contents, and small walks."""

from __future__ import annotations

import random
import time
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Final, NoReturn

import pytest

from stat7.address import digest
from stat7.files.base import CHUNK, FileStore, StoredFile
from stat7.record import Notice
from stat7.testing.store_suite import walk

SIZES: Final = (0, 1, 400, CHUNK - 1, CHUNK, CHUNK + 1, 2 * CHUNK, 2 * CHUNK + 17)
"""Sizes of files, in bytes, on both sides of every edge."""
FAR_FUTURE: Final = 2**52
"""A time after any other, ms since 1970."""


class FileSuite:
    """Base of the suites for files. Subclass one as `class TestYours(FileStoreSuite)` and give `make_store`.

    The other hooks are optional; tests that need one you can't give are skipped and say which.
    """

    threads = 8
    """Threads that race in each of the concurrency tests."""
    time_step = 0.02
    """Seconds after which a renewed file's time is certainly another."""
    examples = 12
    """Hypothesis examples of the state machine, each on a fresh store."""
    steps = 30
    """Steps of each example."""

    def make_store(self, tmp_path: Path) -> FileStore:
        """A store with nothing in it. `tmp_path` is an empty folder of its own that may hold its data."""
        raise NotImplementedError("a conformance suite needs make_store(tmp_path)")

    def reopen(self, store: FileStore) -> FileStore:
        """Close this handle and open the same data again, as after a restart of the program."""
        _skip("reopen")

    def raw_bytes(self, store: FileStore, sha256: str) -> bytes | None:
        """The file's bytes as they stand below the store (read by other means than `open`), None if there are none."""
        _skip("raw_bytes")

    def damage(self, store: FileStore, sha256: str, data: bytes) -> None:
        """Put other bytes in place of a stored file's, below the store, leaving its chunk table as it is."""
        _skip("damage")

    def raw_table(self, store: FileStore, sha256: str) -> bytes | None:
        """The file's chunk table as it stands below the store, None if there is none."""
        _skip("raw_table")

    def damage_table(self, store: FileStore, sha256: str, table: bytes | None) -> None:
        """Put other bytes in place of a file's chunk table, below the store; None removes it."""
        _skip("damage_table")

    def leave_unfinished(self, store: FileStore) -> int:
        """Leave, below the store, what killed calls leave behind; returns how many things `sweep` must erase."""
        _skip("leave_unfinished")

    @property
    def can_reopen(self) -> bool:
        """Whether the backend gives the hook `reopen`."""
        return type(self).reopen is not FileSuite.reopen

    @pytest.fixture
    def store(self, tmp_path: Path) -> Iterator[FileStore]:
        """A fresh store for one test, closed behind it."""
        folder = tmp_path / "store"
        folder.mkdir()
        store = self.make_store(folder)
        yield store
        store.close()

    def wait(self) -> None:
        """Wait until a file renewed from now on has another time."""
        time.sleep(self.time_step)

    def assert_absent(self, store: FileStore, sha256: str) -> None:
        """Nothing is stored under this name, and nothing unfinished either."""
        assert store.stat([sha256]) == {}
        assert sha256 not in [_name(item) for item in scan_files(store)]
        assert store.sweep(FAR_FUTURE) == 0

    def assert_stored(self, store: FileStore, data: bytes) -> None:
        """Exactly these bytes are stored under their SHA-256, once."""
        sha256 = digest(data)
        assert read(store, sha256) == data
        found = store.stat([sha256])[sha256]
        assert isinstance(found, StoredFile)
        assert (found.sha256, found.size) == (sha256, len(data))
        assert [_name(item) for item in scan_files(store)].count(sha256) == 1


def _skip(hook: str) -> NoReturn:
    pytest.skip(f"this backend gives no hook `{hook}`")


def _name(item: StoredFile | Notice) -> str:
    return item.sha256 if isinstance(item, StoredFile) else item.address


@cache
def content(size: int, seed: int = 0) -> bytes:
    """`size` bytes that look random; the same seed gives the same."""
    return random.Random(f"{seed} {size}").randbytes(size)


def flipped(data: bytes, at: int, bit: int = 0) -> bytes:
    """The same bytes with one bit of the byte at `at` turned over."""
    return data[:at] + bytes([data[at] ^ 1 << bit]) + data[at + 1 :]


def read(store: FileStore, sha256: str, start: int = 0, end: int | None = None) -> bytes:
    """The bytes that `open` gives, whose pieces must be neither empty nor over CHUNK."""
    pieces = list(store.open(sha256, start, end))
    assert all(0 < len(piece) <= CHUNK for piece in pieces)
    return b"".join(pieces)


def scan_files(store: FileStore, size: int = 100) -> list[StoredFile | Notice]:
    """Every file and notice, walking pages of `size`."""
    return list(walk(lambda cursor: store.scan(cursor, size), size))
