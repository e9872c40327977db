"""Stores and generators that are wrong under load, and the tests that must notice."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

from stat7.address import Address
from stat7.entity import Entity
from stat7.record import Record
from stat7.repository import Repository
from stat7.stress.context import Context, Stage
from stat7.stress.results import Target, TestResult, Verdict
from stat7.stress.sabotage.stores import lossy
from stat7.stress.subject import Subject
from stat7.stress.targets import Profile
from stat7.stress.tests import paced

STALL: Final = 0.1
NAP: Final = 0.05


class _Delaying(Repository):
    """Waits before each read and write as long as its class says."""

    def get_document(self, address: Address) -> bytes:
        """Read, perhaps later."""
        time.sleep(self.delay(True))
        return super().get_document(address)

    def put(self, document: Entity | Record | Mapping[str, Any] | bytes | str) -> Address:
        """Write, perhaps later."""
        time.sleep(self.delay(False))
        return super().put(document)

    def delay(self, reads: bool) -> float:
        """Seconds to wait."""
        raise AssertionError("every delaying repository has its own")


class _Stalling(_Delaying):
    """Does nothing in the first STALL of every second: in all processes at the same time, as a server would."""

    def delay(self, reads: bool) -> float:
        """The rest of the stall."""
        return max(0.0, STALL - time.monotonic() % 1.0)


class _Napping(_Delaying):
    """Sleeps NAP before the first read of every second."""

    second = 0

    def delay(self, reads: bool) -> float:
        """Once a second."""
        now = int(time.monotonic())
        if not reads or now == self.second:
            return 0.0
        self.second = now
        return NAP


class _Bounded(_Delaying):
    """Serves one request after the other, each at its turn, the turns `gap` seconds apart."""

    gap = 0.0
    turn = -math.inf

    def delay(self, reads: bool) -> float:
        """Until the next free turn."""
        now = time.monotonic()
        self.turn = max(now, self.turn + self.gap)
        return self.turn - now


@dataclass(frozen=True)
class CoarseClock:
    """A clock in ns that moves in steps."""

    step_ns: int = 1_000_000

    def __call__(self) -> int:
        """The time, rounded down to a step."""
        return time.perf_counter_ns() // self.step_ns * self.step_ns


def stalling(repository: Repository) -> Repository:
    """A repository that stalls 100 ms once a second."""
    return _Stalling(repository.store, repository.files)


def napping(repository: Repository) -> Repository:
    """A repository whose reader sleeps 50 ms once a second."""
    return _Napping(repository.store, repository.files)


@dataclass(frozen=True, slots=True)
class Bounded:
    """A wrapper (Subject.wrap) that serves `per_second` requests in each process, and no more."""

    per_second: float

    def __call__(self, repository: Repository) -> Repository:
        """The repository behind one slow server."""
        bounded = _Bounded(repository.store, repository.files)
        bounded.gap = 1 / self.per_second
        return bounded


STRICT: Final = Profile("strict", {"paced": (Target("read_p99", "<=", 20, "ms"), Target("p99", "<=", 20, "ms"))})
"""Targets that a reader who sleeps 50 ms once a second misses, and an idle store meets."""

_WORKERS: Final = 2
_RATE: Final = 300.0
_SECONDS: Final = 4.0


def _mixed(context: Context, stage: Stage) -> TestResult:
    return paced.measure(replace(context, profile=STRICT), stage, _RATE, _WORKERS, _SECONDS)


def _reads(context: Context, stage: Stage) -> TestResult:
    """Long enough that the naps weigh the same in every part of it."""
    load = replace(paced.usual(stage, 2), writes=0.0)
    return paced.measure(replace(context, profile=STRICT), stage, 200.0, _WORKERS, 2 * _SECONDS, "reads", load=load)


def _writes(context: Context, stage: Stage) -> TestResult:
    """Enough of them that some fall to the store that loses one in a thousand, at the self-test's scale and seed."""
    load = replace(paced.usual(stage, 3), reads=0.0)
    return paced.measure(context, stage, _RATE, _WORKERS, _SECONDS, "writes", load=load)


def _fast(context: Context, stage: Stage) -> TestResult:
    """As fast as a dragged generator can't."""
    return paced.measure(context, stage, 900.0 * _WORKERS, _WORKERS, 0.5, "fast")


LOAD_TESTS: Final[dict[str, Callable[[Context, Stage], TestResult]]] = {
    "paced": _mixed,
    "paced reads": _reads,
    "paced writes": _writes,
    "paced fast": _fast,
}
"""What the cases are run with, on a stage whose store is filled; each takes 3 to 12 s."""

LOAD_CASES: Final[tuple[tuple[str, Subject, str, Verdict, str], ...]] = (
    ("a server that stalls 100 ms once a second", Subject(wrap=stalling), "paced", Verdict.FAIL, "p99 is"),
    ("a reader that sleeps 50 ms once a second", Subject(wrap=napping), "paced reads", Verdict.FAIL, "read_p99 is"),
    ("a generator that skips late requests", Subject(wrap=stalling, skip_late_ns=1_000_000), "paced", Verdict.INVALID,
     "were never sent"),
    ("a saturated generator, open loop", Subject(drag_ns=1_000_000), "paced fast", Verdict.INVALID,
     "generator saturated"),
    ("a store that loses 1 put in 1,000, open loop", Subject(wrap=lossy), "paced writes", Verdict.INVALID,
     "acknowledged writes read back"),
)  # fmt: skip
"""Name, subject, the test (of LOAD_TESTS), its verdict, and a part of the reason it gives."""
