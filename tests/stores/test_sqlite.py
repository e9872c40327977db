"""SQLiteStore passes the published suites on real files, and keeps its own promises about damage and many readers."""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import apsw
import pytest

from stat7.address import Address
from stat7.errors import ConfigError, Corrupt, InvalidQuery, Unavailable
from stat7.query import Query
from stat7.stores.base import HeadMove, Store
from stat7.stores.sqlite import SQLiteStore
from stat7.stores.sqlite import store as store_module
from stat7.testing import EntityStoreSuite, HeadStoreSuite
from stat7.testing.samples import attached, forge, notice, random_records, sample, samples
from stat7.testing.store_suite import check_all, find_all, scan_all


class TestSQLiteStore(EntityStoreSuite, HeadStoreSuite):
    """The conformance suites, looking below the store with apsw itself."""

    def make_store(self, tmp_path: Path) -> Store:
        return SQLiteStore(tmp_path / "store.db")

    def reopen(self, store: Store) -> Store:
        store.close()
        return SQLiteStore(_path(store))

    def raw_document(self, store: Store, address: Address) -> bytes | None:
        statement = "SELECT document FROM documents WHERE address = ?"
        with closing(apsw.Connection(_path(store))) as raw:
            for (document,) in raw.execute(statement, (bytes.fromhex(address),)):
                assert isinstance(document, bytes)
                return document
        return None

    def damage(self, store: Store, address: Address, data: bytes) -> None:
        with closing(apsw.Connection(_path(store))) as raw:
            raw.execute("UPDATE documents SET document = ? WHERE address = ?", (data, bytes.fromhex(address)))

    def damage_index(self, store: Store, address: Address) -> None:
        row = "(SELECT seq FROM documents WHERE address = ?)"
        with closing(apsw.Connection(_path(store))) as raw:
            raw.execute(
                f"DELETE FROM links WHERE segment = -1 AND key IN (SELECT key FROM coordinates WHERE seq = {row})",
                (bytes.fromhex(address),),
            )
            raw.execute(
                f"UPDATE coordinates SET realm = 'other', lineage = NULL WHERE seq = {row}", (bytes.fromhex(address),)
            )


def _path(store: Store) -> str:
    assert isinstance(store, SQLiteStore)
    return store.path


@pytest.fixture
def store(tmp_path: Path) -> SQLiteStore:
    return SQLiteStore(tmp_path / "store.db")


def test_addresses_that_are_no_hex_are_unknown(store: SQLiteStore) -> None:
    store.put(samples(3))
    known = samples(1)[0].address
    for nonsense in ("", "x", "zz" * 32, "\ud800", "💥", known[:63], known.upper()):
        assert store.get([nonsense]) == {}
        assert store.get([nonsense, known]).keys() == {known}
        assert store.has([nonsense, known]) == {known}
        assert store.named_files([nonsense]) == set()


@pytest.mark.parametrize("limit", [0, -1])
def test_a_page_holds_at_least_one(store: SQLiteStore, limit: int) -> None:
    calls: list[Callable[[], object]] = [
        lambda: store.find(Query(), None, limit),
        lambda: store.scan(None, limit),
        lambda: store.scan_heads(None, limit),
        lambda: store.check(None, limit),
    ]
    for call in calls:
        with pytest.raises(InvalidQuery, match="limit"):
            call()


@pytest.mark.parametrize("options", [{"sync": "off"}, {"busy_timeout": -1.0}, {"busy_timeout": float("nan")}])
def test_options_that_make_no_sense_are_refused(tmp_path: Path, options: dict[str, object]) -> None:
    with pytest.raises(ConfigError):
        SQLiteStore(tmp_path / "store.db", **options)  # type: ignore[arg-type]
    assert list(tmp_path.iterdir()) == []


def test_durability_is_stated(tmp_path: Path) -> None:
    for sync, durable in (("full", True), ("normal", False)):
        with SQLiteStore(tmp_path / f"{sync}.db", sync=sync) as store:
            assert store.capabilities.durable is durable


def test_it_closes_as_a_context_manager(tmp_path: Path) -> None:
    with SQLiteStore(tmp_path / "store.db") as store:
        store.put(samples(1))
    with pytest.raises(Unavailable, match="closed"):
        store.count()


def test_no_log_is_left_behind_by_the_last_to_close(tmp_path: Path) -> None:
    with SQLiteStore(tmp_path / "store.db") as store:
        store.put(samples(10))
        assert len(scan_all(store)) == 10
    assert [path.name for path in tmp_path.iterdir()] == ["store.db"]


