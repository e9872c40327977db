"""An S3 server that is killed under load, whose disk is full, or whose disk damages what it holds."""

from __future__ import annotations

import os
import shutil
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import stat7
from stat7.address import digest
from stat7.errors import Corrupt, NotFound, StoreFull, Unavailable
from stat7.files.base import CHUNK, FileStore, StoredFile
from stat7.files.objects.storage import SINGLE
from stat7.files.objects.store import ObjectFiles
from stat7.testing.file_suite import content, flipped, read
from stat7.testing.servers import Bucket, S3Server, Server
from tests.files.buckets import SMALL, open_at

Set = Callable[[Bucket], None]
Start = Callable[[Server], Server]


class Load:
    """Writers and readers at work on one store until they are told to stop."""

    def __init__(self, store: FileStore) -> None:
        self.store = store
        self.acknowledged: dict[str, bytes] = {}
        self.errors: list[str] = []
        self.longest = 0.0
        self.done = 0
        self._stop = threading.Event()
        self._lock = threading.Lock()
        self._threads = [threading.Thread(target=self._work, args=(number,)) for number in range(6)]

    def __enter__(self) -> Load:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()

    def _work(self, number: int) -> None:
        turn = 0
        while not self._stop.is_set():
            turn += 1
            begin = time.monotonic()
            try:
                if number % 2:
                    self._read()
                else:
                    self._write(number, turn)
            except Unavailable as error:
                self.errors.append(str(error))
            with self._lock:
                self.done += 1
                self.longest = max(self.longest, time.monotonic() - begin)

    def _write(self, number: int, turn: int) -> None:
        data = content(SINGLE + CHUNK if turn % 10 == 0 else 400, seed=number * 100_000 + turn)
        self.acknowledged[self.store.put(data, sha256=digest(data) if turn % 20 == 0 else None).sha256] = data

    def _read(self) -> None:
        for name in [*self.acknowledged][-20:]:
            assert read(self.store, name) == self.acknowledged[name]


def wait_for(condition: Callable[[], bool]) -> None:
    """Until it holds, at most half a minute."""
    end = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.02)


def test_a_server_killed_under_load_and_started_again_loses_nothing(start_server: Start, set_up: Set) -> None:
    server = start_server(S3Server())
    assert isinstance(server, S3Server)
    bucket = server.bucket()
    set_up(bucket)
    store = open_at(bucket, "timeout=2&retry=0.5")
    store.put(SMALL)
    with Load(store) as load:
        for _ in range(2):
            before = len(load.acknowledged)
            wait_for(lambda: len(load.acknowledged) >= before + 15)  # noqa: B023 - called at once
            failed = len(load.errors)
            server.kill()
            wait_for(lambda: len(load.errors) >= failed + 6)  # noqa: B023 - called at once
            server.start()
        after = len(load.acknowledged)
        wait_for(lambda: len(load.acknowledged) >= after + 15)
    # Four seconds for the last try and its answer, PATIENCE times that while a file is on its way.
    assert load.longest < 30
    assert all(error.startswith("s3://") and len(error.splitlines()) == 1 for error in load.errors)
    for name, data in load.acknowledged.items():
        assert read(store, name) == data
    assert read(store, digest(SMALL)) == SMALL
    store.close()


@pytest.fixture
def small_disk(start_server: Start) -> Iterator[S3Server]:
    """A server whose buckets are on a disk of 24 MiB; needs the right to mount one."""
    mount, umount = shutil.which("mount"), shutil.which("umount")
    if mount is None or umount is None or not hasattr(os, "geteuid") or os.geteuid() != 0:
        pytest.skip("only root can mount a small disk")
    server = start_server(S3Server())
    assert isinstance(server, S3Server)
    folder = server.folder / "buckets"
    command = [mount, "-t", "tmpfs", "-o", "size=24m", "tmpfs", str(folder)]
    server.kill()
    if subprocess.run(command, check=False, capture_output=True).returncode != 0:
        pytest.skip("this machine lets nobody mount a small disk")
    try:
        yield server.start()
    finally:
        server.kill()
        subprocess.run([umount, str(folder)], check=True)


@pytest.mark.parametrize("given", [False, True], ids=["no digest", "digest given"])
def test_a_full_disk_of_the_server_is_one_clear_error(small_disk: S3Server, set_up: Set, given: bool) -> None:
    bucket = small_disk.bucket()
    set_up(bucket)
    store = open_at(bucket, "retry=0.5")
    kept = store.put(content(CHUNK)).sha256
    refused = 0
    for seed, size in enumerate((4 * CHUNK, 30 * CHUNK, *[4 * CHUNK] * 8)):
        data = content(size, seed=seed + 1)
        said = _refusal(store, data, given)
        if said is None:
            assert read(store, digest(data)) == data
            continue
        refused += 1
        assert said.startswith("s3://")
        assert len(said.splitlines()) == 1
        with pytest.raises(NotFound):
            store.open(digest(data))
    assert refused >= 3
    assert read(store, kept) == content(CHUNK)
    for item in store.scan(None, 100).items:
        assert isinstance(item, StoredFile)
        assert len(read(store, item.sha256)) == item.size
    store.close()


def _refusal(store: ObjectFiles, data: bytes, given: bool) -> str | None:
    try:
        store.put(data, sha256=digest(data) if given else None)
    except StoreFull as error:
        return str(error)
    return None


def _read_into(got: bytearray, store: ObjectFiles, name: str) -> None:
    for piece in store.open(name):
        got += piece


def _damaged(server: S3Server, bucket: Bucket, store: ObjectFiles, data: bytes, at: int) -> Path:
    path = server.stored(bucket, f"files/files/{store.put(data).sha256}")
    with path.open("r+b") as file:
        file.seek(at)
        file.write(flipped(data, at)[at : at + 1])
    return path


@pytest.mark.parametrize("at", [0, SINGLE - 1, SINGLE, 2 * SINGLE + 5, 3 * SINGLE - 1])
def test_a_flipped_byte_of_a_large_file_is_found_and_mended(
    s3_server: S3Server, s3_bucket: Bucket, set_up: Set, tmp_path: Path, at: int
) -> None:
    set_up(s3_bucket)
    store, data = open_at(s3_bucket), content(3 * SINGLE)
    path = _damaged(s3_server, s3_bucket, store, data, at)
    name, got = digest(data), bytearray()
    with pytest.raises(Corrupt):
        _read_into(got, store, name)
    # Whole chunks before the damaged one, and nothing of that.
    assert got == data[: len(got)]
    assert len(got) <= at // CHUNK * CHUNK
    with pytest.raises(Corrupt):
        store.open(name, at, at + 1)
    copy = f"sqlite:{tmp_path / 'copy.db'}"
    with stat7.open(copy, files=f"file:{tmp_path / 'copy'}") as other:
        other.files.put(data)
    with stat7.open("memory:", files=f"{s3_bucket.url}/files", replica=f"{copy},file:{tmp_path / 'copy'}") as repo:
        assert read(repo.files, name) == data
    assert path.read_bytes() == data
    assert read(store, name) == data
    store.close()
