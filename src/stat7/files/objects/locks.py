"""Locks by name: whoever erases a file by its age, and whoever renews it, in one process, take turns."""

from __future__ import annotations

from threading import Lock

_STRIPES = 256


class NameLocks:
    """A lock for each file; files whose names begin with the same byte share one."""

    def __init__(self) -> None:
        self._stripes = [Lock() for _ in range(_STRIPES)]

    def of(self, sha256: str) -> Lock:
        """The lock of one file."""
        return self._stripes[int(sha256[:2], 16)]
