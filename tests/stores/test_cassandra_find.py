"""Which way a find takes, what it costs, and that every way gives the same."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import replace

import pytest

from stat7.errors import InvalidQuery, Unsupported
from stat7.files.memory import MemoryFiles
from stat7.query import Query
from stat7.repository import Repository
from stat7.stores.base import Match
from stat7.stores.cassandra import CassandraStore, find, planner
from stat7.stores.cassandra.rows import file_key, keys_in, neighbour_key, part_of, parts_of
from stat7.testing.samples import FILES, attached, notice, random_queries, random_records, sample
from stat7.testing.servers import Cassandra
from stat7.testing.store_suite import find_all, walk
from tests.stores.cassandra import below, empty_store, settings_for


@pytest.fixture
def store(cassandra: Cassandra) -> Iterator[CassandraStore]:
    with empty_store(cassandra) as opened:
        yield opened


def test_links_of_a_target_lie_in_few_partitions_in_the_order_of_addresses() -> None:
    chance = random.Random(1)
    for target in (neighbour_key("a"), neighbour_key("b"), file_key(FILES[0])):
        addresses = sorted(chance.randbytes(32) for _ in range(100))
        parts = [part_of(target, address) for address in addresses]
        assert parts == sorted(parts)
        assert set(parts) == set(parts_of(target))
        assert 0 <= parts[0] <= parts[-1] < 512
    assert list(keys_in(neighbour_key("a") + file_key(FILES[0]))) == [neighbour_key("a"), file_key(FILES[0])]


def test_the_way_is_chosen_by_what_the_query_says(store: CassandraStore) -> None:
    store.put(random_records(1, 60))
    ways = {
        "links": [Query(adjacent_to="n"), Query(file=FILES[0]), Query(adjacent_to="n", realm="data")],
        "cells": [Query(realm="data"), Query(horizon="peak"), Query(realm="data", velocity="0..0.1")],
    }
    for method, queries in ways.items():
        for query in queries:
            plan = store.explain(query)
            assert (plan.method, plan.indexed) == (method, True), query
    scans = [Query(), Query(velocity="0..0.1"), Query(entity_type="badge"), Query(lineage=3)]
    for query in scans:
        assert not store.explain(query).indexed, query
    assert "no realm" in store.explain(Query(velocity="0..0.1")).detail
    assert store.explain(Query(lineage=3)).method == "cells"
    assert store.explain(Query(resonance="0.000000011")).method == "nothing"


def test_a_find_that_reads_everything_is_refused_unless_it_is_allowed(store: CassandraStore) -> None:
    repo = Repository(store, MemoryFiles())
    repo.put(sample(velocity=0.5))
    with pytest.raises(Unsupported, match="--allow-scan"):
        list(repo.find(Query(velocity="0.4..")))
    assert len(list(repo.find(Query(velocity="0.4.."), allow_scan=True))) == 1
    assert len(list(repo.find(Query(velocity="0.4..", realm="data")))) == 1


def test_many_realms_are_scanned_and_give_the_same(store: CassandraStore, monkeypatch: pytest.MonkeyPatch) -> None:
    records = random_records(3, 80)
    store.put(records)
    monkeypatch.setattr(find, "MOST_CELLS", 1)
    monkeypatch.setattr(find.cells_of, "__defaults__", (1,))
    monkeypatch.setattr(find, "_MOST_REQUESTS", 32)
    monkeypatch.setattr(find, "_ROWS", 10)
    for query in (Query(realm="data,event,void"), *random_queries(4, 8, records)):
        for size in (3, 100):
            expected = sorted(Match(r.address, r.id) for r in records if query.matches(r))
            assert sorted(find_all(store, query, size)) == expected
    plan = store.explain(Query(realm="data,event,void"))
    assert (plan.method, plan.indexed) == ("scan", False)


def test_a_call_makes_a_bounded_number_of_requests(store: CassandraStore, monkeypatch: pytest.MonkeyPatch) -> None:
    records = [sample(f"{number}", adjacency=["n"], velocity=number / 1000, lineage=number % 3) for number in range(60)]
    store.put(records)
    monkeypatch.setattr(find, "_MOST_REQUESTS", 4)
    monkeypatch.setattr(find, "_ROWS", 5)
    for query in (Query(realm="data", velocity="0.03.."), Query(adjacent_to="n", velocity="0.03..")):
        expected = sorted(Match(r.address, r.id) for r in records if query.matches(r))
        for size in (2, 9):
            assert sorted(find_all(store, query, size)) == expected


def test_a_walk_goes_on_as_it_began_when_realms_come(store: CassandraStore) -> None:
    store.put([sample(f"{number}", lineage=1) for number in range(20)])
    query = Query(lineage="1..2")
    page = store.find(query, None, 5)
    store.put([sample(f"late {number}", realm=f"realm{number}", lineage=2) for number in range(220)])
    assert store.explain(query).method == "scan"
    found = [*page.items, *find_all(store, query, 50, page.cursor)]
    assert len(found) == len(set(found))
    assert {f"{number}" for number in range(20)} <= {match.id for match in found}


@pytest.mark.parametrize(
    "position",
    [
        "c:data:9:0:0:-", "c:data:0:99:0:-", "c:data:0:0:x:-", "c:DATA:0:0:0:-", "c:data:0:0:0:zz", "l:zz", "s:zz",
        "c:data:0:0:٣:-", "c:data:0:0:0", f"l:{'0' * 63}", "s:", "c:",
    ],
)  # fmt: skip
def test_positions_that_no_find_made_are_refused(store: CassandraStore, position: str) -> None:
    for query in (Query(), Query(realm="data"), Query(adjacent_to="n")):
        with pytest.raises(InvalidQuery):
            store.find(query, query.cursor(position), 3)


def test_stale_index_rows_give_no_wrong_match(store: CassandraStore) -> None:
    record = sample("thing", adjacency=["n"], files=[attached(FILES[0])], lineage=1)
    store.put([record])
    raw = below(store)
    for table, key in (("cells", "realm"), ("links", "part")):
        names = [row[0] for row in raw.run(_COLUMNS, raw.settings.keyspace, table)]
        row = dict(zip(names, raw.run(f"SELECT {', '.join(names)} FROM $.{table}")[0], strict=True))
        row[key] = "void" if key == "realm" else row[key]
        row["resonance"] = 99_999_999
        text = f"INSERT INTO $.{table}({', '.join(names)}) VALUES ({', '.join('?' * len(names))})"
        raw.run(text, *row.values())
    raw.run("INSERT INTO $.names(kind, name, value) VALUES ('realm', 'void', '')")
    for query in (Query(realm="void"), Query(realm="data", resonance="0.9..")):
        assert find_all(store, query) == []
    assert len(find_all(store, Query(realm="data"))) == 1


_COLUMNS = "SELECT column_name FROM system_schema.columns WHERE keyspace_name = ? AND table_name = ?"


def test_a_large_store_is_estimated_from_a_sample_that_is_kept(
    store: CassandraStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    records = [sample(f"{n}", realm="void" if n % 4 else "data", adjacency=["hot"]) for n in range(600)]
    store.put(records)
    monkeypatch.setattr(planner, "_SIZE", 200)
    monkeypatch.setattr(planner, "_COUNTED", 60)
    plan = store.explain(Query(realm="void"))
    assert 300 <= plan.matches <= 650
    assert plan.rows < plan.matches
    assert 400 <= store.explain(Query(adjacent_to="hot")).matches <= 900
    assert 300 <= store.explain(Query(adjacent_to="hot", realm="void")).matches <= 700
    store.withdraw([notice(record.address) for record in records[:50]])
    assert store.explain(Query(realm="void")) == plan


def test_a_store_keeps_the_buckets_that_it_was_made_with(cassandra: Cassandra) -> None:
    records = random_records(5, 60)
    settings = settings_for(cassandra, cassandra.keyspace(), buckets=64)
    with CassandraStore(settings) as made:
        made.put(records)
    with CassandraStore(replace(settings, buckets=1)) as store:
        assert store._connection.buckets == 64
        for query in random_queries(6, 8, records):
            assert sorted(find_all(store, query, 7)) == sorted(
                Match(r.address, r.id) for r in records if query.matches(r)
            )
        assert not list(walk(lambda cursor: store.check(cursor, 100), None))
