"""Check finds what is wrong below the store, whichever table it is in, and says whose it is."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import pytest

from stat7.errors import InvalidQuery
from stat7.record import Record
from stat7.stores.base import Finding
from stat7.stores.cassandra import CassandraStore, check, put
from stat7.testing.samples import FILES, attached, notice, random_records, sample
from stat7.testing.servers import Cassandra
from stat7.testing.store_suite import check_all
from tests.stores.cassandra import below, empty_store

OLD = int((time.time() - 3600) * 1e6)


@pytest.fixture
def store(cassandra: Cassandra) -> Iterator[CassandraStore]:
    with empty_store(cassandra) as opened:
        yield opened


@pytest.fixture
def record(store: CassandraStore) -> Record:
    """A stored entity that is linked, among others."""
    record = sample("thing", adjacency=["n"], files=[attached(FILES[0])], realm="void", lineage=3)
    store.put([record, *random_records(1, 20)])
    assert check_all(store) == []
    return record


def _one(store: CassandraStore, record: Record) -> list[Finding]:
    found = check_all(store)
    assert {finding.subject for finding in found} == {record.address}
    return found


@pytest.mark.parametrize(
    "change",
    [
        "realm = 'other'", "horizon = 4", "lineage = 4", "resonance = 1", "density = null", "links = null",
        "links = 0x00", "entity_type = 'x'", "created_at = 5", "previous = 'x'", "id = 'y'",
    ],
)  # fmt: skip
def test_each_fact_of_a_row_is_compared_with_its_document_and_mended(
    store: CassandraStore, record: Record, change: str
) -> None:
    raw = bytes.fromhex(record.address)
    below(store).run(f"UPDATE $.entities SET {change} WHERE address = ?", raw)
    assert change.partition(" ")[0] in " ".join(finding.detail for finding in _one(store, record))
    store.replace([record])
    assert check_all(store) == []


def test_missing_links_and_realms_are_found_and_mended(store: CassandraStore, record: Record) -> None:
    raw = below(store)
    for part, target, address in raw.run("SELECT part, target, address FROM $.links"):
        if address.hex() == record.address:
            raw.run("DELETE FROM $.links WHERE part = ? AND target = ? AND address = ?", part, target, address)
    assert {finding.detail for finding in _one(store, record)} == {"its row in links is missing or wrong"}
    raw.run("DELETE FROM $.names WHERE kind = 'realm' AND name = 'void'")
    with CassandraStore(store.settings) as fresh:
        assert any("its realm" in finding.detail for finding in _one(fresh, record))
        fresh.replace([record])
        assert check_all(fresh) == []


def test_index_rows_that_lead_nowhere_are_found_once_they_are_old(
    store: CassandraStore, record: Record, monkeypatch: pytest.MonkeyPatch
) -> None:
    orphan = sample("orphan", adjacency=["n"], realm="void")
    raw = below(store)
    put._write(raw, store._realms, [orphan])
    raw.run("DELETE FROM $.entities WHERE address = ?", bytes.fromhex(orphan.address))
    assert check_all(store) == []
    monkeypatch.setattr(check, "_young", lambda connection: int(time.time() * 1e6) + 10**6)
    assert sorted(finding.detail.partition(" leads")[0] for finding in _one(store, orphan)) == [
        "a row in cells",
        "a row in links",
    ]
    store.compact()
    assert check_all(store) == []
    store.put([orphan])
    assert check_all(store) == []


def test_compact_spares_the_index_rows_that_a_put_writes_meanwhile(
    store: CassandraStore, record: Record, monkeypatch: pytest.MonkeyPatch
) -> None:
    orphan = sample("orphan", adjacency=["n"], realm="void")
    put._write(below(store), store._realms, [orphan])
    below(store).run("DELETE FROM $.entities WHERE address = ?", bytes.fromhex(orphan.address))
    monkeypatch.setattr(check, "_young", lambda connection: int(time.time() * 1e6) + 10**6)
    real = check._loose

    def and_then_put(*given: Any) -> Any:
        found = real(*given)
        if found[0]:
            store.put([orphan])
        return found

    monkeypatch.setattr(check, "_loose", and_then_put)
    store.compact()
    monkeypatch.setattr(check, "_loose", real)
    assert check_all(store) == []


def test_a_lost_document_and_damaged_notices_are_found(store: CassandraStore, record: Record) -> None:
    raw, address = below(store), bytes.fromhex(record.address)
    raw.run("DELETE document FROM $.entities WHERE address = ?", address)
    assert "lost" in _one(store, record)[0].detail
    store.replace([record])
    store.withdraw([notice(record.address)])
    raw.run("UPDATE $.entities SET reason = 'another' WHERE address = ?", address)
    assert "damaged" in _one(store, record)[0].detail
    raw.run("DELETE noticed_id, reason FROM $.entities WHERE address = ?", address)
    assert "damaged" in _one(store, record)[0].detail


def test_notices_and_their_table_are_compared(store: CassandraStore, record: Record) -> None:
    raw, address = below(store), bytes.fromhex(record.address)
    store.withdraw([notice(record.address)])
    raw.run("DELETE FROM $.notices WHERE address = ?", address)
    assert "table of notices" in _one(store, record)[0].detail
    raw.run(f"INSERT INTO $.notices(address, withdrawn) VALUES (?, true) USING TIMESTAMP {OLD}", b"\x01" * 32)
    raw.run("INSERT INTO $.notices(address, withdrawn) VALUES (?, true)", address)
    found = check_all(store)
    # The deletion above is younger than a row written with an old time only where they are the same row.
    assert [finding.subject for finding in found] == ["01" * 32]
    assert store.scan_notices(None, 10).items == [notice(record.address, id=record.id)]


def test_a_withdrawn_document_that_is_still_stored_is_found(store: CassandraStore, record: Record) -> None:
    store.withdraw([notice("a" * 64)])
    text = f"UPDATE $.entities USING TIMESTAMP {OLD} SET document = ? WHERE address = ?"
    below(store).run(text, b"left", bytes.fromhex("a" * 64))
    found = check_all(store)
    assert [(finding.kind, finding.subject) for finding in found] == [("document", "a" * 64)]
    assert store.compact() == 4
    below(store).run("UPDATE $.entities SET document = ? WHERE address = ?", b"just now", bytes.fromhex("a" * 64))
    assert check_all(store) == []


@pytest.mark.parametrize(
    "cursor",
    [
        "check.", "check.x.", "check.cells.a:1:2:3", "check.cells.a:1:2:3:zz", "check.cells.a:999:2:3:" + "0" * 64,
        "check.links.1:zz:" + "0" * 64, "check.links.99999:00:" + "0" * 64, "check.links.x:00:" + "0" * 64,
        "check.entities.zz", "check.notices.00", "check.cells.:1:2:3:" + "0" * 64,
    ],
)  # fmt: skip
def test_cursors_that_no_check_made_are_refused(store: CassandraStore, cursor: str) -> None:
    with pytest.raises(InvalidQuery):
        store.check(cursor, 5)


def test_pages_of_any_size_judge_every_row_once(store: CassandraStore, record: Record) -> None:
    raw = below(store)
    raw.run("UPDATE $.entities SET links = null WHERE address = ?", bytes.fromhex(record.address))
    for size in (1, 3, 1000):
        found, cursor = [], None
        while True:
            page = store.check(cursor, size)
            found += page.items
            cursor = page.cursor
            if cursor is None:
                break
        details = sorted(finding.detail for finding in found if "links is not" in finding.detail)
        assert len(details) == 1, size
