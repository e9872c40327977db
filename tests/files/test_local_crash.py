"""LocalFiles in several processes at once, killed at any moment, and on a disk that is full."""

from __future__ import annotations

import os
import random
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from stat7.address import digest
from stat7.errors import Corrupt, StoreFull
from stat7.files.base import CHUNK, StoredFile
from stat7.files.local import LocalFiles
from stat7.testing.file_suite import FAR_FUTURE, content, read, scan_files

COMMON = """
import random, sys
from stat7.files.local import LocalFiles

def content(number, size):
    return random.Random(number).randbytes(size)

def blocks(data):
    for start in range(0, len(data), 100_000):
        yield data[start : start + 100_000]

store = LocalFiles(sys.argv[1])
"""
PUT_FOREVER = """
print("ready", flush=True)
number = 0
while True:
    store.put(blocks(content(number, 2_500_000 if number % 2 else 5_000)))
    print(number, flush=True)
    number += 1
"""
PUT_FORTY = """
print("ready", flush=True)
sys.stdin.readline()
for number in range(40):
    store.put(blocks(content(number, 1_500_000 if number % 8 == 0 else 3_000)))
"""
PUT_OVER_THE_LIMIT = """
import resource
from stat7.errors import Corrupt, StoreFull
resource.setrlimit(resource.RLIMIT_FSIZE, (1_000_000, 1_000_000))
try:
    store.put(blocks(content(1, 1_500_000)))
except StoreFull as error:
    print(error)
print(len(store.scan(None, 10).items), store.sweep(2**52), store.put(b"small").size)
"""


def start(script: str, folder: Path) -> subprocess.Popen[str]:
    """A process of its own that runs `script` over the store in `folder`."""
    command = [sys.executable, "-c", COMMON + script, str(folder)]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def made(number: int, size: int) -> bytes:
    """What the scripts call content."""
    return random.Random(number).randbytes(size)


def assert_sound(store: LocalFiles) -> list[str]:
    """Everything visible is whole, and what is not visible can be swept; the names."""
    names = [item.sha256 for item in scan_files(store) if isinstance(item, StoredFile)]
    for name in names:
        assert digest(read(store, name)) == name
        read(store, name, 0, 1)
    store.sweep(FAR_FUTURE)
    left = {path.name.removesuffix(".chunks") for path in store.folder.rglob("*") if path.is_file()}
    assert left == set(names)
    return names


def test_half_a_file_under_a_name_would_be_noticed(tmp_path: Path) -> None:
    store = LocalFiles(tmp_path / "files")
    name = store.put(content(CHUNK)).sha256
    assert assert_sound(store) == [name]
    os.truncate(store.folder / name[:2] / name, CHUNK // 2)
    with pytest.raises(Corrupt):
        assert_sound(store)


@pytest.mark.parametrize("attempt", range(5))
def test_a_process_killed_while_it_stores_leaves_only_whole_files(tmp_path: Path, attempt: int) -> None:
    with start(PUT_FOREVER, tmp_path / "files") as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        time.sleep(random.Random(attempt).uniform(0.01, 0.12))
        process.kill()
        acknowledged = [int(line) for line in process.stdout.read().splitlines() if line]
    store = LocalFiles(tmp_path / "files")
    names = assert_sound(store)
    for number in acknowledged:
        data = made(number, 2_500_000 if number % 2 else 5_000)
        assert digest(data) in names
        assert read(store, digest(data)) == data


def test_processes_that_store_the_same_bytes_do_each_other_no_harm(tmp_path: Path) -> None:
    processes = [start(PUT_FORTY, tmp_path / "files") for _ in range(2)]
    for process in processes:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
    for process in processes:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    for process in processes:
        process.communicate(timeout=60)
        assert process.returncode == 0
    store = LocalFiles(tmp_path / "files")
    expected = {digest(made(number, 1_500_000 if number % 8 == 0 else 3_000)) for number in range(40)}
    assert set(assert_sound(store)) == expected


@pytest.mark.skipif(os.name == "nt", reason="Windows has no limit on the size of a file")
def test_a_file_over_the_limit_of_the_system_is_refused_as_full(tmp_path: Path) -> None:
    with start(PUT_OVER_THE_LIMIT, tmp_path / "files") as process:
        told, _ = process.communicate(timeout=60)
    message, counts = told.splitlines()
    assert "free some space" in message
    assert counts == "0 0 5"


@contextmanager
def small_disk(folder: Path, size: int) -> Iterator[None]:
    """A file system of its own, of `size` bytes, on `folder`; skips the test where that is not allowed."""
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(folder)]
    try:
        subprocess.run(command, check=True, capture_output=True, timeout=30)
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("mounting a small file system is not allowed here")
    try:
        yield
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True, timeout=30)


def test_a_full_disk_refuses_and_keeps_what_it_has(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", 4 * CHUNK):
        store = LocalFiles(tmp_path / "disk" / "files")
        kept = store.put(content(CHUNK + 1)).sha256
        for source in (content(8 * CHUNK), content(3 * CHUNK)):
            with pytest.raises(StoreFull, match="free some space"):
                store.put([source])
            assert store.sweep(FAR_FUTURE) == 0
        assert assert_sound(store) == [kept]
        store.put(b"room for this")
        assert read(store, kept) == content(CHUNK + 1)
