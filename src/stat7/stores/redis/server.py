"""Where a Redis is, and how its URL says so."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Self
from urllib.parse import unquote, urlsplit


@dataclass(frozen=True, slots=True)
class Server:
    """Where Redis is: host, port, database, user and password (None: none), whether to speak TLS."""

    host: str
    port: int = 6379
    database: int = 0
    user: str | None = None
    password: str | None = field(default=None, repr=False)
    tls: bool = False

    @classmethod
    def parse(cls, url: str) -> Self:
        """From `redis://USER:PASSWORD@HOST:PORT/DATABASE`, or `rediss:` for TLS; ValueError says what is wrong.

        User and password may hold percent escapes, and must for any of `# / ? @`.
        """
        try:
            parts = urlsplit(url)
            port = parts.port
        except ValueError:
            raise ValueError("not a host and port") from None
        database = parts.path.removeprefix("/") or "0"
        if not parts.hostname or parts.fragment or not re.fullmatch("[0-9]{1,5}", database):
            raise ValueError("not a host and the number of a database (# / ? @ in a password need percent escapes)")
        user, password = (unquote(text) if text else None for text in (parts.username, parts.password))
        return cls(parts.hostname, port or 6379, int(database), user, password, parts.scheme == "rediss")

    @property
    def place(self) -> str:
        """For people: without user and password."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{'rediss' if self.tls else 'redis'}://{host}:{self.port}/{self.database}"
