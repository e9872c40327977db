"""A store of files that takes down how often each of its methods is called, how long that takes, and how it fails."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from threading import Event

from stat7.contracts import Page
from stat7.files.base import FileStore, Source, StoredFile
from stat7.files.wrapping import FilesWrapper
from stat7.metrics import Metrics
from stat7.record import Notice


class MeteredFiles(FilesWrapper):
    """A `FileStore` whose calls are counted in `metrics`, under the part `files`, by the names of its methods.

    `open` ends with the first piece; `read` is counted for each piece that is asked for after it.
    """

    def __init__(self, inner: FileStore, metrics: Metrics) -> None:
        super().__init__(inner)
        self.metrics = metrics
        self._put = metrics.operation("files", "put")
        self._open = metrics.operation("files", "open")
        self._read = metrics.operation("files", "read")
        self._replace = metrics.operation("files", "replace")
        self._stat = metrics.operation("files", "stat")
        self._refresh = metrics.operation("files", "refresh")
        self._withdraw = metrics.operation("files", "withdraw")
        self._delete = metrics.operation("files", "delete")
        self._scan = metrics.operation("files", "scan")
        self._scan_notices = metrics.operation("files", "scan_notices")
        self._sweep = metrics.operation("files", "sweep")

    def put(self, source: Source, *, sha256: str | None = None) -> StoredFile:
        """See FileStore.put. The time that the source takes is counted too."""
        return self._put.call(self.inner.put, source, sha256=sha256)

    def open(self, sha256: str, start: int = 0, end: int | None = None) -> Iterator[bytes]:
        """See FileStore.open."""
        return self._pieces(self._open.call(self.inner.open, sha256, start, end))

    def is_sound(self, sha256: str, stop: Event) -> bool:
        """See LocalFiles.is_sound; counted as an opening."""
        found: bool = self._open.call(self.inner.is_sound, sha256, stop)  # type: ignore[attr-defined]
        return found

    def replace(self, sha256: str, source: Source) -> StoredFile:
        """See FileStore.replace."""
        return self._replace.call(self.inner.replace, sha256, source)

    def stat(self, names: Sequence[str]) -> dict[str, StoredFile | Notice]:
        """See FileStore.stat."""
        return self._stat.call(self.inner.stat, names)

    def refresh(self, names: Sequence[str]) -> set[str]:
        """See FileStore.refresh."""
        return self._refresh.call(self.inner.refresh, names)

    def withdraw(self, notices: Sequence[Notice]) -> None:
        """See FileStore.withdraw."""
        self._withdraw.call(self.inner.withdraw, notices)

    def delete(self, names: Sequence[str], older_than: int | None = None) -> set[str]:
        """See FileStore.delete."""
        return self._delete.call(self.inner.delete, names, older_than)

    def scan(self, cursor: str | None, limit: int) -> Page[StoredFile | Notice]:
        """See FileStore.scan."""
        return self._scan.call(self.inner.scan, cursor, limit)

    def scan_notices(self, cursor: str | None, limit: int) -> Page[Notice]:
        """See FileStore.scan_notices."""
        return self._scan_notices.call(self.inner.scan_notices, cursor, limit)

    def sweep(self, older_than: int) -> int:
        """See FileStore.sweep."""
        return self._sweep.call(self.inner.sweep, older_than)

    def _pieces(self, pieces: Iterator[bytes]) -> Iterator[bytes]:
        while piece := self._read.call(next, pieces, b""):
            yield piece
