"""What a URL says about a gateway: `https://host:7007`, which names entities and files alike."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, ClassVar, Self

from stat7.files.objects.urls import word
from stat7.registry.urls import Location, Reader, number, one_of, whole
from stat7.remote.settings import KEY_VARIABLE, Settings, read_place

if TYPE_CHECKING:
    from stat7.files.base import FileStore
    from stat7.stores.base import Store


def _true_or_false(text: str) -> bool:
    return bool(one_of("true", "false")(text) == "true")


@dataclass(frozen=True, slots=True)
class GatewayConfig:
    """`https://HOST:PORT` of a gateway, or `https://:KEY@HOST:PORT`; without a key in it, the one in STAT7_KEY is sent.

    timeout: seconds that an answer may keep silent; connect_timeout: seconds to wait for a connection; retry: seconds
    for which what failed is tried again, where that is safe; connections: most requests at once; insecure: send a key
    over http: to another machine; ca: a PEM file of certificates to trust besides.
    """

    example: ClassVar[str] = "https://host:7007"
    readers: ClassVar[Mapping[str, Reader]] = {
        "timeout": number("seconds", 0.1, 86_400),
        "connect_timeout": number("seconds", 0.1, 600),
        "retry": number("seconds", 0, 600),
        "connections": whole("connections", 1, 1000),
        "insecure": _true_or_false,
        "ca": word,
    }

    settings: Settings

    @classmethod
    def at(cls, location: Location, options: Mapping[str, Any]) -> Self:
        """From the parts of a URL; ConfigError if they name no host, or a key that can't be one."""
        url, key = read_place(location.scheme, location.place)
        return cls(Settings(url, key, **options))

    def with_key(self, key: str | None) -> Self:
        """The same with this key or, without one, that of the URL, or of the environment."""
        found = key or self.settings.key or os.environ.get(KEY_VARIABLE, "")
        return replace(self, settings=replace(self.settings, key=found))

    def require(self) -> None:
        """See StoreConfig.require."""


class GatewayStoreConfig(GatewayConfig):
    """A gateway as a store of entities."""

    __slots__ = ()

    def open(self, *, make: bool) -> Store:
        """See StoreConfig.open."""
        from stat7.stores.http import HttpStore

        return HttpStore(self.with_key(None).settings)


class GatewayFilesConfig(GatewayConfig):
    """A gateway as a store of files."""

    __slots__ = ()

    def open(self) -> FileStore:
        """See FilesConfig.open."""
        from stat7.files.http import HttpFiles

        return HttpFiles(self.with_key(None).settings)
