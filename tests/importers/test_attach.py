"""Attaching files to a document before it is put."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from stat7.address import digest
from stat7.errors import Gone, InvalidEntity
from stat7.importers.attach import attach
from stat7.record import document_of
from stat7.repository import Repository
from stat7.testing.samples import sample
from tests.importers.support import memory_repository
from tests.importers.test_tree import make, posix


def document(**changes: Any) -> dict[str, Any]:
    return {**document_of(sample("a")), **changes}


def attached(repo: Repository, given: dict[str, Any], *paths: Path) -> dict[str, Any]:
    made = attach(repo, json.dumps(given).encode(), paths)
    assert isinstance(made, dict)
    return made


def nothing_stored(repo: Repository) -> bool:
    return repo.files.scan(None, 9).items == []


def test_files_are_stored_and_listed_and_the_document_can_be_put(tmp_path: Path) -> None:
    make(tmp_path, "cover.PNG", "notes")
    repo = memory_repository()
    made = attached(repo, document(), tmp_path / "cover.PNG", tmp_path / "notes")
    assert made["files"] == [
        {"name": "cover.PNG", "media_type": "image/png", "size": 9, "sha256": digest(b"cover.PNG")},
        {"name": "notes", "media_type": "application/octet-stream", "size": 5, "sha256": digest(b"notes")},
    ]
    repo.put(made)
    assert [entry.name for entry in repo.current("a").files] == ["cover.PNG", "notes"]


def test_the_member_files_may_be_missing_when_something_is_attached(tmp_path: Path) -> None:
    make(tmp_path, "x")
    given = document()
    del given["files"]
    assert [entry["name"] for entry in attached(memory_repository(), given, tmp_path / "x")["files"]] == ["x"]
    with pytest.raises(InvalidEntity, match="files: this member is missing"):
        attached(memory_repository(), given)


def test_a_name_that_is_listed_with_the_same_digest_stays_as_it_is(tmp_path: Path) -> None:
    make(tmp_path, "x")
    entry = {"name": "x", "media_type": "text/plain", "size": 1, "sha256": digest(b"x")}
    assert attached(memory_repository(), document(files=[entry]), tmp_path / "x")["files"] == [entry]


def test_a_name_that_is_listed_with_another_digest_is_refused(tmp_path: Path) -> None:
    make(tmp_path, "x")
    entry = {"name": "x", "media_type": "text/plain", "size": 1, "sha256": "0" * 64}
    with pytest.raises(InvalidEntity, match=f"files: the document lists 'x' already as {'0' * 64}"):
        attached(memory_repository(), document(files=[entry]), tmp_path / "x")


def test_two_paths_of_one_name_are_refused_before_anything_is_stored(tmp_path: Path) -> None:
    make(tmp_path, "a/x", "b/x")
    repo = memory_repository()
    with pytest.raises(InvalidEntity, match="would both be listed as 'x'"):
        attached(repo, document(), tmp_path / "a/x", tmp_path / "b/x")
    assert nothing_stored(repo)


@pytest.mark.parametrize("data", [b"{", b"[]", b'{"a":1,"a":2}', json.dumps(document(id="")).encode()])
def test_a_document_that_is_no_entity_is_refused_before_anything_is_stored(tmp_path: Path, data: bytes) -> None:
    make(tmp_path, "x")
    repo = memory_repository()
    with pytest.raises(InvalidEntity):
        attach(repo, data, [tmp_path / "x"])
    assert nothing_stored(repo)


@pytest.mark.parametrize("name", ["missing", "folder"])
def test_a_path_that_is_no_file_is_refused_before_anything_is_stored(tmp_path: Path, name: str) -> None:
    make(tmp_path, "x", "folder/y")
    repo = memory_repository()
    with pytest.raises(InvalidEntity, match=f"{name} is not a file"):
        attached(repo, document(), tmp_path / "x", tmp_path / name)
    assert nothing_stored(repo)


@posix
def test_names_are_brought_to_nfc_and_checked(tmp_path: Path) -> None:
    make(tmp_path, "e\u0301", "a\x07")
    assert [entry["name"] for entry in attached(memory_repository(), document(), tmp_path / "e\u0301")["files"]] == [
        "é"
    ]
    with pytest.raises(InvalidEntity, match="control character"):
        attached(memory_repository(), document(), tmp_path / "a\x07")


def test_a_withdrawn_file_is_gone(tmp_path: Path) -> None:
    make(tmp_path, "x")
    repo = memory_repository()
    repo.withdraw_files([digest(b"x")], case="7", reason="asked")
    with pytest.raises(Gone):
        attached(repo, document(), tmp_path / "x")
