"""The contract `Store` over HTTP. What is held is hashed by whoever reads it, as with every other store."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final, TypeVar

from stat7.address import Address, is_address
from stat7.contracts import Check, Damaged
from stat7.errors import Corrupt, Gone, InvalidEntity, InvalidQuery, NotFound
from stat7.paging import at_least_one, in_batches
from stat7.query import Query
from stat7.record import Notice, Record, check_id
from stat7.remote import answers
from stat7.remote.about import about
from stat7.remote.connection import JOB_SECONDS, Connection
from stat7.remote.lines import BYTES, LINES, Line, Posted, part, post, read_held
from stat7.remote.problems import same
from stat7.remote.settings import Settings
from stat7.stores.base import Capabilities, Finding, HeadMove, Match, Outcome, Page, Plan
from stat7.stores.http.health import diagnose

Item = TypeVar("Item")

DOCUMENTS: Final = 1000
"""Documents that are asked for in one request: at most 256 MiB of them."""

CURSOR: Final = "stat7-cursor"
"""The header in which a page of documents says where to go on."""

_PARAMETERS: Final = {"entity_type": "type"}
_OUTCOMES: Final = {outcome.value: outcome for outcome in Outcome}


class HttpStore:
    """A `Store` behind a gateway. Any number of threads may use it.

    Raises ConfigError for a gateway that can't be used, or lets nobody in with this key; Unavailable where it doesn't
    answer. A put and its head moves are two requests here, as on a store without transactions: documents first.
    """

    def __init__(self, settings: Settings) -> None:
        self.connection = Connection.share(settings.checked())
        self._closed = False
        try:
            told = about(self.connection)
            self.capabilities = _capabilities(told.store, told.limits["batch"], self.connection.url)
        except BaseException:
            self.close()
            raise
        self._batch = min(told.limits["batch"], self.capabilities.max_batch)
        self._page = told.limits["page"]
        self._most_bytes = min(BYTES, told.limits["body"])

    # Documents

    def put(self, records: Sequence[Record], moves: Sequence[HeadMove] = ()) -> tuple[list[Outcome], list[bool]]:
        """See EntityStore.put. Repeated after a lost answer: then what was stored comes as EXISTED, and a head that
        was moved as not moved.
        """
        outcomes: list[Outcome] = []
        if records:
            posted = self.post([record.document for record in records], keep=True)
            outcomes += [self._outcome(*each) for each in zip(records, posted.lines, strict=False)]
            if posted.error is not None:
                raise posted.error
        withdrawn = {
            record.address for record, outcome in zip(records, outcomes, strict=True) if outcome is Outcome.WITHDRAWN
        }
        stored = {record.address for record in records}
        withdrawn |= self._withdrawn([move.new for move in moves if move.new is not None and move.new not in stored])
        wanted = [move for move in moves if move.new not in withdrawn]
        made = iter(self.swap_heads(wanted))
        return outcomes, [move.new not in withdrawn and next(made) for move in moves]

    def post(self, documents: Sequence[bytes], *, keep: bool = False) -> Posted:
        """Put canonical documents, files and heads being the gateway's affair; with `keep` neither is touched."""
        return post(self._way(), documents, self._most_bytes, keep=keep)

    def _outcome(self, record: Record, line: Line) -> Outcome:
        if line.error is not None:
            raise line.error
        outcome = _OUTCOMES.get(line.status)
        if outcome is None or line.address != record.address:
            raise answers.unexpected(self.connection.url)
        return outcome

    def _withdrawn(self, addresses: Sequence[Address]) -> set[Address]:
        """Those in whose place a notice stands."""
        missing = set(addresses) - self.has(addresses) if addresses else set()
        return {address for address, held in self.get(list(missing)).items() if isinstance(held, Notice)}

    def replace(self, records: Sequence[Record]) -> None:
        """See EntityStore.replace."""
        documents, done = [record.document for record in records], 0
        while done < len(documents):
            batch = part(documents, done, self._most_bytes, self._batch)
            self._way().ask("POST", "/repairs/entities", lines=b"\n".join(batch) + b"\n")
            done += len(batch)

    def discard(self, addresses: Sequence[Address]) -> None:
        """See EntityStore.discard. Not repeated: somebody may have stored them again meanwhile."""
        for batch in in_batches([each for each in addresses if is_address(each)], self._batch):
            self._way().ask("POST", "/discards", json=batch, repeat=False)

    def get(self, addresses: Sequence[Address]) -> dict[Address, bytes | Notice]:
        """See EntityStore.get. What the gateway found to be damaged comes as `Damaged`, with what it found."""
        asked = [address for address in dict.fromkeys(addresses) if is_address(address)]
        if len(asked) == 1:
            return self._get_one(asked[0])
        held: dict[Address, bytes | Notice] = {}
        for batch in in_batches(asked, min(DOCUMENTS, self._batch)):
            answer = self._way().ask("POST", "/entities/batch-get", json=batch)
            found = dict(read_held(self.connection.url, answer))
            if not found.keys() <= set(batch):
                raise answers.unexpected(self.connection.url)
            held |= found
        return held

    def _get_one(self, address: Address) -> dict[Address, bytes | Notice]:
        # What is asked for one by one has a rate of its own at the gateway, a much higher one.
        try:
            return {address: self._way().ask("GET", f"/entities/{address}").content}
        except (NotFound, Gone, Corrupt) as error:
            if not same(error, address):
                raise answers.unexpected(self.connection.url) from None
            if isinstance(error, NotFound):
                return {}
            return {address: error.notice if isinstance(error, Gone) else Damaged(error.found)}

    def has(self, addresses: Sequence[Address]) -> set[Address]:
        """See EntityStore.has."""
        return self._among("/entities/batch-has", addresses)

    def named_files(self, sha256s: Sequence[str]) -> set[str]:
        """See EntityStore.named_files."""
        return self._among("/files/named", sha256s)

    def _among(self, path: str, names: Sequence[str]) -> set[str]:
        found: set[str] = set()
        for batch in in_batches(dict.fromkeys(name for name in names if is_address(name)), self._batch):
            found |= answers.subset(self._way().fetch("POST", path, json=batch), set(batch), self.connection.url)
        return found

    def find(self, query: Query, cursor: str | None, limit: int) -> Page[Match]:
        """See EntityStore.find."""
        # The gateway is asked for all versions, whatever the query says, so its cursors alone would fit both.
        start = None if cursor is None else query.position(cursor)
        params = self._query(query) | self._place(start, limit) | {"documents": "false", "allow_scan": "true"}
        url = self.connection.url
        given = answers.members(self._way().fetch("GET", "/entities", params=params), url)
        following = answers.text_or_none(given.get("cursor"), url)
        return Page(answers.listed(given.get("matches"), url, _match), query.cursor(following) if following else None)

    def explain(self, query: Query) -> Plan:
        """See EntityStore.explain."""
        url = self.connection.url
        given = answers.members(self._way().fetch("GET", "/explain", params=self._query(query)), url)
        rows, matches = (answers.whole(given.get(name), url) for name in ("rows", "matches"))
        return Plan(
            answers.text(given.get("method"), url),
            answers.flag(given.get("indexed"), url),
            rows,
            matches,
            answers.text(given.get("detail"), url),
        )

    def scan(self, cursor: str | None, limit: int) -> Page[tuple[Address, bytes | Notice]]:
        """See EntityStore.scan. What the gateway found to be damaged comes as `Damaged`."""
        params = self._place(cursor, min(limit, DOCUMENTS))
        answer = self._way().ask("GET", "/scan", params=params)
        return Page(read_held(self.connection.url, answer), answer.headers.get(CURSOR) or None)

    def scan_notices(self, cursor: str | None, limit: int) -> Page[Notice]:
        """See EntityStore.scan_notices."""
        return self._walk("/scan-notices", cursor, limit, answers.notice)

    def withdraw(self, notices: Sequence[Notice]) -> None:
        """See EntityStore.withdraw."""
        for batch in in_batches(notices, min(LINES, self._batch)):
            told = [notice._asdict() for notice in batch]
            self._way().fetch("POST", "/withdrawals", json={"notices": told})

    def check(self, cursor: str | None, limit: int) -> Page[Finding]:
        """See EntityStore.check."""
        return self._walk("/check", cursor, limit, _finding)

    def count(self) -> int:
        """See EntityStore.count."""
        url = self.connection.url
        return answers.whole(answers.members(self._way().fetch("GET", "/count"), url).get("entities"), url)

    def compact(self) -> int:
        """See EntityStore.compact."""
        url = self.connection.url
        given = self._way().fetch("POST", "/compact", repeat=False, seconds=JOB_SECONDS)
        return answers.whole(answers.members(given, url).get("freed"), url)

    # Heads and marks

    def heads(self, ids: Sequence[str]) -> dict[str, Address]:
        """See HeadStore.heads."""
        asked = list(dict.fromkeys(ids))
        if len(asked) == 1 and _is_id(asked[0]):
            return self._head(asked[0])
        url, found = self.connection.url, dict[str, Address]()
        for batch in in_batches(asked, self._batch):
            given = answers.members(self._way().fetch("POST", "/heads", json=batch), url)
            found |= {id: answers.address(given[id], url) for id in answers.subset([*given], set(batch), url)}
        return found

    def _head(self, id: str) -> dict[str, Address]:
        url = self.connection.url
        try:
            given = answers.members(self._way().fetch("GET", "/head", params={"id": id}), url)
        except NotFound as error:
            if error.what != id:
                raise answers.unexpected(url) from None
            return {}
        if given.get("id") != id:
            raise answers.unexpected(url)
        return {id: answers.address(given.get("address"), url)}

    def swap_heads(self, moves: Sequence[HeadMove]) -> list[bool]:
        """See HeadStore.swap_heads. Repeated after a lost answer: then a head that was moved comes as not moved, as
        after a race, and whoever asked reads it again.
        """
        url, made = self.connection.url, list[bool]()
        for batch in in_batches(moves, min(LINES, self._batch)):
            given = self._way().fetch("POST", "/heads/moves", json=[move._asdict() for move in batch])
            done = answers.listed(given, url, answers.flag)
            if len(done) != len(batch):
                raise answers.unexpected(url)
            made += done
        return made

    def scan_heads(self, cursor: str | None, limit: int) -> Page[tuple[str, Address]]:
        """See HeadStore.scan_heads."""
        return self._walk("/scan-heads", cursor, limit, _pair)

    def marks(self) -> dict[str, str]:
        """See HeadStore.marks; the gateway shows none of its keys."""
        url = self.connection.url
        given = answers.members(self._way().fetch("GET", "/marks"), url)
        return {name: answers.text(value, url) for name, value in given.items()}

    def set_mark(self, name: str, value: str | None) -> None:
        """See HeadStore.set_mark."""
        self._way().fetch("POST", "/marks", json={"name": name, "value": value})

    # The whole

    def diagnose(self) -> list[Check]:
        """Whether the gateway and its parts answer, and what this key may do."""
        return diagnose(self._way(), self.capabilities)

    def close(self) -> None:
        """See EntityStore.close."""
        if not self._closed:
            self._closed = True
            self.connection.close()

    def _way(self) -> Connection:
        if self._closed:
            raise answers.closed(self.connection.url)
        return self.connection

    def _query(self, query: Query) -> dict[str, str | int]:
        given: dict[str, str | int] = {_PARAMETERS.get(name, name): text for name, text in query.as_dict().items()}
        return given | {"versions": "all"}

    def _place(self, cursor: str | None, limit: int) -> dict[str, str | int]:
        """Where a walk goes on. Raises InvalidQuery for what no gateway could have said."""
        given: dict[str, str | int] = {"limit": min(at_least_one(limit), self._page)}
        if cursor is None:
            return given
        if not (cursor and cursor.isascii() and cursor.isprintable()):
            raise InvalidQuery("cursor", "was not given by a walk through this store; begin again without it")
        return given | {"cursor": cursor}

    def _walk(self, path: str, cursor: str | None, limit: int, read: Callable[[Any, str], Item]) -> Page[Item]:
        given = self._way().fetch("GET", path, params=self._place(cursor, limit))
        return answers.page(given, self.connection.url, read)


