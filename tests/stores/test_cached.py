"""CachedStore on a real Redis: what it keeps, what it never gives out, and that what is withdrawn stays withdrawn."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest

from stat7.address import Address
from stat7.errors import ConfigError, Gone, Unavailable
from stat7.files.memory import MemoryFiles
from stat7.record import Notice, Record
from stat7.registry import open_cache
from stat7.repository import Repository
from stat7.stores.base import HeadMove, Store
from stat7.stores.cached import CachedElsewhere, CachedStore, generations, renew
from stat7.stores.memory import MemoryStore
from stat7.stores.redis.cache import TOMBSTONE
from stat7.stores.sqlite import SQLiteStore
from stat7.stores.wrapping import StoreWrapper
from stat7.testing.samples import forge, notice, random_records, sample, samples
from stat7.testing.servers import FaultProxy, Redis, Server
from stat7.testing.store_suite import race
from tests.stores.caching import LEASE, cache_of, cached, documents_in, overwrite
from tests.stores.wrapped import WrappedMemory, WrappedSQLite

Start = Callable[[Redis], Redis]
Place = Callable[[Server | tuple[str, int]], FaultProxy]


class TestCachedSQLite(WrappedSQLite):
    """The conformance suites."""

    @pytest.fixture(autouse=True)
    def _redis(self, redis_url: str) -> None:
        self.url = redis_url

    def wrap(self, inner: Store) -> StoreWrapper:
        """Behind Redis."""
        return cached(inner, self.url)


class TestCacheThatForgets(WrappedMemory):
    """The conformance suites behind a Redis with hardly any memory, which evicts all the time (fence included)."""

    examples = 60

    @pytest.fixture(autouse=True)
    def _redis(self, small_redis: Redis) -> None:
        self.url = small_redis.url

    def wrap(self, inner: Store) -> StoreWrapper:
        """Behind that Redis."""
        return cached(inner, self.url)


@pytest.fixture(scope="module")
def small_redis(redis_server: Redis) -> Iterator[Redis]:
    """A Redis that holds some dozen documents. (The server for all only says whether there is any.)"""
    with Redis({"maxmemory": "1200kb", "maxmemory-policy": "allkeys-random"}) as server:
        yield server


class Counting(StoreWrapper):
    """Counts the documents that the store below is asked for."""

    asked = 0

    def get(self, addresses: Sequence[Address]) -> dict[Address, bytes | Notice]:
        self.asked += len(addresses)
        return self.inner.get(addresses)


def filled(records: Sequence[Record]) -> Counting:
    """A store with these records, which counts what it is asked for."""
    inner = MemoryStore()
    inner.put(records)
    return Counting(inner)


def addresses_of(records: Sequence[Record]) -> list[Address]:
    """Their addresses."""
    return [record.address for record in records]


# What is kept.


def test_what_was_read_once_is_not_asked_of_the_store_again(redis_url: str) -> None:
    records = random_records(1, 50)
    below = filled(records)
    store, addresses = cached(below, redis_url), addresses_of(records)
    whole = {record.address: record.document for record in records}
    assert store.get(addresses) == whole
    assert store.get([*addresses[:3], "a" * 64]) == dict(list(whole.items())[:3])
    assert store.get(addresses) == whole
    assert below.asked == len(records) + 1
    assert sorted(documents_in(redis_url).values()) == sorted(whole.values())
    assert cache_of(store).counts.hits == 53


def test_what_is_missing_is_not_remembered(redis_url: str) -> None:
    below = filled([])
    store, record = cached(below, redis_url), sample()
    assert store.get([record.address]) == {}
    store.put([record])
    assert store.get([record.address]) == {record.address: record.document}


def test_heads_are_never_cached(redis_url: str) -> None:
    first, second = samples(2)
    below = filled([first, second])
    store = cached(below, redis_url)
    store.swap_heads([HeadMove("thing", None, first.address)])
    assert store.heads(["thing"]) == {"thing": first.address}
    below.swap_heads([HeadMove("thing", first.address, second.address)])
    assert store.heads(["thing"]) == {"thing": second.address}


def test_a_batch_costs_one_round_trip(redis_server: Redis, redis_url: str, fault_proxy: Place) -> None:
    proxy = fault_proxy(redis_server)
    records = random_records(2, 300)
    store, addresses = cached(filled(records), f"redis://127.0.0.1:{proxy.port}"), addresses_of(records)
    store.get(addresses[:1])
    store.get(addresses)
    before = proxy.round_trips
    store.get(addresses)
    assert proxy.round_trips == before + 1


def test_many_thousands_are_read_in_one_call(redis_url: str) -> None:
    records = random_records(3, 2500)
    below = filled(records)
    store = cached(below, f"{redis_url}?timeout=5")
    whole = {record.address: record.document for record in records}
    for _ in range(4):
        assert store.get(list(whole)) == whole
    # At most a thousand are stored in a call.
    assert below.asked == 2500 + 1500 + 500
    store.withdraw([notice(address) for address in whole])
    assert all(isinstance(held, Notice) for held in store.get(list(whole)).values())


def test_large_documents_are_left_out(redis_url: str) -> None:
    large, small = sample("large", state={"text": "x" * 70_000}), sample("small")
    below = filled([large, small])
    store = cached(below, redis_url)
    for _ in range(3):
        assert store.get(addresses_of([large, small])) == {r.address: r.document for r in (large, small)}
    assert below.asked == 4
    assert list(documents_in(redis_url).values()) == [small.document]


def test_entries_expire(redis_url: str) -> None:
    record = sample()
    below = filled([record])
    store = cached(below, f"{redis_url}?ttl=1")
    store.get([record.address])
    store.get([record.address])
    assert below.asked == 1
    time.sleep(1.1)
    store.get([record.address])
    assert below.asked == 2


def test_two_stores_in_one_redis_are_kept_apart(redis_url: str) -> None:
    record = sample()
    first, second = MemoryStore(), MemoryStore()
    first.put([record])
    for inner in (first, second):
        renew(inner, 0.0)
    here, there = cached(first, redis_url), cached(second, redis_url)
    assert here.get([record.address]) == {record.address: record.document}
    assert there.get([record.address]) == {}


def test_the_first_reader_of_all_begins_a_generation_and_uses_it_one_lease_later(redis_url: str) -> None:
    record = sample()
    below = filled([record])
    store = CachedStore(below, open_cache(redis_url), lease_seconds=LEASE)
    assert generations(below) == []
    store.get([record.address])
    assert len(generations(below)) == 1
    assert documents_in(redis_url) == {}
    time.sleep(LEASE)
    store.get([record.address])
    assert store.marks() == {}
    assert len(generations(below)) == len(below.marks()) == 1
    assert list(documents_in(redis_url).values()) == [record.document]


# What is never given out.


@pytest.mark.parametrize("poison", [b"", b"garbage", b"\x00", sample("an impostor").document])
def test_a_poisoned_entry_is_noticed_and_replaced(redis_url: str, poison: bytes) -> None:
    record, other = samples(2)
    below = filled([record, other])
    store = cached(below, redis_url)
    whole = store.get(addresses_of([record, other]))
    overwrite(redis_url, record.address, poison)
    assert store.get(list(whole)) == whole
    assert cache_of(store).counts.poisoned == 1
    assert sorted(documents_in(redis_url).values()) == sorted([record.document, other.document])
    assert store.get(list(whole)) == whole
    assert below.asked == 3


def test_every_flipped_bit_of_an_entry_is_noticed(redis_url: str) -> None:
    record = sample()
    store = cached(filled([record]), redis_url)
    store.get([record.address])
    chance = random.Random(1)
    for at in chance.sample(range(len(record.document) * 8), 200):
        flipped = bytearray(record.document)
        flipped[at // 8] ^= 1 << at % 8
        overwrite(redis_url, record.address, bytes(flipped))
        assert store.get([record.address]) == {record.address: record.document}
    assert cache_of(store).counts.poisoned == 200


def test_a_poisoned_entry_of_a_document_that_is_not_there_is_removed(redis_url: str) -> None:
    record = sample()
    below = filled([record])
    store = cached(below, redis_url)
    store.get([record.address])
    below.inner.discard([record.address])
    overwrite(redis_url, record.address, b"garbage")
    assert store.get([record.address]) == {}
    assert documents_in(redis_url) == {}


def test_what_the_store_gives_is_not_kept_if_it_is_damaged(redis_url: str) -> None:
    record = sample()
    store = cached(filled([forge(sample("other"), bytes.fromhex(record.address))]), redis_url)
    for _ in range(2):
        assert store.get([record.address]) == {record.address: sample("other").document}
    assert documents_in(redis_url) == {}


# Withdrawn stays withdrawn.


def test_what_is_withdrawn_is_purged_and_kept_out(redis_url: str) -> None:
    record, other = samples(2)
    store = cached(filled([record, other]), redis_url)
    store.get(addresses_of([record, other]))
    store.withdraw([notice(record.address)])
    for _ in range(2):
        assert isinstance(store.get([record.address])[record.address], Notice)
    assert sorted(documents_in(redis_url).values()) == sorted([TOMBSTONE, other.document])


def test_another_process_sees_it_at_once(redis_url: str, tmp_path: Path) -> None:
    record = sample()
    stores = [cached(SQLiteStore(tmp_path / "store.db"), redis_url) for _ in range(2)]
    stores[0].put([record])
    assert stores[1].get([record.address]) == {record.address: record.document}
    before = generations(stores[0].inner)
    stores[0].withdraw([notice(record.address)])
    assert generations(stores[0].inner) == before, "no new generation was needed"
    assert isinstance(stores[1].get([record.address])[record.address], Notice)
    for store in stores:
        store.close()


class Slow(StoreWrapper):
    """A store whose reader is overtaken: what it has read is handed on only when `go` is set."""

    def __init__(self, inner: Store) -> None:
        super().__init__(inner)
        self.read = threading.Event()
        self.go = threading.Event()

    def get(self, addresses: Sequence[Address]) -> dict[Address, bytes | Notice]:
        held = self.inner.get(addresses)
        self.read.set()
        assert self.go.wait(10)
        return held


@pytest.mark.parametrize("tombstone", ["there", "evicted"])
def test_a_reader_that_was_overtaken_does_not_put_it_back(redis_url: str, tombstone: str) -> None:
    import redis

    record = sample()
    below = filled([record])
    cached(below, redis_url).get(["a" * 64])
    slow = Slow(below)
    reader = threading.Thread(target=cached(slow, redis_url).get, args=([record.address],))
    reader.start()
    assert slow.read.wait(10)
    store = cached(below, redis_url)
    store.withdraw([notice(record.address)])
    if tombstone == "evicted":
        with redis.Redis.from_url(redis_url) as client:
            client.delete(*documents_in(redis_url))
    slow.go.set()
    reader.join(10)
    assert record.document not in documents_in(redis_url).values()
    assert isinstance(store.get([record.address])[record.address], Notice)


def test_a_discarded_document_is_not_given_out_and_may_come_back(redis_url: str) -> None:
    record = sample()
    store = cached(filled([record]), redis_url)
    store.get([record.address])
    store.discard([record.address])
    assert store.get([record.address]) == {}
    store.put([record])
    assert store.get([record.address]) == {record.address: record.document}


def readers(url: str, inner: Store, address: Address, count: int = 3) -> tuple[Callable[[], None], list[float]]:
    """Threads that read an address through caches of their own until told to stop; the times of those reads that began
    before they gave the document: the last of them says until when it was seen.
    """
    seen: list[float] = []
    stopping = threading.Event()

    def read() -> None:
        with_cache = cached(inner, url)
        while not stopping.is_set():
            began = time.monotonic()
            if isinstance(with_cache.get([address]).get(address), bytes):
                seen.append(began)
        cache_of(with_cache).close()

    threads = [threading.Thread(target=read) for _ in range(count)]
    for thread in threads:
        thread.start()

    def stop() -> None:
        stopping.set()
        for thread in threads:
            thread.join(20)

    return stop, seen


@pytest.mark.parametrize("how", ["up", "unreachable", "frozen"])
def test_no_read_that_begins_after_a_withdrawal_gives_the_document(
    redis_server: Redis, redis_url: str, fault_proxy: Place, how: str
) -> None:
    """The readers' own way to Redis stays open: they hold good entries when the withdrawal can't reach it."""
    record = sample()
    inner = filled([record])
    proxy = fault_proxy(redis_server)
    store = cached(inner, f"redis://127.0.0.1:{proxy.port}")
    stop, seen = readers(redis_url, inner, record.address)
    try:
        while len(seen) < 50:
            time.sleep(0.01)
        if how == "unreachable":
            proxy.refuse()
        elif how == "frozen":
            proxy.freeze()
        store.withdraw([notice(record.address)])
        returned = time.monotonic()
        time.sleep(2 * LEASE)
    finally:
        stop()
    assert max(seen) < returned
    assert len(seen) > 50


def test_redis_killed_during_a_withdrawal_and_restarted_with_its_old_data(start_server: Start, tmp_path: Path) -> None:
    """What it saved before lies on its disk, and is loaded again: none of it may be seen."""
    server = start_server(Redis({"save": '"1 1"', "appendonly": "yes", "appendfsync": "always"}))
    record, other = samples(2)
    below = SQLiteStore(tmp_path / "store.db")
    below.put([record, other])

    class Killing(StoreWrapper):
        """Redis dies after the withdrawal was told to it the first time, before the store has it."""

        def withdraw(self, notices: Sequence[Notice]) -> None:
            server.kill()
            self.inner.withdraw(notices)

    store = cached(Killing(below), server.url)
    store.get(addresses_of([record, other]))
    assert len(documents_in(server.url)) == 2
    store.withdraw([notice(record.address)])
    server.start()
    # As it was before the withdrawal, which a crash could have brought back.
    for key in documents_in(server.url):
        overwrite(server.url, key[24:].hex(), record.document if key.endswith(bytes.fromhex(record.address)) else b"x")
    time.sleep(2.1)
    again = cached(SQLiteStore(tmp_path / "store.db"), server.url)
    for reader in (store, again):
        assert isinstance(reader.get([record.address])[record.address], Notice)
        assert reader.get([other.address]) == {other.address: other.document}
        reader.close()


def test_a_restarted_redis_begins_empty_whatever_it_kept(start_server: Start) -> None:
    server = start_server(Redis({"appendonly": "yes", "appendfsync": "always"}))
    record = sample()
    below = filled([record])
    store = cached(below, server.url)
    store.get([record.address])
    server.kill()
    server.start()
    assert record.document in documents_in(server.url).values()
    assert store.get([record.address]) == {record.address: record.document}
    assert below.asked == 2


def test_a_withdrawal_that_can_not_reach_the_store_afterwards_is_not_acknowledged(redis_url: str) -> None:
    class Lost(StoreWrapper):
        """Goes away right after it has withdrawn, and can't take the new generation."""

        def set_mark(self, name: str, value: str | None) -> None:
            raise Unavailable("away")

    inner = MemoryStore()
    renew(inner, 0.0)
    record = sample()
    inner.put([record])
    store = cached(Lost(inner), "redis://127.0.0.1:1")
    with pytest.raises(Unavailable):
        store.withdraw([notice(record.address)])


