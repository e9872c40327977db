"""Several processes on one file: killed while they write, writing at once, forked."""

from __future__ import annotations

import os
import random
import subprocess
import sys
import threading
import time
from pathlib import Path

import apsw
import pytest

from stat7.stores.base import HeadMove
from stat7.stores.sqlite import SQLiteStore
from stat7.testing.samples import notice, sample, samples
from stat7.testing.store_suite import check_all, scan_all_heads

PUT_UNTIL_KILLED = """
import sys, threading
from stat7.stores.base import HeadMove
from stat7.stores.sqlite import SQLiteStore
from stat7.testing.samples import notice, sample

store, turn, lock = SQLiteStore(sys.argv[1]), sys.argv[2], threading.Lock()

def say(line):
    with lock:
        sys.stdout.write(line + "\\n")
        sys.stdout.flush()

def work(thread):
    number = 0
    while True:
        batch = [sample(f"{turn}/{thread}/{number}/{place}", adjacency=["n"]) for place in range(1 + number % 4)]
        store.put(batch, [HeadMove(record.id, None, record.address) for record in batch])
        for record in batch:
            say(f"put {record.id} {record.address}")
        if number % 5 == 4:
            store.withdraw([notice(batch[0].address)])
            say(f"withdrawn {batch[0].id} {batch[0].address}")
        number += 1

for thread in range(3):
    threading.Thread(target=work, args=(thread,), daemon=True).start()
threading.Event().wait()
"""

PUT_MANY = """
import sys
from stat7.stores.base import HeadMove, Outcome
from stat7.stores.sqlite import SQLiteStore
from stat7.testing.samples import sample

name, count = sys.argv[2], int(sys.argv[3])
with SQLiteStore(sys.argv[1]) as store:
    advanced = 0
    for number in range(count):
        record = sample(f"{name}/{number}")
        assert store.put([record], [HeadMove(record.id, None, record.address)]) == ([Outcome.NEW], [True])
        while True:
            current = store.heads(["shared"]).get("shared")
            following = f"{int(current or '0', 16) + 1:064x}"
            if store.swap_heads([HeadMove("shared", current, following)]) == [True]:
                break
            advanced += 1
        assert store.get([record.address]) == {record.address: record.document}
"""


def test_what_a_killed_process_was_told_is_stored_is_there(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    chance = random.Random(11)
    told: dict[str, tuple[str, str]] = {}
    for turn in range(4):
        command = [sys.executable, "-c", PUT_UNTIL_KILLED, str(path), str(turn)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as child:
            assert child.stdout is not None
            first = child.stdout.readline()
            time.sleep(chance.uniform(0.05, 0.5))
            child.kill()
            lines = [first, *child.stdout.read().splitlines()]
        # The last line may have been cut off.
        for words in (line.split() for line in lines):
            if len(words) == 3 and len(words[2]) == 64:
                told[words[2]] = (words[0], words[1])
        with SQLiteStore(path) as store:
            known = store.get(list(told))
            heads = dict(scan_all_heads(store))
            for address, (what, id) in told.items():
                assert heads[id] == address
                assert address in known
                assert what == "put" or not isinstance(known[address], bytes)
            assert check_all(store) == []
    assert len(told) > 20


def test_processes_that_write_at_once_lose_nothing(tmp_path: Path) -> None:
    path, count = tmp_path / "store.db", 40
    workers = [
        subprocess.Popen([sys.executable, "-c", PUT_MANY, str(path), f"worker {number}", str(count)])
        for number in range(3)
    ]
    assert [worker.wait(timeout=120) for worker in workers] == [0] * 3
    with SQLiteStore(path) as store:
        assert store.count() == 3 * count
        records = [sample(f"worker {number}/{turn}") for number in range(3) for turn in range(count)]
        assert store.get([r.address for r in records]) == {r.address: r.document for r in records}
        assert store.heads([r.id for r in records]) == {r.id: r.address for r in records}
        assert int(store.heads(["shared"])["shared"], 16) == 3 * count
        assert check_all(store) == []


def test_what_one_process_withdraws_another_refuses(tmp_path: Path) -> None:
    record = sample()
    with SQLiteStore(tmp_path / "store.db") as first, SQLiteStore(tmp_path / "store.db") as second:
        first.put([record])
        assert second.has([record.address]) == {record.address}
        second.withdraw([notice(record.address)])
        assert first.has([record.address]) == set()
        assert first.put([record])[0][0].value == "withdrawn"


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
def test_a_forked_child_uses_connections_of_its_own(tmp_path: Path) -> None:
    with SQLiteStore(tmp_path / "store.db") as store:
        store.put(samples(5))
        assert store.count() == 5
        # Another thread leads while the process forks: in the child there is nobody to wait for.
        begun, gate = threading.Event(), threading.Event()

        def hold_up(raw: apsw.Connection) -> None:
            begun.set()
            gate.wait(timeout=60)

        leader = threading.Thread(target=store._writer.outside, args=(hold_up,))
        leader.start()
        begun.wait(timeout=60)
        child = os.fork()
        if child == 0:
            _in_child(store)
        gate.set()
        leader.join(timeout=60)
        assert os.waitpid(child, 0)[1] == 0
        assert store.put(samples(3, "parent"))[0][0].value == "new"
        assert store.count() == 9
        assert store.heads(["child"]) == {"child": sample("child").address}
        assert check_all(store) == []
    with SQLiteStore(tmp_path / "store.db") as store:
        assert store.count() == 9


def _in_child(store: SQLiteStore) -> None:
    """Use the parent's store in a forked child, and end without Python's own tidying up."""
    code = 1
    try:
        parents = store._writer._connection
        record = sample("child")
        results: list[object] = []
        put = threading.Thread(
            target=lambda: results.append(store.put([record], [HeadMove("child", None, record.address)]))
        )
        put.start()
        put.join(timeout=30)
        if parents is None and store.count() == 6 and len(results) == 1:
            code = 0
        store.close()
    finally:
        os._exit(code)
