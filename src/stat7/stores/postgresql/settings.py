"""What can be set of a PostgreSQL store, and the connection parameters that come of it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

import psycopg
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from stat7.errors import ConfigError

_PORT: Final = re.compile(r"[0-9]{1,5}")
_LAST_PORT: Final = 65_535
_PLANNER: Final = {
    # Every statement here is a lookup by key or one of the plans that planner.py has chosen; with these the server's
    # planner, whose estimates of combined coordinates are far off, has no worse way left.
    "enable_seqscan": "off", "enable_hashjoin": "off", "enable_mergejoin": "off",
    # Both cost milliseconds before the first row.
    "jit": "off", "max_parallel_workers_per_gather": "0",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Settings:
    """Where the server is and how it is used. Their limits are checked where a URL is read, in registry/stores.py.

    `url` is postgresql://user:password@host:port/database, of which all but the scheme may be left out (then libpq's
    defaults hold: PGHOST, PGPASSWORD, ~/.pgpass and so on). `schema` holds the tables, `pool` bounds the connections of
    this process. `timeout` is the most seconds a statement may take, `connect_timeout` the same for a new connection
    (2 or more) and for waiting for a free one. `libpq`: more connection parameters of libpq's, such as sslmode.
    """

    url: str = field(repr=False)
    schema: str = "stat7"
    pool: int = 16
    timeout: float = 30.0
    connect_timeout: float = 5.0
    application_name: str = "stat7"
    libpq: Mapping[str, str] = field(default_factory=dict, repr=False)

    def conninfo(self) -> str:
        """The connection string for libpq, password included: not to be shown."""
        try:
            conninfo = make_conninfo(self.url, **self._parameters())
            given = conninfo_to_dict(conninfo)
        except (psycopg.Error, UnicodeError):
            # The driver's message may quote part of the password.
            raise _unreadable() from None
        if any("@" in str(given.get(name, "")) for name in ("user", "host", "port", "dbname")):
            # So would its messages about the host, if the password has an @ in it.
            raise _unreadable()
        for port in str(given.get("port") or "").split(","):
            if port and not (_PORT.fullmatch(port) and 1 <= int(port) <= _LAST_PORT):
                # Not quoted: in a URL without a host this would be the password.
                raise ConfigError(f"the port in the PostgreSQL URL is not a number from 1 to {_LAST_PORT}; mend it")
        return conninfo

    def where(self) -> str:
        """Server and database for messages, without user and password."""
        given = conninfo_to_dict(self.conninfo())
        host = given.get("host") or given.get("hostaddr") or "the default host"
        port = f":{given['port']}" if given.get("port") else ""
        return f"{host}{port}/{given.get('dbname') or ''}"

    def password(self) -> str | None:
        """The password in the URL, if one is there, so that it can be kept out of messages."""
        found = conninfo_to_dict(self.conninfo()).get("password")
        return None if found is None else str(found)

    def _parameters(self) -> dict[str, str]:
        milliseconds = max(1, round(self.timeout * 1000))
        session = {
            "search_path": self.schema,
            "statement_timeout": str(milliseconds),
            "lock_timeout": str(milliseconds),
            "idle_in_transaction_session_timeout": str(2 * milliseconds + 60_000),
            "default_transaction_isolation": "read\\ committed",
            **_PLANNER,
        }
        return {
            "application_name": self.application_name,
            "client_encoding": "UTF8",
            "connect_timeout": str(round(self.connect_timeout)),
            "keepalives": "1",
            "keepalives_idle": "10",
            "keepalives_interval": "5",
            "keepalives_count": "3",
            "tcp_user_timeout": str(milliseconds + 5000),
            "options": " ".join(f"-c {name}={value}" for name, value in session.items()),
            **self.libpq,
        }


def _unreadable() -> ConfigError:
    return ConfigError(
        "the PostgreSQL URL can't be read; write postgresql://user:password@host:5432/database, "
        "with %40 for @, %2F for / and %3A for : inside user or password"
    )
