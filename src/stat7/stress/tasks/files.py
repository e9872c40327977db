"""What workers do to a store of files: put, read back, look at what it holds, verify, tidy up.

Every file's SHA-256 is taken by the harness before it is put, and again of what is read.
"""

from __future__ import annotations

import hashlib
from array import array
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any, Final

from stat7.errors import NotFound, Stat7Error
from stat7.files.base import StoredFile
from stat7.paging import NAMES, walk
from stat7.record import Notice
from stat7.repository import Repository
from stat7.stress.media import Library, Media, flaw
from stat7.stress.subject import Location, Subject
from stat7.stress.tasks.loops import DIGEST, Tape, drag
from stat7.stress.tasks.writing import note
from stat7.stress.workers import Tell, Work

TOLD: Final = 50
"""After so many files a worker tells how far it is."""

CEILING_FILES: Final = 500
NEW: Final = 0
AGAIN: Final = 1
AGAIN_BY_NAME: Final = 2


@dataclass(frozen=True, slots=True)
class Put:
    """Put the files of these indexes, each once. With `again` they are there already: every second one is then put
    under its name, the others as if they were new.
    """

    subject: Subject
    location: Location
    library: Library
    indexes: range
    again: bool = False

    def prepare(self) -> Work:
        """Open the store, read the seeds."""
        repository, shelf = self.subject.open(self.location), self.library.open()

        def put(data: bytes, sha256: str, by_name: bool) -> StoredFile:
            return repository.put_file(data, sha256=sha256 if by_name else None)

        def work(tell: Tell) -> Mapping[str, Any]:
            with repository:
                most = self.indexes[:CEILING_FILES]
                idle = _Putting(self, Tape(len(most)), _no_op_put).run(most, shelf.file, lambda done: None)
                tell(1)
                putting = _Putting(self, Tape(len(self.indexes)), put).run(self.indexes, shelf.file, tell)
            return {"ceiling": idle.tape.rate, **putting.result()}

        return work


def _no_op_put(data: bytes, sha256: str, by_name: bool) -> StoredFile:
    """The put of the store that does nothing."""
    return StoredFile(sha256, len(data), 0)


class _Putting:
    """The loop of Put. `put` gets the bytes, their SHA-256, and whether to put them under that name."""

    def __init__(self, task: Put, tape: Tape, put: Callable[[bytes, str, bool], StoredFile]) -> None:
        self.task = task
        self.tape = tape
        self.put = put
        self.sizes = array("q")
        self.digests = bytearray()

    def run(self, indexes: range, make: Callable[[int], Media], tell: Tell) -> _Putting:
        """Make, hash and put each file."""
        clock, tape, drag_ns = self.task.subject.clock, self.tape, self.task.subject.drag_ns
        begun = clock()
        for number, index in enumerate(indexes):
            data = make(index).data
            sha256 = hashlib.sha256(data).hexdigest()
            by_name = self.task.again and number % 2 == 1
            kind = NEW if not self.task.again else AGAIN_BY_NAME if by_name else AGAIN
            start = clock()
            try:
                stored = self.put(data, sha256, by_name)
            except Stat7Error as error:
                note(tape, error)
                continue
            end = clock()
            tape.add(kind, end - begun, end - start)
            self._acknowledged(data, sha256, stored)
            if drag_ns:
                drag(clock, drag_ns)
            if number % TOLD == 0:
                tell(number)
        return self

    def _acknowledged(self, data: bytes, sha256: str, stored: StoredFile) -> None:
        self.sizes.append(len(data))
        self.digests += bytes.fromhex(sha256)
        if (stored.sha256, stored.size) != (sha256, len(data)):
            self.tape.failed(f"put answered {stored.sha256} of {stored.size} bytes for {sha256} of {len(data)}")

    def result(self) -> dict[str, Any]:
        """What goes back."""
        return {"sizes": self.sizes.tobytes(), "digests": bytes(self.digests), **self.tape.result()}


