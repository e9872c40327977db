"""Shards on three PostgreSQL servers: one killed or frozen under load, and threads that race."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from functools import partial
from pathlib import Path

import pytest

import stat7
from stat7.errors import Unavailable
from stat7.operations.verify import verify
from stat7.record import Record
from stat7.registry import open_store
from stat7.registry.shards import shards_text
from stat7.stores.base import HeadMove, Outcome
from stat7.stores.postgresql import PostgreSQLStore, Settings
from stat7.stores.sharded import ShardedStore, ShardMap
from stat7.stores.sharded.making import make_set
from stat7.testing.fixtures import started
from stat7.testing.required import need_driver
from stat7.testing.samples import sample
from stat7.testing.servers import FaultProxy, PostgreSQL, Server
from stat7.testing.store_suite import check_all, race
from tests.stores.postgresql import url_through
from tests.stores.sharding import records_at
from tests.system.loading import Load
from tests.system.racing import RACE_SECONDS, THREADS

SHARDS = 3
LONGEST = 25.0
"""Seconds that any call may take: retries end after 10, and what was begun by then has its own limits."""


@pytest.fixture(scope="module")
def servers() -> Iterator[list[PostgreSQL]]:
    """Three servers for this module; a test that kills one starts it again."""
    need_driver("postgres", "psycopg")
    with ExitStack() as stack:
        yield [stack.enter_context(started(PostgreSQL())) for _ in range(SHARDS)]


@pytest.fixture
def shards(servers: list[PostgreSQL], tmp_path: Path) -> Iterator[str]:
    """The URL of an empty set, one shard on each server, all of which run."""
    places = [server.start().create_database() for server in servers]
    yield make_shards(places, tmp_path / "shards.toml")
    for server, place in zip(servers, places, strict=True):
        server.start().drop_database(place)


def make_shards(places: list[str], path: Path, options: str = "") -> str:
    """Make a set of the databases at these URLs; its own URL."""
    shard_map = ShardMap.equal(len(places))
    stores = [PostgreSQLStore(Settings(place)) for place in places]
    make_set(stores, shard_map, [f"database {number}" for number in range(len(places))])
    for store in stores:
        store.close()
    path.write_text(shards_text(shard_map, [place + options for place in places]), "utf-8")
    return f"shards:{path}"


class _Load(Load):
    """Threads that put entities one by one, and get what was acknowledged."""

    def jobs(self) -> Sequence[Callable[[], None]]:
        return [partial(self._work, number) for number in range(THREADS)]

    def _work(self, number: int) -> None:
        chance, turn = random.Random(number), 0
        waiting: list[Record] = []
        while self.goes_on():
            turn += 1
            # What failed is tried again now and then, so that a shard that is down holds up nobody.
            again = bool(waiting) and turn % 8 == 0
            record = waiting.pop(0) if again else sample(f"writer/{number}/{turn}")
            if not self.put(record):
                waiting.append(record)
            if self.acknowledged:
                self.get(chance.choice(list(self.acknowledged.values())))


def test_one_server_killed_under_load_costs_what_it_holds_until_it_is_back_and_nothing_acknowledged(
    servers: list[PostgreSQL], shards: str, tmp_path: Path
) -> None:
    with stat7.open(shards, files=f"file:{tmp_path / 'files'}") as repo:
        with _Load(repo) as load:
            load.wait_for_more(60)
            servers[1].kill()
            load.wait_for_more(30, lambda: len(load.failures) > 5)
            servers[1].start()
            seen = len(load.acknowledged)
            shard_of = ShardMap.shard_of
            shard_map = repo.store.shard_map  # type: ignore[attr-defined]
            load.wait_for_more(
                60, lambda: any(shard_of(shard_map, address) == 1 for address in list(load.acknowledged)[seen:])
            )
        assert load.wrong == []
        assert load.slowest < LONGEST
        assert all(said.startswith("shard 1: ") and len(said.splitlines()) == 1 for said in load.failures)
        assert verify(repo).findings == 0
        records = load.acknowledged.values()
        assert repo.store.heads([record.id for record in records]) == {record.id: record.address for record in records}
        for record in records:
            assert repo.get_document(record.address) == record.document


def test_a_client_that_starts_while_one_server_is_down_works_with_the_others_and_then_with_all(
    servers: list[PostgreSQL], shards: str
) -> None:
    servers[2].kill()
    store = open_store(shards)
    assert isinstance(store, ShardedStore)
    kept = [next(records_at(store.shard_map, number, head=number)) for number in range(SHARDS)]
    for record in kept[:2]:
        assert store.put([record], [HeadMove(record.id, None, record.address)]) == ([Outcome.NEW], [True])
    begun = time.monotonic()
    with pytest.raises(Unavailable, match=r"^shard 2: .*check host and port"):
        store.put(kept[2:])
    assert time.monotonic() - begun < 10
    assert [check.status for check in store.diagnose()] == ["ok", "ok", "ok", "fail"]
    servers[2].start()
    assert store.put(kept)[0] == [Outcome.EXISTED, Outcome.EXISTED, Outcome.NEW]
    assert store.count() == 3
    store.close()


def test_a_server_that_says_nothing_holds_up_only_those_who_ask_it_and_them_not_for_ever(
    servers: list[PostgreSQL], tmp_path: Path, fault_proxy: Callable[[Server], FaultProxy]
) -> None:
    places = [server.start().create_database() for server in servers]
    proxy = fault_proxy(servers[1])
    through = [places[0], url_through(places[1], proxy.address[1]), places[2]]
    store = open_store(make_shards(through, tmp_path / "shards.toml", "?timeout=1&connect_timeout=2&retries=0"))
    assert isinstance(store, ShardedStore)
    others = [next(records_at(store.shard_map, number)) for number in (0, 2)]
    store.put([*others, next(records_at(store.shard_map, 1))])
    errors: list[str] = []

    def count() -> None:
        try:
            store.count()
        except Unavailable as error:
            errors.append(str(error))

    proxy.freeze()
    waiting = [threading.Thread(target=count) for _ in range(12)]
    begun = time.monotonic()
    for thread in waiting:
        thread.start()
    for _ in range(10):
        assert len(store.get([record.address for record in others])) == 2
    assert time.monotonic() - begun < 3
    for thread in waiting:
        thread.join(timeout=40)
    assert time.monotonic() - begun < LONGEST
    assert len(errors) == 12
    assert all(said.startswith("shard 1: ") for said in errors)
    proxy.heal()
    assert store.count() == 3
    store.close()


def test_eight_threads_racing_on_one_head_lose_no_update(shards: str) -> None:
    store = open_store(shards)
    end = time.monotonic() + RACE_SECONDS

    def work(number: int) -> int:
        made = turn = 0
        while time.monotonic() < end:
            turn += 1
            head = store.heads(["thing"]).get("thing")
            record = sample("thing", state={"by": number, "turn": turn}, previous=head)
            made += store.put([record], [HeadMove("thing", head, record.address)])[1] == [True]
        return made

    made = race(THREADS, work)
    length, head = 0, store.heads(["thing"]).get("thing")
    while head is not None:
        version = stat7.Entity.from_json(store.get([head])[head])  # type: ignore[arg-type]
        length, head = length + 1, version.previous
    assert length == sum(made) > THREADS
    assert check_all(store) == []
    store.close()
