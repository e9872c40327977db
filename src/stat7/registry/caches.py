"""What a URL says about a cache of documents."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Protocol, Self

from stat7.errors import ConfigError
from stat7.registry.urls import Config, Location, Reader, number, redact, whole
from stat7.stores.redis.server import Server

if TYPE_CHECKING:
    from stat7.stores.cached import Cache


class CacheConfig(Config, Protocol):
    """What a URL says about a cache of documents."""

    def open(self) -> Cache:
        """The cache that this describes. Imports its driver; nothing is connected yet."""
        ...


@dataclass(frozen=True, slots=True)
class RedisConfig:
    """`redis://USER:PASSWORD@HOST:PORT/DATABASE`, `rediss:` for TLS. ttl: seconds after which an entry is forgotten;
    timeout: most seconds that a read waits for the cache; largest: documents of more bytes are not cached.
    """

    example: ClassVar[str] = "redis://localhost:6379/0"
    readers: ClassVar[Mapping[str, Reader]] = {
        "ttl": number("seconds", 1, 30 * 86_400),
        "timeout": number("seconds", 0.001, 10.0),
        "largest": whole("bytes", 0, 262_144),
    }

    server: Server
    options: Mapping[str, float]

    @classmethod
    def at(cls, location: Location, options: Mapping[str, Any]) -> Self:
        """From the parts of a URL; ConfigError if host, port or database can't be."""
        url = f"{location.scheme}:{location.place}"
        try:
            return cls(Server.parse(url), options)
        except ValueError as error:
            raise ConfigError(f"{redact(url)}: {error}; write {cls.example}") from None

    def open(self) -> Cache:
        """See CacheConfig.open."""
        from stat7.stores.redis.cache import RedisCache

        return RedisCache(self.server, **self.options)
