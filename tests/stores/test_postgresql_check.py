"""Damage is found where it is: in a document, a column, a notice or an index; and replace mends it."""

from __future__ import annotations

from collections.abc import Callable

import psycopg
import pytest

from stat7.address import digest
from stat7.errors import Corrupt
from stat7.files.memory import MemoryFiles
from stat7.repository import Repository
from stat7.stores.base import Outcome
from stat7.stores.postgresql import PostgreSQLStore, Settings
from stat7.stores.postgresql.schema import INDEX_STATEMENTS
from stat7.testing.samples import attached, notice, random_records, sample, samples
from stat7.testing.servers import PostgreSQL
from stat7.testing.store_suite import check_all, put_all
from tests.stores.postgresql import Opening, below


def _findings(store: PostgreSQLStore) -> set[tuple[str, str]]:
    return {(finding.kind, finding.subject) for finding in check_all(store)}


RECORD = sample("one", adjacency=["n", "m"], files=[attached("a" * 64)], realm="void", lineage=3)


@pytest.fixture
def store(open_postgresql: Opening) -> PostgreSQLStore:
    store = open_postgresql()
    put_all(store, [RECORD, *random_records(4, 130)])
    return store


def _change(store: PostgreSQLStore, change: bytes) -> None:
    with below(store) as raw:
        raw.execute(change, (bytes.fromhex(RECORD.address),))


@pytest.mark.parametrize(
    "change",
    [
        b"realm = 'data'", b"realm = NULL", b"horizon = 4", b"lineage = 4", b"resonance = 1", b"velocity = 1",
        b"density = 1", b"created_at = 1", b"entity_type = 'other'", b"id = 'two'", b"adjacency = '{n}'",
        b"adjacency = NULL", b"files = NULL", b"links = '{1}'", b"links = NULL",
    ],
)  # fmt: skip
def test_every_column_is_compared_with_the_document_and_mended(store: PostgreSQLStore, change: bytes) -> None:
    assert check_all(store) == []
    _change(store, b"UPDATE entities SET " + change + b" WHERE address = %s")
    assert _findings(store) == {("index", RECORD.address)}
    store.replace([RECORD])
    assert check_all(store) == []


def test_a_flipped_bit_is_detected_by_get_never_returned_and_repaired(store: PostgreSQLStore) -> None:
    _change(
        store, b"UPDATE entities SET document = set_bit(document, 77, 1 - get_bit(document, 77)) WHERE address = %s"
    )
    repository = Repository(store, MemoryFiles())
    for read in (repository.get, repository.get_document, lambda each: repository.get_documents([each])):
        with pytest.raises(Corrupt, match=RECORD.address):
            read(RECORD.address)
    store.replace([RECORD])
    assert repository.get_document(RECORD.address) == RECORD.document


def test_a_lost_document_is_found_and_mended(store: PostgreSQLStore) -> None:
    _change(store, b"UPDATE entities SET document = NULL WHERE address = %s")
    assert _findings(store) == {("document", RECORD.address), ("index", RECORD.address)}
    assert store.get([RECORD.address]) == {RECORD.address: b""}
    store.replace([RECORD])
    assert check_all(store) == []
    assert store.get([RECORD.address]) == {RECORD.address: RECORD.document}


def test_a_document_under_a_notice_and_a_notice_without_its_row_are_found(store: PostgreSQLStore) -> None:
    other = samples(1)[0]
    store.withdraw([notice(RECORD.address), notice(other.address)])
    assert check_all(store) == []
    _change(store, b"DELETE FROM entities WHERE address = %s")
    with below(store) as raw:
        raw.execute(
            "UPDATE entities SET document = %s WHERE address = %s", (other.document, bytes.fromhex(other.address))
        )
    assert ("index", RECORD.address) in _findings(store)
    assert ("document", other.address) in _findings(store)
    store.withdraw([notice(RECORD.address), notice(other.address)])
    assert check_all(store) == []


