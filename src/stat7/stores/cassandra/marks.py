"""Marks in index rows, which spare a find the look at what is stored.

An index row is written before its document, so by itself it proves nothing: a put may have been cut off, or a
withdrawal have come between. A find that has seen the document (at QUORUM, not withdrawn, and its facts those of the
row) writes the document's id into the row. From then on the row alone is an answer. Why that is never a wrong one:

- A mark bears the time at which its row was written, so whatever deletes the row deletes the mark too, even one that
  arrives later; and a put that writes the row anew doesn't bring it back.
- Before a document is withdrawn or discarded its marks are deleted, with a time that lies ahead of every clock of a
  client. A find that looked before and writes its mark afterwards writes it in vain. A withdrawal that is cut off in
  between leaves rows without marks, as a put does, and finds look at what is stored again.
- A withdrawal that did not see the document (a put was under way) does the same when it erases what came meanwhile,
  before it is acknowledged: what a find has seen at QUORUM was repaired on most replicas by then, so the withdrawal
  sees it. Such a one that is cut off between notice and erasure is the one case in which a find may give what `get`
  says is withdrawn, until it is repeated or `stat7 gc --compact` has run; nobody was told that it was done.

Marks may get lost; then a later find makes them again.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from typing import Any, Final, NamedTuple

from stat7.stores.cassandra.errors import ERRORS
from stat7.stores.cassandra.rows import CellKey, Facts, LinkKey, by_partition, index_keys
from stat7.stores.cassandra.session import Connection

AHEAD: Final = 3_600_000_000
"""Microseconds that the clock of a client that writes may be ahead of that of one that withdraws."""

_CELL: Final = "realm = ? AND horizon = ? AND bucket = ? AND lineage = ? AND address = ?"
_LINK: Final = "part = ? AND target = ? AND address = ?"
_MARK_CELL: Final = f"UPDATE $.cells USING TIMESTAMP ? SET id = ? WHERE {_CELL}"
_MARK_LINK: Final = f"UPDATE $.links USING TIMESTAMP ? SET id = ? WHERE {_LINK}"
_UNMARK_CELL: Final = f"DELETE id FROM $.cells USING TIMESTAMP ? WHERE {_CELL}"
_UNMARK_LINK: Final = f"DELETE id FROM $.links USING TIMESTAMP ? WHERE {_LINK}"


class Mark(NamedTuple):
    """The key of an index row, when the row was written (microseconds since 1970), and the id of its entity."""

    key: CellKey | LinkKey
    written: int
    id: str


def mark(connection: Connection, marks: Iterable[Mark]) -> None:
    """Mark index rows whose entities were seen at QUORUM, without waiting for it; who may not write makes no marks."""
    cells: list[Sequence[Any]] = []
    links: list[Sequence[Any]] = []
    for each in marks:
        (cells if isinstance(each.key, CellKey) else links).append((*each.key, each.written, each.id))
    with suppress(*ERRORS):
        for text, rows, size in ((_MARK_CELL, cells, 3), (_MARK_LINK, links, 1)):
            groups = [[(*row[-2:], *row[:-2]) for row in group] for group in by_partition(rows, size)]
            connection.send(connection.batches(text, groups))


def unmark(connection: Connection, facts: Mapping[bytes, Facts], ahead: int = AHEAD) -> None:
    """Take the marks of these entities away, for rows written until `ahead` microseconds from now."""
    moment = int(time.time() * 1e6) + ahead
    cells, links = index_keys(facts, connection.buckets)
    statements: list[Any] = []
    for text, keys, size in ((_UNMARK_CELL, cells, 3), (_UNMARK_LINK, links, 1)):
        groups = [[(moment, *key) for key in group] for group in by_partition(keys, size)]
        statements += connection.batches(text, groups)
    connection.run_all(statements)
