"""`export`: documents as canonical NDJSON."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import BinaryIO, Final

import orjson

from stat7.address import Address
from stat7.progress import Report, silent
from stat7.query import Query
from stat7.record import Notice, read_trusted
from stat7.repository import Repository

PAGE: Final = 500
"""Documents held at a time; with the largest ones there can be, 125 MiB."""

_EVERYTHING: Final = Query(versions="all")
_CURRENT: Final = Query()


def export_entities(repo: Repository, target: BinaryIO, *, query: Query | None = None, report: Report = silent) -> int:
    """Write documents to `target`, one canonical document a line, each hashed before it's written; returns how many.

    Without a query, every version that a head can reach, newest first within each id. This order can be imported: into
    an empty store (once the files are there) it gives the same digest, if nothing was withdrawn and no version lies
    beside its id's history. Withdrawals, files and such versions are carried by `copy`. With a query, what it matches,
    each entity once, in the store's order.

    Raises Corrupt for a damaged document, after the lines before it were written. Constant memory.
    """
    count = 0
    for documents in _pages(repo, _EVERYTHING if query is None else query):
        if documents:
            target.write(b"\n".join(documents) + b"\n")
            count += len(documents)
        report("entities", count, None)
    return count


def _pages(repo: Repository, query: Query) -> Iterator[list[bytes]]:
    if query == _EVERYTHING:
        for heads in _head_pages(repo):
            yield from _histories(repo, heads)
    elif query == _CURRENT:
        for heads in _head_pages(repo):
            yield [found for _, found in _documents(repo, heads)]
    else:
        yield from _matching(repo, query)


def _matching(repo: Repository, query: Query) -> Iterator[list[bytes]]:
    cursor: str | None = None
    while True:
        page = repo.find_page(query, cursor, PAGE)
        found = _documents(repo, [match.address for match in page.items])
        yield [document for address, document in found if query.matches(read_trusted(address, document))]
        cursor = page.cursor
        if cursor is None:
            return


def _head_pages(repo: Repository) -> Iterator[list[Address]]:
    cursor: str | None = None
    while True:
        page = repo.store.scan_heads(cursor, PAGE)
        yield [address for _, address in page.items]
        cursor = page.cursor
        if cursor is None:
            return


def _histories(repo: Repository, heads: Sequence[Address]) -> Iterator[list[bytes]]:
    """The versions behind some heads, all of them a step back at a time; withdrawn ones are passed over."""
    frontier = list(heads)
    while frontier:
        found = repo.get_documents(frontier)
        yield [document for address in frontier if isinstance(document := found.get(address), bytes)]
        behind = [_previous(found[address]) for address in frontier if address in found]
        frontier = [address for address in behind if address is not None]


def _documents(repo: Repository, addresses: Sequence[Address]) -> list[tuple[Address, bytes]]:
    """Those of the addresses that have a document, in order, with it."""
    found = repo.get_documents(addresses)
    return [(address, document) for address in addresses if isinstance(document := found.get(address), bytes)]


def _previous(found: bytes | Notice) -> Address | None:
    if isinstance(found, Notice):
        return found.previous
    previous: Address | None = orjson.loads(found)["previous"]
    return previous
