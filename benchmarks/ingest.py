"""Durable ingest of 500,000 entities with all indexes and heads, against the plainest table that could hold them.

The baseline inserts (address, document) into a table with a UNIQUE index: same documents, same batches, same settings.
Both take turns batch by batch. The records are made beforehand and not timed.
"""

from __future__ import annotations

import statistics
import tempfile
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

from _entities import BATCH, bare_table, batches, insert_bare
from _measure import Comparison, options, report_rate

from stat7.stores.sqlite import SQLiteStore


def main() -> None:
    """Fill both and print the comparison."""
    count = 50_000 if options(__doc__).quick else 500_000
    ours: list[float] = []
    plain: list[float] = []
    with (
        tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder,
        closing(bare_table(Path(folder) / "bare.db")) as bare,
        SQLiteStore(Path(folder) / "ours.db") as store,
    ):
        for turn, (batch, moves) in enumerate(batches(count)):
            if turn % 2:
                plain.append(timed(insert_bare, bare, batch))
            ours.append(timed(store.put, batch, moves))
            if not turn % 2:
                plain.append(timed(insert_bare, bare, batch))
        if store.count() != count:
            raise SystemExit(f"ingest: {store.count()} of {count} entities were stored")
    comparison = Comparison(sum(ours), sum(plain), sum(plain) / sum(ours))
    last = statistics.mean(plain[-10:]) / statistics.mean(ours[-10:])
    note = f"{count:,} entities in batches of {BATCH:,}; 0.3 is wanted; ratio of the last ten batches {last:.2f}"
    name = "durable ingest with indexes and heads, against rowid + UNIQUE"
    report_rate(name, comparison, count, target=0.2, note=note)


def timed(job: Callable[..., object], *given: object) -> float:
    """The seconds that one call takes."""
    started = time.perf_counter()
    job(*given)
    return time.perf_counter() - started


if __name__ == "__main__":
    main()
