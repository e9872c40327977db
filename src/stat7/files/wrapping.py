"""What every wrapper of a store of files is built on: one that hands each call on to another."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from stat7.contracts import Check, Page, checks_of
from stat7.files.base import FileStore, Source, StoredFile
from stat7.record import Notice


class FilesWrapper:
    """A `FileStore` that does what `inner` does; a subclass overrides what it does otherwise.

    Names that are no part of the contract (`folder`, say) are looked up in `inner`.
    """

    def __init__(self, inner: FileStore) -> None:
        self.inner = inner
        self.name: str = inner.name
        self.durable: bool = inner.durable

    def __getattr__(self, name: str) -> Any:
        if name == "inner":
            raise AttributeError(name)
        return getattr(self.inner, name)

    def put(self, source: Source, *, sha256: str | None = None) -> StoredFile:
        """See FileStore.put."""
        return self.inner.put(source, sha256=sha256)

    def open(self, sha256: str, start: int = 0, end: int | None = None) -> Iterator[bytes]:
        """See FileStore.open."""
        return self.inner.open(sha256, start, end)

    def stat(self, names: Sequence[str]) -> dict[str, StoredFile | Notice]:
        """See FileStore.stat."""
        return self.inner.stat(names)

    def refresh(self, names: Sequence[str]) -> set[str]:
        """See FileStore.refresh."""
        return self.inner.refresh(names)

    def replace(self, sha256: str, source: Source) -> StoredFile:
        """See FileStore.replace."""
        return self.inner.replace(sha256, source)

    def withdraw(self, notices: Sequence[Notice]) -> None:
        """See FileStore.withdraw."""
        self.inner.withdraw(notices)

    def delete(self, names: Sequence[str], older_than: int | None = None) -> set[str]:
        """See FileStore.delete."""
        return self.inner.delete(names, older_than)

    def scan(self, cursor: str | None, limit: int) -> Page[StoredFile | Notice]:
        """See FileStore.scan."""
        return self.inner.scan(cursor, limit)

    def scan_notices(self, cursor: str | None, limit: int) -> Page[Notice]:
        """See FileStore.scan_notices."""
        return self.inner.scan_notices(cursor, limit)

    def sweep(self, older_than: int) -> int:
        """See FileStore.sweep."""
        return self.inner.sweep(older_than)

    def diagnose(self) -> list[Check]:
        """What the wrapped store of files says of its health."""
        return checks_of(self.inner, "files", self.durable)

    def close(self) -> None:
        """Close the wrapped store of files."""
        self.inner.close()
