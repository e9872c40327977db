"""Folders of files: what becomes of a file, what can't be taken, and that running again changes nothing."""

from __future__ import annotations

import gzip
import hashlib
import os
import random
from collections.abc import Iterable
from pathlib import Path
from typing import Any, BinaryIO

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stat7.errors import ConfigError, Unavailable
from stat7.files.base import StoredFile
from stat7.importers import files as files_module
from stat7.importers.base import Item
from stat7.importers.files import SAMPLE, byte_variety, read_files
from stat7.query import Query
from stat7.record import Record, format_time
from stat7.repository import Repository, Status
from tests.importers.support import errors, imported, memory_repository, peak_memory
from tests.importers.test_tree import bytes_names, make, posix
from tests.repositories import KINDS, Intercepted, make_repository, with_files

NOON_MS = 1_769_860_800_123


def at_noon(folder: Path) -> None:
    """Give every file below the folder the same modification time."""
    for path in folder.rglob("*"):
        if path.is_file():
            os.utime(path, ns=(0, NOON_MS * 1_000_000))


def read(repo: Repository, folder: Path, **options: Any) -> Iterable[Item]:
    return read_files(repo, folder, **options)


def record(item: Item) -> Record:
    assert isinstance(item.document, Record), item.error
    return item.document


@pytest.mark.parametrize("kind", KINDS)
def test_a_file_becomes_an_entity_with_its_bytes_attached(kind: str, tmp_path: Path) -> None:
    make(tmp_path, "tree/2026/may/Photo.JPG")
    at_noon(tmp_path)
    with make_repository(kind, tmp_path / "library") as repo:
        assert imported(repo, read(repo, tmp_path / "tree", prefix="pictures/")).counts() == {"read": 1, "new": 1}
        entity = repo.current("pictures/2026/may/Photo.JPG")
        assert entity.entity_type == "file"
        assert entity.created_at == "2026-01-31T12:00:00.123Z"
        assert entity.state == {
            "path": "2026/may/Photo.JPG",
            "folder": "2026/may",
            "name": "Photo.JPG",
            "extension": "jpg",
            "kind": "image",
        }
        (attached,) = entity.files
        assert (attached.name, attached.media_type, attached.size) == ("Photo.JPG", "image/jpeg", 23)
        assert b"".join(repo.open_file(attached.sha256)) == b"tree/2026/may/Photo.JPG"
        place = entity.coordinates
        assert (place.realm, place.lineage, place.horizon) == ("data", 2, "crystallization")
        assert place.adjacency == ("pictures/2026/may",)
        assert (place.resonance, place.velocity) == (0, 0)
        assert place.density == pytest.approx(byte_variety(b"tree/2026/may/Photo.JPG"), abs=1e-8)
        assert [found.id for found in repo.find(Query(adjacent_to="pictures/2026/may"))] == [entity.id]


@pytest.mark.parametrize("kind", KINDS)
def test_running_again_is_a_no_op_and_equal_files_are_stored_once(kind: str, tmp_path: Path) -> None:
    make(tmp_path, "tree/a", "tree/b/c", "tree/b/d")
    for name in ("tree/x", "tree/b/x"):
        (tmp_path / name).write_bytes(b"the same")
    with make_repository(kind, tmp_path / "library") as repo:
        assert imported(repo, read(repo, tmp_path / "tree")).counts() == {"read": 5, "new": 5}
        assert imported(repo, read(repo, tmp_path / "tree")).counts() == {"read": 5, "existed": 5}
        assert len(repo.files.scan(None, 100).items) == 4


def test_a_changed_file_is_a_conflict_and_with_update_the_next_version(tmp_path: Path) -> None:
    make(tmp_path, "a", "b")
    at_noon(tmp_path)
    repo = memory_repository()
    imported(repo, read(repo, tmp_path))
    (tmp_path / "a").write_bytes(b"changed")
    at_noon(tmp_path)
    done = imported(repo, read(repo, tmp_path))
    assert done.counts() == {"read": 2, "existed": 1, "conflict": 1}
    assert done.problems[0].place == "a"
    assert imported(repo, read(repo, tmp_path), update=True).counts() == {"read": 2, "new": 1, "existed": 1}
    assert repo.current("a").files[0].sha256 == hashlib.sha256(b"changed").hexdigest()


def test_without_dates_a_touched_file_is_the_same(tmp_path: Path) -> None:
    make(tmp_path, "a")
    repo = memory_repository()
    imported(repo, read(repo, tmp_path, dates=False))
    assert repo.current("a").created_at is None
    at_noon(tmp_path)
    assert imported(repo, read(repo, tmp_path, dates=False)).counts() == {"read": 1, "existed": 1}
    assert imported(repo, read(repo, tmp_path)).counts() == {"read": 1, "conflict": 1}


