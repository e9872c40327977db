"""The realms that there are: a query that names none, or very many, asks for those that exist."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

from stat7.stores.cassandra.session import Connection

_ADD: Final = "INSERT INTO $.names(kind, name, value) VALUES ('realm', ?, '')"
_READ: Final = "SELECT name FROM $.names WHERE kind = 'realm'"


class Realms:
    """Realms are added before their first entity and never removed, so those known here stay known."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._known: frozenset[str] = frozenset()

    def add(self, names: Iterable[str]) -> None:
        """Make sure that these are kept."""
        fresh = sorted(set(names) - self._known)
        if fresh:
            self._connection.run_each(_ADD, [(name,) for name in fresh])
            self._known |= frozenset(fresh)

    def asked_for(self, names: Sequence[str] | None) -> list[str]:
        """Those of the names, or all if None, that exist, in order."""
        if names is None or not self._known.issuperset(names):
            self._known |= frozenset(row[0] for row in self._connection.run(_READ))
        return sorted(self._known if names is None else self._known.intersection(names))
