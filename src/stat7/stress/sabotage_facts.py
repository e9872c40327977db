"""Sabotage of what EXP-01 to EXP-03 claim: addresses that depend on the process, a store that scans, dimensions that
say nothing.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from typing import Any, Final, cast

from stat7.address import Address
from stat7.contracts import Page
from stat7.errors import Corrupt
from stat7.query import Query
from stat7.record import Record
from stat7.repository import Repository
from stat7.stores.base import Match, Store
from stat7.stress.results import ExperimentResult, Verdict
from stat7.stress.sabotage import (
    CoordinateLeftOut,
    CutTo48Bits,
    CutTo48BitsAndPadded,
    HashOfTheIdOnly,
    RandomAddresses,
    _Addresser,
    _Between,
    damaging_repository,
)
from stat7.stress.subject import Addresser, Subject
from stat7.stress.workload import Workload

SEED: Final = 7
"""Of the workloads here."""

ONE_IN_FINDS: Final = 50
"""How seldom a match is left out by finds that leave out some."""


@dataclass(frozen=True)
class OrderOfASet(_Addresser):
    """Addresses that hash the neighbours in the order of a Python set: another one for each seed of the built-in hash.

    Within one process they are stable, and distinct.
    """

    def other(self, record: Record) -> Address:
        """The SHA-256 of the document and the order of the set."""
        return hashlib.sha256(record.document + repr(set(record.adjacency)).encode()).hexdigest()


@dataclass(frozen=True)
class CutTo16BitsAndPadded(_Addresser):
    """Addresses with 16 bits in them that look like addresses."""

    def other(self, record: Record) -> Address:
        """The first 16 bits, then zeros."""
        return record.address[:4] + "0" * 60


@dataclass(frozen=True)
class HashedAgain(_Addresser):
    """Addresses that are the SHA-256 of the right ones: sound by themselves, and yet not what the format says."""

    def other(self, record: Record) -> Address:
        """The SHA-256 of the address."""
        return hashlib.sha256(record.address.encode()).hexdigest()


class _ScanningRepository(Repository):
    """Looks for an address by comparing it with every one that is stored, from the first to the last."""

    known: list[Address] | None = None

    def get_document(self, address: Address) -> bytes:
        """Walk through all addresses, to the end as a scan without an index must, then read."""
        if self.known is None:
            self.known = self._walk()
        wanted = bytes.fromhex(address)
        if sum(bytes.fromhex(each) == wanted for each in self.known) > 1:
            raise Corrupt(address, "it is stored twice")
        return super().get_document(address)

    def _walk(self) -> list[Address]:
        known: list[Address] = []
        cursor: str | None = None
        while True:
            page = self.store.scan(cursor, 10_000)
            known += [address for address, _ in page.items]
            cursor = page.cursor
            if cursor is None:
                return known


def scanning(repository: Repository) -> Repository:
    """A repository whose every read takes time in proportion to what is stored."""
    return _ScanningRepository(repository.store, repository.files)


class ConstantDimension(Workload):
    """A workload in which `realm` is the same for all entities."""

    def _facts(self, index: int) -> tuple[Any, ...]:
        facts = super()._facts(index)
        return ("data", *facts[1:])


class CopiedDimension(Workload):
    """A workload in which `velocity` repeats `resonance`."""

    def _facts(self, index: int) -> tuple[Any, ...]:
        realm, lineage, near, rank, (resonance, _, density), *rest = super()._facts(index)
        return (realm, lineage, near, rank, (resonance, resonance, density), *rest)


class DerivedDimension(Workload):
    """A workload in which `horizon` follows from `lineage`."""

    def _facts(self, index: int) -> tuple[Any, ...]:
        realm, lineage, near, _, *rest = super()._facts(index)
        return (realm, lineage, near, lineage % 5, *rest)


class _ForgetfulStore(_Between):
    """Leaves one match in ONE_IN_FINDS out of what it finds."""

    def find(self, query: Query, cursor: str | None, limit: int) -> Page[Match]:
        """All matches but some."""
        page = self._inner.find(query, cursor, limit)
        kept = [match for match in page.items if int(match.address[:8], 16) % ONE_IN_FINDS]
        return Page(kept, page.cursor)


def forgetful(repository: Repository) -> Repository:
    """A repository over a store whose finds leave out one match in ONE_IN_FINDS."""
    return Repository(cast(Store, _ForgetfulStore(repository.store)), repository.files)


@dataclass(frozen=True, slots=True)
class FactCase:
    """A sabotage, and the test of an experiment that must come out with `verdict`; `phrase` is part of its reason.

    Where `sound` nothing is wrong, and the experiment must say so; if it's timed a busy machine may make it doubtful.
    """

    name: str
    experiment: str
    test: str
    verdict: Verdict
    phrase: str = ""
    variant: str = ""
    subject: Subject = field(default_factory=Subject)
    workload: Workload = field(default_factory=lambda: Workload(SEED))
    sound: bool = False
    timed: bool = False

    def caught_by(self, result: ExperimentResult) -> bool:
        """Whether the named test caught it, or all were content if nothing is wrong."""
        if self.sound:
            return result.verdict is self.verdict or (self.timed and result.verdict is Verdict.INCONCLUSIVE)
        named = [test for test in result.tests if (test.name, test.variant) == (self.test, self.variant)]
        return any(test.verdict is self.verdict and self.phrase in test.why for test in named)


def _addresser(name: str, addresser: Addresser, test: str, phrase: str) -> FactCase:
    return FactCase(name, "EXP-01", test, Verdict.FAIL, phrase, subject=Subject(addresser))


def _dimension(name: str, dimension: str, workload: Workload, phrase: str) -> FactCase:
    return FactCase(name, "EXP-03", "dimension", Verdict.FAIL, phrase, dimension, workload=workload)


CASES: Final = (
    FactCase("nothing (control)", "EXP-01", "", Verdict.PASS, sound=True),
    FactCase("nothing (control)", "EXP-02", "", Verdict.PASS, sound=True, timed=True),
    FactCase("nothing (control)", "EXP-03", "", Verdict.PASS, sound=True),
    _addresser("addresses cut to 48 bits", CutTo48Bits(), "uniqueness", "malformed"),
    _addresser("addresses cut to 16 bits, padded", CutTo16BitsAndPadded(), "uniqueness", "duplicates"),
    _addresser("addresses cut to 48 bits, padded", CutTo48BitsAndPadded(), "birthday", "probability"),
    _addresser("addresses cut to 48 bits, padded", CutTo48BitsAndPadded(), "bit balance", "largest_deviation"),
    _addresser("hash of the id only", HashOfTheIdOnly(), "injectivity", "unchanged_by_a_change"),
    _addresser("a coordinate left out of the hash", CoordinateLeftOut(), "injectivity", "unchanged_by_a_change"),
    _addresser("random addresses", RandomAddresses(), "injectivity", "changed_by_reserialising"),
    _addresser("addresses hashed once more", HashedAgain(), "agreement", "differing_from_template"),
    _addresser("addresses that depend on the process", OrderOfASet(), "agreement", "differing_between_processes"),
    FactCase("a store that scans", "EXP-02", "retrieval hits", Verdict.FAIL, "last_exponent",
             subject=Subject(wrap=scanning)),
    FactCase("a store that scans", "EXP-02", "retrieval misses", Verdict.FAIL, "last_exponent",
             subject=Subject(wrap=scanning)),
    FactCase("a byte flipped in reads, behind the check", "EXP-02", "retrieval hits", Verdict.INVALID,
             "re-hashed reads", subject=Subject(wrap=damaging_repository)),
    _dimension("a constant dimension", "realm", ConstantDimension(SEED), "result_growth"),
    _dimension("a copied dimension", "velocity", CopiedDimension(SEED), "told_apart"),
    _dimension("a copied dimension", "resonance", CopiedDimension(SEED), "told_apart"),
    _dimension("a dimension that follows from another", "horizon", DerivedDimension(SEED), "given_others"),
    FactCase("finds that leave out some", "EXP-03", "dimension", Verdict.INVALID, "other entities than they must",
             "density", Subject(wrap=forgetful)),
    FactCase("addresses cut to 16 bits, padded", "EXP-03", "addresses without a dimension", Verdict.FAIL,
             "duplicates_without_realm", subject=Subject(CutTo16BitsAndPadded())),
)  # fmt: skip
"""What EXP-01 to EXP-03 must catch, at a scale of 3,000 entities or more."""


def groups() -> list[list[FactCase]]:
    """The cases that one run of an experiment answers together: those of one experiment, subject and workload."""
    found: dict[tuple[str, str, str], list[FactCase]] = {}
    for case in CASES:
        found.setdefault((case.experiment, repr(case.subject), repr(case.workload)), []).append(case)
    return list(found.values())
