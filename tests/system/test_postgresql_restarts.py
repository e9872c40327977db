"""A PostgreSQL server that is shut down at once and started again under load: nothing acknowledged is lost."""

from __future__ import annotations

import random
import re
import signal
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import pytest

import stat7
from stat7.operations.verify import verify
from stat7.testing.samples import chain
from stat7.testing.servers import PostgreSQL
from tests.system.loading import Load

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


class _Load(Load):
    """Threads that put versions one after the other, and get what was acknowledged."""

    def jobs(self) -> Sequence[Callable[[], None]]:
        return [partial(self._write, n) for n in range(WRITERS)] + [partial(self._read, n) for n in range(READERS)]

    def _write(self, number: int) -> None:
        turn = 0
        while self.goes_on():
            versions = chain(f"writer/{number}/{turn}", LENGTH)
            turn += 1
            for version in versions:
                if not self.goes_on():
                    return
                while not self.put(version):
                    pass  # once more for each time that the server was away

    def _read(self, number: int) -> None:
        chance = random.Random(number)
        while self.goes_on():
            known = list(self.acknowledged.values())
            if known:
                self.get(chance.choice(known))


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
        for address, record in load.acknowledged.items():
            assert repo.get_document(address) == record.document
