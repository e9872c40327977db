"""Walking over a table whose partitions have one row each, in the order of their tokens.

A cursor is the last key. Keys that share a token (anybody can make such ids) follow each other by their bytes.
"""

from __future__ import annotations

from typing import Any, Final, NamedTuple

from cassandra.metadata import Murmur3Token

from stat7.address import is_address
from stat7.errors import InvalidQuery
from stat7.stores.cassandra.session import Connection, Rows

FIRST_TOKEN: Final = -(2**63)
TOKENS: Final = 2**64


class Walk(NamedTuple):
    """A walk: the kind of its cursors, the table, its key (address or id), and what else to read."""

    kind: str
    table: str
    key: str
    columns: tuple[str, ...]

    def page(self, connection: Connection, after: bytes | None, limit: int) -> tuple[Rows, bool]:
        """At most `limit` rows behind the key `after`, key and columns; and whether that was the last of them."""
        token = FIRST_TOKEN if after is None else token_of(after)
        names = ", ".join((f"token({self.key})", self.key, *self.columns))
        text = f"SELECT {names} FROM $.{self.table} WHERE token({self.key}) >= ? LIMIT ?"
        wanted = limit if after is None else limit + 1
        while True:
            rows = connection.run(text, token, wanted)
            fresh = [row[1:] for row in rows if after is None or row[0] > token or _raw(row[1]) > after]
            if fresh or len(rows) < wanted:
                return fresh[:limit], len(rows) < wanted and len(fresh) <= limit
            wanted *= 2

    def cursor(self, key: Any) -> str:
        """The cursor behind that key."""
        return f"{self.kind}.{_raw(key).hex()}"

    def position(self, cursor: str | None) -> bytes | None:
        """The key in a cursor; InvalidQuery for one that this walk never made."""
        if cursor is None:
            return None
        kind, _, key = cursor.partition(".")
        try:
            raw = bytes.fromhex(key)
            raw.decode("utf-8" if self.key == "id" else "latin-1")
        except ValueError:
            raw = b""
        if kind != self.kind or not raw or raw.hex() != key or (self.key == "address" and not is_address(key)):
            raise InvalidQuery("cursor", "is not one that this walk returned; drop it to begin anew")
        return raw


def token_of(key: bytes) -> int:
    """Where a key is on the ring."""
    return int(Murmur3Token.hash_fn(key))


def _raw(key: Any) -> bytes:
    return key.encode() if isinstance(key, str) else key
