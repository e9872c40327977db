"""Repositories for the tests of the operations."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from stat7.repository import Repository
from tests.operations.copying import Make
from tests.repositories import (
    KINDS,
    make_repository,
)


@pytest.fixture
def make(tmp_path: Path) -> Iterator[Make]:
    """Makes repositories, and closes them."""
    made: list[Repository] = []

    def open_one(kind: str, name: str) -> Repository:
        made.append(make_repository(kind, tmp_path / name))
        return made[-1]

    yield open_one
    for repo in made:
        repo.close()


@pytest.fixture(params=[(source, target) for source in KINDS for target in KINDS], ids="-".join)
def pair(request: pytest.FixtureRequest, make: Make) -> tuple[Repository, Repository]:
    """Source and target, in every combination of stores."""
    source, target = request.param
    return make(source, "source"), make(target, "target")


@pytest.fixture
def source(make: Make) -> Repository:
    """A source in memory."""
    return make("memory", "source")


@pytest.fixture
def target(make: Make) -> Repository:
    """A target in memory."""
    return make("memory", "target")
