"""Find: each match once, current versions unless all are asked for, and nothing that is damaged, stale or withdrawn."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from stat7.address import Address
from stat7.contracts import Page
from stat7.errors import Corrupt, InvalidQuery
from stat7.query import Query
from stat7.repository import DOCUMENTS_PAGE, Repository
from stat7.stores.base import HeadMove, Match
from stat7.testing.samples import chain, random_queries, random_records, sample, samples
from tests.repositories import (
    KINDS,
    Intercepted,
    addresses,
    damage_document,
    make_repository,
    put_new,
    store_below,
    with_store,
)

EVERYTHING = Query()
ALL_VERSIONS = Query(versions="all")


@pytest.fixture(params=KINDS)
def repo(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Repository]:
    """An empty repository on each pair of stores."""
    with make_repository(request.param, tmp_path / "repository") as made:
        yield made


def found(repo: Repository, query: Query, limit: int | None = None) -> list[Address]:
    """The addresses of what `find` gives, sorted; `find_addresses` must give the same."""
    entities = [entity.address for entity in repo.find(query, limit)]
    assert entities == list(repo.find_addresses(query, limit))
    return sorted(entities)


def test_random_queries_find_what_brute_force_finds(repo: Repository) -> None:
    # Put below the façade: these records name files and versions that nobody stored.
    originals = random_records(seed=7, count=2000)
    moves = [HeadMove(record.id, None, record.address) for record in originals[::2]]
    repo.store.put(originals, moves)
    current = {record.address for record in originals[::2]}
    some = 0
    for query in random_queries(seed=8, count=40, records=originals):
        matching = (record for record in originals if query.matches(record))
        expected = sorted(r.address for r in matching if query.versions == "all" or r.address in current)
        assert sorted(entity.address for entity in repo.find(query)) == expected, query
        some += bool(expected)
    assert some > 20, "too few of these queries find anything"


def test_find_gives_current_versions_unless_all_are_asked_for(repo: Repository) -> None:
    versions = chain("x", 3)
    put_new(repo, [*versions, sample("y")])
    store_below(repo, sample("z"))
    assert found(repo, EVERYTHING) == sorted([versions[2].address, sample("y").address])
    assert found(repo, ALL_VERSIONS) == sorted([*addresses(versions), sample("y").address, sample("z").address])


@pytest.mark.parametrize("limit", [None, 0, 1, 7, 150])
def test_a_limit_is_kept_however_many_old_versions_lie_between(repo: Repository, limit: int | None) -> None:
    ids = [f"entity {number}" for number in range(40)]
    put_new(repo, [version for id in ids for version in chain(id, 5)])
    assert len(found(repo, EVERYTHING, limit)) == min(40, 40 if limit is None else limit)
    assert len(found(repo, ALL_VERSIONS, limit)) == min(200, 200 if limit is None else limit)


def test_find_goes_over_many_pages(repo: Repository) -> None:
    records = samples(3 * DOCUMENTS_PAGE + 1)
    put_new(repo, records)
    assert found(repo, EVERYTHING) == sorted(addresses(records))


def test_withdrawn_entities_are_not_found(repo: Repository) -> None:
    x, y = sample("x"), sample("y")
    put_new(repo, [x, y])
    repo.withdraw([x.address], case="1", reason="r")
    assert found(repo, EVERYTHING) == found(repo, ALL_VERSIONS) == [y.address]
    assert repo.store.count() == 1


def test_pages_may_be_short_and_only_a_missing_cursor_ends(repo: Repository) -> None:
    put_new(repo, [version for id in "abcdef" for version in chain(id, 10)])
    items: list[Match] = []
    cursor: str | None = None
    lengths = []
    while True:
        page = repo.find_page(EVERYTHING, cursor, 5)
        items += page.items
        lengths.append(len(page.items))
        cursor = page.cursor
        if cursor is None:
            break
    assert sorted(match.id for match in items) == list("abcdef")
    assert len(lengths) >= 12
    assert min(lengths) == 0


def test_a_cursor_of_another_query_is_refused(repo: Repository) -> None:
    put_new(repo, samples(20))
    cursor = repo.find_page(EVERYTHING, None, 5).cursor
    assert cursor is not None
    assert repo.find_page(EVERYTHING, cursor, 5).items
    for query in (ALL_VERSIONS, Query(realm="data")):
        with pytest.raises(InvalidQuery, match="cursor"):
            repo.find_page(query, cursor, 5)
    with pytest.raises(InvalidQuery, match="cursor"):
        repo.find_page(EVERYTHING, "nonsense", 5)


def test_what_is_stored_throughout_comes_once_while_others_write(repo: Repository) -> None:
    steady = samples(300, "steady")
    put_new(repo, steady)
    seen = []
    for number, entity in enumerate(repo.find(ALL_VERSIONS)):
        seen.append(entity.address)
        if number % 50 == 0:
            put_new(repo, samples(20, f"new {number}"))
    assert len(seen) == len(set(seen))
    assert set(addresses(steady)) <= set(seen)


def test_stale_index_rows_are_dropped(repo: Repository) -> None:
    right, wrong, lost = sample("x", realm="data"), sample("y", realm="void"), sample("z", realm="data")
    put_new(repo, [right, wrong])

    class Stale(Intercepted):
        def find(self, query: Query, cursor: str | None, limit: int) -> Page[Match]:
            return Page([Match(record.address, record.id) for record in (wrong, right, lost)], None)

    stale = with_store(repo, Stale(repo.store))
    assert [entity.id for entity in stale.find(Query(realm="data", versions="all"))] == ["x"]


def test_find_never_returns_a_damaged_document(repo: Repository) -> None:
    record = sample("x")
    repo.put(record)
    damage_document(repo, record.address, record.document.replace(b'"sample"', b'"simple"'))
    with pytest.raises(Corrupt):
        list(repo.find(ALL_VERSIONS))


def test_explain_tells_the_plan_of_the_store(repo: Repository) -> None:
    put_new(repo, samples(10))
    plan = repo.explain(Query(realm="data"))
    assert plan.matches == 10
    assert plan.detail
