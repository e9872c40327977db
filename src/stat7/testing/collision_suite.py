"""Addresses that share their first bytes: a forger may make them, and nothing may be mixed up."""

from __future__ import annotations

import random

import pytest

from stat7.query import Query
from stat7.record import Record
from stat7.stores.base import Outcome, Store
from stat7.testing.samples import FILES, attached, forge, notice, sample
from stat7.testing.store_suite import StoreSuite, check_all, find_all, put_all, scan_all

PREFIXES = (
    b"\x00" * 8,
    b"\xff" * 8,
    b"\x7f" + b"\xff" * 7,
    b"\x80" + b"\x00" * 7,
    b"\x01\x23\x45\x67\x89\xab\xcd\xef",
    b"\x00" * 31,
    b"\xff" * 31,
    b"\x5a" * 31,
)


def colliding(prefix: bytes, count: int = 7) -> list[Record]:
    """Records under addresses that begin with `prefix`, their ends from 0x00… to 0xff…, in ascending order."""
    rest = 32 - len(prefix)
    ends = [b"\x00" * rest, b"\xff" * rest]
    ends += [bytes([128 + number]) * rest for number in range(count - 2)]
    return [
        forge(sample(f"{prefix[:9].hex()} {number}", adjacency=["n"], files=[attached(FILES[0])]), prefix + end)
        for number, end in enumerate(sorted(ends))
    ]


def neighbouring(prefix: bytes) -> list[Record]:
    """Records under three prefixes of 8 bytes that follow one another, two each (wrapping round at the end)."""
    first = int.from_bytes(prefix[:8])
    prefixes = [((first + step) % 2**64).to_bytes(8) for step in range(3)]
    return [record for each in prefixes for record in colliding(each, 2)]


class CollisionSuite(StoreSuite):
    """Put, get, has, find, scan, withdraw and discard of records whose addresses share 8 or 31 bytes."""

    @pytest.mark.parametrize("prefix", PREFIXES, ids=lambda prefix: f"{prefix[:2].hex()}x{len(prefix)}")
    def test_addresses_with_a_common_prefix_are_kept_apart(self, store: Store, prefix: bytes) -> None:
        records = colliding(prefix)
        missing = records.pop(3)
        random.Random(1).shuffle(records)
        assert store.put(records[:4])[0] == [Outcome.NEW] * 4
        assert store.put(records)[0] == [Outcome.EXISTED] * 4 + [Outcome.NEW] * 2
        self._holds_exactly(store, records, [missing])
        assert store.put([missing, missing])[0] == [Outcome.NEW, Outcome.EXISTED]
        self._holds_exactly(store, [*records, missing], [])

    @pytest.mark.parametrize("prefix", PREFIXES, ids=lambda prefix: f"{prefix[:2].hex()}x{len(prefix)}")
    def test_withdrawing_among_collisions_touches_no_other(self, store: Store, prefix: bytes) -> None:
        records = colliding(prefix)
        ahead = records.pop()
        put_all(store, records)
        store.withdraw([notice(records[0].address), notice(records[3].address), notice(ahead.address)])
        outcomes = [Outcome.WITHDRAWN, Outcome.EXISTED, Outcome.EXISTED, Outcome.WITHDRAWN]
        assert store.put([*records[:4], ahead])[0] == [*outcomes, Outcome.WITHDRAWN]
        assert store.get([records[3].address]) == {records[3].address: notice(records[3].address, id=records[3].id)}
        self._holds_exactly(store, [records[1], records[2], *records[4:]], [records[0], records[3], ahead], notices=3)

    @pytest.mark.parametrize("prefix", PREFIXES, ids=lambda prefix: f"{prefix[:2].hex()}x{len(prefix)}")
    def test_discarding_and_replacing_among_collisions_touches_no_other(self, store: Store, prefix: bytes) -> None:
        records = colliding(prefix)
        put_all(store, records)
        for place in (0, 3, 6):
            gone = records[place]
            others = [record for record in records if record is not gone]
            store.discard([gone.address])
            self._holds_exactly(store, others, [gone])
            assert store.put(records)[0].count(Outcome.NEW) == 1
            store.replace([gone])
            self._holds_exactly(store, records, [])

    @pytest.mark.parametrize("prefix", PREFIXES[:5], ids=lambda prefix: prefix[:2].hex())
    def test_collisions_in_prefixes_that_follow_one_another_are_kept_apart(self, store: Store, prefix: bytes) -> None:
        records = neighbouring(prefix)
        for seed in range(3):
            random.Random(seed).shuffle(records)
            put_all(store, records[:4])
            put_all(store, records)
            self._holds_exactly(store, records, [])
            store.discard([record.address for record in records[::2]])
            self._holds_exactly(store, records[1::2], records[::2])
        store.withdraw([notice(record.address) for record in records[1::2]])
        put_all(store, records)
        self._holds_exactly(store, records[::2], records[1::2], notices=3)

    def _holds_exactly(self, store: Store, records: list[Record], missing: list[Record], notices: int = 0) -> None:
        """Every way of asking gives just these documents (and as many notices)."""
        self.settle(store)
        addresses = [record.address for record in records]
        asked = [*addresses, *(record.address for record in missing)]
        documents = {record.address: record.document for record in records}
        found = sorted((record.address, record.id) for record in records)
        assert store.has(asked) == documents.keys()
        held = store.get(asked)
        assert {address: document for address, document in held.items() if isinstance(document, bytes)} == documents
        assert len(held) == len(documents) + notices
        for size in (1, 3, 100):
            assert sorted(find_all(store, Query(), size)) == found
            scanned = scan_all(store, size)
            assert dict(scanned) == held
            assert len(scanned) == len(held)
            if store.capabilities.ordered_scan:
                assert [address for address, _ in scanned] == sorted(held)
        assert sorted(find_all(store, Query(adjacent_to="n", realm="data"), 2)) == found
        assert sorted(find_all(store, Query(file=FILES[0]), 2)) == found
        assert store.count() == len(records)
        assert check_all(store) == []
