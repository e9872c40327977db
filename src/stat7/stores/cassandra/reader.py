"""Reading documents and notices: by address, by walking over everything, and counting."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import Any, Final

from stat7.address import Address
from stat7.record import Notice
from stat7.stores.base import Page
from stat7.stores.cassandra.rows import FACTS, NOTICE, Facts, file_key, keys_in, known_addresses, notice_in, parts_of
from stat7.stores.cassandra.session import Connection
from stat7.stores.cassandra.walk import FIRST_TOKEN, TOKENS, Walk, token_of

TOGETHER: Final = 25
"""Addresses that one statement asks for: more of them load one node with the work of all."""

_HELD: Final = ", ".join(("document", *NOTICE))
GET_ONE: Final = f"SELECT {_HELD} FROM $.entities WHERE address = ?"
GET: Final = f"SELECT address, {_HELD} FROM $.entities WHERE address IN ?"
STATES: Final = "SELECT address, id, withdrawn_at FROM $.entities WHERE address IN ?"
_FACTS_AT: Final = f"SELECT address, withdrawn_at, {', '.join(FACTS)} FROM $.entities WHERE address IN ?"

SCAN: Final = Walk("scan", "entities", "address", ("document", *NOTICE))
NOTICES: Final = Walk("notices", "notices", "address", ())
_IDS: Final = Walk("count", "entities", "address", ("id",))
_COUNT: Final = "SELECT count(id) FROM $.entities WHERE token(address) > ? AND token(address) <= ?"
_COUNTED_AT_ONCE: Final = 20_000
_FEW: Final = 2000

_FIRST_DOCUMENTS: Final = 100
_PAGE_BYTES: Final = 4 << 20

_NAMING: Final = "SELECT target, address FROM $.links WHERE part = ? AND target IN ? LIMIT ?"
_NAMING_ONE: Final = "SELECT target, address FROM $.links WHERE part = ? AND target = ? AND address > ? LIMIT ?"
_NAMING_ROWS: Final = 1000


def get(connection: Connection, addresses: Sequence[Address]) -> dict[Address, bytes | Notice]:
    """The documents and notices of those addresses that are known."""
    wanted = known_addresses(addresses)
    if len(wanted) == 1:
        rows = [(wanted[0], *row) for row in connection.run(GET_ONE, wanted[0])]
    else:
        rows = connection.run_each(GET, slices(wanted))
    held = ((row[0].hex(), row) for row in rows)
    return {address: found for address, row in held if (found := _held(address, row)) is not None}


def has(connection: Connection, addresses: Sequence[Address]) -> set[Address]:
    """Those of the addresses that have a document."""
    return {address for address, is_withdrawn in states(connection, addresses).items() if not is_withdrawn}


def states(connection: Connection, addresses: Sequence[Address]) -> dict[Address, bool]:
    """Those of the addresses that are known, and whether they are withdrawn."""
    rows = connection.run_each(STATES, slices(known_addresses(addresses)))
    return {row[0].hex(): row[2] is not None for row in rows if row[1] is not None or row[2] is not None}


def facts_at(connection: Connection, addresses: Sequence[bytes]) -> dict[bytes, tuple[bool, Facts | None]]:
    """For each address that is known: whether it is withdrawn, and what its row says of a document, if it has one."""
    rows = connection.run_each(_FACTS_AT, slices(addresses))
    return {row[0]: (row[1] is not None, None if row[2] is None else facts_in(row[2:])) for row in rows}


def facts_in(columns: Sequence[Any]) -> Facts:
    """The facts in a row's columns FACTS."""
    return Facts._make((*columns[:-1], columns[-1] or b""))


def slices(wanted: Sequence[bytes]) -> list[tuple[list[bytes]]]:
    """The addresses in lists of TOGETHER, each as the one value of a statement."""
    return [(list(wanted[at : at + TOGETHER]),) for at in range(0, len(wanted), TOGETHER)]


