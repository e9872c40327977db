"""Walking a folder tree: order, what is left out and why, links without loops, names that are none."""

from __future__ import annotations

import os
import socket
import stat
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from stat7.errors import ConfigError
from stat7.importers import tree
from stat7.importers.tree import Found, own_paths, printable, walk
from tests.importers.support import memory_repository
from tests.repositories import make_repository

posix = pytest.mark.skipif(os.name != "posix", reason="needs POSIX links, pipes and names")
bytes_names = pytest.mark.skipif(
    not sys.platform.startswith("linux"), reason="needs a file system that takes any bytes"
)


def make(folder: Path, *names: str) -> None:
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(name.encode())


def seen(folder: Path, **options: Any) -> list[Found]:
    return list(walk(folder, **{"hidden": False, "follow_links": False, **options}))


def places(found: list[Found]) -> list[str]:
    """Places of what is a file."""
    return [each.place for each in found if each.parts]


def skipped(found: list[Found]) -> dict[str, str]:
    return {each.place: each.skipped for each in found if each.skipped}


def test_files_come_sorted_by_name_folder_by_folder(tmp_path: Path) -> None:
    make(tmp_path, "b/z", "b/a", "b.txt", "a", "c/d/e/f", "B")
    found = seen(tmp_path)
    assert places(found) == ["B", "a", "b/a", "b/z", "b.txt", "c/d/e/f"]
    assert found[-1].parts == ("c", "d", "e", "f")
    assert Path(found[-1].path).read_bytes() == b"c/d/e/f"