def _capabilities(given: dict[str, Any], batch: int, url: str) -> Capabilities:
    flags = ("consistent_find", "durable", "ordered_scan", "refuses_scans")
    most = min(answers.whole(given.get("max_batch"), url), batch, LINES)
    if most < 1:
        raise answers.unexpected(url)
    return Capabilities(
        f"gateway ({answers.text(given.get('name'), url)})",
        max_batch=most,
        indexed=frozenset(answers.listed(given.get("indexed"), url, answers.text)),
        **{name: answers.flag(given.get(name), url) for name in flags},
    )


def _is_id(id: str) -> bool:
    try:
        check_id(id)
    except InvalidEntity:
        return False
    return True


def _match(value: Any, what: str) -> Match:
    given = answers.members(value, what)
    return Match(answers.address(given.get("address"), what), answers.text(given.get("id"), what))


def _finding(value: Any, what: str) -> Finding:
    parts = answers.listed(value, what, answers.text)
    if len(parts) != len(Finding._fields):
        raise answers.unexpected(what)
    return Finding(*parts)


def _pair(value: Any, what: str) -> tuple[str, Address]:
    parts = answers.listed(value, what, answers.text)
    if len(parts) != 2:
        raise answers.unexpected(what)
    return parts[0], answers.address(parts[1], what)
