"""The same operation at all scales in turn, again and again: what disturbs the machine disturbs all of them alike."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any

from stat7.repository import Repository
from stat7.stress.subject import Location, Subject
from stat7.stress.tasks.loops import draw_addresses
from stat7.stress.workers import Tell, Work
from stat7.stress.workload import Workload


@dataclass(frozen=True, slots=True)
class InTurns:
    """Time `per_round` operations at each scale in each of `rounds`, the scales in a new order every time.

    The operations are addressing of documents among the first N entities, and, where `stores` gives for each scale a
    store and its file of digests, hits among its N. Returned for each operation: nanoseconds for one, by round and
    scale.
    """

    subject: Subject
    workload: Workload
    scales: tuple[int, ...]
    stores: tuple[tuple[Location, Path], ...]
    rounds: int
    per_round: int

    def prepare(self) -> Work:
        """Open the stores, draw the addresses, read some of them once."""
        stack = ExitStack()
        random = Random(self.workload.seed)
        repositories = [stack.enter_context(self.subject.open(location)) for location, _ in self.stores]
        addresses = [
            draw_addresses(digests, scale, (self.rounds + 1) * self.per_round, random)
            for scale, (_, digests) in zip(self.scales, self.stores, strict=False)
        ]
        for repository, drawn in zip(repositories, addresses, strict=True):
            self._look_up(repository, drawn[-self.per_round :])

        def work(tell: Tell) -> Mapping[str, Any]:
            with stack:
                return self._run(repositories, addresses, random, tell)

        return work

    def _run(
        self, repositories: Sequence[Repository], addresses: Sequence[Sequence[str]], random: Random, tell: Tell
    ) -> Mapping[str, Any]:
        looked_up: list[list[float]] = []
        addressed: list[list[float]] = []
        order = list(range(len(self.scales)))
        for number in range(self.rounds):
            part = slice(number * self.per_round, (number + 1) * self.per_round)
            random.shuffle(order)
            lookups, hashes = [0.0] * len(order), [0.0] * len(order)
            for at in order:
                hashes[at] = self._address(self.scales[at], random)
                if repositories:
                    lookups[at] = self._look_up(repositories[at], addresses[at][part])
            addressed.append(hashes)
            looked_up.append(lookups)
            tell(number)
        return {"address": addressed, "lookup": looked_up if repositories else []}

    def _look_up(self, repository: Repository, addresses: Sequence[str]) -> float:
        clock, read = self.subject.clock, repository.get_document
        start = clock()
        for address in addresses:
            read(address)
        return (clock() - start) / len(addresses)

    def _address(self, scale: int, random: Random) -> float:
        documents = [self.workload.document(random.randrange(scale)) for _ in range(self.per_round)]
        clock, address = self.subject.clock, self.subject.addresser.address
        start = clock()
        for document in documents:
            address(document)
        return (clock() - start) / len(documents)
