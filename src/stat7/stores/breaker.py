"""A breaker: after some failures in a row whatever it guards is left alone for a while, so that nobody waits for it."""

from __future__ import annotations

import time
from collections.abc import Callable


class Breaker:
    """Opens after `failures` failures in a row; `seconds` later one caller may try, and the others once that went well.

    Any number of threads may use it, without a lock: what they may lose to one another is a count, for a moment.
    """

    def __init__(self, failures: int, seconds: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._most = failures
        self._seconds = seconds
        self._clock = clock
        self._failed = 0
        self._shut_until = 0.0

    def allows(self) -> bool:
        """Whether to try now. While it is open one caller in `seconds` is let through."""
        if self._failed < self._most:
            return True
        now = self._clock()
        if now < self._shut_until:
            return False
        # Whoever comes meanwhile finds that it was just tried.
        self._shut_until = now + self._seconds
        return True

    def succeeded(self) -> None:
        """It answered: closed from now on."""
        self._failed = 0

    def failed(self) -> None:
        """It did not answer."""
        self._failed += 1
        if self._failed >= self._most:
            self._shut_until = self._clock() + self._seconds
