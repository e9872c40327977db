"""Addresses of many entities, by the program under test and by the harness's own template side by side."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from stat7.stress.subject import Subject
from stat7.stress.tasks.ingest import CHUNK, pack
from stat7.stress.tasks.loops import DIGEST
from stat7.stress.workers import Tell, Work
from stat7.stress.workload import Workload

WITNESS: Final = "stat7"
"""A text whose built-in hash shows whether two processes were started with different hash seeds."""


@dataclass(frozen=True, slots=True)
class AddressAll:
    """Address entities 0 to `count`, worker number `worker` of `workers` taking every so-manieth chunk.

    Digests go to their place in the file `digests`, which exists. Returned: how many addresses are malformed, and how
    many differ from the SHA-256 of the template's canonical bytes.
    """

    subject: Subject
    workload: Workload
    count: int
    worker: int
    workers: int
    digests: Path

    def prepare(self) -> Work:
        """Nothing takes long."""
        return self._run

    def _run(self, tell: Tell) -> Mapping[str, Any]:
        address, line, template = self.subject.addresser.record, self.workload.line, self.workload.record
        malformed = differing = done = 0
        first = ""
        with self.digests.open("r+b") as file:
            for start in range(self.worker * CHUNK, self.count, self.workers * CHUNK):
                indexes = range(start, min(start + CHUNK, self.count))
                found = [address(line(index)).address for index in indexes]
                for index, got in zip(indexes, found, strict=True):
                    if got != template(index).address:
                        differing += 1
                        first = first or f"entity {index}: {got:.80}"
                digests, bad = pack(found)
                malformed += bad
                file.seek(start * DIGEST)
                file.write(digests)
                done += len(indexes)
                tell(done)
        return {"malformed": malformed, "differing": differing, "first_difference": first}


@dataclass(frozen=True, slots=True)
class AddressAgain:
    """Address entities 0 to `count` as lines of JSON and as Python objects, in a process of its own.

    Returned: both lists of addresses, a line each, and what shows the seed of the built-in hash.
    """

    subject: Subject
    workload: Workload
    count: int

    def prepare(self) -> Work:
        """Nothing takes long."""
        return self._run

    def _run(self, tell: Tell) -> Mapping[str, Any]:
        addresser, workload = self.subject.addresser, self.workload
        lines = [addresser.record(workload.line(index)).address for index in range(self.count)]
        objects = [addresser.address(workload.document(index)) for index in range(self.count)]
        return {"lines": lines, "objects": objects, "witness": hash(WITNESS), "process": os.getpid()}