def test_a_reader_that_cant_be_opened_is_an_error_of_ours(store: SQLiteStore, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(path: str, seconds: float) -> apsw.Connection:
        raise apsw.CantOpenError("unable to open database file")

    store.put(samples(1))
    monkeypatch.setattr(store_module, "open_reader", refuse)
    with pytest.raises(ConfigError, match="permissions"):
        store.get([samples(1)[0].address])
    with pytest.raises(ConfigError, match="permissions"):
        store.count()


def test_idle_connections_are_bounded(store: SQLiteStore) -> None:
    store.put(samples(10))
    barrier = threading.Barrier(40)

    def hold(connection: apsw.Connection) -> None:
        barrier.wait(timeout=60)

    threads = [threading.Thread(target=lambda: store._read(hold)) for _ in range(40)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(store._readers._idle) == 16
    assert store.count() == 10


def test_a_store_may_be_closed_while_others_read(store: SQLiteStore) -> None:
    store.put(samples(200))
    closed: list[bool] = []

    def read() -> None:
        try:
            while True:
                assert len(store.scan(None, 200).items) == 200
        except Unavailable:
            closed.append(True)

    threads = [threading.Thread(target=read) for _ in range(4)]
    for thread in threads:
        thread.start()
    store.close()
    for thread in threads:
        thread.join(timeout=30)
    assert closed == [True] * 4
    assert store._readers._idle == []


def test_withdrawn_bytes_are_gone_from_the_files_after_compact(store: SQLiteStore) -> None:
    secret = sample("secret", state={"word": "xyzzy-plugh-" * 30}, adjacency=["hush-hush-hush"])
    store.put([*samples(300), secret])
    store.put(samples(300, "later"))
    assert any(b"xyzzy-plugh" in data for data in _raw_files(store))
    store.withdraw([notice(secret.address)._replace(id="kept")])
    store.compact()
    for data in _raw_files(store):
        assert b"xyzzy-plugh" not in data
        assert b"hush-hush" not in data
        assert secret.document[:40] not in data
    assert store.count() == 600


def test_discarded_bytes_are_gone_from_the_files_after_compact_too(store: SQLiteStore) -> None:
    records = [sample(f"{number}", state={"text": f"mark{number:04}" * 50}) for number in range(200)]
    store.put(records)
    store.discard([record.address for record in records[::2]])
    before = store.disk_bytes()
    assert before is not None
    freed = store.compact()
    assert freed > 0
    assert store.disk_bytes() == before - freed
    everything = b"".join(_raw_files(store))
    assert [number for number in range(200) if f"mark{number:04}".encode() in everything] == list(range(1, 200, 2))


def test_compact_says_when_a_reader_keeps_the_old_bytes(tmp_path: Path) -> None:
    store = SQLiteStore(tmp_path / "store.db", busy_timeout=0.2)
    record = sample(state={"word": "xyzzy-plugh"})
    store.put([record])
    with closing(apsw.Connection(store.path)) as other:
        other.execute("BEGIN")
        assert other.execute("SELECT count(*) FROM documents").fetchall() == [(1,)]
        store.withdraw([notice(record.address)])
        with pytest.raises(Unavailable, match="compact again"):
            store.compact()
        other.execute("COMMIT")
        store.compact()
    assert all(b"xyzzy-plugh" not in data for data in _raw_files(store))


def _raw_files(store: SQLiteStore) -> list[bytes]:
    names = (store.path, f"{store.path}-wal", f"{store.path}-shm")
    return [path.read_bytes() for path in map(Path, names) if path.exists()]


# --- damage below the documents


def _flip_document_pages(store: SQLiteStore, record_text: bytes) -> None:
    """Overwrite the page that holds a document by garbage, in the file itself."""
    path = Path(store.path)
    data = bytearray(path.read_bytes())
    at = data.index(record_text) // 8192 * 8192
    data[at : at + 8192] = b"\xa5" * 8192
    path.write_bytes(data)


def test_a_page_of_garbage_is_never_a_traceback_of_the_engine(tmp_path: Path) -> None:
    records = [sample(f"{number}", state={"text": f"mark{number:04}" * 90}) for number in range(60)]
    with SQLiteStore(tmp_path / "store.db") as store:
        store.put(records, [HeadMove(record.id, None, record.address) for record in records])
    _flip_document_pages(store, b"mark0030" * 90)
    with SQLiteStore(tmp_path / "store.db") as store:
        lost = []
        for record in records:
            try:
                got = store.get([record.address])
            except Corrupt as error:
                lost.append(error.address)
            else:
                assert got == {record.address: record.document}
        assert records[30].address in lost
        assert len(lost) < 30
        with pytest.raises(Corrupt) as caught:
            store.get([record.address for record in records])
        assert caught.value.address in lost
        scanned = dict(scan_all(store))
        assert {record.address for record in records} - set(lost) <= scanned.keys()
        assert not any(scanned.get(address) for address in lost)
        kinds = {finding.kind for finding in check_all(store)}
        assert "database" in kinds
        with pytest.raises(Corrupt):
            find_all(store, Query())
        with pytest.raises(Corrupt):
            store.replace([records[30]])
        assert len(store.heads([record.id for record in records])) == 60


def test_an_overflowing_document_that_cant_be_read_leaves_the_others_alone(tmp_path: Path) -> None:
    big = sample("big", state={"text": "mark" * 20_000})
    records = [*samples(30), big, *samples(30, "more")]
    with SQLiteStore(tmp_path / "store.db") as store:
        store.put(records)
        row = _fetch(store, "SELECT rootpage FROM sqlite_schema WHERE name = 'documents'")
        assert row
    # The chain of overflow pages is cut: each begins with the number of the next.
    path = tmp_path / "store.db"
    data = bytearray(path.read_bytes())
    page = data.index(b"mark" * 1000, data.index(b"mark" * 1000) + 8192) // 8192 * 8192
    data[page : page + 4] = b"\xff\xff\xff\xf0"
    path.write_bytes(data)
    with SQLiteStore(path) as store:
        with pytest.raises(Corrupt, match=big.address):
            store.get([big.address])
        scanned = dict(scan_all(store, 7))
        assert scanned == {record.address: record.document for record in records} | {big.address: b""}
        assert big.address in {finding.subject for finding in check_all(store) if finding.kind == "document"}


def _fetch(store: SQLiteStore, statement: str) -> list[tuple[object, ...]]:
    with closing(apsw.Connection(store.path)) as raw:
        return list(raw.execute(statement))


# --- keys


def test_free_keys_are_found_below_the_highest(store: SQLiteStore) -> None:
    records = [forge(sample(f"{number}"), b"\xff" * 31 + bytes([number])) for number in range(6)]
    for record in records:
        store.put([record])
    keys = [key for (key,) in _fetch(store, "SELECT key FROM coordinates ORDER BY key DESC")]
    assert keys == [2**63 - 1 - number for number in range(6)]
    assert len(find_all(store, Query(), 2)) == 6


def test_keys_of_withdrawn_and_discarded_documents_are_used_again(store: SQLiteStore) -> None:
    first, second, third = (forge(sample(f"{number}"), b"\x11" * 31 + bytes([number])) for number in range(3))
    store.put([first, second])
    store.discard([first.address])
    store.withdraw([notice(second.address)])
    store.put([third])
    store.put([first])
    assert store.has([first.address, second.address, third.address]) == {first.address, third.address}
    assert len(_fetch(store, "SELECT key FROM coordinates")) == 2 + 1
    assert check_all(store) == []


def test_rows_are_inserted_into_the_segment_of_their_number(store: SQLiteStore) -> None:
    first, *others = random_records(3, 4)
    store.put([first])
    with closing(apsw.Connection(store.path)) as raw:
        raw.execute("UPDATE documents SET seq = 65535")
        raw.execute("UPDATE coordinates SET seq = 65535")
    store.put(others)
    assert sorted(_fetch(store, "SELECT seq, segment FROM coordinates WHERE seq > 65535")) == [
        (65536, 1), (65537, 1), (65538, 1),
    ]  # fmt: skip


def test_finds_reach_through_segments(store: SQLiteStore) -> None:
    """Three segments, with a neighbour, a file and coordinates in each."""
    facts = {"realm": "void", "lineage": 7, "adjacency": ["n"], "files": [attached("a" * 64)]}
    kept = []
    for segment in range(3):
        records = [sample(f"{segment} {number}", **facts) for number in range(5)]
        store.put(records)
        kept += records
        with closing(apsw.Connection(store.path)) as raw:
            raw.execute("INSERT INTO documents VALUES(?, x'00', '', x'00')", (segment * 65536 + 65535,))
    found = sorted((record.address, record.id) for record in kept)
    with closing(apsw.Connection(store.path)) as raw:
        raw.execute("DELETE FROM documents WHERE address = x'00' AND seq < 100000")
    for query in (Query(adjacent_to="n"), Query(file="a" * 64), Query(realm="void", lineage=7), Query()):
        for size in (1, 4, 100):
            assert sorted(find_all(store, query, size)) == found
