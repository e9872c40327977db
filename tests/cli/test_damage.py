"""Damage and a full disk, told once and with what to do about it."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import apsw
import pytest

from stat7.errors import StoreFull
from tests.cli.conftest import Run, as_json


def _change(path: Path, statement: str) -> None:
    with closing(apsw.Connection(str(path))) as raw:
        raw.execute(statement).fetchall()


def test_an_import_into_a_full_store_says_so_once(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(self: object, *rest: object) -> None:
        raise StoreFull("no room left; free some disk space")

    run("init")
    lines = b"\n".join(as_json(id=f"hero/{number}") for number in range(50))
    with monkeypatch.context() as patched:
        patched.setattr("stat7.stores.sqlite.SQLiteStore.put", full)
        done = run("import", "entities", "-", stdin=lines)
    assert done.code == 6
    assert done.err.splitlines() == ["stat7: no room left; free some disk space"]
    assert run("import", "entities", "-", stdin=lines).lines == ["50 read, 50 new"]


def test_verify_says_what_to_do_about_damage(run: Run, tmp_path: Path) -> None:
    store = tmp_path / "stat7.db"
    run("put", "-", stdin=as_json())
    run("copy", "sqlite:stat7.db", "sqlite:copy.db")
    _change(store, "DELETE FROM links")
    done = run("verify")
    assert done.code == 5
    assert "--repair" in done.err
    assert run("verify", "--repair").code == 0
    assert run("verify").code == 0
    _change(store, "UPDATE documents SET document = x'7b'")
    done = run("verify", "--repair")
    assert done.code == 5
    assert "--repair-from" in done.err
    assert run("verify", "--repair-from", "sqlite:copy.db").code == 0
    assert run("verify").code == 0


def test_what_can_not_be_mended_in_place_is_said_to_be(run: Run, tmp_path: Path) -> None:
    run("put", "-", stdin=as_json())
    _change(tmp_path / "stat7.db", "UPDATE documents SET document = x'7b'")
    run("init", "--store", "sqlite:empty.db", "--force")
    done = run("verify", "--store", "sqlite:stat7.db", "--repair-from", "sqlite:empty.db")
    assert done.code == 5
    assert "stat7 copy" in done.err
