"""The Cassandra store on three nodes at QUORUM against the bare driver: batches of 1,000 put and got, and finds.

The baseline sends the same statements with the same values by execute_concurrent: what is there already, batches of
index rows, documents, a second look, heads by lightweight transactions. Both take turns batch by batch, each in a
keyspace of its own. The nodes and the client share this machine, so only ratios tell anything, and finds are on data
that was never repaired or compacted on purpose. A find marks the index rows whose entities it has seen, and the next
one is spared the look at them, so both are measured.
"""

from __future__ import annotations

import random
import statistics
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import islice
from typing import Any

from _entities import records
from _measure import Comparison, options, report_at_most, report_rate
from cassandra.concurrent import execute_concurrent
from cassandra.query import BatchStatement, BatchType
from find import PAGE, QUERIES

from stat7.query import Query
from stat7.record import Record
from stat7.stores.base import HeadMove
from stat7.stores.cassandra import CassandraStore, Settings
from stat7.stores.cassandra.heads import MAKE
from stat7.stores.cassandra.put import CELL, LINK, STORE
from stat7.stores.cassandra.reader import GET, STATES, slices
from stat7.stores.cassandra.rows import by_partition, cell_key, facts_of, link_keys
from stat7.stores.cassandra.session import BATCH_ROWS, TRANSACTIONS
from stat7.testing.servers import Cassandra

BATCH = 1000
SLOWEST_MS = 100.0
MARKED_SECONDS = 0.5
# The baseline gives up where the store would try again, and this machine is a small one for three nodes.
PATIENT = {f"{name}_timeout": "30s" for name in ("read_request", "write_request", "cas_contention", "range_request")}


class Bare:
    """The driver's session with the store's statements, prepared beforehand, and nothing around them."""

    def __init__(self, store: CassandraStore) -> None:
        connection = store._connection
        self.session = connection.session
        self.in_flight = store.settings.in_flight
        self.buckets = connection.buckets
        self.statements = {text: connection.prepare(text) for text in (STATES, GET, CELL, LINK, STORE)}
        self.move = connection.prepare(MAKE, once=True)

    def run(self, statements: Sequence[Any], in_flight: int | None = None) -> None:
        """Run them all."""
        most = in_flight or self.in_flight
        for result in execute_concurrent(self.session, [(each, None) for each in statements], most):
            list(result.result_or_exc)

    def put(self, batch: Sequence[Record]) -> None:
        """The statements of a put of what is new, and of its heads."""
        addresses = [bytes.fromhex(record.address) for record in batch]
        self.run([self.statements[STATES].bind(values) for values in slices(addresses)])
        cells, links, documents = [], [], []
        for address, record in zip(addresses, batch, strict=True):
            facts = facts_of(record)
            reals = facts[7:10]
            cells.append((*cell_key(address, facts, self.buckets), *reals))
            place = (facts.realm, facts.horizon, facts.lineage, *reals)
            links += [(*key, *place) for key in link_keys(address, facts)]
            documents.append((*facts, record.document, address))
        self.run([*self.together(CELL, cells, 3), *self.together(LINK, links, 1)])
        self.run([self.statements[STORE].bind(values) for values in documents])
        self.run([self.statements[STATES].bind(values) for values in slices(addresses)])
        moves = [(record.id, address) for record, address in zip(batch, addresses, strict=True)]
        self.run([self.move.bind(values) for values in moves], TRANSACTIONS)

    def together(self, text: str, rows: Sequence[Sequence[Any]], columns: int) -> list[Any]:
        """Index rows in unlogged batches for each partition."""
        made = []
        for group in by_partition(rows, columns):
            for at in range(0, len(group), BATCH_ROWS):
                batch = BatchStatement(BatchType.UNLOGGED)
                for values in group[at : at + BATCH_ROWS]:
                    batch.add(self.statements[text].bind(values))
                made.append(batch)
        return made

    def get(self, addresses: Sequence[str]) -> None:
        """The statements of a get."""
        wanted = [bytes.fromhex(address) for address in addresses]
        self.run([self.statements[GET].bind(values) for values in slices(wanted)])


def _compared(times: dict[str, list[float]]) -> Comparison:
    ours, plain = times["ours"], times["plain"]
    ratio = statistics.median(b / a for a, b in zip(ours, plain, strict=True))
    return Comparison(statistics.median(ours), statistics.median(plain), ratio)


