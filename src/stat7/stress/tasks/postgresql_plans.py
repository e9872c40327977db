"""By which plan PostgreSQL looks up an address: what EXPLAIN says of the store's own statements on a connection set as
the store's are, and what the server itself counted while the store was looking up.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import psycopg
from psycopg import sql

from stat7.stores.postgresql.reader import MANY, ONE
from stat7.stress.subject import Location, Subject
from stat7.stress.tasks.postgresql import store_under
from stat7.stress.workers import Tell, Work

MODES: Final = ("force_custom_plan", "force_generic_plan")
"""How the server plans a statement that is prepared: anew for its values, or once for all."""

_KEYS: Final = """
    SELECT c.relname FROM pg_catalog.pg_index AS i JOIN pg_catalog.pg_class AS c ON c.oid = i.indexrelid
    JOIN pg_catalog.pg_attribute AS a ON a.attrelid = i.indrelid AND a.attnum = i.indkey[0]
    WHERE i.indrelid = 'entities'::regclass AND a.attname = 'address' AND i.indisunique AND i.indisvalid"""
"""Unique indexes that begin with the address: others that merely contain it have to be read through."""

_COUNTED: Final = """
    SELECT t.seq_scan, coalesce(sum(i.idx_scan) FILTER (WHERE i.indexrelname = ANY(%s)), 0)
    FROM pg_catalog.pg_stat_user_tables AS t LEFT JOIN pg_catalog.pg_stat_user_indexes AS i USING (relid)
    WHERE t.relid = 'entities'::regclass GROUP BY t.seq_scan"""
_PATIENCE: Final = 5.0


@dataclass(frozen=True, slots=True)
class LookAtPlans:
    """Explain the lookup of one address and of so many at a time (`batches`), then look some up and see what the server
    counted.
    """

    subject: Subject
    location: Location
    addresses: Sequence[str]
    batches: Sequence[int]

    def prepare(self) -> Work:
        """Open the store."""
        repository = self.subject.open(self.location)

        def work(tell: Tell) -> Mapping[str, Any]:
            conninfo = store_under(repository).settings.conninfo()
            with psycopg.connect(conninfo, autocommit=True) as connection:
                keys = [name for (name,) in connection.execute(_KEYS.encode())]
                plans = list(self._plans(connection, set(keys)))
                tell(1)
                before = _counted(connection, keys)
                with repository:
                    for address in self.addresses:
                        repository.get_document(address)
                    for size in self.batches:
                        repository.get_documents(self.addresses[:size])
                asked = len(self.addresses) + len(self.batches)
                after = _settled(connection, keys, before, asked)
            return {
                "plans": plans,
                "asked": asked,
                "sequential_scans": after[0] - before[0],
                "index_scans": after[1] - before[1],
            }

        return work

    def _plans(self, connection: psycopg.Connection, keys: set[str]) -> Iterator[dict[str, Any]]:
        one = ("one", ONE, "bytea", bytes.fromhex(self.addresses[0]))
        many = [
            (f"{size:,}", MANY.replace("%s", "$1"), "bytea[]", [bytes.fromhex(each) for each in self.addresses[:size]])
            for size in self.batches
        ]
        for name, text, kind, value in (one, *many):
            connection.execute(f"PREPARE stat7_looked_at({kind}) AS {text}".encode())
            for mode in MODES:
                connection.execute(f"SET plan_cache_mode = {mode}".encode())
                explain = sql.SQL("EXPLAIN (FORMAT JSON) EXECUTE stat7_looked_at({})").format(sql.Literal(value))
                row = connection.execute(explain).fetchone()
                assert row is not None
                plan = (json.loads(row[0]) if isinstance(row[0], str) else row[0])[0]["Plan"]
                yield {"lookup": name, "mode": mode, "by": shape(plan), "indexed": is_indexed(plan, keys)}
            connection.execute(b"DEALLOCATE stat7_looked_at")


def nodes(plan: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """A plan and all its parts."""
    yield plan
    for part in plan.get("Plans", ()):
        yield from nodes(part)


def is_indexed(plan: Mapping[str, Any], keys: set[str]) -> bool:
    """Whether entities are reached by their address in one of these indexes, and in no other way."""
    scans = [node for node in nodes(plan) if "Scan" in node["Node Type"]]
    by_key = [node for node in scans if node.get("Index Name") in keys and "address" in node.get("Index Cond", "")]
    others = [node for node in scans if node not in by_key and node["Node Type"] != "Bitmap Heap Scan"]
    return bool(by_key) and not others


def shape(plan: Mapping[str, Any]) -> str:
    """A plan in few words: `Index Scan by entities_pkey`."""
    names = [
        f"{node['Node Type']} by {node['Index Name']}" if "Index Name" in node else str(node["Node Type"])
        for node in nodes(plan)
    ]
    return ", then ".join(reversed(names))


def _counted(connection: psycopg.Connection, keys: Sequence[str]) -> tuple[int, int]:
    """Sequential scans of entities, and scans of its keys, since the server counts."""
    row = connection.execute(_COUNTED.encode(), (list(keys),)).fetchone()
    return (0, 0) if row is None else (int(row[0]), int(row[1]))


def _settled(
    connection: psycopg.Connection, keys: Sequence[str], before: tuple[int, int], asked: int
) -> tuple[int, int]:
    """The same when all that was asked is counted: the server notes it when connections end, or a moment later."""
    until = time.monotonic() + _PATIENCE
    while True:
        now = _counted(connection, keys)
        if sum(now) - sum(before) >= asked or time.monotonic() > until:
            return now
        time.sleep(0.1)
