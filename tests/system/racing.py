"""Threads that race to move one head: those who were told that they did must stand in one chain."""

from __future__ import annotations

import hashlib
import os
import random
import threading
import time
from collections.abc import Callable, Sequence
from typing import Final

from stat7.stores.base import HeadMove, Store
from stat7.testing.store_suite import race

RACE_SECONDS: Final = float(os.environ.get("STAT7_TEST_RACE_SECONDS", "5"))
"""How long the races last: a few seconds, or as STAT7_TEST_RACE_SECONDS says."""
THREADS: Final = 8
_ROOT: Final = "0" * 64


def race_on_one_head(stores: Sequence[Store], disturb: Callable[[], object] = lambda: None) -> None:
    """Race for RACE_SECONDS through these stores, which hold the same; `disturb` is called when a third is over."""
    end, before, won = time.monotonic() + RACE_SECONDS, dict[str, str](), set[str]()
    stores[0].swap_heads([HeadMove("raced", None, _ROOT)])

    def work(number: int) -> int:
        store, tries = stores[number % len(stores)], 0
        while time.monotonic() < end:
            tries += 1
            head = store.heads(["raced"])["raced"]
            new = hashlib.sha256(f"{head}{number}{random.random()}".encode()).hexdigest()
            before[new] = head
            if store.swap_heads([HeadMove("raced", head, new)]) == [True]:
                won.add(new)
        return tries

    disturbing = threading.Timer(RACE_SECONDS / 3, disturb)
    disturbing.start()
    tries = sum(race(THREADS, work))
    disturbing.join()
    chain, head = set(), stores[0].heads(["raced"])["raced"]
    while head != _ROOT:
        chain.add(head)
        head = before[head]
    assert won <= chain, "an update was lost"
    assert len(won) > THREADS
    print(f"{len(won)} of {tries} moves made, {len(chain) - len(won)} made without an answer")
