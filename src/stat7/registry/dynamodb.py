"""What a URL says about a store on DynamoDB."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar, Final, Self

from stat7.errors import ConfigError
from stat7.files.objects.urls import endpoint, word
from stat7.registry.urls import Location, Reader, number, one_of, whole

if TYPE_CHECKING:
    from stat7.stores.base import Store

_TABLE: Final = re.compile(r"[A-Za-z0-9_.-]{3,255}")
_PARTITIONS: Final = tuple(str(2**power) for power in range(9))


def _partitions(text: str) -> int:
    return int(one_of(*_PARTITIONS)(text))


@dataclass(frozen=True, slots=True)
class DynamoDBConfig:
    """`dynamodb://TABLE?region=…`; region, endpoint and credentials that aren't given are as boto3 finds them.

    timeout: seconds that one answer may take; connect_timeout: seconds to wait for a connection; retry: seconds for
    which a call is repeated that the service refuses for being busy, or that doesn't reach it; connections: most
    requests at once; partitions: how many parts a table has that is made, a power of two up to 256.
    """

    example: ClassVar[str] = "dynamodb://table?region=eu-central-1"
    readers: ClassVar[Mapping[str, Reader]] = {
        "region": word,
        "endpoint": endpoint,
        "profile": word,
        "access_key_id": word,
        "secret_access_key": word,
        "session_token": word,
        "timeout": number("seconds", 0.1, 600),
        "connect_timeout": number("seconds", 0.1, 600),
        "retry": number("seconds", 0, 600),
        "connections": whole("connections", 1, 500),
        "partitions": _partitions,
    }

    table: str
    options: Mapping[str, Any] = field(repr=False)

    @classmethod
    def at(cls, location: Location, options: Mapping[str, Any]) -> Self:
        """From the parts of a URL; ConfigError if it names no table, or one of two keys alone."""
        table = location.place.removeprefix("//").removesuffix("/")
        if not location.place.startswith("//") or not _TABLE.fullmatch(table):
            rule = "a table's name is 3 to 255 of letters, digits and _ . -; keys go into the environment or options"
            raise ConfigError(f"dynamodb: write {cls.example}; {rule}")
        if ("access_key_id" in options) != ("secret_access_key" in options):
            raise ConfigError("dynamodb: access_key_id and secret_access_key go together; give both, or neither")
        return cls(table, options)

    def require(self) -> None:
        """See StoreConfig.require."""

    def open(self, *, make: bool) -> Store:
        """See StoreConfig.open."""
        from stat7.stores.dynamodb import DynamoDBStore, Settings

        return DynamoDBStore(Settings(self.table, **self.options), make=make)
