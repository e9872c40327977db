"""What the tests of importers share: repositories, and runs whose problems are kept."""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable, Iterable, Iterator
from typing import Any, NamedTuple

from stat7.errors import InvalidEntity
from stat7.files.memory import MemoryFiles
from stat7.importers.base import Item, Problem, Summary, run
from stat7.repository import Repository, Status
from stat7.stores.memory import MemoryStore


class Imported(NamedTuple):
    """What a run returned, and the problems that it gave in between."""

    summary: Summary
    problems: list[Problem]

    def counts(self) -> dict[str, int]:
        """The counts that are not zero."""
        return {name: count for name, count in self.summary.as_dict().items() if count}

    def reasons(self) -> list[tuple[str, str]]:
        """Place and text of each problem."""
        return [(problem.place, str(problem.error)) for problem in self.problems]


def memory_repository() -> Repository:
    """An empty repository in memory."""
    return Repository(MemoryStore(), MemoryFiles())


def imported(repo: Repository, items: Iterable[Item], **options: Any) -> Imported:
    """Run the items into the repository."""
    problems: list[Problem] = []
    summary = run(repo, items, on_problem=problems.append, **options)
    assert summary.read == sum(summary.as_dict().values()) - summary.read
    assert [problem.status for problem in problems].count(Status.CONFLICT) == summary.conflict
    return Imported(summary, problems)


def errors(items: Iterable[Item]) -> list[tuple[str, str]]:
    """Place and text of the items that came with an error."""
    return [(item.place, str(item.error)) for item in items if item.error is not None]


def peak_memory(work: Callable[[], object]) -> int:
    """Most bytes of Python's memory that were in use at one time while this ran, beyond those before it."""
    tracemalloc.start()
    try:
        work()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def bad(place: str) -> Item:
    """An item that can't be stored."""
    return Item(place, None, InvalidEntity("state", "is no good"))


def blocks_of(data: bytes, size: int) -> Iterator[bytes]:
    """The bytes in blocks of this size."""
    for start in range(0, len(data), size):
        yield data[start : start + size]
