"""`stat7.open`: a repository from URLs."""

from __future__ import annotations

from stat7.registry import open_files, open_store
from stat7.repository import Repository

DEFAULT_STORE = "sqlite:stat7.db"
DEFAULT_FILES = "file:stat7-files"


def open(store: str = DEFAULT_STORE, *, files: str = DEFAULT_FILES) -> Repository:
    """Open (and, where the backend needs no set-up, make) the repository at these URLs.

    For instance `sqlite:library.db`, `file:library-files`, `memory:`. Raises ConfigError for a URL that can't be used,
    Unavailable for a backend that is down.
    """
    entities = open_store(store)
    try:
        return Repository(entities, open_files(files))
    except BaseException:
        entities.close()
        raise
