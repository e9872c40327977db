"""How fast the machine itself is just now: a loop that touches no store, by which runs are compared.

The loop does what a processor does for a store (a SHA-256, JSON there and back, a small dictionary, small allocations)
with the standard library alone: whatever slows the machine slows it, and no change of stat7 does.
"""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from typing import TYPE_CHECKING, Any, Final

from stat7.stress.workers import Tell, Work, run_together

if TYPE_CHECKING:
    from stat7.stress.results import Figure

SECONDS: Final = 0.15
"""How long one measurement takes, not counting the start of its process."""

SLICES: Final = 15
_WARM_UP: Final = 200
_SILENCE: Final = 60.0
_SECOND: Final = 1e9

_DOCUMENT: Final[Mapping[str, Any]] = {
    "id": "reference/000000000000",
    "coordinates": {name: index * 1234.5 for index, name in enumerate(("x", "y", "z", "t", "u", "v", "w"))},
    "labels": [f"label {index}" for index in range(12)],
    "text": "the same text in every run and on every machine " * 6,
}


def one_loop(number: int) -> str:
    """The unit of work, some tens of microseconds; another number makes other bytes, and takes as long."""
    document = {**_DOCUMENT, "number": number % 1000 + 1000}
    text = json.dumps(document, sort_keys=True, separators=(",", ":"))
    digest = sha256(text.encode()).hexdigest()
    again = json.loads(text)
    index = {label: [digest, place] for place, label in enumerate(again["labels"])}
    return sha256((digest + str(len(index))).encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class ReferenceLoop:
    """Loops for `seconds`, in slices of equal time."""

    seconds: float = SECONDS

    def prepare(self) -> Work:
        """Warm up: what is compiled, cached or allocated once isn't measured."""
        for number in range(_WARM_UP):
            one_loop(number)
        return self._work

    def _work(self, tell: Tell) -> Mapping[str, Any]:
        rates: list[float] = []
        total = 0
        slice_ns = int(self.seconds / SLICES * _SECOND)
        for _ in range(SLICES):
            loops, begun = 0, time.perf_counter_ns()
            while (passed := time.perf_counter_ns() - begun) < slice_ns:
                one_loop(loops)
                loops += 1
            rates.append(loops / passed * _SECOND)
            total += loops
        return {"rates": rates, "loops": total}


def measure(seconds: float = SECONDS) -> Figure:
    """Loops per second of one process, with an interval by bootstrap over the slices. Raises WorkerFailed."""
    # Only here: the worker has no use for them, and would take longer to start than to measure.
    from stat7.stress.measure import bootstrap
    from stat7.stress.results import Figure

    (found,) = run_together([ReferenceLoop(seconds)], seconds=seconds + _SILENCE)
    rates = found["rates"]
    return Figure(sum(rates) / len(rates), "1/s", found["loops"], bootstrap(rates))
