"""Trying again what failed because something was unavailable: how often, how long, and with which pauses."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from stat7.errors import Unavailable

Result = TypeVar("Result")


@dataclass(frozen=True, slots=True)
class Backoff:
    """At most `attempts` in all, none begun later than `total` seconds after the first.

    Before the n-th retry comes a pause of random length, up to `first` * 2 ** (n - 1) seconds but no more than `most`:
    random, so that those who failed together don't come back together.
    """

    attempts: int = 5
    first: float = 0.05
    most: float = 2.0
    total: float = 10.0

    def call(self, attempt: Callable[[], Result], gives_up: Callable[[], bool] = lambda: False) -> Result:
        """`attempt()` until one doesn't raise Unavailable; the last one's error is raised.

        All other errors, and Ctrl-C during a pause too, come through at once. `gives_up` is asked before each pause.
        """
        end = time.monotonic() + self.total
        for number in range(self.attempts - 1):
            try:
                return attempt()
            except Unavailable:
                pause = random.uniform(0.0, min(self.most, self.first * 2.0**number))
                if gives_up() or time.monotonic() + pause >= end:
                    raise
                time.sleep(pause)
        return attempt()
