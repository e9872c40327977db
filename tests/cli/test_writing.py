"""Files that commands write appear complete or not at all, and replace nothing unasked."""

from __future__ import annotations

import errno
import gzip
import os
import stat
import sys
from pathlib import Path

import click
import pytest

from stat7.cli import writing
from stat7.cli.app import UNAVAILABLE, USAGE
from stat7.cli.writing import new_file
from tests.cli.conftest import Run, as_json


def names(folder: Path) -> list[str]:
    """What is in a folder, hidden or not."""
    return sorted(path.name for path in folder.iterdir())


def test_a_file_appears_when_the_block_ends_and_nothing_else_is_left(tmp_path: Path) -> None:
    path = tmp_path / "out"
    with new_file(path, force=False) as target:
        target.write(b"bytes")
        assert not path.exists()
    assert path.read_bytes() == b"bytes"
    assert names(tmp_path) == ["out"]


def test_an_error_leaves_what_was_there(tmp_path: Path) -> None:
    path = tmp_path / "out"
    path.write_bytes(b"old")

    def write() -> None:
        with new_file(path, force=True) as target:
            target.write(b"new")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write()
    assert path.read_bytes() == b"old"
    assert names(tmp_path) == ["out"]


def test_nothing_is_replaced_unasked_not_even_what_came_meanwhile(tmp_path: Path) -> None:
    path = tmp_path / "out"
    with pytest.raises(click.UsageError, match="exists; add --force"), new_file(path, force=False):
        path.write_bytes(b"of another")
    assert path.read_bytes() == b"of another"
    with pytest.raises(click.UsageError, match="exists"), new_file(path, force=False):
        pass
    with new_file(path, force=True) as target:
        target.write(b"new")
    assert path.read_bytes() == b"new"
    assert names(tmp_path) == ["out"]


def test_a_folder_is_never_replaced(tmp_path: Path) -> None:
    with pytest.raises(click.UsageError, match="is a folder"), new_file(tmp_path, force=True):
        pass


def test_two_writers_of_one_name_do_not_share_a_file(tmp_path: Path) -> None:
    path = tmp_path / "out"
    with new_file(path, force=True) as first:
        first.write(b"first")
        with new_file(path, force=True) as second:
            second.write(b"the second")
        assert path.read_bytes() == b"the second"
    assert path.read_bytes() == b"first"


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no named pipes and no permissions of that kind here")
def test_devices_are_written_to_as_they_stand_and_permissions_are_the_usual(tmp_path: Path) -> None:
    # Through a link, so that a fault here replaces that and not the device.
    (tmp_path / "null").symlink_to(os.devnull)
    with new_file(tmp_path / "null", force=True) as target:
        target.write(b"bytes")
    assert stat.S_ISCHR((tmp_path / "null").stat().st_mode)
    with new_file(tmp_path / "out", force=False):
        pass
    (tmp_path / "usual").touch()
    assert (tmp_path / "out").stat().st_mode == (tmp_path / "usual").stat().st_mode


def test_errors_name_the_path_that_was_asked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with pytest.raises(OSError, match="missing") as caught, new_file(tmp_path / "missing" / "out", force=False):
        pass
    assert caught.value.filename == str(tmp_path / "missing" / "out")
    monkeypatch.setattr(writing, "fsync_file", full)
    with pytest.raises(OSError, match="out") as caught, new_file(tmp_path / "out", force=False):
        pass
    assert caught.value.filename == str(tmp_path / "out")
    assert names(tmp_path) == []


def test_export_replaces_only_by_force_and_never_touches_a_partial_file(run: Run, tmp_path: Path) -> None:
    run("put", "-", stdin=as_json())
    (tmp_path / "out.partial").write_bytes(b"mine")
    assert run("export", "-o", "out").code == 0
    again = run("export", "-o", "out")
    assert again.code == USAGE
    assert "add --force" in again.err
    assert run("export", "-o", "out", "--force").code == 0
    assert (tmp_path / "out.partial").read_bytes() == b"mine"


def test_equal_exports_are_equal_bytes(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run("put", "-", stdin=as_json())
    run("export", "-o", "a.gz")
    monkeypatch.setattr("time.time", lambda: 2e9)
    run("export", "-o", "b.gz")
    assert (tmp_path / "a.gz").read_bytes() == (tmp_path / "b.gz").read_bytes()
    assert gzip.decompress((tmp_path / "a.gz").read_bytes()) == run("export", "-o", "-").out


def test_a_folder_or_missing_folder_as_output_is_one_line_and_exit_2(run: Run, tmp_path: Path) -> None:
    run("put", "-", stdin=as_json())
    (tmp_path / "f").write_bytes(b"bytes")
    (tmp_path / "folder").mkdir()
    name = run("file", "put", "f").text.strip()
    for output in ("folder", "missing/out"):
        for command in (("export", "-o", output), ("file", "get", name, "-o", output, "--force")):
            done = run(*command)
            assert (done.code, done.out) == (USAGE, b"")
            assert output.split("/", maxsplit=1)[0] in done.err.splitlines()[-1]
            assert "Traceback" not in done.err


@pytest.mark.skipif(sys.platform != "linux", reason="a device that is always full is a thing of Linux")
def test_a_full_disk_is_exit_6_in_one_line(run: Run, tmp_path: Path) -> None:
    run("put", "-", stdin=as_json())
    # Through a link, so that a fault here replaces that and not the device.
    (tmp_path / "full").symlink_to("/dev/full")
    done = run("export", "-o", "full")
    assert done.code == UNAVAILABLE
    assert len(done.err.splitlines()) == 1
    assert "full: No space left on device" in done.err
