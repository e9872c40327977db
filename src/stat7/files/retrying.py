"""A store of files that tries again what failed because the one below was unavailable, where that can do no harm.

| method | tried again | because |
|---|---|---|
| open (until the first piece), stat, scan | yes | they only read |
| put, replace | of bytes and paths | a stream can't be read twice |
| refresh, withdraw, sweep | yes | done twice they do no more |
| delete | with `older_than` | a file that was stored again meanwhile is younger |
| the pieces that `open` gives | no | some have left already |
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from os import PathLike
from typing import TypeVar

from stat7.backoff import Backoff
from stat7.contracts import Page
from stat7.files.base import FileStore, Source, StoredFile
from stat7.files.wrapping import FilesWrapper
from stat7.record import Notice

Result = TypeVar("Result")


class RetryingFiles(FilesWrapper):
    """A `FileStore` that tries again by `backoff` what raised Unavailable; see the table above."""

    def __init__(self, inner: FileStore, backoff: Backoff | None = None) -> None:
        super().__init__(inner)
        self._backoff = backoff or Backoff()
        self._closed = False

    def put(self, source: Source, *, sha256: str | None = None) -> StoredFile:
        """See FileStore.put."""
        if not _readable_again(source):
            return self.inner.put(source, sha256=sha256)
        return self._again(lambda: self.inner.put(source, sha256=sha256))

    def replace(self, sha256: str, source: Source) -> StoredFile:
        """See FileStore.replace."""
        if not _readable_again(source):
            return self.inner.replace(sha256, source)
        return self._again(lambda: self.inner.replace(sha256, source))

    def open(self, sha256: str, start: int = 0, end: int | None = None) -> Iterator[bytes]:
        """See FileStore.open."""
        return self._again(lambda: self.inner.open(sha256, start, end))

    def stat(self, names: Sequence[str]) -> dict[str, StoredFile | Notice]:
        """See FileStore.stat."""
        return self._again(lambda: self.inner.stat(names))

    def refresh(self, names: Sequence[str]) -> set[str]:
        """See FileStore.refresh."""
        return self._again(lambda: self.inner.refresh(names))

    def withdraw(self, notices: Sequence[Notice]) -> None:
        """See FileStore.withdraw."""
        self._again(lambda: self.inner.withdraw(notices))

    def delete(self, names: Sequence[str], older_than: int | None = None) -> set[str]:
        """See FileStore.delete. What an attempt of unknown outcome erased is not among those returned."""
        if older_than is None:
            return self.inner.delete(names)
        return self._again(lambda: self.inner.delete(names, older_than))

    def scan(self, cursor: str | None, limit: int) -> Page[StoredFile | Notice]:
        """See FileStore.scan."""
        return self._again(lambda: self.inner.scan(cursor, limit))

    def sweep(self, older_than: int) -> int:
        """See FileStore.sweep."""
        return self._again(lambda: self.inner.sweep(older_than))

    def close(self) -> None:
        """Close the wrapped store of files; calls under way are not tried again."""
        self._closed = True
        self.inner.close()

    def _again(self, call: Callable[[], Result]) -> Result:
        return self._backoff.call(call, lambda: self._closed)


def _readable_again(source: Source) -> bool:
    return isinstance(source, (bytes, PathLike))
