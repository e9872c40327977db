"""What a store of files must do. Files are named by the SHA-256 of their bytes and stored once."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import BinaryIO, NamedTuple, Protocol, TypeAlias

from stat7.contracts import Page
from stat7.record import Notice

CHUNK = 1024 * 1024
"""Bytes of a chunk: files larger than one keep a table of xxh3-128 chunk digests beside them."""

Source: TypeAlias = bytes | BinaryIO | Path | Iterable[bytes]
"""Where the bytes of a file come from: at hand, an open binary file, a path, or blocks of any size."""


class StoredFile(NamedTuple):
    """A stored file: SHA-256 (64 lowercase hex), size in bytes, when it was stored or last renewed (ms since 1970)."""

    sha256: str
    size: int
    stored_at: int


class FileStore(Protocol):
    """Bytes by their SHA-256. Durable when `put` returns, verified before they leave. Raises errors of stat7.errors.

    A name that is not 64 lowercase hex digits raises InvalidQuery("sha256", …), or InvalidEntity where it comes with
    something to store. For a withdrawn file `put`, `replace` and `open` raise Gone; the others do nothing to it.
    """

    name: str
    durable: bool

    def put(self, source: Source, *, sha256: str | None = None) -> StoredFile:
        """Store bytes, hashing them while they stream (constant memory); stored already: its time is renewed.

        With `sha256` given, other bytes raise InvalidEntity("sha256", …) and nothing is kept. Withdrawn: Gone. A source
        that fails leaves nothing: a path that can't be read raises InvalidEntity("source", …), what an open file or an
        iterable of the caller's raises comes through as it is. Two puts of the same bytes at once are harmless. Stored
        bytes that are found to be damaged on the way are replaced by the good ones.
        """
        ...

    def open(self, sha256: str, start: int = 0, end: int | None = None) -> Iterator[bytes]:
        """The bytes from `start` up to, not including, `end`, in pieces of at most CHUNK; nothing unverified leaves.

        Errors come when this is called, before the first piece: NotFound, Gone, Corrupt if it is seen by then, and
        InvalidQuery("range", …) unless 0 <= start <= end <= size. A whole read is checked by SHA-256 (the last piece is
        held back until it agrees), a range by the chunk digests it touches; damage raises Corrupt. A lost or doubted
        chunk table is rebuilt from a whole verified read, at the latest when a range needs it.
        """
        ...

    def stat(self, names: Sequence[str]) -> dict[str, StoredFile | Notice]:
        """What is known of each file; unknown ones are left out, withdrawn ones give their notice. Reads no bytes, so a
        damaged file is listed with the size it has."""
        ...

    def refresh(self, names: Sequence[str]) -> set[str]:
        """Renew the time of these files, so that gc leaves them alone; returns those that are stored."""
        ...

    def replace(self, sha256: str, source: Source) -> StoredFile:
        """Overwrite a file whose bytes are damaged or missing by good ones, checked against `sha256`; for repair alone.

        Raises what `put` raises; a withdrawn file stays withdrawn.
        """
        ...

    def withdraw(self, notices: Sequence[Notice]) -> None:
        """Erase these files at once and keep the notices (`address` is the SHA-256); the first notice of a file wins.

        Files that were never stored can be withdrawn ahead. Done again, it completes one that was cut off.
        """
        ...

    def delete(self, names: Sequence[str], older_than: int | None = None) -> set[str]:
        """Erase files (for gc alone); returns those erased, unknown ones are ignored.

        With `older_than` (ms since 1970) only those whose time is older, looked at again just before.
        """
        ...

    def scan(self, cursor: str | None, limit: int) -> Page[StoredFile | Notice]:
        """Every stored file and notice, ordered by SHA-256, page by page; raises InvalidQuery for a foreign cursor."""
        ...

    def scan_notices(self, cursor: str | None, limit: int) -> Page[Notice]:
        """The notices alone, ordered by SHA-256, page by page; damaged ones are left out. Raises what `scan` raises."""
        ...

    def sweep(self, older_than: int) -> int:
        """Erase what interrupted calls left behind before `older_than` (ms since 1970); returns how many."""
        ...

    def close(self) -> None:
        """Release what is held. Closing twice is harmless."""
        ...
