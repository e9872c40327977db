"""Is B slower than A? Two sides of one run or several, compared figure by figure, with one error rate over all."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from math import exp, log
from pathlib import Path
from statistics import fmean, median
from typing import Any, Final

from stat7.errors import ConfigError
from stat7.stress.compare import words
from stat7.stress.compare.matching import (
    Gathered,
    Key,
    Seen,
    gather,
    references_of,
    surroundings_that_differ,
)
from stat7.stress.compare.spread import (
    ASSUMED,
    NORMALISED,
    Sample,
    Unrest,
    noise_of,
    runs_to_show,
    smallest,
    unrest_of,
)
from stat7.stress.results import Results, Verdict, read, worst_of
from stat7.stress.runner import short

CONFIDENCE: Final = 0.99
"""That no figure at all is accused wrongly."""

WANTED: Final = 0.20
"""The change of which it is said how many runs would show it."""

MOST: Final = 1e9
"""No interval, and no smallest change, is stated beyond this factor."""

NOTHING: Final = "no difference shown"


@dataclass(frozen=True, slots=True)
class Difference:
    """One figure of both sides. `before` and `after` are geometric means over the runs, as measured.

    `ratio` is after to before with the machine's speed taken out where `normalised`, `interval` holds it together with
    those of all other figures; `raw_ratio` is without. `spread` is what a run differs from the next by, of which so
    many degrees of `freedom` were seen in the runs themselves. `shows_from` is the smallest change, as a share, that
    four of five such comparisons would have shown, `runs_needed` how many runs on each side would show WANTED (None:
    more than can be asked for). `finding` is slower, faster, larger, smaller, or NOTHING.
    """

    place: str
    test: str
    variant: str
    scale: int
    figure: str
    kind: str
    unit: str
    before: float
    after: float
    runs: tuple[int, int]
    ratio: float
    interval: tuple[float, float]
    raw_ratio: float
    normalised: bool
    spread: float
    freedom: int
    shows_from: float
    runs_needed: int | None
    finding: str


@dataclass(frozen=True, slots=True)
class Side:
    """Which runs stand on one side; `reference` is the mean speed of the reference loop in them, None if unknown."""

    runs: Sequence[str]
    commits: Sequence[str]
    reference: float | None


@dataclass(frozen=True, slots=True)
class Comparison:
    """What came of it. `unrest` is the standard deviation of the reference loop's logarithm over all runs.

    `warnings` is what makes it less than a comparison of like with like, `left_out` what couldn't be compared,
    `verdicts` what was judged otherwise (the worst of each side's runs).
    """

    before: Side
    after: Side
    confidence: float
    unrest: float
    differences: Sequence[Difference]
    warnings: Sequence[str]
    left_out: Sequence[str]
    verdicts: Sequence[str]

    @property
    def found(self) -> list[Difference]:
        """The figures that differ, those that differ most first."""
        different = [each for each in self.differences if each.finding != NOTHING]
        return sorted(different, key=lambda each: -abs(log(each.ratio)))

    @property
    def shows_from(self) -> float:
        """The smallest change that would have been shown, as a share, in the median figure."""
        return median(each.shows_from for each in self.differences)

    @property
    def runs_needed(self) -> int | None:
        """The runs on each side that would show a change of WANTED in the median figure; None if too many."""
        counts = sorted(each.runs_needed or float("inf") for each in self.differences)
        middle = counts[len(counts) // 2]
        return None if middle == float("inf") else int(middle)

    @property
    def conclusion(self) -> str:
        """The result in a sentence."""
        return words.conclusion(self)

    @property
    def wanted(self) -> float:
        """The change that `runs_needed` is about."""
        return WANTED

    def as_dict(self) -> dict[str, Any]:
        """The comparison as JSON of schema stat7.stress-compare/1."""
        return {
            "schema": "stat7.stress-compare/1",
            **asdict(self),
            "assumed_spread": {kind: asdict(each) for kind, each in ASSUMED.items()},
            "shows_from": self.shows_from,
            "wanted": WANTED,
            "runs_needed": self.runs_needed,
            "conclusion": self.conclusion,
        }


def read_side(path: Path) -> list[Results]:
    """The runs of one side: of a results file, or of all in a folder. Raises ConfigError naming what can't be read."""
    if not path.is_dir():
        return [read(path)]
    files = sorted(path.glob("STRESS_TEST_RESULTS_*.json"))
    if not files:
        raise ConfigError(f"{path}: holds no results file (STRESS_TEST_RESULTS_*.json)")
    return [read(file) for file in files]


def compare(before: Sequence[Results], after: Sequence[Results], confidence: float = CONFIDENCE) -> Comparison:
    """Compare the figures that both sides have. Raises ConfigError if there are none, or a run is on both sides.

    The error rate is shared out evenly (Bonferroni), not by Holm's steps: the interval of each figure and the smallest
    difference that it could have shown then say the same as the finding, whatever the other figures are like.
    """
    _refuse_the_same_run(before, after)
    speeds = [references_of(results) for results in (*before, *after)]
    usual = fmean(fmean(each) for each in speeds) if all(speeds) else None
    ours, theirs = gather(before, NORMALISED, usual), gather(after, NORMALISED, usual)
    keys = [key for key in ours.figures if key in theirs.figures]
    if not keys:
        raise ConfigError("compare: the runs have no figure in common; give runs of the same tests at the same scales")
    unrest = unrest_of([[log(each) for each in run] for run in speeds])
    each_one = 1 - (1 - confidence) / len(keys)
    return Comparison(
        _side(before),
        _side(after),
        confidence,
        unrest.spread,
        [_difference(key, ours.figures[key], theirs.figures[key], unrest, each_one) for key in keys],
        _warnings(before, after, usual),
        _left_out(ours, theirs),
        _changed_verdicts(ours, theirs),
    )


def _refuse_the_same_run(before: Sequence[Results], after: Sequence[Results]) -> None:
    if not before or not after:
        raise ConfigError("compare: give at least one run for each side")
    counts = Counter(results.run.id for results in (*before, *after))
    twice = [number for number, count in counts.items() if count > 1]
    if twice:
        raise ConfigError(f"compare: run {twice[0]} is given twice; each run counts once, and on one side")


def _difference(
    key: Key, before: Sequence[Seen], after: Sequence[Seen], unrest: Unrest, confidence: float
) -> Difference:
    ours, theirs = (
        Sample([each.normalised for each in side], [each.within for each in side]) for side in (before, after)
    )
    kind, unit, counts = before[0].kind, before[0].unit, (len(before), len(after))
    noise = noise_of(kind, ours, theirs, unrest)
    gap = fmean(theirs.logs) - fmean(ours.logs)
    reach = noise.bound(confidence) * noise.error(*counts)
    first, second = (fmean(log(each.value) for each in side) for side in (before, after))
    return Difference(
        *key[:5],
        kind,
        unit,
        exp(first),
        exp(second),
        counts,
        exp(gap),
        (_factor(gap - reach), _factor(gap + reach)),
        exp(second - first),
        any(each.speed != 1.0 for each in (*before, *after)),
        noise.spread,
        noise.runs,
        _factor(smallest(noise, *counts, confidence)) - 1,
        runs_to_show(log(1 + WANTED), noise, confidence),
        NOTHING if abs(gap) <= reach else _name_of(gap, unit, kind),
    )


def _sample(side: Sequence[Seen]) -> Sample:
    return Sample([each.normalised for each in side], [each.within for each in side])


def _factor(logarithm: float) -> float:
    """What is farther off than MOST says no more than that, and may be more than a number holds."""
    return exp(max(-log(MOST), min(log(MOST), logarithm)))


def _name_of(gap: float, unit: str, kind: str) -> str:
    if unit == "1/s":
        return "faster" if gap > 0 else "slower"
    if unit == "ms":
        return "slower" if gap > 0 else "faster"
    return "larger" if gap > 0 else "smaller"


def _side(side: Sequence[Results]) -> Side:
    commits = sorted({str(results.environment.get("git_commit") or "unknown") for results in side})
    speeds = [references_of(results) for results in side]
    reference = fmean(fmean(each) for each in speeds) if all(speeds) else None
    return Side([results.run.id for results in side], commits, reference)


def _warnings(before: Sequence[Results], after: Sequence[Results], usual: float | None) -> list[str]:
    lines = surroundings_that_differ(before, after)
    lines += [
        f"run {results.run.id} was interrupted: what it had measured is compared"
        for results in (*before, *after)
        if results.run.interrupted
    ]
    if usual is None:
        lines.append("not every run has a reference loop: the machine's own speed isn't taken out")
    if len(before) + len(after) == 2:
        lines.append("one run on each side: how much runs differ is assumed, not seen; more runs would tell")
    return lines


def _left_out(before: Gathered, after: Gathered) -> list[str]:
    lines = [*before.left_out, *after.left_out]
    for side, here, there in (("A", before, after), ("B", after, before)):
        only = Counter(key._replace(figure="") for key in here.figures if key not in there.figures)
        lines += [
            f"{key.tested} at {key.scale:,}: {count} figure{'s' if count > 1 else ''} only in {side}"
            for key, count in only.items()
        ]
    return lines


def _changed_verdicts(before: Gathered, after: Gathered) -> list[str]:
    pairs: dict[Key, tuple[Verdict, Verdict]] = {
        key: (worst_of(before.verdicts[key]), worst_of(after.verdicts[key]))
        for key in before.verdicts
        if key in after.verdicts
    }
    return [
        f"{key.tested} at {short(key.scale)}: {first} -> {second}"
        for key, (first, second) in pairs.items()
        if first is not second
    ]
