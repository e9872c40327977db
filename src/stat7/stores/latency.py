"""How far a server is: the check of `doctor` that all stores on servers share."""

from __future__ import annotations

import time
from collections.abc import Callable
from statistics import median
from typing import Final

from stat7.contracts import Check

SLOW_MS: Final = 20.0
_TRIES: Final = 5


def check_latency(ask: Callable[[], object], nearer: str) -> Check:
    """The median of a few small requests; `nearer` says where one would have to run for it to be less."""
    times = []
    for _ in range(_TRIES):
        started = time.perf_counter()
        ask()
        times.append(time.perf_counter() - started)
    milliseconds = median(times) * 1000
    text = f"{milliseconds:.2f} ms a round trip"
    if milliseconds > SLOW_MS:
        return Check("latency", "warn", f"{text}: use batches, or run {nearer}")
    return Check("latency", "ok", text)
