"""What doctor is told of a folder of files, in health and out of it."""

from __future__ import annotations

import os
import shutil
from collections import namedtuple
from pathlib import Path
from typing import Any

import pytest

from stat7.files import diagnosis
from stat7.files.diagnosis import diagnose_folder, folder_bytes
from stat7.stores.base import Check


def by_name(checks: list[Check]) -> dict[str, Check]:
    """The checks by their names, which must be distinct."""
    named = {check.name: check for check in checks}
    assert len(named) == len(checks)
    return named


def test_a_sound_folder_is_ok(tmp_path: Path) -> None:
    checks = by_name(diagnose_folder(str(tmp_path)))
    assert checks["files"].status == "ok"
    assert list(tmp_path.iterdir()) == []


def test_a_folder_not_made_yet_is_judged_by_the_one_above(tmp_path: Path) -> None:
    checks = by_name(diagnose_folder(str(tmp_path / "files")))
    assert checks["files"].status == "ok"
    assert "files space" in checks
    (failed,) = diagnose_folder(str(tmp_path / "missing" / "files"))
    assert failed.status == "fail"
    assert "create it" in failed.text


def test_a_folder_that_can_not_be_written_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(folder: str) -> Any:
        raise PermissionError(13, "Permission denied", folder)

    monkeypatch.setattr(diagnosis, "TemporaryFile", refuse)
    check = by_name(diagnose_folder(str(tmp_path)))["files"]
    assert check.status == "fail"
    assert "right to read and write" in check.text


def test_a_folder_fsync_that_is_missing_warns_and_a_broken_one_fails(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(diagnosis, "fsync_folder", lambda folder: True)
    assert by_name(diagnose_folder(str(tmp_path)))["files fsync"].status == "ok"
    monkeypatch.setattr(diagnosis, "fsync_folder", lambda folder: False)
    assert by_name(diagnose_folder(str(tmp_path)))["files fsync"].status == "warn"

    def broken(folder: str) -> bool:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(diagnosis, "fsync_folder", broken)
    assert by_name(diagnose_folder(str(tmp_path)))["files fsync"].status == "fail"


@pytest.mark.parametrize(("free", "status"), [(2**40, "ok"), (2**29, "warn"), (2**20, "fail")])
def test_little_room_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, free: int, status: str) -> None:
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(shutil, "disk_usage", lambda folder: usage(2**41, 0, free))
    assert by_name(diagnose_folder(str(tmp_path)))["files space"].status == status


@pytest.mark.parametrize(("system", "status"), [("ext4", "ok"), ("nfs4", "warn"), ("fuse.sshfs", "warn")])
def test_a_network_file_system_warns(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, system: str, status: str) -> None:
    monkeypatch.setattr(diagnosis, "file_system", lambda folder: system)
    check = by_name(diagnose_folder(str(tmp_path)))["files system"]
    assert check.status == status
    assert system in check.text


def test_where_mounts_are_not_told_nothing_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(diagnosis, "file_system", lambda folder: None)
    assert "files system" not in by_name(diagnose_folder(str(tmp_path)))


def test_disk_bytes_are_those_of_every_file_below(tmp_path: Path) -> None:
    assert folder_bytes(str(tmp_path / "missing")) == 0
    (tmp_path / "a" / "b").mkdir(parents=True)
    before = folder_bytes(str(tmp_path))
    (tmp_path / "a" / "b" / "file").write_bytes(os.urandom(300_000))
    (tmp_path / "one").write_bytes(b"x")
    assert 300_000 <= folder_bytes(str(tmp_path)) - before < 400_000


def test_disk_bytes_are_sizes_where_blocks_are_not_told(tmp_path: Path) -> None:
    class Found:
        """What Windows tells of a file."""

        st_size = 5

    assert diagnosis._disk_size(Found()) == 5  # type: ignore[arg-type]
