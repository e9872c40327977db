"""Fixtures of the tests of stores: a PostgreSQL store in an empty database."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from stat7.stores.postgresql import PostgreSQLStore
    from tests.stores.postgresql import Opening


@pytest.fixture
def open_postgresql(postgres_url: str) -> Iterator[Opening]:
    """Opens stores in the test's database, given settings by keyword, and closes them after the test."""
    from stat7.stores.postgresql import PostgreSQLStore, Settings

    with ExitStack() as stores:

        def open_store(url: str = postgres_url, **settings: Any) -> PostgreSQLStore:
            return stores.enter_context(PostgreSQLStore(Settings(url, **settings)))

        yield open_store
