"""Bringing files and names to the disk on systems that differ."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from stat7 import fsync


def test_the_stronger_fsync_is_used_where_there_is_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    strong: list[int] = []
    weak: list[int] = []
    monkeypatch.setattr(os, "fsync", weak.append)
    monkeypatch.setattr(fsync, "_full_fsync", strong.append)
    fsync.fsync_file(7)
    assert (strong, weak) == ([7], [])

    def unknown(descriptor: int) -> None:
        raise OSError(errno.ENOTSUP, "not supported")

    monkeypatch.setattr(fsync, "_full_fsync", unknown)
    fsync.fsync_file(8)
    assert weak == [8]


def test_the_stronger_fsync_is_found_by_its_name(monkeypatch: pytest.MonkeyPatch) -> None:
    called: list[tuple[int, int]] = []

    class Fcntl:
        """The module as macOS has it."""

        F_FULLFSYNC = 51

        @staticmethod
        def fcntl(descriptor: int, command: int) -> None:
            """Notes the call."""
            called.append((descriptor, command))

    monkeypatch.setattr(fsync, "import_module", lambda name: Fcntl)
    found = fsync._find_full_fsync()
    assert found is not None
    found(9)
    assert called == [(9, 51)]

    def missing(name: str) -> None:
        raise ImportError(name)

    monkeypatch.setattr(fsync, "import_module", missing)
    assert fsync._find_full_fsync() is None


@pytest.mark.parametrize(("code", "known"), [(errno.EINVAL, True), (errno.ENOTSUP, True), (errno.EIO, False)])
def test_a_system_that_cannot_fsync_folders_is_told_from_a_broken_disk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int, known: bool
) -> None:
    def fail(descriptor: int) -> None:
        raise OSError(code, "reason")

    monkeypatch.setattr(fsync, "_WINDOWS", False)
    monkeypatch.setattr(fsync, "fsync_file", fail)
    if known:
        assert not fsync.fsync_folder(str(tmp_path))
    else:
        with pytest.raises(OSError, match="reason"):
            fsync.fsync_folder(str(tmp_path))


def test_windows_is_not_asked_to_fsync_folders(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fsync, "_WINDOWS", True)
    assert not fsync.fsync_folder("missing")


def test_where_times_cannot_be_left_out_the_whole_file_is_synced(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: list[int] = []
    monkeypatch.setattr(fsync, "fsync_file", synced.append)
    monkeypatch.delattr(os, "fdatasync", raising=False)
    fsync.fsync_data(7)
    assert synced == [7]
