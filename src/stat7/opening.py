"""`stat7.open`: a repository from URLs, and the one place that says in which order stores are wrapped.

    metrics     outermost: what callers wait for, whoever keeps them waiting
    cache       before the replica: what it holds was hashed, so nothing behind it need be asked or mended
    replica     before retrying: only what the store is sure of is damage
    retrying    where the backend's configuration says `retries`: servers have their moments
    backend

Files are wrapped alike, without a cache.
"""

from __future__ import annotations

from contextlib import ExitStack
from functools import partial
from typing import TYPE_CHECKING

from stat7.errors import ConfigError, Stat7Error
from stat7.registry import (
    DEFAULT_STORE,
    configure_files,
    configure_store,
    files_beside,
    local_path,
    open_cache,
    open_files,
    open_store,
    redact,
    split_pair,
)
from stat7.repository import Repository
from stat7.stores.cached import CachedElsewhere, CachedStore, is_cached

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
) -> Repository:
    """Open (and, where the backend needs no set-up, make) the repository at these URLs.

    For instance `sqlite:library.db`, `file:library-files`, `memory:`. Without `files`, they are beside the store: in
    `file:X-files` for `sqlite:X.db`, in memory for `memory:`. `cache`: where documents are kept on their way, such as
    `redis://localhost:6379/0`. `replica`: another copy, as `STORE` or `STORE,FILES`, from which damage is mended as it
    is read. `metrics`: takes down every call. Raises ConfigError for a URL that can't be used, Unavailable for a
    backend that is down; a cache or a replica may be.
    """
    beside = files_beside(store) if files is None else files
    configure_files(beside)
    other = None if replica is None else _checked_pair(replica)
    with ExitStack() as opened:
        entities = _open_store(store)
        opened.callback(entities.close)
        if other is not None:
            entities = _mended_store(entities, other[0])
        entities = _cached(entities, cache)
        kept = _open_files(beside)
        opened.callback(kept.close)
        if other is not None:
            kept = _mended_files(kept, other[1])
        repository = Repository(*_metered(entities, kept, metrics))
        opened.pop_all()
    return repository


def _open_store(url: str) -> Store:
    opened = open_store(url)
    retries: int = getattr(configure_store(url), "retries", 0)
    if not retries:
        return opened
    from stat7.backoff import Backoff
    from stat7.stores.retrying import RetryingStore

    return RetryingStore(opened, Backoff(attempts=retries + 1))


def _open_files(url: str) -> FileStore:
    opened = open_files(url)
    retries: int = getattr(configure_files(url), "retries", 0)
    if not retries:
        return opened
    from stat7.backoff import Backoff
    from stat7.files.retrying import RetryingFiles

    return RetryingFiles(opened, Backoff(attempts=retries + 1))


def _checked_pair(replica: str) -> tuple[str, str]:
    """The URLs of a replica, which must be there: opening a local store that isn't would make an empty one."""
    store, files = split_pair(replica)
    configure_store(store)
    configure_files(files)
    path = local_path(store)
    if path is not None and not path.exists():
        raise ConfigError(f"{redact(store)}: there is no store to mend from; correct --replica, or leave it out")
    return store, files


def _mended_store(entities: Store, replica: str) -> Store:
    from stat7.stores.replicated import ReplicatedStore

    return ReplicatedStore(entities, partial(_open_store, replica))


def _mended_files(files: FileStore, replica: str) -> FileStore:
    from stat7.files.replicated import ReplicatedFiles

    return ReplicatedFiles(files, partial(_open_files, replica))


def _cached(entities: Store, cache: str | None) -> Store:
    if cache is not None:
        return CachedStore(entities, open_cache(cache))
    try:
        cached = is_cached(entities)
    except Stat7Error:
        # Whether others cache it can be asked when something is withdrawn.
        cached = True
    return CachedElsewhere(entities) if cached else entities


def _metered(entities: Store, files: FileStore, metrics: Metrics | None) -> tuple[Store, FileStore]:
    if metrics is None:
        return entities, files
    from stat7.files.metered import MeteredFiles
    from stat7.stores.metered import MeteredStore

    return MeteredStore(entities, metrics), MeteredFiles(files, metrics)
