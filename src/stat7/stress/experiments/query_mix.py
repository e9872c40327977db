"""Queries by example: three dimensions of a real entity each, and the same with one of the three left out; and what
they must find, worked out from the columns without any store.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from random import Random
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from stat7.coordinates import HORIZONS, SCALE
from stat7.record import Record
from stat7.stress.experiments.entropy import REALS, Codes
from stat7.stress.tasks.dimensions import DIMENSIONS, code_of
from stat7.stress.workload import UNITS, Workload

CONSTRAINED: Final = 3
"""Dimensions of which each query says something."""

WIDTH: Final = 0.25
"""How much of a real dimension's range a query asks for."""

_STEP: Final = SCALE // UNITS

Bounds = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Asked:
    """One query: what it says of some dimensions, as the keywords of a find."""

    keywords: Mapping[str, Any]
    bounds: Mapping[str, Bounds]
    dimensions: tuple[str, ...]

    def without(self, dimension: str | None) -> dict[str, Any]:
        """The keywords, but for one dimension (None: all of them)."""
        return {_KEYWORDS.get(name, name): self.keywords[name] for name in self.dimensions if name != dimension}

    def variants(self) -> list[tuple[str | None, dict[str, Any]]]:
        """The query itself, then without each of its dimensions."""
        return [(name, self.without(name)) for name in (None, *self.dimensions)]


_KEYWORDS: Final = {"adjacency": "adjacent_to"}


def mix(workload: Workload, scale: int, count: int, random: Random) -> list[Asked]:
    """`count` queries, each by the example of one of the first `scale` entities, about dimensions drawn at random."""
    queries: list[Asked] = []
    while len(queries) < count:
        record = workload.record(random.randrange(scale))
        chosen = random.sample(DIMENSIONS, CONSTRAINED)
        if record.adjacency or "adjacency" not in chosen:
            queries.append(_ask(record, tuple(chosen), random))
    return queries


def _ask(record: Record, chosen: tuple[str, ...], random: Random) -> Asked:
    near = random.choice(record.adjacency) if "adjacency" in chosen else ""
    plain = {
        "realm": (record.realm, code_of(record.realm)),
        "lineage": (str(record.lineage), record.lineage),
        "horizon": (HORIZONS[record.horizon], record.horizon),
        "adjacency": (near, code_of(near)),
    }
    keywords: dict[str, Any] = {}
    bounds: dict[str, Bounds] = {}
    for name in chosen:
        if name in REALS:
            low, high = bounds[name] = _around(getattr(record, name), name)
            keywords[name] = f"{low / SCALE:.4f}..{high / SCALE:.4f}"
        else:
            keywords[name], code = plain[name]
            bounds[name] = code, code
    return Asked(keywords, bounds, chosen)


def _around(value: int, name: str) -> Bounds:
    """A part of the range that holds the value, in units of 1e-8; ends have four digits, as values have."""
    whole = REALS[name] * SCALE
    least, half = (SCALE - whole, round(whole * WIDTH / 2))
    low, high = max(least, value - half), min(SCALE, value + half)
    return low // _STEP * _STEP, -(-high // _STEP) * _STEP


class Answers:
    """What queries must find among the first `scale` entities, from their columns."""

    def __init__(self, columns: Mapping[str, Codes], scale: int) -> None:
        self._columns = {name: columns[name][:scale] for name in DIMENSIONS}
        counts = columns["neighbours"][:scale]
        self._owners = np.repeat(np.arange(scale), counts)
        self._named = columns["named"][: len(self._owners)]
        self._scale = scale

    def to(self, asked: Asked, dimension: str | None) -> tuple[int, bytes]:
        """How many, and the SHA-256 of their indexes, ascending."""
        held: NDArray[np.bool_] = np.ones(self._scale, dtype=bool)
        for name in asked.dimensions:
            if name != dimension:
                held &= self._holds(name, *asked.bounds[name])
        found = np.flatnonzero(held).astype(np.int64)
        return len(found), hashlib.sha256(found.tobytes()).digest()

    def _holds(self, name: str, low: int, high: int) -> NDArray[np.bool_]:
        if name != "adjacency":
            values = self._columns[name]
            return (values >= low) & (values <= high)
        held = np.zeros(self._scale, dtype=bool)
        held[self._owners[self._named == low]] = True
        return held


def growths(queries: Sequence[Asked], counts: Sequence[int]) -> dict[str, list[float]]:
    """For each dimension by how much the result sets of the queries that speak of it grow when it's left out.

    `counts` are those of all variants of the queries, one after the other; of the last ones they may be missing.
    """
    found: dict[str, list[float]] = {name: [] for name in DIMENSIONS}
    size = CONSTRAINED + 1
    for asked, start in zip(queries, range(0, len(counts) - size + 1, size), strict=False):
        whole, *without = counts[start : start + size]
        for name, count in zip(asked.dimensions, without, strict=True):
            if whole:
                found[name].append(count / whole)
    return found
