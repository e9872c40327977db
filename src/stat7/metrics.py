"""Counting what is done, how long it takes and how it fails, cheaply enough for every single call.

Nothing is global: whoever wants figures makes a `Metrics` and hands it to what is to be measured.
"""

from __future__ import annotations

import os
import time
import weakref
from bisect import bisect_left
from collections import Counter, deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from threading import Lock
from typing import Final, ParamSpec, TypeVar

Result = TypeVar("Result")
Arguments = ParamSpec("Arguments")

BOUNDS: Final = (
    0.00001, 0.000025, 0.00005, 0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005,
    0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0,
)  # fmt: skip
"""Upper ends of the latency buckets in seconds, the end included; one more bucket holds what took longer."""

_UNFOLDED: Final = 1024


@dataclass(frozen=True, slots=True)
class Figures:
    """One operation so far: calls (failed ones too), their seconds in all, how many fell into each bucket (of BOUNDS,
    and the last of what took longer), and the failed ones by the name of their error.
    """

    calls: int
    seconds: float
    buckets: tuple[int, ...]
    errors: dict[str, int]


class Operation:
    """What is known of one operation. Any number of threads may add to it."""

    def __init__(self) -> None:
        # Appending is atomic, so a call costs no lock; whoever finds many adds them up.
        self._fresh: deque[float] = deque()
        self._failed: deque[str] = deque()
        self._seconds = 0.0
        self._buckets = [0] * (len(BOUNDS) + 1)
        self._errors: Counter[str] = Counter()
        self._lock = Lock()
        _all.add(self)

    def call(self, work: Callable[Arguments, Result], *args: Arguments.args, **kwargs: Arguments.kwargs) -> Result:
        """`work(...)`, its time and its error taken down."""
        started = time.perf_counter()
        try:
            return work(*args, **kwargs)
        except BaseException as error:
            self._failed.append(type(error).__name__)
            raise
        finally:
            self._fresh.append(time.perf_counter() - started)
            if len(self._fresh) >= _UNFOLDED and self._lock.acquire(blocking=False):
                self._fold()

    def figures(self) -> Figures:
        """All that was taken down by now."""
        self._lock.acquire()
        self._fold()
        buckets = tuple(self._buckets)
        return Figures(sum(buckets), self._seconds, buckets, dict(sorted(self._errors.items())))

    def _fold(self) -> None:
        """Add up what is fresh; called with the lock held, which is released."""
        try:
            for _ in range(len(self._fresh)):
                seconds = self._fresh.popleft()
                self._buckets[bisect_left(BOUNDS, seconds)] += 1
                self._seconds += seconds
            for _ in range(len(self._failed)):
                self._errors[self._failed.popleft()] += 1
        finally:
            self._lock.release()

    def _after_fork(self) -> None:
        # Its holder may be a thread that the child doesn't have.
        self._lock = Lock()


# Not figures: only what a forked child has to put right.
_all: weakref.WeakSet[Operation] = weakref.WeakSet()


def _after_fork() -> None:
    for operation in _all:
        operation._after_fork()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)


class Metrics:
    """Operations by the part they belong to (`store`, `files`) and their name."""

    def __init__(self) -> None:
        self._operations: dict[tuple[str, str], Operation] = {}

    def operation(self, part: str, name: str) -> Operation:
        """The operation of this name; the same one each time."""
        return self._operations.setdefault((part, name), Operation())

    def snapshot(self, *, uncalled: bool = False) -> dict[str, dict[str, Figures]]:
        """The figures of every operation that was called, by part and name; of the others, too, if they are wanted."""
        found: dict[str, dict[str, Figures]] = {}
        for (part, name), operation in sorted(self._operations.copy().items()):
            figures = operation.figures()
            if figures.calls or uncalled:
                found.setdefault(part, {})[name] = figures
        return found

    def prometheus(self) -> str:
        """The snapshot in Prometheus' text format: `stat7_call_seconds` (a histogram) and `stat7_call_errors_total`."""
        timed = [
            "# HELP stat7_call_seconds Time of calls, failed ones included.",
            "# TYPE stat7_call_seconds histogram",
        ]
        failed = ["# HELP stat7_call_errors_total Calls that failed.", "# TYPE stat7_call_errors_total counter"]
        for part, operations in self.snapshot().items():
            for name, figures in operations.items():
                labels = f'part="{part}",operation="{name}"'
                timed += _histogram(labels, figures)
                failed += [
                    f'stat7_call_errors_total{{{labels},error="{error}"}} {count}'
                    for error, count in figures.errors.items()
                ]
        return "\n".join([*timed, *failed, ""])


def _histogram(labels: str, figures: Figures) -> Iterator[str]:
    total = 0
    for bound, count in zip((*BOUNDS, "+Inf"), figures.buckets, strict=True):
        total += count
        yield f'stat7_call_seconds_bucket{{{labels},le="{bound}"}} {total}'
    yield f"stat7_call_seconds_sum{{{labels}}} {figures.seconds}"
    yield f"stat7_call_seconds_count{{{labels}}} {total}"
