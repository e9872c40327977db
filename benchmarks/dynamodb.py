"""The DynamoDB store against the same work by bare boto3 batches with as many threads: batch get and write of 1,000.

The server is DynamoDB Local, in memory, on this machine: its figures say nothing about the service's, only what the
store adds. A write is held against BatchWriteItem of the same items, documents and links, which would write over
notices and can't tell what was new; and against the store's own requests sent by bare boto3.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from typing import Any, TypeVar

import boto3
from _entities import records
from _measure import compare, options, report_at_most, report_rate
from botocore.config import Config
from find import PAGE, QUERIES

from stat7.files.memory import MemoryFiles
from stat7.query import Query
from stat7.record import Record
from stat7.repository import Repository
from stat7.stores.base import HeadMove
from stat7.stores.dynamodb import DynamoDBStore, Settings
from stat7.stores.dynamodb.layout import Item, Layout, link_items
from stat7.stores.dynamodb.statements import insert
from stat7.testing.servers import DynamoDB

TABLE = "stat7"
BATCH = 1_000
THREADS = 8
SLOWEST_MS = 1_000.0

Part = TypeVar("Part")


class Bare:
    """boto3's client as it comes, and threads."""

    def __init__(self, server: DynamoDB) -> None:
        config = Config(max_pool_connections=THREADS)
        self.client: Any = boto3.client("dynamodb", endpoint_url=server.endpoint, config=config, **server.credentials)
        self.pool = ThreadPoolExecutor(THREADS)

    def each(self, work: Callable[[list[Part]], object], items: Sequence[Part], size: int) -> None:
        """`work` on batches, by all threads."""
        list(self.pool.map(work, [list(items[at : at + size]) for at in range(0, len(items), size)]))

    def write(self, items: list[Item]) -> None:
        """One BatchWriteItem, and what it leaves undone."""
        left = [{"PutRequest": {"Item": item}} for item in items]
        while left:
            left = self.client.batch_write_item(RequestItems={TABLE: left})["UnprocessedItems"].get(TABLE, [])

    def insert(self, items: list[Item]) -> None:
        """One BatchExecuteStatement with a condition for each item."""
        answer = self.client.batch_execute_statement(Statements=[insert(TABLE, item) for item in items])
        assert not any("Error" in each for each in answer["Responses"])

    def get(self, keys: list[Item]) -> None:
        """One consistent BatchGetItem, and what it leaves undone."""
        while keys:
            request = {"Keys": keys, "ConsistentRead": True, "ProjectionExpression": "sk,d"}
            answer = self.client.batch_get_item(RequestItems={TABLE: request})
            keys = answer["UnprocessedKeys"].get(TABLE, {}).get("Keys", [])


def items_of(layout: Layout, batch: Sequence[Record]) -> tuple[list[Item], list[Item]]:
    """The items of some documents, and those of their links."""
    documents = [layout.document_item(record) for record in batch]
    return documents, [link for record, item in zip(batch, documents, strict=True) for link in link_items(record, item)]


def writes(store: DynamoDBStore, bare: Bare, source: Iterator[Record], rounds: int) -> None:
    """A batch put against the same items by BatchWriteItem, and against the same requests by bare boto3."""
    layout = Layout(TABLE, store.settings.partitions)
    supply = {name: [list(islice(source, BATCH)) for _ in range(2 * (rounds + 1))] for name in ("ours", "plain")}
    made = [items_of(layout, batch) for batch in supply["plain"]]

    def plain() -> None:
        documents, links = made.pop()
        bare.each(bare.write, [*links, *documents], 25)

    def same() -> None:
        documents, links = made.pop()
        bare.each(bare.write, links, 25)
        bare.each(bare.insert, documents, 25)

    note = f"median of {rounds} batches of {BATCH:,} with their links, {THREADS} threads"
    ours = supply["ours"]
    result = compare(lambda: store.put(ours.pop()), plain, rounds=rounds)
    name = "DynamoDB, batch write, against BatchWriteItem of the same items"
    report_rate(name, result, BATCH, target=0.8, note=f"{note}; BatchWriteItem has no conditions")
    result = compare(lambda: store.put(ours.pop()), same, rounds=rounds)
    report_rate("DynamoDB, batch write, against the same requests", result, BATCH, target=0.8, note=note)


def heads(store: DynamoDBStore, source: Iterator[Record], rounds: int) -> None:
    """Seconds that a batch takes with its links and first heads; nothing else is held against it but a limit."""
    times = []
    for _ in range(rounds):
        batch = list(islice(source, BATCH))
        started = time.perf_counter()
        store.put(batch, [HeadMove(record.id, None, record.address) for record in batch])
        times.append(time.perf_counter() - started)
    note = f"median of {rounds} batches of {BATCH:,} with links and first heads"
    report_at_most("DynamoDB, batch write with heads", "s", ours=statistics.median(times), limit=30.0, note=note)


def gets(store: DynamoDBStore, bare: Bare, addresses: Sequence[str], rounds: int) -> None:
    """A verified batch get against bare consistent BatchGetItem."""
    layout, repository = Layout(TABLE, store.settings.partitions), Repository(store, MemoryFiles())
    part = list(addresses[:BATCH])
    keys = [layout.document_key(bytes.fromhex(address)) for address in part]
    assert len(repository.get_documents(part)) == len(part)
    result = compare(
        lambda: repository.get_documents(part), lambda: bare.each(bare.get, keys, 100), rounds=rounds, warm_up=2
    )
    note = f"median of {rounds} rounds of {BATCH:,} of {len(addresses):,}, consistent, {THREADS} threads"
    report_rate("DynamoDB, verified batch get", result, BATCH, target=0.8, note=note)


def finds(store: DynamoDBStore, count: int, rounds: int) -> None:
    """The first page of each typical query that explain calls indexed."""
    for name, facts in QUERIES.items():
        query = Query(**facts)
        plan, times = store.explain(query), []
        if not plan.indexed:
            continue
        for _ in range(rounds):
            started = time.perf_counter()
            page = store.find(query, None, PAGE)
            times.append((time.perf_counter() - started) * 1e3)
        note = f"by {plan.method}, {len(page.items)} found of {count:,} entities, median of {rounds}"
        report_at_most(f"DynamoDB, find, {name}", "ms", ours=statistics.median(times), limit=SLOWEST_MS, note=note)


def main() -> None:
    """Start a server, fill it, and print every comparison."""
    quick = options(__doc__).quick
    count, rounds = (3_000, 5) if quick else (20_000, 15)
    with DynamoDB() as server:
        keys = server.credentials
        settings = Settings(
            TABLE, region=keys["region_name"], endpoint=server.endpoint, access_key_id=keys["aws_access_key_id"],
            secret_access_key=keys["aws_secret_access_key"], connections=THREADS,
        )  # fmt: skip
        source = records(10**9, seed=3)
        bare = Bare(server)
        with DynamoDBStore(settings) as store:
            addresses: list[str] = []
            while len(addresses) < count:
                batch = list(islice(source, BATCH))
                store.put(batch)
                addresses += [record.address for record in batch]
            gets(store, bare, addresses, rounds)
            writes(store, bare, source, rounds)
            heads(store, source, min(rounds, 5))
            finds(store, count, rounds)


if __name__ == "__main__":
    main()
