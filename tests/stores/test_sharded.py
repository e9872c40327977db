"""ShardedStore over stores in memory: the published suites, and what only a store over several can do or get wrong."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

import pytest

from stat7.address import Address
from stat7.contracts import Check
from stat7.errors import ConfigError, InvalidQuery, StoreFull, Unavailable
from stat7.files.base import FileStore
from stat7.files.memory import MemoryFiles
from stat7.operations.doctor import diagnose
from stat7.operations.stats import stats
from stat7.paging import walk
from stat7.query import Query
from stat7.record import Record
from stat7.repository import Repository
from stat7.stores.base import Capabilities, Finding, HeadMove, Match, Outcome, Page, Plan, Store
from stat7.stores.memory import MemoryStore
from stat7.stores.sharded import ShardedStore, ShardMap
from stat7.stores.sharded.shard_map import MARK
from stat7.stores.sharded.summing import add_up_plans
from stat7.stores.wrapping import StoreWrapper
from stat7.testing import EntityStoreSuite, HeadStoreSuite, RepositorySuite
from stat7.testing.samples import notice, sample, samples
from stat7.testing.store_suite import check_all, find_all, race, scan_all
from tests.stores.sharding import ids_at, make_memory, open_memory, over, records_at, shard_at


class TestShardsInMemory(EntityStoreSuite, HeadStoreSuite):
    """The conformance suites over two stores."""

    shards = 2

    def make_store(self, tmp_path: Path) -> Store:
        store = make_memory(str(tmp_path), self.shards)
        self.name = str(tmp_path)
        return store

    def reopen(self, store: Store) -> Store:
        assert isinstance(store, ShardedStore)
        name = shard_at(store, 0).name.rpartition("/")[0]
        store.close()
        return open_memory(name, store.shard_map)

    def raw_document(self, store: Store, address: Address) -> bytes | None:
        document: bytes | None = _contents(store, address).documents.get(address)
        return document

    def damage(self, store: Store, address: Address, data: bytes) -> None:
        _contents(store, address).documents[address] = data

    def damage_index(self, store: Store, address: Address) -> None:
        del _contents(store, address).files[address]


class TestManyShardsInMemory(TestShardsInMemory):
    """The same over so many stores that most walks cross several."""

    shards = 7
    examples = 10


class TestRepositoryOnShards(RepositorySuite):
    """What a sharded store and one of files must do together."""

    def make_stores(self, tmp_path: Path) -> tuple[Store, FileStore]:
        return over([MemoryStore() for _ in range(3)]), MemoryFiles()

    def damage(self, store: Store, address: Address, data: bytes = b"damaged") -> None:
        _contents(store, address).documents[address] = data

    def damage_file(self, files: FileStore, sha256: str, data: bytes) -> None:
        assert isinstance(files, MemoryFiles)
        held = files._files[sha256]
        held.data, held.table = data, None


def _contents(store: Store, address: Address) -> Any:
    assert isinstance(store, ShardedStore)
    return shard_at(store, store.shard_map.shard_of(address)).contents()


class Noted(StoreWrapper):
    """A store that notes who calls what of it, and fails with `failure` while there is one."""

    def __init__(self, inner: Store) -> None:
        super().__init__(inner)
        self.calls: list[str] = []
        self.threads: set[str] = set()
        self.failure: Exception | None = None
        self.before: Callable[[str], object] = lambda name: None

    def note(self, name: str) -> None:
        self.calls.append(name)
        self.threads.add(threading.current_thread().name)
        self.before(name)
        if self.failure is not None:
            raise self.failure

    def put(self, records: Sequence[Record], moves: Sequence[HeadMove] = ()) -> tuple[list[Outcome], list[bool]]:
        self.note("put")
        return super().put(records, moves)

    def swap_heads(self, moves: Sequence[HeadMove]) -> list[bool]:
        self.note("swap_heads")
        return super().swap_heads(moves)

    def get(self, addresses: Sequence[Address]) -> dict[Address, Any]:
        self.note("get")
        return super().get(addresses)

    def find(self, query: Query, cursor: str | None, limit: int) -> Page[Match]:
        self.note(f"find {limit}")
        return super().find(query, cursor, limit)

    def count(self) -> int:
        self.note("count")
        return super().count()

    def check(self, cursor: str | None, limit: int) -> Page[Finding]:
        self.note("check")
        return Page([Finding("index", "cov", "it is missing")], None)


@pytest.fixture
def noted() -> list[Noted]:
    """Three stores that note what is asked of them."""
    return [Noted(MemoryStore()) for _ in range(3)]


@pytest.fixture
def store(noted: list[Noted]) -> Iterator[ShardedStore]:
    """A set over them."""
    made = over(noted)
    for each in noted:
        each.calls.clear()
        each.threads.clear()
    yield made
    made.close()


def _calls(noted: Sequence[Noted]) -> list[list[str]]:
    return [each.calls for each in noted]


# --- where things are


def test_everything_is_where_the_map_says(store: ShardedStore, noted: list[Noted]) -> None:
    records = samples(90)
    store.put(records, [HeadMove(record.id, None, record.address) for record in records])
    store.withdraw([notice(records[0].address)])
    for number, each in enumerate(noted):
        low, high = store.shard_map.range_of(number)
        addresses = [address for address, _ in scan_all(each)]
        assert len(addresses) > 10
        assert all((low or "") <= address < (high or "g") for address in addresses)
        heads = [id for page in walk(each.scan_heads, 10) for id, _ in page.items]
        assert len(heads) > 10
        assert {store.shard_map.home_of(id) for id in heads} == {number}


def test_a_call_that_concerns_one_shard_is_made_by_the_caller_and_asks_no_other(
    store: ShardedStore, noted: list[Noted]
) -> None:
    first, second = islice(records_at(store.shard_map, 1, head=1), 2)
    store.put([first], [HeadMove(first.id, None, first.address)])
    store.put([second, first], [HeadMove(second.id, None, second.address)])
    store.get([first.address])
    store.get([first.address, second.address])
    assert _calls(noted) == [[], ["put", "put", "get", "get"], []]
    assert noted[1].threads == {threading.current_thread().name}


def test_a_head_elsewhere_is_moved_after_the_records_are_stored(store: ShardedStore, noted: list[Noted]) -> None:
    record = next(records_at(store.shard_map, 0, head=2))
    there: list[bool] = []
    noted[2].before = lambda name: there.append(bool(noted[0].inner.has([record.address])))
    assert store.put([record], [HeadMove(record.id, None, record.address)]) == ([Outcome.NEW], [True])
    assert _calls(noted) == [["put"], [], ["swap_heads"]]
    assert there == [True]
    assert store.put([record], [HeadMove(record.id, None, record.address)]) == ([Outcome.EXISTED], [False])


@pytest.mark.parametrize("head", [0, 1])
def test_no_head_moves_to_what_is_withdrawn_wherever_it_lives(store: ShardedStore, head: int) -> None:
    gone, other = islice(records_at(store.shard_map, 0, head=head), 2)
    store.withdraw([notice(gone.address)])
    moves = [HeadMove(gone.id, None, gone.address), HeadMove(other.id, None, gone.address)]
    assert store.put([gone, other], moves) == ([Outcome.WITHDRAWN, Outcome.NEW], [False, False])
    assert store.put([], moves) == ([], [False, False])
    assert store.heads([gone.id, other.id]) == {}


def test_a_put_cut_off_before_its_move_is_completed_by_putting_again(store: ShardedStore, noted: list[Noted]) -> None:
    record = next(records_at(store.shard_map, 0, head=2))
    repo = Repository(store, MemoryFiles())
    noted[2].failure = Unavailable("away")
    with pytest.raises(Unavailable, match="shard 2: away"):
        store.put([record], [HeadMove(record.id, None, record.address)])
    noted[2].failure = None
    assert store.has([record.address]) == {record.address}
    assert store.heads([record.id]) == {}
    assert repo.put(record) == record.address
    assert store.heads([record.id]) == {record.id: record.address}


def test_calls_to_several_shards_run_at_the_same_time(store: ShardedStore, noted: list[Noted]) -> None:
    meeting = threading.Barrier(3)
    for each in noted:
        each.before = lambda name: meeting.wait(timeout=20)
    store.put([next(records_at(store.shard_map, number)) for number in range(3)])
    assert store.count() == 3


# --- a shard that is down


def test_what_a_shard_holds_that_is_down_is_unavailable_and_the_rest_answers(
    store: ShardedStore, noted: list[Noted]
) -> None:
    kept = [next(records_at(store.shard_map, number, head=number)) for number in range(3)]
    store.put(kept, [HeadMove(record.id, None, record.address) for record in kept])
    noted[1].failure = Unavailable("it is away; try again")
    for record in (kept[0], kept[2]):
        assert store.get([record.address]) == {record.address: record.document}
        assert store.heads([record.id]) == {record.id: record.address}
        assert store.put([record])[0] == [Outcome.EXISTED]
    calls: list[Callable[[], object]] = [
        lambda: store.get([kept[1].address]), lambda: store.get([record.address for record in kept]),
        lambda: store.put([kept[1]]), store.count, lambda: find_all(store, Query()),
    ]  # fmt: skip
    for call in calls:
        with pytest.raises(Unavailable, match=r"^shard 1: it is away; try again$"):
            call()
    noted[1].failure = None
    assert store.count() == 3


@pytest.mark.parametrize("failure", [StoreFull("no space"), ConfigError("no right to")])
def test_other_errors_of_a_shard_name_it_too(store: ShardedStore, noted: list[Noted], failure: Exception) -> None:
    noted[2].failure = failure
    with pytest.raises(type(failure), match=f"^shard 2: {failure}$"):
        store.put([next(records_at(store.shard_map, number)) for number in range(3)])


def test_all_calls_have_ended_when_one_that_failed_is_told(store: ShardedStore, noted: list[Noted]) -> None:
    noted[2].failure = Unavailable("away")
    done: list[str] = []

    def late(name: str) -> None:
        time.sleep(0.3)
        done.append(name)

    noted[0].before = late
    with pytest.raises(Unavailable):
        store.put([next(records_at(store.shard_map, number)) for number in range(3)])
    assert done == ["put"]


def test_a_shard_that_hangs_holds_up_nobody_who_asks_the_others(store: ShardedStore, noted: list[Noted]) -> None:
    go_on = threading.Event()
    noted[2].before = lambda name: go_on.wait(timeout=30)
    hanging = [threading.Thread(target=store.count) for _ in range(20)]
    try:
        for thread in hanging:
            thread.start()
        kept = [next(records_at(store.shard_map, number)) for number in range(2)]
        begun = time.monotonic()
        for _ in range(20):
            store.put(kept)
        assert time.monotonic() - begun < 10
        assert not go_on.is_set()
    finally:
        go_on.set()
        for thread in hanging:
            thread.join()


class Door:
    """Opens a store unless it is shut, and counts how often that was tried."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.shut = False
        self.tries = 0

    def __call__(self) -> Store:
        self.tries += 1
        if self.shut:
            time.sleep(0.2)
            raise Unavailable("can't connect")
        return self.store


