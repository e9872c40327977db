"""Taking documents out (withdraw, discard) and putting good ones in place of damaged ones (replace).

Index rows are found by what the row says of its document and by what the document says, so either may be damaged.
Notices are set by lightweight transactions, so that the first one wins.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Final

from stat7.address import Address
from stat7.errors import Unavailable
from stat7.record import Notice, notice_digest, try_read
from stat7.stores.cassandra.claims import Claims
from stat7.stores.cassandra.errors import UNKNOWN
from stat7.stores.cassandra.marks import unmark
from stat7.stores.cassandra.reader import facts_at, slices
from stat7.stores.cassandra.rows import FACTS, NOTICE, Facts, by_partition, facts_of, index_keys, known_addresses
from stat7.stores.cassandra.session import Connection

_KEEP_ADDRESS: Final = "INSERT INTO $.notices(address, withdrawn) VALUES (?, true)"
_SET: Final = ", ".join(f"{name} = ?" for name in NOTICE)
_KEEP: Final = f"UPDATE $.entities SET {_SET} WHERE address = ? IF withdrawn_at = null"
_IS_KEPT: Final = "SELECT withdrawn_at FROM $.entities WHERE address = ?"
_ERASE: Final = f"DELETE {', '.join((*FACTS, 'document'))} FROM $.entities WHERE address = ?"
_ERASE_CELL: Final = """DELETE FROM $.cells
    WHERE realm = ? AND horizon = ? AND bucket = ? AND lineage = ? AND address = ?"""
_ERASE_LINK: Final = "DELETE FROM $.links WHERE part = ? AND target = ? AND address = ?"
_DOCUMENTS: Final = "SELECT address, document FROM $.entities WHERE address IN ?"
_BYTES_LEFT: Final = "SELECT address, withdrawn_at, document FROM $.entities WHERE address IN ?"
_ATTEMPTS: Final = 6
_NAP: Final = 0.05


def withdraw(connection: Connection, claims: Claims, given: Sequence[Notice]) -> None:
    """Keep notices, completed from what is stored, and erase the documents; the first notice of an address wins."""
    notices = {notice.address: notice for notice in reversed(given)}
    with claims.of(notices):
        held = facts_at(connection, known_addresses(notices))
        fresh = [
            _completed(notice, held.get(bytes.fromhex(address), (False, None))[1])
            for address, notice in notices.items()
            if not held.get(bytes.fromhex(address), (False, None))[0]
        ]
        # From here on every find looks at what is stored, so that it sees the notice.
        for facts in _places(connection, {key: facts for key, (_, facts) in held.items() if facts is not None}):
            unmark(connection, facts)
        connection.run_each(_KEEP_ADDRESS, [(bytes.fromhex(notice.address),) for notice in fresh])
        _keep(connection, fresh)
        erase(connection, notices)


def discard(connection: Connection, claims: Claims, addresses: Sequence[Address]) -> None:
    """Erase documents as if they never were; what is withdrawn stays so."""
    with claims.of(addresses):
        _repeat(connection, lambda: _discard(connection, known_addresses(addresses)))


def erase(connection: Connection, addresses: Iterable[Address]) -> None:
    """Erase documents that are withdrawn: the index rows first, so that whoever goes on can still tell them."""
    wanted = known_addresses(addresses)
    _repeat(connection, lambda: _erase(connection, wanted))


def erase_left(connection: Connection, addresses: Sequence[bytes]) -> int:
    """Erase what is left of documents that are withdrawn; how many bytes of documents that was."""
    rows = connection.run_each(_BYTES_LEFT, slices(addresses))
    left = [row for row in rows if row[1] is not None and row[2] is not None]
    erase(connection, [row[0].hex() for row in left])
    return sum(len(row[2]) for row in left)


def erase_index(connection: Connection, facts: Mapping[bytes, Facts]) -> None:
    """Erase the index rows of these entities."""
    cells, links = index_keys(facts, connection.buckets)
    statements = [
        *connection.batches(_ERASE_CELL, by_partition(cells, 3)),
        *connection.batches(_ERASE_LINK, by_partition(links, 1)),
    ]
    connection.run_all(statements)


def _erase(connection: Connection, wanted: Sequence[bytes]) -> bool:
    """One attempt; whether nothing was left to be done."""
    left = {address: facts for address, (_, facts) in facts_at(connection, wanted).items() if facts is not None}
    for facts in _places(connection, left):
        unmark(connection, facts)
        erase_index(connection, facts)
    connection.run_each(_ERASE, [(address,) for address in left])
    return not left


def _places(connection: Connection, left: Mapping[bytes, Facts]) -> tuple[Mapping[bytes, Facts], Mapping[bytes, Facts]]:
    """By what to find the index rows of documents: by what their rows say, and by what they say themselves.

    These differ where a row was damaged after its index rows were written.
    """
    rows = connection.run_each(_DOCUMENTS, slices(list(left)))
    records = [try_read(address.hex(), document) for address, document in rows if document is not None]
    told = {bytes.fromhex(record.address): facts_of(record) for record in records if record is not None}
    return left, {address: facts for address, facts in told.items() if facts != left[address]}


def _discard(connection: Connection, wanted: Sequence[bytes]) -> bool:
    held = facts_at(connection, wanted)
    left = {address: facts for address, (is_withdrawn, facts) in held.items() if facts is not None and not is_withdrawn}
    # The documents first: index rows without one are passed over, a document without them would not be found.
    places = _places(connection, left)
    for facts in places:
        unmark(connection, facts)
    connection.run_each(_ERASE, [(address,) for address in left])
    for facts in places:
        erase_index(connection, facts)
    return not left


def _repeat(connection: Connection, attempt: Callable[[], bool]) -> None:
    """Until a read shows that nothing is left: a write may bear a later time than the deletion that follows it."""
    for number in range(_ATTEMPTS):
        if attempt():
            return
        if number:
            time.sleep(_NAP * 2**number * random.uniform(0.5, 1.0))
    reason = "what was erased still shows, since somebody's clock is ahead; set the clocks by NTP, then try again"
    raise Unavailable(f"Cassandra at {connection.settings.where()}: {reason}")


def _keep(connection: Connection, notices: Sequence[Notice]) -> None:
    """Set the notices where none is; one that somebody else has set meanwhile was the first."""
    pending = [
        (
            *(notice.case, notice.reason, notice.withdrawn_at, notice.id, notice.previous, notice_digest(notice)),
            bytes.fromhex(notice.address),
        )
        for notice in notices
    ]
    for attempt in range(_ATTEMPTS):
        results = connection.try_all(_KEEP, pending)
        unknown = [values for values, result in zip(pending, results, strict=True) if isinstance(result, Exception)]
        for result in results:
            if isinstance(result, Exception) and not isinstance(result, UNKNOWN):
                raise result
        pending = [values for values in unknown if not _is_kept(connection, values[-1])]
        if not pending:
            return
        time.sleep(_NAP * 2**attempt * random.uniform(0.5, 1.0))
    raise Unavailable(f"others withdraw the same at {connection.settings.where()}; try again")


def _is_kept(connection: Connection, address: bytes) -> bool:
    """Whether there is a notice, once everything under way is settled."""
    rows = connection.run(_IS_KEPT, address, serial=True)
    return bool(rows) and rows[0][0] is not None


def _completed(notice: Notice, facts: Facts | None) -> Notice:
    if facts is None:
        return notice
    return notice._replace(
        id=facts.id if notice.id is None else notice.id,
        previous=facts.previous if notice.previous is None else notice.previous,
    )
