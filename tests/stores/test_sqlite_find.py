"""Which way a query is answered, that every way gives the same answer, and that `explain` tells the truth about it."""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from stat7.coordinates import HORIZONS, STANDARD_REALMS
from stat7.errors import InvalidQuery
from stat7.query import Query
from stat7.record import Record
from stat7.stores.base import Plan, Store
from stat7.stores.sqlite import SQLiteStore, find, planner
from stat7.stores.sqlite.planner import Costs, Sample, Situation
from stat7.testing.find_suite import FindSuite
from stat7.testing.samples import attached, forge, sample, samples
from stat7.testing.store_suite import find_all, put_all

COUNT = 9000


def _population() -> list[Record]:
    """Two thirds in one realm, one neighbour of nearly all and some of a few, a file each of many and of one."""
    chance = random.Random(5)
    return [
        sample(
            f"thing {number}",
            realm="data" if number % 3 else chance.choice(STANDARD_REALMS),
            lineage=number % 40,
            horizon=chance.choice(HORIZONS),
            resonance=round(chance.uniform(-1, 1), 4),
            velocity=round(chance.uniform(-1, 1), 4),
            density=round(chance.random(), 4),
            adjacency=[f"n{number % 1000}", *(["hub"] if number % 10 else [])],
            files=[attached("a" * 64)] if number % 2 else [attached(f"{number:064x}")],
        )
        for number in range(COUNT)
    ]


@pytest.fixture(scope="module")
def population() -> list[Record]:
    return _population()


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory, population: list[Record]) -> Iterator[SQLiteStore]:
    with SQLiteStore(tmp_path_factory.mktemp("find") / "store.db", sync="normal") as store:
        put_all(store, population)
        yield store


QUERIES = {
    "everything": (Query(), "walk"),
    "a common realm": (Query(realm="data"), "walk"),
    "a place": (Query(realm="void", lineage=3, horizon="peak"), "cov"),
    "a place and a range": (Query(realm="void", lineage="3..9", resonance="0.5.."), "cov"),
    "a range alone": (Query(velocity="0.5..0.501"), "walk"),
    "a rare neighbour": (Query(adjacent_to="n7"), "links"),
    "a hub": (Query(adjacent_to="hub"), "links"),
    "a hub, and a place": (Query(adjacent_to="hub", realm="void", lineage=3), "cov"),
    "a file of many": (Query(file="a" * 64), "links"),
    "a file of one": (Query(file=f"{4:064x}"), "links"),
    "a file and a neighbour": (Query(file="a" * 64, adjacent_to="n7"), "links"),
    "an unknown file and neighbour": (Query(file="b" * 64, adjacent_to="nobody"), "links"),
    "a type": (Query(entity_type="sample", lineage=39, realm="void"), "cov"),
    "nothing of it": (Query(realm="never"), "cov"),
    "an empty range": (Query(resonance="0.000000011"), "none"),
}


@pytest.mark.parametrize("name", QUERIES)
def test_each_query_takes_the_way_that_suits_it(store: SQLiteStore, name: str) -> None:
    query, method = QUERIES[name]
    assert store.explain(query).method == method


@pytest.mark.parametrize("name", QUERIES)
@pytest.mark.parametrize("size", [3, 100, 1000])
def test_every_way_finds_the_same_as_brute_force(
    store: SQLiteStore, population: list[Record], name: str, size: int
) -> None:
    query, _ = QUERIES[name]
    expected = sorted((record.address, record.id) for record in population if query.matches(record))
    if size < 100:
        page = store.find(query, None, size)
        assert page.items == expected[:size]
        assert (page.cursor is None) == (len(expected) <= size)
    else:
        assert find_all(store, query, size) == expected


