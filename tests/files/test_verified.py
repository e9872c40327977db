"""Verified reads over any way of storing: the right bytes or Corrupt, never others."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from stat7.address import digest
from stat7.errors import Corrupt, InvalidEntity, InvalidQuery, StoreFull
from stat7.files import verified
from stat7.files.base import CHUNK
from stat7.files.verified import ChunkTable, FileHash, Whole, chunk_count, open_verified, rebuild_table
from stat7.testing.file_suite import content, flipped

TINY = 16
"""Bytes of a chunk in the property tests, so that many files of many chunks are quick."""


class Raw:
    """A file in memory that gives its bytes in blocks of `block` bytes."""

    def __init__(self, data: bytes, name: str, table: bytes | None = None, block: int = CHUNK) -> None:
        self.sha256 = name
        self.size = len(data)
        self.data = data
        self.table = table
        self.block = block
        self.closed = 0
        self.reads: list[tuple[int, int]] = []

    def read(self, start: int, end: int) -> Iterator[bytes]:
        """In blocks, counted."""
        self.reads.append((start, end))
        for at in range(start, end, self.block):
            yield self.data[at : min(at + self.block, end)]

    def whole(self) -> Whole | None:
        """Not at hand."""
        return None

    def load_table(self) -> bytes | None:
        """As it was saved."""
        return self.table

    def save_table(self, table: bytes) -> None:
        """Keep it."""
        self.table = table

    def close(self) -> None:
        """Count it."""
        self.closed += 1


def hashed(data: bytes, chunk: int = CHUNK) -> FileHash:
    """The hash of bytes given chunk by chunk."""
    taken = FileHash()
    for start in range(0, len(data), chunk):
        taken.update(data[start : start + chunk])
    return taken


@pytest.fixture
def _tiny_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(verified, "CHUNK", TINY)


tiny = pytest.mark.usefixtures("_tiny_chunks")
any_settings = settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)


@tiny
@any_settings
@given(data=st.binary(max_size=5 * TINY), block=st.integers(1, 3 * TINY), table=st.booleans(), draw=st.data())
def test_any_range_of_any_file_in_any_blocks(data: bytes, block: int, table: bool, draw: st.DataObject) -> None:
    start = draw.draw(st.integers(0, len(data)))
    end = draw.draw(st.integers(start, len(data)))
    raw = Raw(data, digest(data), hashed(data, TINY).table.encode() if table else None, block)
    pieces = list(open_verified(raw, start, end))
    assert b"".join(pieces) == data[start:end]
    assert all(0 < len(piece) <= TINY for piece in pieces)
    assert raw.closed == 1


@tiny
@any_settings
@given(data=st.binary(min_size=1, max_size=5 * TINY), block=st.integers(1, 3 * TINY), draw=st.data())
def test_any_damage_gives_the_right_bytes_or_corrupt(data: bytes, block: int, draw: st.DataObject) -> None:
    table = hashed(data, TINY).table.encode()
    if draw.draw(st.booleans()):
        table = flipped(table, draw.draw(st.integers(0, len(table) - 1)), draw.draw(st.integers(0, 7)))
    kind = draw.draw(st.sampled_from(("flip", "cut", "grow", "none")))
    at = draw.draw(st.integers(0, len(data) - 1))
    spoilt = {"flip": flipped(data, at), "cut": data[:at], "grow": data + data[: at + 1], "none": data}[kind]
    start = draw.draw(st.integers(0, len(data)))
    end = draw.draw(st.none() | st.integers(start, len(data)))
    raw = Raw(spoilt, digest(data), draw.draw(st.sampled_from((None, table))), block)
    got, found = b"", None
    try:
        for piece in open_verified(raw, start, end):
            got += piece
    except Corrupt as error:
        found = error.address
    untouched = kind == "flip" and (start, end) not in ((0, None), (0, len(data)))
    assert found == digest(data) or (found is None and got == data[start:end] and (kind == "none" or untouched))
    assert found is None or kind != "none"
    assert data[start:end].startswith(got)
    assert raw.closed == 1


def test_a_range_reads_only_the_chunks_it_touches() -> None:
    data = content(4 * CHUNK)
    raw = Raw(data, digest(data), hashed(data).table.encode())
    assert b"".join(open_verified(raw, CHUNK + 5, 2 * CHUNK + 5)) == data[CHUNK + 5 : 2 * CHUNK + 5]
    assert raw.reads == [(CHUNK, 3 * CHUNK)]


def test_an_empty_range_reads_nothing() -> None:
    data = content(2 * CHUNK)
    raw = Raw(data, digest(data), hashed(data).table.encode())
    assert list(open_verified(raw, 5, 5)) == []
    assert raw.reads == []


def test_a_piece_leaves_only_when_the_one_after_it_was_checked() -> None:
    data = content(3 * CHUNK)
    raw = Raw(flipped(data, CHUNK), digest(data), hashed(data).table.encode())
    pieces = open_verified(raw)
    with pytest.raises(Corrupt):
        next(pieces)
    assert raw.closed == 1


def test_the_last_piece_waits_for_the_sha256() -> None:
    data = content(2 * CHUNK)
    raw = Raw(data, digest(b"another file"), hashed(data).table.encode())
    raw.table = ChunkTable(raw.sha256, len(data), hashed(data).table.digests).encode()
    pieces = open_verified(raw)
    assert next(pieces) == data[:CHUNK]
    with pytest.raises(Corrupt) as caught:
        next(pieces)
    assert caught.value.found == digest(data)


def test_bytes_that_differ_at_each_read_are_corrupt() -> None:
    data = content(2 * CHUNK)

    class Flaky(Raw):
        """Wrong at the first read, right at the next."""

        def read(self, start: int, end: int) -> Iterator[bytes]:
            """See the class."""
            self.data = flipped(data, 0) if not self.reads else data
            return super().read(start, end)

    raw = Flaky(data, digest(data), hashed(data).table.encode())
    with pytest.raises(Corrupt, match="same each time"):
        open_verified(raw, 0, 1)
    assert raw.closed == 1


def test_a_file_that_shrinks_while_it_is_read_is_corrupt() -> None:
    data = content(3 * CHUNK)
    raw = Raw(data, digest(data), hashed(data).table.encode())
    raw.data = data[:CHUNK]
    pieces = open_verified(raw)
    with pytest.raises(Corrupt):
        list(pieces)


def test_a_reader_that_stops_early_closes_the_file() -> None:
    data = content(3 * CHUNK)
    for started in (False, True):
        raw = Raw(data, digest(data), hashed(data).table.encode())
        pieces = open_verified(raw)
        if started:
            next(pieces)
        del pieces
        assert raw.closed == 1


@pytest.mark.parametrize("size", [0, 400, 2 * CHUNK])
def test_a_refused_range_closes_the_file(size: int) -> None:
    raw = Raw(content(size), digest(content(size)))
    with pytest.raises(InvalidQuery):
        open_verified(raw, size + 1)
    assert raw.closed == 1


def test_a_table_that_can_not_be_saved_is_used_all_the_same() -> None:
    class Full(Raw):
        """No room for a table."""

        def save_table(self, table: bytes) -> None:
            """Refused."""
            raise StoreFull("no room")

    data = content(2 * CHUNK)
    assert b"".join(open_verified(Full(data, digest(data)))) == data
    assert rebuild_table(Full(data, digest(data))) == hashed(data).table


def test_a_hash_knows_digest_size_and_table() -> None:
    data = content(2 * CHUNK + 1)
    taken = hashed(data)
    assert (taken.sha256, taken.size) == (hashlib.sha256(data).hexdigest(), len(data))
    assert taken.require(None) == taken.require(taken.sha256) == taken.sha256
    with pytest.raises(InvalidEntity) as caught:
        taken.require(digest(b"other"))
    assert caught.value.path == "sha256"


@pytest.mark.parametrize(("size", "count"), [(0, 0), (1, 1), (CHUNK, 1), (CHUNK + 1, 2), (3 * CHUNK, 3)])
def test_chunks_are_counted(size: int, count: int) -> None:
    assert chunk_count(size) == count
    assert len(hashed(content(size)).table.digests) == 16 * count


def test_the_stored_form_of_a_table_stays_as_it_is() -> None:
    table = hashed(b"a" * CHUNK + b"b").table
    encoded = table.encode()
    assert encoded[:24].hex() == "737461743763686b" + "00000001" + "00100000" + "0000000000100001"
    assert encoded[24:56].hex() == table.sha256
    assert encoded[56:88] == table.digests
    assert encoded[88:] == hashlib.sha256(encoded[:88]).digest()
    assert table.digests.hex() == "d9c8388c188701b8c9b8a70a3f30f7b1" + "4b2212e31ac97fd4575a0b1c44d8843f"


def test_only_a_whole_table_of_the_same_file_is_read() -> None:
    data = content(2 * CHUNK)
    table = hashed(data).table
    encoded = table.encode()
    assert ChunkTable.decode(encoded, table.sha256, table.size) == table
    assert ChunkTable.decode(encoded, digest(b"other"), table.size) is None
    assert ChunkTable.decode(encoded, table.sha256, table.size - 1) is None
    assert ChunkTable.decode(encoded, table.sha256, table.size + CHUNK) is None
    for bad in (b"", encoded[:-1], encoded + b"x", encoded[1:], encoded[:40]):
        assert ChunkTable.decode(bad, table.sha256, table.size) is None
    for at in range(len(encoded)):
        assert ChunkTable.decode(flipped(encoded, at), table.sha256, table.size) is None


class CameWhole(Raw):
    """A file that came whole with the opening: nothing more may be asked for."""

    def whole(self) -> Whole | None:
        """All of it, in pieces of other sizes than ours."""
        pieces = [self.data[at : at + CHUNK + 9] for at in range(0, len(self.data), CHUNK + 9)]
        return Whole(digest(self.data), pieces)

    def read(self, start: int, end: int) -> Iterator[bytes]:
        """Never called."""
        raise AssertionError("read again")

    def load_table(self) -> bytes | None:
        """Never called."""
        raise AssertionError("the table was asked for")


@pytest.mark.parametrize("span", [(0, None), (0, 1), (5, CHUNK + 7), (CHUNK, 3 * CHUNK), (7, 7)])
def test_what_came_whole_is_checked_by_its_digest_alone(span: tuple[int, int | None]) -> None:
    data = content(3 * CHUNK + 5)
    raw = CameWhole(data, digest(data))
    pieces = list(open_verified(raw, *span))
    assert b"".join(pieces) == data[slice(*span)]
    assert all(0 < len(piece) <= CHUNK for piece in pieces)
    assert raw.closed == 1


def test_what_came_whole_and_damaged_never_leaves() -> None:
    data = content(2 * CHUNK)
    raw = CameWhole(flipped(data, CHUNK), digest(data))
    with pytest.raises(Corrupt):
        open_verified(raw, 0, 1)
    assert raw.closed == 1


def test_a_range_beyond_what_came_whole_is_refused() -> None:
    data = content(2 * CHUNK)
    with pytest.raises(InvalidQuery, match="range"):
        open_verified(CameWhole(data, digest(data)), 0, 2 * CHUNK + 1)
