"""`export`: documents as canonical NDJSON."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from typing import BinaryIO, Final

from stat7.address import Address
from stat7.paging import DOCUMENTS, walk
from stat7.progress import Report, silent
from stat7.query import Query
from stat7.record import read_trusted
from stat7.repository import Repository
from stat7.stored import previous_of, read_links

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
        for page in walk(repo.store.scan_heads, DOCUMENTS):
            yield from _histories(repo, dict(page.items))
    elif query == _CURRENT:
        for page in walk(repo.store.scan_heads, DOCUMENTS):
            yield [found for _, found in _documents(repo, [address for _, address in page.items])]
    else:
        for matches in walk(partial(repo.find_page, query), DOCUMENTS):
            found = _documents(repo, [match.address for match in matches.items])
            yield [document for address, document in found if query.matches(read_trusted(address, document))]


def _histories(repo: Repository, heads: Mapping[str, Address]) -> Iterator[list[bytes]]:
    """The versions of some ids, all of them a step back at a time; withdrawn ones are passed over."""
    frontier = dict(heads)
    met: dict[str, set[Address]] = {id: set() for id in frontier}
    while frontier:
        held = repo.store.get(list(frontier.values()))
        documents: list[bytes] = []
        following: dict[str, Address] = {}
        for id, address in frontier.items():
            item = held.get(address)
            if isinstance(item, bytes):
                of, previous = read_links(address, item)
                if of != id:
                    continue
                documents.append(item)
            else:
                previous = previous_of(id, address, item)
            # No hash binds what a notice says: notices from elsewhere may lead in a circle.
            met[id].add(address)
            if previous is not None and previous not in met[id]:
                following[id] = previous
        yield documents
        frontier = following


def _documents(repo: Repository, addresses: Sequence[Address]) -> list[tuple[Address, bytes]]:
    """Those of the addresses that have a document, in order, with it."""
    found = repo.get_documents(addresses)
    return [(address, document) for address in addresses if isinstance(document := found.get(address), bytes)]
