"""One call of the store at work: its requests in batches, what is left undone asked for again, all within its time.

Requests that belong together go out at once from the client's threads. A request that DynamoDB refuses for being busy,
or that doesn't reach it, is repeated after pauses of random length, twice as long each time, until `retry` seconds have
passed since the first such failure of the call; then it raises Unavailable.
"""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import CancelledError
from typing import Any, Final, TypeAlias, TypeVar

from stat7.errors import Stat7Error
from stat7.stores.dynamodb.client import Client
from stat7.stores.dynamodb.errors import (
    ABSENT,
    CONDITION,
    RAISED,
    REPEATABLE,
    UNDONE,
    code_of,
    is_repeatable,
    refused,
    unprocessed,
)
from stat7.stores.dynamodb.layout import Item, Layout

Key: TypeAlias = Item
"""The attributes pk and sk of an item."""

Part = TypeVar("Part")
Result = TypeVar("Result")

READ_AT_ONCE: Final = 100
"""Items that one BatchGetItem takes."""
WRITE_AT_ONCE: Final = 25
"""Items that one BatchWriteItem takes, and statements that one BatchExecuteStatement does."""
_BYTES_AT_ONCE: Final = 2_000_000
_FIRST_PAUSE: Final = 0.05
_LONGEST_PAUSE: Final = 2.0

_inside = threading.local()
"""Tells whether a thread is one of a pool: from there, requests go out one by one."""


