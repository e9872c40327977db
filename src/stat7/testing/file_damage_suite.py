"""The rules of damage: no wrong byte of a file ever leaves, and what is damaged can be mended."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from stat7.address import digest
from stat7.errors import Corrupt, Gone, InvalidEntity
from stat7.files.base import CHUNK, FileStore
from stat7.files.verified import FileHash
from stat7.testing.file_suite import FAR_FUTURE, FileSuite, content, flipped, read
from stat7.testing.samples import notice

BIG = 2 * CHUNK + 17
FLIPS = (0, 1, CHUNK // 2, CHUNK - 1, CHUNK, CHUNK + 77, 2 * CHUNK - 1, 2 * CHUNK, BIG - 1)
"""Places of one wrong bit: at both ends and in the middle of each chunk."""
CUTS = (0, 1, 400, CHUNK - 1, CHUNK, CHUNK + 1, 2 * CHUNK, BIG - 1)
"""Sizes to which a file of BIG bytes is cut."""


class FileDamageSuite(FileSuite):
    """Flipped bits, lost and added bytes, damaged chunk tables, and the ways back."""

    @pytest.mark.parametrize("at", FLIPS)
    def test_a_flipped_bit_is_found_by_a_whole_read_before_its_chunk_leaves(self, store: FileStore, at: int) -> None:
        data = content(BIG)
        name = self._damaged(store, data, flipped(data, at, at % 8))
        got, error = _collect(store, name)
        assert isinstance(error, Corrupt)
        assert (error.address, error.found) == (name, digest(flipped(data, at, at % 8)))
        assert len(got) <= at // CHUNK * CHUNK
        assert data.startswith(got)

    @pytest.mark.parametrize("at", FLIPS)
    def test_a_flipped_bit_is_found_by_every_range_that_touches_its_chunk(self, store: FileStore, at: int) -> None:
        data = content(BIG)
        name = self._damaged(store, data, flipped(data, at))
        first = at // CHUNK * CHUNK
        last = min(first + CHUNK, BIG)
        for start, end in ((at, at + 1), (first, first + 1), (last - 1, last), (max(first - 1, 0), last), (first, BIG)):
            got, error = _collect(store, name, start, end)
            assert isinstance(error, Corrupt), (start, end)
            assert data[start:first].startswith(got)
        for start, end in ((0, first), (last, BIG), (last, last)):
            if (start, end) != (0, BIG):
                assert read(store, name, start, end) == data[start:end]

    @pytest.mark.parametrize("size", [1, 400, CHUNK])
    def test_a_flipped_bit_of_a_small_file_is_found_at_once(self, store: FileStore, size: int) -> None:
        data = content(size)
        for at in {0, size // 2, size - 1}:
            wrong = flipped(data, at, 7)
            name = self._damaged(store, data, wrong)
            for start, end in ((0, None), (0, size), (at, at + 1), (0, 0), (size, size)):
                with pytest.raises(Corrupt) as caught:
                    store.open(name, start, end)
                assert (caught.value.address, caught.value.found) == (name, digest(wrong))

    def test_damage_in_the_first_chunk_is_found_when_opening(self, store: FileStore) -> None:
        data = content(BIG)
        name = self._damaged(store, data, flipped(data, 5))
        with pytest.raises(Corrupt):
            store.open(name)

    @pytest.mark.parametrize("table", ["with table", "without table"])
    @pytest.mark.parametrize("size", CUTS)
    def test_a_file_cut_short_is_found(self, store: FileStore, size: int, table: str) -> None:
        data = content(BIG)
        name = self._damaged(store, data, data[:size])
        if table == "without table":
            self.damage_table(store, name, None)
        self._never_leaves(store, name, [(0, None), (0, size), (0, 1), (0, BIG), (BIG - 1, BIG), (CHUNK, CHUNK + 1)])

    @pytest.mark.parametrize("size", [0, 1, 400, CHUNK - 1, CHUNK, CHUNK + 1, BIG])
    def test_a_file_with_bytes_added_is_found(self, store: FileStore, size: int) -> None:
        data = content(size)
        for more in (1, CHUNK, CHUNK + 1):
            name = self._damaged(store, data, data + content(more, seed=2))
            self._never_leaves(
                store, name, [(0, None), (0, size), (0, size + more), (0, min(1, size)), (size, size + 1)]
            )

    def test_other_bytes_of_the_same_size_are_found(self, store: FileStore) -> None:
        for size in (400, BIG):
            name = self._damaged(store, content(size), content(size, seed=3))
            self._never_leaves(store, name, [(0, None), (0, 1), (size - 1, size)])

    def test_a_missing_chunk_table_is_made_again(self, store: FileStore) -> None:
        data = content(BIG)
        name, table = self._with_table(store, data)
        for start, end in ((0, BIG), (CHUNK - 1, CHUNK + 1), (BIG - 1, BIG), (5, 5)):
            self.damage_table(store, name, None)
            assert read(store, name, start, end) == data[start:end]
            # A store that gets the file in one piece may leave the table to the next range.
            assert read(store, name, BIG - 1, BIG) == data[BIG - 1 :]
            assert self.raw_table(store, name) == table

    def test_a_damaged_chunk_table_is_made_again(self, store: FileStore) -> None:
        data = content(BIG)
        name, table = self._with_table(store, data)
        other = _table_of(content(BIG, seed=4))
        wrong = [b"", b"x", table[:-1], table + b"x", table[:40], other, table * 2]
        wrong += [flipped(table, at, at % 8) for at in range(0, len(table), 5)]
        for bad in wrong:
            self.damage_table(store, name, bad)
            assert read(store, name, CHUNK - 1, CHUNK + 1) == data[CHUNK - 1 : CHUNK + 1]
            assert self.raw_table(store, name) == table
        for bad in wrong[:8]:
            self.damage_table(store, name, bad)
            assert read(store, name) == data
            assert read(store, name, BIG - 1, BIG) == data[BIG - 1 :]
            assert self.raw_table(store, name) == table

    def test_a_sound_table_that_belongs_to_other_bytes_is_overruled(self, store: FileStore) -> None:
        data = content(BIG)
        name, table = self._with_table(store, data)
        self.damage_table(store, name, _table_of(content(BIG, seed=5), name))
        for start, end in ((0, BIG), (CHUNK, CHUNK + 1)):
            assert read(store, name, start, end) == data[start:end]
        assert self.raw_table(store, name) == table

    def test_a_table_forged_to_fit_damaged_bytes_does_not_deceive_a_whole_read(self, store: FileStore) -> None:
        data, wrong = content(BIG), flipped(content(BIG), 3)
        name = self._damaged(store, data, wrong)
        self.damage_table(store, name, _table_of(wrong, name))
        got, error = _collect(store, name)
        assert isinstance(error, Corrupt)
        assert len(got) <= 2 * CHUNK

    def test_bytes_and_table_damaged_together_are_found(self, store: FileStore) -> None:
        data = content(BIG)
        for table in (None, b"", b"rubbish"):
            name = self._damaged(store, data, flipped(data, BIG - 1))
            self.damage_table(store, name, table)
            self._never_leaves(store, name, [(0, None), (0, 1), (BIG - 1, BIG)])

    def test_replace_mends_what_is_damaged_or_missing(self, store: FileStore) -> None:
        for size in (0, 1, 400, CHUNK, BIG):
            data = content(size)
            for wrong in (data + b"x", data[:-1], flipped(data, size // 2) if data else b"y"):
                name = self._damaged(store, data, wrong)
                stored = store.replace(name, [data])
                assert (stored.sha256, stored.size) == (name, size)
                self.assert_stored(store, data)
            store.delete([name])
            store.replace(name, data)
            self.assert_stored(store, data)

    def test_replace_accepts_only_the_right_bytes(self, store: FileStore) -> None:
        data = content(BIG)
        name = self._damaged(store, data, flipped(data, 0))
        for other in (b"", flipped(data, 0), data + b"x"):
            with pytest.raises(InvalidEntity) as caught:
                store.replace(name, other)
            assert caught.value.path == "sha256"
        assert self.raw_bytes(store, name) == flipped(data, 0)
        assert store.sweep(FAR_FUTURE) == 0

    def test_replace_of_a_withdrawn_file_is_refused(self, store: FileStore) -> None:
        name = digest(b"x")
        store.withdraw([notice(name)])
        with pytest.raises(Gone):
            store.replace(name, b"x")
        assert self.raw_bytes(store, name) is None

    @pytest.mark.parametrize("given", [False, True], ids=["no digest", "digest given"])
    def test_putting_the_good_bytes_again_mends_the_damaged(self, store: FileStore, given: bool) -> None:
        for size in (1, 400, CHUNK, BIG):
            data = content(size)
            for wrong in (b"", data + b"x", data[:-1], flipped(data, size - 1), flipped(data, 0)):
                name = self._damaged(store, data, wrong)
                stored = store.put(_blocks(data), sha256=name if given else None)
                assert (stored.sha256, stored.size) == (name, size)
                self.assert_stored(store, data)
                assert self.raw_bytes(store, name) == data

    def test_damaged_bytes_put_again_as_what_they_were_are_refused(self, store: FileStore) -> None:
        for size in (400, BIG):
            data = content(size)
            for wrong in (flipped(data, size - 1), data[:-1], data + b"x", data[:CHUNK]):
                if wrong != data:
                    name = self._damaged(store, data, wrong)
                    with pytest.raises(InvalidEntity) as caught:
                        store.put(wrong, sha256=name)
                    assert caught.value.path == "sha256"

    def test_damaged_files_can_be_listed_renewed_and_deleted(self, store: FileStore) -> None:
        name = self._damaged(store, content(BIG), b"short")
        assert store.stat([name]).keys() == {name}
        assert store.refresh([name]) == {name}
        assert store.delete([name], FAR_FUTURE) == {name}
        self.assert_absent(store, name)

    def _damaged(self, store: FileStore, data: bytes, wrong: bytes) -> str:
        name = store.put(data).sha256
        self.damage(store, name, wrong)
        return name

    def _with_table(self, store: FileStore, data: bytes) -> tuple[str, bytes]:
        name = store.put(data).sha256
        table = self.raw_table(store, name)
        assert table is not None
        return name, table

    def _never_leaves(self, store: FileStore, name: str, ranges: list[tuple[int, int | None]]) -> None:
        """Reading says Corrupt and nothing else, whatever the size seems to be now, before the first byte has left."""
        for start, end in ranges:
            got, error = _collect(store, name, start, end)
            assert isinstance(error, Corrupt), (start, end)
            assert got == b""


def _collect(store: FileStore, name: str, start: int = 0, end: int | None = None) -> tuple[bytes, Exception | None]:
    """The bytes that left, and the error that ended it."""
    got = b""
    try:
        for piece in store.open(name, start, end):
            got += piece
    except Corrupt as error:
        return got, error
    return got, None


def _blocks(data: bytes) -> Iterator[bytes]:
    yield from (data[start : start + 333_333] for start in range(0, len(data), 333_333))


def _table_of(data: bytes, name: str | None = None) -> bytes:
    """The chunk table of these bytes, as it would be stored for the file `name`."""
    taken = FileHash()
    for start in range(0, len(data), CHUNK):
        taken.update(data[start : start + CHUNK])
    table = taken.table
    return type(table)(name or table.sha256, table.size, table.digests).encode()
