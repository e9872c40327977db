"""Trials of EXP-04, EXP-06 and EXP-08 in small, on stores that are wrong on purpose: the part of the self-test's matrix
that is about files and sessions.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from stat7.errors import Stat7Error
from stat7.stress.context import Context, Outcome
from stat7.stress.experiments import Findings, exp04, exp06, exp08
from stat7.stress.experiments.places import worst
from stat7.stress.results import TestResult, Verdict
from stat7.stress.sabotage.files import DamagedFiles, LossyFiles, LostUpdates, SlowFind, SlowPerByte, hoarding, shifted
from stat7.stress.subject import Subject, Wrapper
from stat7.stress.workers import WorkerFailed

TRIALS: Final[dict[str, Callable[[Context], Findings]]] = {
    "EXP-04": exp04.trial,
    "EXP-06": exp06.trial,
    "EXP-08": exp08.trial,
}


@dataclass(frozen=True, slots=True)
class FileCase:
    """A subject, the experiment that is tried on it, its test that must notice, and how that must come out; `phrase` is
    part of why.

    Where `sound` nothing is wrong: only INVALID would be an accusation (a busy machine may be slow).
    """

    name: str
    experiment: str
    subject: Subject
    test: str = ""
    verdict: Verdict = Verdict.PASS
    phrase: str = ""
    sound: bool = False

    def caught_by(self, result: TestResult) -> bool:
        """Whether it came out as it must."""
        if self.sound:
            return result.verdict is not Verdict.INVALID
        return result.verdict is self.verdict and self.phrase in result.why


def _case(name: str, experiment: str, wrap: Wrapper, test: str, verdict: Verdict, phrase: str) -> FileCase:
    return FileCase(name, experiment, Subject(wrap=wrap), test, verdict, phrase)


CASES: Final = (
    FileCase("nothing (control)", "EXP-04", Subject(), sound=True),
    FileCase("nothing (control)", "EXP-06", Subject(), sound=True),
    FileCase("nothing (control)", "EXP-08", Subject(), sound=True),
    _case("files: 1 acknowledged put in 1,000 lost", "EXP-04", LossyFiles(), "file read", Verdict.INVALID,
          "acknowledged puts read back: 1 of "),
    _case("files: 1 acknowledged put in 1,000 lost", "EXP-04", LossyFiles(), "file space", Verdict.FAIL,
          "bytes_held_per_byte"),
    _case("files: a byte flipped in 1 read of 1,000", "EXP-04", DamagedFiles(), "file read", Verdict.INVALID,
          "re-hashed reads: 1 "),
    _case("files: stored once more each time", "EXP-04", hoarding, "file dedupe", Verdict.FAIL, "bytes_added"),
    _case("files: a range a byte too early", "EXP-06", shifted, "file retrieval", Verdict.INVALID,
          "aren't those that were put"),
    _case("files: slow by the byte", "EXP-06", SlowPerByte(), "file retrieval", Verdict.FAIL, "ratio_"),
    _case("sessions: a slow find", "EXP-08", SlowFind(), "session", Verdict.FAIL, "browse_p50"),
    _case("sessions: updates undone", "EXP-08", LostUpdates(), "session", Verdict.INVALID, "acknowledged"),
)  # fmt: skip
"""In EXP-08 a lost update is seen by whoever comes first: a read, the next update, or the reading back at the end."""


def try_cases(cases: Sequence[FileCase], context: Context) -> list[TestResult]:
    """The experiment of these cases in small, all of one experiment and subject (that of the context): for each the
    worst result of its test.
    """
    first = cases[0]
    outcome = Outcome(first.experiment.lower(), 1, f"to be tried on: {first.name}")
    try:
        findings = TRIALS[first.experiment](context)
    except (WorkerFailed, Stat7Error, OSError) as error:
        outcome.invalid = f"the measurement broke off: {error}"
        return [outcome.judged(context)] * len(cases)
    return [worst(findings, case.test) for case in cases]


def groups() -> list[list[FileCase]]:
    """The cases that one run answers together: those of one experiment and subject."""
    found: dict[tuple[str, str], list[FileCase]] = {}
    for case in CASES:
        found.setdefault((case.experiment, repr(case.subject)), []).append(case)
    return list(found.values())
