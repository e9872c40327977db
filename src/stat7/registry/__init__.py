"""From URLs to stores: `sqlite:library.db?sync=normal&busy_timeout=10`, `memory:`, and for files `file:library-files`.

The tables of schemes, and what opens by them. Each backend has a frozen dataclass that says what its URL may hold:
stores.py, files.py, caches.py; how URLs are read and shown is in urls.py. A backend's module is imported only when the
store is opened. All errors are ConfigErrors, and no message holds a password or key: `redact`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Final, TypeVar
from urllib.parse import quote

from stat7.errors import ConfigError
from stat7.registry.caches import CacheConfig, RedisConfig
from stat7.registry.cassandra import CassandraConfig
from stat7.registry.dynamodb import DynamoDBConfig
from stat7.registry.files import (
    AzureConfig,
    FilesConfig,
    GoogleConfig,
    LocalFilesConfig,
    MemoryFilesConfig,
    S3Config,
)
from stat7.registry.http import GatewayConfig, GatewayFilesConfig, GatewayStoreConfig
from stat7.registry.shards import ShardsConfig
from stat7.registry.stores import MemoryConfig, PostgreSQLConfig, SQLiteConfig, StoreConfig
from stat7.registry.urls import Config, escaped, path_in, read_options, redact, split

if TYPE_CHECKING:
    from stat7.files.base import FileStore
    from stat7.stores.base import Store
    from stat7.stores.cached import Cache

__all__ = [
    "CACHES",
    "DEFAULT_STORE",
    "FILES",
    "PAIR",
    "SETTINGS_FILE",
    "STORES",
    "anchored",
    "configure_cache",
    "configure_files",
    "configure_store",
    "files_beside",
    "gateway_of",
    "local_path",
    "open_cache",
    "open_files",
    "open_store",
    "redact",
    "split_pair",
]

Opened = TypeVar("Opened")
AnyConfig = TypeVar("AnyConfig", bound=Config)

STORES: Final[Mapping[str, type[StoreConfig]]] = {
    "memory": MemoryConfig,
    "sqlite": SQLiteConfig,
    "postgresql": PostgreSQLConfig,
    "postgres": PostgreSQLConfig,
    "cassandra": CassandraConfig,
    "dynamodb": DynamoDBConfig,
    "shards": ShardsConfig,
    "https": GatewayStoreConfig,
    "http": GatewayStoreConfig,
}
"""The stores of entities, by scheme."""

FILES: Final[Mapping[str, type[FilesConfig]]] = {
    "file": LocalFilesConfig,
    "memory": MemoryFilesConfig,
    "s3": S3Config,
    "az": AzureConfig,
    "gs": GoogleConfig,
    "https": GatewayFilesConfig,
    "http": GatewayFilesConfig,
}
"""The stores of files, by scheme."""

CACHES: Final[Mapping[str, type[CacheConfig]]] = {"redis": RedisConfig, "rediss": RedisConfig}
"""The caches of documents, by scheme."""

PAIR: Final = r",(?=[a-z][a-z0-9+]*:)(?!(?!(?:file|memory|s3|az|gs):)[a-z0-9+]*:[0-9]{1,5}(?:[/?,]|$))"
"""What stands between the two URLs of `STORE,FILES`; not between the hosts of one, of which the last names a port."""

DEFAULT_STORE: Final = "sqlite:stat7.db"
"""Where entities are kept if nobody says otherwise; its files are where `files_beside` says."""

SETTINGS_FILE: Final = "stat7.toml"
"""Where the command line finds the URLs of a folder; they may hold passwords."""

_PATH_SCHEMES: Final = {"sqlite": SQLiteConfig.example, "file": LocalFilesConfig.example}
_EXTRAS: Final = {
    "postgresql": "postgres", "postgres": "postgres", "s3": "s3", "az": "azure", "gs": "gcs", "redis": "redis",
    "rediss": "redis", "shards": "postgres", "dynamodb": "dynamodb",
    "cassandra": "cassandra", "https": "client", "http": "client",
}  # fmt: skip


def open_store(url: str, *, make: bool = True, key: str | None = None) -> Store:
    """Open the store of entities at `url`, and make it if it isn't there; unless `make`, that is a ConfigError.

    `key`: of a gateway; other stores have no use for it.
    """
    config = configure_store(url)
    config = config.with_key(key) if isinstance(config, GatewayStoreConfig) else config
    return _opened(url, lambda: config.open(make=make))


def open_files(url: str, *, key: str | None = None) -> FileStore:
    """Open the store of files at `url`; raises ConfigError. `key`: of a gateway."""
    config = configure_files(url)
    config = config.with_key(key) if isinstance(config, GatewayFilesConfig) else config
    return _opened(url, config.open)


def gateway_of(url: str) -> str | None:
    """The address of the gateway that a URL names, without key and options; None for other schemes.

    Raises ConfigError.
    """
    config = configure_store(url) if url.partition(":")[0].lower() in ("https", "http") else None
    return config.settings.url if isinstance(config, GatewayConfig) else None


def open_cache(url: str) -> Cache:
    """Open the cache at `url`, which need not answer; raises ConfigError."""
    return _opened(url, configure_cache(url).open)


def configure_store(url: str) -> StoreConfig:
    """What `open_store` would open. Nothing is imported or touched; raises ConfigError."""
    return _configure(url, STORES, "stores of entities")


def configure_files(url: str) -> FilesConfig:
    """What `open_files` would open. Nothing is imported or touched; raises ConfigError."""
    return _configure(url, FILES, "stores of files")


def configure_cache(url: str) -> CacheConfig:
    """What `open_cache` would open. Nothing is imported or touched; raises ConfigError."""
    return _configure(url, CACHES, "caches")


def split_pair(text: str) -> tuple[str, str]:
    """`STORE` or `STORE,FILES` as two URLs; without FILES they are those beside the store. Raises ConfigError."""
    store, *files = re.split(PAIR, text)
    if len(files) > 1:
        raise ConfigError(f"{redact(text)!r} is not STORE or STORE,FILES")
    return store, files[0] if files else files_beside(store)


def local_path(url: str) -> Path | None:
    """The path at which a `sqlite:` or `file:` URL keeps its data; None for other schemes. Raises ConfigError."""
    return _path_of(url, _PATH_SCHEMES)


def anchored(url: str, folder: Path) -> str:
    """The URL with a relative path made relative to `folder`; all others as they are. Raises ConfigError."""
    path = _path_of(url, {**_PATH_SCHEMES, "shards": ShardsConfig.example})
    if path is None or path.is_absolute():
        return url
    scheme, (_, mark, options) = url.partition(":")[0], url.partition("?")
    return f"{scheme}:{escaped(folder / path)}{mark}{options}"


def files_beside(store: str) -> str:
    """The URL of the files that go with a store if nobody names others: `file:X-files` with `sqlite:X.db`, of a gateway
    its own.

    Two stores never share files by this rule unless they differ only in `.db`. Raises ConfigError where there is none.
    """
    config = configure_store(store)
    if isinstance(config, MemoryConfig):
        return f"memory:{quote(config.name)}"
    if isinstance(config, GatewayConfig):
        return store
    path = local_path(store)
    if path is None:
        reason = "it doesn't say where its files are; name them too: --files URL, or STORE,FILES, or files= in Python"
        raise ConfigError(f"{redact(store)}: {reason}")
    return f"file:{escaped(path.parent / (path.name.removesuffix('.db') + '-files'))}"


def _path_of(url: str, examples: Mapping[str, str]) -> Path | None:
    location = split(url, "sqlite:library.db or file:library-files")
    example = examples.get(location.scheme)
    return None if example is None else path_in(location, example)


def _opened(url: str, open_it: Callable[[], Opened]) -> Opened:
    """What `open_it` opens; a driver that isn't installed is a ConfigError that says how to install it."""
    try:
        return open_it()
    except ModuleNotFoundError as error:
        if error.name is None or error.name.partition(".")[0] == "stat7":
            raise
        extra = _EXTRAS.get(url.partition(":")[0].lower())
        advice = f'pip install "stat7[{extra}]"' if extra else "install it by pip"
        missing = error.name.partition(".")[0]
        raise ConfigError(
            f"{redact(url)}: needs the Python package {missing}, which isn't installed: {advice}"
        ) from None


def _configure(url: str, table: Mapping[str, type[AnyConfig]], what: str) -> AnyConfig:
    examples = ", ".join(dict.fromkeys(config.example for config in table.values()))
    location = split(url, examples)
    config = table.get(location.scheme)
    if config is None:
        raise ConfigError(f"{redact(url)}: unknown scheme {location.scheme}: there are these {what}: {examples}")
    return config.at(location, read_options(url, location, config.readers))
