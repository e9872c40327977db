"""Bytes of a source as a stream: unpacked if gzip's magic bytes say so, cut into pieces of bounded length."""

from __future__ import annotations

import io
import zlib
from collections.abc import Callable, Iterable, Iterator
from itertools import chain
from pathlib import Path
from typing import IO, BinaryIO, Final, TypeAlias

from stat7.errors import ConfigError, InvalidEntity

BLOCK: Final = 256 * 1024
"""Bytes read, or unpacked, at a time."""

MAX_LINE: Final = 8 * 1024 * 1024
"""Bytes of the longest line (or row) that is read; 32 times the largest document."""

_SLICE: Final = 16 * 1024
_PIECE: Final = 64 * 1024
_GZIP: Final = b"\x1f\x8b"
_GZIP_WINDOW: Final = 31  # zlib's wbits for the gzip format

Source: TypeAlias = Path | BinaryIO
"""What importers read from: a path, or an open binary file (which stays open)."""


def source_name(source: Source) -> str:
    """What errors call this source: its path, or the open file's own name."""
    name = source if isinstance(source, Path) else getattr(source, "name", "the input")
    return str(name)


def read_blocks(source: Source) -> Iterator[bytes]:
    """The bytes of a source in blocks of any size up to BLOCK, unpacked if it begins with gzip's magic bytes.

    Raises ConfigError if it can't be opened, and InvalidEntity naming it, after the blocks before, if it can't be read
    on or its gzip data is damaged or cut off.
    """
    blocks = _raw_blocks(source)
    head = b""
    for block in blocks:
        head += block
        if len(head) >= len(_GZIP):
            break
    if head.startswith(_GZIP):
        yield from _unpacked(chain((head,), blocks), source_name(source))
    else:
        if head:
            yield head
        yield from blocks


def split_blocks(blocks: Iterable[bytes], separator: bytes = b"\n", limit: int = MAX_LINE) -> Iterator[bytes | None]:
    """The pieces between separators (one byte), each without it; None for a piece of over `limit` bytes.

    Such a piece is passed over without being held. A last piece that no separator ends is given too, unless it's empty.
    """
    parts: list[bytes] = []
    size = 0
    for block in blocks:
        first, *rest = block.split(separator)
        size += len(first)
        if size <= limit:
            parts.append(first)
        else:
            parts.clear()
        if rest:
            yield b"".join(parts) if size <= limit else None
            *whole, last = rest
            yield from whole
            parts, size = [last], len(last)
    if size:
        yield b"".join(parts) if size <= limit else None


def too_long() -> InvalidEntity:
    """The error for a line, or row, that was passed over because of its length."""
    return InvalidEntity("", f"is longer than {MAX_LINE} bytes and was not read; attach large data as a file")


class BlockReader(io.RawIOBase):
    """Blocks of bytes as a raw binary file that can only be read forwards, for wrapping by the classes of `io`."""

    def __init__(self, blocks: Iterable[bytes]) -> None:
        super().__init__()
        self._blocks = iter(blocks)
        self._left = memoryview(b"")

    def readable(self) -> bool:
        """True."""
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        """Fill the front of `buffer`; returns how many bytes, 0 only at the end. Errors of the blocks come through."""
        while not self._left:
            block = next(self._blocks, None)
            if block is None:
                return 0
            self._left = memoryview(block)
        size = min(len(buffer), len(self._left))
        buffer[:size] = self._left[:size]
        self._left = self._left[size:]
        return size


def _raw_blocks(source: Source) -> Iterator[bytes]:
    if not isinstance(source, Path):
        yield from plain_blocks(source, source_name(source))
        return
    try:
        file = source.open("rb", buffering=0)
    except OSError as error:
        raise ConfigError(f"{source} can't be opened: {error.strerror}; name a file that can be read") from error
    with file:
        yield from plain_blocks(file, str(source))


def plain_blocks(file: IO[bytes] | io.RawIOBase, name: str) -> Iterator[bytes]:
    """What an open file holds, as it is; InvalidEntity naming it by `name` if it can't be read on."""
    # A pipe gives what it has by read1 (or a raw read); a plain read would wait until the whole block is there.
    read: Callable[[int], bytes] = getattr(file, "read1", file.read)
    while True:
        try:
            block = read(BLOCK)
        except OSError as error:
            reason = f"{name} can't be read on ({error.strerror or error}); what came before was read"
            raise InvalidEntity("", reason) from error
        if not block:
            return
        yield block


def _unpacked(blocks: Iterable[bytes], name: str) -> Iterator[bytes]:
    """The contents of one or more gzip members, each checked; never more than one piece of them is held."""
    inflate = zlib.decompressobj(_GZIP_WINDOW)
    try:
        for data in _slices(blocks):
            while data:
                if inflate.eof:
                    data = data.lstrip(b"\0")  # tapes and some writers pad with zeros
                    if not data:
                        break
                    inflate = zlib.decompressobj(_GZIP_WINDOW)
                yield inflate.decompress(data, _PIECE)
                data = inflate.unused_data if inflate.eof else inflate.unconsumed_tail
        yield inflate.flush()
    except zlib.error as error:
        raise InvalidEntity("", f"{name}: the gzip data is damaged ({error}); what came before was read") from error
    if not inflate.eof:
        raise InvalidEntity("", f"{name}: the gzip data is cut off; what came before was read, get the whole file")


def _slices(blocks: Iterable[bytes]) -> Iterator[bytes]:
    """Blocks in small slices: what zlib has unpacked of a slice is lost if it meets damage in it."""
    for block in blocks:
        for start in range(0, len(block), _SLICE):
            yield block[start : start + _SLICE]
