"""The rules of docs/semantics.md, by the published suite, on each pair of stores."""

from __future__ import annotations

from pathlib import Path

from stat7.address import Address
from stat7.files.base import FileStore
from stat7.files.memory import MemoryFiles
from stat7.repository import Repository
from stat7.stores.base import Store
from stat7.stores.memory import MemoryStore
from stat7.testing import RepositorySuite
from tests.repositories import damage_document, damage_file, make_repository


class Meddling(RepositorySuite):
    """The suite with ways to do damage below the stores."""

    def damage(self, store: Store, address: Address, data: bytes = b"damaged") -> None:
        damage_document(Repository(store, MemoryFiles()), address, data)

    def damage_file(self, files: FileStore, sha256: str, data: bytes) -> None:
        damage_file(Repository(MemoryStore(), files), sha256, data)


class TestInMemory(Meddling):
    """In memory."""

    def make_stores(self, tmp_path: Path) -> tuple[Store, FileStore]:
        return parts(make_repository("memory", tmp_path))


class TestOnSQLiteAndAFolder(Meddling):
    """SQLite and a folder of files."""

    def make_stores(self, tmp_path: Path) -> tuple[Store, FileStore]:
        return parts(make_repository("sqlite", tmp_path))


def parts(repo: Repository) -> tuple[Store, FileStore]:
    """What it is made of."""
    return repo.store, repo.files
