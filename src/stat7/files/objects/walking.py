"""Walking through all that is stored, file by file in the order of their names, from the listings of each kind."""

from __future__ import annotations

import heapq
import time
from collections.abc import Iterator, Sequence
from itertools import groupby
from operator import itemgetter
from threading import Lock
from typing import TypeAlias

from stat7.address import is_address
from stat7.files.objects.layout import Layout
from stat7.files.objects.storage import ObjectInfo, ObjectStorage

Group: TypeAlias = tuple[str, dict[str, ObjectInfo]]
"""The SHA-256 of a file, and its objects by kind."""

_KEPT_SECONDS = 60.0


def walk(storage: ObjectStorage, layout: Layout, kinds: Sequence[str], after: str) -> Iterator[Group]:
    """The files after that SHA-256 ("": all) of which there are objects of these kinds; fetched as asked."""
    streams = [_named(storage, layout, kind, after) for kind in kinds]
    merged = heapq.merge(*streams, key=itemgetter(0))
    for sha256, found in groupby(merged, key=itemgetter(0)):
        yield sha256, {kind: info for _, kind, info in found}


def _named(storage: ObjectStorage, layout: Layout, kind: str, after: str) -> Iterator[tuple[str, str, ObjectInfo]]:
    folder = layout.folder(kind)
    for info in storage.list(folder, f"{folder}/{after}" if after else ""):
        sha256 = info.key[len(folder) + 1 :]
        # Others may keep things below the prefix; they are none of ours.
        if is_address(sha256):
            yield sha256, kind, info


class Walks:
    """The walk of the latest page of a scan, kept for a minute for the next one.

    A listing brings a thousand names at least, and some servers can't begin in the middle of one: there each new walk
    reads from the beginning.
    """

    def __init__(self) -> None:
        self._lock = Lock()
        self._kept: tuple[str, float, Iterator[Group]] | None = None

    def take(self, after: str) -> Iterator[Group] | None:
        """The walk that goes on after this SHA-256, if it is there; it is the caller's alone from then on."""
        with self._lock:
            kept = self._kept
            if kept is None or kept[0] != after or time.monotonic() - kept[1] > _KEPT_SECONDS:
                return None
            self._kept = None
            return kept[2]

    def keep(self, after: str, groups: Iterator[Group]) -> None:
        """Keep a walk that goes on after this SHA-256, in place of any other."""
        with self._lock:
            self._kept = (after, time.monotonic(), groups)