def test_the_server_itself_refuses_what_is_no_address(store: PostgreSQLStore) -> None:
    with below(store) as raw, pytest.raises(psycopg.errors.CheckViolation):
        raw.execute("INSERT INTO entities(address) VALUES('\\x0102')")


def test_missing_indexes_are_found_and_built_by_compact(store: PostgreSQLStore) -> None:
    with below(store) as raw:
        raw.execute("DROP INDEX cov; DROP INDEX links")
        for table in ("entities", "heads", "notices", "marks"):
            raw.execute(f"ALTER TABLE {table} DROP CONSTRAINT {table}_pkey".encode())
    assert _findings(store) == {("index", name) for name in INDEX_STATEMENTS}
    assert "--compact" in {check.name: check for check in store.diagnose()}["indexes"].text
    store.compact()
    assert check_all(store) == []
    assert store.put([sample("new"), RECORD])[0] == [Outcome.NEW, Outcome.EXISTED]
    store.set_mark("a", "b")


def test_an_index_that_was_left_invalid_is_found_and_built_by_compact(store: PostgreSQLStore) -> None:
    with below(store) as raw:
        raw.execute(
            "UPDATE pg_index SET indisvalid = false WHERE indexrelid IN ('cov'::regclass, 'marks_pkey'::regclass)"
        )
    assert _findings(store) == {("index", "cov"), ("index", "marks_pkey")}
    store.compact()
    assert check_all(store) == []


@pytest.mark.parametrize(
    "damage",
    ["\"case\" = 'x'", "reason = 'x'", "withdrawn_at = '2020-01-01T00:00:00Z'", "id = 'x'", "id = NULL",
     "previous = NULL", "digest = '\\x00'"],
)  # fmt: skip
def test_a_notice_that_says_something_else_than_when_it_was_kept_is_found(
    open_postgresql: Opening, damage: str
) -> None:
    store = open_postgresql()
    store.withdraw([notice(RECORD.address, id=RECORD.id, previous="b" * 64)])
    assert check_all(store) == []
    with below(store) as raw:
        raw.execute(f"UPDATE notices SET {damage}".encode())
    assert _findings(store) == {("notice", RECORD.address)}


def test_a_long_document_that_a_bad_disk_changed_is_detected_and_everything_goes_on(
    start_server: Callable[[PostgreSQL], PostgreSQL],
) -> None:
    server = start_server(PostgreSQL())
    url = server.create_database()
    long = sample("long", state={"story": "the keeper of the gate counts the carts that pass " * 1_500})
    with PostgreSQLStore(Settings(url)) as store:
        store.put([RECORD, long])
        with below(store) as raw:
            found = raw.execute(
                "SELECT pg_relation_filepath(reltoastrelid) FROM pg_class WHERE oid = 'entities'::regclass"
            ).fetchone()
            # Nothing is left in the log that recovery could write over what the disk did.
            raw.execute("CHECKPOINT")
    assert found is not None
    server.kill()
    path = next(server.folder.rglob(f"*/{found[0].removeprefix('base/')}"))
    data = path.read_bytes()
    path.write_bytes(data.replace(b"counts the carts", b"counts the carps", 1))
    assert path.read_bytes() != data
    server.start()
    with PostgreSQLStore(Settings(url)) as store:
        repository = Repository(store, MemoryFiles())
        with pytest.raises(Corrupt, match=long.address):
            repository.get_document(long.address)
        assert store.get([RECORD.address, long.address])[RECORD.address] == RECORD.document
        assert _sound_addresses(store) == {RECORD.address}
        store.replace([long])
        assert repository.get_document(long.address) == long.document
        store.withdraw([notice(long.address)])
        assert check_all(store) == []


def _sound_addresses(store: PostgreSQLStore) -> set[str]:
    """What a scan gives that hashes to its address."""
    items = store.scan(None, 100).items
    return {address for address, held in items if isinstance(held, bytes) and digest(held) == address}
