"""The way to the disk: fsync where it differs by system, names given once, and what each error of the system means."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from stat7.errors import ConfigError, Stat7Error, StoreFull, Unavailable
from stat7.files import durable
from stat7.files.durable import (
    TemporaryFile,
    make_folder,
    open_regular,
    remove,
    translate,
    translated,
)


@pytest.mark.parametrize("code", sorted(errno.errorcode))
def test_every_error_of_the_system_becomes_one_of_ours(code: int) -> None:
    told = translate(OSError(code, os.strerror(code), "some/file"), "the/folder")
    assert type(told) in (ConfigError, StoreFull, Unavailable)
    assert "the/folder" in str(told)
    assert os.strerror(code) in str(told)
    assert "\n" not in str(told)


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        (errno.ENOSPC, StoreFull),
        (errno.EDQUOT, StoreFull),
        (errno.EFBIG, StoreFull),
        (errno.EACCES, ConfigError),
        (errno.EROFS, ConfigError),
        (errno.ENOENT, ConfigError),
        (errno.ENOTDIR, ConfigError),
        (errno.EIO, Unavailable),
        (errno.EMFILE, Unavailable),
        (errno.ESTALE, Unavailable),
    ],
)
def test_an_error_is_the_one_that_says_what_to_do(code: int, kind: type[Stat7Error]) -> None:
    error = OSError(code, "reason")
    assert type(translate(error, "folder")) is kind
    with pytest.raises(kind) as caught, translated("folder"):
        raise error
    assert caught.value.__cause__ is error


def test_an_error_without_number_is_told_too() -> None:
    assert str(translate(OSError("odd"), "folder")) == "file folder folder: odd; check the disk, then try again"


def test_a_file_in_use_on_windows_is_no_matter_of_rights() -> None:
    error = PermissionError(errno.EACCES, "The process cannot access the file")
    error.winerror = 32  # type: ignore[attr-defined,unused-ignore]
    assert type(translate(error, "folder")) is Unavailable


def test_making_a_folder_twice_is_harmless_but_not_over_a_file(tmp_path: Path) -> None:
    for _ in range(2):
        make_folder(str(tmp_path / "folder"))
    (tmp_path / "file").touch()
    with pytest.raises(NotADirectoryError):
        make_folder(str(tmp_path / "file"))


def test_removing_says_whether_there_was_something(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "folder" / "inside").mkdir(parents=True)
    removed = [remove(str(tmp_path / name)) for name in ("file", "folder", "file", "missing")]
    assert removed == [True, True, False, False]


def test_only_a_file_is_opened(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"data")
    with open_regular(str(tmp_path / "file")) as file:
        assert file.read() == b"data"
    with pytest.raises(OSError, match=r"not a file|denied"):
        open_regular(str(tmp_path))


def test_a_temporary_file_is_erased_unless_it_was_placed(tmp_path: Path) -> None:
    with TemporaryFile(str(tmp_path)) as temporary:
        temporary.write(b"data")
    assert list(tmp_path.iterdir()) == []
    with TemporaryFile(str(tmp_path)) as temporary:
        temporary.write(b"data")
        assert temporary.finish() > 0
        temporary.place(str(tmp_path / "name"))
    assert [path.read_bytes() for path in tmp_path.iterdir()] == [b"data"]


@pytest.mark.parametrize("way", ["link", "no links", "windows"])
def test_the_first_to_give_a_name_wins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, way: str) -> None:
    def no_links(source: str, target: str) -> None:
        raise OSError(errno.EPERM, "no hard links here")

    def rename(source: str, target: str) -> None:
        if os.path.exists(target):
            raise FileExistsError(errno.EEXIST, "as Windows does")
        os.replace(source, target)

    if way == "no links":
        monkeypatch.setattr(os, "link", no_links)
    elif way == "windows":
        monkeypatch.setattr(durable, "_WINDOWS", True)
        monkeypatch.setattr(os, "rename", rename)
    for data, first in ((b"first", True), (b"second", False)):
        with TemporaryFile(str(tmp_path)) as temporary:
            temporary.write(data)
            temporary.finish()
            assert temporary.place_first(str(tmp_path / "name")) == first
    assert [(path.name, path.read_bytes()) for path in tmp_path.iterdir()] == [("name", b"first")]


def test_any_other_error_of_giving_a_name_is_raised(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(source: str, target: str) -> None:
        raise OSError(errno.EIO, "the disk")

    monkeypatch.setattr(os, "link", fail)
    with TemporaryFile(str(tmp_path)) as temporary:
        temporary.finish()
        with pytest.raises(OSError, match="the disk"):
            temporary.place_first(str(tmp_path / "name"))
