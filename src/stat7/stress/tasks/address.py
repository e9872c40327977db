"""Addresses one at a time: documents as Python objects in, addresses out, each checked against the workload's own."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from stat7.stress.subject import Subject
from stat7.stress.tasks.loops import Tape
from stat7.stress.workers import Tell, Work
from stat7.stress.workload import Workload

_SECOND = 1_000_000_000
_EVERY = 1000


@dataclass(frozen=True, slots=True)
class SingleAddresses:
    """Address `count` entities one after the other, 0 to `scale` again and again, for at most `seconds`.

    Only the addressing is timed, and `ends` are counted in addressing time alone.
    """

    subject: Subject
    workload: Workload
    scale: int
    count: int
    seconds: float

    def prepare(self) -> Work:
        """Touch the buffers."""
        tape = Tape(self.count)

        def work(tell: Tell) -> Mapping[str, Any]:
            self._run(tape, tell)
            return tape.result()

        return work

    def _run(self, tape: Tape, tell: Tell) -> None:
        clock, address = self.subject.clock, self.subject.addresser.address
        document, record = self.workload.document, self.workload.record
        begun, spent = clock(), 0
        for count in range(self.count):
            index = count % self.scale
            facts = document(index)
            start = clock()
            found = address(facts)
            end = clock()
            spent += end - start
            tape.durations[count] = end - start
            tape.ends[count] = spent
            tape.count = count + 1
            if found != record(index).address:
                tape.wrong += 1
            if end - begun > self.seconds * _SECOND:
                break
            if count % _EVERY == 0:
                tell(count)
