"""`stat7.open`: a repository from URLs, and the one place that says in which order stores are wrapped.

    metrics     outermost: what callers wait for, whoever keeps them waiting
    cache       before the replica: what it holds was hashed, so nothing behind it need be asked or mended
    replica     before retrying: only what the store is sure of is damage
    retrying    where the backend's configuration says `retries`: servers have their moments; of shards each has its own
    backend

A store that other processes can open is guarded where no cache is named: they may have one (stores/cached.py). Files
have no cache, and retries only inside their clients.
"""

from __future__ import annotations

from contextlib import ExitStack
from functools import partial
from typing import TYPE_CHECKING

from stat7.errors import ConfigError
from stat7.registry import (
    DEFAULT_STORE,
    configure_files,
    configure_store,
    files_beside,
    open_cache,
    open_files,
    open_store,
    split_pair,
)
from stat7.registry.stores import with_retries
from stat7.repository import Repository
from stat7.stores.cached import CachedElsewhere, CachedStore

if TYPE_CHECKING:
    from stat7.files.base import FileStore
    from stat7.metrics import Metrics
    from stat7.stores.base import Store


def open(
    store: str = DEFAULT_STORE,
    *,
    files: str | None = None,
    cache: str | None = None,
    replica: str | None = None,
    metrics: Metrics | None = None,
    make: bool = True,
) -> Repository:
    """Open the repository at these URLs, and make it if it isn't there (no database of a server, and no bucket).

    For instance `sqlite:library.db`, `file:library-files`, `memory:`. Without `files`, they are beside the store: in
    `file:X-files` for `sqlite:X.db`, in memory for `memory:`. `cache`: where documents are kept on their way, such as
    `redis://localhost:6379/0`. `replica`: another copy, as `STORE` or `STORE,FILES`, from which damage is mended as it
    is read. `metrics`: takes down every call. Unless `make`, a store that isn't there is a ConfigError, as a replica
    always is. Raises ConfigError for a URL that can't be used, Unavailable for a backend that is down; a cache or a
    replica may be.
    """
    beside = files_beside(store) if files is None else files
    configure_files(beside)
    other = None if replica is None else _checked_pair(replica)
    with ExitStack() as opened:
        entities = _open_store(store, make)
        opened.callback(entities.close)
        if other is not None:
            entities = _mended_store(entities, other[0])
        entities = _cached(entities, cache)
        kept = open_files(beside)
        opened.callback(kept.close)
        if other is not None:
            kept = _mended_files(kept, other[1])
        repository = Repository(*_metered(entities, kept, metrics))
        opened.pop_all()
    return repository


def _open_store(url: str, make: bool) -> Store:
    return with_retries(open_store(url, make=make), getattr(configure_store(url), "retries", 0))


def _checked_pair(replica: str) -> tuple[str, str]:
    """The URLs of a replica, which must be there."""
    store, files = split_pair(replica)
    configure_files(files)
    try:
        configure_store(store).require()
    except ConfigError as error:
        raise ConfigError(f"the replica: {error}") from None
    return store, files


def _mended_store(entities: Store, replica: str) -> Store:
    from stat7.stores.replicated import ReplicatedStore

    return ReplicatedStore(entities, partial(_open_store, replica, make=False))


def _mended_files(files: FileStore, replica: str) -> FileStore:
    from stat7.files.replicated import ReplicatedFiles

    return ReplicatedFiles(files, partial(open_files, replica))


def _cached(entities: Store, cache: str | None) -> Store:
    if cache is not None:
        return CachedStore(entities, open_cache(cache))
    # Whether another process caches it, now or later, nobody knows.
    return CachedElsewhere(entities) if entities.capabilities.shared else entities


def _metered(entities: Store, files: FileStore, metrics: Metrics | None) -> tuple[Store, FileStore]:
    if metrics is None:
        return entities, files
    from stat7.files.metered import MeteredFiles
    from stat7.stores.metered import MeteredStore

    return MeteredStore(entities, metrics), MeteredFiles(files, metrics)
