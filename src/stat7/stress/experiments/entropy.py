"""What dimensions tell: entities and pairs that are alike without one, and its entropy given the others.

Entities are alike if all dimensions in question have the same value, at a resolution. A set of dimensions becomes one
64-bit key by adding up a mixed value for each of them, so that one can be taken out again; two that differ have the
same key once in 2^64.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import log, log2
from typing import Final

import numpy as np
from numpy.typing import NDArray

from stat7.coordinates import SCALE
from stat7.stress.experiments.claims import Z95
from stat7.stress.results import Figure, exact
from stat7.stress.tasks.dimensions import DIMENSIONS

Codes = NDArray[np.int64]
Keys = NDArray[np.uint64]

REALS: Final = {"resonance": 2, "velocity": 2, "density": 1}
"""The real dimensions, and how wide their ranges are."""

_PLACES: Final = (*DIMENSIONS, "id")
_GOLDEN: Final = 0x9E3779B97F4A7C15


def at_resolution(columns: Mapping[str, Codes], parts: int | None) -> dict[str, Codes]:
    """The seven dimensions with the reals' ranges cut into so many equal parts; None: all as stored.

    Where reals are cut, neighbours count by their number alone; the other dimensions are always as stored.
    """
    seven = {name: columns[name] for name in DIMENSIONS}
    if parts is None:
        return seven
    cut = {name: seven[name] * parts // (width * SCALE) for name, width in REALS.items()}
    return seven | cut | {"adjacency": columns["neighbours"]}


def mixed(codes: Mapping[str, Codes]) -> dict[str, Keys]:
    """For each dimension keys that can be added up (the finalizer of SplitMix64)."""
    keys = {}
    for name, values in codes.items():
        number = _PLACES.index(name) + 1
        key = values.astype(np.uint64) * np.uint64(0xD1342543DE82EF95) + np.uint64(number * _GOLDEN % 2**64)
        key = (key ^ (key >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        key = (key ^ (key >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        keys[name] = key ^ (key >> np.uint64(31))
    return keys


def added(keys: Mapping[str, Keys]) -> Keys:
    """The keys of all dimensions together; take one's own away to leave it out."""
    together: Keys = np.sum(list(keys.values()), axis=0, dtype=np.uint64)
    return together


def alike(keys: Keys) -> tuple[Codes, int]:
    """For each entity how many have its key, itself included; and how many keys there are."""
    _, places, counts = np.unique(keys, return_inverse=True, return_counts=True)
    return counts[places].astype(np.int64), len(counts)


@dataclass(frozen=True, slots=True)
class Told:
    """What one dimension tells at one resolution. `all` and `rest`: how many entities are like each one in all seven
    dimensions, and in the other six; `*_kinds` how many kinds there are; `own` and `own_kinds` by this dimension alone;
    `named` how many are like it in the other six and have its id.
    """

    all: Codes
    all_kinds: int
    rest: Codes
    rest_kinds: int
    own: Codes
    own_kinds: int
    named: Codes

    @property
    def alike_with_the_id(self) -> Figure:
        """Entities that the other six dimensions and the id together don't tell from some other entity."""
        return exact(int((self.named > 1).sum()), "entities", len(self.named))

    @property
    def alike_with(self) -> Figure:
        """Entities that all seven don't tell from some other entity."""
        return exact(int((self.all > 1).sum()), "entities", len(self.all))

    @property
    def alike_without(self) -> Figure:
        """Entities that the other six dimensions don't tell from some other entity."""
        return exact(int((self.rest > 1).sum()), "entities", len(self.rest))

    @property
    def told_apart(self) -> Figure:
        """Of the pairs that the other six can't tell apart, the share that this dimension does.

        The interval is that of a ratio of two U-statistics, by their projections (Hoeffding 1948): for a sample of
        entities. Without such a pair there is no value.
        """
        alike, pairs = self.all - 1.0, self.rest - 1.0
        total = float(pairs.sum())
        if not total:
            return Figure(None, "1", 0)
        left = float(alike.sum()) / total
        error = 2 * float(np.sqrt(np.square(alike - left * pairs).sum())) / total
        share, samples = 1 - left, round(total / 2)
        return Figure(share, "1", samples, (max(0.0, share - Z95 * error), min(1.0, share + Z95 * error)))

    @property
    def entropy(self) -> Figure:
        """Bits of this dimension by itself, with Miller and Madow's correction (1955)."""
        bits = -np.log2(self.own / len(self.own))
        return _mean(bits, (self.own_kinds - 1) / (2 * len(self.own) * log(2)))

    @property
    def given_others(self) -> Figure:
        """Bits of this dimension when the other six are known, by plain frequencies: rather too few than too many."""
        return _mean(np.log2(self.rest / self.all))

    @property
    def given_others_corrected(self) -> Figure:
        """The same with Miller and Madow's correction of both entropies."""
        count = len(self.all)
        return _mean(np.log2(self.rest / self.all), (self.all_kinds - self.rest_kinds) / (2 * count * log(2)))


def _mean(values: NDArray[np.float64], correction: float = 0.0) -> Figure:
    count = len(values)
    value, wide = float(values.mean()) + correction, Z95 * float(values.std(ddof=1)) / count**0.5
    return Figure(value, "bits", count, (max(0.0, value - wide), value + wide))


def ceiling(count: int) -> float:
    """The most bits that so many entities can show."""
    return log2(count)


def tell(codes: Mapping[str, Codes], ids: Codes) -> dict[str, Told]:
    """What each of the dimensions tells."""
    keys = mixed(codes)
    together = added(keys)
    every, kinds = alike(together)
    named = mixed({"id": ids})["id"]
    told = {}
    for name, key in keys.items():
        rest = together - key
        told[name] = Told(every, kinds, *alike(rest), *alike(key), alike(rest + named)[0])
    return told
