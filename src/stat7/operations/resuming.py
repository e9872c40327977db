"""How far a copy has come, kept in the destination, so that one that was cut off goes on where it was.

It is always right to ignore it: what was copied is found there and skipped. It is used only while the source is the
same as when the copy began, because what a changed source has gained may lie behind the cursor. Notices are never
resumed: what is withdrawn at the source must not stay at the destination because a copy had passed it.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Final, TypeVar

from stat7.contracts import Page
from stat7.errors import InvalidQuery
from stat7.paging import DOCUMENTS, walk
from stat7.stores.base import Store

MARK: Final = "copy"
"""The name of the mark: one, so that what an abandoned copy leaves is overwritten by the next."""

SAVE_EVERY_S: Final = 1.0
"""Seconds between two writes of the mark: each is a durable write of its own."""

Item = TypeVar("Item")


class Progress:
    """Leads a copy from `source` through `stages`, and says in `target` how far it is.

    `name`: whatever tells this source, as it is, from others, such as its URL and how many notices it holds. `resumed`:
    whether a copy that was cut off is gone on with.
    """

    def __init__(
        self, source: Store, target: Store, stages: Sequence[str], name: str, *, save_every_s: float = SAVE_EVERY_S
    ) -> None:
        self._target = target
        self._stages = stages
        self._source = fingerprint(source, name)
        self._save_every_s = save_every_s
        self._saved_at = time.monotonic()
        self._reached, self._cursor = self._saved()
        self.resumed = (self._reached, self._cursor) != (stages[0], None)

    def pages(self, stage: str, fetch: Callable[[str | None, int], Page[Item]], limit: int) -> Iterator[Page[Item]]:
        """The pages of this stage that are still to be copied; none of a stage that was finished before."""
        position, reached = self._stages.index(stage), self._stages.index(self._reached)
        if position < reached:
            return
        cursor = self._cursor if position == reached else None
        if cursor is not None:
            try:
                fetch(cursor, 1)
            except InvalidQuery:
                cursor = None
        yield from walk(fetch, limit, cursor)

    def save(self, stage: str, cursor: str | None) -> None:
        """Everything of this stage up to `cursor` (None: its end) is stored; written down if it's a while since."""
        if cursor is None and stage != self._stages[-1]:
            stage = self._stages[self._stages.index(stage) + 1]
        now = time.monotonic()
        if now - self._saved_at >= self._save_every_s:
            value = {"source": self._source, "stage": stage, "cursor": cursor}
            self._target.set_mark(MARK, json.dumps(value, separators=(",", ":")))
            self._saved_at = now

    def finish(self) -> None:
        """The copy is complete: nothing is left to resume."""
        self._target.set_mark(MARK, None)

    def _saved(self) -> tuple[str, str | None]:
        source, stage, cursor = read_mark(self._target.marks().get(MARK, ""))
        if source != self._source or stage not in self._stages:
            return self._stages[0], None
        return stage, cursor


def read_mark(text: str) -> tuple[str, str, str | None]:
    """Fingerprint of the source, stage and cursor in a mark; empty where it can't be read."""
    try:
        value = json.loads(text)
        source, stage, cursor = value["source"], value["stage"], value["cursor"]
    except (ValueError, TypeError, KeyError):
        return "", "", None
    known = isinstance(source, str) and isinstance(stage, str) and (cursor is None or isinstance(cursor, str))
    return (source, stage, cursor) if known else ("", "", None)


def fingerprint(store: Store, name: str) -> str:
    """16 hex digits that stand for what is held: its name, the kind of store, how many documents, and a sample."""
    taken = hashlib.sha256(f"{name} {store.capabilities.name} {store.count()}".encode())
    for address, _ in store.scan(None, DOCUMENTS).items:
        taken.update(address.encode())
    return taken.hexdigest()[:16]
