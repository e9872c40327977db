"""Verified gets from SQLite, one at a time and 1,000 at a time, against bare SELECTs of the same rows in this process.

Ours goes through the repository, which hashes every document; the baseline neither hashes nor checks anything. Both
files are set up alike, were closed after they were filled, and lie in the page cache.
"""

from __future__ import annotations

import random
import tempfile
from collections.abc import Sequence
from contextlib import closing
from itertools import cycle
from pathlib import Path

import apsw
from _entities import bare_table, batches, filled_store, insert_bare
from _measure import compare, options, report_rate

from stat7.files.memory import MemoryFiles
from stat7.repository import Repository
from stat7.stores.sqlite import SQLiteStore

GETS = 5_000
"""Gets in a round."""
TOGETHER = 1_000


def one_by_one(repository: Repository, addresses: Sequence[str]) -> None:
    """Get each document by itself."""
    for address in addresses:
        repository.get_document(address)


def bare_one_by_one(connection: apsw.Connection, addresses: Sequence[bytes]) -> None:
    """The same with nothing but SQLite."""
    for address in addresses:
        connection.execute("SELECT document FROM t WHERE address = ?", (address,)).fetchone()


def together(repository: Repository, addresses: Sequence[str]) -> None:
    """Get documents TOGETHER at a time."""
    for at in range(0, len(addresses), TOGETHER):
        repository.get_documents(addresses[at : at + TOGETHER])


def bare_together(connection: apsw.Connection, addresses: Sequence[bytes]) -> None:
    """The same by lists of parameters."""
    statement = f"SELECT address, document FROM t WHERE address IN ({','.join('?' * TOGETHER)})"
    for at in range(0, len(addresses), TOGETHER):
        {row[0]: row[1] for row in connection.execute(statement, addresses[at : at + TOGETHER])}


def fill(folder: Path, count: int) -> list[str]:
    """Put the same entities into both files; their addresses, shuffled."""
    store, addresses = filled_store(folder / "ours.db", count)
    store.close()
    with closing(bare_table(folder / "bare.db")) as bare:
        for batch, _ in batches(count):
            insert_bare(bare, batch)
    random.Random(1).shuffle(addresses)
    return addresses


def main() -> None:
    """Fill both, then run and print both comparisons."""
    quick = options(__doc__).quick
    count, rounds = (10_000, 5) if quick else (100_000, 41)
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as name:
        folder = Path(name)
        addresses = fill(folder, count)
        parts = [addresses[at : at + GETS] for at in range(0, count, GETS)]
        ours = cycle(parts)
        plain = cycle([[bytes.fromhex(address) for address in part] for part in parts])
        note = f"median of {rounds} rounds of {GETS:,} random gets of {count:,}"
        with (
            Repository(SQLiteStore(folder / "ours.db"), MemoryFiles()) as repository,
            closing(bare_table(folder / "bare.db")) as bare,
        ):
            single = compare(
                lambda: one_by_one(repository, next(ours)),
                lambda: bare_one_by_one(bare, next(plain)),
                rounds=rounds,
                warm_up=3,
            )
            report_rate("verified get, one at a time, against bare SELECT", single, GETS, target=0.6, note=note)
            batch = compare(
                lambda: together(repository, next(ours)),
                lambda: bare_together(bare, next(plain)),
                rounds=rounds,
                warm_up=3,
            )
            name = f"verified get, {TOGETHER:,} a batch, against bare IN lists"
            report_rate(name, batch, GETS, target=0.6, note=note)


if __name__ == "__main__":
    main()