def puts(store: CassandraStore, bare: Bare, count: int) -> list[str]:
    """New batches for each by turns; the addresses that the store holds."""
    sources = {"ours": records(10**9, seed=7), "plain": records(10**9, seed=8, prefix="bare")}
    times: dict[str, list[float]] = {"ours": [], "plain": []}
    addresses: list[str] = []
    for turn in range(count // BATCH):
        for name in ("ours", "plain") if turn % 2 else ("plain", "ours"):
            batch = list(islice(sources[name], BATCH))
            started = time.perf_counter()
            if name == "ours":
                store.put(batch, [HeadMove(each.id, None, each.address) for each in batch])
            else:
                bare.put(batch)
            elapsed = time.perf_counter() - started
            if turn:
                times[name].append(elapsed)
            if name == "ours":
                addresses += [record.address for record in batch]
    note = f"median of {len(times['ours'])} batches of {BATCH:,} with index rows and heads; the same statements"
    report_rate("Cassandra, put at QUORUM, 3 nodes", _compared(times), BATCH, target=0.8, note=note)
    return addresses


def gets(store: CassandraStore, bare: Bare, addresses: list[str], rounds: int) -> None:
    """Batches of random addresses, the same for both, by turns."""
    chance, times = random.Random(1), {"ours": [], "plain": []}  # type: tuple[random.Random, dict[str, list[float]]]
    for turn in range(rounds + 1):
        asked = chance.sample(addresses, BATCH)
        for name in ("ours", "plain") if turn % 2 else ("plain", "ours"):
            started = time.perf_counter()
            if name == "ours":
                assert len(store.get(asked)) == BATCH
            else:
                bare.get(asked)
            if turn:
                times[name].append(time.perf_counter() - started)
    note = f"median of {rounds} batches of {BATCH:,} random addresses of {len(addresses):,}; the same statements"
    report_rate("Cassandra, get at QUORUM, 3 nodes", _compared(times), BATCH, target=0.8, note=note)


def fill(store: CassandraStore, count: int) -> None:
    """More entities without heads, which finds at a store don't look at."""
    source = records(count, seed=9, prefix="more")
    while batch := list(islice(source, BATCH)):
        store.put(batch)


def finds(store: CassandraStore, rounds: int) -> None:
    """The first page of each typical query; those that `explain` calls indexed have a limit.

    Once with its index rows as the puts have left them, so that each round looks at what is stored, and once marked.
    """
    count = store.count()
    for name, facts in QUERIES.items():
        query = Query(**facts)
        plan = store.explain(query)
        limit = SLOWEST_MS if plan.indexed else 60_000.0
        note = f"by {plan.method}, {'indexed' if plan.indexed else 'refused without --allow-scan'}"
        if plan.indexed:
            with without_marks(store):
                report_page(f"{name}, found for the first time", store, query, rounds, limit, f"{note}, of {count:,}")
            store.find(query, None, PAGE)
            time.sleep(MARKED_SECONDS)
        report_page(name, store, query, rounds if plan.indexed else 3, limit, f"{note}, of {count:,}")


@contextmanager
def without_marks(store: CassandraStore) -> Iterator[None]:
    """The statements that mark index rows are made, but not sent."""
    connection: Any = store._connection
    connection.send = list
    try:
        yield
    finally:
        del connection.send


def report_page(name: str, store: CassandraStore, query: Query, rounds: int, limit: float, note: str) -> None:
    """Report the median of the milliseconds that a first page takes."""
    times = []
    for _ in range(rounds):
        started = time.perf_counter()
        page = store.find(query, None, PAGE)
        times.append((time.perf_counter() - started) * 1e3)
    note += f"; {len(page.items)} found, p50 of {len(times)}"
    report_at_most(f"Cassandra, find, {name}", "ms", ours=statistics.median(times), limit=limit, note=note)


def main() -> None:
    """Start three nodes, fill them, and print every comparison."""
    quick = options(__doc__).quick
    compared, count, rounds = (3_000, 6_000, 5) if quick else (10_000, 100_000, 15)
    with Cassandra(nodes=3, options=PATIENT) as cluster:
        settings = Settings(tuple(cluster.contact_points), cluster.port, cluster.keyspace(), timeout=60.0)
        with CassandraStore(settings) as store:
            bare = Bare(store)
            addresses = puts(store, bare, compared)
            gets(store, bare, addresses, rounds)
            fill(store, count - store.count())
            finds(store, rounds)


if __name__ == "__main__":
    main()
