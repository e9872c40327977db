"""What a run measures, as picklable values: an addresser, a store behind a URL, and the clock they are timed with.

Everything that a sabotage replaces is here, so that each check can be shown to fail.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from stat7.record import Record, normalise, normalise_json
from stat7.repository import Repository
from stat7.stores.base import Store
from stat7.stores.memory import MemoryStore


class Addresser(Protocol):
    """From the facts of an entity to its address; must be picklable."""

    def address(self, document: Mapping[str, Any]) -> str:
        """The address of one document given as Python objects."""
        ...

    def record(self, line: bytes) -> Record:
        """The checked record, address and canonical bytes, of one line of JSON."""
        ...


@dataclass(frozen=True, slots=True)
class CanonicalAddresser:
    """The product's own: normalise, check, write the canonical form, hash."""

    def address(self, document: Mapping[str, Any]) -> str:
        """The address of one document given as Python objects."""
        return normalise(document).address

    def record(self, line: bytes) -> Record:
        """The record of one line of JSON."""
        return normalise_json(line)


Wrapper = Callable[[Repository], Repository]


@dataclass(frozen=True, slots=True)
class Location:
    """Where entities (and the files they might name) are kept: what `stat7.open` takes."""

    store: str
    files: str = "memory:"

    def open(self) -> Repository:
        """Open the repository. Raises ConfigError and Unavailable."""
        from stat7.opening import open as open_urls

        return open_urls(self.store, files=self.files)


@dataclass(frozen=True, slots=True)
class Subject:
    """What is measured. `wrap` stands between the workers and the store while they are measured (None: nothing does);
    `drag_ns` makes the load generator itself slower by so much for each operation; with `skip_late_ns` an open loop
    leaves out requests that it's later for than that. `memory` makes the in-memory store whose size is measured.
    """

    addresser: Addresser = CanonicalAddresser()
    wrap: Wrapper | None = None
    clock: Callable[[], int] = time.perf_counter_ns
    drag_ns: int = 0
    skip_late_ns: int = 0
    memory: Callable[[], Store] = MemoryStore

    def open(self, location: Location) -> Repository:
        """The repository as the workers that are measured see it."""
        repository = location.open()
        return repository if self.wrap is None else self.wrap(repository)
