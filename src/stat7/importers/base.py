"""What every importer gives, and `run`, which stores it: in batches, one outcome per item, in the order of the input.

An importer is an iterator of `Item`s. It takes every fact from the item alone, so running it again finds all there.
"""

from __future__ import annotations

import gc
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from typing import Final, NamedTuple

from stat7.errors import Conflict, Gone, InvalidEntity, Stat7Error, Unavailable
from stat7.importers.updates import settle
from stat7.progress import Report, silent
from stat7.record import Record
from stat7.repository import Document, PutResult, Repository, Status, to_record

BATCH: Final = 5000
"""Items stored in one call, unless they are large or slow to come."""

_BATCH_BYTES: Final = 16 * 1024 * 1024
_BATCH_SECONDS: Final = 1.0


class Item(NamedTuple):
    """One thing to be stored, or why it can't be.

    `place` says where in the source it stands (`line 17`, `row 3`, `a/b.png`, a commit hash). Either `document` or
    `error` is given. `keeps_history` is True for documents that themselves say which version they replace: an older
    version among them stays one. All other items say what is so now.
    """

    place: str
    document: Document | None
    error: Stat7Error | None = None
    keeps_history: bool = False


class Problem(NamedTuple):
    """An item that was not stored: its place, what became of it, and the reason (one line)."""

    place: str
    status: Status
    error: Stat7Error


@dataclass(slots=True)
class Summary:
    """How many items were read, and what became of them; unavailable ones count as bad. `read` is their sum."""

    read: int = 0
    new: int = 0
    existed: int = 0
    conflict: int = 0
    withdrawn: int = 0
    bad: int = 0

    def as_dict(self) -> dict[str, int]:
        """The counts by name, in this order."""
        return asdict(self)


class _Entry(NamedTuple):
    place: str
    content: Record | Stat7Error
    keeps_history: bool


def run(
    repo: Repository,
    items: Iterable[Item],
    *,
    update: bool = False,
    on_problem: Callable[[Problem], None],
    report: Report = silent,
    batch: int = BATCH,
    total: int | None = None,
) -> Summary:
    """Store the items; each has its own outcome, and what was not stored is given to `on_problem` in the input's order.

    An item whose facts are those of its id's current version (whatever that one replaces) has existed. Other facts are
    a conflict; with `update` they become the next version, unless they were withdrawn as an earlier one. `report` is
    called once a batch: of at most `batch` items, fewer if they are large or slow to come. Running the same items
    again, also after an interruption at any moment, is a no-op or completes them.

    Raises what the iterator raises once the items before are stored; Unavailable or StoreFull once the batch's problems
    are reported; Corrupt if a stored version that must be compared is damaged.
    """
    summary = Summary()
    with _paused_collector() as tidy:
        for entries in _batches(items, batch):
            down: Stat7Error | None = None
            for entry, result in zip(entries, _store(repo, entries, update), strict=True):
                _count(summary, result.status)
                if result.error is not None:
                    on_problem(Problem(entry.place, result.status, result.error))
                    if result.status is Status.UNAVAILABLE:
                        down = down or result.error
            report("entities", summary.read, total)
            if down is not None:
                raise down
            tidy()
    return summary


def _store(repo: Repository, entries: list[_Entry], update: bool) -> list[PutResult]:
    """One result per entry, those that came with an error included."""
    readable = [entry for entry in entries if isinstance(entry.content, tuple)]
    records = [entry.content for entry in readable if isinstance(entry.content, tuple)]
    results = repo.put_many(records)
    settle(repo, records, [entry.keeps_history for entry in readable], results, update=update)
    if len(records) == len(entries):
        return results
    stored = iter(results)
    return [
        next(stored) if isinstance(entry.content, tuple) else PutResult(_status(entry.content), None, entry.content)
        for entry in entries
    ]


def _batches(items: Iterable[Item], size: int) -> Iterator[list[_Entry]]:
    """Lists of at most `size` checked items; a full one is given out, so is one that is large or took long to read."""
    entries: list[_Entry] = []
    held, deadline = 0, 0.0
    failure: Stat7Error | None = None
    try:
        for item in items:
            if not entries:
                held, deadline = 0, time.monotonic() + _BATCH_SECONDS
            content = _content(item)
            held += len(content.document) if isinstance(content, Record) else 0
            entries.append(_Entry(item.place, content, item.keeps_history))
            if len(entries) >= size or held >= _BATCH_BYTES or time.monotonic() >= deadline:
                yield entries
                entries = []
    except Stat7Error as error:
        failure = error
    if entries:
        yield entries
    if failure is not None:
        raise failure


def _content(item: Item) -> Record | Stat7Error:
    if item.error is not None:
        return item.error
    if item.document is None:
        return InvalidEntity("", "there is neither a document nor an error")
    try:
        return to_record(item.document)
    except InvalidEntity as error:
        return error


def _status(error: Stat7Error) -> Status:
    if isinstance(error, Gone):
        return Status.WITHDRAWN
    if isinstance(error, Conflict):
        return Status.CONFLICT
    return Status.UNAVAILABLE if isinstance(error, Unavailable) else Status.REFUSED


def _count(summary: Summary, status: Status) -> None:
    summary.read += 1
    match status:
        case Status.NEW:
            summary.new += 1
        case Status.EXISTED:
            summary.existed += 1
        case Status.CONFLICT:
            summary.conflict += 1
        case Status.WITHDRAWN:
            summary.withdrawn += 1
        case _:
            summary.bad += 1


@contextmanager
def _paused_collector() -> Iterator[Callable[[], object]]:
    """No automatic cyclic collection meanwhile; gives a function that collects what is young, for once a batch.

    A batch is many small objects, hardly any in a cycle, that the collector would look at again and again: leaving it
    on costs a sixth of the speed in an empty process and more in one that holds much else.
    """
    running = gc.isenabled()
    gc.disable()
    try:
        yield lambda: gc.collect(1)
    finally:
        if running:
            gc.enable()
