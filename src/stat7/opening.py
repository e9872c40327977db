"""`stat7.open`: a repository from URLs, and the one place that says in which order stores are wrapped.

    metrics     outermost: what callers wait for, whoever keeps them waiting
    cache       before the replica: what it holds was hashed, so nothing behind it need be asked or mended
    replica     before retrying: only what the store is sure of is damage
    retrying    where the backend's configuration says `retries`: servers have their moments; of shards each has its own
    backend

A store that other processes can open is guarded where no cache is named: they may have one (stores/cached.py). Files
have no cache, and retries only inside their clients. A gateway does all of this itself: whatever names both entities
and files of one gateway, and wraps them in nothing, is a RemoteRepository.
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
    gateway_of,
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
    key: str | None = None,
) -> Repository:
    """Open the repository at these URLs, and make it if it isn't there (no database of a server, and no bucket).

    For instance `sqlite:library.db`, `file:library-files`, `memory:`, `https://host:7007` of a gateway. Without
    `files`, they are beside the store: in `file:X-files` for `sqlite:X.db`, in memory for `memory:`, of a gateway its
    own. `key`: of that gateway; without it the one in its URL or, if there is none, in STAT7_KEY. `cache`: where
    documents are kept on their way, such as `redis://localhost:6379/0`. `replica`: another copy, as `STORE` or
    `STORE,FILES`, from which damage is mended as it is read. `metrics`: takes down every call. Unless `make`, a store
    that isn't there is a ConfigError, as a replica always is. Raises ConfigError for a URL that can't be used,
    Unavailable for a backend that is down; a cache or a replica may be.
    """
    beside = files_beside(store) if files is None else files
    configure_files(beside)
    gateway = _checked_gateway(store, cache, key)
    other = None if replica is None else _checked_pair(replica)
    with ExitStack() as opened:
        entities = _open_store(store, make, key)
        opened.callback(entities.close)
        if other is not None:
            entities = _mended_store(entities, other[0])
        entities = entities if gateway else _cached(entities, cache)
        kept = open_files(beside, key=key if gateway and gateway == gateway_of(beside) else None)
        opened.callback(kept.close)
        if other is not None:
            kept = _mended_files(kept, other[1])
        whole = gateway is not None and gateway == gateway_of(beside) and other is None and metrics is None
        repository = _remote(entities, kept) if whole else Repository(*_metered(entities, kept, metrics))
        opened.pop_all()
    return repository


def _open_store(url: str, make: bool, key: str | None = None) -> Store:
    return with_retries(open_store(url, make=make, key=key), getattr(configure_store(url), "retries", 0))


def _checked_gateway(store: str, cache: str | None, key: str | None) -> str | None:
    """Where the gateway is, if the store is one."""
    gateway = gateway_of(store)
    if gateway is None and key is not None:
        raise ConfigError("key: only a gateway takes one; name one such as https://host:7007, or leave key out")
    if gateway is not None and cache is not None:
        raise ConfigError("a gateway's cache is its own: start it with `stat7 serve --cache URL`, and leave cache out")
    return gateway


def _remote(entities: Store, files: FileStore) -> Repository:
    from stat7.remote_repository import RemoteRepository
    from stat7.stores.http import HttpStore

    assert isinstance(entities, HttpStore)
    return RemoteRepository(entities, files)


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
