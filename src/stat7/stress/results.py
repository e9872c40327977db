"""What a run found, as values and as JSON of schema `stat7.stress/1` (schema.json beside this module)."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any, Final

from stat7.errors import ConfigError

SCHEMA: Final = "stat7.stress/1"


class Verdict(StrEnum):
    """How figures stand to targets; INVALID where a check of correctness failed or the measurement itself is void."""

    PASS = "PASS"  # noqa: S105 - a verdict, no password
    FAIL = "FAIL"
    INCONCLUSIVE = "INCONCLUSIVE"
    NO_DATA = "NO_DATA"
    INVALID = "INVALID"


@dataclass(frozen=True, slots=True)
class Figure:
    """One measured number. `value` is None where too few samples lie behind it; `interval` holds it at 95 %, None where
    none was made (then nothing is judged by it).
    """

    value: float | None
    unit: str
    samples: int
    interval: tuple[float, float] | None = None


def exact(count: float, unit: str, samples: int) -> Figure:
    """What was counted, or computed, over all there is: nothing is estimated, so the interval is the value itself."""
    return Figure(count, unit, samples, (count, count))


@dataclass(frozen=True, slots=True)
class Target:
    """What a figure of a test has to be: `relation` is one of <, <=, >=, ==."""

    figure: str
    relation: str
    value: float
    unit: str


@dataclass(frozen=True, slots=True)
class TestResult:
    """One test at one scale. `variant` tells apart tests of one name and scale (`4 workers`), "" where there is one.

    `histogram` holds the latencies of each kind of operation (histogram.Histogram.as_dict), `series` its course over
    time (measure.Summary.series); None where nothing of the sort was measured.
    """

    __test__ = False  # not for pytest

    name: str
    variant: str
    scale: int
    claim: str
    verdict: Verdict
    why: str
    target: Sequence[Target] = ()
    figures: Mapping[str, Figure] = field(default_factory=dict)
    parameters: Mapping[str, Any] = field(default_factory=dict)
    seconds: float = 0.0
    histogram: Mapping[str, Mapping[str, Any]] | None = None
    series: Mapping[str, Mapping[str, Any]] | None = None


@dataclass(frozen=True, slots=True)
class Point:
    """A point of a curve: `interval` holds `y` at 95 %, None where none was made."""

    x: float
    y: float
    interval: tuple[float, float] | None = None


@dataclass(frozen=True, slots=True)
class Curve:
    """What an experiment found along an axis, to be drawn: lines by name, on axes with a label, a unit and a scale."""

    title: str
    x: str
    x_unit: str
    y: str
    y_unit: str
    lines: Mapping[str, Sequence[Point]]
    log_x: bool = False
    log_y: bool = False


@dataclass(frozen=True, slots=True)
class ExperimentResult:
    """One experiment: what is claimed, how it was tried, what could mislead, and the tests its verdict is made of.

    `verdict` is that of the worst test (worst_of). `curves` are what a report draws.
    """

    name: str
    title: str
    claim: str
    method: str
    threats: Sequence[str]
    verdict: Verdict
    why: str
    tests: Sequence[TestResult] = ()
    curves: Sequence[Curve] = ()
    parameters: Mapping[str, Any] = field(default_factory=dict)
    seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class Probe:
    """One try on the way to a breaking point: at `level`, whether the criterion held, and if not what gave out.

    `figures` are those that were looked at.
    """

    level: float
    held: bool
    why: str
    figures: Mapping[str, Figure] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class BreakingPoint:
    """Between which levels a criterion stops to hold: `held` is the highest confirmed to hold, `failed` the lowest
    confirmed not to (each by `confirmations` probes that agree); None where none was found, and `why` says so.

    `name` is what was raised (`rate`, `scale`), `unit` that of the levels, `gave_out` what failed first.
    """

    name: str
    scale: int
    criterion: str
    unit: str
    held: float | None
    failed: float | None
    gave_out: str | None
    confirmations: int
    why: str
    probes: Sequence[Probe] = ()
    seconds: float = 0.0


@dataclass(slots=True)
class Run:
    """Which run it was. Times are RFC 3339 UTC; `peak_anonymous_bytes` is of all its processes, None if never seen.

    `resumed` counts how often it was taken up again; `seconds` are those of all its parts together.
    """

    id: str
    mode: str
    command: str
    seed: int
    started_at: str
    finished_at: str | None = None
    interrupted: bool = False
    seconds: float = 0.0
    peak_anonymous_bytes: int | None = None
    resumed: int = 0


@dataclass(slots=True)
class Results:
    """All that one run found; `as_dict` is what the JSON file holds, `read` gives it back.

    `self_check` says how far the harness itself could be trusted in this run: the speed of a reference loop that
    touches no store, before, between and after the tests, by which runs are compared.
    """

    run: Run
    environment: Mapping[str, Any]
    settings: dict[str, Any]
    tests: list[TestResult] = field(default_factory=list)
    experiments: list[ExperimentResult] = field(default_factory=list)
    breaking_points: list[BreakingPoint] = field(default_factory=list)
    self_check: dict[str, Any] = field(default_factory=dict)

    def as_dict(self) -> dict[str, Any]:
        """The document of schema stat7.stress/1."""
        return {"schema": SCHEMA, **asdict(self)}

    @property
    def verdicts(self) -> list[Verdict]:
        """Of all tests and experiments."""
        return [test.verdict for test in self.tests] + [experiment.verdict for experiment in self.experiments]


_WORST_FIRST: Final = (Verdict.INVALID, Verdict.FAIL, Verdict.NO_DATA, Verdict.INCONCLUSIVE, Verdict.PASS)


def worst_of(verdicts: Iterable[Verdict]) -> Verdict:
    """INVALID before FAIL before NO_DATA before INCONCLUSIVE before PASS; NO_DATA of nothing."""
    given = set(verdicts)
    return next((verdict for verdict in _WORST_FIRST if verdict in given), Verdict.NO_DATA)


def read(path: Path) -> Results:
    """The results in a file. Raises ConfigError, naming the file, if they can't be read or don't follow the schema."""
    import jsonschema

    try:
        document = json.loads(path.read_bytes())
        validate(document)
    except OSError as error:
        raise ConfigError(f"{path}: can't be read: {error.strerror or error}") from None
    except (ValueError, jsonschema.ValidationError) as error:
        what = error.message if isinstance(error, jsonschema.ValidationError) else str(error)
        raise ConfigError(f"{path}: is not a results file of schema {SCHEMA}: {what.splitlines()[0]:.200}") from None
    return Results(
        Run(**document["run"]),
        document["environment"],
        document["settings"],
        [_test(each) for each in document["tests"]],
        [_experiment(each) for each in document["experiments"]],
        [_breaking_point(each) for each in document["breaking_points"]],
        document["self_check"],
    )


def _figures(stored: Mapping[str, Any]) -> dict[str, Figure]:
    return {name: Figure(**{**each, "interval": _pair(each["interval"])}) for name, each in stored.items()}


def _pair(stored: Sequence[float] | None) -> tuple[float, float] | None:
    return None if stored is None else (stored[0], stored[1])


def _test(stored: Mapping[str, Any]) -> TestResult:
    target = tuple(Target(**each) for each in stored["target"])
    verdict = Verdict(stored["verdict"])
    return TestResult(**{**stored, "target": target, "verdict": verdict, "figures": _figures(stored["figures"])})


def _experiment(stored: Mapping[str, Any]) -> ExperimentResult:
    tests = [_test(each) for each in stored["tests"]]
    curves = [
        Curve(**{**curve, "lines": {name: _points(line) for name, line in curve["lines"].items()}})
        for curve in stored["curves"]
    ]
    return ExperimentResult(**{**stored, "verdict": Verdict(stored["verdict"]), "tests": tests, "curves": curves})


def _points(stored: Sequence[Mapping[str, Any]]) -> list[Point]:
    return [Point(each["x"], each["y"], _pair(each["interval"])) for each in stored]


def _breaking_point(stored: Mapping[str, Any]) -> BreakingPoint:
    probes = [Probe(**{**each, "figures": _figures(each["figures"])}) for each in stored["probes"]]
    return BreakingPoint(**{**stored, "probes": probes})


@cache
def schema() -> dict[str, Any]:
    """The JSON Schema (draft 2020-12) of results files."""
    loaded: dict[str, Any] = json.loads(files("stat7.stress").joinpath("schema.json").read_text("utf-8"))
    return loaded


def validate(document: Mapping[str, Any]) -> None:
    """Raise jsonschema's ValidationError unless `document`, as JSON, follows the schema."""
    import jsonschema

    jsonschema.Draft202012Validator(schema()).validate(document)


