"""A crew stays for many orders, and leaves no process behind, whatever happens."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import pytest

from stat7.stress.workers import Crew, Obey, Tell, WorkerFailed


@dataclass(frozen=True)
class Counting:
    """Counts its orders; fails, dies or sleeps when told to; notes that it was left."""

    left: Path

    @contextmanager
    def prepare(self) -> Iterator[Obey]:
        """Count from 0."""
        count = 0

        def obey(order: Any, tell: Tell) -> Mapping[str, Any]:
            nonlocal count
            if order == "fail":
                raise ValueError("told to\nfail")
            if order == "die":
                os._exit(7)
            if order == "sleep":
                time.sleep(60.0)
            count += 1
            tell(count)
            return {"pid": os.getpid(), "count": count, "order": order}

        yield obey
        (self.left / str(os.getpid())).touch()


def test_a_crew_carries_out_one_order_after_the_other_and_leaves(tmp_path: Path) -> None:
    with Crew([Counting(tmp_path), Counting(tmp_path)]) as crew:
        first, second = crew.order("one", 30.0), crew.order({"two": 2}, 30.0)
    assert [hand["count"] for hand in (*first, *second)] == [1, 1, 2, 2]
    assert [hand["order"] for hand in second] == [{"two": 2}] * 2
    assert first[0]["pid"] == second[0]["pid"] != first[1]["pid"]
    assert not any(psutil.pid_exists(hand["pid"]) for hand in first)


@pytest.mark.parametrize(
    ("order", "said"),
    [("fail", "failed: ValueError: told to fail"), ("die", "exit code 7"), ("sleep", "no answer within 1 s")],
)
def test_what_goes_wrong_is_told_and_nobody_stays(tmp_path: Path, order: str, said: str) -> None:
    with Crew([Counting(tmp_path)]) as crew:
        (hand,) = crew.order("one", 30.0)
        with pytest.raises(WorkerFailed, match=said):
            crew.order(order, 1.0 if order == "sleep" else 30.0)
    assert not psutil.pid_exists(hand["pid"])


@dataclass(frozen=True)
class Unready:
    """Can't get ready."""

    ready: bool = False

    @contextmanager
    def prepare(self) -> Iterator[Obey]:
        """Raise."""
        if not self.ready:
            raise OSError("no store")
        yield lambda order, tell: {}


def test_a_hand_that_cannot_get_ready_is_told() -> None:
    with pytest.raises(WorkerFailed, match="worker 1 of 1 failed: OSError: no store"), Crew([Unready()]):
        pass
