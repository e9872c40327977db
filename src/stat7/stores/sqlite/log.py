"""How the processes that write one database share its write-ahead log: they take turns, and sync it for one another.

SQLite's own commit holds the write lock until the disk is done, and who waits for that lock polls for it. Here a put
commits without the disk, lets the next process write, and syncs the log afterwards; a sync that began after a commit
covers it, whoever began it. Another process may see such a commit a moment before it would survive a power cut, but
what it writes itself comes behind it in the same log, and so is never durable before it.

Both locks only save time. Who doesn't get one soon, its holder being stopped or the system without any, goes on alone.
"""

from __future__ import annotations

import os
import struct
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Final, NamedTuple

import apsw

from stat7.fsync import fsync_data
from stat7.stores.sqlite.connection import SYNCHRONOUS, fetch, pragma

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

SHARED: Final = "-sync"
"""What the file beside the database is called in which processes count their syncs; it holds nothing that lasts."""

_COUNTS: Final = struct.Struct("<QQQ")
_NAP: Final = 0.0002
_TURN_PATIENCE: Final = 0.1
_SYNC_PATIENCE: Final = 1.0
_FLAGS: Final = os.O_RDWR | getattr(os, "O_BINARY", 0)


class _Counts(NamedTuple):
    """Syncs begun and done since the file was made, and whether the last one failed."""

    begun: int = 0
    done: int = 0
    failed: int = 0


class Log:
    """The write-ahead log of a writing connection. With `sync` other than "full" nothing is brought to the disk."""

    def __init__(self, connection: apsw.Connection, sync: str) -> None:
        self._connection = connection
        self._durable = sync == "full"
        self._deferring = False
        # The log itself, whose lock is the turn to write, and the counts, whose lock is that of syncing.
        self._log = -1
        self._shared = -1

    def defer(self, deferring: bool) -> None:
        """Whether the next commits leave the disk to `sync`, or are durable before anybody sees them."""
        if self._durable and deferring != self._deferring:
            pragma(self._connection, "synchronous", SYNCHRONOUS["normal" if deferring else "full"])
            self._deferring = deferring

    @contextmanager
    def turn(self) -> Iterator[None]:
        """Wait for other processes that write; SQLite's own lock is what protects the database. Raises OSError."""
        self._open()
        taken = _take(self._log, _TURN_PATIENCE)
        try:
            yield
        finally:
            if taken:
                _release(self._log)

    def sync(self) -> None:
        """Bring all that was committed to the disk. Raises OSError or apsw's errors: then nobody knows what is."""
        if not self._durable:
            return
        self._open()
        before = self._counts().begun
        taken = _take(self._shared, _SYNC_PATIENCE, unless=lambda: self._counts().done > before)
        try:
            if self._counts().done <= before:
                self._sync(counting=taken)
        finally:
            if taken:
                _release(self._shared)

    def close(self) -> None:
        """Let go of the files: before the connection is closed, or in a forked child."""
        for descriptor in (self._log, self._shared):
            if descriptor >= 0:
                os.close(descriptor)
        self._log = self._shared = -1

    def remove(self, path: str) -> None:
        """After the connection was closed: remove the counts if it was the last to use the database at `path`."""
        if not os.path.exists(path + "-wal"):
            # Who opens it just now counts in a file of its own: all that costs is a sync.
            with suppress(OSError):
                os.remove(path + SHARED)

    def _open(self) -> None:
        if self._log >= 0:
            return
        self._log = os.open(self._connection.filename_wal, _FLAGS)
        if self._durable and fcntl is not None:
            # Another user's, perhaps: then each syncs for itself.
            with suppress(OSError):
                self._shared = os.open(self._connection.filename + SHARED, _FLAGS | os.O_CREAT, 0o666)

    def _sync(self, counting: bool) -> None:
        if not counting:
            fsync_data(self._log)
            return
        begun, done, failed = self._counts()
        self._count(_Counts(begun + 1, done, failed))
        try:
            # After a failure the system may take for written what is not; copied back it is written anew.
            if failed and fetch(self._connection, "PRAGMA wal_checkpoint(FULL)")[0][0]:
                raise apsw.BusyError("the disk failed before, and readers keep the log from being copied back")
            fsync_data(self._log)
        except Exception:
            self._count(_Counts(begun + 1, done, 1))
            raise
        self._count(_Counts(begun + 1, begun + 1, 0))

    def _counts(self) -> _Counts:
        data = os.pread(self._shared, _COUNTS.size, 0) if self._shared >= 0 else b""
        return _Counts(*_COUNTS.unpack(data)) if len(data) == _COUNTS.size else _Counts()

    def _count(self, counts: _Counts) -> None:
        os.pwrite(self._shared, _COUNTS.pack(*counts), 0)


def _take(descriptor: int, seconds: float, unless: Callable[[], bool] = lambda: False) -> bool:
    """Lock a file for this process: False if that took too long, or was not needed any more."""
    if fcntl is None or descriptor < 0:
        return False
    end = time.monotonic() + seconds
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return True
        except OSError:
            if unless() or time.monotonic() >= end:
                return False
        time.sleep(_NAP)


def _release(descriptor: int) -> None:
    fcntl.flock(descriptor, fcntl.LOCK_UN)
