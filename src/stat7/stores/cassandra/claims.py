"""Calls of this process that write the same address wait for each other.

Cassandra has no lock to offer for that: of two writers at once, either would find the document missing and call it
new. Within a process one of them waits, so that exactly one does; between processes both may be told so, which harms
nothing.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from stat7.address import Address


class Claims:
    """The addresses that are being written."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._held: set[Address] = set()

    @contextmanager
    def of(self, addresses: Iterable[Address]) -> Iterator[None]:
        """Hold these addresses, all at once, as soon as nobody else holds any of them."""
        wanted = set(addresses)
        with self._changed:
            self._changed.wait_for(lambda: self._held.isdisjoint(wanted))
            self._held |= wanted
        try:
            yield
        finally:
            with self._changed:
                self._held -= wanted
                self._changed.notify_all()