@pytest.mark.parametrize(("prefix", "folder"), [("", "."), ("pics/", "pics"), ("pics", "pics"), ("/", ".")])
def test_files_at_the_top_are_neighbours_of_the_prefix(tmp_path: Path, prefix: str, folder: str) -> None:
    make(tmp_path, "a")
    (item,) = read(memory_repository(), tmp_path, prefix=prefix, realm="void")
    assert record(item).id == f"{prefix}a"
    assert record(item).adjacency == [folder]
    assert record(item).lineage == 0
    assert record(item).realm == "void"


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"prefix": "a\n"}, "--prefix holds a control character"),
        ({"prefix": "x" * 300}, "--prefix must be 1 to 256 bytes"),
        ({"realm": "No"}, "--realm 'No' is not a token"),
    ],
)
def test_a_bad_prefix_or_realm_is_refused_before_anything_is_stored(
    tmp_path: Path, options: dict[str, str], reason: str
) -> None:
    make(tmp_path, "a")
    repo = memory_repository()
    with pytest.raises(ConfigError, match=reason):
        list(read(repo, tmp_path, **options))
    assert repo.files.scan(None, 9).items == []


def test_what_is_left_out_on_purpose_is_told_and_not_counted(tmp_path: Path) -> None:
    make(tmp_path, ".hidden", "a")
    told: list[tuple[str, str]] = []
    repo = memory_repository()
    done = imported(repo, read(repo, tmp_path, on_skip=lambda *what: told.append(what)))
    assert done.counts() == {"read": 1, "new": 1}
    assert [place for place, _ in told] == [".hidden"]


@posix
def test_names_that_can_be_no_ids_are_errors_and_do_not_stop_the_rest(tmp_path: Path) -> None:
    long = "/".join(["x" * 100] * 3)
    make(tmp_path, "a\x07", long, "z")
    repo = memory_repository()
    done = imported(repo, read(repo, tmp_path))
    assert done.counts() == {"read": 3, "new": 1, "bad": 2}
    (_, control), (place, over) = done.reasons()
    assert "id: holds a control character" in control
    assert "id: must be 1 to 256 bytes of UTF-8, has 302" in over
    assert "--prefix" in over
    assert place == long
    assert len(repo.files.scan(None, 9).items) == 1


@bytes_names
def test_two_names_that_differ_only_in_their_unicode_form_are_told(tmp_path: Path) -> None:
    make(tmp_path, "e\u0301", "\u00e9")
    repo = memory_repository()
    done = imported(repo, read(repo, tmp_path))
    assert done.counts() == {"read": 2, "new": 1, "bad": 1}
    assert "same name" in done.reasons()[0][1]


