"""Files on S3: stored, and read verified, against bare obstore and hashlib.

Run as `python benchmarks/objects.py`; needs `make servers SERVERS=s3` and `pip install "stat7[s3]"`. Prints one JSON
line per row. Both sides speak to the same server (versitygw) on this machine, take turns in one run, and hash all
bytes. Large files come one after another; small ones from as many threads on both sides. The bare side stores each
object whole under its SHA-256 without a look at what is there, and compares the digest of what it reads with the name;
nothing else.
"""

from __future__ import annotations

import gc
import hashlib
import os
import statistics
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING

import obstore
from _measure import MEGABYTE, options, report
from obstore.store import S3Store

from stat7.files.base import FileStore
from stat7.registry import open_files
from stat7.testing.servers import ProgramMissing, S3Server

if TYPE_CHECKING:
    from obstore.store import ClientConfig

LARGE = 8 * 1024 * 1024
"""Bytes of a large file."""
SMALL = 4096
"""Bytes of a small file."""
LARGE_COUNT = 6
"""Large files in one turn."""
SMALL_COUNT = 1000
"""Small files in one turn."""
THREADS = 8
"""Threads that store or read small files."""
ROUNDS = 11
"""Turns of each side; the first is not counted."""
TARGET = 0.9
"""Least ratio of our speed to the bare one."""


class Bare:
    """obstore and hashlib, with the time limits that ours sets."""

    def __init__(self, bucket: str) -> None:
        limits: ClientConfig = {"connect_timeout": timedelta(seconds=5), "read_timeout": timedelta(seconds=15)}
        self._store = S3Store(bucket, prefix="bare", client_options={"allow_http": True, **limits})

    def put(self, data: bytes) -> None:
        """Store it under its digest."""
        obstore.put(self._store, hashlib.sha256(data).hexdigest(), data, use_multipart=False)

    def get(self, sha256: str) -> None:
        """Read it and compare."""
        data = obstore.get(self._store, sha256).bytes()
        if hashlib.sha256(data).hexdigest() != sha256:
            raise RuntimeError("the bare side read other bytes")


class Ours:
    """The same by stat7."""

    def __init__(self, store: FileStore) -> None:
        self._store = store

    def put(self, data: bytes) -> None:
        """Store it."""
        self._store.put(data)

    def get(self, sha256: str) -> None:
        """Read it verified."""
        for _ in self._store.open(sha256):
            pass


def seconds(call: Callable[[object], object], given: Sequence[object], pool: ThreadPoolExecutor | None) -> float:
    """How long it takes to call it for each: one after another, or by the threads of the pool."""

    def share(items: Iterable[object]) -> None:
        for each in items:
            call(each)

    gc.collect()
    begin = time.perf_counter()
    if pool is None:
        share(given)
    else:
        list(pool.map(share, [given[number::THREADS] for number in range(THREADS)]))
    return time.perf_counter() - begin


def measure(ours: Ours, bare: Bare, size: int, count: int, pool: ThreadPoolExecutor | None, rounds: int) -> None:
    """Two rows for files of one size. Each turn stores new contents, and reads those."""
    spent: dict[str, tuple[list[float], list[float]]] = {"put": ([], []), "get": ([], [])}
    for turn in range(rounds):
        # Both sides have the same contents, in places of their own.
        contents = [os.urandom(size) for _ in range(count)]
        names = [hashlib.sha256(data).hexdigest() for data in contents]
        for what, given in (("put", contents), ("get", names)):
            sides = ((ours, spent[what][0]), (bare, spent[what][1]))
            for side, taken in sides if turn % 2 else reversed(sides):
                taken.append(seconds(getattr(side, what), given, pool))
    for what, (mine, theirs) in spent.items():
        judge(what, size, count, mine[1:], theirs[1:], "" if pool is None else f", {THREADS} threads")


def judge(what: str, size: int, count: int, mine: list[float], theirs: list[float], how: str) -> None:
    """Report one row: the ratio is the median of those of each two turns next to one another."""
    large = size == LARGE
    done = count * size / MEGABYTE if large else count
    ours, baseline = (done / statistics.median(turns) for turns in (mine, theirs))
    report(
        f"S3 {what} {'8 MiB' if large else '4 KiB'}, against bare obstore and hashlib",
        "MB/s" if large else "/s",
        ours=ours,
        baseline=baseline,
        ratio=statistics.median(other / own for own, other in zip(mine, theirs, strict=True)),
        target=TARGET,
        note=f"median of {len(mine)} turns of {count} files{how}",
    )


def main() -> None:
    """Start a server, run all rows, stop it."""
    rounds = 4 if options(__doc__).quick else ROUNDS
    try:
        server = S3Server().start()
    except ProgramMissing as error:
        sys.exit(str(error))
    with server, ThreadPoolExecutor(THREADS) as pool:
        bucket = server.bucket()
        os.environ.update(bucket.environment)
        store = open_files(f"{bucket.url}/ours")
        run = partial(measure, Ours(store), Bare(bucket.name))
        run(LARGE, LARGE_COUNT, None, rounds)
        run(SMALL, SMALL_COUNT, pool, rounds)
        store.close()


if __name__ == "__main__":
    main()
