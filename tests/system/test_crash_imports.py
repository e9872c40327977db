"""Imports and copies killed at random moments and run again to the end leave what an undisturbed run leaves."""

from __future__ import annotations

import json
import random
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from stat7.files.local import LocalFiles
from stat7.operations.digest import digest
from stat7.operations.verify import verify
from stat7.repository import Repository
from stat7.stores.sqlite import SQLiteStore
from stat7.testing.samples import chain, samples

KILLS = 6


def command(*words: str | Path) -> list[str]:
    """stat7 with these arguments, as a process of its own."""
    return [sys.executable, "-m", "stat7", *map(str, words)]


def places(folder: Path) -> list[str]:
    """The options that name the stores in `folder`."""
    return ["--store", f"sqlite:{folder / 'store.db'}", "--files", f"file:{folder / 'files'}"]


def opened(folder: Path) -> Repository:
    """The repository there."""
    return Repository(SQLiteStore(folder / "store.db"), LocalFiles(folder / "files"))


def finish(words: Sequence[str]) -> dict[str, Any]:
    """Run a command to its end; the counts that it ends with."""
    done = subprocess.run(words, capture_output=True, check=True)
    counts: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return counts


def kill_at_random_moments(words: Sequence[str], seconds: float, folder: Path, seed: int) -> int:
    """Run a command KILLS times, killing it at random moments of the `seconds` that it takes.

    Every other time not before it has stored something in `folder`. Returns how often it was killed in the midst of its
    work: it had stored something, and wasn't done.
    """
    source = random.Random(seed)
    midst = 0
    for number in range(KILLS):
        with opened(folder) as repo:
            before = stored(repo)
            process = subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            if number % 2:
                time.sleep(source.uniform(0.05, 0.7) * seconds)
            else:
                while process.poll() is None and stored(repo) == before:
                    time.sleep(0.002)
                time.sleep(source.uniform(0.0, 0.1) * seconds)
            process.kill()
            midst += process.wait(timeout=30) != 0 and stored(repo) > before
    return midst


def stored(repo: Repository) -> int:
    """The documents and files in a repository."""
    return repo.store.count() + len(repo.files.scan(None, 100_000).items)


def undisturbed(words: Callable[[Path], list[str]], folder: Path) -> tuple[float, dict[str, Any]]:
    """Run a command in a folder of its own: the seconds that it takes, and its counts."""
    folder.mkdir()
    begun = time.monotonic()
    counts = finish(words(folder))
    return time.monotonic() - begun, counts


def assert_same(folder: Path, expected: Path) -> None:
    """Nothing is wrong in `folder`, and it holds what `expected` holds, each thing once."""
    with opened(folder) as repo, opened(expected) as other:
        findings: list[object] = []
        result = verify(repo, on_finding=lambda finding, repaired: findings.append(finding))
        assert findings == []
        assert result == verify(other)
        assert digest(repo) == digest(other)


def test_killed_imports_of_entities_are_completed_by_running_them_again(tmp_path: Path) -> None:
    given = tmp_path / "entities.ndjson"
    histories = [chain(f"chain {number}", 25) for number in range(200)]
    # The versions of an id lie far apart, so that no batch holds a whole history.
    records = [*samples(3_000), *(history[age] for age in range(25) for history in histories), *samples(7_000, "last")]
    given.write_bytes(b"".join(record.document + b"\n" for record in records))

    def words(folder: Path) -> list[str]:
        return command("import", "entities", given, "--json", *places(folder))

    whole = tmp_path / "whole"
    seconds, counts = undisturbed(words, whole)
    assert counts["new"] == len(records)
    folder = tmp_path / "killed"
    folder.mkdir()
    assert kill_at_random_moments(words(folder), seconds, folder, seed=1) > 0, "none was killed in its midst"
    finish(words(folder))
    assert_same(folder, whole)
    assert finish(words(folder))["existed"] == len(records)


def test_killed_imports_of_files_are_completed_by_running_them_again(tmp_path: Path) -> None:
    tree = tmp_path / "tree"
    source = random.Random(2)
    for number in range(200):
        path = tree / f"folder {number % 20}" / f"file {number}.bin"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(source.randbytes(source.choice((0, 10, 5_000, 50_000))))

    def words(folder: Path) -> list[str]:
        return command("import", "files", tree, "--json", *places(folder))

    whole = tmp_path / "whole"
    seconds, counts = undisturbed(words, whole)
    assert counts["new"] == 200
    folder = tmp_path / "killed"
    folder.mkdir()
    assert kill_at_random_moments(words(folder), seconds, folder, seed=3) > 0, "none was killed in its midst"
    finish(words(folder))
    assert_same(folder, whole)
    # What the killed ones were about to store is swept away, and nothing else.
    finish(command("gc", "--grace", "0s", "--offline", "--json", *places(folder)))
    assert_same(folder, whole)
    assert [path.name for path in (folder / "files").iterdir() if path.is_file()] == []


def test_killed_copies_are_completed_by_running_them_again(tmp_path: Path) -> None:
    origin = tmp_path / "origin"
    origin.mkdir()
    with opened(origin) as repo:
        repo.put_many([*samples(9_000), *(version for n in range(50) for version in chain(f"chain {n}", 20))])
        repo.withdraw([chain("chain 3", 20)[4].address, "0" * 64], case="1", reason="r")

    def words(folder: Path) -> list[str]:
        pairs = [f"sqlite:{where / 'store.db'},file:{where / 'files'}" for where in (origin, folder)]
        return command("copy", "--json", *pairs)

    seconds, counts = undisturbed(words, tmp_path / "whole")
    assert counts["documents_new"] == 9_999
    folder = tmp_path / "killed"
    folder.mkdir()
    assert kill_at_random_moments(words(folder), seconds, folder, seed=4) > 0, "none was killed in its midst"
    counts = finish([*words(folder), "--verify"])
    assert counts["verified"] is True
    assert_same(folder, origin)
