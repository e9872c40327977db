"""What EXP-03 asks of workers: coordinates of many entities, addresses with a coordinate held constant, and finds."""

from __future__ import annotations

import hashlib
import time
from array import array
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from stat7.query import Query
from stat7.record import COORDINATES
from stat7.repository import Repository
from stat7.stress.subject import Addresser, Location, Subject
from stat7.stress.tasks.ingest import CHUNK, pack
from stat7.stress.tasks.loops import DIGEST
from stat7.stress.workers import Tell, Work
from stat7.stress.workload import Workload

DIMENSIONS: Final = COORDINATES

COLUMNS: Final = (*DIMENSIONS, "id", "neighbours", "named")
"""The seven, the id, how many neighbours there are, and (one value for each of them) who they are."""

_CONSTANT: Final[Mapping[str, Any]] = {
    "realm": "void",
    "lineage": 0,
    "adjacency": [],
    "horizon": "genesis",
    "resonance": 0,
    "velocity": 0,
    "density": 0,
}


def code_of(text: str) -> int:
    """A text as a signed 64-bit integer: equal for equal texts, and for others but once in 2^64."""
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "little", signed=True)


@dataclass(frozen=True, slots=True)
class Coordinates:
    """The coordinates of entities `start` to `stop` in columns of signed 64-bit integers.

    Texts come as their `code_of`, a list of neighbours as that of the list, the reals in units of 1e-8.
    """

    workload: Workload
    start: int
    stop: int

    def prepare(self) -> Work:
        """Nothing takes long."""
        return self._run

    def _run(self, tell: Tell) -> Mapping[str, Any]:
        columns = {name: array("q") for name in COLUMNS}
        for index in range(self.start, self.stop):
            record = self.workload.record(index)
            near = record.adjacency
            columns["realm"].append(code_of(record.realm))
            columns["lineage"].append(record.lineage)
            columns["adjacency"].append(code_of("\n".join(near)))
            columns["horizon"].append(record.horizon)
            columns["resonance"].append(record.resonance)
            columns["velocity"].append(record.velocity)
            columns["density"].append(record.density)
            columns["id"].append(code_of(record.id))
            columns["neighbours"].append(len(near))
            columns["named"].extend(map(code_of, near))
            if index % CHUNK == 0:
                tell(index - self.start)
        return {name: column.tobytes() for name, column in columns.items()}


@dataclass(frozen=True, slots=True)
class AddressWithout:
    """Address entities `start` to `stop` once for each dimension, with that dimension the same in all of them.

    Returned: for each dimension the digests, 32 bytes each, and how many addresses were malformed.
    """

    addresser: Addresser
    workload: Workload
    start: int
    stop: int

    def prepare(self) -> Work:
        """Nothing takes long."""
        return self._run

    def _run(self, tell: Tell) -> Mapping[str, Any]:
        found: dict[str, list[str]] = {name: [] for name in DIMENSIONS}
        for index in range(self.start, self.stop):
            document = self.workload.document(index)
            place = document["coordinates"]
            for name, addresses in found.items():
                document["coordinates"] = {**place, name: _CONSTANT[name]}
                addresses.append(self.addresser.address(document))
            if index % CHUNK == 0:
                tell(index - self.start)
        packed = {name: pack(addresses) for name, addresses in found.items()}
        return {
            "digests": {name: digests for name, (digests, _) in packed.items()},
            "malformed": sum(bad for _, bad in packed.values()),
        }


@dataclass(frozen=True, slots=True)
class FindAll:
    """Answer queries, each given by its keywords, through the store's find, until `seconds` are over.

    Only the first `scale` entities, those with digests in the file, count. Returned for each query that was answered:
    how many there are, and the SHA-256 of their indexes (signed 64-bit, ascending); and how many rows were read.
    """

    subject: Subject
    location: Location
    digests: Path
    scale: int
    queries: tuple[Mapping[str, Any], ...]
    seconds: float

    def prepare(self) -> Work:
        """Open the store, and learn which entities count."""
        repository = self.subject.open(self.location)
        data = self.digests.read_bytes()[: self.scale * DIGEST]
        places = {data[start : start + DIGEST].hex(): start // DIGEST for start in range(0, len(data), DIGEST)}

        def work(tell: Tell) -> Mapping[str, Any]:
            with repository:
                return self._run(repository, places, tell)

        return work

    def _run(self, repository: Repository, places: Mapping[str, int], tell: Tell) -> Mapping[str, Any]:
        until = time.monotonic() + self.seconds
        counts, checks, rows = array("q"), bytearray(), 0
        for number, query in enumerate(self.queries):
            found = _answer(repository, Query(**query), until)
            if found is None:
                break
            rows += len(found)
            ours = array("q", sorted(places[address] for address in found if address in places))
            counts.append(len(ours))
            checks += hashlib.sha256(ours.tobytes()).digest()
            tell(number + 1)
        return {"counts": counts.tobytes(), "checks": bytes(checks), "rows": rows}


def _answer(repository: Repository, query: Query, until: float, now: Callable[[], float] = time.monotonic) -> Any:
    """The addresses that match; None if the time was over first."""
    found: list[str] = []
    for address in repository.find_addresses(query, allow_scan=True):
        found.append(address)
        if len(found) % CHUNK == 0 and now() > until:
            return None
    return None if now() > until else found
