"""Comparing index rows with documents, and erasing those that lead to nothing.

entities  in the order of tokens: the facts of each row against its document, its index rows, notices
cells     each row has its entity, which lies there; so do
links     and
notices   whose entities are withdrawn

A put that is under way has index rows without a document, so rows of the last moments are not judged.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterator, Sequence
from typing import Any, Final, NamedTuple

from stat7.address import Address, is_address
from stat7.errors import InvalidEntity, InvalidQuery
from stat7.record import notice_digest, try_read
from stat7.stores.base import Finding, Page
from stat7.stores.cassandra.reader import facts_at, facts_in, slices
from stat7.stores.cassandra.realms import Realms
from stat7.stores.cassandra.rows import (
    FACTS,
    NOTICE,
    Facts,
    by_partition,
    cell_key,
    facts_of,
    link_keys,
    notice_in,
)
from stat7.stores.cassandra.session import Connection, Rows
from stat7.stores.cassandra.walk import Walk

_ENTITIES: Final = Walk("entities", "entities", "address", (*FACTS, "document", *NOTICE, "writetime(document)"))
_NOTICES: Final = Walk("notices", "notices", "address", ("writetime(withdrawn)",))
_KEPT: Final = "SELECT address FROM $.notices WHERE address IN ?"
_CELLS_AT: Final = """
    SELECT realm, horizon, bucket, lineage, address, resonance, velocity, density, id FROM $.cells
    WHERE realm = ? AND horizon = ? AND bucket = ? AND (lineage, address) IN ?"""
_LINKS_AT: Final = """
    SELECT part, target, address, realm, horizon, lineage, resonance, velocity, density, id FROM $.links
    WHERE part = ? AND (target, address) IN ?"""
_TOGETHER: Final = 50
_PHASES: Final = ("entities", "cells", "links", "notices")
_CURSOR: Final = "check."


class Table(NamedTuple):
    """A table whose partitions have many rows."""

    name: str
    partition: tuple[str, ...]
    clustering: tuple[str, ...]
    columns: tuple[str, ...]

    def page(self, connection: Connection, after: Sequence[Any] | None, limit: int) -> Rows:
        """The next rows behind the whole key `after`: key, columns, time of writing in microseconds."""
        names = ", ".join((*self.partition, *self.clustering, *self.columns, "writetime(resonance)"))
        select = f"SELECT {names} FROM $.{self.name}"
        if after is None:
            return connection.run(f"{select} LIMIT ?", limit)
        size = len(self.partition)
        here = " AND ".join(f"{name} = ?" for name in self.partition)
        key, marks = ", ".join(self.clustering), ", ".join("?" * len(self.clustering))
        rows = connection.run(f"{select} WHERE {here} AND ({key}) > ({marks}) LIMIT ?", *after, limit)
        if len(rows) < limit:
            token, marks = ", ".join(self.partition), ", ".join("?" * size)
            text = f"{select} WHERE token({token}) > token({marks}) LIMIT ?"
            rows += connection.run(text, *after[:size], limit - len(rows))
        return rows


_REALS: Final = ("resonance", "velocity", "density")
_CELLS: Final = Table("cells", ("realm", "horizon", "bucket"), ("lineage", "address"), _REALS)
_LINKS: Final = Table("links", ("part",), ("target", "address"), ("realm", "horizon", "lineage", *_REALS))

Step = tuple[list[Finding], str | None]
"""What was found, and where the phase goes on (None: it is done)."""


def check(connection: Connection, realms: Realms, cursor: str | None, limit: int) -> Page[Finding]:
    """Judge the next `limit` rows or so."""
    phase, after = _progress_of(cursor)
    if phase == "entities":
        findings, last = _entities(connection, realms, after, limit)
    elif phase == "notices":
        findings, last = _notices(connection, after, limit)
    else:
        findings, last = _index_rows(connection, phase, after, limit)
    if last is not None:
        return Page(findings, f"{_CURSOR}{phase}.{last}")
    following = _PHASES.index(phase) + 1
    return Page(findings, f"{_CURSOR}{_PHASES[following]}." if following < len(_PHASES) else None)


def _entities(connection: Connection, realms: Realms, after: str, limit: int) -> Step:
    rows, is_last = _ENTITIES.page(connection, bytes.fromhex(after) if after else None, limit)
    young = _young(connection)
    findings: list[Finding] = []
    sound: dict[bytes, Facts] = {}
    withdrawn: list[bytes] = []
    for address, *rest in rows:
        count = len(FACTS)
        stored, document, notice, written = facts_in(rest[:count]), rest[count], rest[count + 1 : -1], rest[-1]
        if notice[2] is not None:
            withdrawn.append(address)
            left = (document is not None or stored.id is not None) and (written or 0) < young
            findings += _judge_notice(address.hex(), notice, left)
        elif document is None:
            if stored.id is not None:
                findings.append(Finding("document", address.hex(), "its document is lost"))
        elif (record := try_read(address.hex(), document)) is None:
            findings.append(Finding("document", address.hex(), "its bytes are no entity"))
        else:
            sound[address] = facts_of(record)
            findings += _judge_facts(address.hex(), stored, sound[address])
    kept = {row[0] for row in connection.run_each(_KEPT, slices(withdrawn))}
    detail = "its notice is missing in the table of notices; withdraw it again"
    findings += [Finding("index", address.hex(), detail) for address in withdrawn if address not in kept]
    findings += _missing(connection, realms, sound)
    return findings, None if is_last else rows[-1][0].hex()


def _judge_notice(address: Address, cells: Sequence[Any], left: bool) -> Iterator[Finding]:
    try:
        is_sound = notice_digest(notice_in(address, cells)) == cells[-1]
    except InvalidEntity:
        is_sound = False
    if not is_sound:
        yield Finding("notice", address, "its notice is damaged: it says something else than when it was kept")
    if left:
        yield Finding("document", address, "it was withdrawn, yet its document is stored; `stat7 gc --compact` erases")


def _judge_facts(address: Address, stored: Facts, proper: Facts) -> Iterator[Finding]:
    for name, here, there in zip(FACTS, stored, proper, strict=True):
        if here != there:
            yield Finding("index", address, f"{name} is not what its document says")


def _missing(connection: Connection, realms: Realms, facts: dict[bytes, Facts]) -> Iterator[Finding]:
    """The index rows that these entities lack."""
    cells: list[tuple[Any, ...]] = [
        (*cell_key(address, each, connection.buckets), *each[7:10]) for address, each in facts.items()
    ]
    links: list[tuple[Any, ...]] = [
        (*key, each.realm, each.horizon, each.lineage, *each[7:10])
        for address, each in facts.items()
        for key in link_keys(address, each)
    ]
    for name, wanted, text, size, place in (("cells", cells, _CELLS_AT, 3, 4), ("links", links, _LINKS_AT, 1, 2)):
        asked: list[tuple[Any, ...]] = []
        for group in by_partition(wanted, size):
            for at in range(0, len(group), _TOGETHER):
                part = group[at : at + _TOGETHER]
                asked.append((*part[0][:size], [tuple(row[size : size + 2]) for row in part]))
        # A row that no find has marked has no id.
        rows = connection.run_each(text, asked)
        there = {row[:-1] for row in rows if row[-1] in (None, facts[row[place]].id)}
        for address in {row[place] for row in wanted if tuple(row) not in there}:
            yield Finding("index", address.hex(), f"its row in {name} is missing or wrong")
    known = realms.asked_for(sorted({each.realm for each in facts.values()}))
    for address, each in facts.items():
        if each.realm not in known:
            yield Finding("index", address.hex(), "its realm is not among those that finds ask for")


def erase_loose(connection: Connection, limit: int) -> None:
    """Erase index rows that lead to nothing, as puts that were cut off leave them; reads all of them."""
    for table in (_CELLS, _LINKS):
        where = " AND ".join(f"{name} = ?" for name in (*table.partition, *table.clustering))
        # By the time at which the row was written: what a put writes in this moment stays.
        text, after = f"DELETE FROM $.{table.name} USING TIMESTAMP ? WHERE {where}", None
        while True:
            loose, after = _loose(connection, table, after, limit)
            connection.run_each(text, [(each.written, *each.key) for each in loose])
            if after is None:
                break


class _Loose(NamedTuple):
    """The key of an index row that leads to nothing, when it was written (microseconds since 1970), and why."""

    key: tuple[Any, ...]
    written: int
    reason: str


def _loose(
    connection: Connection, table: Table, after: Sequence[Any] | None, limit: int
) -> tuple[list[_Loose], tuple[Any, ...] | None]:
    """Those of the next rows, and the key of the last one (None: there are no more)."""
    rows = table.page(connection, after, limit)
    place = len(table.partition) + len(table.clustering)
    young = _young(connection)
    held = facts_at(connection, list(dict.fromkeys(row[place - 1] for row in rows)))
    loose = []
    for row in rows:
        key, written = tuple(row[:place]), row[-1] or 0
        is_withdrawn, facts = held.get(key[-1], (False, None))
        keys: Collection[Any] = ()
        if facts is not None and not is_withdrawn and None not in facts[4:7]:
            is_cell = table is _CELLS
            keys = (cell_key(key[-1], facts, connection.buckets),) if is_cell else link_keys(key[-1], facts)
        if key not in keys and written < young:
            is_stored = facts is not None and not is_withdrawn
            loose.append(_Loose(key, written, "its document says otherwise" if is_stored else "none is stored"))
    return loose, tuple(rows[-1][:place]) if len(rows) == limit else None


def _index_rows(connection: Connection, phase: str, after: str, limit: int) -> Step:
    table, read = (_CELLS, _cell_position) if phase == "cells" else (_LINKS, _link_position)
    loose, last = _loose(connection, table, read(after) if after else None, limit)
    findings = [
        Finding("index", each.key[-1].hex(), f"a row in {phase} leads to this entity, but {each.reason}")
        for each in loose
    ]
    if last is None:
        return findings, None
    return findings, ":".join(each.hex() if isinstance(each, bytes) else str(each) for each in last)


def _notices(connection: Connection, after: str, limit: int) -> Step:
    rows, is_last = _NOTICES.page(connection, bytes.fromhex(after) if after else None, limit)
    young = _young(connection)
    held = facts_at(connection, [row[0] for row in rows])
    detail = "it is listed as withdrawn, but has no notice; withdraw it again"
    findings = [
        Finding("notice", address.hex(), detail)
        for address, written in rows
        if not held.get(address, (False, None))[0] and written < young
    ]
    return findings, None if is_last else rows[-1][0].hex()


def _young(connection: Connection) -> int:
    """Rows written after this moment, in microseconds since 1970, may belong to a call that isn't done."""
    return int((time.time() - 3 * connection.settings.timeout) * 1e6)


