"""What a folder of files is safe against: a power cut right after any call has returned."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from stat7 import fsync
from stat7.address import digest
from stat7.files import durable, folder, local
from stat7.files.base import CHUNK
from stat7.files.local import LocalFiles
from stat7.testing.file_suite import FAR_FUTURE, content, read
from stat7.testing.samples import notice
from tests.files.power import Recorder

SMALL, BIG = content(400), content(2 * CHUNK + 17)


def _put_twice(store: LocalFiles) -> None:
    store.put(BIG)
    store.put(BIG)


def _put_twice_with_digest(store: LocalFiles) -> None:
    store.put(BIG, sha256=digest(BIG))
    store.put(BIG, sha256=digest(BIG))


def _damage(store: LocalFiles) -> None:
    store.put(BIG)
    (store.folder / digest(BIG)[:2] / digest(BIG)).write_bytes(b"damaged")


def _put_over_damage(store: LocalFiles) -> None:
    _damage(store)
    store.put(BIG, sha256=digest(BIG))


def _replace(store: LocalFiles) -> None:
    _damage(store)
    store.replace(digest(BIG), BIG)


def _withdraw(store: LocalFiles) -> None:
    store.put(BIG)
    store.withdraw([notice(digest(BIG)), notice(digest(SMALL))])


CALLS: dict[str, Callable[[LocalFiles], object]] = {
    "put small": lambda store: store.put(SMALL),
    "put big": lambda store: store.put(BIG),
    "put again": _put_twice,
    "put with digest": _put_twice_with_digest,
    "put over damage": _put_over_damage,
    "replace": _replace,
    "withdraw": _withdraw,
    "withdraw ahead": lambda store: store.withdraw([notice(digest(BIG))]),
}


def _no_fsync_of_files(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(durable, "fsync_file", lambda descriptor: None)


def _no_fsync_of_shards(patch: pytest.MonkeyPatch) -> None:
    for module in (folder, local):
        patch.setattr(module, "fsync_folder", lambda path: True)


def _no_fsync_of_the_root(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(durable, "fsync_folder", lambda path: True)


def _name_before_bytes(patch: pytest.MonkeyPatch) -> None:
    def finish(temporary: Any) -> int:
        temporary._file.close()
        return 0

    patch.setattr(durable.TemporaryFile, "finish", finish)


def _erased_before_the_notice(patch: pytest.MonkeyPatch) -> None:
    real = folder.FileFolder.write_notice

    def write_notice(self: folder.FileFolder, told: Any) -> None:
        self.shard(told.address)
        self.erase(told.address)
        real(self, told)

    patch.setattr(folder.FileFolder, "write_notice", write_notice)


BUGS = (
    (_no_fsync_of_files, "put small"),
    (_no_fsync_of_files, "put big"),
    (_no_fsync_of_shards, "put small"),
    (_no_fsync_of_shards, "replace"),
    (_no_fsync_of_shards, "withdraw"),
    (_no_fsync_of_the_root, "put small"),
    (_no_fsync_of_the_root, "withdraw ahead"),
    (_name_before_bytes, "put big"),
    (_name_before_bytes, "withdraw ahead"),
)

needs_folder_fsync = pytest.mark.skipif(os.name == "nt", reason="Windows has no fsync of folders")


def _power_cut(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: str) -> Recorder:
    """Run the call in a fresh folder, from the beginning, under watch."""
    monkeypatch.setattr(fsync, "_full_fsync", None)
    recorder = Recorder(monkeypatch)
    CALLS[call](LocalFiles(tmp_path / "files"))
    return recorder


@needs_folder_fsync
@pytest.mark.parametrize("call", CALLS)
def test_nothing_acknowledged_is_lost_in_a_power_cut(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: str
) -> None:
    recorder = _power_cut(tmp_path, monkeypatch, call)
    assert recorder.names
    assert recorder.unsafe() == []


@needs_folder_fsync
@pytest.mark.parametrize(("bug", "call"), BUGS)
def test_a_planted_bug_is_caught_by_the_same_watch(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, bug: Callable[[pytest.MonkeyPatch], None], call: str
) -> None:
    bug(monkeypatch)
    assert _power_cut(tmp_path, monkeypatch, call).unsafe() != []


@needs_folder_fsync
def test_the_table_has_its_name_before_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    recorder = _power_cut(tmp_path, monkeypatch, "put big")
    assert recorder.names == [f"{digest(BIG)}.chunks", digest(BIG)]


@needs_folder_fsync
@pytest.mark.parametrize("bug", [None, _no_fsync_of_shards, _erased_before_the_notice])
def test_bytes_are_erased_only_when_the_notice_is_safe(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, bug: Callable[[pytest.MonkeyPatch], None] | None
) -> None:
    store = LocalFiles(tmp_path / "files")
    store.put(BIG)
    if bug is not None:
        bug(monkeypatch)
    recorder = Recorder(monkeypatch)
    told = [notice(digest(BIG))]
    recorder.expected_notices = {f"{digest(BIG)}.withdrawn"}
    store.withdraw(told)
    assert (recorder.erased_unsafely == []) == (bug is None)


@needs_folder_fsync
def test_a_name_that_another_process_gave_is_made_safe_before_it_is_acknowledged(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recorder = Recorder(monkeypatch)
    with monkeypatch.context() as patch:
        _no_fsync_of_shards(patch)
        LocalFiles(tmp_path / "files").put(BIG)
    assert recorder.unsafe() != []
    LocalFiles(tmp_path / "files").put(BIG, sha256=digest(BIG))
    assert recorder.unsafe() == []


@needs_folder_fsync
def test_a_root_that_another_process_made_is_made_safe_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    recorder = Recorder(monkeypatch)
    os.mkdir(tmp_path / "files")
    assert recorder.unsafe() != []
    LocalFiles(tmp_path / "files").put(SMALL)
    assert recorder.unsafe() == []


def test_a_folder_above_that_can_not_be_read_is_no_hindrance(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = LocalFiles(tmp_path / "files")
    store.folder.mkdir()
    real = fsync.fsync_folder

    def fsync_folder(path: str) -> bool:
        if path == str(tmp_path):
            raise PermissionError(13, "Permission denied", path)
        return real(path)

    monkeypatch.setattr(durable, "fsync_folder", fsync_folder)
    assert read(store, store.put(SMALL).sha256) == SMALL


def test_a_shard_folder_is_made_safe_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[str] = []
    real = durable.make_folder

    def make_folder(path: str) -> None:
        made.append(path)
        real(path)

    monkeypatch.setattr(folder, "make_folder", make_folder)
    store = LocalFiles(tmp_path / "files")
    for _ in range(3):
        store.put(BIG)
    assert [os.path.basename(path) for path in made] == ["files", "files", digest(BIG)[:2]]


def test_without_fsync_of_folders_everything_else_works(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(durable, "_WINDOWS", True)
    store = LocalFiles(tmp_path / "files")
    store.put(BIG)
    assert read(store, digest(BIG)) == BIG
    store.withdraw([notice(digest(BIG)), notice(digest(BIG), "later")])
    assert store.stat([digest(BIG)]) == {digest(BIG): notice(digest(BIG))}
    assert store.sweep(FAR_FUTURE) == 0
