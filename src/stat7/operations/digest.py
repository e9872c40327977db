"""The digest of everything stored: one line for each thing, sorted as bytes, and the SHA-256 of those lines.

    E <address>                  a document
    F <sha256> <size>            a file that a stored document names
    H <sha256 of id> <address>   a head
    W <address>                  the notice of a withdrawn document
    X <sha256>                   the notice of a withdrawn file

Equal digests mean equal contents, on whatever backend, and anybody can make them: `stat7 digest --lines | sha256sum`.
Since the lines are sorted, one pass over two stores finds all that differs.
"""

from __future__ import annotations

import hashlib
import heapq
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass
from itertools import groupby
from operator import itemgetter
from typing import Final, TypeAlias

from stat7.address import Address
from stat7.operations.sorting import LineSorter
from stat7.paging import DOCUMENTS, NAMES, in_batches, walk
from stat7.progress import Report, silent
from stat7.record import Notice
from stat7.repository import Repository
from stat7.stored import parse_stored, verified

Named: TypeAlias = Sequence[tuple[str, int]]
"""SHA-256 and size of each file that a document names."""

_KINDS: Final = {b"E": "entities", b"W": "entities", b"H": "heads", b"F": "files", b"X": "files"}


@dataclass(frozen=True, slots=True)
class Digests:
    """SHA-256 (64 lowercase hex digits) of the lines of documents and their notices, of heads, of files, and of all.

    Files are those that documents name, and the notices of withdrawn ones.
    """

    entities: str
    heads: str
    files: str
    combined: str

    def as_dict(self) -> dict[str, str]:
        """The digests by their names."""
        return asdict(self)


class DigestTaker:
    """Takes the digests of a repository from what it is shown of it, in memory that stays the same.

    `ordered`: entities are shown in the order of their addresses. Everything else comes in any order. To be closed.
    """

    def __init__(self, ordered: bool) -> None:
        self._lines = _Lines(ordered)
        self._hashes = _Hashes()

    def entities(self, entities: Iterable[tuple[Address, Named | None]]) -> None:
        """Documents whose bytes were hashed, with the files that each names, and notices (None)."""
        self._hashes.take(self._lines.entities(entities))

    def heads(self, heads: Iterable[tuple[str, Address]]) -> None:
        """Some heads."""
        self._lines.add_heads(heads)

    def withdrawn_files(self, notices: Iterable[Notice]) -> None:
        """Some notices of files."""
        self._lines.add_withdrawn_files(notices)

    def digests(self) -> Digests:
        """The digests, when everything was shown."""
        for page in self._lines.rest():
            self._hashes.take(page)
        return self._hashes.digests()

    def close(self) -> None:
        """Erase temporary files."""
        self._lines.close()


def digest(repo: Repository, *, report: Report = silent) -> Digests:
    """Read everything, each document hashed again, and take the digests. Raises Corrupt for a damaged document."""
    hashes = _Hashes()
    for page in _pages(repo, report):
        hashes.take(page)
    return hashes.digests()


def digest_lines(repo: Repository) -> Iterator[bytes]:
    """The sorted lines, each with its newline: the combined digest is their SHA-256. Raises Corrupt on the way."""
    for page in _pages(repo, silent):
        yield from page


def difference(one: Repository, other: Repository) -> Iterator[bytes]:
    """The lines that only one of two stores has, in order, after `- ` (only `one`) or `+ ` (only `other`).

    Both are read once, in constant memory. Raises Corrupt on the way.
    """
    lines = heapq.merge(_marked(one, b"- "), _marked(other, b"+ "))
    for line, group in groupby(lines, key=itemgetter(0)):
        marks = [mark for _, mark in group]
        if len(marks) == 1:
            yield marks[0] + line


def _marked(repo: Repository, mark: bytes) -> Iterator[tuple[bytes, bytes]]:
    return ((line, mark) for line in digest_lines(repo))


