"""The results file: its schema, its name, its exit code, and that it is never overwritten nor left half-written."""

from __future__ import annotations

import json
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator, ValidationError

from stat7.errors import ConfigError
from stat7.stress.results import (
    BreakingPoint,
    Curve,
    ExperimentResult,
    Figure,
    Point,
    Probe,
    Results,
    Run,
    Target,
    TestResult,
    Verdict,
    exit_code,
    read,
    schema,
    validate,
    worst_of,
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
        "experiments": [],
        "cuts": [],
        "notes": [],
    }
    return Results(run, environment, settings, list(tests))


def everything() -> Results:
    """Results with something of every kind in them."""
    histogram = {"hit": {"unit": "ns", "bits": 7, "buckets": [100, 200], "counts": [3, 1]}}
    series = {
        "hit": {
            "block_seconds": 0.5,
            "warm_up_blocks": 1,
            "steady": True,
            "per_second": [1.0, 2.5],
            "median_ms": [0.1, None],
            "max_ms": [0.3, None],
        }
    }
    full = result(
        figures={"hit_mean": Figure(0.02, "ms", 5000, (0.01, 0.03))},
        parameters={"shown": "[\n 1,\n 2\n]"},
        histogram=histogram,
        series=series,
    )
    curve = Curve("t", "entities", "1", "time", "ms", {"hit": [Point(1, 2.0, (1.0, 3.0)), Point(2, 2.0)]}, log_x=True)
    found = results(full)
    found.experiments.append(
        ExperimentResult("EXP-01", "t", "c", "m", ["x"], Verdict.FAIL, "why", [full], [curve], {"n": 1}, 0.5)
    )
    probes = [Probe(100, held=True, why="all held", figures={"p99": Figure(3.0, "ms", 1000, (2.0, 4.0))})]
    found.breaking_points.append(
        BreakingPoint("rate", 1000, "p99 <= 50 ms", "1/s", 100, None, None, 3, "the harness gave out", probes, 1.5)
    )
    found.self_check["reference"] = [{"value": 1.0, "unit": "1/s", "samples": 10, "interval": [0.9, 1.1]}]
    return found


def test_results_are_read_back_as_they_were_written(tmp_path: Path) -> None:
    found = everything()
    path = write(found, tmp_path)
    again = read(path)
    assert json.dumps(again.as_dict(), sort_keys=True) == json.dumps(found.as_dict(), sort_keys=True)
    assert again.tests[0].verdict is Verdict.PASS
    assert again.tests[0].figures["hit_mean"].interval == (0.01, 0.03)
    assert again.experiments[0].curves[0].lines["hit"][1] == Point(2, 2.0)


def test_lists_of_numbers_take_one_line(tmp_path: Path) -> None:
    text = write(everything(), tmp_path).read_text()
    assert '"per_second": [1.0, 2.5]' in text
    assert '"median_ms": [0.1, null]' in text
    assert r'"shown": "[\n 1,\n 2\n]"' in text


@pytest.mark.parametrize("text", ["", "{}", '{"schema": "stat7.stress/9"}', "[1"])
def test_a_file_that_holds_no_results_is_named(tmp_path: Path, text: str) -> None:
    path = tmp_path / "a.json"
    path.write_text(text)
    with pytest.raises(ConfigError, match=r"a\.json: is not a results file"):
        read(path)
    with pytest.raises(ConfigError, match=r"b\.json: can't be read"):
        read(tmp_path / "b.json")


def test_the_worst_verdict_wins() -> None:
    assert worst_of([Verdict.PASS, Verdict.INCONCLUSIVE]) is Verdict.INCONCLUSIVE
    assert worst_of([Verdict.NO_DATA, Verdict.FAIL]) is Verdict.FAIL
    assert worst_of(Verdict) is Verdict.INVALID
    assert worst_of([]) is Verdict.NO_DATA


def test_the_schema_is_one() -> None:
    Draft202012Validator.check_schema(schema())
    assert schema()["properties"]["schema"]["const"] == "stat7.stress/1"


@pytest.mark.parametrize("tests", [(), (result(),), (result(Verdict.NO_DATA), result(Verdict.INVALID))])
def test_what_a_run_found_follows_the_schema(tests: tuple[TestResult, ...]) -> None:
    validate(json.loads(json.dumps(results(*tests).as_dict())))


def test_what_was_not_measured_is_there_and_empty() -> None:
    document = json.loads(json.dumps(results(result()).as_dict()))
    assert document["experiments"] == []
    assert document["breaking_points"] == []
    assert document["self_check"] == {}
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
        (("tests", 0, "name"), "Breaking!"),
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
