"""Three nodes of Cassandra at QUORUM: the suites, nodes killed under load, and threads that race for one head.

All in one test each, so that processes that share the tests don't start a cluster each for their part of them.
"""

from __future__ import annotations

import inspect
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from stat7.errors import Unavailable
from stat7.record import Record
from stat7.stores.base import HeadMove, Outcome, Store
from stat7.stores.cassandra import CassandraStore
from stat7.testing import EntityStoreSuite, HeadStoreSuite
from stat7.testing.samples import sample, samples
from stat7.testing.servers import Cassandra
from stat7.testing.store_suite import check_all
from tests.stores.cassandra import Hooks, empty_store, race_of_finds
from tests.system.racing import race_on_one_head

LOAD_SECONDS = 12.0
THREADS = 8
TIMEOUT = 8.0


class Suites(Hooks, EntityStoreSuite, HeadStoreSuite):
    """The published suites, called by hand."""

    increments = 4
    records = 60
    queries = 6

    def __init__(self, cluster: Cassandra) -> None:
        self.cluster = cluster

    def make_store(self, tmp_path: Path) -> Store:
        return empty_store(self.cluster)

    def reopen(self, store: Store) -> Store:
        assert isinstance(store, CassandraStore)
        store.close()
        return CassandraStore(store.settings)

    def tests(self) -> list[str]:
        """Those that take a store and nothing else, and are not long."""
        found = []
        for name, test in inspect.getmembers(type(self), inspect.isfunction):
            if name.startswith("test_") and list(inspect.signature(test).parameters) == ["self", "store"]:
                found.append(name)
        return [name for name in found if "random" not in name and "brute" not in name and "thousands" not in name]


class Load:
    """Threads that put entities with heads and read them again at once, and what went wrong."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.stop = threading.Event()
        self.acknowledged: list[Record] = []
        self.errors: list[Exception] = []
        self.longest = 0.0

    def run(self, number: int) -> None:
        """Until `stop`."""
        count = 0
        while not self.stop.is_set():
            count += 1
            batch = [sample(f"{number}/{count}/{each}", adjacency=["n"], lineage=each) for each in range(3)]
            begun = time.monotonic()
            try:
                outcomes, moved = self.store.put(batch, [HeadMove(each.id, None, each.address) for each in batch])
                held = self.store.get([each.address for each in batch])
                heads = self.store.heads([each.id for each in batch])
            except Exception as error:
                self.errors.append(error)
                continue
            self.longest = max(self.longest, time.monotonic() - begun)
            assert outcomes == [Outcome.NEW] * 3
            assert held == {each.address: each.document for each in batch}
            # A move whose answer was lost with the node is made and comes as not made.
            assert heads == {each.id: each.address for each in batch}, moved
            self.acknowledged += batch

    def during(self, act: Callable[[], object]) -> None:
        """Run in THREADS threads while `act` happens, and a while before and after."""
        with ThreadPoolExecutor(THREADS) as pool:
            jobs = [pool.submit(self.run, number) for number in range(THREADS)]
            time.sleep(LOAD_SECONDS / 4)
            act()
            time.sleep(LOAD_SECONDS * 3 / 4)
            self.stop.set()
            for job in jobs:
                job.result()


def _all_is_there(store: Store, load: Load) -> None:
    records = load.acknowledged
    assert store.get([each.address for each in records]) == {each.address: each.document for each in records}
    assert store.heads([each.id for each in records]) == {each.id: each.address for each in records}


def test_the_suites_pass_on_three_nodes(start_cassandra: Callable[[Cassandra], Cassandra], tmp_path: Path) -> None:
    suites = Suites(start_cassandra(Cassandra(nodes=3)))
    names = suites.tests()
    assert len(names) > 70
    for name in names:
        store = suites.make_store(tmp_path)
        try:
            getattr(suites, name)(store)
        except pytest.skip.Exception:
            continue
        except BaseException as error:
            error.add_note(f"in {name}, on three nodes")
            raise
        finally:
            store.close()


def test_the_loss_of_a_node_costs_nothing_and_of_two_no_acknowledged_write(
    start_cassandra: Callable[[Cassandra], Cassandra],
) -> None:
    cluster = start_cassandra(Cassandra(nodes=3))
    with empty_store(cluster, timeout=TIMEOUT) as store:
        load = Load(store)
        load.during(lambda: cluster.kill(1))
        assert load.errors == []
        assert len(load.acknowledged) > 3 * THREADS
        _all_is_there(store, load)
        print(f"{len(load.acknowledged)} acknowledged, the longest put and get took {load.longest:.1f} s")
        # With one node down, what a find has seen must still be what a withdrawal sees.
        assert race_of_finds(store, LOAD_SECONDS / 2) > 3

        cluster.start(1)
        # Marks and what takes them away have reached some nodes and not others.
        assert race_of_finds(store, LOAD_SECONDS / 2) > 3
        cluster.kill(0)
        cluster.kill(2)
        extra = samples(20, "extra")
        for call in (lambda: store.put(extra), lambda: store.get([extra[0].address]), lambda: store.heads(["x"])):
            begun = time.monotonic()
            with pytest.raises(Unavailable):
                call()
            assert time.monotonic() - begun < TIMEOUT + 2

        cluster.start()
        _wait_until(lambda: store.put(extra)[0].count(Outcome.NEW) >= 0)
        _all_is_there(store, load)
        assert [finding for finding in check_all(store) if finding.kind != "index"] == []
        race_on_one_head([store], lambda: cluster.kill(2))


def _wait_until(works: Callable[[], object], seconds: float = 60.0) -> None:
    """The same store works again, without being opened anew, soon after its nodes are back."""
    end = time.monotonic() + seconds
    while True:
        try:
            works()
        except Unavailable:
            if time.monotonic() > end:
                raise
            time.sleep(0.5)
        else:
            return
