"""What the suite for repositories doesn't ask of find: thousands of matches, and plans."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from stat7.errors import Unsupported
from stat7.paging import DOCUMENTS
from stat7.query import Query
from stat7.repository import Repository
from stat7.stores.base import Plan
from stat7.stores.wrapping import StoreWrapper
from stat7.testing.samples import sample, samples
from tests.repositories import addresses, put_new

EVERYTHING = Query()


def test_find_goes_over_many_pages(repo: Repository) -> None:
    records = samples(3 * DOCUMENTS + 1)
    put_new(repo, records)
    assert sorted(entity.address for entity in repo.find(EVERYTHING)) == sorted(addresses(records))


def test_explain_tells_the_plan_of_the_store(repo: Repository) -> None:
    put_new(repo, samples(10))
    plan = repo.explain(Query(realm="data"))
    assert plan.matches == 10
    assert plan.detail


def test_a_find_that_reads_a_whole_cluster_is_refused_unless_it_is_allowed(repo: Repository) -> None:
    (record,) = put_new(repo, [sample("x", adjacency=["y"], realm="data")])

    class Cluster(StoreWrapper):
        def explain(self, query: Query) -> Plan:
            return Plan("scan", query.adjacent_to is not None, 1, 1, "reads all token ranges")

    store = Cluster(repo.store)
    store.capabilities = replace(store.capabilities, refuses_scans=True)
    cluster = Repository(store, repo.files)
    costly, cheap = Query(realm="data"), Query(adjacent_to="y")
    asked: list[Callable[[], object]] = [
        lambda: list(cluster.find(costly)),
        lambda: list(cluster.find_addresses(costly)),
        lambda: cluster.find_page(costly),
    ]
    for ask in asked:
        with pytest.raises(Unsupported, match=r"reads all token ranges.*--allow-scan"):
            ask()
    assert list(cluster.find_addresses(costly, allow_scan=True)) == [record]
    assert [entity.address for entity in cluster.find(costly, allow_scan=True)] == [record]
    assert [match.address for match in cluster.find_page(costly, allow_scan=True).items] == [record]
    assert list(cluster.find_addresses(cheap)) == [record]
    assert [neighbour.id for neighbour in cluster.neighbours("y")] == ["x"]
