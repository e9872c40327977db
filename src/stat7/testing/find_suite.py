"""The rules of `find`: every predicate and any combination agrees with `Query.matches`, each match exactly once."""

from __future__ import annotations

import re
import threading
from collections import Counter
from collections.abc import Sequence
from contextlib import closing
from typing import Any

import pytest

from stat7.address import digest
from stat7.coordinates import HORIZONS, MAX_LINEAGE, real
from stat7.errors import InvalidQuery
from stat7.query import Query
from stat7.record import Record
from stat7.stores.base import Match, Store
from stat7.testing.samples import (
    FILES,
    HOSTILE_IDS,
    LINEAGES,
    REALMS,
    TIMES,
    TYPES,
    UNITS,
    attached,
    chain,
    notice,
    queries_of_one_predicate,
    random_queries,
    random_records,
    sample,
    samples,
)
from stat7.testing.store_suite import StoreSuite, find_all, put_all


class FindSuite(StoreSuite):
    """Predicates against brute force, paging, what others write meanwhile, cursors, and the edges of every range."""

    records = 300
    """Random records that the comparisons with brute force are made over."""
    queries = 40
    """Random queries of several predicates."""

    def test_each_predicate_alone_agrees_with_brute_force(self, store: Store) -> None:
        records = self._stored(store, random_records(21, self.records))
        for query in queries_of_one_predicate(records[:8]):
            self._agree(store, records, query)

    def test_random_combinations_agree_with_brute_force(self, store: Store) -> None:
        records = self._stored(store, random_records(22, self.records))
        for query in random_queries(22, self.queries, records):
            self._agree(store, records, query)

    @pytest.mark.parametrize("size", [1, 7, 100])
    def test_pages_of_any_size_give_each_match_once(self, store: Store, size: int) -> None:
        records = self._stored(store, random_records(23, self.records))
        for query in (Query(), *random_queries(23, self.queries, records)):
            self._agree(store, records, query, size)

    def test_pages_end_where_the_matches_end(self, store: Store) -> None:
        """As many matches as a page holds, one less, one more: the last match is neither lost nor told twice."""
        records = self._stored(store, [sample(f"{n}", realm="void" if n < 12 else "data") for n in range(40)])
        for size in (11, 12, 13, 6, 4, 3):
            self._agree(store, records, Query(realm="void"), size)
            self._agree(store, records, Query(), size)

    def test_the_same_find_comes_in_the_same_order(self, store: Store) -> None:
        records = self._stored(store, random_records(24, 100))
        for query in (Query(), *random_queries(24, 5, records)):
            assert find_all(store, query, 3) == find_all(store, query, 3) == find_all(store, query, 100)

    def test_every_version_is_found_whatever_versions_says(self, store: Store) -> None:
        records = self._stored(store, chain("thing", 5))
        for versions in ("current", "all"):
            assert len(self._agree(store, records, Query(versions=versions))) == 5

    # --- while others write

    @pytest.mark.parametrize("size", [7, 1])
    def test_what_comes_between_pages_disturbs_nothing_that_is_there(self, store: Store, size: int) -> None:
        staying = self._stored(store, random_records(25, 60))
        coming = random_records(26, 400)
        for query in (Query(), Query(realm="data,event,void,d,x"), Query(lineage="0..3"), Query(resonance="0..")):
            seen: Counter[Match] = Counter()
            page = store.find(query, None, size)
            seen.update(page.items)
            while page.cursor is not None:
                store.put([coming.pop() for _ in range(3) if coming])
                page = store.find(query, page.cursor, size)
                seen.update(page.items)
            for record in staying:
                assert seen[Match(record.address, record.id)] == query.matches(record)
            assert set(seen.values()) <= {1}

    def test_what_a_thread_inserts_meanwhile_disturbs_nothing_that_is_there(self, store: Store) -> None:
        staying = self._stored(store, random_records(27, 200))
        coming, stop = random_records(28, 1500), threading.Event()

        def insert() -> None:
            for at in range(0, len(coming), 5):
                if stop.is_set():
                    return
                store.put(coming[at : at + 5])

        writer = threading.Thread(target=insert)
        writer.start()
        try:
            for query in (Query(), *random_queries(27, 10, staying)):
                seen = Counter(find_all(store, query, 7))
                assert set(seen.values()) <= {1}
                for record in staying:
                    assert seen[Match(record.address, record.id)] == query.matches(record)
                assert seen.keys() <= {Match(r.address, r.id) for r in (*staying, *coming) if query.matches(r)}
        finally:
            stop.set()
            writer.join()

    def test_what_is_withdrawn_between_pages_is_not_found_any_more(self, store: Store) -> None:
        records = self._stored(store, samples(40))
        page = store.find(Query(), None, 10)
        first = {match.address for match in page.items}
        gone = [record.address for record in records][::2]
        store.withdraw([notice(address) for address in gone[:10]])
        store.discard(gone[10:])
        self.settle(store)
        rest = [match.address for match in find_all(store, Query(), 10, page.cursor)]
        assert len(rest) == len(set(rest))
        assert {record.address for record in records} - first - set(gone) == set(rest)

    # --- cursors

    @pytest.mark.parametrize("cursor", ["", "x", "nonsense", "💥", "a" * 5000, "eyJhIjoxfQ", "' OR 1=1 --", "\x00"])
    def test_garbage_as_a_cursor_is_refused(self, store: Store, cursor: str) -> None:
        self._stored(store, samples(5))
        with pytest.raises(InvalidQuery):
            store.find(Query(), cursor, 3)

    @pytest.mark.parametrize("position", ["", "x", "💥", "a" * 5000, "' OR 1=1 --", "0:0:0:0:0:0", "\x00"])
    def test_a_cursor_with_a_position_of_another_kind_of_store_is_refused(self, store: Store, position: str) -> None:
        self._stored(store, samples(5))
        for query in (Query(), Query(realm="data"), Query(adjacent_to="n"), Query(file=FILES[0])):
            with pytest.raises(InvalidQuery):
                store.find(query, query.cursor(position), 3)

    def test_a_cursor_of_another_query_is_refused(self, store: Store) -> None:
        self._stored(store, samples(10))
        cursor = store.find(Query(realm="data"), None, 3).cursor
        assert cursor is not None
        for other in (Query(), Query(realm="data,void"), Query(realm="data", versions="all"), Query(lineage="0")):
            with pytest.raises(InvalidQuery):
                store.find(other, cursor, 3)
        assert store.find(Query(realm=["data"]), cursor, 3).items

    def test_cursors_are_short_printable_text(self, store: Store) -> None:
        """They travel in URLs and on command lines."""
        self._stored(store, [sample(id, adjacency=["n"], files=[attached(FILES[0])]) for id in HOSTILE_IDS])
        for query in (Query(), Query(realm="data"), Query(adjacent_to="n"), Query(file=FILES[0]), Query(lineage="..5")):
            cursor = store.find(query, None, 3).cursor
            assert cursor is not None
            assert re.fullmatch(r"[!-~]+", cursor)
            assert len(cursor) <= 1000

    def test_a_cursor_of_find_survives_reopening(self, store: Store) -> None:
        records = self._stored(store, random_records(29, 100))
        for query in (Query(), Query(realm=REALMS[:6])):
            expected, page = find_all(store, query), store.find(query, None, 7)
            assert page.cursor is not None
            store = self.reopen(store)
            assert page.items + find_all(store, query, 7, page.cursor) == expected
        with closing(store):
            self._agree(store, records, Query())

    # --- the edges of each predicate

    @pytest.mark.parametrize("field", ["resonance", "velocity", "density"])
    def test_reals_are_compared_exactly(self, store: Store, field: str) -> None:
        units = [each for each in UNITS if each >= 0 or field != "density"]
        records = self._stored(store, [sample(f"{field} {each}", **{field: real(each)}) for each in units])
        for low in units:
            for high in (each for each in units if each >= low):
                ends: Any = {field: (real(low), real(high))}
                found = self._agree(store, records, Query(**ends))
                assert len(found) == units.index(high) - units.index(low) + 1

    @pytest.mark.parametrize("field", ["resonance", "velocity", "density"])
    def test_bounds_between_two_units_round_inwards(self, store: Store, field: str) -> None:
        records = self._stored(store, [sample(f"{field} {units}", **{field: real(units)}) for units in (0, 1, 2, 3)])
        assert len(self._agree(store, records, Query(**{field: "0.000000005..0.000000025"}))) == 2
        assert self._agree(store, records, Query(**{field: "0.000000011..0.000000019"})) == []
        assert self._agree(store, records, Query(**{field: "0.000000011"})) == []
        assert self._agree(store, records, Query(**{field: "1.5.."})) == []
        assert len(self._agree(store, records, Query(**{field: "..1e300"}))) == 4

    def test_lineages_up_to_the_largest_and_bounds_beyond_it(self, store: Store) -> None:
        records = self._stored(store, [sample(f"{lineage}", lineage=lineage) for lineage in LINEAGES])
        for lineage in LINEAGES:
            assert len(self._agree(store, records, Query(lineage=lineage))) == 1
            self._agree(store, records, Query(lineage=(lineage, None)))
            self._agree(store, records, Query(lineage=(None, lineage)))
        assert len(self._agree(store, records, Query(lineage=(MAX_LINEAGE - 1, 10**19)))) == 2
        for nothing in (f"{10**19}..", f"{2**63}", "..-1", f"-{10**19}..-{2**63}", "4..6"):
            assert self._agree(store, records, Query(lineage=nothing)) == []
        assert len(self._agree(store, records, Query(lineage=f"-{10**19}..{10**19}"))) == len(LINEAGES)

    def test_created_ranges_from_year_1_to_9999(self, store: Store) -> None:
        records = self._stored(store, [sample(str(time), created_at=time) for time in (None, *TIMES)])
        for low in TIMES:
            assert len(self._agree(store, records, Query(created=low))) == 1
            for high in (time for time in TIMES if time >= low):
                self._agree(store, records, Query(created=(low, high)))
        assert len(self._agree(store, records, Query(created="2026-01-31"))) == 2
        assert len(self._agree(store, records, Query(created="..1969-12-31"))) == 2
        assert len(self._agree(store, records, Query(created="0001-01-01.."))) == len(TIMES)
        assert len(self._agree(store, records, Query(created="..9999-12-31"))) == len(TIMES)
        assert len(self._agree(store, records, Query())) == len(TIMES) + 1

    def test_tokens_match_whole_and_exactly(self, store: Store) -> None:
        made = [sample(f"{realm} {type_}", realm=realm, entity_type=type_) for realm in REALMS for type_ in TYPES]
        records = self._stored(store, made)
        for realm in REALMS:
            assert len(self._agree(store, records, Query(realm=realm))) == len(TYPES)
        for type_ in TYPES:
            assert len(self._agree(store, records, Query(entity_type=type_, realm=("d", "data")))) == 2
        assert len(self._agree(store, records, Query(realm=REALMS, entity_type=TYPES))) == len(made)
        assert (
            self._agree(store, records, Query(realm="never")) == self._agree(store, records, Query(realm="dat")) == []
        )

    def test_many_tokens_can_be_asked_for_at_once(self, store: Store) -> None:
        records = self._stored(store, random_records(30, 50))
        many = [f"realm{number}" for number in range(1000)]
        self._agree(store, records, Query(realm=[*many, "data"], entity_type=[*many, "badge"]))

    def test_horizons_follow_the_lifecycle(self, store: Store) -> None:
        records = self._stored(store, [sample(horizon, horizon=horizon) for horizon in HORIZONS])
        for first, low in enumerate(HORIZONS):
            assert len(self._agree(store, records, Query(horizon=low))) == 1
            for last in range(first, len(HORIZONS)):
                found = self._agree(store, records, Query(horizon=f"{low}..{HORIZONS[last]}"))
                assert len(found) == last - first + 1
        assert len(self._agree(store, records, Query(horizon=("genesis", "decay")))) == 2

    def test_each_of_1024_neighbours_is_asked_for_by_its_whole_name(self, store: Store) -> None:
        crowd = [f"neighbour/{number}" for number in range(1024)]
        records = self._stored(store, [sample("crowded", adjacency=crowd), *random_records(31, 30)])
        for name in (crowd[0], crowd[1], crowd[10], crowd[1023]):
            assert self._agree(store, records, Query(adjacent_to=name)) == [(records[0].address, "crowded")]
        for name in ("neighbour/", "neighbour", "neighbour/1024", "Neighbour/1", "neighbour/01"):
            assert self._agree(store, records, Query(adjacent_to=name)) == []

    def test_hostile_names_of_neighbours_are_told_apart(self, store: Store) -> None:
        made = [sample(f"entity {number}", adjacency=[name, "common"]) for number, name in enumerate(HOSTILE_IDS)]
        records = self._stored(store, made)
        for name in HOSTILE_IDS:
            assert len(self._agree(store, records, Query(adjacent_to=name))) == 1
        assert len(self._agree(store, records, Query(adjacent_to="common"), 7)) == len(HOSTILE_IDS)

    def test_a_neighbour_is_sought_among_neighbours_only(self, store: Store) -> None:
        state = {"coordinates": {"adjacency": ["thing"]}, "files": [{"sha256": FILES[0]}], "realm": "void"}
        records = self._stored(store, [sample("thing", state=state)])
        for query in (Query(adjacent_to="thing"), Query(file=FILES[0]), Query(realm="void")):
            assert self._agree(store, records, query) == []

    def test_a_file_is_found_wherever_it_is_attached(self, store: Store) -> None:
        twice = sample("twice", files=[attached(FILES[0], "a"), attached(FILES[0], "b")])
        many = sample("many", files=[attached(digest(bytes([n % 256, n >> 8])), f"{n}") for n in range(1024)])
        both = sample("both", files=[attached(FILES[0]), attached(FILES[1], "Ω")])
        records = self._stored(store, [twice, many, both])
        assert len(self._agree(store, records, Query(file=FILES[0]), 1)) == 2
        assert len(self._agree(store, records, Query(file=digest(b"\xff\x03")))) == 1
        for nothing in (FILES[2], twice.address):
            assert self._agree(store, records, Query(file=nothing)) == []

    def test_a_neighbour_named_like_a_files_digest_is_not_that_file(self, store: Store) -> None:
        records = self._stored(store, [sample("a", adjacency=[FILES[0]]), sample("b", files=[attached(FILES[0])])])
        assert len(self._agree(store, records, Query(file=FILES[0]))) == 1
        assert len(self._agree(store, records, Query(adjacent_to=FILES[0]))) == 1

    def _stored(self, store: Store, records: list[Record]) -> list[Record]:
        put_all(store, records)
        self.settle(store)
        return records

    def _agree(self, store: Store, records: Sequence[Record], query: Query, size: int = 100) -> list[Match]:
        """Compare with brute force; returns the matches, sorted."""
        found = sorted(find_all(store, query, size))
        assert found == sorted(Match(r.address, r.id) for r in records if query.matches(r)), f"{query}, pages of {size}"
        return found
