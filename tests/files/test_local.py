"""LocalFiles keeps the whole contract of a store of files, and what only a folder on a disk can get wrong."""

from __future__ import annotations

import os
import shutil
import tracemalloc
from collections.abc import Iterator
from pathlib import Path
from threading import Event

import pytest

from stat7.address import digest
from stat7.errors import ConfigError, Gone, NotFound, Stat7Error
from stat7.files.base import CHUNK, FileStore, StoredFile
from stat7.files.local import LocalFiles
from stat7.files.notices import encode_notice
from stat7.testing.file_store_suite import FileStoreSuite
from stat7.testing.file_suite import FAR_FUTURE, content, read, scan_files
from stat7.testing.samples import notice
from tests.files.below import BIG, beside, names_in, path_of

NO_FD_FOLDER = not os.path.isdir("/proc/self/fd")


class TestLocalFiles(FileStoreSuite):
    """The conformance suite; meddling below the store is meddling with its folder."""

    def make_store(self, tmp_path: Path) -> LocalFiles:
        """In a folder that the first put makes."""
        return LocalFiles(tmp_path / "files")

    def reopen(self, store: FileStore) -> LocalFiles:
        """The same folder."""
        assert isinstance(store, LocalFiles)
        store.close()
        return LocalFiles(store.folder)

    def raw_bytes(self, store: FileStore, sha256: str) -> bytes | None:
        """From its folder."""
        path = path_of(store, sha256)
        return path.read_bytes() if path.exists() else None

    def damage(self, store: FileStore, sha256: str, data: bytes) -> None:
        """In its folder."""
        path_of(store, sha256).write_bytes(data)

    def raw_table(self, store: FileStore, sha256: str) -> bytes | None:
        """From its folder."""
        path = beside(store, sha256, "chunks")
        return path.read_bytes() if path.exists() else None

    def damage_table(self, store: FileStore, sha256: str, table: bytes | None) -> None:
        """In its folder."""
        path = beside(store, sha256, "chunks")
        if table is None:
            path.unlink()
        else:
            path.write_bytes(table)

    def leave_unfinished(self, store: FileStore) -> int:
        """A half-written file, and a table whose file has no name yet."""
        name = store.put(content(BIG, seed=6)).sha256
        path_of(store, name).unlink()
        assert isinstance(store, LocalFiles)
        (store.folder / "incoming-0123456789abcdef").write_bytes(b"half")
        return 2


@pytest.fixture
def store(tmp_path: Path) -> LocalFiles:
    """A fresh store."""
    return LocalFiles(tmp_path / "files")


# Layout and opening.


def test_the_folder_holds_what_the_layout_says_and_nothing_else(store: LocalFiles) -> None:
    small, big, gone = store.put(b"small").sha256, store.put(content(BIG)).sha256, store.put(b"gone").sha256
    store.withdraw([notice(gone)])
    expected = [f"{small[:2]}/{small}", f"{big[:2]}/{big}", f"{big[:2]}/{big}.chunks", f"{gone[:2]}/{gone}.withdrawn"]
    assert names_in(store.folder) == sorted(expected)
    assert beside(store, gone, "withdrawn").read_bytes() == encode_notice(notice(gone))


def test_opening_reads_nothing_however_much_is_stored(store: LocalFiles, monkeypatch: pytest.MonkeyPatch) -> None:
    name = store.put(b"x").sha256
    for call in ("listdir", "scandir"):
        monkeypatch.setattr(os, call, None)
    again = LocalFiles(store.folder)
    assert read(again, name) == b"x"
    assert again.put(b"y").size == 1


def test_opening_a_missing_folder_makes_nothing(store: LocalFiles) -> None:
    assert scan_files(store) == []
    assert store.sweep(FAR_FUTURE) == 0
    assert not store.folder.exists()


def test_the_folder_stays_the_same_when_the_working_folder_changes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    store = LocalFiles("files")
    (tmp_path / "other").mkdir()
    monkeypatch.chdir(tmp_path / "other")
    store.put(b"x")
    assert LocalFiles(tmp_path / "files").stat([digest(b"x")]) != {}


def test_a_folder_lost_while_open_is_made_again(store: LocalFiles) -> None:
    name = store.put(b"x").sha256
    shutil.rmtree(store.folder)
    assert store.stat([name]) == {}
    store.put(b"x")
    assert read(store, name) == b"x"
    shutil.rmtree(store.folder / name[:2])
    store.put(b"x")
    assert read(store, name) == b"x"
    shutil.rmtree(store.folder)
    store.withdraw([notice(name)])
    assert store.stat([name]) == {name: notice(name)}


def test_what_is_not_a_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "files").write_text("not a folder")
    with pytest.raises(ConfigError, match="files"):
        LocalFiles(tmp_path / "files")


