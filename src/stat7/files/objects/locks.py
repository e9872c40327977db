"""Locks by name: whoever stores, renews or erases one file, in one process, takes turns."""

from __future__ import annotations

from threading import Lock
from weakref import WeakValueDictionary


class NameLocks:
    """A lock for each file, kept as long as somebody holds it."""

    def __init__(self) -> None:
        self._locks: WeakValueDictionary[str, Lock] = WeakValueDictionary()
        self._guard = Lock()

    def of(self, sha256: str) -> Lock:
        """The lock of one file."""
        with self._guard:
            return self._locks.setdefault(sha256, Lock())
