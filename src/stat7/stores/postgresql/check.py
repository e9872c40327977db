"""Comparing what is indexed with the documents; nothing is changed.

entities  in address order: the columns of each row against its document, bare rows against notices
notices   what is withdrawn has its notice, as it was kept, and a bare row, so that the address stays taken
indexes   all are there and valid
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Final

import psycopg
from psycopg import Connection

from stat7.address import Address, is_address
from stat7.errors import InvalidEntity, InvalidQuery
from stat7.record import Notice, Record, notice_digest, try_read
from stat7.stores.base import Finding, Page
from stat7.stores.postgresql.errors import UNREADABLE
from stat7.stores.postgresql.reader import addresses_after, fetch, read_apart, read_notices
from stat7.stores.postgresql.rows import COLUMNS, distinct_files, link_keys
from stat7.stores.postgresql.schema import missing_indexes

_ROWS: Final = f"SELECT {', '.join(COLUMNS)} FROM entities WHERE address > %s ORDER BY address LIMIT %s"
_ROWS_AT: Final = f"SELECT {', '.join(COLUMNS)} FROM entities WHERE address = ANY(%s)"
_NOTICES: Final = """
    SELECT n.address, n."case", n.reason, n.withdrawn_at, n.id, n.previous, n.digest,
    e.address IS NULL, e.document IS NOT NULL FROM notices AS n
    LEFT JOIN entities AS e ON e.address = n.address WHERE n.address > %s ORDER BY n.address LIMIT %s"""
_CURSOR: Final = "check."
_PHASES: Final = ("entities", "notices", "indexes")
_COMPARED: Final = COLUMNS[1:-1]

Step = tuple[list[Finding], Address | None]
"""What was found, and the address at which the phase goes on (None: it is done)."""


def check(connection: Connection, schema: str, cursor: str | None, limit: int) -> Page[Finding]:
    """Judge the next `limit` rows or so."""
    phase, after = _progress_of(cursor)
    if phase == "indexes":
        return Page(list(_indexes(connection, schema)), None)
    judge: Callable[[Connection, bytes, int], Step] = _entities if phase == "entities" else _notices
    findings, last = judge(connection, bytes.fromhex(after), limit)
    following = f"{phase}.{last}" if last else _PHASES[_PHASES.index(phase) + 1] + "."
    return Page(findings, _CURSOR + following)


def _entities(connection: Connection, after: bytes, limit: int) -> Step:
    unreadable: dict[Address, str] = {}
    try:
        rows = fetch(connection, _ROWS, after, limit)
        addresses = [row[0].hex() for row in rows]
    except psycopg.Error as error:
        if error.sqlstate not in UNREADABLE:
            raise
        addresses = addresses_after(connection, after, limit)
        rows, unreadable = read_apart(connection, _ROWS_AT, addresses)
    bare = [row[0].hex() for row in rows if row[-1] is None]
    kept = read_notices(connection, bare) if bare else {}
    findings = [finding for row in rows for finding in _judge(row, row[0].hex(), kept.keys())]
    findings += [Finding("document", address, f"it can't be read: {said}") for address, said in unreadable.items()]
    return findings, addresses[-1] if len(addresses) == limit else None


def _judge(row: tuple[Any, ...], address: Address, withdrawn: Any) -> Iterator[Finding]:
    stored = dict(zip(_COMPARED, row[1:-1], strict=True))
    if row[-1] is None:
        if address not in withdrawn:
            yield Finding("document", address, "its document is lost, and no notice says that it was withdrawn")
        if any(value is not None for value in stored.values()):
            yield Finding("index", address, "it has no document, yet coordinates of it are left")
    else:
        record = try_read(address, row[-1])
        if record is None:
            yield Finding("document", address, "its bytes are no entity")
        else:
            for name, value in _facts(record).items():
                if stored[name] != value:
                    yield Finding("index", address, f"{name} is not what its document says")


def _facts(record: Record) -> dict[str, Any]:
    """The columns that a record should have."""
    facts = {name: getattr(record, name) for name in _COMPARED if name not in ("files", "links")}
    facts["adjacency"] = record.adjacency or None
    facts["files"] = [bytes.fromhex(name) for name in distinct_files(record)] or None
    facts["links"] = link_keys(record) or None
    return facts


def _notices(connection: Connection, after: bytes, limit: int) -> Step:
    rows = fetch(connection, _NOTICES, after, limit)
    findings = []
    for raw, *kept, digest, free, stored in rows:
        if not _is_sound(Notice(raw.hex(), *kept), digest):
            detail = "its notice is damaged: it says something else than when it was kept"
            findings.append(Finding("notice", raw.hex(), detail))
        if free:
            detail = "its notice doesn't keep the address taken; withdraw it again"
            findings.append(Finding("index", raw.hex(), detail))
        elif stored:
            findings.append(Finding("document", raw.hex(), "it was withdrawn, yet its document is stored"))
    return findings, rows[-1][0].hex() if len(rows) == limit else None


def _is_sound(notice: Notice, digest: bytes) -> bool:
    try:
        return notice_digest(notice) == digest
    except InvalidEntity:
        return False


def _indexes(connection: Connection, schema: str) -> Iterator[Finding]:
    for name in missing_indexes(connection, schema):
        yield Finding("index", name, "the index is missing or not valid; `stat7 gc --compact` builds it anew")


def _progress_of(cursor: str | None) -> tuple[str, str]:
    """The phase and the last address judged in it; InvalidQuery for a cursor that `check` never made."""
    if cursor is None:
        return _PHASES[0], ""
    phase, _, after = cursor.removeprefix(_CURSOR).partition(".")
    if not cursor.startswith(_CURSOR) or phase not in _PHASES or not (after == "" or is_address(after)):
        raise InvalidQuery("cursor", "is not one that a check returned; drop it to begin anew")
    return phase, after
