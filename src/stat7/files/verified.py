"""Hashing while bytes stream in, and checking them before they stream out: what every store of files shares.

`FileHash` takes the bytes given to `put` and knows their SHA-256 and their chunk table. `open_verified` reads back
through a `RawFile`, the few things a store must be able to do with one stored file, and lets nothing unverified leave.

A file of at most CHUNK bytes, or one that came whole, is checked by its SHA-256. For a larger one the table of chunk
digests finds damage in each chunk before that chunk leaves, in whole reads as in ranges; a whole read is checked by
SHA-256 as well. The table never overrules the SHA-256: where it is missing, damaged itself or disagrees with the bytes,
the whole file is read and checked first, and the table made anew.
"""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Generator, Iterable, Iterator, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass
from typing import NamedTuple, Protocol

from xxhash import xxh3_128_digest

from stat7.address import digest
from stat7.errors import Corrupt, InvalidEntity, InvalidQuery, Stat7Error
from stat7.files.base import CHUNK

_MAGIC = b"stat7chk"
_VERSION = 1
_HEADER = struct.Struct(">8sIIQ32s")
_DIGEST_SIZE = 16
_SEAL_SIZE = 32


@dataclass(frozen=True, slots=True)
class ChunkTable:
    """The xxh3-128 digests (16 bytes each, in order) of the CHUNK-sized pieces of one file; the last may be shorter.

    Stored as: magic `stat7chk`, version and chunk size (uint32), file size (uint64), the file's SHA-256 (32 bytes), the
    digests, and a seal: the SHA-256 of all before it. Numbers are big-endian.
    """

    sha256: str
    size: int
    digests: bytes

    def encode(self) -> bytes:
        """The bytes to store."""
        body = _HEADER.pack(_MAGIC, _VERSION, CHUNK, self.size, bytes.fromhex(self.sha256)) + self.digests
        return body + hashlib.sha256(body).digest()

    @classmethod
    def decode(cls, data: bytes, sha256: str, size: int) -> ChunkTable | None:
        """The table in `data`, or None unless it is whole, of this version, and of a file of this name and size."""
        body, seal = data[:-_SEAL_SIZE], data[-_SEAL_SIZE:]
        header = _HEADER.pack(_MAGIC, _VERSION, CHUNK, size, bytes.fromhex(sha256))
        digests = body[len(header) :]
        whole = len(digests) == _DIGEST_SIZE * chunk_count(size) and hashlib.sha256(body).digest() == seal
        return cls(sha256, size, digests) if whole and body.startswith(header) else None

    def agrees(self, index: int, chunk: bytes) -> bool:
        """Whether `chunk` is what was stored as piece number `index` (0 is the first)."""
        return self.digests[index * _DIGEST_SIZE : (index + 1) * _DIGEST_SIZE] == xxh3_128_digest(chunk)


