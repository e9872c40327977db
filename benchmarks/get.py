"""Verified gets from SQLite, one at a time and 1,000 at a time, against bare SELECTs of the same rows in this process.

Ours goes through the repository, which hashes every document; the baseline neither hashes nor checks anything. Both files
are set up alike and lie in the page cache.
"""

from __future__ import annotations

import random
import tempfile
from collections.abc import Callable, Sequence
from itertools import cycle
from pathlib import Path

import apsw
from _entities import bare_table, batches, filled_store, insert_bare
from _measure import compare, options, report_rate

from stat7.files.memory import MemoryFiles
from stat7.repository import Repository

ONE_BY_ONE = 5_000
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
        dict(connection.execute(statement, addresses[at : at + TOGETHER]).fetchall())


def main() -> None:
    """Fill both, then run and print both comparisons."""
    quick = options(__doc__).quick
    count, rounds = (10_000, 5) if quick else (100_000, 41)
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as name:
        store, addresses = filled_store(Path(name) / "ours.db", count)
        bare = bare_table(Path(name) / "bare.db")
        for batch, _ in batches(count):
            insert_bare(bare, batch)
        random.Random(1).shuffle(addresses)
        raw = [bytes.fromhex(address) for address in addresses]
        with Repository(store, MemoryFiles()) as repository:
            for row, ours, baseline in (
                ("verified get, one at a time, against bare SELECT", one_by_one, bare_one_by_one),
                (f"verified get, {TOGETHER:,} a batch, against bare IN lists", together, bare_together),
            ):
                comparison = compare(
                    _in_turn(lambda part, job=ours: job(repository, part), addresses),
                    _in_turn(lambda part, job=baseline: job(bare, part), raw),
                    rounds=rounds,
                    warm_up=3,
                )
                note = f"median of {rounds} rounds of {ONE_BY_ONE:,} random gets of {count:,}"
                report_rate(row, comparison, ONE_BY_ONE, target=0.6, note=note)
        bare.close()


def _in_turn(
    job: Callable[[Sequence[str]], None] | Callable[[Sequence[bytes]], None], everything: list[str] | list[bytes]
) -> Callable[[], None]:
    """A job that takes the next ONE_BY_ONE of the addresses at each call."""
    parts = cycle([everything[at : at + ONE_BY_ONE] for at in range(0, len(everything), ONE_BY_ONE)])
    return lambda: job(next(parts))


if __name__ == "__main__":
    main()
