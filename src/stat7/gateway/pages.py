"""Pages of documents, bounded by what they weigh: one ends early, with a cursor, where its documents are large.

A page is read in steps, each from its own place in the store on and with a cursor of its own, so that no more than a
step of it is in memory, and what others store meanwhile neither hides nor repeats a document.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterator, Sequence
from contextlib import aclosing
from typing import TYPE_CHECKING, Any, ClassVar, Final, Protocol, TypeAlias

import orjson

from stat7.address import Address
from stat7.entity import Entity
from stat7.errors import Corrupt
from stat7.gateway import lines, spool
from stat7.gateway.entities import read_documents, verified_each
from stat7.gateway.exchange import JSON, NDJSON, NO_STORE, Exchange
from stat7.gateway.monitor import Monitor
from stat7.gateway.problems import problem_of
from stat7.gateway.rsgi import Header
from stat7.gateway.scale import MOST, Scale
from stat7.query import Query
from stat7.record import Notice
from stat7.repository import Repository
from stat7.stored import parse_stored
from stat7.stores.base import Match, Store

if TYPE_CHECKING:
    from stat7.gateway.app import Gateway

CURSOR: Final = "stat7-cursor"
"""The header in which an NDJSON answer tells where to go on; it isn't there on the last page."""

MATCHES: Final = 500
"""Matches that are asked for at once, at most."""

Held: TypeAlias = bytes | Notice | Corrupt | None


class Paged(Protocol):
    """A page on its way; `done` once all of it was given."""

    done: bool

    @property
    def kind(self) -> str:
        """The media type."""
        ...

    @property
    def before(self) -> bytes:
        """What stands before the first item."""
        ...

    @property
    def between(self) -> bytes:
        """What stands between two items."""
        ...

    def step(self) -> bytes:
        """The next items, if any, with `between` between them. Called by one thread at a time."""
        ...

    def after(self) -> bytes:
        """What stands after the last item."""
        ...

    def headers(self) -> list[Header]:
        """How the next page is found."""
        ...


class Found:
    """A page of what a query finds, with the documents; damaged ones are told in their place.

    `link` makes a header of the cursor of the next page.
    """

    kind: ClassVar[str] = JSON
    before: ClassVar[bytes] = b'{"matches":['
    between: ClassVar[bytes] = b","

    def __init__(
        self, gateway: Gateway, query: Query, cursor: str | None, limit: int, *, allow_scan: bool,
        link: Callable[[str], Header],
    ) -> None:  # fmt: skip
        self.done = False
        self._repository = gateway.repository
        self._monitor = gateway.monitor
        self._query = query
        self._cursor = cursor
        self._left = limit
        self._allow_scan = allow_scan
        self._link = link
        self._scale = Scale()
        self._asked = 0

    def step(self) -> bytes:
        """See Paged. Raises what `Repository.find_page` raises."""
        count, enough = self._count(), self._scale.bytes + self._scale.step
        page = self._repository.find_page(self._query, self._cursor, count, allow_scan=self._allow_scan)
        held: dict[Address, Held] = {}
        while (fit := self._read(page.items, held, enough)) < len(page.items) and count > 1:
            count = self._shorter(page.items, count, fit)
            page = self._repository.find_page(self._query, self._cursor, count, allow_scan=True)
        self._asked += count
        self._left -= count
        self._cursor = page.cursor
        self.done = page.cursor is None or self._left <= 0 or self._scale.full
        self._monitor.look_for_damage(held.get(match.address) for match in page.items)
        return b",".join([text for match in page.items if (text := _match(match, held.get(match.address)))])

    def after(self) -> bytes:
        """See Paged."""
        return b'],"cursor":%b}' % orjson.dumps(self._cursor)

    def headers(self) -> list[Header]:
        """See Paged."""
        return [] if self._cursor is None else [self._link(self._cursor)]

    def _count(self) -> int:
        """How many matches to ask for: as many as probably have the documents of a step, older versions left out."""
        scale = self._scale
        count = scale.fitting * self._asked // scale.count if scale.count else MATCHES
        return max(1, min(self._left, MATCHES, count))

    def _read(self, matches: Sequence[Match], held: dict[Address, Held], enough: int) -> int:
        """Read documents until the page comes to enough bytes; of so many matches, from the first on, it is known then
        what is held (of one at least).
        """
        scale, place = self._scale, 0
        while place < len(matches):
            if matches[place].address in held:
                place += 1
                continue
            if place and scale.bytes > enough:
                break
            part = [match.address for match in matches[place : place + scale.next(len(matches) - place)]]
            place += len(part)
            found = read_documents(self._repository.store, part)
            held.update({address: self._checked(address, found.get(address)) for address in part})
            scale.add(len(part), sum(len(each) for each in found.values() if isinstance(each, bytes)))
        return place

    def _checked(self, address: Address, held: Held) -> Held:
        """A document that still matches, or that it is damaged; else None."""
        if not isinstance(held, bytes):
            return held if isinstance(held, Corrupt) else None
        try:
            return held if self._query.matches(parse_stored(address, held)) else None
        except Corrupt as error:
            return error

    def _shorter(self, matches: Sequence[Match], count: int, fit: int) -> int:
        """The limit, under `count`, with which a page ends after its first `fit` matches. It is more than these where
        the store goes by older versions, too.
        """
        if len(matches) < count and self._query.versions != "all":
            last, gone_by = matches[fit - 1], self._repository.store.find(self._query, self._cursor, count).items
            fit = next((place for place, match in enumerate(gone_by, 1) if match.address == last.address), fit)
        return max(1, min(fit, count - 1))


