"""What `shards:FILE` says about a store over several servers: the file of its map, as text and read back.

    version = 1
    set = "32 random hex digits"

    [[shard]]
    from = "0"
    url = "postgresql://user@one.example.org/library"

    [[shard]]
    from = "8"
    url = "postgresql://user@two.example.org/library"

`from` is the first address of the shard, without the zeros at its end. URLs may hold credentials and options.
"""

from __future__ import annotations

import json
import tomllib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Final, NamedTuple, Self

from stat7.errors import ConfigError
from stat7.registry.stores import PostgreSQLConfig, with_retries
from stat7.registry.urls import Location, Reader, path_in, read_options, redact, split

if TYPE_CHECKING:
    from stat7.stores.base import Store
    from stat7.stores.sharded.shard_map import ShardMap

_SCHEMES: Final = ("postgresql", "postgres")
_HEAD: Final = """# The shards of one store; made by `stat7 admin shard`, used as shards:FILE.
# Every shard holds the same map, and a client with another is refused: copy this file, don't edit it.
"""


class ShardFile(NamedTuple):
    """What a file says: the map, and what is known of each shard."""

    shard_map: ShardMap
    shards: tuple[ShardURL, ...]


@dataclass(frozen=True, slots=True)
class ShardURL:
    """Where one shard is. `place` is its URL as it may be shown."""

    place: str
    config: PostgreSQLConfig = field(repr=False)

    @classmethod
    def read(cls, url: str) -> ShardURL:
        """From a URL; nothing is opened. Raises ConfigError."""
        location = split(url, PostgreSQLConfig.example)
        if location.scheme not in _SCHEMES:
            raise ConfigError(f"{redact(url)}: only PostgreSQL servers can be shards; write {PostgreSQLConfig.example}")
        options = read_options(url, location, PostgreSQLConfig.readers)
        return cls(redact(url), PostgreSQLConfig.at(location, options))

    def open(self) -> Store:
        """The store of the shard, which must be there; it tries again by itself what failed because it was away."""
        return with_retries(self.config.open(make=False), self.config.retries)


@dataclass(frozen=True, slots=True)
class ShardsConfig:
    """`shards:FILE`: the store over the shards that the file names; `stat7 admin shard` makes both."""

    example: ClassVar[str] = "shards:shards.toml"
    readers: ClassVar[Mapping[str, Reader]] = {}

    path: Path

    @classmethod
    def at(cls, location: Location, options: Mapping[str, Any]) -> Self:
        """From the parts of a URL; ConfigError if there is no path in it."""
        return cls(path_in(location, cls.example))

    def require(self) -> None:
        """See StoreConfig.require."""
        if not self.path.exists():
            advice = "copy the one of the others, or make shards with `stat7 admin shard`"
            raise ConfigError(f"there is no shard map at {self.path}; {advice}")

    def open(self, *, make: bool) -> Store:
        """See StoreConfig.open. Shards are never made here, whatever `make` says."""
        from stat7.stores.sharded import ShardedStore

        self.require()
        shard_map, shards = read_shards(self.path)
        openers: list[Callable[[], Store]] = [shard.open for shard in shards]
        return ShardedStore(openers, shard_map, [shard.place for shard in shards], str(self.path))


def read_shards(path: Path) -> ShardFile:
    """Read the file of a map. Raises ConfigError that names the file and what is wrong with it."""
    from stat7.stores.sharded.shard_map import VERSION, read_map

    try:
        given = tomllib.loads(path.read_text("utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise ConfigError(f"{path}: can't be read: {error}") from None
    if given.get("version") != VERSION:
        raise ConfigError(f"{path}: version: is not {VERSION}; update stat7, or name the file of a shard map")
    listed = given.get("shard")
    if not isinstance(listed, list) or not all(isinstance(each, dict) for each in listed):
        raise ConfigError(f"{path}: shard: expected a [[shard]] for each shard; restore the file")
    try:
        shard_map = read_map(given.get("set"), [each.get("from") for each in listed])
        return ShardFile(shard_map, tuple(_shard_url(each.get("url")) for each in listed))
    except ConfigError as error:
        raise ConfigError(f"{path}: {error}") from None


def shards_text(shard_map: ShardMap, urls: Sequence[str]) -> str:
    """The file of a map whose shards are at these URLs."""
    from stat7.stores.sharded.shard_map import VERSION

    parts = [f"{_HEAD}version = {VERSION}\nset = {_quoted(shard_map.name)}\n"]
    for first, url in zip(shard_map.firsts, urls, strict=True):
        parts.append(f"\n[[shard]]\nfrom = {_quoted(first)}\nurl = {_quoted(url)}\n")
    return "".join(parts)


def _shard_url(given: object) -> ShardURL:
    if not isinstance(given, str):
        raise ConfigError("url: missing; each [[shard]] has from and url, texts in quotes")
    return ShardURL.read(given)


def _quoted(text: str) -> str:
    """A basic string of TOML, whose escapes are those of JSON but for DEL."""
    return json.dumps(text).replace("\x7f", "\\u007f")