class Session:
    """One call of a store: its client, its table's layout, and the time that it may wait."""

    def __init__(self, client: Client, layout: Layout, patience: float | None = None) -> None:
        self.client = client
        self.layout = layout
        self._patience = client.settings.retry if patience is None else patience
        self._failing_since: float | None = None

    # One request

    def call(self, operation: str, *, repeatable: bool = True, **request: Any) -> dict[str, Any]:
        """The answer to one request. Raises only errors of stat7."""
        answer = self._send(operation, request, frozenset(), repeatable)
        assert answer is not None
        return answer

    def ask(self, operation: str, **request: Any) -> dict[str, Any] | None:
        """The answer to one request; None if there is no such table."""
        return self._send(operation, request, ABSENT)

    def attempt(self, operation: str, **request: Any) -> bool:
        """One conditional write: whether its condition held. One that is repeated may have been made at first."""
        return self._send(operation, request, CONDITION) is not None

    def pause(self, attempt: int, failure: Stat7Error, cause: Exception | None = None) -> None:
        """Wait before another attempt; raises `failure` if the call's time is over or the store closed."""
        now = time.monotonic()
        since = self._failing_since
        if since is None:
            since = self._failing_since = now
        pause = random.uniform(0.0, min(_LONGEST_PAUSE, _FIRST_PAUSE * 2.0**attempt))
        if self.client.closed or now + pause - since >= self._patience:
            raise failure from cause
        time.sleep(pause)

    # Many

    def map(self, work: Callable[[Part], Result], parts: Sequence[Part]) -> list[Result]:
        """`work` on each part, at once; the results in order. The first error is raised."""
        if len(parts) < 2 or getattr(_inside, "pool", False):
            return [work(part) for part in parts]

        def inside(part: Part) -> Result:
            _inside.pool = True
            return work(part)

        try:
            return list(self.client.pool().map(inside, parts))
        except (RuntimeError, CancelledError) as error:
            # A pool that is shut down takes nothing more, and drops what waits.
            if self.client.closed:
                raise self.client.failure(error) from error
            raise

    def get_items(self, keys: Iterable[Key], names: Sequence[str], *, consistent: bool = True) -> list[Item]:
        """Those of the items that are there, with these attributes; each key must occur once."""
        projection = {
            "ProjectionExpression": ",".join(f"#{name}" for name in names),
            "ExpressionAttributeNames": {f"#{name}": name for name in names},
            "ConsistentRead": consistent,
        }
        parts = list(_batches(keys, READ_AT_ONCE))
        return [item for found in self.map(lambda part: self._get(part, projection), parts) for item in found]

    def write_items(self, requests: Iterable[Item]) -> None:
        """PutRequests and DeleteRequests without conditions; each key must occur once."""
        self.map(self._write, list(_batches(requests, WRITE_AT_ONCE)))

    def execute(self, statements: Sequence[Item], *, repeatable: bool = True) -> list[bool]:
        """Conditional statements, each by itself: whether its condition held and it was done."""
        parts = list(_sized(statements))
        return [done for part in self.map(lambda part: self._execute(part, repeatable), parts) for done in part]

    # Inside

    def _send(
        self, operation: str, request: Mapping[str, Any], tolerated: frozenset[str], repeatable: bool = True
    ) -> dict[str, Any] | None:
        """The answer to one request; None if it is refused by one of these codes."""
        attempt = 0
        while True:
            try:
                answer: dict[str, Any] = getattr(self.client.api(), operation)(**request)
                return answer
            except RAISED as error:
                if code_of(error) in tolerated:
                    return None
                failure = self.client.failure(error)
                if not (repeatable and is_repeatable(error)):
                    raise failure from error
                cause = error
            self.pause(attempt, failure, cause)
            attempt += 1

    def _get(self, keys: list[Key], projection: Mapping[str, Any]) -> list[Item]:
        table = self.layout.table
        found: list[Item] = []
        attempt = 0
        while keys:
            answer = self.call("batch_get_item", RequestItems={table: {"Keys": keys, **projection}})
            found += answer["Responses"].get(table, ())
            left = answer.get("UnprocessedKeys", {}).get(table, {}).get("Keys", [])
            if len(left) < len(keys):
                # It got on: an answer holds 16 MB at most, so there may be more.
                attempt = 0
            else:
                self.pause(attempt, unprocessed(self.client.settings.where()))
                attempt += 1
            keys = left
        return found

    def _write(self, requests: list[Item]) -> None:
        table = self.layout.table
        attempt = 0
        while True:
            requests = (
                self.call("batch_write_item", RequestItems={table: requests}).get("UnprocessedItems", {}).get(table, [])
            )
            if not requests:
                return
            self.pause(attempt, unprocessed(self.client.settings.where()))
            attempt += 1

    def _execute(self, statements: list[Item], repeatable: bool) -> list[bool]:
        done: dict[int, bool] = {}
        waiting = list(range(len(statements)))
        attempt = 0
        while True:
            asked = [statements[place] for place in waiting]
            answers = self.call("batch_execute_statement", repeatable=repeatable, Statements=asked)["Responses"]
            again, failure = [], None
            for place, answer in zip(waiting, answers, strict=True):
                error = answer.get("Error")
                code = error.get("Code", "") if error else ""
                if code in REPEATABLE and (repeatable or code in UNDONE):
                    again.append(place)
                    failure = refused(code, error.get("Message", ""), self.client.settings.where())
                elif error is None or code in CONDITION:
                    done[place] = error is None
                else:
                    raise refused(code, error.get("Message", ""), self.client.settings.where())
            if failure is None:
                return [done[place] for place in range(len(statements))]
            waiting = again
            self.pause(attempt, failure)
            attempt += 1


def _batches(items: Iterable[Item], size: int) -> Iterator[list[Item]]:
    every = items if isinstance(items, list) else list(items)
    for at in range(0, len(every), size):
        yield every[at : at + size]


def _sized(statements: Sequence[Item]) -> Iterator[list[Item]]:
    """In batches that are not too large for one request, however large the documents are."""
    batch: list[Item] = []
    size = 0
    for statement in statements:
        length = sum(len(value["B"]) for value in statement["Parameters"] if "B" in value)
        if batch and (len(batch) == WRITE_AT_ONCE or size + length > _BYTES_AT_ONCE):
            yield batch
            batch, size = [], 0
        batch.append(statement)
        size += length
    if batch:
        yield batch
