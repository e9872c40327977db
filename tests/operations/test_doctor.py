"""doctor says ok of what is well and what to do of what isn't; a check that can't be made fails, the others go on."""

from __future__ import annotations

import json
from importlib import metadata
from pathlib import Path
from typing import Any, NoReturn

import pytest

import stat7
from stat7.contracts import Check
from stat7.errors import Unavailable
from stat7.operations import doctor
from stat7.operations.doctor import diagnose
from stat7.operations.resuming import MARK
from stat7.repository import Repository
from tests.repositories import (
    DAY_MS,
    Clock,
    Intercepted,
    age_file,
    make_repository,
    put_file,
    with_files,
    with_store,
)


def check(repo: Repository, name: str) -> Check:
    """The one check of this name."""
    (found,) = [check for check in diagnose(repo) if check.name == name]
    assert found.status in ("ok", "warn", "fail")
    assert found.text
    return found


def test_a_fresh_deployment_on_disk_is_well(tmp_path: Path) -> None:
    with make_repository("sqlite", tmp_path / "r") as repo:
        checks = diagnose(repo)
    assert {check.status for check in checks} <= {"ok", "warn"}
    assert {check.name for check in checks if check.status == "warn"} <= {"files space", "files system", "disk"}
    names = [check.name for check in checks]
    assert len(set(names)) == len(names)


def test_memory_is_warned_of(tmp_path: Path) -> None:
    with make_repository("memory", tmp_path) as repo:
        assert {check.name for check in diagnose(repo) if check.status == "warn"} == {"durability", "files"}


def test_versions_are_told(repo: Repository) -> None:
    assert stat7.__version__ in check(repo, "stat7").text
    assert "orjson" in check(repo, "packages").text
    assert metadata.version("orjson") in check(repo, "packages").text
    assert "numpy" not in check(repo, "packages").text, "extras are nobody's duty"


def test_a_package_that_is_missing_fails(repo: Repository, monkeypatch: pytest.MonkeyPatch) -> None:
    def version(name: str) -> str:
        if name == "rich":
            raise metadata.PackageNotFoundError(name)
        return "1"

    monkeypatch.setattr(metadata, "version", version)
    assert check(repo, "packages") == Check("packages", "fail", "not installed: rich; install them by pip")


def test_running_from_a_folder_is_told(repo: Repository, monkeypatch: pytest.MonkeyPatch) -> None:
    def requires(name: str) -> NoReturn:
        raise metadata.PackageNotFoundError(name)

    monkeypatch.setattr(metadata, "requires", requires)
    assert check(repo, "packages").status == "warn"


def test_a_writer_of_other_digits_fails(repo: Repository, monkeypatch: pytest.MonkeyPatch) -> None:
    assert check(repo, "canonical form").status == "ok"
    monkeypatch.setattr(doctor, "canonicalize", lambda value: json.dumps(value, sort_keys=True).encode())
    assert check(repo, "canonical form").status == "fail"


def test_a_clock_in_the_past_fails_and_one_behind_the_files_is_warned_of(tmp_path: Path) -> None:
    clock = Clock()
    with make_repository("sqlite", tmp_path / "r", clock) as repo:
        file = put_file(repo, b"data")
        assert check(repo, "clock").status == "ok"
        age_file(repo, file.sha256, -2 * DAY_MS)
        assert check(repo, "clock").status == "warn"
        assert "gc" in check(repo, "clock").text
        clock.ahead_ms = -20 * 365 * DAY_MS
        assert check(repo, "clock").status == "fail"


def test_a_copy_that_was_cut_off_is_told(repo: Repository) -> None:
    assert check(repo, "copies").status == "ok"
    repo.store.set_mark(MARK, json.dumps({"source": "0123", "stage": "documents", "cursor": "x"}))
    assert check(repo, "copies").status == "warn"
    assert "documents" in check(repo, "copies").text
    repo.store.set_mark(MARK, "nonsense")
    assert check(repo, "copies").status == "warn"


def test_a_store_that_is_down_fails_its_checks_and_the_others_are_made(repo: Repository) -> None:
    class Down(Intercepted):
        def diagnose(self) -> Any:
            raise Unavailable("the server can't be reached")

        marks = diagnose

    down = with_store(repo, Down(repo.store))
    assert check(down, "store") == Check("store", "fail", "the server can't be reached")
    assert check(down, "copies").status == "fail"
    assert check(down, "clock").status == "ok"


def test_stores_without_a_diagnosis_are_judged_by_what_is_known(repo: Repository) -> None:
    class Silent(Intercepted):
        diagnose = None

    silent = with_files(with_store(repo, Silent(repo.store)), Silent(repo.files))
    durable = repo.files.durable
    for name in ("store", "files"):
        assert check(silent, name).status == ("ok" if durable else "warn")
