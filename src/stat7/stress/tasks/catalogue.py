"""The library that sessions use: entities of which some name files, in versions; filled before, looked through after,
taken back out of a store that isn't ours.
"""

from __future__ import annotations

import hashlib
from array import array
from bisect import bisect_left
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate
from random import Random
from typing import Any, Final, NamedTuple

from stat7.errors import Stat7Error
from stat7.record import Notice, read_canonical
from stat7.repository import Repository
from stat7.stores.base import HeadMove
from stat7.stress.media import Library
from stat7.stress.subject import Location
from stat7.stress.tasks.loops import DIGEST
from stat7.stress.workers import Tell, Work
from stat7.stress.workload import Workload

CHUNK: Final = 500
NAMING: Final = 4
"""One entity in so many names a file."""

ROOM: Final = 1_000_000
"""Indexes of entities and files set apart for the uploads of one lane, behind those that are there from the start."""

_NO_FILES: Final = b'"files":[]'
_FIRST: Final = b'"previous":null'
_LEVEL: Final = b'"state":{"level":'
_MEDIA_TYPES: Final = {"jpeg": "image/jpeg", "png": "image/png", "gif": "image/gif", "mp4": "video/mp4"}


class Attached(NamedTuple):
    """A file that an entity names: index (`number`) and group in the media library, SHA-256, bytes, media type."""

    number: int
    group: str
    sha256: str
    size: int
    media_type: str

    def written(self) -> bytes:
        """As it stands in a canonical document."""
        name = f"{self.group.replace(' ', '-')}-{self.number}"
        text = f'{{"media_type":"{self.media_type}","name":"{name}","sha256":"{self.sha256}","size":{self.size}}}'
        return text.encode()


def attached(library_file: Any, index: int) -> Attached:
    """File `index` of a media library, as an entity names it."""
    data: bytes = library_file.data
    kind = _MEDIA_TYPES[library_file.seed.format]
    return Attached(index, library_file.group, hashlib.sha256(data).hexdigest(), len(data), kind)