@dataclass(frozen=True, slots=True)
class ReadWhole:
    """Read whole, in random order, the files named in `digests` (a file of 32 bytes each) that fall to this worker."""

    subject: Subject
    location: Location
    digests: Path
    seed: int
    worker: int
    workers: int

    def prepare(self) -> Work:
        """Open the store, draw the order."""
        repository = self.subject.open(self.location)
        joined = self.digests.read_bytes()
        starts = list(range(0, len(joined), DIGEST))
        Random(self.seed).shuffle(starts)
        names = [joined[start : start + DIGEST].hex() for start in starts[self.worker :: self.workers]]

        def work(tell: Tell) -> Mapping[str, Any]:
            with repository:
                return self._read(repository, names, tell)

        return work

    def _read(self, repository: Repository, names: Sequence[str], tell: Tell) -> dict[str, Any]:
        clock, tape, sizes, lost = self.subject.clock, Tape(len(names)), array("q"), 0
        begun = clock()
        for number, name in enumerate(names):
            start = clock()
            try:
                pieces = list(repository.open_file(name))
            except NotFound:
                lost += 1
                continue
            except Stat7Error as error:
                note(tape, error)
                continue
            end = clock()
            tape.add(0, end - begun, end - start)
            sizes.append(sum(map(len, pieces)))
            if _digest(pieces) != name:
                tape.failed(f"the bytes read of file {name} don't hash to it")
            if number % TOLD == 0:
                tell(number)
        return {"sizes": sizes.tobytes(), "lost": lost, **tape.result()}


def _digest(pieces: Sequence[bytes]) -> str:
    whole = hashlib.sha256()
    for piece in pieces:
        whole.update(piece)
    return whole.hexdigest()


@dataclass(frozen=True, slots=True)
class Survey:
    """Look at what a store of files holds, with nothing between: how many, how many bytes, and the disk they take."""

    location: Location

    def prepare(self) -> Work:
        """Open the store."""
        repository = self.location.open()

        def work(tell: Tell) -> Mapping[str, Any]:
            count = total = 0
            with repository:
                for page in walk(repository.files.scan, NAMES):
                    stored = [item for item in page.items if not isinstance(item, Notice)]
                    count += len(stored)
                    total += sum(item.size for item in stored)
                    tell(count)
                ask = getattr(repository.files, "disk_bytes", None)
                return {"files": count, "bytes": total, "disk": None if ask is None else ask()}

        return work


@dataclass(frozen=True, slots=True)
class Verify:
    """What `stat7 verify` does to files: read each, hash it."""

    location: Location

    def prepare(self) -> Work:
        """Open the store."""
        from stat7.operations.verify import verify_files

        repository = self.location.open()
        first: list[str] = []

        def work(tell: Tell) -> Mapping[str, Any]:
            with repository:
                found = verify_files(
                    repository,
                    on_finding=lambda finding, repaired: first.append(f"{finding.subject}: {finding.detail}"),
                    report=lambda what, done, total: tell(done),
                )
            return {"files": found.files, "findings": found.findings, "first": first[:1]}

        return work


@dataclass(frozen=True, slots=True)
class Validate:
    """Decode a sample of the files that are put, and compare what they show with their seeds."""

    library: Library
    indexes: tuple[int, ...]

    def prepare(self) -> Work:
        """Read the seeds."""
        shelf = self.library.open()

        def work(tell: Tell) -> Mapping[str, Any]:
            flaws: list[str] = []
            for number, index in enumerate(self.indexes):
                found = shelf.file(index)
                wrong = flaw(found.seed, found.data)
                flaws += [] if wrong is None else [f"{found.seed.name} {index}: {wrong}"]
                tell(number)
            return {"flaws": len(flaws), "first": flaws[:1]}

        return work


@dataclass(frozen=True, slots=True)
class Drop:
    """Erase files from a store that isn't ours: `digests` of 32 bytes each, joined."""

    location: Location
    digests: tuple[bytes, ...]

    def prepare(self) -> Work:
        """Open the store."""
        repository = self.location.open()

        def work(tell: Tell) -> Mapping[str, Any]:
            erased = 0
            with repository:
                for names in self._batches():
                    with suppress(NotFound):
                        erased += len(repository.files.delete(names))
                    tell(erased)
            return {"erased": erased}

        return work

    def _batches(self) -> Iterator[list[str]]:
        for joined in self.digests:
            for start in range(0, len(joined), DIGEST * NAMES):
                part = joined[start : start + DIGEST * NAMES]
                yield [part[at : at + DIGEST].hex() for at in range(0, len(part), DIGEST)]