def test_a_file_that_cannot_be_read_is_an_error_and_does_not_stop_the_rest(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make(tmp_path, "a", "locked", "z")
    real = os.open

    def opened(path: str, *arguments: Any) -> int:
        if str(path).endswith("locked"):
            raise PermissionError(13, "Permission denied")
        return real(path, *arguments)

    monkeypatch.setattr(os, "open", opened)
    done = imported(repo := memory_repository(), read(repo, tmp_path))
    assert done.counts() == {"read": 3, "new": 2, "bad": 1}
    assert done.reasons() == [("locked", "can't be read: Permission denied")]


class Meddling(Intercepted):
    """A store of files during whose puts something happens to the file that is being read."""

    def __init__(self, inner: object, meddle: Any) -> None:
        super().__init__(inner)
        self.meddle = meddle

    def put(self, source: BinaryIO, *, sha256: str | None = None) -> StoredFile:
        stored: StoredFile = self.inner.put(source, sha256=sha256)
        self.meddle()
        return stored


@pytest.mark.parametrize("change", ["grow", "touch"])
def test_a_file_that_changes_while_it_is_read_is_an_error(tmp_path: Path, change: str) -> None:
    make(tmp_path, "a")

    def meddle() -> None:
        if change == "grow":
            with (tmp_path / "a").open("ab") as file:
                file.write(b"more")
        at_noon(tmp_path)

    repo = memory_repository()
    ((place, said),) = errors(read(with_files(repo, Meddling(repo.files, meddle)), tmp_path))
    assert place == "a"
    assert "changed while it was being read" in said


@posix
def test_a_pipe_in_the_place_of_a_file_is_not_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make(tmp_path, "a")
    real = os.open

    def opened(path: str, *arguments: Any) -> int:
        os.unlink(path)
        os.mkfifo(path)
        return real(path, *arguments)

    monkeypatch.setattr(os, "open", opened)
    assert errors(read(memory_repository(), tmp_path)) == [("a", "is not a file any more; import again")]


@posix
def test_a_link_in_the_place_of_a_file_is_not_followed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make(tmp_path, "tree/a", "secret")
    real = os.open

    def opened(path: str, *arguments: Any) -> int:
        os.unlink(path)
        os.symlink(tmp_path / "secret", path)
        return real(path, *arguments)

    monkeypatch.setattr(os, "open", opened)
    repo = memory_repository()
    ((_, said),) = errors(read(repo, tmp_path / "tree"))
    assert "can't be read" in said
    assert repo.files.scan(None, 9).items == []


def test_a_file_that_fails_on_the_way_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make(tmp_path, "a")

    def failing(self: object, buffer: object) -> int:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr("stat7.importers.files._Sampled.readinto", failing)
    assert errors(read(memory_repository(), tmp_path)) == [("a", "can't be read: Input/output error")]


def test_a_withdrawn_file_is_withdrawn_and_a_store_that_is_down_stops_the_run(tmp_path: Path) -> None:
    make(tmp_path, "a", "b")
    repo = memory_repository()
    repo.withdraw_files([hashlib.sha256(b"a").hexdigest()], case="7", reason="asked")
    done = imported(repo, read(repo, tmp_path))
    assert done.counts() == {"read": 2, "new": 1, "withdrawn": 1}
    assert done.problems[0].status is Status.WITHDRAWN

    def down() -> None:
        raise Unavailable("the disk is away")

    with pytest.raises(Unavailable):
        imported(repo, read(with_files(repo, Meddling(repo.files, down)), tmp_path))


def test_a_name_that_vanishes_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make(tmp_path, "a")
    monkeypatch.setattr(os, "listdir", lambda path: ["a", "ghost"])
    done = imported(repo := memory_repository(), read(repo, tmp_path))
    assert done.counts() == {"read": 2, "new": 1, "bad": 1}
    assert done.problems[0].place == "ghost"


@posix
def test_a_time_beyond_the_calendar_is_an_error_unless_dates_are_left_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make(tmp_path, "a")
    os.utime(tmp_path / "a", (0, 300_000_000_000))
    if (tmp_path / "a").stat().st_mtime < 299_000_000_000:  # not every file system keeps such times
        monkeypatch.setattr(files_module, "format_time", lambda milliseconds: format_time(milliseconds + 10**15))
    assert "created_at: the modification time" in errors(read(memory_repository(), tmp_path))[0][1]
    assert errors(read(memory_repository(), tmp_path, dates=False)) == []


@posix
def test_times_before_1970_are_kept(tmp_path: Path) -> None:
    make(tmp_path, "a")
    os.utime(tmp_path / "a", ns=(0, -1))
    (item,) = read(memory_repository(), tmp_path)
    assert record(item).created_at == -1


@given(st.binary(max_size=300))
def test_byte_variety_is_between_none_and_all(data: bytes) -> None:
    assert 0 <= byte_variety(data) <= 1


def test_byte_variety_tells_compressed_data_from_text() -> None:
    assert byte_variety(b"") == byte_variety(b"x" * 1000) == 0
    assert byte_variety(bytes(range(256)) * 9) == 1
    words = random.Random(1).choices(["the", "store", "of", "entities", "and", "files", "holds", "seven"], k=5000)
    text = " ".join(words).encode()
    assert byte_variety(text) < 0.1
    assert byte_variety(gzip.compress(text)) > 0.9


def test_density_is_told_from_the_beginning_of_the_file(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"x" * SAMPLE + bytes(range(256)) * 100)
    (item,) = read(memory_repository(), tmp_path)
    assert record(item).density == 0


def test_a_large_file_takes_little_memory(tmp_path: Path) -> None:
    with (tmp_path / "a").open("wb") as file:
        file.truncate(40_000_000)

    class Swallowing(Intercepted):
        def put(self, source: BinaryIO, *, sha256: str | None = None) -> StoredFile:
            size, buffer = 0, bytearray(1 << 16)
            while count := source.readinto(buffer):  # type: ignore[attr-defined]
                size += count
            return StoredFile("0" * 64, size, 0)

    repo = memory_repository()
    store = with_files(repo, Swallowing(repo.files))
    assert peak_memory(lambda: list(read(store, tmp_path))) < 2_000_000


def test_empty_files_are_files(tmp_path: Path) -> None:
    (tmp_path / "empty.txt").write_bytes(b"")
    repo = memory_repository()
    assert imported(repo, read(repo, tmp_path)).counts() == {"read": 1, "new": 1}
    assert repo.current("empty.txt").files[0].size == 0