@pytest.fixture
def doors() -> tuple[list[Door], ShardMap]:
    """Openers of two shards, and their map."""
    stores = [MemoryStore(), MemoryStore()]
    shard_map = ShardMap.equal(2)
    over(stores, shard_map)
    return [Door(store) for store in stores], shard_map


def test_a_shard_that_is_down_at_the_start_is_opened_when_it_is_there(doors: tuple[list[Door], ShardMap]) -> None:
    openers, shard_map = doors
    openers[1].shut = True
    store = ShardedStore(openers, shard_map)
    record = next(records_at(shard_map, 0, head=0))
    store.put([record], [HeadMove(record.id, None, record.address)])
    with pytest.raises(Unavailable, match=r"^shard 1: can't connect$"):
        store.count()
    openers[1].shut = False
    assert store.count() == 1


def test_if_all_are_down_at_the_start_that_is_said_at_once(doors: tuple[list[Door], ShardMap]) -> None:
    openers, shard_map = doors
    for door in openers:
        door.shut = True
    with pytest.raises(Unavailable, match=r"^shard 0: can't connect$"):
        ShardedStore(openers, shard_map)


def test_threads_that_wait_for_the_same_shard_to_open_do_not_wait_one_after_the_other(
    doors: tuple[list[Door], ShardMap],
) -> None:
    openers, shard_map = doors
    openers[1].shut = True
    store = ShardedStore(openers, shard_map)
    address = next(records_at(shard_map, 1)).address

    def ask(number: int) -> None:
        with pytest.raises(Unavailable):
            store.get([address])

    begun = time.monotonic()
    race(10, ask)
    assert time.monotonic() - begun < 1.5


