"""What is told of the machine, and how memory is counted."""

from __future__ import annotations

import json
import mmap
import os
import subprocess
from pathlib import Path

import psutil
import pytest

import stat7
from stat7.files.memory import MemoryFiles
from stat7.repository import Repository
from stat7.stores.memory import MemoryStore
from stat7.stress import environment
from stat7.stress.anonymous import PeakWatch, anonymous_bytes
from stat7.stress.results import schema

MEBIBYTE = 1024 * 1024


def test_the_environment_has_all_that_the_schema_asks_for(tmp_path: Path) -> None:
    found = environment.describe(tmp_path, ["durable"])
    assert found.keys() == set(schema()["properties"]["environment"]["required"])
    json.dumps(found)
    assert found["packages"]["stat7"] == stat7.__version__
    assert found["packages"]["apsw"]
    assert found["packages"]["sqlite"]
    assert found["cores"]["usable"] >= 1
    assert found["durability"] == ["durable"]


def test_a_store_is_asked_about_its_durability() -> None:
    with Repository(MemoryStore(), MemoryFiles()) as repository:
        lines = environment.durability_of(repository)
    assert lines[0] == "acknowledged writes may be lost in a power cut"
    assert lines[1].startswith("durability: ")


def test_the_file_system_of_a_folder_is_that_of_its_nearest_mount(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Part:
        def __init__(self, mountpoint: Path, fstype: str) -> None:
            self.mountpoint = str(mountpoint)
            self.fstype = fstype

    parts = [Part(Path(tmp_path.anchor), "ext4"), Part(tmp_path.resolve(), "tmpfs")]
    monkeypatch.setattr(psutil, "disk_partitions", lambda all: parts)
    assert environment.filesystem_of(tmp_path / "deeper") == "tmpfs"
    assert environment.filesystem_of(tmp_path.parent) == "ext4"
    monkeypatch.setattr(psutil, "disk_partitions", lambda all: [])
    assert environment.filesystem_of(tmp_path) is None


def test_the_commit_is_none_outside_a_checkout(monkeypatch: pytest.MonkeyPatch) -> None:
    def failing(*args: object, **options: object) -> None:
        raise subprocess.CalledProcessError(128, "git")

    monkeypatch.setattr(subprocess, "run", failing)
    assert environment._git_commit() is None


def test_a_package_that_is_not_there_has_no_version() -> None:
    assert environment._version("no-such-package-at-all") is None


def test_memory_that_is_taken_counts_and_a_mapped_file_does_not(tmp_path: Path) -> None:
    before = anonymous_bytes()
    taken = bytearray(os.urandom(MEBIBYTE)) * 64
    assert anonymous_bytes() - before > 48 * MEBIBYTE
    between = anonymous_bytes()
    (tmp_path / "file").write_bytes(bytes(taken))
    with (tmp_path / "file").open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as view:
        assert sum(view[::4096]) > 0
        assert anonymous_bytes() - between < 48 * MEBIBYTE


def test_a_process_that_is_gone_is_told() -> None:
    with pytest.raises(psutil.NoSuchProcess):
        anonymous_bytes(2**22 + 12345)


def test_the_peak_is_seen_over_all_processes() -> None:
    with PeakWatch() as watch:
        pass
    assert watch.peak is not None
    assert watch.peak > 5 * MEBIBYTE
