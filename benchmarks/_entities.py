"""Entities for the benchmarks of stores, and the plainest SQLite table that could hold their documents."""

from __future__ import annotations

import random
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import apsw

from stat7.coordinates import HORIZONS, STANDARD_REALMS
from stat7.record import Record, normalise_json
from stat7.stores.base import HeadMove
from stat7.stores.sqlite import SQLiteStore

BATCH = 5000
REALM_WEIGHTS = (45, 20, 10, 8, 8, 6, 3)


def texts(count: int, seed: int = 7, prefix: str = "hero") -> Iterator[bytes]:
    """`count` documents of about 420 bytes as JSON, with 3.5 neighbours on average, some of them named by thousands."""
    chance = random.Random(seed)
    for number in range(count):
        neighbours = {f"town/{int(chance.random() ** 3 * count / 10)}" for _ in range(chance.randint(1, 6))}
        adjacency = ",".join(f'"{name}"' for name in sorted(neighbours))
        realm = chance.choices(STANDARD_REALMS, REALM_WEIGHTS)[0]
        place = (
            f'{{"adjacency":[{adjacency}],"density":{round(chance.random(), 6)},"horizon":"{chance.choice(HORIZONS)}",'
            f'"lineage":{int(chance.expovariate(1 / 8))},"realm":"{realm}",'
            f'"resonance":{round(chance.uniform(-1, 1), 6)},'
            f'"velocity":{round(max(-1, min(1, chance.gauss(0, 0.4))), 6)}}}'
        )
        yield (
            f'{{"coordinates":{place},"created_at":null,"entity_type":"character","files":[],'
            f'"id":"{prefix}/{number:07}","previous":null,"stat7":1,'
            f'"state":{{"level":{chance.randrange(100)},"name":"Ada of Oxbow {number}",'
            f'"story":"{"keeper of the gate, " * chance.randint(2, 5)}"}}}}'
        ).encode()


def records(count: int, seed: int = 7, prefix: str = "hero") -> Iterator[Record]:
    """The same as checked records."""
    return map(normalise_json, texts(count, seed, prefix))


def batches(count: int, seed: int = 7) -> Iterator[tuple[list[Record], list[HeadMove]]]:
    """Records in batches of BATCH, with the moves that make each the head of its id."""
    source = records(count, seed)
    while batch := list(islice(source, BATCH)):
        yield batch, [HeadMove(record.id, None, record.address) for record in batch]


def filled_store(path: Path, count: int) -> tuple[SQLiteStore, list[str]]:
    """A store with `count` entities and their heads, and their addresses."""
    store = SQLiteStore(path)
    addresses: list[str] = []
    for batch, moves in batches(count):
        store.put(batch, moves)
        addresses += [record.address for record in batch]
    return store, addresses


def bare_table(path: Path) -> apsw.Connection:
    """A connection to a table t(address, document) with an index on the address, set up as the store's own are."""
    connection = apsw.Connection(str(path))
    for setting in (
        "page_size=8192",
        "journal_mode=WAL",
        "synchronous=FULL",
        "mmap_size=8589934592",
        "cache_size=-65536",
        "wal_autocheckpoint=16000",
    ):
        connection.execute(f"PRAGMA {setting}").fetchall()
    connection.execute("CREATE TABLE IF NOT EXISTS t(address BLOB UNIQUE, document BLOB)")
    return connection


def insert_bare(connection: apsw.Connection, batch: list[Record]) -> None:
    """Insert a batch into the bare table, in one durable transaction."""
    connection.execute("BEGIN IMMEDIATE")
    rows = [(bytes.fromhex(record.address), record.document) for record in batch]
    connection.executemany("INSERT INTO t VALUES(?, ?)", rows)
    connection.execute("COMMIT")
