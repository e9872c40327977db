"""What the suite for repositories doesn't ask of find: thousands of matches, and plans."""

from __future__ import annotations

from stat7.paging import DOCUMENTS
from stat7.query import Query
from stat7.repository import Repository
from stat7.testing.samples import samples
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
