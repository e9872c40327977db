"""The results file: its schema, its name, its exit code, and that it is never overwritten nor left half-written."""

from __future__ import annotations

import json
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator, ValidationError

from stat7.stress.results import (
    Figure,
    Results,
    Run,
    Target,
    TestResult,
    Verdict,
    exit_code,
    schema,
    validate,
    write,
)


def result(verdict: Verdict = Verdict.PASS, **changes: Any) -> TestResult:
    given: dict[str, Any] = {
        "name": "lookup",
        "variant": "",
        "scale": 1000,
        "claim": "it is quick",
        "verdict": verdict,
        "why": "all targets met",
        "target": (Target("hit_mean", "<", 0.1, "ms"),),
        "figures": {"hit_mean": Figure(0.02, "ms", 5000), "hit_p99": Figure(None, "ms", 3)},
    }
    return TestResult(**(given | changes))


def results(*tests: TestResult, interrupted: bool = False) -> Results:
    run = Run("0123456789abcdef", "quick", "stat7 stress", 7, "2026-01-31T12:00:00.000Z", "2026-01-31T12:00:59.900Z")
    run.interrupted = interrupted
    environment = {
        "cpu": None,
        "cores": {"usable": 2, "logical": 2, "physical": None},
        "memory_bytes": 1,
        "platform": "any",
        "python": "CPython 3.11",
        "packages": {"apsw": "3"},
        "filesystem": None,
        "durability": [],
        "git_commit": None,
        "load_average": [0.0, 0.0, 0.0],
    }
    settings = {
        "profile": "seed",
        "scales": [1000],
        "store": "sqlite",
        "timer": {"floor_ns": 50.0, "floor_p99_ns": 60.0, "step_ns": 10.0},
        "time_limit_seconds": 60.0,
        "cuts": [],
        "notes": [],
    }
    return Results(run, environment, settings, list(tests))


def test_the_schema_is_one() -> None:
    Draft202012Validator.check_schema(schema())
    assert schema()["properties"]["schema"]["const"] == "stat7.stress/1"


@pytest.mark.parametrize("tests", [(), (result(),), (result(Verdict.NO_DATA), result(Verdict.INVALID))])
def test_what_a_run_found_follows_the_schema(tests: tuple[TestResult, ...]) -> None:
    validate(json.loads(json.dumps(results(*tests).as_dict())))


def test_places_are_kept_for_what_comes_later() -> None:
    document = json.loads(json.dumps(results(result()).as_dict()))
    assert document["experiments"] == []
    assert document["breaking_points"] == []
    assert document["self_check"] is None
    assert document["tests"][0]["histogram"] is None
    assert document["tests"][0]["series"] is None
    assert document["tests"][0]["figures"]["hit_mean"] == {
        "value": 0.02,
        "unit": "ms",
        "samples": 5000,
        "interval": None,
    }


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("tests", 0, "verdict"), "MAYBE"),
        (("tests", 0, "why"), ""),
        (("tests", 0, "why"), "two\nlines"),
        (("tests", 0, "name"), "breaking"),
        (("tests", 0, "scale"), 0),
        (("tests", 0, "figures", "hit_mean", "value"), "fast"),
        (("tests", 0, "figures", "hit_mean", "interval"), [1]),
        (("tests", 0, "target", 0, "relation"), "!="),
        (("run", "started_at"), "yesterday"),
        (("run", "more"), 1),
        (("schema",), "stat7.stress/2"),
    ],
)
def test_what_does_not_follow_the_schema_is_refused(path: tuple[str | int, ...], value: object) -> None:
    document = json.loads(json.dumps(results(result()).as_dict()))
    inside: Any = document
    for step in path[:-1]:
        inside = inside[step]
    inside[path[-1]] = value
    with pytest.raises(ValidationError):
        validate(document)


def test_every_member_is_required() -> None:
    document = json.loads(json.dumps(results(result()).as_dict()))
    for place in ([], ["run"], ["environment"], ["settings"], ["tests", 0], ["tests", 0, "figures", "hit_mean"]):
        inside: Any = document
        for step in place:
            inside = inside[step]
        for name in inside:
            if place == ["settings"] and name not in schema()["properties"]["settings"]["required"]:
                continue
            broken = deepcopy(document)
            target: Any = broken
            for step in place:
                target = target[step]
            del target[name]
            with pytest.raises(ValidationError):
                validate(broken)


def test_the_file_is_named_after_the_end_of_the_run(tmp_path: Path) -> None:
    path = write(results(result()), tmp_path)
    assert path.name == "STRESS_TEST_RESULTS_20260131_120059.json"
    assert json.loads(path.read_text("utf-8"))["run"]["id"] == "0123456789abcdef"


def test_no_results_are_ever_overwritten(tmp_path: Path) -> None:
    first = write(results(result()), tmp_path)
    kept = first.read_bytes()
    second = write(results(result(Verdict.FAIL)), tmp_path)
    third = write(results(), tmp_path)
    assert first.read_bytes() == kept
    assert [path.name[-11:-5] for path in (first, second, third)] == ["120059", "120100", "120101"]


def test_nothing_is_written_that_breaks_the_schema(tmp_path: Path) -> None:
    with pytest.raises(ValidationError):
        write(results(result(why="")), tmp_path)
    with pytest.raises(ValueError, match="JSON"):
        write(results(result(figures={"hit_mean": Figure(float("nan"), "ms", 1)})), tmp_path)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("verdicts", "interrupted", "code"),
    [
        ((Verdict.PASS, Verdict.PASS), False, 0),
        ((Verdict.PASS, Verdict.FAIL), False, 1),
        ((Verdict.NO_DATA, Verdict.INVALID), False, 1),
        ((Verdict.PASS, Verdict.NO_DATA), False, 7),
        ((Verdict.PASS, Verdict.INCONCLUSIVE), False, 7),
        ((), False, 7),
        ((Verdict.PASS,), True, 130),
        ((Verdict.FAIL,), True, 130),
    ],
)
def test_the_exit_code_says_the_worst(verdicts: tuple[Verdict, ...], interrupted: bool, code: int) -> None:
    assert exit_code(results(*map(result, verdicts), interrupted=interrupted)) == code
