"""How many documents to read at once, and in a page: as many as weigh so much, which is known only by reading some."""

from __future__ import annotations

from typing import Final

from stat7.gateway.settings import MIB

PAGE_BYTES: Final = 16 * MIB
"""A page ends once its documents come to more than this, whatever its limit says; there is one document at least."""

STEP_BYTES: Final = 1 * MIB
"""Bytes of documents, about, that are read at once."""

MOST: Final = 128
"""Documents that are read at once for a page, at most: 32 MiB of them, should all be as large as can be after many
small ones.
"""

_FIRST: Final = 16
_GROWTH: Final = 16


class Scale:
    """How much the documents of a page weighed so far, hence how many of them to read next, `at_once` at most; `most`
    bytes fill it.
    """

    def __init__(self, most: int | None = None, at_once: int = MOST) -> None:
        self._most = PAGE_BYTES if most is None else most
        self._at_once = at_once
        self.count = 0
        self.bytes = 0
        self._last = 0

    @property
    def step(self) -> int:
        """Bytes to be read at once now: less than none if the page is full."""
        return min(STEP_BYTES, self._most - self.bytes)

    @property
    def full(self) -> bool:
        """Whether the page ends here."""
        return self.bytes > self._most

    @property
    def fitting(self) -> int:
        """How many documents probably come to that, one at least; there must be some already."""
        return max(1, self.step * self.count // max(1, self.bytes))

    def next(self, most: int) -> int:
        """How many to read now, from 1 to `most`: few as long as little is known, then what probably fits."""
        return min(most, self._at_once, self._last * _GROWTH, self.fitting) if self.count else min(most, _FIRST)

    def add(self, count: int, size: int) -> None:
        """So many documents were read, and came to so many bytes."""
        self.count += count
        self.bytes += size
        self._last = count
