"""From one kind of store to the next and back: the same contents, the same answers, whatever breaks a copy off."""

from __future__ import annotations

import json
import random
import subprocess
import sys
import time
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import pytest

import stat7
from stat7.address import digest as sha256_of
from stat7.coordinates import HORIZONS, real
from stat7.files.base import StoredFile
from stat7.operations.copy import copy
from stat7.operations.digest import Digests, digest
from stat7.operations.verify import verify
from stat7.record import Attachment, Record
from stat7.repository import Repository
from stat7.testing.samples import HOSTILE_IDS, REALMS, TYPES, chain, random_queries, sample
from stat7.testing.servers import Bucket

ENTITIES = 10_000
KILLS = 10


def _records(source: random.Random, files: list[Attachment]) -> list[Record]:
    """Entities all over the coordinates, some with files, some with a history."""
    histories = [version for number in range(300) for version in chain(f"history/{number}", 5)]
    plain = ENTITIES - len(histories)
    return histories + [
        sample(
            f"{source.choice(HOSTILE_IDS)[:60]}{number}",
            entity_type=source.choice(TYPES),
            realm=source.choice(REALMS),
            lineage=source.randrange(30),
            horizon=source.choice(HORIZONS),
            adjacency=source.sample(HOSTILE_IDS, source.choice((0, 0, 1, 3))),
            resonance=real(source.randint(-(10**8), 10**8)),
            velocity=real(source.randint(-(10**8), 10**8)),
            density=real(source.randint(0, 10**8)),
            files=source.sample(files, source.choice((1, 2))) if number % 20 == 0 else [],
        )
        for number in range(plain)
    ]


def _fill(repo: Repository) -> list[Record]:
    """Store ENTITIES entities with histories and files, and withdraw a few of each; all the records."""
    source = random.Random(20)
    contents = [source.randbytes(size) for size in (0, 1, 400, 70_000, 2_500_000, *(3_000 + n for n in range(25)))]
    files = [
        Attachment(f"{n}.bin", "application/octet-stream", len(data), sha256_of(data))
        for n, data in enumerate(contents)
    ]
    for data in contents:
        repo.put_file(data)
    records = _records(source, files)
    assert all(result.error is None for result in repo.put_many(records))
    withdrawn = [*source.sample([record.address for record in records], 40), "0" * 64]
    repo.withdraw(withdrawn, case="case 7", reason="by request")
    repo.withdraw_files([files[3].sha256, files[7].sha256, "1" * 64], case="case 8", reason="by request")
    return records


def travel(*journey: tuple[str, str]) -> None:
    """Fill the first of these stores, and copy from each to the next; at every stop there is the same."""
    repos = [stat7.open(store, files=files) for store, files in journey]
    records = _fill(repos[0])
    queries = random_queries(5, 50, records)

    def answers(repo: Repository) -> list[list[str]]:
        return [sorted(repo.find_addresses(query, allow_scan=True)) for query in queries]

    expected = answers(repos[0])
    assert sum(map(bool, expected)) > 25
    digests: list[Digests | None] = [digest(repos[0])]
    for source, target in pairwise(repos):
        result = copy(source, target, verify=True)
        assert result.ok, result
        digests.append(result.target)
        assert answers(target) == expected
        assert verify(target).findings == 0
    assert digests == [digests[0]] * len(journey)
    for repo in repos:
        repo.close()


@pytest.fixture
def buckets(
    s3_bucket: Bucket, gcs_bucket: Bucket, azure_bucket: Bucket, monkeypatch: pytest.MonkeyPatch
) -> tuple[str, str, str]:
    """URLs of an empty bucket of each kind, with their credentials in the environment."""
    for bucket in (s3_bucket, gcs_bucket, azure_bucket):
        for name, value in bucket.environment.items():
            monkeypatch.setenv(name, value)
    return s3_bucket.url, gcs_bucket.url, azure_bucket.url


def test_everything_survives_a_journey_through_all_stores(
    tmp_path: Path, postgres_url: str, buckets: tuple[str, str, str]
) -> None:
    s3, gcs, azure = buckets
    travel(
        (f"sqlite:{tmp_path / 'first.db'}", f"file:{tmp_path / 'first'}"),
        (postgres_url, s3),
        ("memory:journey", gcs),
        (f"sqlite:{tmp_path / 'fourth.db'}", azure),
        (f"sqlite:{tmp_path / 'last.db'}", f"file:{tmp_path / 'last'}"),
    )


def _kill(words: list[str], begun: Callable[[], bool], source: random.Random) -> bool:
    """Start a command and kill it a moment after it has begun its work; whether that was in its midst."""
    process = subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    end = time.monotonic() + 60
    while process.poll() is None and not begun() and time.monotonic() < end:
        time.sleep(0.005)
    time.sleep(source.uniform(0, 0.4))
    process.kill()
    return process.wait(timeout=30) != 0


def test_a_copy_to_servers_killed_ten_times_ends_with_equal_digests(
    tmp_path: Path, postgres_url: str, buckets: tuple[str, str, str]
) -> None:
    origin = (f"sqlite:{tmp_path / 'origin.db'}", f"file:{tmp_path / 'origin'}")
    with stat7.open(origin[0], files=origin[1]) as repo:
        _fill(repo)
        expected = digest(repo)
        full = repo.store.count() + sum(isinstance(item, StoredFile) for item in repo.files.scan(None, 1000).items)
    words = [sys.executable, "-m", "stat7", "copy", "--json", ",".join(origin), f"{postgres_url},{buckets[0]}"]
    source = random.Random(3)
    with stat7.open(postgres_url, files=buckets[0]) as target:

        def more() -> Callable[[], bool]:
            """Whether more is stored by then than now; once everything is, whether some time has passed."""

            def count() -> int:
                return target.store.count() + len(target.files.scan(None, 1000).items)

            now, before = time.monotonic(), count()
            return lambda: count() != before or time.monotonic() > now + (0.6 if before >= full else 60)

        midst = sum(_kill(words, more(), source) for _ in range(KILLS))
        assert midst >= KILLS // 2, "most ended before they could be killed"
        done = subprocess.run([*words, "--verify"], capture_output=True, check=True)
        assert json.loads(done.stdout)["verified"] is True
        assert digest(target) == expected
