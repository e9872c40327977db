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
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from itertools import groupby
from operator import itemgetter

from stat7.address import Address
from stat7.operations.sorting import LineSorter
from stat7.paging import DOCUMENTS, NAMES, in_batches, walk
from stat7.progress import Report, silent
from stat7.record import Notice
from stat7.repository import Repository
from stat7.stored import parse_stored, verified

_KINDS = {b"E": "entities", b"W": "entities", b"H": "heads", b"F": "files", b"X": "files"}


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


def digest(repo: Repository, *, report: Report = silent) -> Digests:
    """Read everything, each document hashed again, and take the digests. Raises Corrupt for a damaged document."""
    parts = {name: hashlib.sha256() for name in ("entities", "heads", "files", "combined")}
    for page in _pages(repo, report):
        lines = b"".join(page)
        parts["combined"].update(lines)
        parts[_KINDS[lines[:1]]].update(lines)
    return Digests(**{name: taken.hexdigest() for name, taken in parts.items()})


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


def _pages(repo: Repository, report: Report) -> Iterator[list[bytes]]:
    """The lines in order, in lists that hold one kind each."""
    with LineSorter() as entities, LineSorter(unique=True) as files, LineSorter() as heads, LineSorter() as withdrawn:
        ordered = repo.store.capabilities.ordered_scan
        for page in _entity_lines(repo, files, withdrawn, report):
            if ordered:
                yield page
            else:
                for line in page:
                    entities.add(line)
        for heads_page in walk(repo.store.scan_heads, NAMES):
            for id, address in heads_page.items:
                heads.add(b"H %s %s\n" % (hashlib.sha256(id.encode()).hexdigest().encode(), address.encode()))
        for lines in (entities, files, heads, withdrawn):
            yield from in_batches(lines, NAMES)
        # Every file store scans in the order of SHA-256, so these need no sorting.
        for files_page in walk(repo.files.scan, NAMES):
            notices = [b"X %s\n" % item.address.encode() for item in files_page.items if isinstance(item, Notice)]
            if notices:
                yield notices


def _entity_lines(repo: Repository, files: LineSorter, withdrawn: LineSorter, report: Report) -> Iterator[list[bytes]]:
    """The E lines of each page of the scan, if there are any; lines of the other kinds go to their sorters."""
    total, done = repo.store.count(), 0
    for page in walk(repo.store.scan, DOCUMENTS):
        lines = []
        for address, held in page.items:
            if isinstance(held, Notice):
                withdrawn.add(b"W %s\n" % address.encode())
                continue
            lines.append(b"E %s\n" % address.encode())
            for sha256, size in _named(address, verified(address, held)):
                files.add(b"F %s %d\n" % (sha256.encode(), size))
        done += len(lines)
        report("entities", done, total)
        if lines:
            yield lines


def _named(address: Address, document: bytes) -> list[tuple[str, int]]:
    """SHA-256 and size of each file that a document names."""
    # Most name none, and that can be seen without parsing: members are sorted, so nothing before this one is free text
    # in which the same bytes could stand unescaped.
    at = document.find(b'"files":[')
    if document[at + 9 : at + 10] == b"]":
        return []
    return [(entry.sha256, entry.size) for entry in parse_stored(address, document).files]