@dataclass(frozen=True, slots=True)
class Catalogue:
    """`entities` of the workload, one in NAMING of which names one of the `files`."""

    workload: Workload
    entities: int
    files: tuple[Attached, ...]

    def first(self, index: int, uploaded: Attached | None = None) -> bytes:
        """The canonical bytes of the first version of entity `index`."""
        document = self.workload.record(index).document
        file = uploaded or self.file_of(index)
        return document if file is None else document.replace(_NO_FILES, b'"files":[%b]' % file.written(), 1)

    def later(self, index: int, number: int, previous: str) -> bytes:
        """Those of version `number` (1 is the second), which replaces the version at address `previous`."""
        document = self.first(index).replace(_FIRST, b'"previous":"%b"' % previous.encode(), 1)
        return document.replace(_LEVEL, b"%b%d" % (_LEVEL, number), 1)

    def file_of(self, index: int) -> Attached | None:
        """The file that it names."""
        if index >= self.entities or index % NAMING or not self.files:
            return None
        return self.files[index // NAMING % len(self.files)]


def address_of(document: bytes) -> str:
    """The address of canonical bytes."""
    return hashlib.sha256(document).hexdigest()


class Zipf:
    """Numbers below `count`, the one of rank r (1 is the first) drawn with a probability proportional to
    r^-`exponent`; which number has which rank depends on `seed` alone.
    """

    def __init__(self, count: int, exponent: float, seed: int) -> None:
        self._ends = list(accumulate((rank + 1) ** -exponent for rank in range(count)))
        self._numbers = list(range(count))
        Random(seed).shuffle(self._numbers)

    def draw(self, random: Random) -> int:
        """One of them."""
        return self._numbers[bisect_left(self._ends, random.random() * self._ends[-1])]


@dataclass(frozen=True, slots=True)
class PutFiles:
    """Put the files of these indexes of a media library; what entities need to name them goes back."""

    location: Location
    library: Library
    indexes: range

    def prepare(self) -> Work:
        """Open the store, with nothing between."""
        repository, shelf = self.location.open(), self.library.open()

        def work(tell: Tell) -> Mapping[str, Any]:
            found = []
            with repository:
                for index in self.indexes:
                    media = shelf.file(index)
                    repository.put_file(media.data)
                    found.append(tuple(attached(media, index)))
                    tell(index)
            return {"files": found}

        return work


@dataclass(frozen=True, slots=True)
class Fill:
    """Put the first versions of these entities."""

    location: Location
    catalogue: Catalogue
    indexes: range

    def prepare(self) -> Work:
        """Open the store, with nothing between."""
        repository = self.location.open()

        def work(tell: Tell) -> Mapping[str, Any]:
            with repository:
                for start in range(0, len(self.indexes), CHUNK):
                    documents = [self.catalogue.first(index) for index in self.indexes[start : start + CHUNK]]
                    for result in repository.put_many(documents):
                        if result.error is not None:
                            raise result.error
                    tell(start)
            return {}

        return work


class Wrote(NamedTuple):
    """What a lane has had acknowledged. `updates` (int64 bytes) are indexes, `addresses` the digests of those versions
    in their order; `unsure` the indexes (int64 bytes) whose last update wasn't answered; `uploads` the numbers (int64
    bytes) of uploaded entities, `uploaded` their digests and those of their files, in turns; `drawn` how many uploads
    were tried in all.
    """

    lane: int
    updates: bytes
    addresses: bytes
    unsure: bytes
    uploads: bytes
    uploaded: bytes
    drawn: int


@dataclass(frozen=True, slots=True)
class LookBack:
    """Look for all that was acknowledged, in a store with nothing between: every document hashed, every head the last
    that was put, every uploaded file read whole and hashed.
    """

    location: Location
    catalogue: Catalogue
    writes: tuple[Wrote, ...]

    def prepare(self) -> Work:
        """Open the store anew."""
        repository = self.location.open()

        def work(tell: Tell) -> Mapping[str, Any]:
            with repository:
                addresses, heads, files = self._wanted()
                lost = _lost_documents(repository, addresses, tell)
                lost += _lost_heads(repository, heads)
                lost += sum(not _is_there(repository, name) for name in files)
            return {"looked": len(addresses) + len(heads) + len(files), "lost": lost}

        return work

    def _wanted(self) -> tuple[list[str], dict[str, str], list[str]]:
        addresses: list[str] = []
        heads: dict[str, str] = {}
        files: list[str] = []
        unsure = {index for wrote in self.writes for index in array("q", wrote.unsure)}
        name = self.catalogue.workload.id
        for wrote in self.writes:
            for index, address in zip(array("q", wrote.updates), _split(wrote.addresses), strict=True):
                addresses.append(address)
                if index not in unsure:
                    heads[name(index)] = address
            pairs = _split(wrote.uploaded)
            for index, address in zip(array("q", wrote.uploads), pairs[::2], strict=True):
                addresses.append(address)
                heads[name(index)] = address
            files += pairs[1::2]
        return addresses, heads, files


def _split(digests: bytes) -> list[str]:
    return [digests[start : start + DIGEST].hex() for start in range(0, len(digests), DIGEST)]


def _lost_documents(repository: Repository, addresses: Sequence[str], tell: Tell) -> int:
    lost = 0
    for start in range(0, len(addresses), CHUNK):
        part = addresses[start : start + CHUNK]
        found = repository.store.get(part)
        lost += sum(not isinstance(data := found.get(name), bytes) or address_of(data) != name for name in part)
        tell(start)
    return lost


def _lost_heads(repository: Repository, wanted: Mapping[str, str]) -> int:
    names = list(wanted)
    lost = 0
    for start in range(0, len(names), CHUNK):
        found = repository.store.heads(names[start : start + CHUNK])
        lost += sum(found.get(name) != wanted[name] for name in names[start : start + CHUNK])
    return lost


def _is_there(repository: Repository, name: str) -> bool:
    try:
        return address_of(b"".join(repository.open_file(name))) == name
    except Stat7Error:
        return False


@dataclass(frozen=True, slots=True)
class Clear:
    """Take entities out of a store that isn't ours, with all their versions: heads first, then documents."""

    location: Location
    workload: Workload
    ranges: tuple[range, ...]

    def prepare(self) -> Work:
        """Open the store."""
        repository = self.location.open()

        def work(tell: Tell) -> Mapping[str, Any]:
            removed = 0
            with repository:
                for ids in self._batches():
                    found = repository.store.heads(ids)
                    moves = [HeadMove(id, head, None) for id, head in found.items()]
                    versions = [address for head in found.values() for address in _versions(repository, head)]
                    repository.store.swap_heads(moves)
                    repository.store.discard(versions)
                    removed += len(versions)
                    tell(removed)
            return {"removed": removed}

        return work

    def _batches(self) -> Iterator[list[str]]:
        for indexes in self.ranges:
            for start in range(0, len(indexes), CHUNK):
                yield [self.workload.id(index) for index in indexes[start : start + CHUNK]]


def _versions(repository: Repository, head: str) -> Iterator[str]:
    address: str | None = head
    while address is not None:
        held = repository.store.get((address,)).get(address)
        yield address
        address = None if held is None or isinstance(held, Notice) else read_canonical(held).previous
