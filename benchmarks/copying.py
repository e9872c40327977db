"""A verified copy from SQLite to PostgreSQL, against the slower of its two parts alone: reading and hashing, or ingest.

The copy also reads the destination back and takes the digests of both. Each round copies into a database of its own.
"""

from __future__ import annotations

import gc
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median

from _entities import batches, filled_store
from _measure import Comparison, options, report_rate

from stat7.cli.app import GC_THRESHOLDS
from stat7.files.memory import MemoryFiles
from stat7.operations.copy import copy
from stat7.operations.digest import digest
from stat7.repository import Repository
from stat7.stores.postgresql import PostgreSQLStore, Settings
from stat7.testing.servers import PostgreSQL

SETTINGS = {"shared_buffers": "1GB", "max_wal_size": "8GB", "checkpoint_timeout": "30min"}


def reading(source: Repository) -> float:
    """Seconds that reading and hashing everything takes."""
    begun = time.perf_counter()
    digest(source)
    return time.perf_counter() - begun


def ingest(url: str, count: int) -> float:
    """Seconds that storing the same entities with their heads takes, made beforehand."""
    prepared = list(batches(count))
    with PostgreSQLStore(Settings(url)) as store:
        begun = time.perf_counter()
        for batch, moves in prepared:
            store.put(batch, moves)
        return time.perf_counter() - begun


def copying(source: Repository, url: str) -> float:
    """Seconds that the copy takes, with the reading back."""
    with Repository(PostgreSQLStore(Settings(url)), MemoryFiles()) as target:
        begun = time.perf_counter()
        result = copy(source, target, verify=True)
        took = time.perf_counter() - begun
    if not result.ok:
        raise SystemExit(f"copying: {result}")
    return took


def main() -> None:
    """Run the rounds and print the comparison."""
    quick = options(__doc__).quick
    gc.set_threshold(*GC_THRESHOLDS)  # as in `stat7 copy`; all parts gain by it
    count, rounds = (10_000, 2) if quick else (200_000, 3)
    ours: list[float] = []
    parts: list[dict[str, float]] = []
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder, PostgreSQL(SETTINGS) as server:
        store, _ = filled_store(Path(folder) / "source.db", count)
        with Repository(store, MemoryFiles()) as source:
            for turn in range(rounds):
                jobs: list[Callable[[], None]] = [
                    lambda: parts.append(
                        {"reading": reading(source), "ingest": ingest(server.create_database(), count)}
                    ),
                    lambda: ours.append(copying(source, server.create_database())),
                ]
                for job in jobs if turn % 2 else reversed(jobs):
                    job()
    slower = [max(part.values()) for part in parts]
    ratio = median(alone / copied for alone, copied in zip(slower, ours, strict=True))
    alone = {name: median(part[name] for part in parts) for name in parts[0]}
    note = f"median of {rounds} rounds of {count:,} entities; " + ", ".join(
        f"{name} alone {count / seconds:,.0f}/s" for name, seconds in alone.items()
    )
    report_rate(
        "copy --verify from SQLite to PostgreSQL, against the slower of reading and ingest",
        Comparison(median(ours), median(slower), ratio),
        count,
        target=0.8,
        note=note,
    )


if __name__ == "__main__":
    main()
