"""Imports killed at any moment: run again to the end, everything is there once, and nothing is broken."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from stat7.importers.entities import read_entities
from stat7.importers.files import read_files
from stat7.operations.verify import verify
from stat7.testing.samples import sample
from tests.importers.support import imported
from tests.importers.test_tree import make
from tests.repositories import make_repository

COUNT = 3000

IMPORT = """
import sys
from pathlib import Path
from stat7.files.local import LocalFiles
from stat7.importers.base import run
from stat7.importers.entities import read_entities
from stat7.importers.files import read_files
from stat7.repository import Repository
from stat7.stores.sqlite import SQLiteStore

folder, source = map(Path, sys.argv[1:])
folder.mkdir(exist_ok=True)
repo = Repository(SQLiteStore(folder / "store.db"), LocalFiles(folder / "files"))
items = read_files(repo, source) if source.is_dir() else read_entities(source)
print("ready", flush=True)
run(repo, items, on_problem=lambda problem: None, batch=100)
"""


def killed_after(seconds: float, folder: Path, source: Path) -> bool:
    """Import in another process and kill it after this time; whether it was still running."""
    command = [sys.executable, "-c", IMPORT, str(folder), str(source)]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"ready\n" or process.stdout.readline() == b"ready\r\n"
        time.sleep(seconds)
        process.kill()
        return process.wait() != 0


def check(folder: Path, source: Path, count: int) -> None:
    with make_repository("sqlite", folder) as repo:
        items = read_files(repo, source) if source.is_dir() else read_entities(source)
        done = imported(repo, items)
        assert done.problems == []
        assert done.summary.read == count
        assert repo.store.count() == count
        findings: list[object] = []
        result = verify(repo, on_finding=lambda *finding: findings.append(finding))
        assert (result.entities, findings) == (count, [])


@pytest.mark.parametrize("seed", range(3))
def test_an_import_of_entities_that_is_killed_is_completed_by_repeating_it(tmp_path: Path, seed: int) -> None:
    source = tmp_path / "all.ndjson"
    source.write_bytes(b"\n".join(sample(f"id {number}").document for number in range(COUNT)))
    chance = random.Random(seed)
    killed = [killed_after(chance.uniform(0, 0.15), tmp_path / "library", source) for _ in range(2)]
    assert any(killed)
    check(tmp_path / "library", source, COUNT)


def test_an_import_of_files_that_is_killed_is_completed_by_repeating_it(tmp_path: Path) -> None:
    source = tmp_path / "tree"
    make(source, *(f"{number % 7}/{number}" for number in range(120)))
    killed = [killed_after(seconds, tmp_path / "library", source) for seconds in (0.02, 0.06)]
    assert any(killed)
    check(tmp_path / "library", source, 120)


@pytest.mark.skipif(os.name != "posix", reason="needs signals")
def test_an_import_that_is_interrupted_from_the_keyboard_leaves_nothing_broken(tmp_path: Path) -> None:
    source = tmp_path / "all.ndjson"
    source.write_bytes(b"\n".join(sample(f"id {number}").document for number in range(COUNT)))
    command = [sys.executable, "-c", IMPORT, str(tmp_path / "library"), str(source)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"ready\n"
        time.sleep(0.05)
        process.send_signal(signal.SIGINT)
        _, complaint = process.communicate()
        assert process.returncode == 0 or b"KeyboardInterrupt" in complaint
    check(tmp_path / "library", source, COUNT)
