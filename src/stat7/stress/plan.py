"""How long each step may take, so that a run keeps its limit: later steps shrink when earlier ones took too long.

What shrinks is how long, and how often, something is measured; never what is checked. Every cut is noted in the
results.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Container, Sequence
from dataclasses import dataclass, replace
from typing import Final

LARGEST_IN_MEMORY: Final = 1_000_000
"""Up to this scale memory and concurrency are measured too."""

LARGEST_TRACED: Final = 100_000
"""Up to this scale allocation is traced: beyond, the traces themselves would take more memory than a run may."""

LEAST_SHARE: Final = 0.25
"""A step is never shrunk below this share of its seconds."""


_REFERENCE_SECONDS: Final = 0.6
_WHOLE: Final = 0.95
"""Nothing is shrunk for the sake of less than the rest."""


@dataclass(frozen=True, slots=True)
class Mode:
    """A kind of run. Seconds: `limit` for the whole run, the others for one measurement of each kind at one scale.

    `workers` are the numbers of processes that the concurrent test is run with. At `breaking_scale` (None: nowhere) the
    highest rate is looked for, for `breaking_seconds`; the largest scale is confirmed for `edge_seconds`.
    """

    name: str
    scales: tuple[int, ...]
    limit: float
    single_seconds: float
    bulk_entities: int
    lookup_seconds: float
    mixed_seconds: float
    workers: tuple[int, ...] = (4, 16)
    every_count_from: int = 0
    paced_seconds: float = 1.0
    breaking_scale: int | None = None
    breaking_seconds: float = 7.0
    edge_seconds: float = 2.0

    def workers_at(self, scale: int) -> tuple[int, ...]:
        """The numbers of processes tried at a scale: below `every_count_from` only the first."""
        return self.workers if scale >= self.every_count_from else self.workers[:1]


QUICK: Final = Mode(
    "quick", (10_000, 100_000), 60.0, 0.6, 40_000, 0.5, 3.0, every_count_from=100_000, breaking_scale=10_000
)
FULL: Final = Mode("full", (1_000, 10_000, 100_000, 1_000_000, 10_000_000), 600.0, 1.5, 200_000, 1.0, 6.0,
                   paced_seconds=2.0, breaking_scale=100_000, breaking_seconds=22.0, edge_seconds=8.0)  # fmt: skip


def scales_of(scales: Sequence[int]) -> Mode:
    """A run over scales chosen by hand, measured as QUICK does; its limit is what that takes, and as much again."""
    mode = replace(QUICK, name="scales", scales=tuple(scales), breaking_scale=scales[0])
    return replace(mode, limit=2 * sum(step.seconds for step in steps_of(mode)))


@dataclass(frozen=True, slots=True)
class Step:
    """One thing to do at one scale, how many seconds that should take, and whether less time would do, too.

    `stores` are the scales whose entities it needs to be stored.
    """

    name: str
    scale: int
    seconds: float
    shrinks: bool = True
    stores: tuple[int, ...] = ()


def steps_of(mode: Mode) -> list[Step]:
    """All steps of a run, in order. The seconds are those of a slow core; they serve the time left, and the cuts."""
    steps: list[Step] = []
    for scale in mode.scales:
        steps += [
            Step("address", scale, 1.0 + mode.single_seconds * 2 + min(scale, mode.bulk_entities) * 20e-6),
            Step("ingest", scale, 1.0 + scale * 32e-6, shrinks=False),
            Step("collisions", scale, 0.5 + scale * 1e-6, False, (scale,)),
            Step("lookup", scale, 0.6 + mode.lookup_seconds * 4, stores=(scale,)),
        ]
        if scale <= LARGEST_IN_MEMORY:
            steps += [
                Step(f"concurrent {count}", scale, 1.0 + count * 0.15 + mode.mixed_seconds, stores=(scale,))
                for count in mode.workers_at(scale)
            ]
            steps.append(Step("paced", scale, 1.5 + 1.25 * mode.paced_seconds, stores=(scale,)))
            if scale == mode.breaking_scale:
                steps.append(Step("breaking rate", scale, 1.0 + mode.breaking_seconds, stores=(scale,)))
            steps.append(Step("memory", scale, 0.5 + scale * (60e-6 if scale <= LARGEST_TRACED else 20e-6)))
        steps.append(Step("reference", scale, _REFERENCE_SECONDS, shrinks=False))
    largest = mode.scales[-1]
    return [
        *steps,
        Step("scaling", largest, 0.5 + len(mode.scales) * 0.8, stores=mode.scales),
        Step("breaking scale", largest, mode.edge_seconds, stores=mode.scales),
    ]


def remaining(steps: Sequence[Step], done: Container[tuple[str, int]]) -> list[Step]:
    """Those of the steps that aren't done, by name and scale; a store is built again if one of them needs it."""
    left = [step for step in steps if (step.name, step.scale) not in done]
    needed = {scale for step in left for scale in step.stores}
    return [step for step in left if step.name != "ingest" or step.scale in needed]


class Budget:
    """The time of a run, shared out among its steps."""

    def __init__(self, steps: Sequence[Step], limit: float, now: Callable[[], float] = time.monotonic) -> None:
        self.total = sum(step.seconds for step in steps)
        self.cuts: list[str] = []
        self.owed = 0.0
        """Seconds that tidying up will take after the last step."""
        self._left = list(steps)
        self._limit = limit
        self._now = now
        self._begun = now()

    @property
    def left(self) -> Sequence[Step]:
        """The steps that are still to begin."""
        return tuple(self._left)

    @property
    def elapsed(self) -> float:
        """Seconds since the run began."""
        return self._now() - self._begun

    @property
    def remaining(self) -> float:
        """Seconds until the limit; a twentieth of it is kept back, and what is owed."""
        return self._limit * 0.95 - self.elapsed - self.owed

    @property
    def done(self) -> float:
        """Planned seconds of the steps that were begun."""
        return self.total - sum(step.seconds for step in self._left)

    @property
    def reserved(self) -> float:
        """Planned seconds of the steps that are still to begin."""
        return self.total - self.done

    @property
    def next_seconds(self) -> float:
        """Planned seconds of the step that comes next; 0 after the last."""
        return self._left[0].seconds if self._left else 0.0

    def begin(self, name: str, scale: int) -> float:
        """The share (LEAST_SHARE to 1) of its seconds that a step may take; steps planned before it are skipped.

        A step that isn't planned takes its whole time.
        """
        at = next((index for index, step in enumerate(self._left) if (step.name, step.scale) == (name, scale)), None)
        if at is None:
            return 1.0
        step = self._left[at]
        fixed = sum(step.seconds for step in self._left[at:] if not step.shrinks)
        needed = sum(step.seconds for step in self._left[at:]) - fixed
        del self._left[: at + 1]
        share = (self.remaining - fixed) / needed if step.shrinks else 1.0
        if share > _WHOLE:
            return 1.0
        share = max(LEAST_SHARE, share)
        self.cuts.append(f"{name} at {scale:,}: measured for {share:.0%} of the planned time")
        return share