def write(results: Results, folder: Path) -> Path:
    """Check the results against the schema and write them to a new file in `folder`; returns its path.

    Named STRESS_TEST_RESULTS_YYYYMMDD_HHMMSS.json after the end of the run (UTC); where that name is taken the seconds
    count on. The file appears whole or not at all.
    """
    document = json.loads(json.dumps(results.as_dict(), allow_nan=False))
    validate(document)
    text = written(document)
    moment = datetime.now(UTC) if results.run.finished_at is None else datetime.fromisoformat(results.run.finished_at)
    second = int(moment.timestamp())
    while True:
        path = folder / f"STRESS_TEST_RESULTS_{datetime.fromtimestamp(second, UTC):%Y%m%d_%H%M%S}.json"
        if _write_new(path, text):
            return path
        second += 1


_NUMBERS: Final = re.compile(r"\[\n\s+((?:-?[0-9][-+.0-9eE]*|null)(?:,\n\s+(?:-?[0-9][-+.0-9eE]*|null))*)\n\s+\]")


def written(document: Mapping[str, Any]) -> str:
    """The document as JSON to be read by people: indented, but for lists of numbers, which take a line each."""
    text = json.dumps(document, indent=2, ensure_ascii=False) + "\n"
    # A line break inside of a string is written as an escape, so none of these is part of one.
    return _NUMBERS.sub(lambda found: f"[{', '.join(found[1].split(chr(44) + chr(10)))}]".replace("  ", ""), text)


def _write_new(path: Path, text: str) -> bool:
    """Write a file that must not exist yet; False if it does. Nothing half-written keeps the name."""
    try:
        with path.open("x", encoding="utf-8", newline="\n") as file:
            try:
                file.write(text)
                file.flush()
                os.fsync(file.fileno())
            except BaseException:
                file.close()
                path.unlink()
                raise
    except FileExistsError:
        return False
    return True


def exit_code(results: Results) -> int:
    """0 all PASS; 1 something FAIL or INVALID; 7 something NO_DATA or INCONCLUSIVE, nothing failed; 130 interrupted."""
    if results.run.interrupted:
        return 130
    verdicts = set(results.verdicts)
    if verdicts & {Verdict.FAIL, Verdict.INVALID}:
        return 1
    return 0 if verdicts == {Verdict.PASS} else 7
