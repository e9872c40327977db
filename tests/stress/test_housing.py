"""Where entities live while they are measured, and that nothing of them stays."""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from collections import namedtuple
from pathlib import Path

import pytest

from stat7.entity import Coordinates, Entity
from stat7.errors import ConfigError
from stat7.opening import open as open_repository
from stat7.stress import housing
from stat7.stress.housing import BYTES_PER_ENTITY, SPARE, Embedded, Given, given_location, make_folder, on_this_machine
from stat7.stress.plan import Mode
from stat7.stress.results import Verdict
from stat7.stress.runner import Settings, run
from stat7.stress.subject import Location
from stat7.stress.workers import WorkerFailed
from stat7.stress.workload import Workload

Usage = namedtuple("Usage", "total used free")


def disk(monkeypatch: pytest.MonkeyPatch, free: int) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda folder: Usage(10**12, 10**12 - free, free))


def test_each_scale_has_a_new_store_of_its_own(tmp_path: Path) -> None:
    embedded = Embedded(tmp_path)
    small, large = embedded.move_in(1000), embedded.move_in(2000)
    assert embedded.apart
    assert (small.held, large.held) == (0, 0)
    assert small.digests != large.digests
    assert small.new is not None
    assert not small.new.exists()
    with small.location.open() as repository:
        assert repository.store.count() == 0
    assert small.new.is_file()
    embedded.wrote(range(5))
    assert embedded.leave() == []


def test_a_folder_with_hostile_letters_holds_a_store(tmp_path: Path) -> None:
    place = tmp_path / ("50%25 of #them" if sys.platform == "win32" else "50%25 ? of #them")
    place.mkdir()
    room = Embedded(place).move_in(10)
    with room.location.open():
        assert (place / "scale-10" / "store.db") == room.new
        assert (place / "scale-10" / "store.db").is_file()


def test_a_given_store_grows_from_scale_to_scale(tmp_path: Path) -> None:
    given = Given(Location("sqlite:library.db"), Workload(7), tmp_path)
    small, large = given.move_in(1000), given.move_in(3000)
    assert not given.apart
    assert (small.held, large.held) == (0, 1000)
    assert small.digests == large.digests
    assert (small.new, large.new) == (None, None)


def test_a_scale_that_the_disk_cannot_hold_is_told_with_both_numbers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    disk(monkeypatch, 10_000_000 * BYTES_PER_ENTITY + SPARE - 1)
    reason = Embedded(tmp_path).lacks(10_000_000)
    assert reason is not None
    assert "20.5 GB" in reason
    assert Embedded(tmp_path).lacks(1_000_000) is None


def test_a_given_file_is_judged_by_its_own_disk_and_other_stores_are_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    disk(monkeypatch, 10**8)
    given = Given(Location(f"sqlite:{tmp_path / 'a.db'}"), Workload(7), tmp_path)
    assert given.lacks(1000) is not None
    assert Given(Location("memory:"), Workload(7), tmp_path).lacks(10**9) is None


def test_a_given_store_keeps_its_own_and_gives_up_what_was_added(tmp_path: Path) -> None:
    url = f"sqlite:{tmp_path / 'library.db'}"
    mine = Entity(id="hero/ada", entity_type="character", coordinates=Coordinates(realm="narrative"))
    with open_repository(url, files="memory:") as repository:
        repository.put(mine)
    mode = Mode("quick", (300,), 90.0, 0.1, 1000, 0.1, 0.2, workers=(2,))
    results = run(Settings(mode, given=given_location(url, None)))
    assert [test.why for test in results.tests if test.verdict is Verdict.INVALID] == []
    assert results.settings["notes"] == []
    assert results.settings["store"] == url
    with open_repository(url, files="memory:") as repository:
        assert repository.store.count() == 1
        assert repository.get(mine.address) == mine
        assert dict(repository.store.scan_heads(None, 100).items) == {"hero/ada": mine.address}


def test_what_could_not_be_removed_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def failing(*args: object, **options: object) -> None:
        raise WorkerFailed("worker 1 of 1 is gone")

    monkeypatch.setattr(housing, "run_together", failing)
    given = Given(Location("sqlite:library.db"), Workload(7, "stress/ab/"), tmp_path)
    assert given.leave() == []
    given.move_in(100)
    (note,) = given.leave()
    assert "stress/ab/" in note
    assert "worker 1 of 1 is gone" in note


def test_a_store_that_processes_cannot_share_is_refused() -> None:
    with pytest.raises(ConfigError, match="several processes"):
        given_location("memory:", None)
    with pytest.raises(ConfigError, match="unknown scheme"):
        given_location("punchcards:tray", None)


def test_the_temporary_folder_is_made_where_the_system_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    assert make_folder().parent == tmp_path


@pytest.mark.skipif(sys.platform == "win32", reason="/var/tmp is of Unix")
def test_a_temporary_folder_in_memory_is_avoided(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setattr(housing, "filesystem_of", lambda folder: "tmpfs")
    folder = make_folder()
    try:
        assert folder.parent == Path(os.sep, "var", "tmp")
    finally:
        folder.rmdir()


@pytest.mark.parametrize(
    ("store", "is_here"),
    [
        ("sqlite:library.db", True),
        ("postgresql://ada:secret@localhost:5432/library", True),
        ("postgresql://ada@db.example.org/library", False),
        ("postgresql://[::1]:5432/library", True),
        ("cassandra://127.0.0.1:9042,127.0.0.2:9042/library", True),
        ("cassandra://127.0.0.1:9042,10.0.0.2:9042/library", False),
    ],
)
def test_a_store_is_on_this_machine_if_all_its_hosts_are(store: str, is_here: bool) -> None:
    assert on_this_machine(store) is is_here
