"""Three PostgreSQL shards against the unsharded store on one of the three servers: 70/30 mixed gets and puts.

All servers and all clients share this machine, so the ratio shows what sharding costs, not how it scales: two of three
puts have their head on another shard than their document, which is a second durable transaction.
"""

from __future__ import annotations

import hashlib
import random
import statistics
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from itertools import islice
from pathlib import Path

from _entities import batches, records
from _measure import options, report

from stat7.record import Record
from stat7.registry import open_store
from stat7.registry.shards import shards_text
from stat7.stores.base import HeadMove, Store
from stat7.stores.postgresql import PostgreSQLStore, Settings
from stat7.stores.sharded import ShardMap
from stat7.stores.sharded.making import make_set
from stat7.testing.servers import PostgreSQL

SETTINGS = {"shared_buffers": "256MB", "max_wal_size": "4GB", "checkpoint_timeout": "30min"}
SHARDS = 3
SIZES = {1: 16, 1000: 4}
"""Entities in a call, and the threads that make such calls."""
FASTEST = 24_000
"""Entities a second that are made beforehand, at most 4,000 of which are put one by one."""


def make_shards(servers: Sequence[PostgreSQL], folder: Path) -> Store:
    """A set with one shard on each server, as a client opens it."""
    urls = [f"{server.create_database()}?retries=0" for server in servers]
    shard_map, path = ShardMap.equal(len(urls)), folder / "shards.toml"
    stores = [PostgreSQLStore(Settings(url.partition("?")[0])) for url in urls]
    make_set(stores, shard_map, [f"server {number}" for number in range(len(urls))])
    for store in stores:
        store.close()
    path.write_text(shards_text(shard_map, urls), "utf-8")
    return open_store(f"shards:{path}")


def fill(stores: Sequence[Store], count: int) -> list[str]:
    """Put the same entities into all of them; their addresses, shuffled."""
    addresses: list[str] = []
    for batch, moves in batches(count):
        for store in stores:
            store.put(batch, moves)
        addresses += [record.address for record in batch]
    random.Random(1).shuffle(addresses)
    return addresses


def mixed(store: Store, addresses: Sequence[str], fresh: Iterator[Record], seconds: float, size: int) -> float:
    """Entities a second: 70 % of the calls are verified gets, 30 % durable puts with their heads, of `size` each."""
    threads, most = SIZES[size], 4_000 if size == 1 else FASTEST
    supply = iter(list(islice(fresh, round(most * (seconds + 1.5)))))
    lock, done, stop = threading.Lock(), [0] * threads, threading.Event()

    def work(number: int) -> None:
        chance = random.Random(number)
        while not stop.is_set():
            if chance.random() < 0.3:
                with lock:
                    batch = list(islice(supply, size))
                if len(batch) < size:
                    raise SystemExit("mixed: too few records were made beforehand")
                _, moved = store.put(batch, [HeadMove(record.id, None, record.address) for record in batch])
                assert all(moved)
            else:
                wanted = chance.sample(addresses, size)
                found = store.get(wanted)
                assert all(hashlib.sha256(found[each]).hexdigest() == each for each in wanted)  # type: ignore[arg-type]
            done[number] += size

    with ThreadPoolExecutor(threads) as pool:
        jobs = [pool.submit(work, number) for number in range(threads)]
        time.sleep(0.5)
        before, started = sum(done), time.perf_counter()
        time.sleep(seconds)
        rate = (sum(done) - before) / (time.perf_counter() - started)
        stop.set()
        for job in jobs:
            job.result()
    return rate


def main() -> None:
    """Start three servers, fill shards and plain store alike, and let them take turns."""
    quick = options(__doc__).quick
    count, rounds, seconds = (20_000, 3, 2.0) if quick else (200_000, 9, 6.0)
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        servers = [stack.enter_context(PostgreSQL(SETTINGS)) for _ in range(SHARDS)]
        plain = stack.enter_context(PostgreSQLStore(Settings(servers[0].create_database())))
        sharded = make_shards(servers, folder)
        stack.callback(sharded.close)
        addresses = fill([plain, sharded], count)
        supplies = {store: records(10**9, seed=99, prefix="mixed") for store in ("ours", "plain")}
        for size in SIZES:
            rates: dict[str, list[float]] = {"ours": [], "plain": []}
            jobs: list[tuple[str, Store]] = [("ours", sharded), ("plain", plain)]
            for turn in range(rounds):
                for name, store in jobs if turn % 2 else reversed(jobs):
                    rates[name].append(mixed(store, addresses, supplies[name], seconds, size))
            report_rates(size, rates, f"{rounds} rounds of {seconds:g} s over {count:,} entities")


def report_rates(size: int, rates: Mapping[str, Sequence[float]], note: str) -> None:
    """Report one comparison of calls of this size."""
    ratio = statistics.median(ours / other for ours, other in zip(rates["ours"], rates["plain"], strict=True))
    what = "one by one" if size == 1 else f"in batches of {size:,}"
    report(
        f"PostgreSQL in {SHARDS} shards, mixed 70/30 {what}, threads: {SIZES[size]}", "/s",
        ours=statistics.median(rates["ours"]), baseline=statistics.median(rates["plain"]), ratio=ratio, target=0.9,
        note=f"{note}; the unsharded store on one of the same servers",
    )  # fmt: skip


if __name__ == "__main__":
    main()
