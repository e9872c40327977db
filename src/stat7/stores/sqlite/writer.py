"""The one writing connection of this process, and the gathering of many threads' puts into one durable transaction.

A thread appends its put to the queue and waits for the lock. Whoever gets the lock runs everything that is queued in
one transaction; the others, when their turn comes, find their work done. No thread is needed for it, a lone put waits
for nobody, and while one transaction reaches the disk the next one gathers.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Collection, Sequence
from itertools import groupby, islice
from typing import Final, TypeVar

import apsw

from stat7.address import Address
from stat7.errors import Unavailable
from stat7.record import Record
from stat7.stores.base import HeadMove, Outcome
from stat7.stores.sqlite.connection import Transaction, fetch, keep_forever
from stat7.stores.sqlite.errors import translated
from stat7.stores.sqlite.heads import make_first_heads, move_heads
from stat7.stores.sqlite.lookup import notices
from stat7.stores.sqlite.put import put_new, put_records

Result = TypeVar("Result")

_MOST_GATHERED: Final = 10_000
"""Records and moves in one transaction, so that nobody waits long behind others; a larger put goes alone."""


class _Put:
    """One caller's put on its way through the queue."""

    __slots__ = ("done", "error", "guarded", "made", "moves", "outcomes", "records")

    def __init__(self, records: Sequence[Record], moves: Sequence[HeadMove], guarded: bool) -> None:
        self.records = records
        self.moves = moves
        self.guarded = guarded
        self.outcomes: list[Outcome] = []
        self.made: list[bool] = []
        self.error: Exception | None = None
        self.done = False

    @property
    def size(self) -> int:
        return len(self.records) + len(self.moves)


class Writer:
    """Serialises this process's writes to the database at `path`; the busy handler waits for other processes."""

    def __init__(self, path: str, open_connection: Callable[[], apsw.Connection]) -> None:
        self._path = path
        self._open = open_connection
        self._lock = threading.Lock()
        self._queue: deque[_Put] = deque()
        self._closed = False
        self._hopeful = True
        self._connection: apsw.Connection | None = open_connection()

    def put(
        self, records: Sequence[Record], moves: Sequence[HeadMove], *, guarded: bool
    ) -> tuple[list[Outcome], list[bool]]:
        """Store records, then move heads; durable when it returns. `guarded`: no move to a withdrawn address."""
        mine = _Put(records, moves, guarded)
        self._queue.append(mine)
        try:
            with self._lock:
                while not mine.done:
                    self._run(self._gathered())
        except BaseException:
            # An interrupt: what nobody waits for any more must not be done by whoever comes next.
            mine.done = True
            raise
        if mine.error is not None:
            raise mine.error
        return mine.outcomes, mine.made

    def alone(self, work: Callable[[apsw.Connection], Result]) -> Result:
        """Run `work` in a transaction of its own; it may be called twice. Raises stat7's errors."""
        return self.outside(lambda connection: _transact(connection, work))

    def outside(self, work: Callable[[apsw.Connection], Result]) -> Result:
        """Run `work`, which begins no transaction or its own, while nothing else is written by this process."""
        with self._lock:
            connection = self.connection()
            try:
                return work(connection)
            except apsw.Error as error:
                raise translated(error, self._path, connection.system_errno) from error

    def connection(self) -> apsw.Connection:
        """The connection, opened anew in a forked child; to be called under the lock."""
        if self._closed:
            raise Unavailable(f"the store {self._path} is closed; open it again")
        if self._connection is None:
            self._connection = self._open()
        return self._connection

    def close(self) -> None:
        """Finish what runs, then close."""
        with self._lock:
            self._closed = True
            connection, self._connection = self._connection, None
            if connection is not None:
                connection.close()

    def abandon(self) -> None:
        """In a forked child: forget the parent's connection, its waiting threads and the lock that one may hold."""
        if self._connection is not None:
            keep_forever(self._connection)
        self._connection = None
        self._lock = threading.Lock()
        self._queue = deque()

    def _gathered(self) -> list[_Put]:
        """Take puts from the queue, leaving out those whose callers were interrupted."""
        puts: list[_Put] = []
        size = 0
        while self._queue and (not puts or size + self._queue[0].size <= _MOST_GATHERED):
            put = self._queue.popleft()
            if not put.done:
                puts.append(put)
                size += put.size
        return puts

    def _run(self, puts: Sequence[_Put]) -> None:
        """Carry out puts in one transaction; if one spoils it for all, each alone."""
        try:
            self._commit(puts)
        except (apsw.BusyError, Unavailable) as error:
            # Nobody's fault: alone they would only wait as long again.
            self._finish(puts, error)
        except Exception as error:
            if len(puts) == 1:
                self._finish(puts, error)
            else:
                for put in puts:
                    self._run([put])
        except BaseException:
            self._queue.extendleft(reversed(puts))
            raise

    def _commit(self, puts: Sequence[_Put]) -> None:
        outcomes, made = self._transact_puts(self.connection(), puts)
        answered, swapped = iter(outcomes), iter(made)
        for put in puts:
            put.outcomes = list(islice(answered, len(put.records)))
            put.made = list(islice(swapped, len(put.moves)))
            put.done = True

    def _transact_puts(self, connection: apsw.Connection, puts: Sequence[_Put]) -> tuple[list[Outcome], list[bool]]:
        """Put without looking first while all that comes is new, as in imports: that saves a tenth of the time."""
        if self._hopeful and all(map(_gives_first_heads, puts)):
            try:
                return _transact(connection, lambda connection: _carry_out_hopefully(connection, puts))
            except apsw.ConstraintError:
                pass
        outcomes, made = _transact(connection, lambda connection: _carry_out(connection, puts))
        self._hopeful = all(made) and all(outcome is Outcome.NEW for outcome in outcomes)
        return outcomes, made

    def _finish(self, puts: Sequence[_Put], error: Exception) -> None:
        connection = self._connection
        if isinstance(error, apsw.Error):
            cause, error = error, translated(error, self._path, connection.system_errno if connection else 0)
            error.__cause__ = cause
        for put in puts:
            put.error = error
            put.done = True


