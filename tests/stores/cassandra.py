"""What the tests of the Cassandra store share: one keyspace for many tests, since changes of the schema are slow."""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Any
from uuid import uuid4

import cassandra
import pytest

from stat7.address import Address
from stat7.query import Query
from stat7.stores.base import Match, Store
from stat7.stores.cassandra import CassandraStore, Settings, put
from stat7.stores.cassandra.schema import TABLES
from stat7.stores.cassandra.session import Connection
from stat7.testing.samples import notice, sample
from stat7.testing.servers import Cassandra
from stat7.testing.store_suite import find_all, race

_made: dict[tuple[str, int], list[str]] = {}


def settings_for(cluster: Cassandra, keyspace: str, **given: Any) -> Settings:
    """Settings for that keyspace, each row kept on every node."""
    replication: Mapping[str, int] = {"replication_factor": len(cluster.nodes)}
    return Settings(tuple(cluster.contact_points), cluster.port, keyspace, **{"replication": replication} | given)


def empty_store(cluster: Cassandra, number: int = 0, **given: Any) -> CassandraStore:
    """A store in the keyspace of that number, emptied."""
    made = _made.setdefault((cluster.contact_points[0], cluster.port), [])
    while len(made) <= number:
        made.append(cluster.keyspace())
    store = CassandraStore(settings_for(cluster, made[number], **given))
    empty(store)
    return store


def empty(store: Store) -> None:
    """Leave nothing in the tables but the schema's version."""
    raw = below(store)
    for table in TABLES[1:]:
        if raw.run(f"SELECT * FROM $.{table} LIMIT 1"):
            raw.define(f"TRUNCATE $.{table}")
    for kind in ("mark", "realm"):
        raw.run("DELETE FROM $.names WHERE kind = ?", kind)


def below(store: Store) -> Connection:
    """What the store's own statements go through."""
    inner: Any = store
    with suppress(AttributeError):
        while True:
            inner = inner.inner
    assert isinstance(inner, CassandraStore)
    return inner._connection


class Hooks:
    """The suites' hooks for looking below a store."""

    def raw_document(self, store: Store, address: Address) -> bytes | None:
        """See StoreSuite."""
        rows = below(store).run("SELECT document FROM $.entities WHERE address = ?", bytes.fromhex(address))
        return rows[0][0] if rows else None

    def damage(self, store: Store, address: Address, data: bytes) -> None:
        """See StoreSuite."""
        below(store).run("UPDATE $.entities SET document = ? WHERE address = ?", data, bytes.fromhex(address))

    def damage_index(self, store: Store, address: Address) -> None:
        """See StoreSuite."""
        raw = bytes.fromhex(address)
        rows = below(store).run("SELECT realm, horizon, lineage FROM $.entities WHERE address = ?", raw)
        realm, horizon, lineage = rows[0]
        delete = "DELETE FROM $.cells WHERE realm = ? AND horizon = ? AND bucket = ? AND lineage = ? AND address = ?"
        below(store).run(delete, realm, horizon, raw[0] * below(store).buckets >> 8, lineage, raw)


@contextmanager
def puts_cut_off() -> Iterator[None]:
    """Let puts write their index rows and fail before their documents."""
    run_each = Connection.run_each

    def cut(connection: Connection, text: str, values: Any) -> Any:
        if text == put.STORE:
            raise cassandra.WriteTimeout("cut", write_type=0)
        return run_each(connection, text, values)

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(Connection, "run_each", cut)
        yield


def wait_for_marks(store: Store, count: int, seconds: float = 10.0) -> None:
    """Until so many index rows are marked, which nobody waits for otherwise."""
    end = time.monotonic() + seconds
    while marks_in(store) != count:
        assert time.monotonic() < end, f"{marks_in(store)} rows are marked, not {count}"
        time.sleep(0.02)


def marks_in(store: Store) -> int:
    """How many index rows are marked."""
    return sum(
        row[0] is not None for name in ("cells", "links") for row in below(store).run(f"SELECT id FROM $.{name}")
    )


def race_of_finds(store: Store, seconds: float) -> int:
    """Threads put, withdraw and discard entities that others find; how many were taken out.

    Between its acknowledged put and its removal each must be found, and never after that was acknowledged.
    """
    end, query, numbers = time.monotonic() + seconds, Query(adjacent_to="raced", realm="event"), itertools.count()
    run = uuid4()
    lock, there, gone, taken = threading.Lock(), set[Match](), set[Match](), list[Match]()

    def change() -> None:
        number = next(numbers)
        record = sample(f"raced {run} {number}", realm="event", adjacency=["raced"])
        match = Match(record.address, record.id)
        store.put([record])
        with lock:
            there.add(match)
        time.sleep(0.02 * (number % 4))
        with lock:
            there.remove(match)
        if number % 3:
            store.withdraw([notice(record.address)])
        else:
            store.discard([record.address])
        with lock:
            gone.add(match)
        taken.append(match)

    def work(thread: int) -> None:
        while time.monotonic() < end:
            if thread % 2:
                change()
                continue
            with lock:
                before, dead = set(there), set(gone)
            found = find_all(store, query, 50)
            with lock:
                before &= there
            assert not dead.intersection(found), "what was taken out was found"
            assert before.issubset(found), "what was put was not found"
            assert len(found) == len(set(found))

    race(6, work)
    assert find_all(store, query, 50) == []
    return len(taken)
