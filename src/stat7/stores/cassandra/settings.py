"""What can be set of a Cassandra store. Limits are checked where a URL is read, in registry/cassandra.py."""

from __future__ import annotations

import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field

from stat7.errors import ConfigError

EVERYWHERE = "replication_factor"
"""In a replication map: every data centre."""


@dataclass(frozen=True, slots=True)
class Settings:
    """Where the cluster is and how it is used.

    `hosts` are some of its nodes, the others are found by them; `local_dc` names the data centre that is near (that of
    the nodes named, if None). `consistency` is `quorum` or `local_quorum`, for reads and writes alike. `timeout` is the
    most seconds that one request may take, the driver's repetitions included, `connect_timeout` the same for a
    connection. `in_flight` bounds the requests that one call has under way. With `tls` the nodes' certificates must be
    signed by one of `ca` (a file; the system's own if None); `cert` and `key` are files of a certificate of ours.

    Used only when keyspace and tables are made: `replication`, how often each row is kept, by data centre; `buckets` (a
    power of two up to 64), in how many partitions the index rows of one realm and horizon lie. Each of them takes a
    request of a find; with a billion entities and 16 buckets those of a large realm have some 400 MB each.
    """

    hosts: tuple[str, ...]
    port: int = 9042
    keyspace: str = "stat7"
    user: str | None = field(default=None, repr=False)
    password: str | None = field(default=None, repr=False)
    buckets: int = 4
    replication: Mapping[str, int] = field(default_factory=lambda: {EVERYWHERE: 3})
    consistency: str = "quorum"
    local_dc: str | None = None
    timeout: float = 10.0
    connect_timeout: float = 5.0
    in_flight: int = 96
    tls: bool = False
    ca: str | None = None
    cert: str | None = None
    key: str | None = None

    def where(self) -> str:
        """Nodes and keyspace for messages, without user and password."""
        return f"{','.join(self.hosts)}:{self.port}/{self.keyspace}"

    def tls_context(self) -> ssl.SSLContext | None:
        """How connections are encrypted, None if they are not. Raises ConfigError for files that can't be read."""
        if not self.tls:
            return None
        try:
            context = ssl.create_default_context(cafile=self.ca)
            if self.cert is not None:
                context.load_cert_chain(self.cert, self.key)
        except (OSError, ValueError) as error:
            reason = " ".join(str(error).split()) or type(error).__name__
            raise ConfigError(f"the files of ca=, cert= or key= can't be used ({reason}); mend the URL") from None
        return context