def test_withdrawals_reach_every_generation_that_a_reader_may_still_use(redis_url: str) -> None:
    record = sample()
    below = filled([record])
    renew(below, 0.0)
    behind = CachedStore(below, open_cache(redis_url), lease_seconds=30.0)
    behind.get([record.address])
    renewing = threading.Thread(target=renew, args=(below, 1.0))
    renewing.start()
    while len(generations(below)) < 2:
        time.sleep(0.01)
    cached(below, redis_url).withdraw([notice(record.address)])
    assert isinstance(behind.get([record.address])[record.address], Notice)
    renewing.join()
    assert len(generations(below)) == 1


def test_generations_that_begin_at_the_same_time_do_not_undo_each_other(redis_url: str) -> None:
    """One reads the marks; another begins, and has a reader; only then the first one begins."""
    record = sample()
    below = filled([record])
    renew(below, 0.0)
    reader = CachedStore(below, open_cache(redis_url), lease_seconds=30.0)

    class Overtaken(StoreWrapper):
        """A renewal that is overtaken between its read and its write."""

        def set_mark(self, name: str, value: str | None) -> None:
            if value is not None:
                renew(self.inner, 0.0)
                reader.get([record.address])
            self.inner.set_mark(name, value)

    renew(Overtaken(below), 0.0)
    assert len(documents_in(redis_url)) == 1
    cached(below, redis_url).withdraw([notice(record.address)])
    assert isinstance(reader.get([record.address])[record.address], Notice)


