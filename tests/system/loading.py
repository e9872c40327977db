"""Threads that work on a repository while servers come and go: what was acknowledged, what failed, what was wrong."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from typing import Self

from stat7.address import Address
from stat7.errors import Unavailable
from stat7.record import Record
from stat7.repository import Repository

_WAIT = 90.0


class Load:
    """Threads that each do one of the `jobs` until the load is left.

    Unavailable is counted as a failure; whatever else a job raises is wrong, and ends its thread.
    """

    def __init__(self, repo: Repository) -> None:
        self.repo = repo
        self.acknowledged: dict[Address, Record] = {}
        self.newest: dict[str, Address] = {}
        self.failures: list[str] = []
        """What the calls said that failed."""
        self.slowest = 0.0
        self.wrong: list[BaseException] = []
        self._left = threading.Event()
        self._threads = [threading.Thread(target=self._run, args=(job,)) for job in self.jobs()]

    def jobs(self) -> Sequence[Callable[[], None]]:
        """What the threads do; each ends when `goes_on()` is False."""
        raise NotImplementedError

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *failure: object) -> None:
        self._left.set()
        for thread in self._threads:
            thread.join(timeout=60)

    def goes_on(self) -> bool:
        """Whether the load is still wanted."""
        return not self._left.is_set()

    def wait_for_more(self, count: int, seen: Callable[[], bool] = lambda: True) -> None:
        """Until so many more puts were acknowledged and `seen` is so."""
        wanted, end = len(self.acknowledged) + count, time.monotonic() + _WAIT
        while (len(self.acknowledged) < wanted or not seen()) and not self.wrong:
            assert time.monotonic() < end, "it did not go on"
            time.sleep(0.01)

    def put(self, record: Record) -> bool:
        """Put it; whether it was acknowledged."""
        done = self._timed(lambda: self.repo.put(record.document) == record.address)
        if done:
            self.acknowledged[record.address] = record
            self.newest[record.id] = record.address
        return done

    def get(self, record: Record) -> bool:
        """Get it; whether it was answered, which must be with its document."""
        return self._timed(lambda: self.repo.get_document(record.address) == record.document)

    def _run(self, job: Callable[[], None]) -> None:
        try:
            job()
        except BaseException as error:
            self.wrong.append(error)

    def _timed(self, is_right: Callable[[], bool]) -> bool:
        begun = time.monotonic()
        try:
            assert is_right()
        except Unavailable as error:
            self.failures.append(str(error))
            return False
        finally:
            self.slowest = max(self.slowest, time.monotonic() - begun)
        return True
