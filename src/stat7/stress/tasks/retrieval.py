"""One of several workers that read files for a short while, from the store or from the raw files beside it, in turns.

Whoever reads from the store gets verified bytes; whoever reads a raw file hashes what it has read, as a program has to
that wants to be sure of it. The harness compares every byte of both with the bytes that were put.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from random import Random
from typing import Any, Final

from stat7.errors import Stat7Error
from stat7.files.base import CHUNK
from stat7.stress.media import Library, Shelf
from stat7.stress.subject import Location, Subject
from stat7.stress.tasks.loops import Tape, drag
from stat7.stress.tasks.writing import note
from stat7.stress.workers import Obey, Tell, Work

RANGE: Final = (64 * 1024, 2 * 1024 * 1024)
"""Bytes of a range of a large file, drawn uniformly from between; of a small file it's any part."""

Read = Callable[[int, int, int], Iterator[bytes]]
"""Gives the bytes of file number so-and-so from start to end, in pieces."""


@dataclass(frozen=True, slots=True)
class Put:
    """Put files `indexes` of a group into the store, and write them into `raw` under their index."""

    location: Location
    library: Library
    group: str
    raw: Path
    indexes: range

    def prepare(self) -> Work:
        """Open the store, with nothing between."""
        repository, shelf = self.location.open(), self.library.open()

        def work(tell: Tell) -> Mapping[str, Any]:
            digests = bytearray()
            with repository:
                for index in self.indexes:
                    data = shelf.file(index, self.group).data
                    (self.raw / str(index)).write_bytes(data)
                    digests += bytes.fromhex(repository.put_file(data).sha256)
                    tell(index)
            return {"digests": bytes(digests)}

        return work


@dataclass(frozen=True, slots=True)
class Slice:
    """An order: the first `workers` of the crew read files of `group` for so many seconds, `ranges` of them or all of
    each, from the store or, with `raw`, from raw files. `seed` draws which.
    """

    group: str
    ranges: bool
    raw: bool
    workers: int
    seconds: float
    seed: int


@dataclass(frozen=True, slots=True)
class Retriever:
    """A hand of a crew. `stored` holds, by group, the names of files 0, 1, ... of the library; `raw` their folder."""

    subject: Subject
    location: Location
    library: Library
    stored: Mapping[str, Sequence[str]]
    raw: Path
    worker: int

    @contextmanager
    def prepare(self) -> Iterator[Obey]:
        """Open the store, read the seeds."""
        shelf = self.library.open(tuple(self.stored))
        with self.subject.open(self.location) as repository:

            def obey(order: Slice, tell: Tell) -> Mapping[str, Any]:
                names, folder = self.stored[order.group], self.raw / order.group

                def stored(index: int, start: int, end: int) -> Iterator[bytes]:
                    # A whole file is asked for as such, since it's checked in another way.
                    return repository.open_file(names[index], start, end if order.ranges else None)

                def raw(index: int, start: int, end: int) -> Iterator[bytes]:
                    return _read_and_hash(folder / str(index), start, end)

                return self._run(order, shelf, raw if order.raw else stored)

            yield obey

    def _run(self, order: Slice, shelf: Shelf, read: Read) -> Mapping[str, Any]:
        clock, tape, moved = self.subject.clock, Tape(0), 0
        begun = end = clock()
        if self.worker >= order.workers:
            return {"begun": begun, "ended": begun, "bytes": 0, "files": 0, "wrong": 0, "errors": 0, "first_error": ""}
        random, until, files = Random(order.seed * 1009 + self.worker), begun + int(order.seconds * 1e9), 0
        count = len(self.stored[order.group])
        while end < until:
            index = random.randrange(count)
            size = shelf.size(index, order.group)
            start, stop = _range(random, size) if order.ranges else (0, size)
            try:
                same = _same(read(index, start, stop), partial(shelf.part, index, order.group), start, stop)
            except Stat7Error as error:
                note(tape, error)
                end = clock()
                continue
            if not same:
                tape.failed(f"bytes {start} to {stop} of {order.group} {index} aren't those that were put")
            files += 1
            moved += stop - start
            if self.subject.drag_ns:
                drag(clock, self.subject.drag_ns)
            end = clock()
        told = {"wrong": tape.wrong, "errors": tape.errors, "first_error": tape.first_error}
        return {"begun": begun, "ended": end, "bytes": moved, "files": files, **told}


def _same(pieces: Iterator[bytes], put: Callable[[int, int], bytes], start: int, end: int) -> bool:
    """Whether these pieces are the bytes from `start` to `end` as they were put; one of them is held at a time."""
    at, same = start, True
    for piece in pieces:
        same = same and piece == put(at, at + len(piece))
        at += len(piece)
    return same and at == end


def _range(random: Random, size: int) -> tuple[int, int]:
    least, most = RANGE if size > RANGE[1] else (1, size)
    length = random.randint(least, most)
    start = random.randint(0, size - length)
    return start, start + length


def _read_and_hash(path: Path, start: int, end: int) -> Iterator[bytes]:
    whole = hashlib.sha256()
    with path.open("rb", buffering=0) as file:
        file.seek(start)
        for at in range(start, end, CHUNK):
            piece = file.read(min(CHUNK, end - at))
            whole.update(piece)
            yield piece
    whole.digest()
