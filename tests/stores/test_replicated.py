"""ReplicatedStore: damage is mended from another copy as it is read, which is never written to."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path

import orjson
import pytest

from stat7.address import Address
from stat7.errors import Corrupt, Gone, NotFound, StoreFull, Unavailable
from stat7.files.memory import MemoryFiles
from stat7.record import Notice, Record
from stat7.repository import Repository
from stat7.stores.base import HeadMove, Store
from stat7.stores.memory import MemoryStore
from stat7.stores.replicated import ReplicatedStore
from stat7.stores.sqlite import SQLiteStore
from stat7.stores.wrapping import StoreWrapper
from stat7.testing.samples import forge, notice, sample, samples
from stat7.testing.store_suite import check_all, scan_all
from tests.stores.wrapped import WrappedMemory, below, damage


class TestReplicatedStore(WrappedMemory):
    """The conformance suites, with a replica that has nothing."""

    def wrap(self, inner: Store) -> StoreWrapper:
        """With an empty replica."""
        return ReplicatedStore(inner, MemoryStore)


class Unwritten(StoreWrapper):
    """A replica, which must not be written to."""

    def __init__(self, inner: Store) -> None:
        super().__init__(inner)
        for name in ("put", "replace", "discard", "withdraw", "swap_heads", "set_mark", "compact"):
            setattr(self, name, self._refuse)

    def _refuse(self, *args: object, **kwargs: object) -> None:
        raise AssertionError("the replica was written to")


def pair(records: Sequence[Record]) -> tuple[ReplicatedStore, MemoryStore, MemoryStore]:
    """A store and its replica, both with these records; first the wrapper."""
    inner, replica = MemoryStore(), MemoryStore()
    for store in (inner, replica):
        store.put(records)
    return ReplicatedStore(inner, lambda: Unwritten(replica)), inner, replica


def spoil(store: Store, address: Address, data: bytes = b"garbage") -> None:
    """Put other bytes in place of a document in memory."""
    below(store).contents().documents[address] = data


def test_a_damaged_document_is_returned_whole_and_written_back() -> None:
    records = samples(20)
    store, inner, _ = pair(records)
    for record in records[3:7]:
        spoil(inner, record.address)
    whole = {record.address: record.document for record in records}
    assert store.get(list(whole)) == whole
    assert inner.get(list(whole)) == whole
    assert check_all(inner) == []
    assert store.repaired == 4
    assert store.get(list(whole)) == whole
    assert store.repaired == 4


def test_on_sqlite_the_row_itself_is_mended(tmp_path: Path) -> None:
    records = samples(5)
    inner, replica = SQLiteStore(tmp_path / "store.db"), SQLiteStore(tmp_path / "copy.db")
    for each in (inner, replica):
        each.put(records, [HeadMove(record.id, None, record.address) for record in records])
    damage(inner, records[0].address, records[0].document[:-1])
    with Repository(ReplicatedStore(inner, lambda: replica), MemoryFiles()) as repo:
        assert repo.get_document(records[0].address) == records[0].document
        assert inner.get([records[0].address]) == {records[0].address: records[0].document}
        assert check_all(inner) == []


def test_every_flipped_bit_is_found_and_mended() -> None:
    record = sample()
    store, inner, _ = pair([record])
    for at in range(len(record.document) * 8):
        flipped = bytearray(record.document)
        flipped[at // 8] ^= 1 << at % 8
        spoil(inner, record.address, bytes(flipped))
        assert store.get([record.address]) == {record.address: record.document}
    assert store.repaired == len(record.document) * 8


def test_what_is_not_there_is_not_fetched() -> None:
    store, _, replica = pair([])
    (record,) = samples(1)
    replica.put([record])
    assert store.get([record.address]) == {}
    with pytest.raises(NotFound):
        Repository(store, MemoryFiles()).get(record.address)


def test_a_replica_that_is_damaged_too_mends_nothing() -> None:
    record, other = samples(2)
    store, inner, replica = pair([record, other])
    for each in (inner, replica):
        spoil(each, record.address, b"different" if each is inner else b"garbage")
    spoil(inner, other.address)
    assert store.get([record.address, other.address]) == {
        record.address: b"different",
        other.address: other.document,
    }
    with pytest.raises(Corrupt):
        Repository(store, MemoryFiles()).get(record.address)


def test_what_the_replica_has_withdrawn_is_not_given_out_and_nothing_is_withdrawn_by_reading() -> None:
    record = sample()
    store, inner, replica = pair([record])
    replica.withdraw([notice(record.address, "case 7")])
    assert store.get([record.address]) == {record.address: record.document}
    spoil(inner, record.address)
    with pytest.raises(Gone) as gone:
        Repository(store, MemoryFiles()).get(record.address)
    assert gone.value.notice.case == "case 7"
    assert isinstance(inner.get([record.address])[record.address], bytes)
    assert store.repaired == 0


def test_what_is_withdrawn_here_does_not_come_back() -> None:
    record = sample()
    store, _, _ = pair([record])
    store.withdraw([notice(record.address)])
    assert store.get([record.address]) == {record.address: notice(record.address, id=record.id)}


def test_what_is_withdrawn_while_it_is_mended_stays_withdrawn() -> None:
    record = sample()
    _, inner, replica = pair([record])

    class Overtaken(StoreWrapper):
        """A replica that is read just before somebody withdraws here what was read."""

        def get(self, addresses: Sequence[Address]) -> dict[Address, bytes | Notice]:
            held = self.inner.get(addresses)
            inner.withdraw([notice(record.address)])
            return held

    spoil(inner, record.address)
    store = ReplicatedStore(inner, lambda: Overtaken(replica))
    assert isinstance(store.get([record.address])[record.address], Notice)
    assert isinstance(inner.get([record.address])[record.address], Notice)


def test_what_cannot_be_written_back_is_returned_all_the_same() -> None:
    class Full(StoreWrapper):
        """A store on a full disk."""

        def replace(self, records: Sequence[Record]) -> None:
            raise StoreFull("no room")

    record = sample()
    _, inner, replica = pair([record])
    spoil(inner, record.address)
    store = ReplicatedStore(Full(inner), lambda: replica)
    assert store.get([record.address]) == {record.address: record.document}
    assert store.repaired == 0


class Unreadable(StoreWrapper):
    """A store that can't read some documents at all, as SQLite can't on a broken page."""

    def __init__(self, inner: Store, *addresses: Address) -> None:
        super().__init__(inner)
        self.unreadable = set(addresses)

    def get(self, addresses: Sequence[Address]) -> dict[Address, bytes | Notice]:
        found = self.unreadable & set(addresses)
        if found:
            raise Corrupt(min(found), "the page is broken")
        return self.inner.get(addresses)

    def replace(self, records: Sequence[Record]) -> None:
        self.inner.replace(records)
        self.unreadable -= {record.address for record in records}


def test_what_can_not_even_be_read_is_mended() -> None:
    records = samples(4)
    _, inner, replica = pair(records)
    spoil(inner, records[3].address)
    store = ReplicatedStore(Unreadable(inner, records[0].address, records[2].address), lambda: replica)
    whole = {record.address: record.document for record in records}
    assert store.get([*whole, records[0].address]) == whole
    assert store.repaired == 3


def test_a_replica_that_can_not_read_everything_gives_the_rest() -> None:
    first, second = samples(2)
    store, inner, replica = pair([first, second])
    for record in (first, second):
        spoil(inner, record.address)
    store = ReplicatedStore(inner, lambda: Unreadable(replica, second.address))
    assert store.get([first.address, second.address]) == {first.address: first.document, second.address: b"garbage"}


def test_what_can_not_be_read_anywhere_is_corrupt() -> None:
    first, second = samples(2)
    _, inner, _ = pair([first, second])
    store = ReplicatedStore(Unreadable(inner, first.address), MemoryStore)
    with pytest.raises(Corrupt, match="the page is broken"):
        store.get([first.address, second.address])


def test_a_replica_that_is_down_is_asked_only_when_needed_and_does_not_hide_the_damage() -> None:
    record, other = samples(2)
    asked = 0

    def down() -> Store:
        nonlocal asked
        asked += 1
        raise Unavailable("the replica is away")

    inner = MemoryStore()
    inner.put([record, other])
    store = ReplicatedStore(inner, down)
    assert store.get([record.address]) == {record.address: record.document}
    assert asked == 0
    spoil(inner, record.address)
    held = store.get([record.address, other.address])
    assert held == {record.address: b"garbage", other.address: other.document}
    assert asked == 1
    (*_, check) = store.diagnose()
    assert (check.name, check.status) == ("replica", "fail")
    assert "the replica is away" in check.text
    store.close()


def test_bytes_that_hash_to_their_address_but_are_no_entity_are_not_written_back() -> None:
    odd = b'{"no":"entity"}'
    address = hashlib.sha256(odd).hexdigest()
    store, inner, replica = pair([forge(sample(), bytes.fromhex(address))])
    spoil(replica, address, odd)
    assert store.get([address]) == {address: odd}
    assert orjson.loads(odd) != inner.get([address])


def test_scan_and_check_show_the_damage_that_nobody_read() -> None:
    record = sample()
    store, inner, _ = pair([record])
    spoil(inner, record.address)
    assert scan_all(store) == [(record.address, b"garbage")]
    assert [finding.subject for finding in check_all(store)] == [record.address]


def test_doctor_is_told_of_the_replica_and_closing_closes_it() -> None:
    record = sample()
    store, inner, replica = pair([record])
    spoil(inner, record.address)
    store.get([record.address])
    (*_, check) = store.diagnose()
    assert (check.name, check.status) == ("replica", "ok")
    assert "1 documents mended" in check.text
    store.close()
    with pytest.raises(Unavailable):
        replica.count()