def test_a_generation_whose_beginning_was_told_twice_is_not_the_newest_again() -> None:
    told: list[tuple[str, str | None]] = []

    class Recording(StoreWrapper):
        """Remembers what is set."""

        def set_mark(self, name: str, value: str | None) -> None:
            told.append((name, value))
            self.inner.set_mark(name, value)

    store = Recording(MemoryStore())
    renew(store, 0.0)
    renew(store, 0.0)
    newest = max(generations(store))
    store.inner.set_mark(*told[0])
    assert len(generations(store)) == 2
    assert max(generations(store)) == newest


def test_generations_do_not_pile_up() -> None:
    store = MemoryStore()
    for _ in range(20):
        renew(store, 0.0)
    assert len(store.marks()) == 1


def test_many_withdrawals_at_once_with_and_without_a_cache_are_seen_by_every_reader(
    redis_url: str, tmp_path: Path
) -> None:
    records = random_records(10, 60)
    below = SQLiteStore(tmp_path / "store.db")
    below.put(records)
    caches = [cached(below, redis_url) for _ in range(3)]
    stopping = threading.Event()

    def work(number: int) -> None:
        """Three withdraw what is theirs alone, three read all the time."""
        if number >= 3:
            while not stopping.is_set():
                caches[number - 3].get(addresses_of(records))
            return
        door = cached(below, redis_url) if number == 0 else CachedElsewhere(below, LEASE)
        try:
            for record in records[number::3]:
                door.withdraw([notice(record.address)])
                for reader in caches:
                    assert isinstance(reader.get([record.address])[record.address], Notice)
        finally:
            if number == 2:
                stopping.set()

    race(6, work)
    below.close()


