"""Proof that the checks can fail: sabotaged subjects, each to be caught by the check that is there for it."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from stat7.progress import Report, silent
from stat7.stress import ingest, sabotage
from stat7.stress.context import Context, Outcome, Stage, attempt
from stat7.stress.housing import Embedded, make_folder
from stat7.stress.measure import time_the_timer
from stat7.stress.plan import Budget, Mode, Step
from stat7.stress.results import TestResult, Verdict
from stat7.stress.subject import Subject
from stat7.stress.targets import SEED
from stat7.stress.tests import address, collisions, concurrent, lookup
from stat7.stress.workload import Workload

SCALE: Final = 3000
WORKERS: Final = 2
OPERATIONS: Final = 2000
"""Of each worker: 1,200 puts in all, among which, with this SEED_NUMBER, the lossy store loses some."""

SEED_NUMBER: Final = 7
MODE: Final = Mode("quick", (SCALE,), 120.0, 0.25, 2000, 0.25, 30.0)

_SLOW: Final = frozenset({Verdict.PASS, Verdict.FAIL, Verdict.NO_DATA})


@dataclass(frozen=True, slots=True)
class Case:
    """A subject, the test that is run on it, and how it must come out; `phrase` is part of the reason the test gives.

    Where `sound` nothing is sabotaged, and the test must not claim that anything is wrong (it may find the machine
    slow).
    """

    name: str
    subject: Subject
    test: str
    verdicts: frozenset[Verdict]
    phrase: str = ""
    sound: bool = False


@dataclass(frozen=True, slots=True)
class Caught:
    """A case and what came of it."""

    case: Case
    result: TestResult

    @property
    def as_expected(self) -> bool:
        """Whether the named check caught the sabotage, or found nothing where there is none."""
        return self.result.verdict in self.case.verdicts and self.case.phrase in self.result.why


def _bad(name: str, subject: Subject, test: str, verdict: Verdict, phrase: str) -> Case:
    return Case(name, subject, test, frozenset({verdict}), phrase)


CASES: Final = (
    Case("nothing (control)", Subject(), "collisions", frozenset({Verdict.PASS}), sound=True),
    Case("nothing (control)", Subject(), "address", _SLOW, sound=True),
    Case("nothing (control)", Subject(), "lookup", _SLOW, sound=True),
    Case("nothing (control)", Subject(), "concurrent", _SLOW, sound=True),
    _bad("addresses cut to 48 bits", Subject(sabotage.CutTo48Bits()), "collisions", Verdict.FAIL, "malformed"),
    _bad("addresses cut to 48 bits, padded", Subject(sabotage.CutTo48BitsAndPadded()), "collisions", Verdict.FAIL,
         "birthday_probability"),
    _bad("addresses cut to 48 bits", Subject(sabotage.CutTo48Bits()), "address", Verdict.INVALID, "differ"),
    _bad("hash of the id only", Subject(sabotage.HashOfTheIdOnly()), "collisions", Verdict.FAIL,
         "unchanged_by_a_change"),
    _bad("a coordinate left out of the hash", Subject(sabotage.CoordinateLeftOut()), "collisions", Verdict.FAIL,
         "unchanged_by_a_change is 25 "),
    _bad("random addresses", Subject(sabotage.RandomAddresses()), "collisions", Verdict.FAIL,
         "changed_by_reserialising"),
    _bad("a store that loses 1 put in 1,000", Subject(wrap=sabotage.lossy), "concurrent", Verdict.INVALID,
         "acknowledged writes read back"),
    _bad("a byte flipped in reads, by the store", Subject(wrap=sabotage.damaging_store), "lookup", Verdict.INVALID,
         "re-hashed reads"),
    _bad("a byte flipped in reads, behind the check", Subject(wrap=sabotage.damaging_repository), "lookup",
         Verdict.INVALID, "re-hashed reads"),
    _bad("a byte flipped in reads, under load", Subject(wrap=sabotage.damaging_repository), "concurrent",
         Verdict.INVALID, "re-hashed reads"),
    _bad("a reader that sleeps", Subject(wrap=sabotage.sleepy), "lookup", Verdict.FAIL, "hit_p99"),
    _bad("a generator that is saturated", Subject(drag_ns=1_000_000), "lookup", Verdict.INVALID, "generator saturated"),
    _bad("a clock of 1 ms steps", Subject(clock=sabotage.CoarseClock()), "address", Verdict.INVALID, "timer floor"),
)  # fmt: skip
"""The matrix. `memory` and `scaling` have no case: what makes them fail takes minutes or millions of entities, so their
verdicts are tried on given figures, by the tests of this package."""


def self_test(report: Report = silent, on_result: Callable[[Caught], None] = lambda caught: None) -> list[Caught]:
    """Run the whole matrix. Raises WorkerFailed and OSError where the machine itself fails."""
    found = []
    for number, case in enumerate(CASES):
        report(f"self-test: {case.name}", number, len(CASES))
        caught = try_case(case)
        found.append(caught)
        on_result(caught)
    return found


def try_case(case: Case) -> Caught:
    """Run the test of one case on its subject, with a store of its own."""
    folder = make_folder()
    try:
        context, stage = _context(case.subject, folder), Stage(SCALE, Workload(SEED_NUMBER))
        if case.test != "address":
            ingest.build(context, stage, ingest.Pace())
        outcome = Outcome(case.test, SCALE, f"to be tried on: {case.name}")
        return Caught(case, attempt(context, outcome, lambda: _TESTS[case.test](context, stage)))
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def as_dict(found: list[Caught]) -> dict[str, Any]:
    """The matrix as JSON."""
    return {
        "cases": [
            {
                "sabotage": caught.case.name,
                "test": caught.case.test,
                "expected": sorted(verdict.value for verdict in caught.case.verdicts),
                "verdict": caught.result.verdict.value,
                "why": caught.result.why,
                "as_expected": caught.as_expected,
            }
            for caught in found
        ],
        "all_as_expected": all(caught.as_expected for caught in found),
    }


def _context(subject: Subject, folder: Path) -> Context:
    names = ("address", "ingest", "collisions", "lookup", f"concurrent {WORKERS}")
    budget = Budget([Step(name, SCALE, 1.0) for name in names], MODE.limit, time.monotonic)
    timer = time_the_timer(subject.clock)
    workload = Workload(SEED_NUMBER)
    return Context(subject, workload, Embedded(folder), folder, MODE, SEED, budget, timer, cores=1)


def _concurrent(context: Context, stage: Stage) -> TestResult:
    return concurrent.measure(context, stage, WORKERS, OPERATIONS)


_TESTS: Final[dict[str, Callable[[Context, Stage], TestResult]]] = {
    "address": address.measure,
    "collisions": collisions.measure,
    "lookup": lookup.measure,
    "concurrent": _concurrent,
}
