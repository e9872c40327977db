"""The digest says exactly what is stored: made from sorted lines that anybody can make, in constant memory."""

from __future__ import annotations

import hashlib
import random
from dataclasses import replace
from pathlib import Path

import pytest

from stat7.errors import Corrupt
from stat7.operations import sorting
from stat7.operations.digest import Digests, difference, digest, digest_lines
from stat7.record import Record
from stat7.repository import Repository
from stat7.testing.samples import HOSTILE_IDS, chain, notice, sample, samples
from tests.repositories import (
    KINDS,
    Intercepted,
    damage_document,
    make_repository,
    put_file,
    put_new,
    with_store,
)


def sha256(data: bytes) -> str:
    """In hex."""
    return hashlib.sha256(data).hexdigest()


def fill(repo: Repository, shuffled: int = 0) -> list[Record]:
    """A little of everything, in an order that depends on `shuffled`; the documents that are left."""
    file, shared = put_file(repo, b"file of one"), put_file(repo, b"shared")._replace(name="Ω")
    put_file(repo, b"named by nobody")
    records = [
        *chain("x", 3),
        sample("one", files=[file, shared]),
        sample("two", files=[shared], adjacency=['","files":[]', '"files":[]']),
        *(sample(id, state={"files": []}) for id in HOSTILE_IDS),
    ]
    random.Random(shuffled).shuffle(records)
    put_new(repo, records)
    repo.withdraw([sample("y").address, chain("x", 3)[1].address], case=str(shuffled), reason="r")
    repo.withdraw_files([shared.sha256, "f" * 64], case=str(shuffled), reason="r")
    return [record for record in records if record != chain("x", 3)[1]]


def test_there_is_one_line_for_each_thing_sorted_as_bytes(repo: Repository) -> None:
    records = fill(repo)
    heads = {record.id: record.address for record in records if record.id != "x"} | {"x": chain("x", 3)[2].address}
    expected = [f"E {record.address}\n" for record in records]
    expected += [f"F {sha256(data)} {len(data)}\n" for data in (b"file of one", b"shared")]
    expected += [f"H {sha256(id.encode())} {address}\n" for id, address in heads.items()]
    expected += [f"W {address}\n" for address in (sample("y").address, chain("x", 3)[1].address)]
    expected += [f"X {name}\n" for name in (sha256(b"shared"), "f" * 64)]
    assert list(digest_lines(repo)) == sorted(line.encode() for line in expected)


def test_the_digests_are_the_sha256_of_the_lines(repo: Repository) -> None:
    fill(repo)
    lines = list(digest_lines(repo))
    of = {kind: sha256(b"".join(line for line in lines if line[:1] in kind)) for kind in (b"EW", b"H", b"FX")}
    assert digest(repo) == Digests(of[b"EW"], of[b"H"], of[b"FX"], sha256(b"".join(lines)))
    assert list(digest(repo).as_dict()) == ["entities", "heads", "files", "combined"]


def test_nothing_stored_has_the_digest_of_nothing(repo: Repository) -> None:
    assert list(digest_lines(repo)) == []
    assert set(digest(repo).as_dict().values()) == {sha256(b"")}


def test_equal_contents_give_equal_digests_whatever_the_backend_the_order_and_the_notices(tmp_path: Path) -> None:
    digests = set()
    for number, kind in enumerate([*KINDS, *KINDS]):
        with make_repository(kind, tmp_path / str(number)) as repo:
            fill(repo, shuffled=number)
            digests.add(digest(repo))
    assert len(digests) == 1


def test_any_difference_changes_the_digest_it_belongs_to(repo: Repository) -> None:
    fill(repo)
    before = digest(repo)
    repo.store.put([sample("headless")])
    document = digest(repo)
    assert document.entities != before.entities
    assert (document.heads, document.files) == (before.heads, before.files)
    repo.put(sample("headless"))
    head = digest(repo)
    assert head.heads != document.heads
    assert (head.entities, head.files) == (document.entities, document.files)
    put_new(repo, [sample("naming", files=[put_file(repo, b"another")])])
    files = digest(repo)
    assert files.files != head.files
    repo.withdraw_files([sha256(b"another")], case="1", reason="r")
    withdrawn = digest(repo)
    assert withdrawn.files != files.files
    assert (withdrawn.entities, withdrawn.heads) == (files.entities, files.heads)
    repo.withdraw(["0" * 64], case="1", reason="r")
    assert len({d.combined for d in (before, document, head, files, withdrawn, digest(repo))}) == 6


def test_a_damaged_document_has_no_digest(repo: Repository) -> None:
    records = fill(repo)
    damage_document(repo, records[3].address)
    with pytest.raises(Corrupt, match=records[3].address):
        digest(repo)
    with pytest.raises(Corrupt):
        list(digest_lines(repo))


def test_a_store_that_scans_in_another_order_gives_the_same_lines(repo: Repository) -> None:
    class Unordered(Intercepted):
        capabilities = replace(repo.store.capabilities, ordered_scan=False)

        def scan(self, cursor: str | None, limit: int) -> object:
            page = self.inner.scan(cursor, limit)
            return replace(page, items=page.items[::-1])

    fill(repo)
    assert list(digest_lines(with_store(repo, Unordered(repo.store)))) == list(digest_lines(repo))


def test_many_lines_are_sorted_on_disk(repo: Repository, monkeypatch: pytest.MonkeyPatch) -> None:
    fill(repo)
    put_new(repo, samples(1200))
    repo.store.withdraw([notice(sha256(bytes([number]))) for number in range(100)])
    expected = digest(repo)
    monkeypatch.setattr(sorting.LineSorter.__init__, "__kwdefaults__", {"unique": False, "run_bytes": 500, "fan_in": 3})
    assert digest(repo) == expected


def test_progress_counts_documents(repo: Repository) -> None:
    fill(repo)
    seen: list[tuple[str, int, int | None]] = []
    digest(repo, report=lambda stage, done, total: seen.append((stage, done, total)))
    assert seen[-1] == ("entities", repo.store.count(), repo.store.count())


def test_the_difference_of_two_stores_is_what_only_one_of_them_has(repo: Repository, tmp_path: Path) -> None:
    with make_repository(KINDS[0], tmp_path / "other") as other:
        for repository in (repo, other):
            fill(repository)
        assert list(difference(repo, other)) == []
        assert list(difference(other, repo)) == []
        mine, theirs = sample("mine"), sample("theirs")
        put_new(repo, [mine])
        put_new(other, [theirs])
        expected = [b"- E %s\n" % mine.address.encode(), b"+ E %s\n" % theirs.address.encode()]
        expected += [
            b"%s H %s %s\n" % (mark, sha256(record.id.encode()).encode(), record.address.encode())
            for mark, record in ((b"-", mine), (b"+", theirs))
        ]
        assert list(difference(repo, other)) == sorted(expected, key=lambda line: line[2:])
