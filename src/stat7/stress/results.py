"""What a run found, as values and as JSON of schema `stat7.stress/1` (schema.json beside this module)."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any, Final

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
    """One measured number. `value` is None where too few samples lie behind it; `interval` None where none was made."""

    value: float | None
    unit: str
    samples: int
    interval: tuple[float, float] | None = None


@dataclass(frozen=True, slots=True)
class Target:
    """What a figure of a test has to be: `relation` is one of <, <=, >=, ==."""

    figure: str
    relation: str
    value: float
    unit: str


@dataclass(frozen=True, slots=True)
class TestResult:
    """One test at one scale. `variant` tells apart tests of one name and scale (`4 workers`), "" where there is one."""

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
    histogram: None = None
    series: None = None


@dataclass(slots=True)
class Run:
    """Which run it was. Times are RFC 3339 UTC; `peak_anonymous_bytes` is of all its processes, None if never seen."""

    id: str
    mode: str
    command: str
    seed: int
    started_at: str
    finished_at: str | None = None
    interrupted: bool = False
    seconds: float = 0.0
    peak_anonymous_bytes: int | None = None


@dataclass(slots=True)
class Results:
    """All that one run found; `as_dict` is what the JSON file holds."""

    run: Run
    environment: Mapping[str, Any]
    settings: dict[str, Any]
    tests: list[TestResult] = field(default_factory=list)

    def as_dict(self) -> dict[str, Any]:
        """The document of schema stat7.stress/1."""
        return {
            "schema": SCHEMA,
            "run": asdict(self.run),
            "environment": dict(self.environment),
            "settings": self.settings,
            "tests": [asdict(test) for test in self.tests],
            "experiments": [],
            "breaking_points": [],
            "self_check": None,
        }


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
    text = json.dumps(document, indent=2, ensure_ascii=False) + "\n"
    moment = datetime.now(UTC) if results.run.finished_at is None else datetime.fromisoformat(results.run.finished_at)
    second = int(moment.timestamp())
    while True:
        path = folder / f"STRESS_TEST_RESULTS_{datetime.fromtimestamp(second, UTC):%Y%m%d_%H%M%S}.json"
        if _write_new(path, text):
            return path
        second += 1


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
    verdicts = {test.verdict for test in results.tests}
    if verdicts & {Verdict.FAIL, Verdict.INVALID}:
        return 1
    return 0 if verdicts == {Verdict.PASS} else 7
