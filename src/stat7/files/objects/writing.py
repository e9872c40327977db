"""Storing one file: in one request if it is small, else in parts, hashed on the way."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from functools import partial
from threading import Lock, Semaphore

from stat7.errors import ConfigError, Corrupt, Gone, Stat7Error, Unavailable
from stat7.files.base import CHUNK, StoredFile
from stat7.files.objects.layout import LAYOUT, MARKER, VERSION, is_marker, marks_at, marks_of_marker, now
from stat7.files.objects.locks import NameLocks
from stat7.files.objects.reading import Reader
from stat7.files.objects.storage import ABSENT, QUICK
from stat7.files.verified import FileHash

_TRIES = 20
_STREAMS_AT_ONCE = 2
"""Files sent in parts at once, each of which takes four parts of memory; more of them are no faster."""


class Feed:
    """The pieces of a source on their way to the storage, hashed as they pass, after those `held` that were already.

    After the last one the digest must be `expected`, unless that is None. `error` is what went wrong on the source's
    side, whatever the storage makes of it. `lock` is taken when all is well and nothing is left but to complete it.
    """

    def __init__(
        self, taken: FileHash, held: list[bytes], incoming: Iterator[memoryview], expected: str | None = None
    ) -> None:
        self.error: BaseException | None = None
        self.lock: Lock | None = None
        self._taken = taken
        self._held = held
        self._incoming = incoming
        self._expected = expected
        self._locked = False

    def release(self) -> None:
        """Give the lock back, if it was taken."""
        if self.lock is not None and self._locked:
            self._locked = False
            self.lock.release()

    def __iter__(self) -> Iterator[bytes]:
        try:
            while self._held:
                yield self._held.pop(0)
            for piece in self._incoming:
                self._taken.update(piece)
                yield bytes(piece)
            self._taken.require(self._expected)
            if self.lock is not None:
                self._locked = self.lock.acquire()
        except GeneratorExit:
            # The storage has failed, and wants no more.
            raise
        except BaseException as error:
            self.error = error
            raise


class Writer:
    """Writes the objects of one store."""

    def __init__(self, reader: Reader, locks: NameLocks) -> None:
        self._reader = reader
        self._storage = reader.storage
        self._layout = reader.layout
        self._locks = locks
        self._streams = Semaphore(_STREAMS_AT_ONCE)
        self._ready = False
        self._ready_lock = Lock()

    def prepare(self) -> None:
        """Before the first write of a process: the layout is one that we know, and the server honours conditions.

        A server that doesn't would let a put write over what stands in place of withdrawn bytes. Raises ConfigError.
        """
        if self._ready:
            return
        with self._ready_lock:
            if not self._ready:
                self._require_layout()
                self._ready = True

    def small(self, sha256: str, data: bytes, table: bytes | None) -> StoredFile:
        """Store the bytes of a small file under their digest, in place of what is there; raises Gone."""
        self.prepare()
        if table is None:
            return self._write(sha256, data)
        beside = self._reader.requests.send(partial(self._put_table, sha256), table)
        try:
            return self._write(sha256, data)
        except (Gone, Corrupt):
            self._reader.requests.answer(beside)
            self._storage.delete([self._layout.table(sha256)])
            raise
        finally:
            self._reader.requests.answer(beside)

    def large(self, sha256: str, feed: Feed, taken: FileHash) -> StoredFile:
        """Store what comes straight under the digest that it must have; raises Gone."""
        self.prepare()
        self._reader.refuse_withdrawn(sha256)
        stored_at = now()
        feed.lock = self._locks.of(sha256)
        self._stream(self._layout.file(sha256), feed, stored_at)
        return self._complete(sha256, taken, stored_at)

    def unnamed(self, feed: Feed, taken: FileHash) -> StoredFile:
        """Store what comes under a temporary key, then move it to the digest that it turned out to have."""
        self.prepare()
        stored_at, incoming = now(), self._layout.incoming()
        self._stream(incoming, feed, stored_at)
        sha256 = taken.sha256
        try:
            self._reader.refuse_withdrawn(sha256)
            with self._locks.of(sha256):
                self._move(incoming, sha256, taken.size, stored_at)
        except Unavailable:
            # One more request would only wait for the server once more; what is left is swept later.
            raise
        except BaseException:
            with suppress(Stat7Error):
                self._storage.delete([incoming])
            raise
        self._storage.delete([incoming])
        return self._complete(sha256, taken, stored_at)

    def bury(self, sha256: str) -> None:
        """Put the marker in place of a withdrawn file's bytes, and erase what else there is of it."""
        self._storage.put_bytes(self._layout.file(sha256), MARKER, marks_of_marker())
        self._storage.delete([self._layout.table(sha256), self._layout.time(sha256)])

    def _write(self, sha256: str, data: bytes) -> StoredFile:
        """Where something is, it is written over: the same bytes are renewed by that, damaged ones mended."""
        key = self._layout.file(sha256)
        # A server may refuse much data at its beginning and break off while the rest is sent: then looking comes first.
        look = len(data) > QUICK
        # Whoever erases the file holds the lock until that is done: a client library sends a deletion again when the
        # answer is lost, and a file stored in between would vanish.
        with self._locks.of(sha256):
            for _ in range(_TRIES):
                info = self._storage.head(key) if look else None
                if info is not None and is_marker(info):
                    self._reader.refuse_withdrawn(sha256)
                stored_at = now()
                expected = ABSENT if info is None else info.version
                if self._storage.put_bytes(key, data, marks_at(stored_at), expected):
                    if info is not None:
                        # Some servers look at the condition a moment before they write.
                        self._bury_withdrawn(sha256)
                    return StoredFile(sha256, len(data), stored_at)
                look = True
        raise Unavailable(f"{self._storage.place}: file {sha256} is being written by others all the time; try again")

    def _put_table(self, sha256: str, table: bytes) -> None:
        self._storage.put_bytes(self._layout.table(sha256), table, {})

    def _stream(self, key: str, feed: Feed, stored_at: int) -> None:
        try:
            with self._streams:
                self._storage.put_stream(key, feed, marks_at(stored_at))
        except BaseException:
            if feed.error is not None:
                raise feed.error from None
            raise
        finally:
            feed.release()

    def _move(self, incoming: str, sha256: str, size: int, stored_at: int) -> None:
        target, limit = self._layout.file(sha256), self._storage.copy_limit
        if limit is None or size <= limit:
            self._storage.copy(incoming, target, marks_at(stored_at))
            return
        again = FileHash()
        feed = Feed(again, [], self._read_back(incoming, size), sha256)
        self._stream(target, feed, stored_at)

    def _read_back(self, key: str, size: int) -> Iterator[memoryview]:
        for start in range(0, size, self._layout.single):
            got = self._storage.get(key, start, min(start + self._layout.single, size))
            if got is None:
                raise Unavailable(f"{self._storage.place}: what was being stored was swept away; store it again")
            view = memoryview(b"".join(got[1]))
            yield from (view[at : at + CHUNK] for at in range(0, len(view), CHUNK))

    def _complete(self, sha256: str, taken: FileHash, stored_at: int) -> StoredFile:
        """The rest of a file written in parts: its table, and a look whether it was withdrawn meanwhile."""
        self._put_table(sha256, taken.table.encode())
        self._bury_withdrawn(sha256)
        return StoredFile(sha256, taken.size, stored_at)

    def _bury_withdrawn(self, sha256: str) -> None:
        """Raise Gone for a file that was withdrawn while it was written, and undo the writing."""
        try:
            self._reader.refuse_withdrawn(sha256)
        except (Gone, Corrupt):
            self.bury(sha256)
            raise

    def _require_layout(self) -> None:
        key = self._layout.folder(LAYOUT)
        if self._storage.put_bytes(key, VERSION, {}, ABSENT) and self._storage.put_bytes(key, VERSION, {}, ABSENT):
            raise ConfigError(
                f"{self._storage.place}: the server ignores If-None-Match, so withdrawn files could come back; "
                "update it, or use another one"
            )
        got = self._storage.get(key, 0, len(VERSION) + 1)
        if got is not None and b"".join(got[1]) != VERSION:
            raise ConfigError(
                f"{self._storage.place}: {key} is not of this version of stat7; update stat7, or choose another prefix"
            )
