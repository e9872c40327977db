"""Log-linear histograms of nanoseconds: buckets at most 1/64 of their value wide, so that a value read back from one is
off by less than 1 %.

Buckets 0 to 127 hold one nanosecond each. From there on every doubling is cut into 64 buckets of equal width: bucket
`64 * shift + top`, with `top` in 64 to 127, holds the values from `top << shift` up to `(top + 1) << shift`, excluded.
The layout is that of HdrHistogram with 7 significant bits.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import ceil
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

Nanoseconds = NDArray[np.int64]
Counts = NDArray[np.int64]

BITS: Final = 7
"""Significant bits of a value that its bucket keeps."""

HALF: Final = 1 << (BITS - 1)
_EXACT: Final = 1 << BITS


def buckets_of(nanoseconds: Nanoseconds) -> Counts:
    """The bucket of each value (below 2^52); negative ones count as 0."""
    values = np.maximum(nanoseconds, 0)
    _, exponents = np.frexp(values.astype(np.float64))
    shift = np.maximum(exponents.astype(np.int64) - BITS, 0)
    return np.where(values < _EXACT, values, shift * HALF + (values >> shift))


def middle_of(buckets: Counts) -> NDArray[np.float64]:
    """The value in ns that stands for each bucket: its middle."""
    shift = np.maximum(buckets // HALF - 1, 0)
    low = np.where(buckets < _EXACT, buckets, (buckets - shift * HALF) << shift)
    return low + ((np.int64(1) << shift) - 1) / 2


@dataclass(frozen=True, slots=True)
class Histogram:
    """Counts of values by bucket: `counts[i]` of them in bucket `buckets[i]`, in rising order, none of them 0."""

    buckets: Counts
    counts: Counts

    @classmethod
    def of(cls, nanoseconds: Nanoseconds) -> Histogram:
        """The histogram of some values."""
        return cls(*np.unique(buckets_of(nanoseconds), return_counts=True))

    @classmethod
    def read(cls, stored: Mapping[str, Any]) -> Histogram:
        """The histogram as `as_dict` wrote it."""
        return cls(np.array(stored["buckets"], dtype=np.int64), np.array(stored["counts"], dtype=np.int64))

    @property
    def total(self) -> int:
        """How many values there are."""
        return int(self.counts.sum())

    def percentile(self, share: float) -> float:
        """The nearest-rank percentile (0 < share < 1) in ns; the histogram must not be empty."""
        rank = max(1, ceil(share * self.total - 1e-9))
        return float(middle_of(self.buckets)[np.searchsorted(np.cumsum(self.counts), rank)])

    def as_dict(self) -> dict[str, Any]:
        """As it stands in the results."""
        return {"unit": "ns", "bits": BITS, "buckets": self.buckets.tolist(), "counts": self.counts.tolist()}
