"""Putting documents.

In this order: what is there already (read at QUORUM), the index rows of what is new, the documents, a second look,
the heads. Whatever stops it leaves at most index rows without a document, which `find` passes over. The second look
finds a notice that came meanwhile: a withdrawal writes its notice before it looks for a document, a put its document
before it looks for a notice, so at least one of them sees the other and erases. It also finds a write that the cluster
answers for and does not show, which happens where the clocks of clients differ: a deletion "in the future".
"""

from __future__ import annotations

import random
import time
from collections.abc import Iterable, Sequence
from typing import Final

from stat7.address import Address
from stat7.errors import Unavailable
from stat7.record import Record
from stat7.stores.base import HeadMove, Outcome
from stat7.stores.cassandra.claims import Claims
from stat7.stores.cassandra.erase import erase, erase_index
from stat7.stores.cassandra.heads import move_heads
from stat7.stores.cassandra.marks import unmark
from stat7.stores.cassandra.reader import facts_at, states
from stat7.stores.cassandra.realms import Realms
from stat7.stores.cassandra.rows import FACTS, by_partition, cell_key, facts_of, known_addresses, link_keys
from stat7.stores.cassandra.session import Connection

_SET: Final = ", ".join(f"{name} = ?" for name in (*FACTS, "document"))
STORE: Final = f"UPDATE $.entities SET {_SET} WHERE address = ?"
CELL: Final = """INSERT INTO $.cells(realm, horizon, bucket, lineage, address, resonance, velocity, density)
    VALUES (?, ?, ?, ?, ?, ?, ?, ?)"""
LINK: Final = """INSERT INTO $.links(part, target, address, realm, horizon, lineage, resonance, velocity, density)
    VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)"""
_ATTEMPTS: Final = 6
_NAP: Final = 0.05


def put(
    connection: Connection, claims: Claims, realms: Realms, records: Sequence[Record], moves: Sequence[HeadMove]
) -> tuple[list[Outcome], list[bool]]:
    """Store what is missing, then try the moves."""
    distinct = {record.address: record for record in reversed(records)}
    targets = [move.new for move in moves if move.new is not None]
    with claims.of(distinct):
        known = states(connection, [*distinct, *targets])
        fresh = [record for address, record in distinct.items() if address not in known]
        withdrawn = {address for address, is_withdrawn in known.items() if is_withdrawn}
        withdrawn |= write(connection, realms, fresh)
    new = {record.address for record in fresh}
    outcomes = []
    for record in records:
        if record.address in withdrawn:
            outcomes.append(Outcome.WITHDRAWN)
        elif record.address in new:
            new.discard(record.address)
            outcomes.append(Outcome.NEW)
        else:
            outcomes.append(Outcome.EXISTED)
    return outcomes, move_heads(connection, moves, withdrawn)


def replace(connection: Connection, claims: Claims, realms: Realms, records: Sequence[Record]) -> None:
    """Write records over what is stored under their addresses, damaged or not; withdrawn ones stay withdrawn."""
    wanted = {record.address: record for record in records}
    with claims.of(wanted):
        held = facts_at(connection, known_addresses(wanted))
        sound, stale = [], {}
        for address, record in wanted.items():
            raw = bytes.fromhex(address)
            is_withdrawn, facts = held.get(raw, (False, None))
            if not is_withdrawn:
                sound.append(record)
                if facts is not None and facts != facts_of(record):
                    stale[raw] = facts
        erase_index(connection, stale)
        # What a mark says may be damaged too; the rows that are written next can be marked again.
        unmark(connection, {bytes.fromhex(record.address): facts_of(record) for record in sound}, ahead=0)
        write(connection, realms, sound)


def write(connection: Connection, realms: Realms, records: Sequence[Record]) -> set[Address]:
    """Write these records with their index rows; the addresses that turn out to be withdrawn, which leave nothing."""
    withdrawn: set[Address] = set()
    missing = list(records)
    for attempt in range(_ATTEMPTS):
        if not missing:
            return withdrawn
        if attempt:
            time.sleep(_NAP * 2**attempt * random.uniform(0.5, 1.0))
        _write(connection, realms, missing)
        seen = states(connection, [record.address for record in missing])
        late = [record.address for record in missing if seen.get(record.address)]
        if late:
            erase(connection, late)
            withdrawn.update(late)
        missing = [record for record in missing if record.address not in seen]
    reason = "what was written doesn't show, since somebody's clock is ahead; set the clocks by NTP, then try again"
    raise Unavailable(f"Cassandra at {connection.settings.where()}: {reason}")


def _write(connection: Connection, realms: Realms, records: Iterable[Record]) -> None:
    cells, links, documents = [], [], []
    for record in records:
        address, facts = bytes.fromhex(record.address), facts_of(record)
        reals = (record.resonance, record.velocity, record.density)
        cells.append((*cell_key(address, facts, connection.buckets), *reals))
        place = (record.realm, record.horizon, record.lineage, *reals)
        links += [(*key, *place) for key in link_keys(address, facts)]
        documents.append((*facts, record.document, address))
    realms.add({row[0] for row in cells})
    statements = [
        *connection.batches(CELL, by_partition(cells, 3)),
        *connection.batches(LINK, by_partition(links, 1)),
    ]
    connection.run_all(statements)
    connection.run_each(STORE, documents)
