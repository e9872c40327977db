"""Durable single puts: of 16 threads against one transaction each; and 70/30 reads and puts of 4 processes.

The first shows what gathering the puts of many threads into one transaction gains, the second what several processes
reach together on one file with 100,000 entities: every read is hashed, every put is durable and moves a head.
"""

from __future__ import annotations

import multiprocessing
import random
import tempfile
import threading
import time
from collections.abc import Sequence
from multiprocessing.queues import Queue
from multiprocessing.synchronize import Barrier
from pathlib import Path

from _entities import filled_store, records, texts
from _measure import compare, options, report_at_least, report_rate

from stat7.files.memory import MemoryFiles
from stat7.record import Record
from stat7.repository import Repository
from stat7.stores.base import HeadMove
from stat7.stores.sqlite import SQLiteStore

THREADS = 16
PROCESSES = 4
OPERATIONS_A_SECOND = 5_000


def by_threads(store: SQLiteStore, given: Sequence[Record]) -> None:
    """Put each record by itself, from THREADS threads."""
    workers = [threading.Thread(target=one_by_one, args=(store, given[at::THREADS])) for at in range(THREADS)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()


def one_by_one(store: SQLiteStore, given: Sequence[Record]) -> None:
    """Put each record by itself: a transaction each where nobody else puts."""
    for record in given:
        store.put([record], [HeadMove(record.id, None, record.address)])


def gathered(folder: Path, rounds: int, puts: int) -> None:
    """Compare threads with one after the other, on a file each."""
    needed = (rounds + 1) * puts
    sources = [records(needed, seed, f"thread {seed}") for seed in (1, 2)]
    prepared = [[[next(source) for _ in range(puts)] for _ in range(rounds + 1)] for source in sources]
    with SQLiteStore(folder / "threads.db") as threads, SQLiteStore(folder / "single.db") as single:
        comparison = compare(
            lambda: by_threads(threads, prepared[0].pop()),
            lambda: one_by_one(single, prepared[1].pop()),
            rounds=rounds,
        )
        if threads.count() != needed or single.count() != needed:
            raise SystemExit("puts: some puts were lost")
    note = f"median of {rounds} rounds of {puts:,} puts"
    report_rate(
        f"{THREADS} threads of durable single puts, against one transaction each", comparison, puts, target=2, note=note
    )


def work(
    path: str, addresses: Sequence[str], number: int, seconds: float, start: Barrier, results: Queue[tuple[int, int]]
) -> None:
    """One process: 7 verified gets and 3 durable puts of every 10 operations, for a while; answers how many of each."""
    chance = random.Random(number)
    mix = [chance.random() < 0.7 for _ in range(9_973)]
    coming = texts(1_000_000, number + 100, f"process {number}")
    done = [0, 0]
    with Repository(SQLiteStore(path), MemoryFiles()) as repository:
        repository.get_document(addresses[0])
        start.wait()
        end = time.perf_counter() + seconds
        while time.perf_counter() < end:
            reads = mix[sum(done) % len(mix)]
            if reads:
                repository.get_document(chance.choice(addresses))
            else:
                repository.put(next(coming))
            done[reads] += 1
    results.put((done[1], done[0]))


def mixed(folder: Path, count: int, seconds: float) -> None:
    """Run the processes on one file and report what they reached together."""
    path = folder / "shared.db"
    store, addresses = filled_store(path, count)
    context = multiprocessing.get_context("spawn")
    start, results = context.Barrier(PROCESSES), context.Queue()
    workers = [
        context.Process(target=work, args=(str(path), addresses, number, seconds, start, results))
        for number in range(PROCESSES)
    ]
    for worker in workers:
        worker.start()
    reads, puts = (sum(each) for each in zip(*(results.get(timeout=seconds + 120) for _ in workers), strict=True))
    for worker in workers:
        worker.join()
    with store:
        if store.count() != count + puts:
            raise SystemExit(f"puts: {count + puts - store.count()} acknowledged puts were lost")
    rate = (reads + puts) / seconds
    name = f"concurrent 70/30 of verified gets and durable puts, {PROCESSES} processes"
    note = f"{count:,} entities, {seconds:g} s, {puts:,} of the operations were puts"
    report_at_least(name, "/s", ours=rate, floor=OPERATIONS_A_SECOND, note=note)


def main() -> None:
    """Run and print both."""
    quick = options(__doc__).quick
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as name:
        gathered(Path(name), rounds=3 if quick else 11, puts=320 if quick else 1_600)
        mixed(Path(name), count=10_000 if quick else 100_000, seconds=2 if quick else 10)


if __name__ == "__main__":
    main()