def test_a_missing_folder_above_is_not_made(tmp_path: Path) -> None:
    store = LocalFiles(tmp_path / "missing" / "files")
    with pytest.raises(ConfigError, match="must exist"):
        store.put(b"x")
    assert not (tmp_path / "missing").exists()


def test_a_file_in_place_of_a_shard_folder_is_named(store: LocalFiles) -> None:
    name = digest(b"x")
    store.put(b"y")
    (store.folder / name[:2]).write_text("in the way")
    for call in (
        lambda: store.put(b"x"),
        lambda: store.open(name),
        lambda: store.stat([name]),
        lambda: store.scan(None, 10),
        lambda: store.withdraw([notice(name)]),
    ):
        with pytest.raises(ConfigError, match="check the path"):
            call()


def test_foreign_files_in_the_folder_are_left_alone(store: LocalFiles) -> None:
    stored = store.put(b"x")
    shard = store.folder / stored.sha256[:2]
    foreign = [store.folder / ".DS_Store", store.folder / "readme.txt", shard / "notes", shard / f"{'0' * 64}.txt"]
    (store.folder / "folder").mkdir()
    for path in foreign:
        path.write_text("foreign")
    assert scan_files(store) == [stored]
    assert store.sweep(FAR_FUTURE) == 0
    assert all(path.exists() for path in foreign)


def test_a_scan_in_small_pages_reads_each_folder_once(store: LocalFiles, monkeypatch: pytest.MonkeyPatch) -> None:
    name = store.put(b"x").sha256
    shard = store.folder / name[:2]
    names = sorted([name, *(f"{name[:2]}{number:062x}" for number in range(200))])
    for each in names:
        (shard / each).touch()
    real, read_folders = os.listdir, []

    def listdir(path: str) -> list[str]:
        read_folders.append(os.path.basename(path))
        return real(path)

    monkeypatch.setattr(os, "listdir", listdir)
    assert [item.sha256 for item in scan_files(store, 3) if isinstance(item, StoredFile)] == names
    assert read_folders.count(shard.name) == 1


# Memory and descriptors.


def test_memory_does_not_grow_with_the_file(store: LocalFiles) -> None:
    def source() -> Iterator[bytes]:
        return (bytes([number]) * CHUNK for number in range(24))

    tracemalloc.start()
    try:
        name = store.put(source()).sha256
        store.put(source(), sha256=name)
        assert sum(map(len, store.open(name))) == 24 * CHUNK
        assert sum(map(len, store.open(name, CHUNK // 2))) == 24 * CHUNK - CHUNK // 2
        assert tracemalloc.get_traced_memory()[1] < 6 * CHUNK
    finally:
        tracemalloc.stop()


@pytest.mark.skipif(NO_FD_FOLDER, reason="this system does not list open files in /proc/self/fd")
def test_no_file_stays_open(store: LocalFiles) -> None:
    name, small = store.put(content(BIG)).sha256, store.put(b"x").sha256
    before = len(os.listdir("/proc/self/fd"))
    store.put(content(BIG), sha256=name)
    read(store, name)
    del (pieces := [store.open(name), store.open(name, 0, 5), store.open(small)])[:]
    path_of(store, name).write_bytes(b"damaged")
    path_of(store, small).write_bytes(b"y")
    beside(store, name, "withdrawn").write_bytes(b"damaged")
    for call in (
        lambda: store.open(name),
        lambda: store.open(small),
        lambda: store.put(iter([b"a", 1]), sha256=small),  # type: ignore[arg-type]
        lambda: store.put(b"x", sha256=name),
    ):
        with pytest.raises(Stat7Error):
            call()
    assert pieces == []
    assert len(os.listdir("/proc/self/fd")) == before


# Health.


def test_it_can_speak_about_its_health(store: LocalFiles) -> None:
    assert store.disk_bytes() == 0
    store.put(content(BIG))
    assert store.disk_bytes() >= BIG
    assert {check.status for check in store.diagnose()} <= {"ok", "warn"}


def test_a_file_is_found_to_be_sound_without_its_bytes_and_damage_and_absence_are_seen(tmp_path: Path) -> None:
    files, stop = LocalFiles(tmp_path / "files"), Event()
    sound, damaged = files.put([content(BIG)]).sha256, files.put([content(BIG + 1)]).sha256
    path = path_of(files, damaged)
    held = bytearray(path.read_bytes())
    held[-1] ^= 1
    path.write_bytes(held)
    assert files.is_sound(sound, stop)
    assert not files.is_sound(damaged, stop)
    with pytest.raises(NotFound):
        files.is_sound("0" * 64, stop)
    stop.set()
    assert not files.is_sound(sound, stop)
    stop.clear()
    files.withdraw([notice(sound)])
    with pytest.raises(Gone):
        files.is_sound(sound, stop)
