"""One of several workers that send requests when they are due, whatever became of those before: an open loop.

How to use it. A `Load` says which kinds of operations there are and how often each comes; in the worker its `prepare`
opens what they need and makes, for each lane, an `Operation` by kind. A `PacedWorker` is a hand of a workers.Crew: it's
given a `Plan` (when requests are due, drawn now), then GO, as often as wanted. stat7.stress.offer drives all this, and
tests.paced.measure makes a TestResult of it.

A lane sends one request at a time. It waits for the moment the next one is due by sleeping, then spinning; if that has
passed it goes on at once and leaves nothing out. Latency counts from when the request was due: a stall is counted for
every request that had to wait for its end (not leaving these out is what avoids coordinated omission).
"""

from __future__ import annotations

import time
from array import array
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from random import Random
from typing import Any, Final, Protocol

from stat7.errors import Stat7Error
from stat7.stress.subject import Subject
from stat7.stress.tasks.arrivals import SECOND, Arrivals
from stat7.stress.tasks.loops import Tape, buffer, drag
from stat7.stress.tasks.writing import note
from stat7.stress.workers import Obey, Task, Tell

GO: Final = "go"
"""The order to carry out the plan that was given before."""

NO_GOOD: Final = 255
"""The kind of a request that the store refused, or answered with a wrong error."""

BUSY: Final = -1
"""The lateness of a request that was due while its lane still waited for the one before."""

SPIN_NS: Final = 100_000
"""A sleeping lane is woken up so long before a request is due: waking takes about as long."""

_LEAD_NS: Final = 5_000_000


class Operation(Protocol):
    """The requests of one kind and one lane. Only `ask` is timed."""

    def draw(self) -> Any:
        """What the next request is about: made while the lane waits for the moment it's due."""
        ...

    def ask(self, given: Any) -> Any:
        """Send the request and return the whole answer.

        Unavailable and StoreFull count as errors; any other Stat7Error is a wrong answer: catch here what is right.
        """
        ...

    def check(self, given: Any, answer: Any) -> str | None:
        """What is wrong with the answer, None if nothing is: hash what was read, note what was acknowledged."""
        ...

    def told(self) -> Mapping[str, Any]:
        """What the parent is to know since the last call: plain values and bytes."""
        ...


class Load:
    """What the lanes ask for; subclasses are frozen dataclasses, picklable. Lanes are numbered over all workers."""

    @property
    def weights(self) -> Mapping[str, float]:
        """How often each kind of operation comes (any positive unit); at most 200 kinds. Names are lower case."""
        raise NotImplementedError

    def prepare(self, subject: Subject, stack: ExitStack, lanes: Sequence[int]) -> list[Mapping[str, Operation]]:
        """In the worker: open what is needed (`stack` closes it), and make the operations of each of its lanes."""
        raise NotImplementedError

    def idle(self, lane: int) -> Mapping[str, Operation]:
        """The same operations with all that the generator does itself, against a store that does nothing."""
        raise NotImplementedError

    def room(self, lane: int) -> range:
        """The indexes of the workload that a lane may write at most; none by default."""
        return range(0)

    def written(self, lane: int, told: Mapping[str, Mapping[str, Any]]) -> range:
        """Those that it may have written so far, by what its operations last told; none by default."""
        return range(0)

    def read_back(self, told: Sequence[tuple[int, Mapping[str, Mapping[str, Any]]]]) -> Task | None:
        """A task that looks for every acknowledged write, and returns how many it `looked` for and are `lost`.

        `told` holds, for each run of each lane, what its operations told by kind. None by default: nothing is written.
        """
        return None


@dataclass(frozen=True, slots=True)
class Plan:
    """What to do at the next GO: requests due by `arrivals` within `seconds`, drawn with `seed`.

    Those not sent within `patience` seconds from the start are given up. With `idle` they go to a store that does
    nothing.
    """

    arrivals: Arrivals
    seconds: float
    seed: int
    patience: float
    idle: bool = False


