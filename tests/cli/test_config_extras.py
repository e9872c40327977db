"""--cache and --replica: where they may be named, which store they go with, and what doctor and stats say of them."""

from __future__ import annotations

import json
import os
import tomllib
from pathlib import Path

import pytest

from stat7.cli.app import OK, USAGE
from stat7.cli.config import Extras, find_extras
from tests.cli.conftest import Run, as_json

NOBODY = "redis://:hush@127.0.0.1:1/0"


def test_they_belong_to_the_store_that_is_named_with_or_after_them(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert find_extras(None) == Extras()
    settings = 'store = "sqlite:t.db"\ncache = "redis://t"\nreplica = "sqlite:r.db,file:/abs"\n'
    (tmp_path / "stat7.toml").write_text(settings, "utf-8")
    assert find_extras(None) == ("redis://t", f"sqlite:{tmp_path / 'r.db'},file:/abs")
    assert find_extras("sqlite:o.db") == ("", "")
    monkeypatch.setenv("STAT7_CACHE", "redis://e")
    assert find_extras(None)[0] == "redis://e"
    monkeypatch.setenv("STAT7_STORE", "sqlite:e.db")
    assert find_extras(None) == ("redis://e", "")
    monkeypatch.setenv("STAT7_REPLICA", "sqlite:er.db")
    assert find_extras(None) == ("redis://e", "sqlite:er.db")
    assert find_extras("sqlite:o.db") == ("", "")


def test_init_writes_them_and_commands_use_them(run: Run, tmp_path: Path) -> None:
    assert run("init", "--store", "sqlite:copy.db").code == OK
    done = run("init", "--force", "--store", "sqlite:lib.db", "--cache", NOBODY, "--replica", "sqlite:copy.db")
    assert done.code == OK
    written = tomllib.loads((tmp_path / "stat7.toml").read_text("utf-8"))
    assert (written["cache"], written["replica"]) == (NOBODY, "sqlite:copy.db")
    assert run("put", "-", stdin=as_json()).code == OK
    checks = {row["name"]: row for row in map(json.loads, run("doctor", "--json").lines)}
    assert checks["cache"]["status"] == "fail"
    assert checks["replica"]["status"] == checks["replica files"]["status"] == "ok"
    assert "cache redis://***@127.0.0.1:1/0, replica sqlite:" in checks["repository"]["text"]
    counts = json.loads(run("stats", "--json").out)
    assert counts["repository"]["cache"] == "redis://***@127.0.0.1:1/0"


@pytest.mark.skipif(os.name == "nt", reason="files have no such permissions there")
def test_settings_that_may_hold_a_password_are_for_their_owner_alone(run: Run, tmp_path: Path) -> None:
    done = run("init", "--cache", NOBODY)
    assert (tmp_path / "stat7.toml").stat().st_mode & 0o777 == 0o600
    assert "only you can read it" in done.text
    assert "hush" not in done.text
    before = os.umask(0o022)
    try:
        done = run("init", "--force", "--cache", "redis://localhost")
    finally:
        os.umask(before)
    assert (tmp_path / "stat7.toml").stat().st_mode & 0o777 == 0o644
    assert "only you" not in done.text


def test_a_replica_that_is_not_there_is_refused(run: Run) -> None:
    run("init")
    done = run("stats", "--store", "sqlite:stat7.db", "--replica", "sqlite:none.db")
    assert done.code == USAGE
    assert "the replica: there is no store at none.db" in done.err


def test_a_damaged_document_is_mended_by_a_command(run: Run, tmp_path: Path) -> None:
    from stat7.stores.sqlite import SQLiteStore
    from tests.stores.wrapped import damage

    for name in ("copy", "lib"):
        run("init", "--force", "--store", f"sqlite:{name}.db")
        address = run("put", "-", stdin=as_json()).out.decode().strip()
    whole = run("get", address, "--raw").out
    with SQLiteStore(tmp_path / "lib.db") as store:
        damage(store, address, b"garbage")
    assert run("get", address, "--raw").code != OK
    assert run("get", address, "--raw", "--store", "sqlite:lib.db", "--replica", "sqlite:copy.db").out == whole
    assert run("get", address, "--raw").out == whole
