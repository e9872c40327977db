"""A PostgreSQL server whose disk is full: one clear error, nothing half-written, and it goes on once there is space."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import stat7
from stat7.errors import StoreFull
from stat7.operations.verify import verify
from stat7.putting import Status
from stat7.record import Record
from stat7.repository import Repository
from stat7.testing.samples import sample
from stat7.testing.servers import PostgreSQL
from stat7.testing.servers.base import unprivileged
from stat7.testing.store_suite import check_all

SIZE = 64 << 20
BALLAST = 16 << 20
STORY = "the keeper of the gate counts the carts that pass, "


@pytest.fixture
def small_disk() -> Iterator[Path]:
    """The folder of a file system of its own, of SIZE bytes; skips where none can be made."""
    if not sys.platform.startswith("linux") or os.geteuid() != 0:
        pytest.skip("only root on Linux can make a small file system")
    folder = Path(tempfile.mkdtemp(prefix="stat7-small-disk-"))
    command = ["mount", "-t", "tmpfs", "-o", f"size={SIZE},mode=755", "tmpfs", str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    try:
        if done.returncode:
            pytest.skip(f"a small file system can't be mounted here: {done.stderr.strip()}")
        try:
            yield folder
        finally:
            subprocess.run(["umount", str(folder)], check=True)
    finally:
        folder.rmdir()


def _database_on(server: PostgreSQL, disk: Path) -> str:
    """The URL of a database whose tables, temporary ones too, lie on this disk."""
    place = disk / "tables"
    place.mkdir()
    user = unprivileged()
    assert user is not None
    shutil.chown(place, user)
    server.execute(f"CREATE TABLESPACE small LOCATION '{place}'")
    server.execute("CREATE DATABASE small TABLESPACE small")
    # A new database's own tables are files with holes, which would need space later on, whoever reads by then.
    server.execute("CHECKPOINT")
    return server.url("small")


def _batch(number: int) -> list[Record]:
    return [sample(f"{number}/{each}", state={"story": STORY * 160}) for each in range(200)]


def _put_all(repo: Repository, records: list[Record]) -> StoreFull | None:
    """Put them as one batch: all are stored, or none, for one and the same reason."""
    results = repo.put_many([record.document for record in records])
    if all(result.status is Status.NEW for result in results):
        return None
    assert {result.status for result in results} == {Status.UNAVAILABLE}
    errors = {result.error for result in results}
    assert len(errors) == 1
    error = errors.pop()
    assert isinstance(error, StoreFull)
    return error


def test_a_full_disk_is_one_clear_error_and_used_again_when_there_is_space(
    small_disk: Path, start_server: Callable[[PostgreSQL], PostgreSQL], tmp_path: Path
) -> None:
    server = start_server(PostgreSQL())
    url = _database_on(server, small_disk)
    ballast = small_disk / "ballast"
    ballast.write_bytes(bytes(BALLAST))
    with stat7.open(url, files=f"file:{tmp_path / 'files'}") as repo:
        stored: list[Record] = []
        error = None
        for number in range(200):
            batch = _batch(number)
            begun = time.monotonic()
            error = _put_all(repo, batch)
            if error is not None:
                break
            stored += batch
        assert error is not None
        assert time.monotonic() - begun < 20
        large = sample("large", state={"story": STORY * 4_900})
        one, alone = _put_singly(repo, stored)
        for text in (str(error), str(alone)):
            assert len(text.splitlines()) == 1
            assert "no disk space left" in text
            assert "nothing of this call was stored, free some space" in text
        _assert_holds(repo, stored)

        ballast.unlink()
        assert _put_all(repo, batch) is None
        repo.put(one.document)
        repo.put(large.document)
        _assert_holds(repo, [*stored, *batch, one, large])


def _put_singly(repo: Repository, stored: list[Record]) -> tuple[Record, StoreFull]:
    """Put one large document after the other until the disk is full: which one didn't fit, and what was said."""
    for number in range(300):
        one = sample(f"single/{number}", state={"story": STORY * 4_900})
        try:
            repo.put(one.document)
        except StoreFull as error:
            return one, error
        stored.append(one)
    raise AssertionError("the disk is larger than it should be")


def _assert_holds(repo: Repository, records: list[Record]) -> None:
    """Exactly these documents, each the head of its id, and nothing wrong with any of it."""
    result = verify(repo)
    assert (result.entities, result.heads, result.findings, result.notes) == (len(records), len(records), 0, 0)
    assert check_all(repo.store) == []
    for start in range(0, len(records), 500):
        part = records[start : start + 500]
        assert repo.store.heads([each.id for each in part]) == {each.id: each.address for each in part}