def test_a_store_opened_without_its_cache_tells_those_who_have_it(redis_url: str) -> None:
    record = sample()
    below = filled([record])
    reader = cached(below, redis_url)
    reader.get([record.address])
    plain = CachedElsewhere(below, LEASE)
    assert plain.marks() == {}
    plain.withdraw([notice(record.address)])
    assert isinstance(reader.get([record.address])[record.address], Notice)


def test_a_store_that_nobody_caches_waits_for_nobody() -> None:
    store = CachedElsewhere(MemoryStore(), 30.0)
    started = time.monotonic()
    store.withdraw([notice(sample().address)])
    store.discard(["no address"])
    assert time.monotonic() - started < 5.0


# A cache that fails.


def test_redis_killed_and_restarted_under_load_is_not_noticed(start_server: Start, tmp_path: Path) -> None:
    server = start_server(Redis())
    records = random_records(7, 200)
    below = SQLiteStore(tmp_path / "store.db")
    below.put(records)
    store = cached(below, f"{server.url}?timeout=0.1")
    whole = {record.address: record.document for record in records}
    stopping = threading.Event()
    slowest = [0.0] * 6

    def read(number: int) -> int:
        chance, reads = random.Random(number), 0
        if number == 6:
            for _ in range(3):
                time.sleep(0.4)
                server.kill()
                time.sleep(0.4)
                server.start()
            time.sleep(2.5)
            stopping.set()
        while not stopping.is_set():
            wanted = chance.sample(list(whole), 20)
            started = time.monotonic()
            assert store.get(wanted) == {address: whole[address] for address in wanted}
            slowest[number] = max(slowest[number], time.monotonic() - started)
            reads += 1
        return reads

    reads = race(7, read)
    assert min(reads[:6]) > 50
    assert max(slowest) < 1.0
    await_hits(store, list(whole))
    store.close()


