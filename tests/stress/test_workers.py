"""Worker processes: begun together, told apart, and never waited for without end."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from multiprocessing import active_children, get_context
from multiprocessing.connection import Connection
from typing import Any

import pytest

from stat7.errors import Corrupt
from stat7.stress.workers import Tell, Work, WorkerFailed, run_together


@dataclass(frozen=True)
class Counting:
    """Counts, tells how far it is, and says when it began."""

    number: int

    def prepare(self) -> Work:
        def work(tell: Tell) -> Mapping[str, Any]:
            begun = time.monotonic()
            for count in range(3):
                tell(count)
            return {"number": self.number, "begun": begun, "bytes": bytes(100_000)}

        return work


@dataclass(frozen=True)
class Behaving:
    """Does what its name says, before or during its work."""

    how: str
    early: bool = False

    def prepare(self) -> Work:
        if self.early:
            self._misbehave()

        def work(tell: Tell) -> Mapping[str, Any]:
            self._misbehave()
            return {}

        return work

    def _misbehave(self) -> None:
        if self.how == "crash":
            os._exit(77)
        if self.how == "raise":
            raise Corrupt("ab" * 32, "they hash to\nsomething else")
        if self.how == "hang":
            time.sleep(60)


@dataclass(frozen=True)
class Talking:
    """Is slow, but not silent."""

    def prepare(self) -> Work:
        def work(tell: Tell) -> Mapping[str, Any]:
            for count in range(12):
                time.sleep(0.25)
                tell(count)
            return {"done": True}

        return work


@dataclass(frozen=True)
class Sending:
    """Sends into one pipe what the other end of the group is to receive."""

    outlet: Connection

    def prepare(self) -> Work:
        def work(tell: Tell) -> Mapping[str, Any]:
            self.outlet.send("hello")
            self.outlet.close()
            return {}

        return work


@dataclass(frozen=True)
class Receiving:
    """Receives until the pipe is closed."""

    inlet: Connection

    def prepare(self) -> Work:
        def work(tell: Tell) -> Mapping[str, Any]:
            heard = []
            try:
                while True:
                    heard.append(self.inlet.recv())
            except EOFError:
                return {"heard": heard}

        return work


def test_results_come_back_in_order_and_progress_on_the_way() -> None:
    heard: list[tuple[int, int]] = []
    found = run_together(
        [Counting(5), Counting(6)], seconds=30, on_progress=lambda worker, items: heard.append((worker, items))
    )
    assert [result["number"] for result in found] == [5, 6]
    assert sorted(heard) == [(0, 0), (0, 1), (0, 2), (1, 0), (1, 1), (1, 2)]
    assert abs(found[0]["begun"] - found[1]["begun"]) < 5


@pytest.mark.parametrize("early", [True, False], ids=["before", "during"])
@pytest.mark.parametrize(
    ("how", "why"), [("crash", "worker 1 of 1 ended with exit code 77"), ("raise", "worker 1 of 1 failed: Corrupt: ")]
)
def test_a_worker_that_dies_or_raises_is_told_in_one_line(how: str, why: str, early: bool) -> None:
    with pytest.raises(WorkerFailed) as failed:
        run_together([Behaving(how, early)], seconds=30)
    assert str(failed.value).startswith(why)
    assert "\n" not in str(failed.value)
    assert active_children() == []


def test_a_worker_that_does_not_answer_is_ended() -> None:
    begun = time.monotonic()
    with pytest.raises(WorkerFailed, match="worker 2 of 2 gave no answer within 1 s"):
        run_together([Counting(1), Behaving("hang")], seconds=1)
    assert time.monotonic() - begun < 40
    assert active_children() == []


def test_a_worker_that_never_gets_ready_is_ended() -> None:
    with pytest.raises(WorkerFailed, match="no answer within 2 s"):
        run_together([Behaving("hang", early=True)], seconds=1, prepare_seconds=2)
    assert active_children() == []


def test_a_worker_that_tells_its_progress_may_take_longer() -> None:
    (found,) = run_together([Talking()], seconds=1.5)
    assert found == {"done": True}


def test_pipes_between_workers_end_when_their_worker_closes_them() -> None:
    inlet, outlet = get_context("spawn").Pipe(duplex=False)
    _, found = run_together([Sending(outlet), Receiving(inlet)], seconds=30, hand_over=[inlet, outlet])
    assert found == {"heard": ["hello"]}


def test_a_task_that_cannot_be_sent_leaves_no_process() -> None:
    with pytest.raises(Exception, match=r"pickle|local object|lambda"):
        run_together([Counting(1), Behaving(lambda: None)], seconds=5)  # type: ignore[arg-type]
    assert active_children() == []


@pytest.mark.skipif(not hasattr(signal, "pthread_kill"), reason="takes signals to a thread")
def test_an_interrupt_ends_all_workers() -> None:
    main = threading.main_thread().ident
    assert main is not None
    timer = threading.Timer(1.5, lambda: signal.pthread_kill(main, signal.SIGINT))
    timer.start()
    with pytest.raises(KeyboardInterrupt):
        run_together([Behaving("hang"), Behaving("hang")], seconds=50)
    assert active_children() == []