def chunk_count(size: int) -> int:
    """Pieces of a file of `size` bytes."""
    return -(-size // CHUNK)


def table_size(size: int) -> int:
    """Bytes of the chunk table of a file of `size` bytes."""
    return _HEADER.size + _DIGEST_SIZE * chunk_count(size) + _SEAL_SIZE


class Whole(NamedTuple):
    """All of a file, as it came with its opening: what its bytes hash to, and these in order."""

    sha256: str
    pieces: Sequence[bytes]


class FileHash:
    """SHA-256, size and chunk digests of bytes given in pieces of exactly CHUNK bytes, the last may be shorter."""

    def __init__(self) -> None:
        self.size = 0
        self._whole = hashlib.sha256()
        self._digests = bytearray()

    def update(self, piece: bytes | memoryview) -> None:
        """Take the next piece."""
        self._whole.update(piece)
        self._digests += xxh3_128_digest(piece)
        self.size += len(piece)

    @property
    def sha256(self) -> str:
        """The SHA-256 so far, 64 lowercase hex digits."""
        return self._whole.hexdigest()

    @property
    def table(self) -> ChunkTable:
        """The chunk table so far."""
        return ChunkTable(self.sha256, self.size, bytes(self._digests))

    def require(self, expected: str | None) -> str:
        """The SHA-256, which must be `expected` unless that is None; else raises InvalidEntity("sha256", …)."""
        found = self.sha256
        if expected is not None and found != expected:
            raise InvalidEntity("sha256", f"the bytes given hash to {found}, not to {expected}; nothing was stored")
        return found


class RawFile(Protocol):
    """One stored file as its store holds it, nothing checked: what `open_verified` needs to check it.

    `size` is what the store says now, which damage may have changed. Errors are those of stat7.errors.
    """

    sha256: str
    size: int

    def read(self, start: int, end: int) -> Iterator[bytes]:
        """The stored bytes from `start` up to `end`, in blocks of any size; fewer if the store has no more.

        Several of these may be under way at once.
        """
        ...

    def whole(self) -> Whole | None:
        """All of it, where it came with the opening; else None."""
        ...

    def load_table(self) -> bytes | None:
        """The stored chunk table, None if there is none."""
        ...

    def save_table(self, table: bytes) -> None:
        """Store the chunk table in place of any other."""
        ...

    def close(self) -> None:
        """Release what is held; called once."""
        ...


def open_verified(raw: RawFile, start: int = 0, end: int | None = None) -> Iterator[bytes]:
    """Verified bytes of `raw` as `FileStore.open` promises them; closes `raw` when the last has left or on any error.

    The first piece is checked before this returns, so damage in it raises Corrupt here, not later.
    """
    whole = raw.whole()
    if whole is not None or raw.size <= CHUNK:
        with closing(raw):
            return _at_once(raw.sha256, whole or _read_whole(raw), start, end)
    try:
        table = _load_table(raw) or rebuild_table(raw)
        start, end = _require_range(start, end, raw.size)
    except BaseException:
        raw.close()
        raise
    verified = _verified(raw, table, start, end)
    next(verified)
    return verified


def rebuild_table(raw: RawFile) -> ChunkTable:
    """Read the whole of `raw`, make its chunk table anew and store it; raises Corrupt if it hashes to another name."""
    taken = FileHash()
    for piece in _rechunked(raw.read(0, raw.size)):
        taken.update(piece)
    _require_sound(raw.sha256, taken.sha256)
    table = taken.table
    # The read is right without it: a folder that can't be written, or is full, must not stop it.
    with suppress(Stat7Error):
        raw.save_table(table.encode())
    return table


def _read_whole(raw: RawFile) -> Whole:
    data = b"".join(raw.read(0, raw.size))
    return Whole(digest(data), [data])


def _at_once(sha256: str, whole: Whole, start: int, end: int | None) -> Iterator[bytes]:
    _require_sound(sha256, whole.sha256)
    start, end = _require_range(start, end, sum(map(len, whole.pieces)))
    return _cut(whole.pieces, start, end)


def _cut(pieces: Iterable[bytes], start: int, end: int) -> Iterator[bytes]:
    """The bytes from `start` up to `end`, in pieces of at most CHUNK."""
    offset = 0
    for piece in pieces:
        first, stop = max(start - offset, 0), min(end - offset, len(piece))
        for at in range(first, stop, CHUNK):
            yield piece[at : min(at + CHUNK, stop)]
        offset += len(piece)


def _verified(raw: RawFile, table: ChunkTable, start: int, end: int) -> Generator[bytes, None, None]:
    """First an empty piece, when the first chunk has been checked; then each piece when the one after it has been."""
    whole = hashlib.sha256() if (start, end) == (0, raw.size) else None
    held = b""
    with closing(raw):
        for index, chunk in _chunks(raw, start, end):
            if not table.agrees(index, chunk):
                table = _settle(raw, index, chunk)
            if whole is not None:
                whole.update(chunk)
            yield held
            held = _within(chunk, index * CHUNK, start, end)
        if whole is not None:
            _require_sound(raw.sha256, whole.hexdigest())
        yield held


def _settle(raw: RawFile, index: int, chunk: bytes) -> ChunkTable:
    """The table is right or the chunk is: the SHA-256 of the whole decides."""
    table = rebuild_table(raw)
    if not table.agrees(index, chunk):
        raise Corrupt(raw.sha256, f"chunk {index} does not read the same each time")
    return table


def _chunks(raw: RawFile, start: int, end: int) -> Iterator[tuple[int, bytes]]:
    """The chunks that hold bytes `start` to `end`, with their numbers; an empty one for each that can't be had."""
    first, stop = (start // CHUNK, chunk_count(end)) if start < end else (0, 0)
    read = _rechunked(raw.read(first * CHUNK, min(stop * CHUNK, raw.size))) if first < stop else iter(())
    for index in range(first, stop):
        yield index, next(read, b"")


def _rechunked(blocks: Iterable[bytes]) -> Iterator[bytes]:
    """The same bytes in pieces of exactly CHUNK, the last one shorter."""
    pending = bytearray()
    for block in blocks:
        at = 0
        if pending:
            at = CHUNK - len(pending)
            pending += block[:at]
            if len(pending) < CHUNK:
                continue
            yield bytes(pending)
            pending.clear()
        while len(block) - at >= CHUNK:
            yield block[at : at + CHUNK]
            at += CHUNK
        pending += block[at:]
    if pending:
        yield bytes(pending)


def _within(chunk: bytes, offset: int, start: int, end: int) -> bytes:
    """The part of the chunk at `offset` that lies within `start` to `end`."""
    return chunk[max(start - offset, 0) : end - offset]


def _load_table(raw: RawFile) -> ChunkTable | None:
    stored = raw.load_table()
    return None if stored is None else ChunkTable.decode(stored, raw.sha256, raw.size)


def _require_range(start: int, end: int | None, size: int) -> tuple[int, int]:
    stop = size if end is None else end
    if not 0 <= start <= stop <= size:
        raise InvalidQuery("range", f"must lie within 0 to {size}, the size of the file, is {start} to {stop}")
    return start, stop


def _require_sound(sha256: str, found: str) -> None:
    if found != sha256:
        raise Corrupt(sha256, found)
