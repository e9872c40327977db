"""The one writing connection of this process, and the gathering of many threads' puts into one durable transaction.

Who wants to write queues up. Whoever finds nobody at work leads: it carries out its own job together with all puts
that are queued behind it, in one transaction, wakes their threads, and hands the lead on to the first that came
meanwhile. No thread of its own is needed, a lone put waits for nobody, and while one transaction reaches the disk the
next one gathers.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Collection, Sequence
from itertools import groupby, islice
from typing import Any, Final, TypeVar

import apsw

from stat7.address import Address
from stat7.errors import Unavailable
from stat7.record import Record
from stat7.stores.base import HeadMove, Outcome
from stat7.stores.sqlite.connection import Transaction, fetch, keep_forever
from stat7.stores.sqlite.errors import translated, translated_os
from stat7.stores.sqlite.heads import make_first_heads, move_heads
from stat7.stores.sqlite.log import Log
from stat7.stores.sqlite.lookup import notices
from stat7.stores.sqlite.put import put_new, put_records

Result = TypeVar("Result")

_MOST_GATHERED: Final = 10_000
"""Records and moves in one transaction, so that nobody waits long behind others; a larger put goes alone."""

_PAUSE_SHARE: Final = 0.2
_LONGEST_PAUSE: Final = 0.001
"""Seconds, and part of the last transaction's time, that a leader waits for those it was gathered with before."""


class _Job:
    """What one thread wants done, and how it learns that it was done or that it has to lead."""

    __slots__ = ("_latch", "done", "error", "leads")

    def __init__(self) -> None:
        self.error: Exception | None = None
        self.done = False
        self.leads = False
        self._latch = threading.Lock()
        self._latch.acquire()

    def wait(self) -> None:
        """Until `finish` or `lead`."""
        self._latch.acquire()

    def finish(self, error: Exception | None = None) -> None:
        """Tell the waiting thread that its job is done."""
        self.error = error
        self.done = True
        self._latch.release()

    def lead(self) -> None:
        """Tell the waiting thread to lead."""
        self.leads = True
        self._latch.release()


class _Put(_Job):
    """A put, which may be carried out together with others."""

    __slots__ = ("guarded", "made", "moves", "outcomes", "records")

    def __init__(self, records: Sequence[Record], moves: Sequence[HeadMove], guarded: bool) -> None:
        super().__init__()
        self.records = records
        self.moves = moves
        self.guarded = guarded
        self.outcomes: list[Outcome] = []
        self.made: list[bool] = []

    @property
    def size(self) -> int:
        return len(self.records) + len(self.moves)


class _Work(_Job):
    """Anything else, which has the connection for itself."""

    __slots__ = ("result", "work")

    def __init__(self, work: Callable[[], Any]) -> None:
        super().__init__()
        self.work = work
        self.result: Any = None