def await_hits(store: CachedStore, addresses: list[Address]) -> None:
    """Read until all come from the cache, on a machine that may be busy."""
    for _ in range(50):
        before = cache_of(store).counts.hits
        store.get(addresses)
        if cache_of(store).counts.hits == before + len(addresses):
            return
        time.sleep(0.1)
    pytest.fail("the cache is not used again")


@pytest.mark.parametrize("fault", ["slow", "trickling", "frozen", "cut", "refused"])
def test_a_bad_line_costs_bounded_time_and_then_none(
    redis_server: Redis, redis_url: str, fault_proxy: Place, fault: str
) -> None:
    proxy = fault_proxy(redis_server)
    records = random_records(8, 100)
    store = cached(filled(records), f"redis://127.0.0.1:{proxy.port}?timeout=0.1")
    addresses = addresses_of(records)
    store.get(addresses)
    apply: dict[str, Callable[[], None]] = {
        "slow": lambda: proxy.latency(to_client=2.0),
        "trickling": lambda: proxy.bandwidth(to_client=2000),
        "frozen": proxy.freeze,
        "cut": lambda: proxy.cut_after(to_client=100),
        "refused": proxy.refuse,
    }
    apply[fault]()
    times = []
    for _ in range(8):
        started = time.monotonic()
        assert len(store.get(addresses)) == 100
        times.append(time.monotonic() - started)
    assert max(times) < 1.0
    # Left alone by now: a tenth of a second would have to be waited for otherwise.
    assert min(times[4:]) < 0.05
    proxy.heal()
    await_hits(store, addresses)


