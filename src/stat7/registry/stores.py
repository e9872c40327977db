"""What a URL says about a store of entities."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Final, Protocol, Self

from stat7.errors import ConfigError
from stat7.files.objects.urls import word
from stat7.registry.urls import Config, InMemory, Location, Reader, number, one_of, path_in, whole

if TYPE_CHECKING:
    from stat7.stores.base import Store

_LIBPQ: Final = (
    "channel_binding", "host", "hostaddr", "passfile", "sslcert", "sslcrl", "sslkey", "sslmode", "sslrootcert",
    "target_session_attrs",
)  # fmt: skip


class StoreConfig(Config, Protocol):
    """What a URL says about a store of entities."""

    def require(self) -> None:
        """Raises ConfigError if there is no store, as far as that can be seen without opening it."""
        ...

    def open(self, *, make: bool) -> Store:
        """The store that this describes. Unless `make`, one that isn't there is a ConfigError. Imports the backend."""
        ...


def with_retries(store: Store, retries: int) -> Store:
    """The store, trying again by itself what failed because it was away; with 0 retries as it is."""
    if not retries:
        return store
    from stat7.backoff import Backoff
    from stat7.stores.retrying import RetryingStore

    return RetryingStore(store, Backoff(attempts=retries + 1))


class MemoryConfig(InMemory):
    """`memory:` is a store of its own; `memory:NAME` is shared by all who open that name while the process runs.

    It is there as soon as somebody opens it.
    """

    __slots__ = ()

    def require(self) -> None:
        """See StoreConfig.require."""

    def open(self, *, make: bool) -> Store:
        """See StoreConfig.open."""
        from stat7.stores.memory import MemoryStore

        return MemoryStore(self.name)


@dataclass(frozen=True, slots=True)
class SQLiteConfig:
    """`sqlite:PATH`: one file. sync: `full` (each acknowledged write survives a power cut) or `normal`; busy_timeout:
    seconds to wait for another process that writes. What isn't given is as the store decides.
    """

    example: ClassVar[str] = "sqlite:library.db"
    readers: ClassVar[Mapping[str, Reader]] = {
        "sync": one_of("full", "normal"),
        "busy_timeout": number("seconds", 0, 86_400),
    }

    path: Path
    sync: str | None = None
    busy_timeout: float | None = None

    @classmethod
    def at(cls, location: Location, options: Mapping[str, Any]) -> Self:
        """From the parts of a URL; ConfigError if there is no path in it."""
        return cls(path_in(location, cls.example), **options)

    def require(self) -> None:
        """See StoreConfig.require."""
        if not self.path.exists():
            raise ConfigError(f"there is no store at {self.path}; make one with `stat7 init`, or correct its URL")

    def open(self, *, make: bool) -> Store:
        """See StoreConfig.open."""
        from stat7.stores.sqlite import SQLiteStore

        if not make:
            self.require()
        given = {"sync": self.sync, "busy_timeout": self.busy_timeout}
        options: dict[str, Any] = {name: value for name, value in given.items() if value is not None}
        return SQLiteStore(self.path, **options)


def _schema(text: str) -> str:
    if not re.fullmatch("[a-z_][a-z0-9_]{0,62}", text) or text.startswith("pg_"):
        raise ValueError("a name of lower-case letters, digits and _ that doesn't begin with pg_")
    return text


@dataclass(frozen=True, slots=True)
class PostgreSQLConfig:
    """`postgresql://USER:PASSWORD@HOST:PORT/DATABASE`; parts left out are as libpq finds them (PGHOST, ~/.pgpass, …).

    schema: where the tables are; pool: most connections; timeout: seconds that a statement may take; connect_timeout:
    seconds to wait for a connection; retries: how often a call is tried again while the server is away (stat7.opening
    sees to that); application_name: what the server calls us; the others go to libpq as they are.
    """

    example: ClassVar[str] = "postgresql://user@host/database"
    readers: ClassVar[Mapping[str, Reader]] = {
        "schema": _schema,
        "pool": whole("connections", 1, 1000),
        "timeout": number("seconds", 0.001, 86_400),
        "connect_timeout": number("seconds", 2, 86_400),
        "retries": whole("retries", 0, 100),
        "application_name": word,
    } | dict.fromkeys(_LIBPQ, word)

    url: str = field(repr=False)
    options: Mapping[str, Any] = field(repr=False)

    @classmethod
    def at(cls, location: Location, options: Mapping[str, Any]) -> Self:
        """From the parts of a URL. Its server's part is read by libpq when the store is opened."""
        return cls(f"postgresql:{location.place}", options)

    @property
    def retries(self) -> int:
        """How often a call is tried again."""
        return int(self.options.get("retries", 4))

    def require(self) -> None:
        """See StoreConfig.require."""

    def open(self, *, make: bool) -> Store:
        """See StoreConfig.open."""
        from stat7.stores.postgresql import PostgreSQLStore, Settings

        ours = {name: value for name, value in self.options.items() if name not in _LIBPQ and name != "retries"}
        theirs = {name: value for name, value in self.options.items() if name in _LIBPQ}
        return PostgreSQLStore(Settings(self.url, libpq=theirs, **ours), make=make)
