"""When requests are due, drawn before any of them is sent: what the store does can't move them."""

from __future__ import annotations

from array import array
from dataclasses import dataclass
from random import Random
from typing import Final, Protocol

SECOND: Final = 1_000_000_000


class Arrivals(Protocol):
    """A plan of requests, split among lanes; must be picklable."""

    def times(self, random: Random, seconds: float, lane: int, lanes: int) -> array[int]:
        """When the requests of one of `lanes` lanes are due, in ns from the common start, rising, below `seconds`."""
        ...

    @property
    def rate(self) -> float:
        """Requests per second of all lanes together, on the long average."""
        ...

    def expected(self, seconds: float) -> float:
        """How many requests of all lanes together are due within so many seconds, on average."""
        ...


@dataclass(frozen=True, slots=True)
class Poisson:
    """Requests that know nothing of each other: exponential gaps, `rate` per second over all lanes."""

    rate: float

    def times(self, random: Random, seconds: float, lane: int, lanes: int) -> array[int]:
        """Each lane draws its own: together they are a Poisson process again."""
        gap, until = SECOND * lanes / self.rate, seconds * SECOND
        due, at = array("q"), random.expovariate(1.0) * gap
        while at < until:
            due.append(int(at))
            at += random.expovariate(1.0) * gap
        return due

    def expected(self, seconds: float) -> float:
        """The rate, all the time."""
        return self.rate * seconds


@dataclass(frozen=True, slots=True)
class Fixed:
    """Requests at equal distances, the lanes taking turns."""

    rate: float

    def times(self, random: Random, seconds: float, lane: int, lanes: int) -> array[int]:
        """Every `lanes`-th request, from the `lane`-th on."""
        gap = SECOND / self.rate
        return array("q", (int(number * gap) for number in range(lane, int(seconds * self.rate), lanes)))

    def expected(self, seconds: float) -> float:
        """The rate, all the time."""
        return self.rate * seconds


@dataclass(frozen=True, slots=True)
class Bursts:
    """A Poisson process of `rate` per second on average whose rate is `factor` times as high in bursts as between them:
    one of `length` seconds at the end of every `every` seconds.
    """

    rate: float
    factor: float = 4.0
    every: float = 1.0
    length: float = 0.2

    def times(self, random: Random, seconds: float, lane: int, lanes: int) -> array[int]:
        """A Poisson process of rate 1, its time stretched between the bursts and compressed within them."""
        quiet, still = self._quiet / lanes, self.every - self.length
        before, whole = quiet * still, self.rate / lanes * self.every
        due, amount = array("q"), random.expovariate(1.0)
        while True:
            turns, rest = divmod(amount, whole)
            inside = rest / quiet if rest < before else still + (rest - before) / quiet / self.factor
            at = turns * self.every + inside
            if at >= seconds:
                return due
            due.append(int(at * SECOND))
            amount += random.expovariate(1.0)

    def expected(self, seconds: float) -> float:
        """Whole turns, and what has come of the last one."""
        turns, rest = divmod(seconds, self.every)
        burst = max(0.0, rest - self.every + self.length)
        return self.rate * self.every * turns + self._quiet * (rest - burst + self.factor * burst)

    @property
    def _quiet(self) -> float:
        """The rate between the bursts."""
        return self.rate * self.every / (self.every - self.length + self.factor * self.length)


@dataclass(frozen=True, slots=True)
class AtOnce:
    """All due from the start: what a lane can do at most. `count` requests for each lane."""

    count: int

    @property
    def rate(self) -> float:
        """As high as it gets."""
        return float("inf")

    def times(self, random: Random, seconds: float, lane: int, lanes: int) -> array[int]:
        """Zeros."""
        return array("q", bytes(8 * self.count))

    def expected(self, seconds: float) -> float:
        """Nobody asks: it isn't a rate that is tried."""
        return float("inf")
