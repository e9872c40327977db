"""gc deletes what nothing names, once it is old enough, and nothing else, whatever happens meanwhile."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

import pytest

from stat7 import paging
from stat7.errors import ConfigError, InvalidEntity
from stat7.files.base import StoredFile
from stat7.files.local import LocalFiles
from stat7.operations.gc import DEFAULT_GRACE_MS, LEAST_GRACE_MS, collect
from stat7.repository import Repository
from stat7.testing.samples import sample
from tests.repositories import (
    DAY_MS,
    Clock,
    Intercepted,
    age_file,
    make_repository,
    put_file,
    put_new,
    with_files,
    with_store,
)


def aged(repo: Repository, data: bytes, days: float) -> str:
    """A file that nothing names, of this age; its SHA-256."""
    sha256 = put_file(repo, data).sha256
    age_file(repo, sha256, round(days * DAY_MS))
    return sha256


def stored(repo: Repository) -> set[str]:
    """The files that are stored."""
    return {item.sha256 for item in repo.files.scan(None, 10_000).items if isinstance(item, StoredFile)}


def test_only_old_files_that_nothing_names_are_deleted(repo: Repository) -> None:
    old, young = aged(repo, b"old", 8), aged(repo, b"young", 6)
    named = put_file(repo, b"named")
    put_new(repo, [sample("x", files=[named])])
    age_file(repo, named.sha256, 100 * DAY_MS)
    seen: list[StoredFile] = []
    result = collect(repo, on_file=seen.append)
    assert stored(repo) == {young, named.sha256}
    assert [file.sha256 for file in seen] == [old]
    assert result.as_dict() == {"files": 3, "deleted": 1, "deleted_bytes": 3, "leftovers": 0, "compacted_bytes": 0}


def test_old_versions_name_their_files_too_and_withdrawn_ones_do_not(repo: Repository) -> None:
    old, withdrawn = put_file(repo, b"old version"), put_file(repo, b"withdrawn")
    first = sample("x", files=[old])
    second = sample("x", files=[withdrawn], previous=first.address)
    put_new(repo, [first, second, sample("x", previous=second.address)])
    repo.withdraw([second.address], case="1", reason="r")
    for file in (old, withdrawn):
        age_file(repo, file.sha256, 8 * DAY_MS)
    collect(repo)
    assert stored(repo) == {old.sha256}


def test_a_dry_run_lists_and_deletes_nothing(repo: Repository) -> None:
    old = aged(repo, b"old", 8)
    seen: list[StoredFile] = []
    result = collect(repo, dry_run=True, compact=True, on_file=seen.append)
    assert [file.sha256 for file in seen] == [old]
    assert (result.deleted, result.deleted_bytes) == (1, 3)
    assert stored(repo) == {old}


@pytest.mark.parametrize("grace_ms", [0, DAY_MS, LEAST_GRACE_MS - 1])
def test_a_grace_under_two_days_is_refused_unless_offline(repo: Repository, grace_ms: int) -> None:
    aged(repo, b"old", 8)
    with pytest.raises(ConfigError, match="--offline"):
        collect(repo, grace_ms=grace_ms)
    assert len(stored(repo)) == 1
    assert collect(repo, grace_ms=grace_ms, offline=True).deleted == 1


def test_a_negative_grace_is_refused_even_offline(repo: Repository) -> None:
    with pytest.raises(ConfigError, match="negative"):
        collect(repo, grace_ms=-1, offline=True)


def test_two_days_are_enough_and_seven_the_rule(repo: Repository) -> None:
    aged(repo, b"old", 3)
    assert collect(repo).deleted == 0
    assert DEFAULT_GRACE_MS == 7 * DAY_MS
    assert collect(repo, grace_ms=LEAST_GRACE_MS).deleted == 1


def test_the_time_is_that_of_the_repositorys_clock(tmp_path: Path) -> None:
    clock = Clock()
    with make_repository("memory", tmp_path, clock) as repo:
        put_file(repo, b"data")
        assert collect(repo).deleted == 0
        clock.ahead_ms = 8 * DAY_MS
        assert collect(repo).deleted == 1


def test_a_file_renewed_after_it_was_listed_is_spared(repo: Repository) -> None:
    old = aged(repo, b"old", 8)

    class Renewing(Intercepted):
        """Somebody is about to name the file: renews it, and has not stored the document yet."""

        def named_files(self, names: Sequence[str]) -> set[str]:
            named: set[str] = self.inner.named_files(names)
            repo.files.refresh(names)
            return named

    seen: list[StoredFile] = []
    result = collect(with_store(repo, Renewing(repo.store)), on_file=seen.append)
    assert (result.deleted, seen) == (0, [])
    assert stored(repo) == {old}


def test_leftovers_of_interrupted_puts_go_once_they_are_old(tmp_path: Path) -> None:
    clock = Clock()
    with make_repository("sqlite", tmp_path / "r", clock) as repo:
        put_file(repo, b"data")
        assert isinstance(repo.files, LocalFiles)
        leftover = repo.files.folder / "incoming-0123456789abcdef"
        leftover.write_bytes(b"half a file")
        assert collect(repo).leftovers == 0
        clock.ahead_ms = 8 * DAY_MS
        assert collect(repo, dry_run=True).leftovers == 0
        assert leftover.exists()
        assert collect(repo).leftovers == 1
        assert not leftover.exists()


def test_compact_gives_freed_space_back_and_erases_withdrawn_bytes(tmp_path: Path) -> None:
    secret = "a secret that must not stay on the disk"
    with make_repository("sqlite", tmp_path / "r") as repo:
        records = [sample(f"x{n}", state={"text": f"{secret} {n}" * 100}) for n in range(200)]
        put_new(repo, records)
        repo.withdraw([record.address for record in records], case="1", reason="r")
        result = collect(repo, compact=True)
        assert result.compacted_bytes > 100_000
        left = b"".join(path.read_bytes() for path in (tmp_path / "r").iterdir() if path.is_file())
        assert secret.encode() not in left


def test_pages_of_files_are_all_looked_at(repo: Repository, monkeypatch: pytest.MonkeyPatch) -> None:
    names = {aged(repo, bytes([number]), 8) for number in range(10)}
    monkeypatch.setattr("stat7.operations.gc.NAMES", 3)
    assert paging.NAMES > 3
    seen: list[tuple[str, int, int | None]] = []
    result = collect(repo, report=lambda *told: seen.append(told))
    assert result.deleted == len(names)
    assert seen == [("files", 3, None), ("files", 6, None), ("files", 9, None), ("files", 10, None)]


def test_withdrawn_files_are_no_garbage(repo: Repository) -> None:
    file = put_file(repo, b"data")
    repo.withdraw_files([file.sha256], case="1", reason="r")
    assert collect(repo, grace_ms=0, offline=True).files == 0
    with pytest.raises(Exception, match="case 1"):
        repo.stat_file(file.sha256)


def test_gc_racing_puts_never_leaves_an_acknowledged_document_without_its_file(repo: Repository) -> None:
    data = b"old, and wanted again"
    stop = threading.Event()
    errors: list[BaseException] = []

    def sweep() -> None:
        try:
            while not stop.is_set():
                collect(repo)
        except BaseException as error:
            errors.append(error)

    collector = threading.Thread(target=sweep)
    collector.start()
    acknowledged = 0
    try:
        for number in range(100):
            file = put_file(repo, data)
            with suppress(KeyError, FileNotFoundError):
                age_file(repo, file.sha256, 9 * DAY_MS)
            record = sample(f"x{number}", files=[file])
            with suppress(InvalidEntity):
                repo.put(record)
                acknowledged += 1
                assert repo.stat_file(file.sha256).size == len(data)
            repo.withdraw([record.address], case="1", reason="r")
    finally:
        stop.set()
        collector.join(timeout=60)
    assert errors == []
    assert acknowledged > 0


def test_files_in_another_store_than_memory_are_deleted_in_batches(repo: Repository) -> None:
    calls: list[int] = []

    class Counting(Intercepted):
        def delete(self, names: Sequence[str], older_than: int | None = None) -> set[str]:
            calls.append(len(names))
            deleted: set[str] = self.inner.delete(names, older_than)
            return deleted

    for number in range(20):
        aged(repo, bytes([number]), 8)
    assert collect(with_files(repo, Counting(repo.files))).deleted == 20
    assert calls == [20]