def scan(connection: Connection, cursor: str | None, limit: int) -> Page[tuple[Address, bytes | Notice]]:
    """Documents and notices, in the order of tokens."""
    after = SCAN.position(cursor)
    items: list[tuple[Address, bytes | Notice]] = []
    size = min(limit, _FIRST_DOCUMENTS)
    while True:
        rows, is_last = SCAN.page(connection, after, size)
        for row in rows:
            held = _held(row[0].hex(), row)
            if held is not None:
                items.append((row[0].hex(), held))
        if rows:
            after = rows[-1][0]
        if is_last or after is None:
            return Page(items, None)
        if len(items) >= limit:
            return Page(items, SCAN.cursor(after))
        # Documents may have any size up to the limit; what comes in one answer must fit into memory on both sides.
        mean = sum(len(row[1] or b"") for row in rows) // max(len(rows), 1) + 200
        size = min(limit - len(items), max(_PAGE_BYTES // mean, _FIRST_DOCUMENTS // 6))


def scan_notices(connection: Connection, cursor: str | None, limit: int) -> Page[Notice]:
    """The notices, in the order of tokens."""
    rows, is_last = NOTICES.page(connection, NOTICES.position(cursor), limit)
    addresses = [row[0].hex() for row in rows]
    held = get(connection, addresses)
    found = [notice for address in addresses if isinstance(notice := held.get(address), Notice)]
    return Page(found, None if is_last else NOTICES.cursor(rows[-1][0]))


def count(connection: Connection) -> int:
    """Documents stored: every row is looked at by its node, in parts of the ring that take about a second."""
    rows, is_last = _IDS.page(connection, None, _FEW)
    if is_last:
        return sum(1 for row in rows if row[1] is not None)
    pieces = max(2, estimated_rows(rows) // _COUNTED_AT_ONCE)
    edges = [FIRST_TOKEN + TOKENS * number // pieces for number in range(pieces)] + [FIRST_TOKEN + TOKENS - 1]
    ranges = [(edges[number], edges[number + 1]) for number in range(pieces)]
    return sum(row[0] for row in connection.run_each(_COUNT, ranges))


def estimated_rows(rows: Sequence[tuple[Any, ...]]) -> int:
    """How many rows a table has whose first ones, in the order of tokens, are these: tokens are uniform."""
    span = token_of(rows[-1][0]) - FIRST_TOKEN if rows else TOKENS
    return len(rows) * TOKENS // max(span, 1)


def named_files(connection: Connection, sha256s: Sequence[Address]) -> set[Address]:
    """Those of the files that a stored document names."""
    names = {file_key(raw.hex()): raw.hex() for raw in known_addresses(sha256s)}
    named: set[bytes] = set()
    by_part: dict[int, list[bytes]] = defaultdict(list)
    for key in names:
        by_part[parts_of(key)[0]].append(key)
    asked = [(part, keys, _NAMING_ROWS) for part, keys in by_part.items()]
    prepared = connection.prepare(_NAMING)
    answers = connection.run_all(prepared.bind(values) for values in asked)
    named |= _still_naming(connection, [row for rows in answers for row in rows])
    for (part, keys, _), rows in zip(asked, answers, strict=True):
        if len(rows) == _NAMING_ROWS:
            # One of them is named so often that the answer was cut off: each is asked for by itself.
            named |= {key for key in keys if key not in named and _is_named(connection, part, key)}
    return {names[key] for key in named}


def _is_named(connection: Connection, part: int, key: bytes) -> bool:
    after = b""
    while rows := connection.run(_NAMING_ONE, part, key, after, _NAMING_ROWS):
        if _still_naming(connection, rows):
            return True
        after = rows[-1][1]
    return False


def _still_naming(connection: Connection, rows: Sequence[tuple[Any, ...]]) -> set[bytes]:
    """The targets among these links whose entities are stored and name them."""
    found = facts_at(connection, list(dict.fromkeys(row[1] for row in rows)))
    named = set()
    for target, address in rows:
        if target not in named:
            is_withdrawn, facts = found.get(address, (True, None))
            if not is_withdrawn and facts is not None and target in keys_in(facts.links):
                named.add(target)
    return named


def _held(address: Address, row: Sequence[Any]) -> bytes | Notice | None:
    """The document or notice in a row of address, document and NOTICE; a notice counts whatever the document is."""
    if row[4] is not None:
        return notice_in(address, row[2:])
    document: bytes | None = row[1]
    return document