@pytest.mark.parametrize("name", QUERIES)
def test_explain_is_carried_out(store: SQLiteStore, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """What `find` then does is what `explain` said."""
    query, method = QUERIES[name]
    taken: list[str] = []

    def noting(way: str, original: Any) -> Any:
        def note(self: Any, *given: Any) -> Any:
            taken.append(way)
            return original(self, *given)

        return note

    for way in ("walk", "cov", "links"):
        monkeypatch.setattr(find._Search, f"_{way}", noting(way, getattr(find._Search, f"_{way}")))
    store.find(query, None, planner.PAGE)
    assert taken[-1:] == ([] if method == "none" else [method])


def test_estimates_are_near_the_truth(store: SQLiteStore, population: list[Record]) -> None:
    for query, _ in QUERIES.values():
        true = sum(map(query.matches, population))
        plan = store.explain(query)
        assert true * 0.6 - 40 <= plan.matches <= true * 1.6 + 40
        assert plan.rows <= COUNT + 400


def test_explain_says_where_much_must_be_read(store: SQLiteStore) -> None:
    for query in (Query(velocity="0.5..0.501"), Query(entity_type="never"), Query(created="2026-01-01")):
        plan = store.explain(query)
        assert not plan.indexed
        assert plan.detail.startswith("no index narrows")
        assert plan.rows > COUNT // 4
    for query in (Query(), Query(realm="data"), Query(adjacent_to="n7"), Query(realm="void", lineage=3)):
        assert store.explain(query).indexed


def test_in_a_small_store_a_query_is_indexed_if_an_index_could_serve_it(tmp_path: Path) -> None:
    with SQLiteStore(tmp_path / "store.db") as store:
        assert store.explain(Query(realm="void")).indexed
        store.put([sample(f"{number}", realm="void" if number < 2 else "data", lineage=number) for number in range(40)])
        assert store.explain(Query(realm="void")).indexed
        assert store.explain(Query(lineage=7)).indexed
        assert not store.explain(Query(velocity=0.5)).indexed
        assert store.explain(Query(velocity=0.5)).detail.startswith("the store is so small that reading about 40 of")
        assert store.explain(Query(velocity=0)).indexed
        assert store.explain(Query()) == Plan("walk", True, 40, 40, store.explain(Query()).detail)


def test_a_realm_of_many_is_not_skipped_through(tmp_path: Path) -> None:
    records = [sample(f"{n}", realm=f"realm{n % 40}", lineage=n) for n in range(200)]
    with SQLiteStore(tmp_path / "store.db") as store:
        store.put(records)
        assert store.explain(Query(lineage=7)).method == "walk"
        assert len(find_all(store, Query(lineage="7..9"), 2)) == 3
        assert store.explain(Query(realm="realm3", lineage=3)).indexed


@pytest.mark.parametrize(
    "position", ["-9223372036854775809", "9223372036854775808", "00", "+1", "-0x1", "٣", "1.0", " 1"]
)
def test_positions_that_are_no_keys_are_refused(store: SQLiteStore, position: str) -> None:
    for query, _ in QUERIES.values():
        with pytest.raises(InvalidQuery, match="cursor"):
            store.find(query, query.cursor(position), 5)


@pytest.mark.parametrize("position", ["-9223372036854775808", "9223372036854775807", "0", "-0"])
def test_every_key_is_a_position(store: SQLiteStore, position: str) -> None:
    page = store.find(Query(), Query().cursor(position), 10_000)
    if position.endswith("7"):
        assert page.items == []
    else:
        assert len(page.items) in (COUNT, sum(match.address[0] >= "8" for match in page.items))


def test_cursors_of_one_way_go_on_another(store: SQLiteStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """A store that grew may answer the next page in another way; all of them go on behind a key."""
    query = Query(realm="void", lineage="3..9")
    expected = find_all(store, query)
    page = store.find(query, None, 7)
    monkeypatch.setattr(planner, "_COV_ROW", 1e9)
    monkeypatch.setattr(planner, "SAMPLE", 10)
    middle = store.find(query, page.cursor, 7)
    monkeypatch.setattr(planner, "_COV_ROW", 0.0)
    monkeypatch.setattr(planner, "_SEEK", 0.0)
    assert page.items + middle.items + find_all(store, query, 7, middle.cursor) == expected


# --- the suite of find, with every way forced


class _Forced(FindSuite):
    records = 120
    queries = 25

    def make_store(self, tmp_path: Path) -> Store:
        return SQLiteStore(tmp_path / "store.db", sync="normal")

    def reopen(self, store: Store) -> Store:
        assert isinstance(store, SQLiteStore)
        store.close()
        return SQLiteStore(store.path)


class TestFindByCov(_Forced):
    """After a tiny sample, by the covering index wherever it can help, links included."""

    @pytest.fixture(autouse=True)
    def _force(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(planner, "SAMPLE", 3)
        monkeypatch.setattr(planner, "FEW_LINKS", 0)
        monkeypatch.setattr(planner, "_WALK_ROW", 1e9)
        monkeypatch.setattr(planner, "_LINK_ROW", 1e9)


class TestFindByWalkAndStretchesOfLinks(_Forced):
    """After a tiny sample, by the walk; links in many short stretches of keys."""

    @pytest.fixture(autouse=True)
    def _force(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(planner, "SAMPLE", 3)
        monkeypatch.setattr(planner, "MANY_REALMS", 0)
        monkeypatch.setattr(find, "_WHOLE", 0)


# --- the estimates themselves


SITUATION = Situation(total=1_000_000, segments=16, realms=7)


def test_seeks_count_what_must_be_skipped_through() -> None:
    assert planner.seeks(Query(realm="data"), SITUATION) == 16
    assert planner.seeks(Query(realm="data,void", horizon="peak.."), SITUATION) == 16 * 2 * 3
    assert planner.seeks(Query(realm="data", lineage=3), SITUATION) == 16 * 5
    assert planner.seeks(Query(lineage=3), SITUATION) == 16 * 7 * 5
    assert planner.seeks(Query(resonance="0.."), SITUATION) is None
    assert planner.seeks(Query(lineage=3), Situation(1_000_000, 16, None)) is None


def test_the_walk_costs_what_it_takes_to_fill_the_page() -> None:
    assert planner.walk(Sample(4000, 400, 400), 100, 1e6).rows == 1000
    assert planner.walk(Sample(4000, 0, 0), 100, 500.0).rows == 500


def test_what_was_seen_decides() -> None:
    place = Query(realm="void", lineage=3, horizon="peak")
    rare, common = Sample(4000, 0, 1), Sample(4000, 400, 400)
    for sample_, expected in ((rare, "cov"), (common, "walk")):
        by_cov = planner.cov(place, sample_, SITUATION, judged_by_row=False)
        assert by_cov is not None
        assert planner.best([planner.walk(sample_, 100, 1e6), by_cov]).method == expected


def test_what_is_a_small_part_of_the_store_and_quick_counts_as_indexed() -> None:
    assert planner.is_indexed(Costs("walk", 300, 30), 100, 1000)
    assert not planner.is_indexed(Costs("walk", 400, 40), 100, 1000)
    assert planner.is_indexed(Costs("cov", 100_000, 10_000), 100, 10**7)
    assert not planner.is_indexed(Costs("cov", 200_000, 20_000), 100, 10**7)


def test_collisions_are_found_in_every_stretch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(find, "_WHOLE", 0)
    records = [forge(sample(f"{n}", adjacency=["hub"]), b"\xff" * 31 + bytes([n])) for n in range(20)]
    with SQLiteStore(tmp_path / "store.db") as store:
        store.put([*records, *samples(20)])
        assert len(find_all(store, Query(adjacent_to="hub"), 3)) == 20
