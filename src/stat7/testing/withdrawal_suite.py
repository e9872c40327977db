"""The rules of withdrawal: the document is erased, the notice stays, and nothing brings the document back."""

from __future__ import annotations

import pytest

from stat7.errors import InvalidQuery
from stat7.paging import walk
from stat7.query import Query
from stat7.record import Notice
from stat7.stores.base import HeadMove, Outcome, Store
from stat7.testing.samples import FILES, HOSTILE_IDS, attached, chain, notice, random_records, sample, samples
from stat7.testing.store_suite import StoreSuite, check_all, find_all, put_all, race, scan_all


class WithdrawalSuite(StoreSuite):
    """Withdrawal before, after and without the document, and everything that must not undo it."""

    def test_a_withdrawn_document_is_replaced_by_its_notice(self, store: Store) -> None:
        record, other = sample(adjacency=["n"], files=[attached(FILES[0])]), sample("other", adjacency=["n"])
        store.put([record, other])
        store.withdraw([notice(record.address)])
        kept = notice(record.address, id=record.id)
        self.settle(store)
        assert store.get([record.address, other.address]) == {record.address: kept, other.address: other.document}
        assert store.has([record.address, other.address]) == {other.address}
        assert dict(scan_all(store)) == {record.address: kept, other.address: other.document}
        assert store.count() == 1
        assert find_all(store, Query(adjacent_to="n")) == find_all(store, Query()) == [(other.address, other.id)]
        assert find_all(store, Query(file=FILES[0])) == []
        assert store.named_files(FILES) == set()
        assert check_all(store) == []

    def test_a_file_stays_named_while_another_document_names_it(self, store: Store) -> None:
        first, second = (sample(id, files=[attached(FILES[0])]) for id in ("first", "second"))
        store.put([first, second])
        store.withdraw([notice(first.address)])
        assert store.named_files(FILES) == {FILES[0]}
        store.discard([second.address])
        assert store.named_files(FILES) == set()

    def test_withdrawn_bytes_are_gone_below_the_store(self, store: Store) -> None:
        record = sample()
        store.put([record])
        assert self.raw_document(store, record.address) == record.document
        store.withdraw([notice(record.address)])
        assert self.raw_document(store, record.address) is None

    def test_the_notice_is_filled_in_with_id_and_previous(self, store: Store) -> None:
        first, second = chain(HOSTILE_IDS[-1], 2)
        store.put([first, second])
        store.withdraw([notice(second.address)])
        assert store.get([second.address]) == {
            second.address: notice(second.address, id=second.id, previous=first.address)
        }

    def test_what_a_notice_says_already_is_kept(self, store: Store) -> None:
        first, second = chain("thing", 2)
        told = notice(second.address, id="thing", previous=first.address)
        store.put([first])
        store.withdraw([told])
        assert store.get([second.address]) == {second.address: told}

    def test_an_address_never_seen_is_withdrawn_ahead(self, store: Store) -> None:
        record = sample(adjacency=["n"], files=[attached(FILES[0])])
        store.withdraw([notice(record.address)])
        assert store.put([record])[0] == [Outcome.WITHDRAWN]
        self.settle(store)
        assert store.get([record.address]) == {record.address: notice(record.address)}
        assert store.has([record.address]) == set()
        assert store.count() == 0
        assert find_all(store, Query()) == find_all(store, Query(adjacent_to="n")) == []
        assert scan_all(store) == [(record.address, notice(record.address))]
        assert store.named_files(FILES) == set()
        assert check_all(store) == []

    def test_withdrawing_twice_keeps_the_first_notice(self, store: Store) -> None:
        stored, ahead = samples(2)
        store.put([stored])
        store.withdraw([notice(stored.address, "first"), notice(ahead.address, "first")])
        store.withdraw([notice(stored.address, "second"), notice(ahead.address, "second", id="late")])
        assert store.get([stored.address, ahead.address]) == {
            stored.address: notice(stored.address, "first", id=stored.id),
            ahead.address: notice(ahead.address, "first"),
        }

    def test_of_two_notices_in_one_batch_the_first_wins(self, store: Store) -> None:
        stored, ahead = samples(2)
        store.put([stored])
        store.withdraw([notice(r.address, case) for case in ("first", "second") for r in (stored, ahead)])
        held = store.get([stored.address, ahead.address]).values()
        assert [kept.case for kept in held if isinstance(kept, Notice)] == ["first", "first"]
        assert store.count() == 0

    def test_nothing_brings_a_withdrawn_document_back(self, store: Store) -> None:
        record = sample(adjacency=["n"], files=[attached(FILES[0])])
        store.put([record])
        store.withdraw([notice(record.address)])
        before = scan_all(store)
        assert store.put([record, record])[0] == [Outcome.WITHDRAWN] * 2
        store.replace([record])
        store.discard([record.address])
        assert store.put([record])[0] == [Outcome.WITHDRAWN]
        store.compact()
        self.settle(store)
        assert scan_all(store) == before
        assert store.has([record.address]) == set()
        assert store.count() == 0
        assert find_all(store, Query()) == find_all(store, Query(file=FILES[0])) == []
        assert check_all(store) == []

    def test_the_head_stays_where_it_is_and_a_new_version_follows(self, store: Store) -> None:
        first, second = chain("thing", 2)
        store.put([first], [HeadMove("thing", None, first.address)])
        store.withdraw([notice(first.address)])
        assert store.heads(["thing"]) == {"thing": first.address}
        moved = store.put([second], [HeadMove("thing", first.address, second.address)])
        assert moved == ([Outcome.NEW], [True])
        assert store.heads(["thing"]) == {"thing": second.address}

    def test_hostile_text_in_notices_is_kept_exactly(self, store: Store) -> None:
        records = samples(len(HOSTILE_IDS))
        notices = [
            Notice(record.address, text, text, "0001-01-01T00:00:00.000Z", text, record.address)
            for record, text in zip(records, HOSTILE_IDS, strict=True)
        ]
        put_all(store, records[::2])
        store.withdraw(notices)
        assert store.get([record.address for record in records]) == {n.address: n for n in notices}

    def test_thousands_are_withdrawn_in_one_call(self, store: Store) -> None:
        records = samples(min(2000, store.capabilities.max_batch))
        store.put(records)
        store.withdraw([notice(record.address) for record in records])
        assert store.count() == 0
        assert len(scan_all(store, 500)) == len(records)

    def test_the_notices_alone_are_walked_page_by_page(self, store: Store) -> None:
        records = samples(23)
        assert (store.scan_notices(None, 5).items, store.scan_notices(None, 5).cursor) == ([], None)
        store.put(records)
        store.withdraw([notice(record.address) for record in records[:17]])
        self.settle(store)
        expected = {record.address: notice(record.address, id=record.id) for record in records[:17]}
        for size in (1, 5, 17, 100):
            walked = [item for page in walk(store.scan_notices, size) for item in page.items]
            assert len(walked) == 17
            assert {item.address: item for item in walked} == expected

    @pytest.mark.parametrize("cursor", ["", "nonsense", "💥", "\x00", "notices.", "scan." + "0" * 64])
    def test_garbage_as_a_cursor_of_the_notices_is_refused(self, store: Store, cursor: str) -> None:
        store.withdraw([notice(record.address) for record in samples(5)])
        with pytest.raises(InvalidQuery):
            store.scan_notices(cursor, 3)

    def test_withdrawals_and_puts_that_race_leave_everything_withdrawn(self, store: Store) -> None:
        records = random_records(20, 48)

        def work(number: int) -> None:
            for at in range(0, 48, 8):
                if number % 2:
                    store.withdraw([notice(record.address) for record in records[at : at + 8]])
                else:
                    store.put(records[at : at + 8])

        race(self.threads, work)
        self.settle(store)
        assert store.count() == 0
        assert all(isinstance(kept, Notice) for _, kept in scan_all(store))
        assert find_all(store, Query()) == []
        assert store.named_files(FILES) == set()
        assert check_all(store) == []
