"""Which file system a path is on, whatever links lead there and whatever the mounts are called; and the room left."""

from __future__ import annotations

import builtins
import io
import os
import shutil
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from stat7.disk import file_system, read_mounts, room

MOUNTS = """\
rootfs / ext4 rw 0 0
server:/export /mnt/my\\040files nfs4 rw 0 0
tmpfs /mnt tmpfs rw 0 0
//server/share /mnt/share\\134x cifs rw 0 0
overmounted /over ext4 rw 0 0
again /over fuse.sshfs rw 0 0
caf\u00e9 /caf\u00e9 xfs rw 0 0
short line

""".encode()

on_linux = pytest.mark.skipif(os.sep != "/", reason="paths of Linux")


@on_linux
@pytest.mark.parametrize(
    ("path", "system"),
    [
        ("/", "ext4"),
        ("/home", "ext4"),
        ("/mnt", "tmpfs"),
        ("/mnt/other", "tmpfs"),
        ("/mnt/my files", "nfs4"),
        ("/mnt/my files/store", "nfs4"),
        ("/mnt/my files too", "tmpfs"),
        ("/mnt/share\\x/a", "cifs"),
        ("/over/x", "fuse.sshfs"),
        ("/caf\u00e9/x", "xfs"),
    ],
)
def test_the_file_system_is_that_of_the_innermost_mount(
    path: str, system: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os.path, "realpath", lambda path: path)
    assert file_system(path, read_mounts(MOUNTS)) == system


def test_links_are_followed_to_the_disk_that_holds_the_bytes(tmp_path: Path) -> None:
    (tmp_path / "remote").mkdir()
    try:
        (tmp_path / "link").symlink_to(tmp_path / "remote", target_is_directory=True)
    except OSError:
        pytest.skip("this user may not make links")
    real = os.path.realpath(tmp_path)
    mounts = [(real, "ext4"), (os.path.join(real, "remote"), "nfs4")]
    assert file_system(tmp_path / "link" / "store.db", mounts) == "nfs4"
    assert file_system(tmp_path / "store.db", mounts) == "ext4"


def test_an_unknown_file_system_is_not_guessed(tmp_path: Path) -> None:
    assert file_system(tmp_path, [(os.path.join(tmp_path, "other"), "ext4")]) is None


@on_linux
@pytest.mark.parametrize(("table", "system"), [(b"x / nfs4 rw\nx\n\n", "nfs4"), (b"", None), (None, None)])
def test_what_linux_tells_is_asked_by_default(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, table: bytes | None, system: str | None
) -> None:
    def opened(*_: Any, **__: Any) -> io.BytesIO:
        if table is None:
            raise FileNotFoundError(2, "No such file or directory")
        return io.BytesIO(table)

    with monkeypatch.context() as patch:
        patch.setattr(builtins, "open", opened)
        found = file_system(tmp_path)
    assert found == system


@pytest.mark.parametrize(("mib", "status"), [(50, "fail"), (500, "warn"), (5000, "ok")])
def test_little_room_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, mib: int, status: str) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda folder: SimpleNamespace(free=mib * 2**20))
    assert room(tmp_path) == (mib * 2**20, status, f"{mib:,} MiB free")
