"""Exporting documents as canonical NDJSON, and importing them into an empty store."""

from __future__ import annotations

import io
import random
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stat7.errors import Corrupt
from stat7.importers.entities import read_entities
from stat7.operations import export as export_module
from stat7.operations.digest import digest
from stat7.operations.export import export_entities
from stat7.query import Query
from stat7.record import Record
from stat7.repository import Repository
from stat7.testing.samples import sample, samples
from tests.importers.support import imported, memory_repository
from tests.repositories import KINDS, Intercepted, lead_in_a_circle, make_repository, with_store


def exported(repo: Repository, query: Query | None = None) -> list[bytes]:
    target = io.BytesIO()
    count = export_entities(repo, target, query=query)
    lines = target.getvalue().splitlines(keepends=True)
    assert all(line.endswith(b"\n") for line in lines)
    assert count == len(lines)
    return [line.rstrip(b"\n") for line in lines]


def chain(id: str, length: int) -> list[Record]:
    versions = [sample(id)]
    for value in range(1, length):
        versions.append(sample(id, lineage=value % 3, previous=versions[-1].address))
    return versions


def documents(records: list[Record]) -> list[bytes]:
    return sorted(record.document for record in records)


@pytest.mark.parametrize("kind", KINDS)
def test_all_versions_or_the_current_ones_or_what_a_query_matches(kind: str, tmp_path: Path) -> None:
    a, b, plain = chain("a", 3), chain("b", 1), samples(4)
    with make_repository(kind, tmp_path) as repo:
        repo.put_many([*a, *b, *plain])
        assert sorted(exported(repo)) == documents([*a, *b, *plain])
        assert sorted(exported(repo, Query(versions="all"))) == documents([*a, *b, *plain])
        assert sorted(exported(repo, Query())) == documents([a[-1], *b, *plain])
        assert sorted(exported(repo, Query(lineage=2))) == documents([a[2]])
        assert sorted(exported(repo, Query(lineage=1))) == []
        assert sorted(exported(repo, Query(lineage="1..", versions="all"))) == documents(a[1:])


def test_an_empty_store_gives_an_empty_file() -> None:
    for query in (None, Query(), Query(realm="data")):
        assert exported(memory_repository(), query) == []


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("batch", [1, 3, 5000])
def test_importing_an_export_into_an_empty_store_gives_the_same_digest(
    kind: str, batch: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(export_module, "DOCUMENTS", 3)
    with make_repository(kind, tmp_path / "a") as source, make_repository(kind, tmp_path / "b") as target:
        attachment = source.put_file(b"some bytes")
        entry = {"name": "x", "media_type": "text/plain", "size": 10, "sha256": attachment.sha256}
        source.put_many([*chain("a", 7), *chain("b", 4), *chain("c", 1), *samples(9), sample("d", files=[entry])])
        target.put_file(b"some bytes")
        data = io.BytesIO(b"\n".join(exported(source)))
        assert imported(target, read_entities(data), batch=batch).counts() == {"read": 22, "new": 22}
        assert digest(target).as_dict() == digest(source).as_dict()


@given(st.lists(st.integers(1, 5), max_size=5), st.integers(1, 4), st.integers(1, 6), st.integers(0, 99))
def test_histories_of_all_lengths_are_carried_whatever_the_pages(
    lengths: list[int], page: int, batch: int, seed: int
) -> None:
    source, target = memory_repository(), memory_repository()
    records = [record for number, length in enumerate(lengths) for record in chain(f"id {number}", length)]
    source.put_many(random.Random(seed).sample(records, len(records)))
    before, export_module.DOCUMENTS = export_module.DOCUMENTS, page  # type: ignore[attr-defined]
    try:
        data = io.BytesIO(b"\n".join(exported(source)))
    finally:
        export_module.DOCUMENTS = before  # type: ignore[attr-defined]
    assert imported(target, read_entities(data), batch=batch).problems == []
    assert digest(target).as_dict() == digest(source).as_dict()


def test_withdrawn_versions_are_left_out_and_those_behind_them_are_not() -> None:
    repo = memory_repository()
    versions = chain("a", 3)
    repo.put_many(versions)
    repo.withdraw([versions[1].address], case="7", reason="asked")
    assert exported(repo) == [versions[2].document, versions[0].document]
    repo.withdraw([versions[2].address], case="8", reason="asked")
    assert exported(repo) == [versions[0].document]
    assert exported(repo, Query()) == []


def test_notices_that_lead_in_a_circle_end_the_walk() -> None:
    repo, _ = lead_in_a_circle(memory_repository(), "a")
    repo.put_many(chain("b", 3))
    assert exported(repo) == [version.document for version in chain("b", 3)[::-1]]


def test_each_document_is_exported_once_though_another_id_names_it_as_previous() -> None:
    repo = memory_repository()
    records = [*chain("b", 2), sample("a", previous=chain("b", 2)[-1].address)]
    repo.put_many(records)
    assert sorted(exported(repo)) == documents(records)


def test_a_history_ends_at_the_first_version_that_is_not_stored() -> None:
    repo = memory_repository()
    versions = chain("a", 3)
    repo.put_many([versions[2], versions[0]])
    assert exported(repo)[:1] == [versions[2].document]


def test_progress_is_reported_once_a_page(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(export_module, "DOCUMENTS", 4)
    repo = memory_repository()
    repo.put_many(samples(10))
    told: list[tuple[str, int, int | None]] = []
    export_entities(repo, io.BytesIO(), query=Query(), report=lambda *what: told.append(what))
    assert [done for _, done, _ in told] == [4, 8, 10]
    assert {(stage, total) for stage, _, total in told} == {("entities", None)}


def test_a_damaged_document_is_never_written() -> None:
    class Damaging(Intercepted):
        def get(self, addresses: list[str]) -> dict[str, bytes]:
            return {address: document + b" " for address, document in self.inner.get(addresses).items()}

    repo = memory_repository()
    repo.put_many(samples(2))
    target = io.BytesIO()
    with pytest.raises(Corrupt):
        export_entities(with_store(repo, Damaging(repo.store)), target)
    assert target.getvalue() == b""


def test_what_a_stale_index_finds_is_checked_against_the_query() -> None:
    class Stale(Intercepted):
        def find(self, query: Query, cursor: str | None, limit: int) -> object:
            return self.inner.find(Query(versions="all"), cursor, limit)

    repo = memory_repository()
    repo.put_many([sample("a", lineage=1), sample("b", lineage=2)])
    found = exported(with_store(repo, Stale(repo.store)), Query(lineage=1))
    assert found == [sample("a", lineage=1).document]
