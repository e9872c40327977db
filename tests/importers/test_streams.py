"""Streams of bytes: gzip by its magic bytes, pieces of bounded length, and sources that fail on the way."""

from __future__ import annotations

import gzip
import io
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stat7.errors import ConfigError, InvalidEntity
from stat7.importers.streams import BLOCK, BlockReader, read_blocks, source_name, split_blocks
from tests.importers.support import blocks_of, peak_memory


def whole(data: bytes) -> bytes:
    return b"".join(read_blocks(io.BytesIO(data)))


def read_until_error(data: bytes) -> tuple[bytes, str]:
    """What comes before the error, and the error's text."""
    parts: list[bytes] = []
    with pytest.raises(InvalidEntity) as caught:
        parts.extend(read_blocks(io.BytesIO(data)))
    return b"".join(parts), str(caught.value)


@given(st.binary(max_size=200))
def test_plain_bytes_come_as_they_are_unless_they_are_gzip(data: bytes) -> None:
    if not data.startswith(b"\x1f\x8b"):
        assert whole(data) == data


@given(st.lists(st.binary(max_size=100), min_size=1, max_size=4), st.integers(0, 5))
def test_gzip_members_are_unpacked_one_after_the_other(members: list[bytes], padding: int) -> None:
    packed = (b"\0" * padding).join(gzip.compress(member) for member in members)
    assert whole(packed + b"\0" * padding) == b"".join(members)


def test_a_long_gzip_file_is_unpacked_whole(tmp_path: Path) -> None:
    data = bytes(range(256)) * 8000
    path = tmp_path / "x"
    path.write_bytes(gzip.compress(data[:1_000_000]) + gzip.compress(data[1_000_000:]))
    assert b"".join(read_blocks(path)) == data


def test_the_first_bytes_may_come_one_at_a_time() -> None:
    class Dripping(io.RawIOBase):
        def __init__(self, data: bytes) -> None:
            self.left = data

        def readable(self) -> bool:
            return True

        def readinto(self, buffer: bytearray) -> int:  # type: ignore[override]
            size = min(1, len(self.left))
            buffer[:size], self.left = self.left[:size], self.left[size:]
            return size

    packed = gzip.compress(b"some text")
    assert b"".join(read_blocks(Dripping(packed))) == b"some text"  # type: ignore[arg-type]
    assert b"".join(read_blocks(io.BufferedReader(cast(io.RawIOBase, Dripping(packed))))) == b"some text"
    assert b"".join(read_blocks(Dripping(b"\x1f"))) == b"\x1f"  # type: ignore[arg-type]


@pytest.mark.parametrize("cut", [3, 9, 2000, 100_000, -9, -1])
def test_a_cut_gzip_file_gives_what_came_before_and_says_so(cut: int) -> None:
    data = bytes(zlib.crc32(bytes([a, b])) % 251 for a in range(256) for b in range(256)) * 4
    got, text = read_until_error(gzip.compress(data)[:cut])
    assert data.startswith(got)
    assert "cut off" in text
    assert len(got) > len(data) - 200_000 if cut < 0 else True


def test_a_damaged_gzip_file_keeps_what_was_read_before() -> None:
    data = bytes(zlib.crc32(bytes([a, b])) % 251 for a in range(256) for b in range(256)) * 16
    packed = bytearray(gzip.compress(data, 0))
    packed[-5] ^= 1
    got, text = read_until_error(bytes(packed))
    assert len(got) > len(data) - 200_000
    assert "damaged" in text
    assert "what came before was read" in text


def test_what_follows_a_gzip_member_must_be_one_too() -> None:
    got, text = read_until_error(gzip.compress(b"good") + b"rubbish")
    assert got == b"good"
    assert "damaged" in text


def test_a_small_file_that_unpacks_to_much_takes_little_memory() -> None:
    packed = gzip.compress(b"\0" * 30_000_000)

    def read() -> None:
        assert sum(map(len, read_blocks(io.BytesIO(packed)))) == 30_000_000

    assert peak_memory(read) < 3_000_000


@pytest.mark.parametrize("name", ["missing", "."])
def test_a_path_that_cannot_be_opened_is_named(name: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="can't be opened") as caught:
        next(read_blocks(tmp_path / name))
    assert str(tmp_path) in str(caught.value)


def test_a_source_that_fails_on_the_way_is_named_after_what_came_before() -> None:
    class Breaking(io.BytesIO):
        name = "the tape"

        def read1(self, size: int | None = -1) -> bytes:
            if self.tell():
                raise OSError(5, "Input/output error")
            return super().read1(size)

    blocks = read_blocks(Breaking(b"some text"))
    assert next(blocks) == b"some text"
    with pytest.raises(InvalidEntity, match=r"the tape can't be read on \(Input/output error"):
        next(blocks)


def test_sources_are_called_by_their_path_or_name() -> None:
    assert source_name(Path("a/b.csv")) == str(Path("a/b.csv"))
    assert source_name(io.BytesIO()) == "the input"


@given(st.binary(max_size=60), st.integers(1, 7), st.sampled_from([b"\n", b"\0"]))
def test_pieces_are_those_of_the_whole_however_it_is_cut_in_blocks(data: bytes, size: int, separator: bytes) -> None:
    expected = data.split(separator)
    if not expected[-1]:
        expected.pop()
    assert list(split_blocks(blocks_of(data, size), separator)) == expected


@given(st.lists(st.integers(0, 9), max_size=8), st.integers(1, 7), st.booleans())
def test_pieces_over_the_limit_are_left_out_and_no_others(lengths: list[int], size: int, ended: bool) -> None:
    lines = [b"x" * length for length in lengths]
    data = b"\n".join(lines) + (b"\n" if ended and lines else b"")
    if lines and not ended and not lines[-1]:
        lines.pop()
    pieces = list(split_blocks(blocks_of(data, size), limit=5))
    assert pieces == [line if len(line) <= 5 else None for line in lines]


def test_a_line_without_end_is_not_held() -> None:
    block = b"x" * BLOCK

    def endless() -> Iterator[bytes]:
        for _ in range(400):
            yield block
        yield b"\nlast"

    def read() -> None:
        assert list(split_blocks(endless(), limit=1_000_000)) == [None, b"last"]

    assert peak_memory(read) < 3_000_000


@given(st.lists(st.binary(max_size=9), max_size=8), st.integers(1, 9))
def test_a_block_reader_gives_the_bytes_of_its_blocks(blocks: list[bytes], size: int) -> None:
    reader = BlockReader(blocks)
    assert reader.readable()
    parts = iter(lambda: reader.read(size), b"")
    assert b"".join(part for part in parts if part) == b"".join(blocks)
