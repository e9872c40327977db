"""Stores of files, and a store that users share, that are wrong on purpose: EXP-04, EXP-06 and EXP-08 must notice.

Each is a picklable wrapper of a repository (subject.Wrapper). What happens to one call in so many is counted within a
process, so that it happens whatever the bytes are.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, cast

from stat7.address import Address
from stat7.contracts import Page
from stat7.files.base import FileStore, Source, StoredFile
from stat7.files.wrapping import FilesWrapper
from stat7.query import Query
from stat7.repository import Document, Repository, to_record
from stat7.stores.base import HeadMove, Match

ONE_IN: Final = 1000
"""How seldom puts are lost and reads are damaged."""

UNDONE: Final = 3
"""Of so many updates one is lost."""


class _Counted(FilesWrapper):
    """A store of files that does something to every `every`-th call."""

    def __init__(self, inner: FileStore, every: int) -> None:
        super().__init__(inner)
        self._every = every
        self._calls = 0

    def _is_due(self) -> bool:
        self._calls += 1
        return self._calls % self._every == 0


class _Lossy(_Counted):
    def put(self, source: Source, *, sha256: str | None = None) -> StoredFile:
        """Acknowledge without storing, now and then."""
        if isinstance(source, bytes) and self._is_due():
            return StoredFile(hashlib.sha256(source).hexdigest(), len(source), int(time.time() * 1000))
        return super().put(source, sha256=sha256)


class _Damaging(_Counted):
    def open(self, sha256: str, start: int = 0, end: int | None = None) -> Iterator[bytes]:
        """Flip a bit in the first piece, now and then."""
        pieces = list(super().open(sha256, start, end))
        if pieces and pieces[0] and self._is_due():
            pieces[0] = bytes([pieces[0][0] ^ 1]) + pieces[0][1:]
        return iter(pieces)


class _Hoarding(FilesWrapper):
    copies = 0

    def put(self, source: Source, *, sha256: str | None = None) -> StoredFile:
        """Keep another copy of what is there already."""
        assert isinstance(source, bytes)
        name = hashlib.sha256(source).hexdigest()
        if self.stat([name]):
            self.copies += 1
            super().put(b"%b copy %d %d" % (source, self.copies, time.time_ns()))
        return super().put(source, sha256=sha256)


class _Shifted(FilesWrapper):
    def open(self, sha256: str, start: int = 0, end: int | None = None) -> Iterator[bytes]:
        """Begin and end a byte too early."""
        shift = int(start > 0)
        return super().open(sha256, start - shift, None if end is None else end - shift)


class _Slow(FilesWrapper):
    nanoseconds = 0.0

    def open(self, sha256: str, start: int = 0, end: int | None = None) -> Iterator[bytes]:
        """Take time for every byte."""
        for piece in super().open(sha256, start, end):
            time.sleep(len(piece) * self.nanoseconds / 1e9)
            yield piece


def _over(repository: Repository, files: FilesWrapper) -> Repository:
    return Repository(repository.store, cast(FileStore, files))


@dataclass(frozen=True)
class LossyFiles:
    """Acknowledges every `every`-th put of a file without storing it."""

    every: int = ONE_IN

    def __call__(self, repository: Repository) -> Repository:
        """The repository over such a store of files."""
        return _over(repository, _Lossy(repository.files, self.every))


@dataclass(frozen=True)
class DamagedFiles:
    """Flips a bit in every `every`-th read of a file, behind the store's own check."""

    every: int = ONE_IN

    def __call__(self, repository: Repository) -> Repository:
        """The repository over such a store of files."""
        return _over(repository, _Damaging(repository.files, self.every))


def hoarding(repository: Repository) -> Repository:
    """A repository whose files are stored once more each time they are put."""
    return _over(repository, _Hoarding(repository.files))


def shifted(repository: Repository) -> Repository:
    """A repository that serves ranges of files a byte too early."""
    return _over(repository, _Shifted(repository.files))


@dataclass(frozen=True)
class SlowPerByte:
    """Reads files at 50 MB/s at most, unless told otherwise."""

    nanoseconds: float = 20.0

    def __call__(self, repository: Repository) -> Repository:
        """The repository over such a store of files."""
        slow = _Slow(repository.files)
        slow.nanoseconds = self.nanoseconds
        return _over(repository, slow)


class _SlowToFind(Repository):
    seconds = 0.0

    def find_page(
        self, query: Query, cursor: str | None = None, limit: int = 100, *, allow_scan: bool = False
    ) -> Page[Match]:
        """Find, after a while."""
        time.sleep(self.seconds)
        return super().find_page(query, cursor, limit, allow_scan=allow_scan)


@dataclass(frozen=True)
class SlowFind:
    """Takes so many seconds longer for every find."""

    seconds: float = 0.3

    def __call__(self, repository: Repository) -> Repository:
        """Such a repository."""
        slow = _SlowToFind(repository.store, repository.files)
        slow.seconds = self.seconds
        return slow


class _Forgetful(Repository):
    every = UNDONE
    updates = 0

    def put(self, document: Document) -> Address:
        """Put, and now and then move the head back."""
        record = to_record(document)
        address = super().put(record)
        if record.previous is not None:
            self.updates += 1
            if self.updates % self.every == 0:
                self.store.swap_heads([HeadMove(record.id, address, record.previous)])
        return address


@dataclass(frozen=True)
class LostUpdates:
    """Undoes the head move of every `every`-th update after it was acknowledged."""

    every: int = UNDONE

    def __call__(self, repository: Repository) -> Repository:
        """Such a repository."""
        forgetful = _Forgetful(repository.store, repository.files)
        forgetful.every = self.every
        return forgetful