def _match(match: Match, held: Held) -> bytes:
    """An item of what was found, b"" for one that isn't there any more."""
    named = match.address.encode("ascii"), orjson.dumps(match.id)
    if isinstance(held, bytes):
        return b'{"address":"%b","id":%b,"document":%b}' % (*named, held)
    if isinstance(held, Corrupt):
        return b'{"address":"%b","id":%b,"problem":%b}' % (*named, orjson.dumps(problem_of(held).as_dict()))
    return b""


class Scanned:
    """A page of everything that is stored, as lines of NDJSON."""

    kind: ClassVar[str] = NDJSON
    before: ClassVar[bytes] = b""
    between: ClassVar[bytes] = b""

    def __init__(self, store: Store, monitor: Monitor, cursor: str | None, limit: int) -> None:
        self.done = False
        self._store = store
        self._monitor = monitor
        self._cursor = cursor
        self._left = limit
        self._scale = Scale()

    def step(self) -> bytes:
        """See Paged. Raises what `EntityStore.scan` raises."""
        told: list[bytes] = []
        enough = self._scale.bytes + self._scale.step
        while not self.done and self._scale.bytes <= enough:
            told += self._scan()
        return b"".join(told)

    def _scan(self) -> list[bytes]:
        count = self._scale.next(self._left)
        page = self._store.scan(self._cursor, count)
        held = verified_each(dict(page.items))
        self._monitor.look_for_damage(held.values())
        told = [lines.held_line(*each) for each in held.items()]
        self._scale.add(count, sum(map(len, told)))
        self._left -= count
        self._cursor = page.cursor
        self.done = page.cursor is None or self._left <= 0 or self._scale.full
        return told

    def after(self) -> bytes:
        """See Paged."""
        return b""

    def headers(self) -> list[Header]:
        """See Paged."""
        return [] if self._cursor is None else [(CURSOR, self._cursor)]


class Versions:
    """A page of an id's versions, newest first; the cursor is the version that the next page begins with.

    What a damaged version replaces nobody knows: it is the last that is told.
    """

    kind: ClassVar[str] = JSON
    between: ClassVar[bytes] = b","

    def __init__(self, repository: Repository, monitor: Monitor, id: str, start: Address | None, limit: int) -> None:
        self.done = False
        self.before = b'{"id":%b,"versions":[' % orjson.dumps(id)
        self._monitor = monitor
        self._versions = _versions(repository, id, start)
        self._cursor: Address | None = None
        self._left = limit
        self._scale = Scale()

    def step(self) -> bytes:
        """See Paged. Raises NotFound, InvalidQuery."""
        told: list[bytes] = []
        enough = self._scale.bytes + self._scale.step
        for version in self._versions:
            if self._left <= 0 or self._scale.full:
                self._cursor, self.done = version.address, True
                break
            self._monitor.look_for_damage([version])
            held = version.canonical if isinstance(version, Entity) else version
            told.append(lines.held_line(version.address, held)[:-1])
            self._left -= 1
            self._scale.add(1, len(told[-1]))
            if self._scale.bytes > enough or len(told) >= MOST:
                break
        else:
            self.done = True
        return b",".join(told)

    def after(self) -> bytes:
        """See Paged."""
        return b'],"cursor":%b}' % orjson.dumps(self._cursor)

    def headers(self) -> list[Header]:
        """See Paged."""
        return []


def _versions(repository: Repository, id: str, start: Address | None) -> Iterator[Entity | Notice | Corrupt]:
    versions = repository.history(id, start)
    try:
        yield from versions
    except Corrupt as error:
        yield error


async def answer_page(gateway: Gateway, exchange: Exchange, page: Paged) -> None:
    """Answer with a page. Raises what its steps raise, and 503 for a large one that is one too many."""
    headers = [NO_STORE]
    async with aclosing(_pieces(gateway, page, headers)) as pieces:
        await spool.answer(gateway, exchange, 200, page.kind, headers, pieces)


async def _pieces(gateway: Gateway, page: Paged, headers: list[Header]) -> AsyncGenerator[bytes, None]:
    """The text of a page, a step at a time; in the end `headers` are complete."""
    yield page.before
    told = await gateway.pool.call(page.step)
    begun = bool(told)
    yield told
    if not page.done:
        with gateway.transfer():
            while not page.done:
                told = await gateway.pool.call(page.step)
                yield page.between + told if begun and told else told
                begun = begun or bool(told)
    yield page.after()
    headers.extend(page.headers())


async def answer_json(gateway: Gateway, exchange: Exchange, value: Any, *headers: Header) -> None:
    """Answer with a list that may be long, of small things."""

    async def whole() -> AsyncIterator[bytes]:
        yield orjson.dumps(value)

    await spool.answer(gateway, exchange, 200, JSON, [NO_STORE, *headers], whole())
