"""Which versions the heads lead to, and which versions are missing between them, of any number of entities.

Only what has a history is looked at: a head that replaces nothing takes no room. The rest is sorted by id on disk, so
that memory grows with the versions of one id, not with the number of entities.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby
from operator import itemgetter
from types import TracebackType
from typing import NamedTuple, Self

from stat7.address import Address
from stat7.errors import Corrupt
from stat7.operations.sorting import LineSorter
from stat7.paging import DOCUMENTS, in_batches
from stat7.record import Notice, Record
from stat7.stored import get_each, read_stored
from stat7.stores.base import Finding, Store
from stat7.versions import find_ancestors


class _Version(NamedTuple):
    """One line of the sorter: 32 hex digits that stand for the id, then these."""

    is_head: bool
    is_document: bool
    address: Address
    previous: Address | None


class Stray(NamedTuple):
    """A document that the head of its id doesn't lead to; `head` is that head, None if the id has none."""

    id: str
    address: Address
    head: Address | None

    def finding(self) -> Finding:
        """What to tell of it."""
        if self.head is None:
            detail = f"a version of {self.id}, which has no current version; putting it again makes it that"
        else:
            detail = f"a version of {self.id} that its current version {self.head} does not lead to"
        return Finding("unreferenced", self.address, detail)


class Lineages:
    """Takes versions in any order, then says what is broken in their histories; a context manager (see LineSorter)."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._lines = LineSorter()

    def add(self, records: Sequence[Record], notices: Iterable[Notice]) -> None:
        """Take documents and notices, as one page of a scan gives them."""
        known = [(notice.id, notice.address, notice.previous) for notice in notices if notice.id is not None]
        heads = self._store.heads([record.id for record in records] + [id for id, _, _ in known])
        for record in records:
            is_head = heads.get(record.id) == record.address
            if not (is_head and record.previous is None):
                self._add(record.id, _Version(is_head, True, record.address, record.previous))
        for id, address, previous in known:
            self._add(id, _Version(heads.get(id) == address, False, address, previous))

    def broken(self) -> Iterator[list[tuple[Address, Address]]]:
        """Pairs of a version and the one it replaces, which is not stored; in batches."""
        for batch in in_batches(self._open_ends(), DOCUMENTS):
            held = get_each(self._store, [previous for _, previous in batch])
            yield [(address, previous) for address, previous in batch if previous not in held]

    def unreferenced(self) -> Iterator[Stray]:
        """Each document that the head of its id doesn't lead to; those of one id, as a rule, together."""
        for batch in in_batches(self._strays(), DOCUMENTS):
            yield from self._confirmed(batch)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._lines.close()

    def _add(self, id: str, version: _Version) -> None:
        name = hashlib.sha256(id.encode()).hexdigest()[:32]
        flags = ("h" if version.is_head else "-") + ("d" if version.is_document else "-")
        self._lines.add(f"{name} {flags} {version.address} {version.previous or '-'}\n".encode("ascii"))

    def _groups(self) -> Iterator[list[_Version]]:
        """The versions of each id."""
        for _, lines in groupby(self._lines, itemgetter(slice(32))):
            yield [_parse(line) for line in lines]

    def _open_ends(self) -> Iterator[tuple[Address, Address]]:
        """Versions whose `previous` is not among the versions of their id that were added."""
        for versions in self._groups():
            known = {version.address for version in versions}
            for version in versions:
                if version.previous is not None and version.previous not in known:
                    yield version.address, version.previous

    def _strays(self) -> Iterator[Address]:
        """Documents that no head which was seen leads to, through the versions that were added."""
        for versions in self._groups():
            by_address = {version.address: version for version in versions}
            reached: set[Address] = set()
            for version in versions:
                step = version if version.is_head else None
                while step is not None and step.address not in reached:
                    reached.add(step.address)
                    step = by_address.get(step.previous or "")
            for version in versions:
                if version.is_document and version.address not in reached:
                    yield version.address

    def _confirmed(self, addresses: Sequence[Address]) -> Iterator[Stray]:
        """By the heads as they are now: they may have moved, and what was missing behind them may have been mended."""
        strays: dict[str, set[Address]] = {}
        for address, held in get_each(self._store, addresses).items():
            if isinstance(held, bytes):
                try:
                    strays.setdefault(read_stored(address, held).id, set()).add(address)
                except Corrupt:
                    continue
        heads = self._store.heads(list(strays))
        wanted = {id: (heads[id], strays[id]) for id in strays if id in heads}
        behind, damaged = find_ancestors(self._store, wanted)
        for id, versions in strays.items():
            if id in damaged:
                continue
            for address in sorted(versions - behind.get(id, set()) - {heads.get(id)}):
                yield Stray(id, address, heads.get(id))


def _parse(line: bytes) -> _Version:
    _, flags, address, previous = line.decode("ascii").split()
    return _Version(flags[0] == "h", flags[1] == "d", address, None if previous == "-" else previous)