def _progress_of(cursor: str | None) -> tuple[str, str]:
    """The phase and where it goes on; InvalidQuery for a cursor that `check` never made."""
    if cursor is None:
        return _PHASES[0], ""
    phase, _, after = cursor.removeprefix(_CURSOR).partition(".")
    if cursor.startswith(_CURSOR) and phase in _PHASES:
        reads: dict[str, Callable[[str], Any]] = {"cells": _cell_position, "links": _link_position}
        try:
            if not after or reads.get(phase, _address)(after):
                return phase, after
        except ValueError:
            pass
    raise InvalidQuery("cursor", "is not one that a check returned; drop it to begin anew")


def _address(text: str) -> bytes:
    if not is_address(text):
        raise ValueError(text)
    return bytes.fromhex(text)


def _cell_position(text: str) -> tuple[Any, ...]:
    realm, horizon, bucket, lineage, address = text.split(":")
    numbers = int(horizon), int(bucket), int(lineage)
    if not realm or not (0 <= numbers[0] < 128 and 0 <= numbers[1] < 128 and 0 <= numbers[2] < 2**63):
        raise ValueError(text)
    return realm, *numbers, _address(address)


def _link_position(text: str) -> tuple[Any, ...]:
    part, target, address = text.split(":")
    if not 0 <= int(part) < 2**15:
        raise ValueError(text)
    return int(part), bytes.fromhex(target), _address(address)
