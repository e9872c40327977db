"""Durable ingest of 500,000 entities with all indexes and heads, against the plainest table that could hold them.

The baseline inserts (address, document) into a table with a UNIQUE index: same documents, same batches, same settings.
Both take turns batch by batch. The records are made beforehand and not timed.
"""

from __future__ import annotations

import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from _entities import BATCH, bare_table, batches, insert_bare
from _measure import Comparison, options, report_rate

from stat7.stores.sqlite import SQLiteStore


def main() -> None:
    """Fill both and print the comparison."""
    count = 50_000 if options(__doc__).quick else 500_000
    ours: list[float] = []
    plain: list[float] = []
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as name:
        bare = bare_table(Path(name) / "bare.db")
        with SQLiteStore(Path(name) / "ours.db") as store:
            for turn, (batch, moves) in enumerate(batches(count)):
                jobs = [
                    lambda: ours.append(_timed(lambda: store.put(batch, moves))),
                    lambda: plain.append(_timed(lambda: insert_bare(bare, batch))),
                ]
                for job in jobs if turn % 2 else reversed(jobs):
                    job()
            if store.count() != count:
                raise SystemExit(f"ingest: {store.count()} of {count} entities were stored")
        bare.close()
    comparison = Comparison(sum(ours), sum(plain), sum(plain) / sum(ours))
    last = statistics.mean(plain[-10:]) / statistics.mean(ours[-10:])
    note = f"{count:,} entities in batches of {BATCH:,}; 0.3 is wanted; ratio of the last ten batches {last:.2f}"
    report_rate(
        "durable ingest with indexes and heads, against rowid + UNIQUE", comparison, count, target=0.2, note=note
    )


def _timed(job: Callable[[], object]) -> float:
    started = time.perf_counter()
    job()
    return time.perf_counter() - started


if __name__ == "__main__":
    main()
