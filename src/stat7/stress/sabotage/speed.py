"""A store that is slower by a known share: what a comparison of runs has to notice."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from time import perf_counter_ns
from typing import Any, Final

from stat7.address import Address
from stat7.record import Notice
from stat7.repository import Document, Repository

SHARE: Final = 0.20
"""How much longer each call takes, unless told otherwise."""

_TRIES: Final = 200


class _SlowedRepository(Repository):
    """Passes, busily, a share of each call's own time after it, whether it found something or not.

    `cost_ns` is what the slowing costs by itself, and part of that share.
    """

    share = 0.0
    cost_ns = 0

    def get_document(self, address: Address) -> bytes:
        """Read, then pass the time."""
        begun = perf_counter_ns()
        try:
            return super().get_document(address)
        finally:
            self._pass_time(begun)

    def get_documents(self, addresses: Sequence[Address]) -> dict[Address, bytes | Notice]:
        """Read many, then pass the time."""
        begun = perf_counter_ns()
        try:
            return super().get_documents(addresses)
        finally:
            self._pass_time(begun)

    def put(self, document: Document) -> Address:
        """Write, then pass the time."""
        begun = perf_counter_ns()
        try:
            return super().put(document)
        finally:
            self._pass_time(begun)

    def _pass_time(self, begun: int) -> None:
        now = perf_counter_ns()
        until = now + int((now - begun) * self.share) - self.cost_ns
        while perf_counter_ns() < until:
            pass


@dataclass(frozen=True, slots=True)
class Slowed:
    """A wrapper (Subject.wrap) that makes every read and write take `share` longer than it did: 0.2 is 20 %."""

    share: float = SHARE

    def __call__(self, repository: Repository) -> Repository:
        """The same repository, slower."""
        slowed = _SlowedRepository(repository.store, repository.files)
        slowed.cost_ns = _least_ns(lambda: slowed._pass_time(perf_counter_ns()))
        slowed.share = self.share
        return slowed


def _least_ns(call: Callable[[], Any]) -> int:
    """The shortest time that a call takes, of many."""
    times = []
    for _ in range(_TRIES):
        begun = perf_counter_ns()
        call()
        times.append(perf_counter_ns() - begun)
    return min(times)
