"""Ten typical queries at a million entities: the first page of 100, against the same query by brute scan.

The brute scan reads documents in address order, parses and matches them until it has 100 matches or has seen all. Its
time a document is measured on a sample of them in the same run and multiplied by the documents it would have to read.
A last line says how long the slowest of those queries took that `explain` calls indexed.
"""

from __future__ import annotations

import statistics
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from _entities import filled_store
from _measure import options, report, report_at_most

from stat7.query import Query
from stat7.record import Record, read_trusted
from stat7.stores.sqlite import SQLiteStore

PAGE = 100
SELECTIVE = 0.01
"""A query that less than this part of all entities match should be a hundred times as fast as brute force."""
SLOWEST_MS = 20.0

QUERIES: Mapping[str, Mapping[str, Any]] = {
    "realm, lineage, horizon": {"realm": "narrative", "lineage": 30, "horizon": "peak"},
    "realm and a range": {"realm": "faculty", "resonance": "0.5..0.6"},
    "three ranges, 2 %": {"resonance": "0..0.5", "velocity": "0.1..0.5", "density": "0.2..0.5"},
    "three ranges, 0.2 %": {"resonance": "0.8..0.95", "velocity": "0..0.2", "density": "0.2..0.35"},
    "a neighbour of thousands": {"adjacent_to": "town/5"},
    "a rare neighbour": {"adjacent_to": "town/90000"},
    "the commonest realm": {"realm": "data"},
    "two realms, lineage, density": {"realm": "data,event", "lineage": "3..9", "density": "0.5.."},
    "old lineages": {"lineage": "50.."},
    "five dimensions": {
        "realm": "narrative", "lineage": "2..5", "horizon": "decay..", "resonance": "0..0.2", "density": "0.5..0.7",
    },
}  # fmt: skip


def sampled(store: SQLiteStore, size: int) -> tuple[list[Record], float]:
    """Documents in address order, and the seconds that reading, parsing and matching one of them takes."""
    query = Query(realm="void", resonance="0.999..")
    found: list[Record] = []
    started, cursor = time.perf_counter(), None
    while len(found) < size:
        page = store.scan(cursor, 1000)
        for address, document in page.items:
            assert isinstance(document, bytes)
            record = read_trusted(address, document)
            query.matches(record)
            found.append(record)
        cursor = page.cursor
        if cursor is None:
            break
    return found, (time.perf_counter() - started) / len(found)


def first_page(store: SQLiteStore, query: Query, rounds: int) -> tuple[float, int]:
    """The median of the seconds that a first page takes, and how many matches it holds."""
    times = []
    for _ in range(rounds):
        started = time.perf_counter()
        page = store.find(query, None, PAGE)
        times.append(time.perf_counter() - started)
    return statistics.median(times), len(page.items)


def main() -> None:
    """Fill a store and print a line for each query."""
    quick = options(__doc__).quick
    count, size, rounds = (50_000, 5_000, 5) if quick else (1_000_000, 30_000, 21)
    slowest = (0.0, "none")
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        store, _ = filled_store(Path(folder) / "find.db", count)
        with store:
            known, seconds = sampled(store, size)
            for name, facts in QUERIES.items():
                query = Query(versions="all", **facts)
                ours, found = first_page(store, query, rounds)
                plan = store.explain(query)
                share = sum(map(query.matches, known)) / len(known)
                read = count if found < PAGE else min(count, PAGE / max(share, PAGE / count))
                selective = share < SELECTIVE
                brute = read * seconds
                note = f"by {plan.method}, {found} found; brute force over {read:,.0f}, measured on {len(known):,}"
                report(
                    f"find, {name}", "ms", ours=ours * 1e3, baseline=brute * 1e3, ratio=brute / ours,
                    target=100 if selective else 1, note=note,
                )  # fmt: skip
                if plan.indexed:
                    slowest = max(slowest, (ours * 1e3, name))
    note = f"{slowest[1]}; {count:,} entities, median of {rounds}"
    report_at_most("find, slowest of what explain calls indexed", "ms", ours=slowest[0], limit=SLOWEST_MS, note=note)


if __name__ == "__main__":
    main()
