"""What the tests of the PostgreSQL store share."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import psycopg

from stat7.stores.base import Store
from stat7.stores.postgresql import PostgreSQLStore


def below(store: Store) -> psycopg.Connection[Any]:
    """The driver's own connection to what a store keeps."""
    assert isinstance(store, PostgreSQLStore)
    return psycopg.connect(store.settings.conninfo(), autocommit=True)


def url_through(url: str, port: int) -> str:
    """The URL with another port of the loopback address."""
    head, _, database = url.rpartition("/")
    return f"{head.rpartition(':')[0]}:{port}/{database}"


Opening = Callable[..., PostgreSQLStore]
"""Opens a store in the test's database, with settings by keyword, and closes it after the test."""
