"""Files in the memory of this process: for tests, trials and measurements; gone when it ends."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from threading import Lock

from stat7.contracts import Check, Page
from stat7.errors import Gone, NotFound
from stat7.files.base import CHUNK, Source, StoredFile
from stat7.files.names import require_digest, require_name, scan_cursor, scan_start
from stat7.files.sources import pieces
from stat7.files.verified import FileHash, open_verified
from stat7.record import Notice


@dataclass(slots=True)
class _Held:
    """One file: its bytes, the chunk table of a large one, and its time (ms since 1970)."""

    data: bytes
    table: bytes | None
    stored_at: int


class MemoryFiles:
    """A FileStore in memory. Any number of threads may use it; every file is held whole."""

    name: str = "memory"
    durable: bool = False

    def __init__(self) -> None:
        self._files: dict[str, _Held] = {}
        self._notices: dict[str, Notice] = {}
        self._lock = Lock()

    def put(self, source: Source, *, sha256: str | None = None) -> StoredFile:
        """See FileStore.put."""
        if sha256 is not None:
            self._refuse_withdrawn(require_digest(sha256))
        taken, parts = FileHash(), []
        with closing(pieces(source)) as incoming:
            for piece in incoming:
                taken.update(piece)
                parts.append(bytes(piece))
        name = taken.require(sha256)
        table = taken.table.encode() if taken.size > CHUNK else None
        held = _Held(b"".join(parts), table, _now())
        with self._lock:
            self._refuse_withdrawn(name)
            self._files[name] = held
        return StoredFile(name, taken.size, held.stored_at)

    def replace(self, sha256: str, source: Source) -> StoredFile:
        """See FileStore.replace."""
        return self.put(source, sha256=sha256)

    def open(self, sha256: str, start: int = 0, end: int | None = None) -> Iterator[bytes]:
        """See FileStore.open."""
        self._refuse_withdrawn(require_name(sha256))
        held = self._files.get(sha256)
        if held is None:
            raise NotFound(sha256)
        return open_verified(_RawMemoryFile(sha256, held), start, end)

    def stat(self, names: Sequence[str]) -> dict[str, StoredFile | Notice]:
        """See FileStore.stat."""
        with self._lock:
            known = {sha256: self._look(require_name(sha256)) for sha256 in names}
        return {sha256: found for sha256, found in known.items() if found is not None}

    def refresh(self, names: Sequence[str]) -> set[str]:
        """See FileStore.refresh."""
        with self._lock:
            stored = {sha256 for sha256 in names if require_name(sha256) in self._files}
            for sha256 in stored:
                self._files[sha256].stored_at = _now()
        return stored

    def withdraw(self, notices: Sequence[Notice]) -> None:
        """See FileStore.withdraw."""
        for notice in notices:
            require_digest(notice.address, "address")
        with self._lock:
            for notice in notices:
                self._notices.setdefault(notice.address, notice)
                self._files.pop(notice.address, None)

    def delete(self, names: Sequence[str], older_than: int | None = None) -> set[str]:
        """See FileStore.delete."""
        with self._lock:
            held = {sha256: self._files.get(require_name(sha256)) for sha256 in names}
            old = {s for s, file in held.items() if file and (older_than is None or file.stored_at < older_than)}
            for sha256 in old:
                del self._files[sha256]
        return old

    def scan(self, cursor: str | None, limit: int) -> Page[StoredFile | Notice]:
        """See FileStore.scan."""
        after = scan_start(cursor, limit)
        with self._lock:
            names = sorted(name for name in self._files.keys() | self._notices.keys() if name > after)
            found = (self._look(name) for name in names[:limit])
            items = [item for item in found if item is not None]
        return Page(items, scan_cursor(names[limit - 1]) if len(names) > limit else None)

    def scan_notices(self, cursor: str | None, limit: int) -> Page[Notice]:
        """See FileStore.scan_notices."""
        after = scan_start(cursor, limit)
        with self._lock:
            names = sorted(name for name in self._notices if name > after)
            items = [self._notices[name] for name in names[:limit]]
        return Page(items, scan_cursor(names[limit - 1]) if len(names) > limit else None)

    def sweep(self, older_than: int) -> int:
        """See FileStore.sweep: nothing is ever left behind."""
        return 0

    def diagnose(self) -> list[Check]:
        """One warning: nothing is kept when the process ends."""
        return [
            Check(
                "files",
                "warn",
                "files are in memory only, and gone when this process ends; use file:FOLDER to keep them",
            )
        ]

    def disk_bytes(self) -> int:
        """0: nothing is on a disk."""
        return 0

    def close(self) -> None:
        """See FileStore.close. What is stored stays until the store itself is dropped."""

    def _look(self, sha256: str) -> StoredFile | Notice | None:
        notice = self._notices.get(sha256)
        if notice is not None:
            return notice
        held = self._files.get(sha256)
        return None if held is None else StoredFile(sha256, len(held.data), held.stored_at)

    def _refuse_withdrawn(self, sha256: str) -> None:
        notice = self._notices.get(sha256)
        if notice is not None:
            raise Gone(notice)


class _RawMemoryFile:
    """A RawFile over bytes in memory."""

    def __init__(self, sha256: str, held: _Held) -> None:
        self.sha256 = sha256
        self.size = len(held.data)
        self._held = held
        self._data = held.data

    def read(self, start: int, end: int) -> Iterator[bytes]:
        return (self._data[at : min(at + CHUNK, end)] for at in range(start, end, CHUNK))

    def whole(self) -> None:
        """See RawFile.whole."""

    def load_table(self) -> bytes | None:
        return self._held.table

    def save_table(self, table: bytes) -> None:
        self._held.table = table

    def close(self) -> None:
        """Nothing is held open."""


def _now() -> int:
    return time.time_ns() // 1_000_000
