"""The matrix of EXP-01 to EXP-03: what each of their checks must catch."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from stat7.stress.results import ExperimentResult, Verdict
from stat7.stress.sabotage.addresses import (
    CoordinateLeftOut,
    CutTo16BitsAndPadded,
    CutTo48Bits,
    CutTo48BitsAndPadded,
    HashedAgain,
    HashOfTheIdOnly,
    OrderOfASet,
    RandomAddresses,
)
from stat7.stress.sabotage.stores import damaging_repository, forgetful, scanning
from stat7.stress.sabotage.workloads import ConstantDimension, CopiedDimension, DerivedDimension
from stat7.stress.subject import Addresser, Subject
from stat7.stress.workload import Workload

SEED: Final = 7
"""Of the workloads here."""


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
