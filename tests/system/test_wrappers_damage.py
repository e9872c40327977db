"""Damage below a repository that `stat7.open` opened with all its options, on PostgreSQL, S3 and Redis, with a replica
on this machine: it is noticed, what is damaged never leaves, and what the replica has is mended.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

import stat7
from stat7.errors import Corrupt, Gone
from stat7.metrics import Metrics
from stat7.record import Record
from stat7.repository import Repository
from stat7.stores.cached import LEASE_SECONDS
from stat7.testing.repositories import put_new
from stat7.testing.samples import notice, sample, samples
from stat7.testing.servers import Bucket
from tests.files.buckets import BelowObstore, prefix_of
from tests.stores.caching import documents_in, overwrite
from tests.stores.wrapped import damage
from tests.system.test_wrappers_suites import connect_below, damage_row

Open = Callable[..., Repository]

IMPOSTOR = sample("an impostor").document


@pytest.fixture
def records() -> list[Record]:
    """What the repository and its replica hold."""
    return samples(20)


@pytest.fixture
def copy(tmp_path: Path, records: list[Record]) -> Iterator[Repository]:
    """The replica, with the records and one file."""
    with stat7.open(f"sqlite:{tmp_path / 'copy.db'}") as repo:
        put_new(repo, records)
        repo.put_file(b"bytes")
        yield repo


@pytest.fixture
def open_all(
    postgres_url: str, redis_url: str, s3_bucket: Bucket, copy: Repository, tmp_path: Path,
    records: list[Record], monkeypatch: pytest.MonkeyPatch,
) -> Iterator[Open]:  # fmt: skip
    """Opens the repository, whose cache is in use from the first read on; other options as given."""
    for name, value in s3_bucket.environment.items():
        monkeypatch.setenv(name, value)
    places = {"files": s3_bucket.url, "cache": f"{redis_url}?timeout=2", "replica": f"sqlite:{tmp_path / 'copy.db'}"}
    with ExitStack() as repositories:

        def open_one(**options: str | None) -> Repository:
            chosen = {**places, **options}
            return repositories.enter_context(stat7.open(postgres_url, metrics=Metrics(), **chosen))  # type: ignore[arg-type]

        first = open_one()
        put_new(first, records)
        first.put_file(b"bytes")
        # This begins the first generation of the cache, which is used when the lease is over.
        first.store.get(["0" * 64])
        time.sleep(LEASE_SECONDS)
        yield open_one


def row(repo: Repository, record: Record) -> bytes:
    """The document as it stands in its row."""
    with connect_below(repo.store) as raw:
        found = raw.execute("SELECT document FROM entities WHERE address = %s", (bytes.fromhex(record.address),))
        (document,) = found.fetchone() or (b"",)
        assert isinstance(document, bytes)
        return document


def mended(repo: Repository) -> int:
    """Documents that were written back."""
    count: int = repo.store.repaired  # type: ignore[attr-defined]
    return count


@pytest.mark.parametrize("poison", [b"", b"garbage", IMPOSTOR])
def test_a_poisoned_entry_is_never_given_out_and_replaced(
    open_all: Open, redis_url: str, records: list[Record], poison: bytes
) -> None:
    repo = open_all()
    for record in records:
        repo.get_document(record.address)
    assert len(documents_in(redis_url)) == len(records)
    for record in records[:5]:
        overwrite(redis_url, record.address, poison)
    held = repo.get_documents([record.address for record in records])
    assert held == {record.address: record.document for record in records}
    assert sorted(documents_in(redis_url).values()) == sorted(record.document for record in records)
    assert repo.store.cache.counts.poisoned == 5  # type: ignore[attr-defined]
    assert mended(repo) == 0


@pytest.mark.parametrize("damaged", [b"", b"garbage", IMPOSTOR])
def test_a_corrupted_row_is_never_given_out_and_mended(open_all: Open, records: list[Record], damaged: bytes) -> None:
    repo = open_all()
    for record in records[:5]:
        damage_row(repo.store, record.address, damaged)
    held = repo.get_documents([record.address for record in records])
    assert held == {record.address: record.document for record in records}
    assert [row(repo, record) for record in records[:5]] == [record.document for record in records[:5]]
    assert mended(repo) == 5


def test_a_poisoned_entry_and_a_corrupted_row_at_once_are_mended(
    open_all: Open, redis_url: str, records: list[Record]
) -> None:
    repo, record = open_all(), records[0]
    repo.get_document(record.address)
    overwrite(redis_url, record.address, b"garbage")
    damage_row(repo.store, record.address, b"garbage")
    assert repo.get_document(record.address) == record.document
    assert row(repo, record) == record.document
    assert list(documents_in(redis_url).values()) == [record.document]


def test_what_no_copy_has_whole_is_corrupt_and_not_cached(
    open_all: Open, redis_url: str, copy: Repository, records: list[Record]
) -> None:
    repo, record = open_all(), records[0]
    damage_row(repo.store, record.address, b"garbage")
    damage(copy.store, record.address, IMPOSTOR)
    for _ in range(2):
        with pytest.raises(Corrupt):
            repo.get_document(record.address)
    with pytest.raises(Corrupt):
        open_all(replica=None).get_document(record.address)
    assert documents_in(redis_url) == {}
    assert row(repo, record) == b"garbage"


def test_what_the_replica_has_withdrawn_is_not_given_out_in_place_of_damage(
    open_all: Open, copy: Repository, records: list[Record]
) -> None:
    repo, record = open_all(), records[0]
    copy.store.withdraw([notice(record.address)])
    damage_row(repo.store, record.address, b"garbage")
    with pytest.raises(Gone):
        repo.get_document(record.address)


def test_what_is_withdrawn_through_one_door_is_gone_through_all(open_all: Open, records: list[Record]) -> None:
    doors = [open_all(), open_all(), open_all(cache=None), open_all(replica=None)]
    for record, repo in zip(records, doors, strict=False):
        for reader in doors:
            reader.get_document(record.address)
        repo.withdraw([record.address], case="case", reason="reason")
        for reader in doors:
            with pytest.raises(Gone):
                reader.get_document(record.address)


def test_a_damaged_object_is_mended_through_the_same_door(open_all: Open, s3_bucket: Bucket) -> None:
    repo = open_all()
    sha256 = repo.put_file(b"bytes").sha256
    key = f"{prefix_of(repo.files)}files/{sha256}"
    below = BelowObstore(s3_bucket)
    below.write(key, b"bites")
    assert b"".join(repo.open_file(sha256)) == b"bytes"
    assert below.read(key) == b"bytes"
