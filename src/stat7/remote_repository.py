"""A repository behind a gateway: what is put is decided there, where files are looked at and heads moved in one place.

All else is as in any repository: what comes back is hashed again here, and what is found is checked against the query.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Final

from stat7.errors import Unavailable
from stat7.files.base import FileStore
from stat7.putting import PutResult, Status
from stat7.record import Record
from stat7.remote import answers
from stat7.remote.lines import Line
from stat7.repository import Repository
from stat7.stores.http import HttpStore

_STATUSES: Final = {status.value: status for status in Status}


class RemoteRepository(Repository):
    """A `Repository` of which both parts are those of one gateway. A key of scope write suffices to put.

    What a broken-off answer leaves open is asked again, as long as `retry` says, and UNAVAILABLE in the end; what was
    stored already by then comes as EXISTED.
    """

    def __init__(self, store: HttpStore, files: FileStore, *, clock: Callable[[], float] = time.time) -> None:
        super().__init__(store, files, clock=clock)
        self._gateway = store

    def _put(self, records: Sequence[Record]) -> list[PutResult]:
        url = self._gateway.connection.url
        try:
            posted = self._gateway.post([record.document for record in records])
        except Unavailable as error:  # closed
            return [PutResult(Status.UNAVAILABLE, record.address, error) for record in records]
        found = [_result(url, record, line) for record, line in zip(records, posted.lines, strict=False)]
        why = posted.error or answers.unexpected(url)
        return found + [PutResult(Status.UNAVAILABLE, record.address, why) for record in records[len(found) :]]


def _result(url: str, record: Record, line: Line) -> PutResult:
    """What became of a record; not what is said of another, nor a failure without its error."""
    status = _STATUSES.get(line.status)
    stored = status in (Status.NEW, Status.EXISTED)
    wrong = line.address not in (None, record.address) or (stored and line.address is None)
    if status is None or wrong or stored != (line.error is None):
        return PutResult(Status.UNAVAILABLE, record.address, answers.unexpected(url))
    return PutResult(status, record.address, line.error)
