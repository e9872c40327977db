"""The figures that runs have in common, and what keeps others from being compared."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import log
from statistics import fmean
from typing import Any, Final, NamedTuple

from stat7.stress.results import BreakingPoint, Figure, Results, TestResult, Verdict
from stat7.stress.statistics import t_value

_LATENCIES: Final = ("mean", "p50", "p95", "p99")
_WRITES: Final = ("write", "put", "update", "upload", "ingest", "durable")
"""How the names of figures begin that wait for a disk: what others do to it moves even their median."""

_TWO_SIDES: Final = t_value(0.95)
_WIDTH_OF_UNIFORM: Final = 12**0.5
_ENVIRONMENT: Final = ("cpu", "cores", "memory_bytes", "platform", "python", "filesystem", "durability")
_SETTINGS: Final = ("store", "profile")


class Key(NamedTuple):
    """Which figure of which test: `place` is the experiment it stands in, or "breaking point"; else empty."""

    place: str
    test: str
    variant: str
    scale: int
    figure: str

    @property
    def tested(self) -> str:
        """The test, as a person calls it."""
        return " ".join(part for part in (self.place, self.test, self.variant) if part)


@dataclass(frozen=True, slots=True)
class Seen:
    """A figure of one run. `within` is the standard error of its logarithm as the run itself has it.

    `speed` is what the value is divided by to take the machine's speed out of it: 1 where that isn't done.
    """

    kind: str
    unit: str
    value: float
    within: float
    speed: float = 1.0

    @property
    def normalised(self) -> float:
        """The logarithm of the value, the machine's speed taken out."""
        return log(self.value) - log(self.speed)


@dataclass(frozen=True, slots=True)
class Gathered:
    """All figures of one side by key, one for each run that has it; the verdicts of its tests; what was left out."""

    figures: Mapping[Key, Sequence[Seen]]
    verdicts: Mapping[Key, Sequence[Verdict]]
    left_out: Sequence[str]


def kind_of(name: str, figure: Figure) -> str | None:
    """Which kind of figure this is (of spread.ASSUMED), None if it's none that is compared."""
    if figure.value is None or figure.value <= 0 or figure.interval is None:
        return None
    if figure.unit == "B":
        return "bytes"
    if figure.interval[0] == figure.interval[1]:
        return None  # not measured but set, or counted
    if figure.unit == "1/s":
        return "rate"
    last = name.rsplit("_", 1)[-1]
    if figure.unit != "ms" or last not in _LATENCIES:
        return None
    return "p50 of writes" if last == "p50" and name.startswith(_WRITES) else last


def within(figure: Figure) -> float:
    """The standard error of a figure's logarithm, by the side of its 95 % interval that reaches farther."""
    assert figure.value is not None
    assert figure.interval is not None
    low, high = figure.interval
    up = log(max(high, figure.value) / figure.value)
    down = log(figure.value / low) if 0 < low <= figure.value else up
    return max(up, down) / _TWO_SIDES


def references_of(results: Results) -> list[float]:
    """The reference loop's speeds in a run, in loops per second."""
    return [value for each in results.self_check.get("reference", ()) if (value := _value(each))]


def _value(figure: Figure | Mapping[str, Any]) -> float | None:
    value: float | None = figure["value"] if isinstance(figure, Mapping) else figure.value
    return value


def gather(side: Sequence[Results], normalise: frozenset[str], usual: float | None) -> Gathered:
    """All that one side has to compare.

    From the kinds to `normalise` the machine's speed is taken out, as the ratio of the run's reference loop to its
    `usual` speed; None: from none.
    """
    figures: dict[Key, list[Seen]] = {}
    verdicts: dict[Key, list[Verdict]] = {}
    left_out: list[str] = []
    for results in side:
        speed = fmean(references_of(results)) / usual if usual else 1.0
        for place, test in _tests(results):
            whole = Key(place, test.name, test.variant, test.scale, "")
            verdicts.setdefault(whole, []).append(test.verdict)
            if test.verdict is Verdict.INVALID:
                left_out.append(f"{whole.tested} at {test.scale:,} of run {results.run.id}: INVALID: {test.why}")
                continue
            for name, figure in test.figures.items():
                kind = kind_of(name, figure)
                if kind is not None and figure.value is not None:
                    seen = Seen(kind, figure.unit, figure.value, within(figure))
                    figures.setdefault(whole._replace(figure=name), []).append(_normalised(seen, normalise, speed))
        for point in results.breaking_points:
            key = Key("breaking point", point.name, point.criterion, point.scale, "edge")
            edge = _edge(point)
            if edge is None:
                left_out.append(f"{key.tested} at {point.scale:,} of run {results.run.id}: no edge was found")
            else:
                figures.setdefault(key, []).append(_normalised(edge, normalise, speed))
    return Gathered(figures, verdicts, left_out)


def _tests(results: Results) -> Iterator[tuple[str, TestResult]]:
    yield from (("", test) for test in results.tests)
    for experiment in results.experiments:
        yield from ((experiment.name, test) for test in experiment.tests)


def _edge(point: BreakingPoint) -> Seen | None:
    """A breaking point as a figure: anywhere between what held and what failed, as likely here as there."""
    if not point.held or not point.failed or point.held <= 0:
        return None
    low, high = sorted((point.held, point.failed))
    return Seen("edge", point.unit, (low * high) ** 0.5, log(high / low) / _WIDTH_OF_UNIFORM)


def _normalised(seen: Seen, normalise: frozenset[str], speed: float) -> Seen:
    if seen.kind not in normalise or seen.unit not in ("1/s", "ms"):
        return seen
    return Seen(seen.kind, seen.unit, seen.value, seen.within, speed if seen.unit == "1/s" else 1 / speed)


def surroundings_that_differ(before: Sequence[Results], after: Sequence[Results]) -> list[str]:
    """A line for each thing in the surroundings of the runs, apart from the commit, that isn't the same in all."""
    ours, theirs = ([_surroundings(results) for results in side] for side in (before, after))
    lines = []
    for what in sorted(set().union(*ours, *theirs)):
        here, there = ({_text(each.get(what)) for each in side} for side in (ours, theirs))
        if len(here | there) > 1:
            lines.append(f"{what} differs: {', '.join(sorted(here))} against {', '.join(sorted(there))}")
    return lines


def _surroundings(results: Results) -> dict[str, Any]:
    environment, run = results.environment, results.run
    packages = environment.get("packages", {})
    return {
        **{name: environment.get(name) for name in _ENVIRONMENT},
        # Its own version is what a comparison is about, as the commit is.
        **{f"package {name}": version for name, version in packages.items() if name != "stat7"},
        **{name: results.settings.get(name) for name in _SETTINGS},
        "seed": run.seed,
        "mode": run.mode,
    }


def _text(value: Any) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{name} {_text(each)}" for name, each in value.items())
    if isinstance(value, list | tuple):
        return "; ".join(map(_text, value))
    return "unknown" if value is None else str(value)
