"""Every way of answering a query gives the same, in address order; and `explain` names the one that is taken."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from stat7.coordinates import real
from stat7.query import Query
from stat7.record import Record
from stat7.stores.base import Match
from stat7.stores.postgresql import PostgreSQLStore, find, planner, reader
from stat7.stores.postgresql.conditions import single_lineages
from stat7.stores.postgresql.planner import Costs, Sample
from stat7.testing.samples import attached, random_queries, random_records, sample
from stat7.testing.store_suite import find_all, put_all
from tests.stores.postgresql import Opening, below


def _expected(records: list[Record], query: Query) -> list[Match]:
    return sorted(Match(r.address, r.id) for r in records if query.matches(r))


@pytest.mark.parametrize("forced", ["walk", "cov"])
def test_forty_random_queries_by_each_way_equal_brute_force(
    open_postgresql: Opening, monkeypatch: pytest.MonkeyPatch, forced: str
) -> None:
    """The samples are made so small that the rest has to be found by the way that is forced."""
    store = open_postgresql()
    records = random_records(77, 400)
    put_all(store, records)
    monkeypatch.setattr(planner, "SAMPLE", 5)
    monkeypatch.setattr(planner, "SAMPLE_OF_ROWS", 3)
    monkeypatch.setattr(planner, "FEW_LINKS", 1)
    taken: list[str] = []

    def best(choices: list[Costs]) -> Costs:
        choice = next((each for each in choices if each.method == forced), choices[0])
        taken.append(choice.method)
        return choice

    monkeypatch.setattr(planner, "best", best)
    for query in random_queries(77, 40, records):
        for size in (7, 100):
            assert find_all(store, query, size) == _expected(records, query)
    assert forced in taken


@pytest.mark.parametrize("few", [2, 30, 4000])
def test_links_are_read_in_parts_of_any_size(
    open_postgresql: Opening, monkeypatch: pytest.MonkeyPatch, few: int
) -> None:
    store = open_postgresql()
    records = [
        sample(f"{n}", adjacency=["hot", f"n{n % 9}"], realm=("data", "void")[n % 2], files=[attached("a" * 64)])
        for n in range(300)
    ]
    put_all(store, [*records, *random_records(5, 40)])
    monkeypatch.setattr(planner, "FEW_LINKS", few)
    for facts in (
        {"adjacent_to": "hot"}, {"adjacent_to": "n3"}, {"adjacent_to": "n3", "realm": "void"}, {"file": "a" * 64},
        {"adjacent_to": "n4", "file": "a" * 64}, {"adjacent_to": "nobody"},
    ):  # fmt: skip
        query = Query(**facts)
        for size in (1, 7, 64, 1000):
            assert find_all(store, query, size) == _expected(records, query)


def test_neighbours_whose_keys_collide_are_told_apart(
    open_postgresql: Opening, monkeypatch: pytest.MonkeyPatch
) -> None:
    from stat7.stores.postgresql import rows

    monkeypatch.setattr(rows, "xxh3_64_intdigest", lambda data, seed: 2**63 + seed * 1000)
    store = open_postgresql()
    first = sample("1", adjacency=["a"], files=[attached("a" * 64)])
    second = sample("2", adjacency=["b"], files=[attached("b" * 64)])
    store.put([first, second])
    assert find_all(store, Query(adjacent_to="a")) == [(first.address, "1")]
    assert find_all(store, Query(file="b" * 64)) == [(second.address, "2")]
    assert find_all(store, Query(adjacent_to="c")) == []
    assert store.named_files(["a" * 64, "c" * 64]) == {"a" * 64}


def _filled(store: PostgreSQLStore, count: int = 6000) -> None:
    records = [
        sample(
            f"{n}", realm="void" if n % 500 == 0 else "data", horizon=("peak", "decay")[n % 2], lineage=n % 50,
            resonance=real((n * 7919) % 10**8), adjacency=[f"n{n % 3000}"],
        )
        for n in range(count)
    ]  # fmt: skip
    put_all(store, records)
    with below(store) as raw:
        raw.execute("VACUUM (ANALYZE) entities")


def test_explain_names_the_way_and_whether_it_is_indexed(open_postgresql: Opening) -> None:
    store = open_postgresql()
    _filled(store)
    plans = {
        "all": store.explain(Query()),
        "rare": store.explain(Query(realm="void", lineage=0)),
        "horizon": store.explain(Query(horizon="peak", lineage=4, resonance="0.5..0.500001")),
        "linked": store.explain(Query(adjacent_to="n7")),
        "scan": store.explain(Query(resonance="0.5..0.500001")),
        "nothing": store.explain(Query(resonance="0.000000011..0.000000019")),
    }
    methods = {name: (plan.method, plan.indexed) for name, plan in plans.items()}
    assert methods == {
        "all": ("walk", True), "rare": ("cov", True), "horizon": ("cov", True), "linked": ("links", True),
        "scan": ("walk", False), "nothing": ("none", True),
    }  # fmt: skip
    assert plans["rare"].matches == 12
    assert 5000 < plans["all"].matches < 7000
    assert all(len(plan.detail.splitlines()) == 1 for plan in plans.values())
    assert "no index" in plans["scan"].detail


def test_the_server_takes_the_way_that_was_chosen(open_postgresql: Opening, monkeypatch: pytest.MonkeyPatch) -> None:
    store = open_postgresql()
    _filled(store)
    seen: list[str] = []
    fetch = reader.fetch

    def explaining(connection: Any, statement: bytes, *values: object, prepare: bool | None = None) -> list[Any]:
        plan = connection.execute(b"EXPLAIN " + statement, values, prepare=False).fetchall()
        seen.append("\n".join(line for (line,) in plan))
        return fetch(connection, statement, *values, prepare=prepare)

    monkeypatch.setattr(find, "fetch", explaining)
    store.find(Query(realm="void", lineage=0), None, 100)
    assert "Index Only Scan using entities_pkey" in seen[0]
    assert "using cov" in seen[1]
    seen.clear()
    store.find(Query(resonance="0.5..0.500001"), None, 100)
    assert "Index Only Scan using entities_pkey" in seen[1]
    assert "cov" not in seen[1]
    seen.clear()
    store.find(Query(adjacent_to="n7", horizon="decay"), None, 100)
    assert "Bitmap Index Scan on links" in seen[0]
    assert not any("Seq Scan" in plan for plan in seen)


def test_pages_follow_one_another_without_gap(open_postgresql: Opening) -> None:
    store = open_postgresql()
    _filled(store, 2500)
    everything = find_all(store, Query(), 1000)
    assert len(everything) == 2500
    assert everything == sorted(everything)
    assert find_all(store, Query(horizon="peak"), 33) == [match for match in everything if int(match.id) % 2 == 0]


def test_many_realms_are_not_skipped_through(open_postgresql: Opening) -> None:
    store = open_postgresql()
    records = [sample(f"{n}", realm=f"r{n % 40}", lineage=n) for n in range(1500)]
    put_all(store, records)
    query = Query(lineage="700..702")
    assert store.explain(query).method == "walk"
    assert find_all(store, query) == _expected(records, query)


# --- the planner by itself


SAMPLE = Sample(rows=1000, led=10, hits=1, ahead=1_000_000.0, realms=7)


def test_walk_costs_as_many_rows_as_fill_the_page() -> None:
    assert planner.walk(SAMPLE, 100, 1e6, False).rows == 100_000
    assert planner.walk(SAMPLE, 100, 5000, False).rows == 5000
    assert planner.walk(SAMPLE, 100, 5000, True).time > planner.walk(SAMPLE, 100, 5000, False).time


def test_cov_helps_only_where_realm_horizon_or_lineage_are_given() -> None:
    assert planner.cov(Query(resonance="0.."), SAMPLE, False) is None
    assert planner.cov(Query(lineage="3"), replace(SAMPLE, realms=None), False) is None
    narrow = planner.cov(Query(realm="void"), SAMPLE, False)
    wide = planner.cov(Query(lineage="3"), SAMPLE, False)
    assert narrow is not None
    assert wide is not None
    assert narrow.rows == 10_001
    assert wide.rows == 10_000 + 7 * 5


def test_the_quickest_is_best_and_of_equals_the_first() -> None:
    one, two, three = Costs("one", 1, 5), Costs("two", 1, 4), Costs("three", 1, 4)
    assert planner.best([one, two, three]) is two
    assert planner.is_indexed(two, 1, 100)
    assert not planner.is_indexed(Costs("walk", 90, 4), 1, 100)
    assert not planner.is_indexed(Costs("walk", 9, 1e6), 1, 100)


def test_few_lineages_are_sought_one_by_one(open_postgresql: Opening, monkeypatch: pytest.MonkeyPatch) -> None:
    store = open_postgresql()
    records = [
        sample(f"{n}", lineage=n % 23, resonance=real((n * 7919) % 10**8), horizon=("peak", "decay")[n % 2])
        for n in range(400)
    ]
    put_all(store, records)
    monkeypatch.setattr(planner, "SAMPLE", 5)
    monkeypatch.setattr(planner, "best", lambda choices: choices[-1])
    sought = []
    for facts in (
        {"lineage": "2..5", "resonance": "0..0.5"}, {"lineage": "..3", "resonance": "0.3.."},
        {"lineage": "4", "resonance": "0.001..0.9"}, {"lineage": "2..20", "resonance": "0..0.5"},
        {"lineage": "..-1", "resonance": "0..0.5"}, {"lineage": "20..", "resonance": "0..0.5"},
        {"realm": "data", "horizon": "peak", "lineage": "2..5", "resonance": "0..0.5"},
    ):  # fmt: skip
        query = Query(**facts)
        sought.append(len(single_lineages(query)))
        for size in (9, 1000):
            assert find_all(store, query, size) == _expected(records, query)
    assert sought == [4, 4, 1, 0, 0, 0, 4]