def test_a_wrong_password_is_for_doctor_and_reads_go_on(start_server: Start) -> None:
    server = start_server(Redis(password="right/wrong"))
    record = sample()
    inner = filled([record])
    store = cached(inner, f"redis://:wrong@127.0.0.1:{server.port}/0")
    assert store.get([record.address]) == {record.address: record.document}
    checks = {check.name: check for check in store.diagnose()}
    assert checks["cache"].status == "fail"
    assert "refuses the login" in checks["cache"].text
    assert "wrong@" not in checks["cache"].text
    right = cached(inner, f"redis://:right%2Fwrong@127.0.0.1:{server.port}/0")
    right.get([record.address])
    right.get([record.address])
    assert cache_of(right).counts.hits == 1


def test_a_full_redis_that_evicts_nothing_only_keeps_nothing(start_server: Start) -> None:
    server = start_server(Redis({"maxmemory": "1mb", "maxmemory-policy": "noeviction"}))
    records = [sample(f"{number}", state={"text": "x" * 50_000}) for number in range(60)]
    store = cached(filled(records), server.url)
    whole = {record.address: record.document for record in records}
    for _ in range(3):
        assert store.get(list(whole)) == whole
    store.withdraw([notice(records[0].address)])
    with pytest.raises(Gone):
        Repository(store, MemoryFiles()).get(records[0].address)


def test_a_store_that_is_down_is_not_stood_in_for(redis_url: str) -> None:
    record = sample()
    inner = MemoryStore()
    inner.put([record])
    store = cached(inner, redis_url)
    store.get([record.address])
    inner.close()
    time.sleep(LEASE)
    with pytest.raises(Unavailable):
        store.get([record.address])


def test_a_store_that_can_not_be_written_to_is_read_without_a_cache(redis_url: str) -> None:
    class ReadOnly(StoreWrapper):
        """Takes no mark."""

        def set_mark(self, name: str, value: str | None) -> None:
            raise ConfigError("read-only")

    record = sample()
    store = CachedStore(ReadOnly(filled([record])), open_cache(redis_url), lease_seconds=0.0)
    for _ in range(2):
        assert store.get([record.address]) == {record.address: record.document}
    assert cache_of(store).counts.misses == 0


def test_many_threads_share_one_cache(redis_url: str) -> None:
    records = random_records(9, 120)
    store = cached(filled(records), redis_url)
    whole = {record.address: record.document for record in records}

    def work(number: int) -> None:
        chance = random.Random(number)
        for _ in range(60):
            wanted = chance.sample(list(whole), chance.randint(1, 60))
            assert store.get(wanted) == {address: whole[address] for address in wanted}

    race(12, work)
    await_hits(store, list(whole))