def test_an_empty_folder_holds_nothing(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    assert seen(tmp_path) == []


def test_a_tree_deeper_than_the_interpreter_recurses_is_walked(tmp_path: Path) -> None:
    depth = min(sys.getrecursionlimit() + 100, 1500) if os.name == "posix" else 20
    here = os.getcwd()
    try:
        os.chdir(tmp_path)
        for _ in range(depth):
            os.mkdir("d")
            os.chdir("d")
        Path("f").write_bytes(b"")
    finally:
        os.chdir(here)
    (file,) = seen(tmp_path)
    try:
        assert len(file.parts) == depth + 1
    finally:  # pytest's own cleaning up recurses
        os.unlink(file.path)
        for folder in Path(file.path).parents[:depth]:
            folder.rmdir()


def test_hidden_names_are_left_out_unless_wanted(tmp_path: Path) -> None:
    make(tmp_path, ".profile", ".git/config", "a/.hidden", "a/b")
    found = seen(tmp_path)
    assert places(found) == ["a/b"]
    assert set(skipped(found)) == {".git", ".profile", "a/.hidden"}
    assert "--hidden" in skipped(found)[".git"]
    assert places(seen(tmp_path, hidden=True)) == [".git/config", ".profile", "a/.hidden", "a/b"]


@pytest.mark.parametrize("mark", [{"st_file_attributes": 2}, {"st_flags": 0x8000}])
def test_what_the_system_marks_as_hidden_is_hidden(mark: dict[str, int]) -> None:
    assert tree._is_hidden("plain", SimpleNamespace(**mark))  # type: ignore[arg-type]
    assert not tree._is_hidden("plain", SimpleNamespace())  # type: ignore[arg-type]


def test_junctions_are_links() -> None:
    junction = SimpleNamespace(st_mode=stat.S_IFDIR, st_reparse_tag=0xA0000003)
    assert tree._is_link(junction)  # type: ignore[arg-type]
    assert not tree._is_link(SimpleNamespace(st_mode=stat.S_IFDIR))  # type: ignore[arg-type]


@posix
def test_links_are_left_out_and_it_is_said_where_they_lead(tmp_path: Path) -> None:
    root = tmp_path / "root"
    make(tmp_path, "outside/x", "root/a")
    (root / "in").symlink_to("a")
    (root / "out").symlink_to(tmp_path / "outside")
    (root / "dead").symlink_to("nowhere")
    (root / "loop").symlink_to("loop")
    found = seen(root)
    assert places(found) == ["a"]
    reasons = skipped(found)
    assert reasons["in"] == "a link; follow links with --follow-links"
    assert reasons["out"] == f"a link to {tmp_path / 'outside'}, outside the folder; follow links with --follow-links"
    assert reasons["dead"] == reasons["loop"] == "a link to nothing"


@posix
def test_links_are_followed_without_loops_or_doubles(tmp_path: Path) -> None:
    root = tmp_path / "root"
    make(tmp_path, "outside/x", "outside/sub/y", "root/a", "root/b/c")
    (root / "file").symlink_to("a")
    (root / "inside").symlink_to("b")
    (root / "once").symlink_to(tmp_path / "outside")
    (root / "twice").symlink_to(tmp_path / "outside")
    (root / "part").symlink_to(tmp_path / "outside" / "sub")
    (root / "up").symlink_to("..")
    (root / "self").symlink_to(".")
    (root / "dead").symlink_to("nowhere")
    (tmp_path / "outside" / "back").symlink_to(root)
    (tmp_path / "outside" / "sub" / "around").symlink_to("..")
    found = seen(root, follow_links=True)
    assert places(found) == ["a", "b/c", "file", "once/sub/y", "once/x"]
    reasons = skipped(found)
    inside, again = "a link back into the folder, which is read anyway", "a link to a folder that was read already"
    assert reasons["inside/"] == reasons["self/"] == reasons["once/back/"] == inside
    assert reasons["twice/"] == reasons["part/"] == reasons["once/sub/around/"] == again
    assert reasons["up/outside/"] == again
    assert reasons["up/root/"] == inside
    (dead,) = [each for each in found if each.error is not None]
    assert dead.place == "dead"
    linked = {each.place: each.linked for each in found if each.parts}
    assert linked == {"a": False, "b/c": False, "file": True, "once/x": True, "once/sub/y": True}


@posix
def test_a_link_to_itself_is_an_error_when_links_are_followed(tmp_path: Path) -> None:
    (tmp_path / "loop").symlink_to("loop")
    (found,) = seen(tmp_path, follow_links=True)
    assert "can't be read" in str(found.error)


@posix
def test_what_is_neither_file_nor_folder_is_left_out_by_its_kind(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    here = os.getcwd()
    with socket.socket(socket.AF_UNIX) as listening:
        os.chdir(tmp_path)  # the path of a socket may have only about 100 bytes
        try:
            listening.bind("socket")
        finally:
            os.chdir(here)
        found = seen(tmp_path)
    assert skipped(found) == {"pipe": "a named pipe, not a file", "socket": "a socket, not a file"}


@posix
def test_a_device_is_left_out(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    make(tmp_path, "disk")
    real = os.lstat
    monkeypatch.setattr(
        os, "lstat", lambda path: SimpleNamespace(st_mode=stat.S_IFBLK) if "disk" in path else real(path)
    )
    assert skipped(seen(tmp_path)) == {"disk": "a device, not a file"}


@bytes_names
def test_names_that_are_not_utf8_are_errors_and_their_folders_are_not_entered(tmp_path: Path) -> None:
    os.mkdir(os.fsencode(tmp_path) + b"/d\xff")
    with open(os.fsencode(tmp_path) + b"/d\xff/x", "wb"), open(os.fsencode(tmp_path) + b"/f\xfe", "wb"):
        pass
    found = seen(tmp_path)
    assert [each.place for each in found] == ["d\\udcff", "f\\udcfe"]
    assert all("not UTF-8" in str(each.error) for each in found)


@posix
def test_places_are_fit_for_one_line_and_names_in_nfc(tmp_path: Path) -> None:
    make(tmp_path, "a\nb\x1b[31m", "e\u0301")
    first, second = seen(tmp_path)
    assert first.place == "a\\x0ab\\x1b[31m"
    assert first.parts == ("a\nb\x1b[31m",)
    assert second.parts == ("\u00e9",)
    assert printable("x\u2028y") == "x\\x2028y"


@pytest.mark.parametrize("name", ["missing", "file"])
def test_a_root_that_cannot_be_listed_is_a_configuration_error(tmp_path: Path, name: str) -> None:
    make(tmp_path, "file")
    with pytest.raises(ConfigError, match="can't be listed"):
        seen(tmp_path / name)


def test_a_folder_that_cannot_be_listed_is_an_error_and_the_rest_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make(tmp_path, "a/x", "locked/y", "z")
    real = os.listdir

    def listdir(path: str) -> list[str]:
        if str(path).endswith("locked"):
            raise PermissionError(13, "Permission denied")
        return real(path)

    monkeypatch.setattr(os, "listdir", listdir)
    found = seen(tmp_path)
    assert places(found) == ["a/x", "z"]
    assert [(each.place, str(each.error)) for each in found if each.error] == [
        ("locked/", "the folder can't be listed: Permission denied")
    ]


def test_a_file_that_vanishes_is_an_error(tmp_path: Path) -> None:
    make(tmp_path, "a", "b")
    found = walk(tmp_path, hidden=False, follow_links=False)
    assert next(found).place == "a"
    (tmp_path / "b").unlink()
    (last,) = found
    assert "can't be read" in str(last.error)


def test_the_repository_s_own_files_are_left_out(tmp_path: Path) -> None:
    with make_repository("sqlite", tmp_path / "library") as repo:
        repo.put_file(b"stored")
        make(tmp_path, "library/mine", "library/store.db.bak")
        found = seen(tmp_path, own=own_paths(repo))
        assert places(found) == ["library/mine", "library/store.db.bak"]
        assert set(skipped(found)) >= {"library/files", "library/store.db"}
        assert set(skipped(found).values()) == {"stat7's own store"}
        with pytest.raises(ConfigError, match="where stat7 itself keeps its files"):
            seen(tmp_path / "library" / "files", own=own_paths(repo))


@posix
def test_the_repository_s_own_files_are_left_out_behind_links_too(tmp_path: Path) -> None:
    with make_repository("sqlite", tmp_path / "library") as repo:
        repo.put_file(b"stored")
        root = tmp_path / "root"
        root.mkdir()
        (root / "database").symlink_to(tmp_path / "library" / "store.db")
        (root / "files").symlink_to(tmp_path / "library" / "files")
        found = seen(root, follow_links=True, own=own_paths(repo))
        assert set(skipped(found)) == {"database", "files"}


def test_settings_that_may_hold_passwords_are_left_out(tmp_path: Path) -> None:
    (tmp_path / "below").mkdir()
    for folder in (tmp_path, tmp_path / "below"):
        (folder / "stat7.toml").write_text('store = "postgresql://ada:secret@host/db"')
    assert skipped(seen(tmp_path)) == dict.fromkeys(
        ["below/stat7.toml", "stat7.toml"], "stat7's settings, which may hold passwords"
    )


def test_a_repository_in_memory_has_no_files_of_its_own() -> None:
    assert own_paths(memory_repository()) == frozenset()