class Writer:
    """Serialises this process's writes to the database at `path`; the busy handler waits for other processes."""

    def __init__(self, path: str, open_connection: Callable[[], apsw.Connection], sync: str) -> None:
        self._path = path
        self._open = open_connection
        self._sync = sync
        # Held for moments only, to look at and change the queue and whether somebody leads.
        self._mutex = threading.Lock()
        self._queue: deque[_Job] = deque()
        self._led = False
        self._closed = False
        self._hopeful = True
        self._gathered_before = 1
        self._seconds_before = 0.0
        self._connection: apsw.Connection | None = open_connection()
        self._log = Log(self._connection, sync)

    def put(
        self, records: Sequence[Record], moves: Sequence[HeadMove], *, guarded: bool
    ) -> tuple[list[Outcome], list[bool]]:
        """Store records, then move heads; durable when it returns. `guarded`: no move to a withdrawn address."""
        mine = _Put(records, moves, guarded)
        self._get_done(mine)
        return mine.outcomes, mine.made

    def alone(self, work: Callable[[apsw.Connection], Result]) -> Result:
        """Run `work` in a transaction of its own; it may be called twice. Raises stat7's errors."""
        return self.outside(lambda connection: _transact(connection, work))

    def outside(self, work: Callable[[apsw.Connection], Result]) -> Result:
        """Run `work`, which begins no transaction or its own, while nothing else is written by this process."""

        def job() -> Result:
            connection = self.connection()
            # An erasure is durable before anybody sees it, because what follows it (a file removed) is not in the log.
            self._log.defer(False)
            return work(connection)

        mine = _Work(job)
        self._get_done(mine)
        result: Result = mine.result
        return result

    def connection(self) -> apsw.Connection:
        """The connection, opened anew in a forked child; for the one who leads."""
        if self._closed:
            raise Unavailable(f"the store {self._path} is closed; open it again")
        if self._connection is None:
            self._connection = self._open()
            self._log = Log(self._connection, self._sync)
        return self._connection

    def close(self) -> None:
        """Finish what is queued, then close."""
        self._get_done(_Work(self._close))

    def abandon(self) -> None:
        """In a forked child: forget the parent's connection, and its threads that wait or lead."""
        if self._connection is not None:
            keep_forever(self._connection)
        self._log.close()
        self._connection = None
        self._mutex = threading.Lock()
        self._queue = deque()
        self._led = False

    def _close(self) -> None:
        self._closed = True
        connection, self._connection = self._connection, None
        if connection is not None:
            self._log.close()
            connection.close()
            self._log.remove(self._path)

    # The queue

    def _get_done(self, mine: _Job) -> None:
        """Queue up, and return when the job is done, by whomever. Raises its error."""
        # All of it inside: an interrupt right after the lead was taken must give it back.
        try:
            with self._mutex:
                self._queue.append(mine)
                mine.leads, self._led = not self._led, True
            if not mine.leads:
                mine.wait()
            if mine.leads:
                self._lead()
        finally:
            if mine.leads or not mine.done:
                self._leave(mine)
        if mine.error is not None:
            raise mine.error

    def _leave(self, mine: _Job) -> None:
        """Hand the lead on. After an interrupt, see to it that nobody does later what nobody waits for."""
        with self._mutex:
            if not mine.done and mine in self._queue:
                self._queue.remove(mine)
            if not mine.leads:
                return
            if self._queue:
                self._queue[0].lead()
            else:
                self._led = False

    def _lead(self) -> None:
        """Do the first job of the queue, which is this thread's own, with the puts behind it."""
        if isinstance(self._queue[0], _Put):
            self._pause()
        puts: list[_Put] = []
        try:
            with self._mutex:
                mine = self._queue.popleft()
                if isinstance(mine, _Put):
                    self._gather(mine, puts)
            if isinstance(mine, _Work):
                self._work(mine)
            else:
                self._put(puts)
        except BaseException:
            with self._mutex:
                self._queue.extendleft(put for put in reversed(puts[1:]) if not put.done and put not in self._queue)
            raise

    def _gather(self, mine: _Put, puts: list[_Put]) -> None:
        """Take into `puts` those that are queued next to one another, up to a bound."""
        puts.append(mine)
        size = mine.size
        while self._queue:
            following = self._queue[0]
            if not isinstance(following, _Put) or size + following.size > _MOST_GATHERED:
                break
            puts.append(following)
            self._queue.popleft()
            size += following.size

    def _pause(self) -> None:
        """Wait a moment for the threads that were served together before: they are about to put again.

        Without it the first of them would go alone each time, while the rest are still waking up.
        """
        end = time.monotonic() + min(self._seconds_before * _PAUSE_SHARE, _LONGEST_PAUSE)
        while len(self._queue) < self._gathered_before and time.monotonic() < end:
            time.sleep(0.00002)

    # The work

    def _work(self, work: _Work) -> None:
        try:
            work.result = work.work()
            work.finish()
        except Exception as error:
            work.finish(self._translated(error))

    def _put(self, puts: Sequence[_Put]) -> None:
        """Carry out puts in one transaction; if one spoils it for all, each alone."""
        started = time.monotonic()
        try:
            connection = self.connection()
            self._log.defer(True)
            with self._log.turn():
                outcomes, made = self._transact(connection, puts)
            self._log.sync()
        except (apsw.BusyError, Unavailable, OSError) as error:
            # Nobody's fault: alone they would only wait as long again.
            for put in puts:
                put.finish(self._translated(error))
        except Exception as error:
            if len(puts) == 1:
                puts[0].finish(self._translated(error))
            else:
                for put in puts:
                    self._put([put])
        else:
            self._gathered_before, self._seconds_before = len(puts), time.monotonic() - started
            answered, swapped = iter(outcomes), iter(made)
            for put in puts:
                put.outcomes = list(islice(answered, len(put.records)))
                put.made = list(islice(swapped, len(put.moves)))
                put.finish()

    def _transact(self, connection: apsw.Connection, puts: Sequence[_Put]) -> tuple[list[Outcome], list[bool]]:
        """Put without looking first while all that comes is new, as in imports: that saves a tenth of the time."""
        if self._hopeful and all(map(_gives_first_heads, puts)):
            try:
                return _transact(connection, lambda connection: _carry_out_hopefully(connection, puts))
            except apsw.ConstraintError:
                pass
        outcomes, made = _transact(connection, lambda connection: _carry_out(connection, puts))
        self._hopeful = all(made) and all(outcome is Outcome.NEW for outcome in outcomes)
        return outcomes, made

    def _translated(self, error: Exception) -> Exception:
        if isinstance(error, OSError):
            ours = translated_os(error, self._path)
        elif isinstance(error, apsw.Error):
            ours = translated(error, self._path, self._connection.system_errno if self._connection else 0)
        else:
            return error
        ours.__cause__ = error
        return ours


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
