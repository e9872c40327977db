"""Proof that the checks can fail: sabotaged subjects, each to be caught by the check that is there for it."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final

from stat7.errors import Stat7Error
from stat7.progress import Report, silent
from stat7.stress import ingest
from stat7.stress.context import Context, Outcome, Stage, attempt, one_line
from stat7.stress.experiments import Lacking, conduct, fact_cases, file_cases, find_experiment, server_cases
from stat7.stress.housing import Embedded, make_folder
from stat7.stress.measure import time_the_timer
from stat7.stress.plan import Budget, Mode
from stat7.stress.results import TestResult, Verdict
from stat7.stress.sabotage import addresses, stores
from stat7.stress.sabotage.load import LOAD_CASES, LOAD_TESTS, CoarseClock
from stat7.stress.subject import Subject
from stat7.stress.targets import SEED
from stat7.stress.tests import address, collisions, concurrent, lookup, memory
from stat7.stress.workers import WorkerFailed
from stat7.stress.workload import Workload

SCALE: Final = 3000
WORKERS: Final = 2
OPERATIONS: Final = 2000
"""Of each worker: 1,200 puts in all, among which, with this SEED_NUMBER, the lossy store loses some."""

SEED_NUMBER: Final = 7
MODE: Final = Mode("quick", (SCALE,), 120.0, 0.25, 2000, 0.25, 30.0)

_SLOW: Final = frozenset({Verdict.PASS, Verdict.FAIL, Verdict.NO_DATA, Verdict.INCONCLUSIVE})


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
    """A case and what came of it; `as_expected`: the named check caught the sabotage, or found nothing where there is
    none (`sound`); None: it couldn't be tried here, and `why` says what that takes.
    """

    name: str
    test: str
    expected: tuple[str, ...]
    verdict: str
    why: str
    as_expected: bool | None
    sound: bool


def _bad(name: str, subject: Subject, test: str, verdict: Verdict, phrase: str) -> Case:
    return Case(name, subject, test, frozenset({verdict}), phrase)


CASES: Final = (
    Case("nothing (control)", Subject(), "collisions", frozenset({Verdict.PASS}), sound=True),
    Case("nothing (control)", Subject(), "address", _SLOW, sound=True),
    Case("nothing (control)", Subject(), "lookup", _SLOW, sound=True),
    Case("nothing (control)", Subject(), "concurrent", _SLOW, sound=True),
    Case("nothing (control)", Subject(), "memory", frozenset({Verdict.PASS}), sound=True),
    _bad("addresses cut to 48 bits", Subject(addresses.CutTo48Bits()), "collisions", Verdict.FAIL, "malformed"),
    _bad("addresses cut to 48 bits, padded", Subject(addresses.CutTo48BitsAndPadded()), "collisions", Verdict.FAIL,
         "birthday_probability"),
    _bad("addresses cut to 48 bits", Subject(addresses.CutTo48Bits()), "address", Verdict.INVALID, "differ"),
    _bad("hash of the id only", Subject(addresses.HashOfTheIdOnly()), "collisions", Verdict.FAIL,
         "unchanged_by_a_change"),
    _bad("a coordinate left out of the hash", Subject(addresses.CoordinateLeftOut()), "collisions", Verdict.FAIL,
         "unchanged_by_a_change is 25 "),
    _bad("random addresses", Subject(addresses.RandomAddresses()), "collisions", Verdict.FAIL,
         "changed_by_reserialising"),
    _bad("a store that loses 1 put in 1,000", Subject(wrap=stores.lossy), "concurrent", Verdict.INVALID,
         "acknowledged writes read back"),
    _bad("a store whose reads are stale", Subject(wrap=stores.stale), "concurrent", Verdict.INVALID, "stale read"),
    _bad("a store that swaps two ids", Subject(wrap=stores.swapping), "concurrent", Verdict.INVALID,
         "acknowledged writes read back"),
    _bad("a leak of 1 KB per put", Subject(memory=stores.LeakyMemory), "memory", Verdict.FAIL, "bytes_per_put_again"),
    _bad("a byte flipped in reads, by the store", Subject(wrap=stores.damaging_store), "lookup", Verdict.INVALID,
         "re-hashed reads"),
    _bad("a byte flipped in reads, behind the check", Subject(wrap=stores.damaging_repository), "lookup",
         Verdict.INVALID, "re-hashed reads"),
    _bad("a byte flipped in reads, under load", Subject(wrap=stores.damaging_repository), "concurrent",
         Verdict.INVALID, "re-hashed reads"),
    _bad("a reader that sleeps", Subject(wrap=stores.sleepy), "lookup", Verdict.FAIL, "hit_p99"),
    _bad("a generator that is saturated", Subject(drag_ns=1_000_000), "lookup", Verdict.INVALID, "generator saturated"),
    _bad("a clock of 1 ms steps", Subject(clock=CoarseClock()), "address", Verdict.INVALID, "timer floor"),
    Case("nothing (control)", Subject(), "paced", _SLOW, sound=True),
    *(_bad(*case) for case in LOAD_CASES),
)  # fmt: skip
"""The cases of the tests. `scaling` has none: what makes it fail takes minutes, so its verdict is tried on given
figures, by the tests of this package; how lookups grow with scale is EXP-02's, which has some.
"""

Trial = Callable[[], Sequence[Caught]]
ExperimentCase = fact_cases.FactCase | file_cases.FileCase | server_cases.ServerCase


def self_test(report: Report = silent) -> list[Caught]:
    """Run the whole matrix: the tests' cases, then those of the experiments, some on servers that are started for it.

    Raises WorkerFailed and OSError where the machine itself fails.
    """
    every = _trials()
    found: list[Caught] = []
    for number, (name, trial) in enumerate(every):
        report(f"self-test: {name}", number, len(every))
        found += trial()
    return found


def _trials() -> list[tuple[str, Trial]]:
    return [
        *((case.name, lambda case=case: [try_case(case)]) for case in CASES),
        *((group[0].name, lambda group=group: _try_facts(group)) for group in fact_cases.groups()),
        *((group[0].name, lambda group=group: _try_files(group)) for group in file_cases.groups()),
        *((case.name, lambda case=case: [_try_on_servers(case)]) for case in server_cases.CASES),
    ]


def try_case(case: Case) -> Caught:
    """Run the test of one case on its subject, with a store of its own."""
    with _context(case.subject) as context:
        stage = Stage(SCALE, context.workload)
        if case.test not in ("address", "memory"):
            ingest.build(context, stage, ingest.Pace())
        outcome = Outcome(case.test, SCALE, f"to be tried on: {case.name}")
        return judged(case, attempt(context, outcome, lambda: _TESTS[case.test](context, stage)))


def judged(case: Case, result: TestResult) -> Caught:
    """What came of a case."""
    right = result.verdict in case.verdicts and case.phrase in result.why
    expected = tuple(sorted(verdict.value for verdict in case.verdicts))
    return Caught(case.name, case.test, expected, result.verdict.value, result.why, right, case.sound)


def _try_facts(cases: Sequence[fact_cases.FactCase]) -> list[Caught]:
    with _context(cases[0].subject, cases[0].workload) as context:
        result = conduct(find_experiment(cases[0].experiment), context)
    return [_caught(case, result.verdict, result.why, case.caught_by(result), case.variant) for case in cases]


def _try_files(cases: Sequence[file_cases.FileCase]) -> list[Caught]:
    with _context(cases[0].subject) as context:
        results = file_cases.try_cases(cases, context)
    found = zip(cases, results, strict=True)
    return [_caught(case, result.verdict, result.why, case.caught_by(result)) for case, result in found]


def _try_on_servers(case: server_cases.ServerCase) -> Caught:
    with _context(Subject()) as context:
        try:
            result = case.tried(context)
        except Lacking as error:
            return _caught(case, "not tried", str(error), None)
        except (WorkerFailed, Stat7Error, OSError) as error:
            return _caught(case, "broke off", one_line(str(error)), False)
    return _caught(case, result.verdict, result.why, case.caught_by(result))


def _caught(case: ExperimentCase, verdict: str, why: str, as_expected: bool | None, variant: str = "") -> Caught:
    """What came of a case of an experiment."""
    test = f"{case.experiment} {case.test} {variant}".strip()
    return Caught(case.name, test, (case.verdict.value,), str(verdict), why, as_expected, case.sound)


def as_dict(found: Sequence[Caught]) -> dict[str, Any]:
    """The matrix as JSON."""
    return {
        "cases": [
            {
                "sabotage": caught.name,
                "test": caught.test,
                "expected": list(caught.expected),
                "verdict": caught.verdict,
                "why": caught.why,
                "as_expected": caught.as_expected,
            }
            for caught in found
        ],
        "all_as_expected": all(caught.as_expected for caught in found),
        "not_tried": sum(caught.as_expected is None for caught in found),
    }


@contextmanager
def _context(subject: Subject, workload: Workload | None = None) -> Iterator[Context]:
    """A context of its own, with a folder that goes with it."""
    folder = make_folder()
    try:
        timer, budget = time_the_timer(subject.clock), Budget([], MODE.limit)
        entities = workload or Workload(SEED_NUMBER)
        yield Context(subject, entities, Embedded(folder), folder, MODE, SEED, budget, timer, cores=1)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _concurrent(context: Context, stage: Stage) -> TestResult:
    return concurrent.measure(context, stage, WORKERS, OPERATIONS)


_TESTS: Final[dict[str, Callable[[Context, Stage], TestResult]]] = {
    "address": address.measure,
    "collisions": collisions.measure,
    "lookup": lookup.measure,
    "concurrent": _concurrent,
    "memory": memory.measure,
    **LOAD_TESTS,
}
