"""Collisions: none among all addresses of a scale, and signs that the hash behaves as one.

That no two of N addresses are equal proves little by itself: N = 100,000 bounds the chance of a pair at 30.6 bits. So
parts of the addresses are tested too: 8 windows of 28 bits must collide as often as chance has it, and every bit must
be as often 0 as 1. And the address must change with every single fact, and with nothing else.
"""

from __future__ import annotations

from math import sqrt
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from stat7.stress.context import Context, Outcome, Stage
from stat7.stress.injectivity import check
from stat7.stress.results import TestResult, exact
from stat7.stress.statistics import poisson_probability
from stat7.stress.tasks.loops import DIGEST

CLAIM = "no two entities share an address, and addresses behave like uniform random numbers that depend on every fact"
WINDOWS = 8
WINDOW_BITS = 28
_ROWS = 500_000
_ENTITIES = 100
_QUICK_ENTITIES = 25

Digests = NDArray[np.uint8]


class Birthday(NamedTuple):
    """Pairs of addresses that agree in one window, as found and as expected of chance."""

    observed: int
    expected: float

    @property
    def probability(self) -> float:
        """How probable it is to be as far from the expectation."""
        return poisson_probability(self.observed, self.expected)


def measure(context: Context, stage: Stage) -> TestResult:
    """All checks over the digests that were made for this scale."""
    context.budget.begin("collisions", stage.scale)
    outcome = Outcome("collisions", stage.scale, CLAIM)
    if stage.digests is None:
        return outcome.without(stage, context)
    digests = open_digests(stage.digests, stage.scale)
    birthdays = [birthday(digests, window) for window in range(WINDOWS)]
    deviation = largest_bit_deviation(digests)
    changes = check(context.subject.addresser, stage.workload, _ENTITIES if stage.scale > 10_000 else _QUICK_ENTITIES)
    count = stage.scale
    # The smallest of WINDOWS probabilities, made as rare as it looks (Bonferroni).
    least = min(1.0, WINDOWS * min(found.probability for found in birthdays))
    outcome.figures = {
        "duplicates": exact(duplicates(digests), "addresses", count),
        "malformed": exact(stage.malformed, "addresses", count),
        "birthday_pairs": exact(sum(found.observed for found in birthdays), "pairs", count),
        "birthday_expected": exact(sum(found.expected for found in birthdays), "pairs", count),
        "birthday_probability": exact(least, "1", count),
        "largest_bit_deviation": exact(deviation, "sd", count),
        "unchanged_by_a_change": exact(len(changes.kept), "changes", changes.changes),
        "changed_by_reserialising": exact(len(changes.moved), "spellings", changes.spellings),
    }
    outcome.parameters = {"windows": WINDOWS, "window_bits": WINDOW_BITS, "addressed_by_subject": stage.addressed}
    outcome.parameters |= changes.examples
    return outcome.judged(context)


def open_digests(path: Path, count: int) -> Digests:
    """The first `count` digests as an array of rows of 32 bytes, mapped from the file and not read into memory."""
    return np.memmap(path, dtype=np.uint8, mode="r", shape=(count, DIGEST))


def duplicates(digests: Digests) -> int:
    """How many rows equal an earlier one: exact. Sorts the first 8 bytes and compares whole rows where those agree."""
    keys = _words(digests, 0, ">u8")
    keys.sort()
    again = np.unique(keys[1:][keys[1:] == keys[:-1]])
    if not len(again):
        return 0
    suspects: list[NDArray[np.uint8]] = []
    for start in range(0, len(digests), _ROWS):
        rows = np.asarray(digests[start : start + _ROWS])
        suspects.append(rows[np.isin(_words(rows, 0, ">u8"), again)])
    rows = np.concatenate(suspects)
    return len(rows) - len(np.unique(rows, axis=0))


def birthday(digests: Digests, window: int) -> Birthday:
    """Pairs that agree in the first 28 bits of the `window`-th 32-bit word (0 to 7)."""
    cells = _words(digests, window * 4, ">u4") >> np.uint32(32 - WINDOW_BITS)
    cells.sort()
    edges = np.flatnonzero(np.concatenate(([True], cells[1:] != cells[:-1], [True])))
    sizes = np.diff(edges).astype(np.int64)
    count = len(cells)
    return Birthday(int((sizes * (sizes - 1) // 2).sum()), count * (count - 1) / 2 / 2**WINDOW_BITS)


def largest_bit_deviation(digests: Digests) -> float:
    """The largest of all `bit_deviations`, whichever its sign."""
    return float(np.abs(bit_deviations(digests)).max())


def bit_deviations(digests: Digests) -> NDArray[np.float64]:
    """How far, for each of the 256 bits, the number of ones is from half of the rows, in standard deviations."""
    bits = ((np.arange(256)[:, None] >> np.arange(7, -1, -1)) & 1).astype(np.int64)
    ones = np.zeros((DIGEST, 8), dtype=np.int64)
    for start in range(0, len(digests), _ROWS):
        rows = np.asarray(digests[start : start + _ROWS])
        for column in range(DIGEST):
            ones[column] += np.bincount(rows[:, column], minlength=256) @ bits
    count = len(digests)
    return ((ones.ravel() - count / 2) / (sqrt(count) / 2)).astype(np.float64)


def _words(digests: Digests, first: int, kind: str) -> NDArray[np.unsignedinteger]:
    """Big-endian words of each row from byte `first` on, as native integers; read in parts."""
    size = np.dtype(kind).itemsize
    words = np.empty(len(digests), dtype=np.dtype(kind).newbyteorder("="))
    for start in range(0, len(digests), _ROWS):
        part = np.ascontiguousarray(digests[start : start + _ROWS, first : first + size])
        words[start : start + len(part)] = part.view(kind)[:, 0]
    return words
