"""The conformance suite of `EntityStore`: every rule of stores/base.py that can be judged at the store."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis.stateful import run_state_machine_as_test

from stat7.errors import InvalidQuery, Unavailable
from stat7.query import Query
from stat7.stores.base import HeadMove, Outcome, Plan, Store
from stat7.testing.collision_suite import CollisionSuite
from stat7.testing.find_suite import FindSuite
from stat7.testing.model import store_machine
from stat7.testing.samples import (
    FILES,
    HOSTILE_IDS,
    attached,
    chain,
    forge,
    notice,
    random_queries,
    random_records,
    sample,
    samples,
)
from stat7.testing.store_suite import check_all, find_all, put_all, race, scan_all
from stat7.testing.withdrawal_suite import WithdrawalSuite

NEW, EXISTED, WITHDRAWN = Outcome.NEW, Outcome.EXISTED, Outcome.WITHDRAWN
GARBAGE_CURSORS = ("", "x", "nonsense", "💥", "a" * 5000, "eyJhIjoxfQ", "' OR 1=1 --", "\x00")
MALFORMED_ADDRESSES = (
    "", "f" * 63, "f" * 65, "F" * 64, "g" * 64, "-" + "f" * 63, "-" + "0" * 62 + "1", "+" + "0" * 63, "0_" * 32,
    " " + "0" * 63, "0x" + "0" * 62, "٠" * 64, "\x00" * 64, "💥",
)  # fmt: skip


class EntityStoreSuite(WithdrawalSuite, CollisionSuite, FindSuite):
    """Put, get, has, scan, replace, discard, check, close; with those of withdrawal, collisions and find."""

    def test_capabilities_say_what_can_be_used(self, store: Store) -> None:
        known = {*Query.__slots__, "realm", "horizon", "entity_type", "adjacency"}
        assert store.capabilities.name
        assert store.capabilities.max_batch >= 1
        assert store.capabilities.indexed <= known

    def test_a_fresh_store_is_empty(self, store: Store) -> None:
        assert store.count() == 0
        assert scan_all(store) == []
        assert find_all(store, Query()) == []
        assert check_all(store) == []
        assert store.get([sample().address]) == {}

    def test_put_stores_the_exact_bytes(self, store: Store) -> None:
        records = random_records(1, 50)
        assert store.put(records) == ([NEW] * 50, [])
        assert store.get([record.address for record in records]) == {r.address: r.document for r in records}

    def test_put_again_existed_and_changes_nothing(self, store: Store) -> None:
        records = samples(3)
        store.put(records[:2])
        assert store.put(records)[0] == [EXISTED, EXISTED, NEW]
        assert store.count() == 3

    def test_outcomes_come_in_the_order_of_the_records(self, store: Store) -> None:
        old, new, gone, late = samples(4)
        store.put([old])
        store.withdraw([notice(gone.address)])
        assert store.put([new, gone, old, late, gone])[0] == [NEW, WITHDRAWN, EXISTED, NEW, WITHDRAWN]

    def test_a_record_twice_in_a_batch_is_new_and_then_existed(self, store: Store) -> None:
        first, second = samples(2)
        assert store.put([first, second, first, first])[0] == [NEW, NEW, EXISTED, EXISTED]
        assert store.count() == 2
        self.settle(store)
        assert len(find_all(store, Query())) == 2

    def test_what_is_given_to_put_again_under_other_bytes_does_not_overwrite(self, store: Store) -> None:
        first, second = samples(2)
        store.put([first])
        assert store.put([forge(second, first.address)])[0] == [EXISTED]
        assert store.get([first.address]) == {first.address: first.document}

    def test_empty_batches_do_nothing(self, store: Store) -> None:
        assert store.put([]) == ([], [])
        assert store.get([]) == {}
        assert store.has([]) == set()
        assert store.named_files([]) == set()
        store.replace([])
        store.discard([])
        store.withdraw([])
        assert store.count() == 0

    def test_get_and_has_leave_out_what_is_missing(self, store: Store) -> None:
        stored, missing, withdrawn = samples(3)
        store.put([stored, withdrawn])
        store.withdraw([notice(withdrawn.address)])
        addresses = [missing.address, withdrawn.address, stored.address, stored.address]
        assert store.get(addresses).keys() == {stored.address, withdrawn.address}
        assert store.has(addresses) == {stored.address}

    @pytest.mark.parametrize("address", MALFORMED_ADDRESSES)
    def test_what_is_no_address_is_missing(self, store: Store, address: str) -> None:
        record = sample()
        store.put([record])
        assert store.get([address]) == {}
        assert store.get([address, record.address]) == {record.address: record.document}
        assert store.has([address]) == set()
        assert store.has([address, record.address]) == {record.address}
        assert store.named_files([address]) == set()

    def test_a_batch_of_thousands_is_put_and_read_in_one_call(self, store: Store) -> None:
        records = samples(min(3000, store.capabilities.max_batch))
        addresses = [record.address for record in records]
        assert store.put(records)[0] == [NEW] * len(records)
        assert store.get(addresses) == {record.address: record.document for record in records}
        assert store.has(addresses) == set(addresses)
        assert store.count() == len(records)

    def test_documents_at_the_size_limits_are_kept(self, store: Store) -> None:
        big = sample("big", state={"text": "x" * 260_000})
        wide = sample("wide", adjacency=[f"{'n' * 200}{number}" for number in range(1000)])
        assert store.put([big, wide])[0] == [NEW, NEW]
        assert store.get([big.address, wide.address]) == {r.address: r.document for r in (big, wide)}

    def test_hostile_text_is_kept_exactly(self, store: Store) -> None:
        records = [sample(id, adjacency=[id], state={id: id}) for id in HOSTILE_IDS]
        assert put_all(store, records) == [NEW] * len(records)
        self.settle(store)
        assert store.get([r.address for r in records]) == {r.address: r.document for r in records}
        assert sorted(find_all(store, Query())) == sorted((r.address, r.id) for r in records)

    # --- moves of heads within put

    def test_put_moves_heads(self, store: Store) -> None:
        first, second = chain("thing", 2)
        assert store.put([first], [HeadMove("thing", None, first.address)]) == ([NEW], [True])
        assert store.put([second], [HeadMove("thing", first.address, second.address)]) == ([NEW], [True])
        assert store.heads(["thing"]) == {"thing": second.address}

    def test_a_lost_move_leaves_the_head_and_stores_the_record(self, store: Store) -> None:
        first, second, third = samples(3)
        store.put([first], [HeadMove("thing", None, first.address)])
        assert store.put([second], [HeadMove("thing", None, second.address)]) == ([NEW], [False])
        assert store.put([third], [HeadMove("thing", second.address, third.address)]) == ([NEW], [False])
        assert store.heads(["thing"]) == {"thing": first.address}
        assert store.count() == 3

    def test_moves_are_tried_one_by_one_and_answered_in_order(self, store: Store) -> None:
        a, b, c = samples(3)
        store.swap_heads([HeadMove("b", None, a.address)])
        moves = [HeadMove("a", None, a.address), HeadMove("b", None, b.address), HeadMove("c", None, c.address)]
        assert store.put([a, b, c], moves) == ([NEW] * 3, [True, False, True])
        assert store.heads(["a", "b", "c"]) == {"a": a.address, "b": a.address, "c": c.address}

    def test_putting_again_completes_a_put_that_was_cut_off_before_its_move(self, store: Store) -> None:
        record = sample()
        store.put([record])
        assert store.put([record], [HeadMove(record.id, None, record.address)]) == ([EXISTED], [True])
        assert store.heads([record.id]) == {record.id: record.address}

    def test_moves_without_records_are_made(self, store: Store) -> None:
        record = sample()
        store.put([record])
        assert store.put([], [HeadMove("thing", None, record.address)]) == ([], [True])
        assert store.put([], [HeadMove("thing", record.address, None)]) == ([], [True])
        assert store.heads(["thing"]) == {}

    def test_a_move_to_a_withdrawn_address_is_not_made(self, store: Store) -> None:
        ahead, later = samples(2)
        store.put([later], [HeadMove("later", None, later.address)])
        store.withdraw([notice(ahead.address), notice(later.address)])
        moves = [HeadMove("ahead", None, ahead.address), HeadMove("new", None, later.address)]
        assert store.put([ahead, later], moves) == ([WITHDRAWN, WITHDRAWN], [False, False])
        assert store.heads(["ahead", "new", "later"]) == {"later": later.address}

    # --- scan

    @pytest.mark.parametrize("size", [1, 7, 100])
    def test_scan_gives_everything_once(self, store: Store, size: int) -> None:
        records = random_records(3, 45)
        put_all(store, records)
        unseen = sample("withdrawn ahead")
        store.withdraw([notice(record.address) for record in [*records[:15:3], unseen]])
        scanned = scan_all(store, size)
        assert dict(scanned) == store.get([record.address for record in [*records, unseen]])
        assert len(scanned) == 46

    def test_scan_goes_in_address_order_where_promised(self, store: Store) -> None:
        put_all(store, random_records(4, 60))
        store.withdraw([notice(record.address) for record in random_records(4, 60)[::7]])
        addresses = [address for address, _ in scan_all(store, 7)]
        assert len(set(addresses)) == 60
        if store.capabilities.ordered_scan:
            assert addresses == sorted(addresses)

    def test_scan_misses_nothing_that_stays_while_others_come_and_go(self, store: Store) -> None:
        staying, coming, going = random_records(5, 40), samples(40, "coming"), samples(40, "going")
        put_all(store, [*staying, *going])
        seen: Counter[str] = Counter()
        page = store.scan(None, 5)
        while True:
            seen.update(address for address, _ in page.items)
            if page.cursor is None:
                break
            store.put([coming.pop()] if coming else [])
            store.discard([going.pop().address] if going else [])
            page = store.scan(page.cursor, 5)
        assert [seen[record.address] for record in staying] == [1] * 40
        assert set(seen.values()) == {1}

    @pytest.mark.parametrize("cursor", GARBAGE_CURSORS)
    def test_garbage_as_a_cursor_of_scan_and_check_is_refused(self, store: Store, cursor: str) -> None:
        store.put(samples(5))
        for walk in (store.scan, store.check):
            with pytest.raises(InvalidQuery):
                walk(cursor, 3)

    def test_cursors_of_one_walk_are_refused_by_another(self, store: Store) -> None:
        store.put(samples(10))
        store.swap_heads([HeadMove(f"id {number}", None, "0" * 64) for number in range(10)])
        self.settle(store)
        scan, find, heads = store.scan(None, 2).cursor, store.find(Query(), None, 2).cursor, store.scan_heads(None, 2)
        assert scan is not None
        assert find is not None
        assert heads.cursor is not None
        for walk, foreign in ((store.scan, (find, heads.cursor)), (store.scan_heads, (find, scan))):
            for cursor in foreign:
                with pytest.raises(InvalidQuery):
                    walk(cursor, 2)
        for cursor in (scan, heads.cursor):
            with pytest.raises(InvalidQuery):
                store.find(Query(), cursor, 2)

    # --- files named, discard, replace, check

    def test_named_files_are_those_of_stored_documents(self, store: Store) -> None:
        old, new = sample(files=[attached(FILES[0])]), sample(files=[attached(FILES[1]), attached(FILES[2], "b")])
        store.put([old, new])
        assert store.named_files([*FILES, FILES[0]]) == set(FILES[:3])
        assert store.named_files([FILES[5]]) == set()
        many = [f"{number:064x}" for number in range(1, 2001)]
        assert store.named_files([*many, FILES[1]]) == {FILES[1]}

    def test_discard_leaves_nothing_and_lets_the_record_come_back(self, store: Store) -> None:
        record = sample(adjacency=["n"], files=[attached(FILES[2])], realm="void")
        other = sample("other", adjacency=["n"], files=[attached(FILES[3])])
        store.put([record, other])
        store.discard([record.address, sample("unknown").address])
        self.settle(store)
        assert store.get([record.address]) == {}
        assert store.has([record.address, other.address]) == {other.address}
        assert store.count() == 1
        assert scan_all(store) == [(other.address, other.document)]
        assert find_all(store, Query(adjacent_to="n")) == [(other.address, other.id)]
        assert find_all(store, Query(realm="void")) == find_all(store, Query(file=FILES[2])) == []
        assert store.named_files(FILES) == {FILES[3]}
        assert check_all(store) == []
        assert store.put([record])[0] == [NEW]
        self.settle(store)
        assert len(find_all(store, Query(adjacent_to="n"))) == len(scan_all(store)) == 2

    def test_discard_leaves_heads_alone(self, store: Store) -> None:
        record = sample()
        store.put([record], [HeadMove("thing", None, record.address)])
        store.discard([record.address])
        assert store.heads(["thing"]) == {"thing": record.address}

    def test_discarded_bytes_are_gone_below_the_store(self, store: Store) -> None:
        record = sample()
        store.put([record])
        assert self.raw_document(store, record.address) == record.document
        store.discard([record.address])
        assert self.raw_document(store, record.address) is None

    def test_replace_stores_what_is_missing(self, store: Store) -> None:
        record = sample(files=[attached(FILES[2])])
        store.replace([record])
        store.replace([record])
        self.settle(store)
        assert store.get([record.address]) == {record.address: record.document}
        assert store.count() == len(scan_all(store)) == 1
        assert find_all(store, Query(file=FILES[2])) == [(record.address, record.id)]
        assert store.put([record])[0] == [EXISTED]

    @pytest.mark.parametrize("data", [b"", b"garbage", b"{}", b"\xff\x00", sample("an impostor").document])
    def test_damage_is_returned_as_it_is_found_by_check_and_mended_by_replace(self, store: Store, data: bytes) -> None:
        record = sample(adjacency=["n"], files=[attached(FILES[2])], realm="void", lineage=3)
        others = random_records(6, 20)
        store.put([record, *others])
        self.damage(store, record.address, data)
        self.settle(store)
        assert store.get([record.address]) == {record.address: data}
        assert dict(scan_all(store))[record.address] == data
        assert record.address in {finding.subject for finding in check_all(store)}
        others_found = [match for match in find_all(store, Query()) if match.address != record.address]
        assert sorted(others_found) == sorted((other.address, other.id) for other in others)
        store.replace([record])
        self.settle(store)
        assert store.get([record.address]) == {record.address: record.document}
        assert check_all(store) == []
        for query in (Query(adjacent_to="n", realm="void"), Query(file=FILES[2], lineage=3)):
            matching = [(r.address, r.id) for r in (record, *others) if query.matches(r)]
            assert sorted(find_all(store, query)) == sorted(matching)

    def test_a_damaged_document_can_be_withdrawn_and_discarded(self, store: Store) -> None:
        first, second = (sample(id, adjacency=["n"], files=[attached(FILES[2])]) for id in ("first", "second"))
        store.put([first, second])
        for record in (first, second):
            self.damage(store, record.address, b"garbage")
        store.withdraw([notice(first.address)])
        store.discard([second.address])
        self.settle(store)
        assert [address for address, _ in scan_all(store)] == [first.address]
        assert store.count() == 0
        assert find_all(store, Query(adjacent_to="n")) == []
        assert store.named_files(FILES) == set()
        assert check_all(store) == []

    def test_check_finds_damaged_index_rows_and_replace_mends_them(self, store: Store) -> None:
        record = sample(adjacency=["n"], files=[attached(FILES[2])], realm="void", lineage=3)
        store.put([record, *random_records(6, 20)])
        self.damage_index(store, record.address)
        assert {finding.subject for finding in check_all(store)} == {record.address}
        store.replace([record])
        assert check_all(store) == []

    def test_check_is_clean_after_everything_that_is_allowed(self, store: Store) -> None:
        records = random_records(8, 60)
        put_all(store, records)
        store.discard([record.address for record in records[:10]])
        store.withdraw([notice(record.address) for record in records[5:25]])
        store.replace(records[20:40])
        put_all(store, records)
        assert check_all(store) == []

    def test_count_and_contents_stay_over_compact(self, store: Store) -> None:
        records = random_records(9, 30)
        put_all(store, records)
        store.discard([record.address for record in records[:10]])
        before = scan_all(store)
        assert store.compact() >= 0
        assert scan_all(store) == before
        assert store.count() == 20

    # --- explain

    def test_explain_answers_for_every_query(self, store: Store) -> None:
        records = random_records(10, 100)
        queries = [Query(), *random_queries(10, 30, records)]
        empty_plans = [store.explain(query) for query in queries]
        put_all(store, records)
        self.settle(store)
        for plan in [*empty_plans, *(store.explain(query) for query in queries)]:
            assert isinstance(plan, Plan)
            assert plan.method
            assert plan.detail
            assert len(plan.detail.splitlines()) == 1
            assert plan.rows >= 0
            assert 0 <= plan.matches <= 1000

    def test_explain_estimates_the_matches_of_small_stores_well(self, store: Store) -> None:
        put_all(store, [sample(f"id {number}", realm="data" if number % 4 else "void") for number in range(80)])
        self.settle(store)
        assert 10 <= store.explain(Query(realm="void")).matches <= 40
        assert store.explain(Query()).matches >= 40

    # --- threads

    def test_threads_that_put_the_same_records_make_each_new_exactly_once(self, store: Store) -> None:
        records = samples(60)

        def put(number: int) -> list[Outcome]:
            turned = records[number * 7 :] + records[: number * 7]
            batches = [turned[at : at + 10] for at in range(0, 60, 10)]
            outcomes = [outcome for batch in batches for outcome in store.put(batch)[0]]
            return outcomes[60 - number * 7 :] + outcomes[: 60 - number * 7]

        outcomes = race(self.threads, put)
        assert [Counter(each)[NEW] for each in zip(*outcomes, strict=True)] == [1] * 60
        assert {outcome for each in outcomes for outcome in each} <= {NEW, EXISTED}
        assert store.count() == len(scan_all(store)) == 60

    def test_readers_see_whole_documents_while_others_write(self, store: Store) -> None:
        records = samples(64)
        known = {record.address: record.document for record in records}

        def work(number: int) -> None:
            for at in range(0, 64, 8):
                if number % 2:
                    store.put(records[at : at + 8])
                for address, document in store.get(list(known)).items():
                    assert document == known[address]
                assert set(dict(scan_all(store, 20))) <= known.keys()

        race(self.threads, work)
        assert dict(scan_all(store)) == known

    # --- restarts and closing

    def test_everything_survives_reopening(self, store: Store) -> None:
        records = random_records(11, 40)
        put_all(store, records)
        store.withdraw([notice(records[0].address), notice("e" * 64)])
        store.discard([records[1].address])
        store.swap_heads([HeadMove("thing", None, records[2].address)])
        store.set_mark("copy", "cursor")
        before = scan_all(store)
        with closing(self.reopen(store)) as again:
            assert scan_all(again) == before
            assert again.count() == 38
            assert again.heads(["thing"]) == {"thing": records[2].address}
            assert again.marks() == {"copy": "cursor"}
            assert again.put([records[0], records[2]])[0] == [WITHDRAWN, EXISTED]
            assert check_all(again) == []

    def test_a_cursor_of_scan_survives_reopening(self, store: Store) -> None:
        put_all(store, random_records(12, 30))
        everything, page = scan_all(store), store.scan(None, 11)
        assert page.cursor is not None
        with closing(self.reopen(store)) as again:
            assert page.items + again.scan(page.cursor, 100).items == everything

    def test_a_closed_store_is_unavailable_and_closing_twice_is_harmless(self, store: Store) -> None:
        record = sample()
        store.put([record])
        store.close()
        store.close()
        for call in _every_call(store, record.address):
            with pytest.raises(Unavailable):
                call()

    # --- everything together

    def test_random_histories_agree_with_the_model(self, tmp_path: Path) -> None:
        numbers = itertools.count()

        def make() -> Store:
            folder = tmp_path / f"history-{next(numbers)}"
            folder.mkdir()
            return self.make_store(folder)

        machine = store_machine(make, self.reopen if self.can_reopen else None, self.settle)
        wanted = settings(
            max_examples=self.examples,
            stateful_step_count=self.steps,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        )
        run_state_machine_as_test(machine, settings=wanted)


def _every_call(store: Store, address: str) -> list[Callable[[], Any]]:
    record, query = sample(), Query()
    return [
        lambda: store.put([record]),
        lambda: store.replace([record]),
        lambda: store.discard([address]),
        lambda: store.get([address]),
        lambda: store.has([address]),
        lambda: store.find(query, None, 10),
        lambda: store.explain(query),
        lambda: store.scan(None, 10),
        lambda: store.scan_notices(None, 10),
        lambda: store.named_files([address]),
        lambda: store.withdraw([notice(address)]),
        lambda: store.check(None, 10),
        store.count,
        store.compact,
        lambda: store.heads(["thing"]),
        lambda: store.swap_heads([HeadMove("thing", None, address)]),
        lambda: store.scan_heads(None, 10),
        store.marks,
        lambda: store.set_mark("mark", "value"),
    ]
