"""A PostgreSQL server that is shut down at once and started again under load: nothing acknowledged is lost."""

from __future__ import annotations

import random
import re
import signal
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

import stat7
from stat7.address import Address
from stat7.errors import Unavailable
from stat7.operations.verify import verify
from stat7.record import Record
from stat7.repository import Repository
from stat7.testing.samples import chain
from stat7.testing.servers import PostgreSQL

RESTARTS = 3
WRITERS, READERS = 4, 2
_ADVICE = re.compile(r"; (try again|check host and port, and that it runs)")
LENGTH = 25
"""Versions of each id."""
LONGEST = 25.0
"""Seconds that any call may take: retries end after 10, and what was begun by then has its own limits."""


class _ShutDownAtOnce(PostgreSQL):
    """A server that `restart` shuts down without waiting for anything: it recovers when it starts again."""

    stop_signal = getattr(signal, "SIGQUIT", PostgreSQL.stop_signal)


class _Load:
    """Threads that put versions one after the other, and get what was acknowledged."""

    def __init__(self, repo: Repository) -> None:
        self.repo = repo
        self.acknowledged: dict[Address, bytes] = {}
        self.newest: dict[str, Address] = {}
        self.failures: list[str] = []
        """What the calls said that failed."""
        self.slowest = 0.0
        self.wrong: list[BaseException] = []
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=self._run, args=(self._write, n)) for n in range(WRITERS)]
        self._threads += [threading.Thread(target=self._run, args=(self._read, n)) for n in range(READERS)]

    def __enter__(self) -> _Load:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *failure: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join(timeout=60)

    def wait_for_more(self, count: int) -> None:
        """Until so many more puts were acknowledged."""
        wanted, deadline = len(self.acknowledged) + count, time.monotonic() + 60
        while len(self.acknowledged) < wanted and not self.wrong:
            assert time.monotonic() < deadline, "it did not go on"
            time.sleep(0.01)

    def _run(self, work: Callable[[int], None], number: int) -> None:
        try:
            work(number)
        except BaseException as error:
            self.wrong.append(error)

    def _write(self, number: int) -> None:
        turn = 0
        while not self._stop.is_set():
            versions = chain(f"writer/{number}/{turn}", LENGTH)
            turn += 1
            for version in versions:
                if self._stop.is_set():
                    return
                self._put(version)

    def _put(self, version: Record) -> None:
        """Put it, once more for each time that the server was away."""
        while not self._timed(lambda: self.repo.put(version.document) == version.address):
            pass
        self.acknowledged[version.address] = version.document
        self.newest[version.id] = version.address

    def _read(self, number: int) -> None:
        chance = random.Random(number)
        while not self._stop.is_set():
            known = list(self.acknowledged)
            if known:
                address = chance.choice(known)
                expected = self.acknowledged[address]
                self._timed(lambda a=address, e=expected: self.repo.get_document(a) == e)  # type: ignore[misc]

    def _timed(self, call: Callable[[], bool]) -> bool:
        """Whether the call was answered; what isn't Unavailable, or a wrong answer, comes through."""
        begun = time.monotonic()
        try:
            assert call()
        except Unavailable as error:
            self.failures.append(str(error))
            return False
        finally:
            self.slowest = max(self.slowest, time.monotonic() - begun)
        return True


@pytest.mark.skipif(not hasattr(signal, "SIGQUIT"), reason="no signal asks for an immediate shutdown here")
def test_immediate_shutdowns_under_load_lose_nothing_and_each_call_ends_in_time_with_one_clear_error_at_most(
    start_server: Callable[[PostgreSQL], PostgreSQL], tmp_path: Path
) -> None:
    server = start_server(_ShutDownAtOnce())
    with stat7.open(server.url(), files=f"file:{tmp_path / 'files'}") as repo:
        with _Load(repo) as load:
            for _ in range(RESTARTS):
                load.wait_for_more(60)
                server.restart()
            load.wait_for_more(60)
        assert load.wrong == []
        assert load.slowest < LONGEST
        assert all(len(said.splitlines()) == 1 and _ADVICE.search(said) for said in load.failures), load.failures
        result = verify(repo)
        assert (result.findings, result.notes) == (0, 0)
        assert result.entities >= len(load.acknowledged) > RESTARTS * 60
        assert repo.store.heads(list(load.newest)) == load.newest
        for address, document in load.acknowledged.items():
            assert repo.get_document(address) == document
