"""Find, as docs/semantics.md says."""

from __future__ import annotations

import pytest

from stat7.contracts import Page
from stat7.errors import Corrupt, InvalidQuery
from stat7.query import Query
from stat7.repository import Repository
from stat7.stores.base import HeadMove, Match
from stat7.testing.repositories import (
    Intercepted,
    addresses,
    put_new,
    store_below,
    with_store,
)
from stat7.testing.repository_base import RepositoryBase
from stat7.testing.samples import chain, random_queries, random_records, sample, samples
from stat7.testing.store_suite import put_all

EVERYTHING = Query()


ALL_VERSIONS = Query(versions="all")


class FindingSuite(RepositoryBase):
    """Find over all versions and the current ones, page by page."""

    def test_random_queries_find_what_brute_force_finds(self, repo: Repository) -> None:
        # Put below the façade: these records name files and versions that nobody stored.
        originals = random_records(seed=7, count=2000)
        moves = [HeadMove(record.id, None, record.address) for record in originals[::2]]
        put_all(repo.store, originals)
        size = repo.store.capabilities.max_batch
        for start in range(0, len(moves), size):
            repo.store.swap_heads(moves[start : start + size])
        self.settle(repo.store)
        current = {record.address for record in originals[::2]}
        some = 0
        for query in random_queries(seed=8, count=40, records=originals):
            matching = (record for record in originals if query.matches(record))
            expected = sorted(r.address for r in matching if query.versions == "all" or r.address in current)
            assert sorted(entity.address for entity in repo.find(query, allow_scan=True)) == expected, query
            some += bool(expected)
        assert some > 20, "too few of these queries find anything"

    def test_find_gives_current_versions_unless_all_are_asked_for(self, repo: Repository) -> None:
        versions = chain("x", 3)
        put_new(repo, [*versions, sample("y")])
        store_below(repo, sample("z"))
        assert self.found(repo, EVERYTHING) == sorted([versions[2].address, sample("y").address])
        assert self.found(repo, ALL_VERSIONS) == sorted(
            [*addresses(versions), sample("y").address, sample("z").address]
        )

    @pytest.mark.parametrize("limit", [None, 0, 1, 7, 150])
    def test_a_limit_is_kept_however_many_old_versions_lie_between(self, repo: Repository, limit: int | None) -> None:
        ids = [f"entity {number}" for number in range(40)]
        put_new(repo, [version for id in ids for version in chain(id, 5)])
        assert len(self.found(repo, EVERYTHING, limit)) == min(40, 40 if limit is None else limit)
        assert len(self.found(repo, ALL_VERSIONS, limit)) == min(200, 200 if limit is None else limit)

    def test_withdrawn_entities_are_not_found(self, repo: Repository) -> None:
        x, y = sample("x"), sample("y")
        put_new(repo, [x, y])
        repo.withdraw([x.address], case="1", reason="r")
        assert self.found(repo, EVERYTHING) == self.found(repo, ALL_VERSIONS) == [y.address]
        assert repo.store.count() == 1

    def test_pages_may_be_short_and_only_a_missing_cursor_ends(self, repo: Repository) -> None:
        put_new(repo, [version for id in "abcdef" for version in chain(id, 10)])
        items: list[Match] = []
        cursor: str | None = None
        lengths = []
        while True:
            page = repo.find_page(EVERYTHING, cursor, 5, allow_scan=True)
            items += page.items
            lengths.append(len(page.items))
            cursor = page.cursor
            if cursor is None:
                break
        assert sorted(match.id for match in items) == list("abcdef")
        assert len(lengths) >= 12
        assert min(lengths) == 0

    def test_a_cursor_of_another_query_is_refused(self, repo: Repository) -> None:
        put_new(repo, samples(20))
        cursor = repo.find_page(EVERYTHING, None, 5, allow_scan=True).cursor
        assert cursor is not None
        assert repo.find_page(EVERYTHING, cursor, 5, allow_scan=True).items
        for query in (ALL_VERSIONS, Query(realm="data")):
            with pytest.raises(InvalidQuery, match="cursor"):
                repo.find_page(query, cursor, 5, allow_scan=True)
        with pytest.raises(InvalidQuery, match="cursor"):
            repo.find_page(EVERYTHING, "nonsense", 5, allow_scan=True)

    def test_what_is_stored_throughout_comes_once_while_others_write(self, repo: Repository) -> None:
        steady = samples(300, "steady")
        put_new(repo, steady)
        seen = []
        for number, entity in enumerate(repo.find(ALL_VERSIONS, allow_scan=True)):
            seen.append(entity.address)
            if number % 50 == 0:
                put_new(repo, samples(20, f"new {number}"))
        assert len(seen) == len(set(seen))
        assert set(addresses(steady)) <= set(seen)

    def test_stale_index_rows_are_dropped(self, repo: Repository) -> None:
        right, wrong, lost = sample("x", realm="data"), sample("y", realm="void"), sample("z", realm="data")
        put_new(repo, [right, wrong])

        class Stale(Intercepted):
            def find(self, query: Query, cursor: str | None, limit: int) -> Page[Match]:
                return Page([Match(record.address, record.id) for record in (wrong, right, lost)], None)

        stale = with_store(repo, Stale(repo.store))
        assert [entity.id for entity in stale.find(Query(realm="data", versions="all"), allow_scan=True)] == ["x"]

    def test_find_never_returns_a_damaged_document(self, repo: Repository) -> None:
        record = sample("x")
        repo.put(record)
        self.damage(repo.store, record.address, record.document.replace(b'"sample"', b'"simple"'))
        with pytest.raises(Corrupt):
            list(repo.find(ALL_VERSIONS, allow_scan=True))