def _transact(connection: apsw.Connection, work: Callable[[apsw.Connection], Result]) -> Result:
    """Run `work` in one transaction, and once more if it failed for something that can be mended first."""
    try:
        with Transaction(connection):
            return work(connection)
    except apsw.FullError:
        # The log holds many versions of the same pages: copied back, they may leave room enough.
        mend = "PRAGMA wal_checkpoint(TRUNCATE)"
    except apsw.CorruptError as error:
        if getattr(error, "extendedresult", 0) != apsw.SQLITE_CORRUPT_INDEX:
            raise
        # An entry is missing in an index, and so can't be taken out either.
        mend = "REINDEX coordinates"
    fetch(connection, mend)
    with Transaction(connection):
        return work(connection)


def _gives_first_heads(put: _Put) -> bool:
    """Whether its moves need no look at anything: first heads, and among the new records, so not withdrawn."""
    addresses = {record.address for record in put.records}
    return all(move.expected is None and move.new in addresses for move in put.moves)


def _carry_out_hopefully(connection: apsw.Connection, puts: Sequence[_Put]) -> tuple[list[Outcome], list[bool]]:
    """All records, all of them new, then all moves; ConstraintError if that isn't so."""
    records = [record for put in puts for record in put.records]
    moves = [move for put in puts for move in put.moves]
    put_new(connection, records)
    make_first_heads(connection, moves)
    return [Outcome.NEW] * len(records), [True] * len(moves)


def _carry_out(connection: apsw.Connection, puts: Sequence[_Put]) -> tuple[list[Outcome], list[bool]]:
    """All records of some puts, then all their moves."""
    records = [record for put in puts for record in put.records]
    outcomes = put_records(connection, records)
    stored = {r.address for r, outcome in zip(records, outcomes, strict=True) if outcome is not Outcome.WITHDRAWN}
    made: list[bool] = []
    for guarded, group in groupby(puts, key=lambda put: put.guarded):
        moves = [move for put in group for move in put.moves]
        made += move_heads(connection, moves, _withdrawn(connection, moves, stored) if guarded else ())
    return outcomes, made


def _withdrawn(connection: apsw.Connection, moves: Sequence[HeadMove], stored: set[Address]) -> Collection[Address]:
    """The addresses among the moves' new ones that were withdrawn; those just stored need no look."""
    others = {move.new for move in moves if move.new is not None and move.new not in stored}
    return notices(connection, others) if others else ()