class _Hashes:
    """The SHA-256 of all lines, and of those of each kind."""

    def __init__(self) -> None:
        self._parts = {name: hashlib.sha256() for name in ("entities", "heads", "files", "combined")}

    def take(self, page: list[bytes]) -> None:
        """The next lines in order, all of one kind."""
        if page:
            lines = b"".join(page)
            self._parts["combined"].update(lines)
            self._parts[_KINDS[lines[:1]]].update(lines)

    def digests(self) -> Digests:
        """Of all that was taken."""
        return Digests(**{name: taken.hexdigest() for name, taken in self._parts.items()})


class _Lines:
    """Makes the lines of what it is given, and sorts those that don't come in order."""

    def __init__(self, ordered: bool) -> None:
        self._ordered = ordered
        self._entities, self._heads, self._withdrawn, self._withdrawn_files = (LineSorter() for _ in range(4))
        self._files = LineSorter(unique=True)

    def entities(self, entities: Iterable[tuple[Address, Named | None]]) -> list[bytes]:
        """The lines of documents that need no sorting."""
        lines = []
        for address, files in entities:
            if files is None:
                self._withdrawn.add(b"W %s\n" % address.encode())
                continue
            lines.append(b"E %s\n" % address.encode())
            for sha256, size in files:
                self._files.add(b"F %s %d\n" % (sha256.encode(), size))
        if self._ordered:
            return lines
        for line in lines:
            self._entities.add(line)
        return []

    def add_heads(self, heads: Iterable[tuple[str, Address]]) -> None:
        """Some heads."""
        for id, address in heads:
            self._heads.add(b"H %s %s\n" % (hashlib.sha256(id.encode()).hexdigest().encode(), address.encode()))

    def add_withdrawn_files(self, notices: Iterable[Notice]) -> None:
        """Some notices of files."""
        for notice in notices:
            self._withdrawn_files.add(b"X %s\n" % notice.address.encode())

    def rest(self) -> Iterator[list[bytes]]:
        """All other lines in order, in lists that hold one kind each."""
        for lines in (self._entities, self._files, self._heads, self._withdrawn, self._withdrawn_files):
            yield from in_batches(lines, NAMES)

    def close(self) -> None:
        """Erase the temporary files."""
        for lines in (self._entities, self._files, self._heads, self._withdrawn, self._withdrawn_files):
            lines.close()


def _pages(repo: Repository, report: Report) -> Iterator[list[bytes]]:
    """All lines of a repository in order, in lists that hold one kind each."""
    with closing(_Lines(repo.store.capabilities.ordered_scan)) as lines:
        for entities in _entities(repo, report):
            yield lines.entities(entities)
        for heads in walk(repo.store.scan_heads, NAMES):
            lines.add_heads(heads.items)
        for notices in walk(repo.files.scan_notices, NAMES):
            lines.add_withdrawn_files(notices.items)
        yield from lines.rest()


def _entities(repo: Repository, report: Report) -> Iterator[list[tuple[Address, Named | None]]]:
    """Each page of the scan: addresses, each with the files that its document names, None for a notice."""
    total, done = repo.store.count(), 0
    for page in walk(repo.store.scan, DOCUMENTS):
        entities = [
            (address, None if isinstance(held, Notice) else named_files(address, verified(address, held)))
            for address, held in page.items
        ]
        yield entities
        done += sum(files is not None for _, files in entities)
        report("entities", done, total)


def named_files(address: Address, document: bytes) -> Named:
    """SHA-256 and size of each file that a document names, whose bytes were hashed. Raises Corrupt if it is none."""
    # Most name none, and that can be seen without parsing: members are sorted, so nothing before this one is free text
    # in which the same bytes could stand unescaped.
    at = document.find(b'"files":[')
    if document[at + 9 : at + 10] == b"]":
        return ()
    return [(entry.sha256, entry.size) for entry in parse_stored(address, document).files]
