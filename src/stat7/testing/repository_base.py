"""What the suites for repositories share: the stores that they run on, and how to meddle below them."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import NoReturn

import pytest

from stat7.address import Address
from stat7.files.base import FileStore
from stat7.query import Query
from stat7.repository import Neighbour, Repository
from stat7.stores.base import Store


class RepositoryBase:
    """Base of the suites. Subclass `RepositorySuite` as `class TestYours(RepositorySuite)` and give `make_stores`.

    The other hooks are optional; tests that need one you can't give are skipped and say which.
    """

    def make_stores(self, tmp_path: Path) -> tuple[Store, FileStore]:
        """A store of entities and one of files with nothing in them. `tmp_path` is an empty folder of their own."""
        raise NotImplementedError("a conformance suite needs make_stores(tmp_path)")

    def settle(self, store: Store) -> None:
        """Wait until what was put can be found, where `capabilities.consistent_find` is False."""

    def damage(self, store: Store, address: Address, data: bytes = b"damaged") -> None:
        """Put other bytes in place of a stored document, below the store."""
        _skip("damage")

    def damage_file(self, files: FileStore, sha256: str, data: bytes) -> None:
        """Put other bytes in place of a stored file, below the store, as if its chunk table were lost too."""
        _skip("damage_file")

    @pytest.fixture
    def repo(self, tmp_path: Path) -> Iterator[Repository]:
        """A fresh repository for one test, closed behind it."""
        folder = tmp_path / "stores"
        folder.mkdir()
        with Repository(*self.make_stores(folder)) as repo:
            yield repo

    def found(self, repo: Repository, query: Query, limit: int | None = None) -> list[Address]:
        """The addresses of what `find` gives, sorted; `find_addresses` must give the same."""
        self.settle(repo.store)
        entities = [entity.address for entity in repo.find(query, limit, allow_scan=True)]
        assert entities == list(repo.find_addresses(query, limit, allow_scan=True))
        return sorted(entities)

    def neighbours(self, repo: Repository, id: str) -> list[Neighbour]:
        """The neighbours of an id."""
        self.settle(repo.store)
        return list(repo.neighbours(id))

    def later(self, repo: Repository, ms: int) -> Repository:
        """The same repository by a clock that is ahead: what is stored now is `ms` old."""
        return Repository(repo.store, repo.files, clock=lambda: time.time() + ms / 1000)


def _skip(hook: str) -> NoReturn:
    pytest.skip(f"these stores give no hook `{hook}`")