@dataclass(frozen=True, slots=True)
class PacedWorker:
    """A hand of a crew: `threads` lanes of `lanes` in all, from `worker * threads` on.

    More than one lane is for stores behind a network: the lanes share one interpreter, and don't spin.
    """

    subject: Subject
    load: Load
    worker: int
    lanes: int
    threads: int = 1

    @contextmanager
    def prepare(self) -> Iterator[Obey]:
        """Open what the load needs."""
        numbers = range(self.worker * self.threads, (self.worker + 1) * self.threads)
        with ExitStack() as stack:
            asking = self.load.prepare(self.subject, stack, numbers)
            weights = self.load.weights
            lanes = [
                _Lane(self.subject, number, self.lanes, weights, operations, self.load.idle(number), self._spin)
                for number, operations in zip(numbers, asking, strict=True)
            ]

            def obey(order: Any, tell: Tell) -> Mapping[str, Any]:
                if order == GO:
                    return {"lanes": self._run(lanes)}
                return {"planned": [lane.plan(order) for lane in lanes]}

            yield obey

    @property
    def _spin(self) -> int:
        return SPIN_NS if self.threads == 1 else 0

    def _run(self, lanes: Sequence[_Lane]) -> list[Mapping[str, Any]]:
        begun = self.subject.clock() + _LEAD_NS
        if len(lanes) == 1:
            return [lanes[0].run(begun)]
        with ThreadPoolExecutor(len(lanes)) as pool:
            return list(pool.map(lambda lane: lane.run(begun), lanes))


class _Lane:
    """One request at a time, each when it's due."""

    def __init__(
        self,
        subject: Subject,
        number: int,
        lanes: int,
        weights: Mapping[str, float],
        asking: Mapping[str, Operation],
        idle: Mapping[str, Operation],
        spin_ns: int,
    ) -> None:
        self.subject = subject
        self.number = number
        self.lanes = lanes
        self.weights = weights
        self.asking = asking
        self.idle = idle
        self.spin_ns = spin_ns
        self.due = array("q")
        self.kinds = b""
        self.patience_ns = 0
        self.chosen = asking

    def plan(self, plan: Plan) -> int:
        """Draw when requests are due and of which kind each is; returns how many."""
        random = Random(plan.seed * 1_000_003 + self.number)
        self.due = plan.arrivals.times(random, plan.seconds, self.number, self.lanes)
        weights = list(self.weights.values())
        self.kinds = bytes(random.choices(range(len(weights)), weights, k=len(self.due)))
        self.patience_ns = int(plan.patience * SECOND)
        self.chosen = self.idle if plan.idle else self.asking
        return len(self.due)

    def run(self, begun: int) -> Mapping[str, Any]:
        """Send what was planned, due from `begun` on."""
        tape, lateness = Tape(len(self.due)), buffer(len(self.due))
        sent = self._send(begun, tape, lateness, [self.chosen[kind] for kind in self.weights])
        return {
            "lane": self.number,
            "planned": len(self.due),
            "sent": sent,
            "lateness": lateness[: tape.count].tobytes(),
            "told": {kind: operation.told() for kind, operation in self.chosen.items()},
            **tape.result(),
        }

    def _send(self, begun: int, tape: Tape, lateness: array[int], operations: Sequence[Operation]) -> int:
        """Go through the plan; returns how many requests were sent."""
        clock, spin_ns, give_up = self.subject.clock, self.spin_ns, begun + self.patience_ns
        skip_ns, drag_ns = self.subject.skip_late_ns, self.subject.drag_ns
        sent = 0
        for at, kind in zip(self.due, self.kinds, strict=True):
            operation, due = operations[kind], begun + at
            given = operation.draw()
            start = clock()
            waits = start < due
            if waits:
                start = wait_until(due, clock, spin_ns)
            elif start > give_up:
                break
            elif skip_ns and start - due > skip_ns:
                continue
            sent += 1
            lateness[tape.count] = start - due if waits else BUSY
            self._ask(operation, given, kind, tape, begun, due)
            if drag_ns:
                drag(clock, drag_ns)
        return sent

    def _ask(self, operation: Operation, given: Any, kind: int, tape: Tape, begun: int, due: int) -> None:
        clock = self.subject.clock
        try:
            answer = operation.ask(given)
        except Stat7Error as error:
            end = clock()
            tape.add(NO_GOOD, end - begun, end - due)
            note(tape, error)
            return
        end = clock()
        tape.add(kind, end - begun, end - due)
        complaint = operation.check(given, answer)
        if complaint is not None:
            tape.failed(complaint)


def wait_until(due: int, clock: Callable[[], int], spin_ns: int) -> int:
    """Sleep until `spin_ns` before `due`, then spin; returns the time it is then."""
    left = due - clock()
    while left > spin_ns:
        time.sleep((left - spin_ns) / SECOND)
        left = due - clock()
    now = clock()
    while now < due:
        now = clock()
    return now
