"""Which repository a command works on, and that files of one library are never taken for those of another."""

from __future__ import annotations

import json
import os
import tomllib
from pathlib import Path

import pytest

from stat7.cli.app import UNAVAILABLE, USAGE
from stat7.cli.config import find_places, open_pair
from stat7.errors import ConfigError
from stat7.files.local import LocalFiles
from tests.cli.conftest import Run, as_json

GC = ("gc", "--grace", "0s", "--offline", "--json")


@pytest.fixture
def library(run: Run, tmp_path: Path) -> str:
    """A library with one file that a document names, in settings; beside it a store without any documents."""
    run("init", "--store", "sqlite:old.db", "--files", "file:old-files")
    run("init", "--force", "--store", "sqlite:library.db", "--files", "file:library-files")
    (tmp_path / "cover").write_bytes(b"cover")
    done = run("put", "-", "--attach", "cover", "--json", stdin=as_json())
    (entry,) = json.loads(run("get", json.loads(done.out)["address"]).out)["files"]
    return str(entry["sha256"])


def test_a_store_named_by_option_alone_never_deletes_the_files_of_another(run: Run, library: str) -> None:
    assert json.loads(run(*GC, "--store", "sqlite:old.db").lines[-1])["deleted"] == 0
    assert run("file", "cat", library).out == b"cover"


def test_a_store_named_by_the_environment_alone_never_deletes_the_files_of_another(
    run: Run, library: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STAT7_STORE", "sqlite:old.db")
    assert json.loads(run(*GC).lines[-1])["deleted"] == 0
    monkeypatch.setenv("STAT7_FILES", "file:library-files")
    assert json.loads(run(*GC, "--store", "sqlite:old.db").lines[-1])["deleted"] == 0
    monkeypatch.delenv("STAT7_STORE")
    assert run("file", "cat", library).out == b"cover"


def test_the_first_place_that_names_a_store_decides_and_later_files_do_not_count(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert find_places(None, None) == ("sqlite:stat7.db", "file:stat7-files", "default", "beside the store")
    (tmp_path / "stat7.toml").write_text('store = "sqlite:t.db"\n', "utf-8")
    settings = str(tmp_path / "stat7.toml")
    assert find_places(None, None)[1:] == (f"file:{tmp_path / 't-files'}", settings, "beside the store")
    (tmp_path / "stat7.toml").write_text('store = "sqlite:t.db"\nfiles = "file:tf"\n', "utf-8")
    assert find_places(None, None)[1:] == (f"file:{tmp_path / 'tf'}", settings, settings)
    assert find_places(None, "file:x")[1:] == ("file:x", settings, "--files")
    monkeypatch.setenv("STAT7_FILES", "file:ef")
    assert find_places(None, None)[1:] == ("file:ef", settings, "STAT7_FILES")
    monkeypatch.setenv("STAT7_STORE", "sqlite:e.db")
    assert find_places(None, None) == ("sqlite:e.db", "file:ef", "STAT7_STORE", "STAT7_FILES")
    monkeypatch.delenv("STAT7_FILES")
    assert find_places(None, None) == ("sqlite:e.db", "file:e-files", "STAT7_STORE", "beside the store")
    assert find_places("sqlite:o.db", None) == ("sqlite:o.db", "file:o-files", "--store", "beside the store")
    assert find_places("sqlite:o.db", "file:of") == ("sqlite:o.db", "file:of", "--store", "--files")


def test_settings_that_name_files_but_no_store_are_refused(run: Run, tmp_path: Path) -> None:
    (tmp_path / "stat7.toml").write_text('files = "file:library-files"\n', "utf-8")
    done = run("put", "-", stdin=as_json())
    assert done.code == USAGE
    assert "store: missing" in done.err


@pytest.mark.parametrize("force", [(), ("--force",)])
def test_init_keeps_files_where_copy_and_repair_look_for_them(run: Run, tmp_path: Path, force: tuple[str, ...]) -> None:
    assert run("init", "--store", "sqlite:lib.db", *force).code == 0
    written = tomllib.loads((tmp_path / "stat7.toml").read_text("utf-8"))
    assert written == {"store": "sqlite:lib.db", "files": "file:lib-files"}
    with open_pair("sqlite:lib.db") as repo:
        name = repo.put_file(iter([b"bytes"])).sha256
    assert run("file", "cat", name).out == b"bytes"


def test_a_pair_is_a_store_with_or_without_files(run: Run) -> None:
    for text, folder in (("sqlite:a,b.db,file:c,d", "c,d"), ("sqlite:a,b.db", "a,b-files")):
        with open_pair(text, make=True) as repo:
            assert isinstance(repo.files, LocalFiles)
            assert repo.files.folder.name == folder
    with pytest.raises(ConfigError, match="is not STORE or STORE,FILES"):
        open_pair("sqlite:a,file:b,file:c")
    with pytest.raises(ConfigError, match="unknown scheme"):
        open_pair("nonsense:a")


@pytest.mark.skipif(not hasattr(os, "getuid"), reason="files have no such owner here")
def test_settings_of_another_user_are_ignored_aloud(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run("init", "--store", "sqlite:trap.db")
    if os.getuid() == 0:
        os.chown(tmp_path / "stat7.toml", 12345, -1)
    else:
        mine = os.getuid()
        monkeypatch.setattr(os, "getuid", lambda: mine + 1)
    done = run("find")
    assert done.code == USAGE
    assert "stat7.toml is ignored, since it belongs to another user" in done.err
    assert "no store at stat7.db; make one with `stat7 init`, or correct its URL (the default store)" in done.err


@pytest.mark.skipif(os.name == "nt", reason="the current folder can't be deleted there")
def test_in_a_deleted_folder_is_one_line(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    gone = tmp_path / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()
    for command in (("find",), ("find", "--store", "sqlite:x.db"), ("init",)):
        done = run(*command)
        assert done.code in (USAGE, UNAVAILABLE)
        assert len(done.err.splitlines()) == 1
    assert "the current folder: No such file" in run("find").err


def test_doctor_and_stats_say_first_where_and_from_where(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run("init", "--store", "sqlite:lib.db?busy_timeout=3")
    first = run("doctor").lines[0]
    assert first.startswith("ok    repository: store sqlite:")
    assert f"{tmp_path / 'lib.db'}?busy_timeout=3 ({tmp_path / 'stat7.toml'})" in first
    assert f"files file:{tmp_path / 'lib-files'}" in first
    monkeypatch.setenv("STAT7_STORE", "sqlite:lib.db")
    assert json.loads(run("stats", "--json").out)["repository"] == {
        "store": f"sqlite:{tmp_path / 'lib.db'}",
        "files": f"file:{tmp_path / 'lib-files'}",
        "store_from": "STAT7_STORE",
        "files_from": "beside the store",
    }
    assert run("stats").lines[0].startswith("store\tsqlite:")


def test_places_are_shown_without_credentials() -> None:
    shown = find_places("memory://ada:secret@host", "memory:x?key=secret").shown()
    assert "secret" not in str(shown)
