"""Where a gateway is and how it is asked: what a URL says, checked without the client library."""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import unquote

from stat7.errors import ConfigError

KEY_VARIABLE: Final = "STAT7_KEY"
"""The environment variable that holds the key of a gateway whose URL names none."""

_PLACE: Final = re.compile(
    r"//(?:(?P<user>[^/@]*)@)?(?P<host>\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+)(?::(?P<port>[0-9]{1,5}))?(?P<path>/[!-~]*)?"
)


@dataclass(frozen=True, slots=True)
class Settings:
    """A gateway at `url` (no user, no slash at the end) and the `key` sent to it, "" for none.

    Seconds: `timeout` that an answer may keep silent, `connect_timeout` for a connection, `retry` for which what can
    safely be repeated is. `connections`: most requests at once. `insecure`: send the key over plain HTTP to another
    machine. `ca`: a PEM file of certificates to trust besides, "" for the usual ones.
    """

    url: str
    key: str = field(default="", repr=False)
    timeout: float = 60.0
    connect_timeout: float = 10.0
    retry: float = 10.0
    connections: int = 32
    insecure: bool = False
    ca: str = ""

    @property
    def loopback(self) -> bool:
        """Whether the gateway is on this machine, where nobody listens in."""
        host = self.url.partition("://")[2].partition("/")[0]
        host = host if host.endswith("]") else re.sub(r":[0-9]+$", "", host)
        return is_loopback(host.strip("[]"))

    def checked(self) -> Settings:
        """Itself. Raises ConfigError for a key that can't be one, or that would travel where others can read it."""
        if not all("!" <= letter <= "~" for letter in self.key):
            raise ConfigError(f"the key for {self.url} holds what no key does, a blank or line end perhaps")
        if self.key and self.url.startswith("http:") and not (self.insecure or self.loopback):
            raise ConfigError(
                f"{self.url}: a key sent over plain HTTP can be read on the way: use https:, or "
                "?insecure=true if the network is your own"
            )
        return self


def is_loopback(host: str) -> bool:
    """Whether a name or address (no brackets) is this machine's own to itself."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host.lower() == "localhost"


def read_place(scheme: str, place: str) -> tuple[str, str]:
    """The URL of a gateway and the key in it ("" for none), from what follows the scheme. Raises ConfigError."""
    found = _PLACE.fullmatch(place)
    if found is None or int(found["port"] or 1) > 65535 or "#" in place:
        raise ConfigError(f"{scheme}: write {scheme}://host:7007; the key goes into {KEY_VARIABLE}")
    user, colon, key = (found["user"] or "").partition(":")
    if user and not (colon and key):
        raise ConfigError(f"{scheme}: a key in the URL is its password: {scheme}://:KEY@{found['host']}")
    port = f":{found['port']}" if found["port"] else ""
    return f"{scheme}://{found['host']}{port}{(found['path'] or '').rstrip('/')}", unquote(key)
