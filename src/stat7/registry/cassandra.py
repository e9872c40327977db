"""What a URL says about a store on Cassandra."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar, Final, Self
from urllib.parse import unquote

from stat7.errors import ConfigError
from stat7.files.objects.urls import word, yes_or_no
from stat7.registry.urls import Location, Reader, number, one_of, whole

if TYPE_CHECKING:
    from stat7.stores.base import Store

_HOST: Final = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+)(?::([0-9]{1,5}))?")
_KEYSPACE: Final = re.compile(r"[a-z][a-z0-9_]{0,47}")
_CENTRE: Final = re.compile(r"([A-Za-z0-9_.-]+):([1-9])")
_LAST_PORT: Final = 65_535
_EVERYWHERE: Final = "replication_factor"


def _replication(text: str) -> dict[str, int]:
    if re.fullmatch("[1-9]", text):
        return {_EVERYWHERE: int(text)}
    found = [_CENTRE.fullmatch(part) for part in text.split(",")]
    factors = {each[1]: int(each[2]) for each in found if each is not None}
    if len(factors) < len(found):
        raise ValueError("a number from 1 to 9, or one for each data centre: dc1:3,dc2:3")
    return factors


@dataclass(frozen=True, slots=True)
class CassandraConfig:
    """`cassandra://USER:PASSWORD@HOST,HOST:PORT/KEYSPACE`; USER and PASSWORD may stand in CASSANDRA_USERNAME and
    CASSANDRA_PASSWORD instead, PORT is 9042 and KEYSPACE stat7 if they are left out.

    replication: how often each row is kept, in each data centre or by data centre (`dc1:3,dc2:3`), if the keyspace is
    made; buckets: partitions of the index for each realm and horizon, a power of two up to 64, if the tables are made
    (4; 16 for a billion entities); consistency: quorum or local_quorum; local_dc: the data centre that is near;
    timeout: seconds that a request may take; connect_timeout: seconds to wait for a connection; in_flight: most
    requests of a call at once; retries: how often a call is tried again while the cluster is away (stat7.opening sees
    to that); tls: yes to encrypt, with ca, cert and key as files.
    """

    example: ClassVar[str] = "cassandra://host1,host2/keyspace"
    readers: ClassVar[Mapping[str, Reader]] = {
        "replication": _replication,
        "buckets": one_of("1", "2", "4", "8", "16", "32", "64"),
        "consistency": one_of("quorum", "local_quorum"),
        "local_dc": word,
        "timeout": number("seconds", 0.1, 600),
        "connect_timeout": number("seconds", 0.1, 600),
        "in_flight": whole("requests", 1, 10_000),
        "retries": whole("retries", 0, 100),
        "tls": yes_or_no,
        "ca": word,
        "cert": word,
        "key": word,
    }

    hosts: tuple[str, ...]
    port: int
    keyspace: str
    options: Mapping[str, Any]
    user: str | None = field(default=None, repr=False)
    password: str | None = field(default=None, repr=False)

    @classmethod
    def at(cls, location: Location, options: Mapping[str, Any]) -> Self:
        """From the parts of a URL; ConfigError if it names no host, or what can't be one."""
        user, mark, rest = location.place.removeprefix("//").rpartition("@")
        places, _, keyspace = rest.partition("/")
        found = [_HOST.fullmatch(part) for part in places.split(",")]
        hosts = tuple(each[1].strip("[]") for each in found if each is not None)
        ports = {int(each[2]) for each in found if each is not None and each[2]}
        if not location.place.startswith("//") or len(hosts) < len(found) or len(ports) > 1:
            advice = "with one port for all, and %40 for @, %2F for / inside user or password"
            raise ConfigError(f"cassandra: the hosts in the URL can't be read; write {cls.example}, {advice}")
        if not all(1 <= port <= _LAST_PORT for port in ports):
            raise ConfigError(f"cassandra: the port is not a number from 1 to {_LAST_PORT}; mend the URL")
        keyspace = keyspace.removesuffix("/") or "stat7"
        if not _KEYSPACE.fullmatch(keyspace):
            rule = "a keyspace's name is 1 to 48 lower-case letters, digits and _, a letter first"
            raise ConfigError(f"cassandra: the keyspace in the URL can't be used; {rule}")
        if ("cert" in options) != ("key" in options) or ({"ca", "cert"} & options.keys() and not options.get("tls")):
            raise ConfigError("cassandra: ca, cert and key need tls=yes, and cert and key go together; mend the URL")
        name, _, secret = user.partition(":")
        login = (unquote(name), unquote(secret)) if mark else (None, None)
        return cls(hosts, ports.pop() if ports else 9042, keyspace, options, *login)

    @property
    def retries(self) -> int:
        """How often a call is tried again."""
        return int(self.options.get("retries", 4))

    def require(self) -> None:
        """See StoreConfig.require."""

    def open(self, *, make: bool) -> Store:
        """See StoreConfig.open."""
        from stat7.stores.cassandra import CassandraStore, Settings

        user, password = self.user, self.password
        if user is None:
            user, password = os.environ.get("CASSANDRA_USERNAME") or None, os.environ.get("CASSANDRA_PASSWORD")
        given = {name: value for name, value in self.options.items() if name != "retries"}
        if "buckets" in given:
            given["buckets"] = int(given["buckets"])
        settings = Settings(self.hosts, self.port, self.keyspace, user, password, **given)
        return CassandraStore(settings, make=make)
