"""Documents that PostgreSQL itself refuses to read stop nothing else: they are found, never returned, and mended."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from stat7.errors import Corrupt
from stat7.files.memory import MemoryFiles
from stat7.operations.verify import verify
from stat7.record import Record
from stat7.repository import Repository
from stat7.stores.base import Finding, HeadMove, Outcome
from stat7.stores.memory import MemoryStore
from stat7.stores.postgresql import PostgreSQLStore
from stat7.stores.replicated import ReplicatedStore
from stat7.testing.samples import notice, sample, samples
from stat7.testing.store_suite import check_all, put_all, scan_all
from tests.stores.postgresql import Opening, below

STORY = "the keeper of the gate counts the carts that pass, "
LONG = [sample(f"long/{number}", state={"story": STORY * 400}) for number in range(5)]
"""Long enough to be kept in pieces apart from their rows."""
BROKEN = LONG[1:4]
RECORDS = [*samples(60), *LONG]


def _break(store: PostgreSQLStore, records: Sequence[Record]) -> None:
    """Take away the second piece of these documents, which leaves the server at a loss."""
    with below(store) as raw:
        found = raw.execute(
            "SELECT reltoastrelid, reltoastrelid::regclass::text FROM pg_class WHERE oid = 'entities'::regclass"
        ).fetchone()
        assert found is not None
        oid, pieces = found
        # Nobody may change a table of this kind, so it is one of another for a moment.
        raw.execute("UPDATE pg_class SET relkind = 'r' WHERE oid = %s", (oid,))
        for record in records:
            taken = raw.execute(
                f"""DELETE FROM {pieces} WHERE chunk_seq = 1 AND chunk_id IN
                (SELECT chunk_id FROM {pieces} WHERE position(%s IN chunk_data) > 0)""".encode(),
                (record.id.encode(),),
            )
            assert taken.rowcount == 1
        raw.execute("UPDATE pg_class SET relkind = 't' WHERE oid = %s", (oid,))
        # Reading pieces takes no heed of who has deleted them.
        raw.execute("VACUUM entities")


@pytest.fixture
def store(open_postgresql: Opening) -> PostgreSQLStore:
    """Three of its documents can't be read."""
    store = open_postgresql()
    put_all(store, RECORDS)
    store.swap_heads([HeadMove(record.id, None, record.address) for record in RECORDS])
    _break(store, BROKEN)
    return store


@pytest.fixture
def replica() -> MemoryStore:
    """Another store, which has everything."""
    store = MemoryStore()
    put_all(store, RECORDS)
    return store


def _sound(records: Sequence[Record] = RECORDS) -> dict[str, bytes]:
    return {record.address: record.document for record in records}


def test_a_scan_gives_everything_else_in_pages_of_any_size(store: PostgreSQLStore) -> None:
    expected = _sound() | {record.address: b"" for record in BROKEN}
    for limit in (1, 7, 65, 1000):
        assert scan_all(store, limit) == sorted(expected.items())


def test_each_is_a_finding_of_check_in_pages_of_any_size(store: PostgreSQLStore) -> None:
    for limit in (1, 7, 65, 1000):
        findings: list[Finding] = []
        cursor = None
        while True:
            page = store.check(cursor, limit)
            findings += page.items
            cursor = page.cursor
            if cursor is None:
                break
        assert {(kind, subject) for kind, subject, _ in findings} == {("document", each.address) for each in BROKEN}
        assert len(findings) == len(BROKEN)
        assert all("PostgreSQL says" in finding.detail for finding in findings)


def test_a_get_is_corrupt_by_its_address_alone_or_among_others(store: PostgreSQLStore) -> None:
    victim = BROKEN[0].address
    for wanted in ([victim], [victim, victim], [LONG[0].address, victim], [each.address for each in RECORDS]):
        with pytest.raises(Corrupt, match="PostgreSQL says") as caught:
            store.get(wanted)
        assert caught.value.address in {each.address for each in BROKEN}
    others = [record for record in RECORDS if record not in BROKEN]
    assert store.get([record.address for record in others]) == _sound(others)
    assert store.has([record.address for record in RECORDS]) == {record.address for record in RECORDS}


def test_verify_finds_each_once_and_changes_nothing(store: PostgreSQLStore) -> None:
    found: list[tuple[str, str]] = []
    result = verify(
        Repository(store, MemoryFiles()), on_finding=lambda each, repaired: found.append((each.kind, each.subject))
    )
    assert sorted(found) == sorted(("document", record.address) for record in BROKEN)
    assert (result.entities, result.heads, result.ok) == (len(RECORDS), len(RECORDS), False)


def test_verify_repairs_each_from_a_replica(store: PostgreSQLStore, replica: MemoryStore) -> None:
    result = verify(Repository(store, MemoryFiles()), repair_from=Repository(replica, MemoryFiles()))
    assert (result.repaired, result.findings) == (len(BROKEN), 0)
    assert check_all(store) == []
    assert dict(scan_all(store, 100)) == _sound()


def test_a_read_repairs_it_from_a_replica(store: PostgreSQLStore, replica: MemoryStore) -> None:
    above = ReplicatedStore(store, lambda: replica)
    wanted = [record.address for record in RECORDS]
    assert above.get(wanted) == _sound()
    assert above.repaired == len(BROKEN)
    assert store.get(wanted) == _sound()
    assert check_all(store) == []


def test_withdrawing_it_erases_it_and_keeps_its_notice(store: PostgreSQLStore) -> None:
    store.withdraw([notice(record.address) for record in LONG])
    held = store.get([record.address for record in LONG])
    assert held == {record.address: notice(record.address, id=record.id) for record in LONG}
    assert check_all(store) == []
    assert store.count() == len(RECORDS) - len(LONG)


def test_discarding_it_lets_it_be_put_again(store: PostgreSQLStore) -> None:
    store.discard([record.address for record in BROKEN])
    assert store.count() == len(RECORDS) - len(BROKEN)
    assert store.put(BROKEN)[0] == [Outcome.NEW] * len(BROKEN)
    assert check_all(store) == []


def test_putting_it_again_changes_nothing_and_compact_says_what_is_wrong(store: PostgreSQLStore) -> None:
    assert store.put(BROKEN)[0] == [Outcome.EXISTED] * len(BROKEN)
    assert store.put(BROKEN[:1])[0] == [Outcome.EXISTED]
    with pytest.raises(Corrupt):
        store.compact()
    store.replace(BROKEN)
    store.compact()
    assert check_all(store) == []
