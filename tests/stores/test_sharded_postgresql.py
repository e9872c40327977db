"""ShardedStore over three schemas of a real PostgreSQL, whose CHECKs refuse every row that is on the wrong shard."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pytest

from stat7.address import Address
from stat7.errors import ConfigError
from stat7.files.base import FileStore
from stat7.files.memory import MemoryFiles
from stat7.query import Query
from stat7.stores.base import HeadMove, Outcome, Store
from stat7.stores.postgresql import PostgreSQLStore, Settings
from stat7.stores.sharded import ShardedStore
from stat7.testing import EntityStoreSuite, HeadStoreSuite, RepositorySuite
from stat7.testing.samples import notice, random_records, samples
from stat7.testing.store_suite import find_all, put_all
from tests.stores.sharding import (
    ids_at,
    make_postgresql_set,
    open_postgresql_set,
    records_at,
    schemas,
    shard_at,
)

SHARDS = 3


def _made(url: str, folder: Path) -> ShardedStore:
    prefix = f"s{hashlib.sha256(str(folder).encode()).hexdigest()[:16]}"
    return make_postgresql_set(schemas(url, prefix, SHARDS))


def _below(store: Store, address: Address) -> psycopg.Connection:
    assert isinstance(store, ShardedStore)
    settings = shard_at(store, store.shard_map.shard_of(address)).settings
    return psycopg.connect(settings.conninfo(), autocommit=True)


class TestShardsOnPostgreSQL(EntityStoreSuite, HeadStoreSuite):
    """The conformance suites, looking below the store with psycopg itself."""

    examples = 8

    @pytest.fixture(autouse=True)
    def _database(self, postgres_url: str) -> None:
        self.url = postgres_url

    def make_store(self, tmp_path: Path) -> Store:
        return _made(self.url, tmp_path)

    def reopen(self, store: Store) -> Store:
        assert isinstance(store, ShardedStore)
        places = [shard_at(store, number).settings for number in range(SHARDS)]
        store.close()
        return open_postgresql_set(places, store.shard_map)

    def raw_document(self, store: Store, address: Address) -> bytes | None:
        with _below(store, address) as raw:
            rows = raw.execute("SELECT document FROM entities WHERE address = %s", (bytes.fromhex(address),)).fetchall()
        return rows[0][0] if rows else None

    def damage(self, store: Store, address: Address, data: bytes) -> None:
        with _below(store, address) as raw:
            raw.execute("UPDATE entities SET document = %s WHERE address = %s", (data, bytes.fromhex(address)))

    def damage_index(self, store: Store, address: Address) -> None:
        with _below(store, address) as raw:
            raw.execute(
                "UPDATE entities SET realm = 'other', lineage = NULL, links = NULL WHERE address = %s",
                (bytes.fromhex(address),),
            )


class TestRepositoryOnShardsOfPostgreSQL(RepositorySuite):
    """What sharded servers and a store of files must do together."""

    @pytest.fixture(autouse=True)
    def _database(self, postgres_url: str) -> None:
        self.url = postgres_url

    def make_stores(self, tmp_path: Path) -> tuple[Store, FileStore]:
        return _made(self.url, tmp_path), MemoryFiles()

    def damage(self, store: Store, address: Address, data: bytes = b"damaged") -> None:
        with _below(store, address) as raw:
            raw.execute("UPDATE entities SET document = %s WHERE address = %s", (data, bytes.fromhex(address)))

    def damage_file(self, files: FileStore, sha256: str, data: bytes) -> None:
        assert isinstance(files, MemoryFiles)
        held = files._files[sha256]
        held.data, held.table = data, None


@pytest.fixture
def store(postgres_url: str, tmp_path: Path) -> Iterator[ShardedStore]:
    """A set of three schemas."""
    made = _made(postgres_url, tmp_path)
    yield made
    made.close()


def test_a_row_forced_onto_the_wrong_shard_is_refused_by_the_server(store: ShardedStore) -> None:
    record = next(records_at(store.shard_map, 0))
    head = next(ids_at(store.shard_map, 0))
    raw_address = bytes.fromhex(record.address)
    store.put([record])
    with psycopg.connect(shard_at(store, 1).settings.conninfo(), autocommit=True) as raw:
        with pytest.raises(psycopg.errors.CheckViolation):
            raw.execute("INSERT INTO entities(address, document) VALUES(%s, %s)", (raw_address, record.document))
        with pytest.raises(psycopg.errors.CheckViolation):
            raw.execute("INSERT INTO heads VALUES(%s, %s)", (head, raw_address))
        assert raw.execute("SELECT count(*) FROM entities").fetchone() == (0,)


def test_a_client_of_one_shard_alone_can_read_it_and_write_only_what_belongs_there(store: ShardedStore) -> None:
    own, foreign = next(records_at(store.shard_map, 1, head=1)), list(samples(40))
    store.put([own])
    with PostgreSQLStore(shard_at(store, 1).settings) as alone:
        assert alone.get([own.address]) == {own.address: own.document}
        assert alone.put([own], [HeadMove(own.id, None, own.address)]) == ([Outcome.EXISTED], [True])
        elsewhere = next(records_at(store.shard_map, 2))
        id = next(ids_at(store.shard_map, 0))
        writes: list[Callable[[], object]] = [
            lambda: alone.put([elsewhere]), lambda: alone.put(foreign[:4]), lambda: alone.put(foreign),
            lambda: alone.swap_heads([HeadMove(id, None, own.address)]),
            lambda: alone.swap_heads([HeadMove(id, None, own.address), HeadMove(own.id, None, None)]),
            lambda: alone.put([own], [HeadMove(id, None, own.address)]),
            lambda: alone.replace([elsewhere]), lambda: alone.withdraw([notice(elsewhere.address)]),
        ]  # fmt: skip
        for write in writes:
            with pytest.raises(ConfigError, match=r"is one shard of several.*shard map.*shards:FILE"):
                write()
        assert alone.count() == 1


def test_a_server_holds_each_shard_to_its_range_and_doctor_sees_if_not(store: ShardedStore) -> None:
    checks = store.diagnose()
    assert [check.status for check in checks] == ["ok"] * 4, checks
    assert [shard_at(store, number).is_restricted() for number in range(SHARDS)] == [True] * SHARDS
    with psycopg.connect(shard_at(store, 2).settings.conninfo(), autocommit=True) as raw:
        raw.execute("ALTER TABLE heads DROP CONSTRAINT heads_range")
    assert [check.status for check in store.diagnose()] == ["ok", "ok", "ok", "fail"]


def test_a_store_that_is_no_shard_is_not_restricted_and_one_with_data_is_left_so(postgres_url: str) -> None:
    with PostgreSQLStore(Settings(postgres_url)) as plain:
        assert not plain.is_restricted()
        plain.put(samples(3))
        with pytest.raises(ConfigError, match="holds data already"):
            plain.restrict(None, "8" * 64)
        plain.put(samples(20))
        assert plain.count() == 20
        assert not plain.is_restricted()


def test_plans_and_finds_are_those_of_the_engine(store: ShardedStore) -> None:
    records = random_records(77, 200)
    put_all(store, records)
    plan = store.explain(Query(adjacent_to="a"))
    assert (plan.method, plan.indexed) == ("links", True)
    expected = sorted((record.address, record.id) for record in records if "a" in record.adjacency)
    assert find_all(store, Query(adjacent_to="a"), 7) == expected


def test_a_single_head_is_swapped_only_from_what_is_expected(postgres_url: str) -> None:
    one, two, three = (digit * 64 for digit in "123")
    with PostgreSQLStore(Settings(postgres_url)) as plain:
        for expected, new, made in ((two, one, False), (None, one, True), (None, two, False), (one, two, True)):
            assert plain.swap_heads([HeadMove("thing", expected, new)]) == [made]
        assert plain.swap_heads([HeadMove("thing", one, three)]) == [False]
        assert plain.heads(["thing"]) == {"thing": two}