def test_a_shard_that_opens_while_the_store_is_closed_is_closed_too(doors: tuple[list[Door], ShardMap]) -> None:
    openers, shard_map = doors
    openers[1].shut = True
    store = ShardedStore(openers, shard_map)
    late, opening, go_on = MemoryStore("late"), threading.Event(), threading.Event()
    late.set_mark(MARK, shard_map.mark(1))

    def open_late() -> Store:
        opening.set()
        go_on.wait(timeout=30)
        return late

    def ask() -> None:
        with pytest.raises(Unavailable):
            store.count()

    store._shards[1]._open_it = open_late
    asking = threading.Thread(target=ask)
    asking.start()
    assert opening.wait(timeout=30)
    store.close()
    go_on.set()
    asking.join()
    with pytest.raises(Unavailable):
        late.count()
    with pytest.raises(Unavailable, match="closed"):
        store.get([next(records_at(shard_map, 1)).address])


def test_a_closed_store_says_so_also_of_a_shard_that_was_never_opened(doors: tuple[list[Door], ShardMap]) -> None:
    openers, shard_map = doors
    openers[1].shut = True
    store = ShardedStore(openers, shard_map)
    store.close()
    with pytest.raises(Unavailable, match=r"^shard 1: the store is closed"):
        store.get([next(records_at(shard_map, 1)).address])


