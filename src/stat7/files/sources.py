"""The bytes given to `FileStore.put`, whatever they come from, as pieces of one chunk in a buffer used again."""

from __future__ import annotations

import mmap
from collections.abc import Callable, Generator, Iterator
from os import PathLike
from typing import Any, TypeAlias

from stat7.errors import InvalidEntity
from stat7.files.base import CHUNK, Source

_Fill: TypeAlias = Callable[[memoryview], int]
"""Writes bytes into the front of a view and returns how many; 0 only at the end of the source."""
_END = object()


def pieces(source: Source) -> Generator[memoryview, None, None]:
    """The source in order: views of exactly CHUNK bytes, the last one 1 to CHUNK; none for an empty source.

    A view is valid only until the next one is asked for. A path that can't be read, and anything that does not give
    bytes, raises InvalidEntity("source", …); an error of an open file or iterable comes through as it is.
    """
    given: Any = source
    if isinstance(given, (bytes, bytearray, memoryview)):
        yield from _slices(memoryview(given).cast("B"))
    elif isinstance(given, PathLike):
        yield from _from_path(given)
    elif isinstance(given, str) or not (hasattr(given, "read") or hasattr(given, "__iter__")):
        raise InvalidEntity(
            "source", f"must be a Path, an open binary file or blocks of bytes, not {type(source).__name__}"
        )
    else:
        yield from _filled(_filler(given))


def _slices(view: memoryview) -> Iterator[memoryview]:
    for start in range(0, len(view), CHUNK):
        yield view[start : start + CHUNK]


def _from_path(path: PathLike[str]) -> Iterator[memoryview]:
    try:
        with open(path, "rb", buffering=0) as file:
            yield from _filled(_from_readinto(file.readinto))
    except OSError as error:
        raise InvalidEntity("source", f"{path} can't be read: {error.strerror}") from error


def _filled(fill: _Fill) -> Iterator[memoryview]:
    # Anonymous memory of the system costs nothing until it is written to, so a small file touches only its own pages.
    buffer = memoryview(mmap.mmap(-1, CHUNK))
    while True:
        size = 0
        while size < CHUNK and (count := fill(buffer[size:])):
            size += count
        if size:
            yield buffer[:size]
        if size < CHUNK:
            return


def _filler(source: Any) -> _Fill:
    if hasattr(source, "readinto"):
        return _from_readinto(source.readinto)
    if hasattr(source, "read"):
        return _from_blocks(iter(lambda: source.read(CHUNK), b""))
    return _from_blocks(iter(source))


def _from_readinto(readinto: Callable[[memoryview], int | None]) -> _Fill:
    def fill(view: memoryview) -> int:
        count = readinto(view)
        if count is None:
            raise InvalidEntity(
                "source", "is not ready to be read; give a stream that waits for its bytes (blocking mode)"
            )
        return count

    return fill


def _from_blocks(blocks: Iterator[object]) -> _Fill:
    rest = memoryview(b"")

    def fill(view: memoryview) -> int:
        nonlocal rest
        while not rest:
            block = next(blocks, _END)
            if block is _END:
                return 0
            rest = _bytes_of(block)
        count = min(len(rest), len(view))
        view[:count] = rest[:count]
        rest = rest[count:]
        return count

    return fill


def _bytes_of(block: object) -> memoryview:
    if isinstance(block, (bytes, bytearray, memoryview)):
        return memoryview(block).cast("B")
    hint = "; open the file in binary mode" if isinstance(block, str) else ""
    raise InvalidEntity("source", f"must give bytes, not {type(block).__name__}{hint}")
