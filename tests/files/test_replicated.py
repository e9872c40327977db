"""ReplicatedFiles: damage is mended from another copy as it is read, which is never written to."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from stat7.address import digest
from stat7.errors import Corrupt, Gone, NotFound, StoreFull, Unavailable
from stat7.files.base import CHUNK, FileStore, Source, StoredFile
from stat7.files.local import LocalFiles
from stat7.files.memory import MemoryFiles
from stat7.files.replicated import ReplicatedFiles
from stat7.files.verified import FileHash
from stat7.files.wrapping import FilesWrapper
from stat7.testing.file_suite import content, flipped, read
from stat7.testing.samples import notice
from tests.files.below import path_of
from tests.files.wrapped import WrappedMemoryFiles, spoil

BIG = 3 * CHUNK + 100


class TestReplicatedFiles(WrappedMemoryFiles):
    """The conformance suite, with a replica that has nothing."""

    def wrap(self, inner: FileStore) -> FilesWrapper:
        """With an empty replica."""
        return ReplicatedFiles(inner, MemoryFiles)


class Unwritten(FilesWrapper):
    """A replica, which must not be written to."""

    def __init__(self, inner: FileStore) -> None:
        super().__init__(inner)
        for name in ("put", "replace", "refresh", "withdraw", "delete", "sweep"):
            setattr(self, name, self._refuse)

    def _refuse(self, *args: object, **kwargs: object) -> None:
        raise AssertionError("the replica was written to")


def pair(data: bytes) -> tuple[ReplicatedFiles, MemoryFiles, MemoryFiles]:
    """Files and their replica, both with these bytes; first the wrapper."""
    inner, replica = MemoryFiles(), MemoryFiles()
    for files in (inner, replica):
        files.put(data)
    return ReplicatedFiles(inner, lambda: Unwritten(replica)), inner, replica


@pytest.mark.parametrize("size", [1, 400, CHUNK, CHUNK + 1, BIG])
@pytest.mark.parametrize("part", ["first", "middle", "last", "cut"])
def test_a_damaged_file_is_returned_whole_and_written_back(size: int, part: str) -> None:
    data = content(size)
    name = digest(data)
    files, inner, _ = pair(data)
    places = {"first": 0, "middle": size // 2, "last": size - 1}
    spoil(inner, name, data[:-1] if part == "cut" else flipped(data, places[part]))
    assert read(files, name) == data
    assert read(inner, name) == data
    assert files.repaired == 1
    assert read(files, name) == data
    assert files.repaired == 1


@pytest.mark.parametrize(("start", "end"), [(0, CHUNK), (5, BIG - 5), (2 * CHUNK, None), (CHUNK - 1, CHUNK + 1)])
def test_a_damaged_range_is_mended_too(start: int, end: int | None) -> None:
    data = content(BIG)
    name = digest(data)
    for at in (0, CHUNK, 2 * CHUNK, BIG - 1):
        files, inner, _ = pair(data)
        spoil(inner, name, flipped(data, at))
        assert read(files, name, start, end) == data[start:end]


def test_in_a_folder_the_file_itself_is_mended(tmp_path: Path) -> None:
    data = content(BIG)
    inner, replica = LocalFiles(tmp_path / "files"), LocalFiles(tmp_path / "copy")
    for each in (inner, replica):
        each.put(data)
    path = path_of(inner, digest(data))
    path.write_bytes(flipped(data, 2 * CHUNK))
    files = ReplicatedFiles(inner, lambda: replica)
    assert read(files, digest(data)) == data
    assert path.read_bytes() == data
    files.close()


def test_what_left_before_the_damage_was_met_must_have_been_right() -> None:
    """Somebody who can falsify file and chunk table alike must not get false bytes out by damaging the end as well."""
    data = content(BIG)
    name = digest(data)
    files, inner, _ = pair(data)
    false = FileHash()
    for at in range(0, BIG, CHUNK):
        false.update((flipped(data, 0))[at : at + CHUNK])
    table = false.table
    spoil(inner, name, flipped(flipped(data, 0), 2 * CHUNK))
    inner._files[name].table = type(table)(name, BIG, table.digests).encode()
    given: list[bytes] = []
    with pytest.raises(Corrupt):
        given.extend(files.open(name))
    assert read(files, name) == data


def test_what_is_not_there_is_not_fetched() -> None:
    files, inner, replica = pair(b"here")
    name = replica.put(b"only there").sha256
    with pytest.raises(NotFound):
        files.open(name)
    assert inner.stat([name]) == {}


@pytest.mark.parametrize("size", [400, BIG])
def test_a_replica_that_is_damaged_too_mends_nothing(size: int) -> None:
    data = content(size)
    name = digest(data)
    files, inner, replica = pair(data)
    for each in (inner, replica):
        spoil(each, name, flipped(data, size - 1))
    with pytest.raises(Corrupt):
        read(files, name)
    assert files.repaired == 0


@pytest.mark.parametrize("size", [400, BIG])
def test_what_the_replica_has_withdrawn_is_withdrawn_here(size: int) -> None:
    data = content(size)
    name = digest(data)
    files, inner, replica = pair(data)
    replica.withdraw([notice(name, "case 7")])
    assert read(files, name) == data
    spoil(inner, name, flipped(data, size - 1))
    with pytest.raises(Gone) as gone:
        read(files, name)
    assert gone.value.notice.case == "case 7"
    assert inner.stat([name]) == {name: notice(name, "case 7")}


def test_what_is_withdrawn_here_while_it_is_mended_stays_withdrawn() -> None:
    data = content(BIG)
    name = digest(data)
    _, inner, replica = pair(data)

    class Overtaken(FilesWrapper):
        """A replica that is read while somebody withdraws the file here."""

        def open(self, sha256: str, start: int = 0, end: int | None = None) -> Iterator[bytes]:
            pieces = self.inner.open(sha256, start, end)
            inner.withdraw([notice(name)])
            return pieces

    spoil(inner, name, flipped(data, BIG - 1))
    files = ReplicatedFiles(inner, lambda: Overtaken(replica))
    with pytest.raises(Gone):
        read(files, name)
    assert inner.stat([name]) == {name: notice(name)}


def test_a_file_that_can_not_be_written_back_is_corrupt() -> None:
    class Full(FilesWrapper):
        """Files on a full disk."""

        def replace(self, sha256: str, source: Source) -> StoredFile:
            raise StoreFull("no room")

    _, inner, replica = pair(b"bytes")
    name = digest(b"bytes")
    spoil(inner, name, b"bites")
    with pytest.raises(Corrupt):
        ReplicatedFiles(Full(inner), lambda: replica).open(name)


def test_a_replica_that_is_down_is_asked_only_when_needed() -> None:
    asked: list[bool] = []

    def down() -> FileStore:
        asked.append(True)
        raise Unavailable("the replica is away")

    inner = MemoryFiles()
    name = inner.put(b"bytes").sha256
    files = ReplicatedFiles(inner, down)
    assert read(files, name) == b"bytes"
    assert asked == []
    spoil(inner, name, b"bites")
    with pytest.raises(Corrupt):
        files.open(name)
    assert asked == [True]
    (*_, check) = files.diagnose()
    assert (check.name, check.status) == ("replica files", "fail")
    assert "the replica is away" in check.text
    files.close()


def test_doctor_is_told_of_the_replica_and_closing_closes_it() -> None:
    closed: list[bool] = []

    class Closing(FilesWrapper):
        """Remembers that it was closed."""

        def close(self) -> None:
            closed.append(True)

    files = ReplicatedFiles(MemoryFiles(), lambda: Closing(MemoryFiles()))
    (*_, check) = files.diagnose()
    assert (check.name, check.status, check.text) == ("replica files", "ok", "memory, answers")
    files.close()
    assert closed == [True]