def test_threads_that_can_not_be_started_make_a_call_unavailable(
    store: ShardedStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    other = over([MemoryStore(), MemoryStore()])
    for shard in other._shards:
        shard.abandon()
    monkeypatch.setattr(threading.Thread, "start", refuse)
    with pytest.raises(Unavailable, match=r"^shard 0: no thread can be started"):
        other.count()


def test_plans_of_many_shards_are_told_by_their_ways() -> None:
    one, two = Plan("cov", True, 5, 5, "seeks"), Plan("walk", False, 9, 7, "reads")
    plan = add_up_plans([one, two, two, two, two, one])
    assert plan == Plan("cov+walk", False, 46, 38, plan.detail)
    assert "shards 0, 5 by cov, seeks; shards 1 to 4 by walk, reads" in plan.detail
    assert "shard 1 by walk" in add_up_plans([one, two]).detail


# --- the map


def test_a_store_without_the_map_or_with_another_is_refused_before_anything_is_written() -> None:
    stores = [MemoryStore(f"refused/{n}") for n in range(2)]
    over(stores)
    outdated = ShardMap.equal(2)
    openers: list[Callable[[], Store]] = [lambda: MemoryStore("refused/0"), lambda: MemoryStore("refused/1")]
    with pytest.raises(
        ConfigError, match=r"outdated shard map map\.toml: at one it belongs to the set .*nothing was wri"
    ):
        ShardedStore(openers, outdated, ["one", "two"], "map.toml")
    with pytest.raises(ConfigError, match="belongs to no set"):
        ShardedStore([MemoryStore, MemoryStore], outdated)
    assert all(store.count() == 0 for store in stores)


def test_shards_that_change_places_are_refused(doors: tuple[list[Door], ShardMap]) -> None:
    openers, shard_map = doors
    with pytest.raises(ConfigError, match="mixed up"):
        ShardedStore(openers[::-1], shard_map)


def test_a_shard_whose_map_is_wrong_is_refused_also_if_it_was_down_at_the_start(
    doors: tuple[list[Door], ShardMap],
) -> None:
    openers, shard_map = doors
    openers[1].shut = True
    store = ShardedStore(openers, shard_map)
    other = MemoryStore()
    openers[1].store, openers[1].shut = other, False
    kept = other.contents()
    with pytest.raises(ConfigError, match=r"^shard 1: wrong or outdated shard map"):
        store.put([next(records_at(shard_map, 1))])
    assert not kept.documents


def test_as_many_stores_as_the_map_says_are_needed() -> None:
    with pytest.raises(ValueError, match="1 stores for a map of 2"):
        ShardedStore([MemoryStore], ShardMap.equal(2))


def test_a_set_is_made_of_empty_stores_only_and_none_is_changed() -> None:
    empty, full, headed = MemoryStore(), MemoryStore(), MemoryStore()
    full.put(samples(1))
    headed.swap_heads([HeadMove("a", None, "0" * 64)])
    for other in (full, headed):
        with pytest.raises(ConfigError, match=r"store 1 holds data already; .*stat7 copy"):
            over([empty, other])
    assert empty.marks() == {}


def test_a_set_is_made_again_where_that_was_cut_off() -> None:
    stores = [MemoryStore(), MemoryStore()]
    stores[0].set_mark(MARK, ShardMap.equal(5).mark(3))
    assert over(stores).count() == 0


def test_one_store_named_twice_is_no_set() -> None:
    store = MemoryStore()
    with pytest.raises(ConfigError, match="store 0 is named twice"):
        over([store, store])


def test_the_mark_of_the_map_is_nobodys_business(store: ShardedStore) -> None:
    assert store.marks() == {}
    with pytest.raises(InvalidQuery, match="map of the shards"):
        store.set_mark(MARK, None)


# --- finding and walking


def test_find_asks_the_next_shards_only_if_its_page_is_not_full(store: ShardedStore, noted: list[Noted]) -> None:
    kept = [record for number in range(3) for record in islice(records_at(store.shard_map, number), 4)]
    store.put(kept)
    for each in noted:
        each.calls.clear()
    noted[1].failure = noted[2].failure = Unavailable("away")
    page = store.find(Query(), None, 4)
    assert len(page.items) == 4
    assert _calls(noted) == [["find 4"], [], []]
    with pytest.raises(Unavailable):
        store.find(Query(), page.cursor, 4)
    noted[1].failure = None
    second = store.find(Query(), page.cursor, 4)
    assert len(store.find(Query(), None, 8).items) == 8
    with pytest.raises(Unavailable, match="shard 2"):
        store.find(Query(), None, 9)
    noted[2].failure = None
    assert sorted(find_all(store, Query(), 5)) == sorted(Match(record.address, record.id) for record in kept)
    assert len({*page.items, *second.items}) == 8


def test_pages_filled_from_several_shards_are_full(store: ShardedStore) -> None:
    store.put([record for number in range(3) for record in islice(records_at(store.shard_map, number), 10)])
    pages = list(walk(lambda cursor, limit: store.find(Query(), cursor, limit), 7))
    assert [len(page.items) for page in pages] == [7, 7, 7, 7, 2]
    pages_of_scan = list(walk(store.scan, 7))
    assert [len(page.items) for page in pages_of_scan] == [7, 7, 7, 7, 2]


def test_cursors_of_another_set_are_refused(store: ShardedStore) -> None:
    store.put(samples(20))
    other = over([MemoryStore() for _ in range(3)])
    other.put(samples(20))
    find, scan = other.find(Query(), None, 3).cursor, other.scan(None, 3).cursor
    with pytest.raises(InvalidQuery):
        store.find(Query(), find, 3)
    with pytest.raises(InvalidQuery):
        store.scan(scan, 3)


def test_findings_that_are_about_no_address_name_their_shard(store: ShardedStore) -> None:
    assert [finding.detail for finding in check_all(store)] == [f"shard {n}: it is missing" for n in range(3)]


def test_plans_add_up_and_name_the_shards(store: ShardedStore) -> None:
    store.put(samples(90))
    plan = store.explain(Query())
    assert (plan.method, plan.indexed, plan.rows, plan.matches) == ("walk", False, 90, 90)
    assert plan.detail.startswith("asks 3 of 3 shards for the first page: shards 0, 1, 2 by walk, reads")
    store.put(samples(900, "more"))
    plan = store.explain(Query())
    assert plan.matches == 990
    assert plan.rows < 400
    assert plan.detail.startswith("asks 1 of 3 shards")


# --- the whole


def test_capabilities_are_the_weakest(noted: list[Noted]) -> None:
    noted[0].capabilities = Capabilities("one", max_batch=50, indexed=frozenset({"realm", "file"}))
    noted[1].capabilities = Capabilities("one", consistent_find=False, indexed=frozenset({"realm"}))
    noted[2].capabilities = Capabilities("two", durable=False, refuses_scans=True, indexed=frozenset({"realm"}))
    assert over(noted).capabilities == Capabilities(
        "shards of one, two", max_batch=50, consistent_find=False, durable=False, refuses_scans=True,
        indexed=frozenset({"realm"}),
    )  # fmt: skip


def test_doctor_says_a_line_for_the_map_and_one_for_each_shard(store: ShardedStore, noted: list[Noted]) -> None:
    repo = Repository(store, MemoryFiles())
    lines = {check.name: check for check in diagnose(repo)}
    assert "3 shards" in lines["shard map"].text
    assert lines["shard 1"].status == "warn"
    assert "5555555555555555… to before aaaaaaaaaaaaaaaa…" in lines["shard 1"].text
    assert "kept in memory" in lines["shard 1"].text
    store.close()
    assert [check.status for check in diagnose(repo) if check.name.startswith("store")] == ["fail"]


def test_doctor_tells_which_shard_is_down(doors: tuple[list[Door], ShardMap]) -> None:
    openers, shard_map = doors
    openers[0].shut = True
    checks = ShardedStore(openers, shard_map).diagnose()
    assert [check.status for check in checks] == ["ok", "fail", "warn"]
    assert "can't connect" in checks[1].text


def test_a_server_that_does_not_refuse_other_shards_is_told_by_doctor() -> None:
    class Lax(MemoryStore):
        def is_restricted(self) -> bool:
            return False

        def diagnose(self) -> list[Check]:
            return [Check("durability", "ok", "durable")]

    checks = over([MemoryStore(), Lax()]).diagnose()
    assert checks[2].status == "fail"
    assert "a CHECK is missing" in checks[2].text


def test_stats_name_the_shards(store: ShardedStore) -> None:
    store.put(samples(30))
    counts = stats(Repository(store, MemoryFiles()))
    assert sum(counts["shards"].values()) == counts["entities"] == 30
    assert len(counts["shards"]) == 3
    assert counts["kinds"]["store"] == "shards of memory"
    assert counts["disk_bytes"]["store"] == 0


def test_the_size_is_unknown_if_that_of_one_shard_is(store: ShardedStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Noted, "disk_bytes", lambda self: None, raising=False)
    assert store.disk_bytes() is None


def test_ids_that_no_engine_stores_have_a_home_too(store: ShardedStore) -> None:
    assert store.heads(["\ud800", "\0", next(ids_at(store.shard_map, 1))]) == {}


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
def test_a_forked_child_goes_on_with_the_shards(store: ShardedStore) -> None:
    store.put(samples(20))
    assert store.count() == 20
    child = os.fork()
    if not child:
        code = 1
        try:
            code = 0 if store.count() == 20 else 2
        finally:
            os._exit(code)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def test_eight_threads_that_move_heads_across_shards_lose_no_update(store: ShardedStore) -> None:
    repo = Repository(store, MemoryFiles())

    def work(number: int) -> int:
        done = 0
        while done < 15:
            head = store.heads(["thing"]).get("thing")
            record = sample("thing", state={"by": number, "turn": done}, previous=head)
            done += repo.put_many([record])[0].error is None
        return done

    assert sum(race(8, work)) == 120
    assert len(list(repo.history("thing"))) == 120
