"""A whole run, small: every test has its verdict, an interrupt keeps what was measured, and nothing is left behind."""

from __future__ import annotations

import json
import tempfile
from dataclasses import replace
from multiprocessing import active_children
from pathlib import Path
from typing import Final

import pytest

from stat7.errors import ConfigError, Unavailable
from stat7.stress import ingest, runner
from stat7.stress.context import Context, Stage
from stat7.stress.plan import Mode
from stat7.stress.results import Results, TestResult, Verdict, exit_code, validate, write
from stat7.stress.runner import Settings, run, short
from stat7.stress.sabotage.addresses import CutTo48Bits
from stat7.stress.subject import Subject
from stat7.stress.summary import COLUMNS, reasons, rows, verdict_line
from stat7.stress.targets import PROFILES
from stat7.stress.tests import memory

SMALL: Final = Mode("quick", (400, 1200), 120.0, 0.2, 2000, 0.2, 0.5, workers=(2,))


@pytest.fixture(autouse=True)
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The run's own files go here, where what it leaves behind can be seen."""
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    return folder


def names(results: Results) -> list[tuple[str, str, int]]:
    return [(test.name, test.variant, test.scale) for test in results.tests]


AT_EACH_SCALE: Final = ("address", "collisions", "lookup", "concurrent", "paced", "memory")
ALL: Final = [
    *((name, "2 workers" if name == "concurrent" else "", scale) for scale in SMALL.scales for name in AT_EACH_SCALE),
    ("scaling", "", 1200),
]


def test_a_run_gives_every_test_its_verdict_and_leaves_nothing_behind(temporary: Path, tmp_path: Path) -> None:
    stages: list[tuple[str, int, int | None]] = []
    heard: list[object] = []
    results = run(
        Settings(SMALL, seed=3, command="stat7 stress"),
        lambda stage, done, total: stages.append((stage, done, total)),
        heard.append,
    )
    assert names(results) == ALL
    assert [each for each in heard if isinstance(each, TestResult)] == results.tests
    assert [test for test in results.tests if test.verdict is Verdict.INVALID] == []
    assert all(test.verdict is Verdict.PASS for test in results.tests if test.name in ("collisions", "memory"))
    assert list(temporary.iterdir()) == []
    assert active_children() == []
    assert {total for _, _, total in stages} == {stages[0][2]}
    assert [done for _, done, _ in stages] == sorted(done for _, done, _ in stages)
    assert results.run.peak_anonymous_bytes is not None
    assert results.run.peak_anonymous_bytes > 10_000_000
    path = write(results, tmp_path)
    document = json.loads(path.read_text("utf-8"))
    assert document["run"]["seed"] == 3
    assert document["run"]["interrupted"] is False
    assert document["settings"]["store"].startswith("sqlite")
    _check_figures(results)
    _check_summary(results)


def _check_figures(results: Results) -> None:
    by_name = {(test.name, test.scale): test for test in results.tests}
    lookup = by_name["lookup", 1200].figures
    assert lookup["hit_mean"].samples > 100
    assert lookup["build_per_second"].samples == 1200
    lost = by_name["concurrent", 1200].figures["acknowledged_writes_lost"]
    assert (lost.value, lost.samples > 10) == (0, True)
    assert by_name["collisions", 1200].parameters["addressed_by_subject"] == 1200
    assert by_name["memory", 400].figures["bytes_per_entity"].value == pytest.approx(900, rel=0.5)


def _check_summary(results: Results) -> None:
    table = rows(results)
    assert {len(row) for row in table} == {len(COLUMNS)}
    assert table[0][:2] == ("address", "400")
    assert table[3][0] == "concurrent 2 workers"
    assert len(reasons(results)) >= sum(test.verdict is not Verdict.PASS for test in results.tests)
    counted = verdict_line(results)
    assert f"{sum(test.verdict is Verdict.PASS for test in results.tests)} PASS" in counted


def test_an_interrupt_keeps_what_was_measured(temporary: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(context: Context, stage: Stage, pace: ingest.Pace) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(ingest, "build", interrupted)
    results = run(Settings(SMALL))
    assert names(results) == [("address", "", 400)]
    assert results.run.interrupted
    assert exit_code(results) == 130
    validate(json.loads(json.dumps(results.as_dict())))
    assert list(temporary.iterdir()) == []


def test_a_run_that_was_interrupted_goes_on_where_it_was(temporary: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    build, built = ingest.build, []

    def interrupted(context: Context, stage: Stage, pace: ingest.Pace) -> None:
        if stage.scale == 1200:
            raise KeyboardInterrupt
        build(context, stage, pace)

    monkeypatch.setattr(ingest, "build", interrupted)
    first = run(Settings(SMALL))
    kept = list(first.tests)
    assert names(first) == ALL[:7]

    def counted(context: Context, stage: Stage, pace: ingest.Pace) -> None:
        built.append(stage.scale)
        build(context, stage, pace)

    monkeypatch.setattr(ingest, "build", counted)
    again = run(Settings(SMALL, before=first))
    assert names(again) == ALL
    assert again.tests[:7] == kept
    assert built == [400, 1200], "the fit over all scales needs both stores"
    assert (again.run.resumed, again.run.interrupted, again.run.id) == (1, False, first.run.id)
    validate(json.loads(json.dumps(again.as_dict())))
    assert list(temporary.iterdir()) == []


@pytest.mark.parametrize(
    ("settings", "what"),
    [
        (Settings(replace(SMALL, scales=(400,))), "scales"),
        (Settings(SMALL, seed=8), "seed"),
        (Settings(SMALL, profile=PROFILES["gateway"]), "profile"),
        (Settings(replace(SMALL, name="full")), "mode"),
    ],
)
def test_another_run_is_not_gone_on_with(settings: Settings, what: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runner, "LARGEST_IN_MEMORY", 0)
    monkeypatch.setattr(ingest, "build", _interrupt)
    first = run(Settings(SMALL))
    with pytest.raises(ConfigError, match=rf"--resume: the run was made with {what} "):
        run(replace(settings, before=first))


def _interrupt(context: Context, stage: Stage, pace: ingest.Pace) -> None:
    raise KeyboardInterrupt


def test_a_test_that_breaks_off_is_invalid_and_the_others_go_on(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(context: Context, stage: Stage) -> TestResult:
        raise OSError("the disk is\non fire")

    def without_store(context: Context, stage: Stage, pace: ingest.Pace) -> None:
        stage.lacking = "there is no room"

    monkeypatch.setattr(memory, "measure", broken)
    monkeypatch.setattr(ingest, "build", without_store)
    results = run(Settings(Mode("quick", (400,), 60.0, 0.1, 1000, 0.1, 0.1, workers=(2,))))
    found = {test.name: (test.verdict, test.why) for test in results.tests if test.name != "scaling"}
    assert found.pop("memory") == (Verdict.INVALID, "the measurement broke off: the disk is on fire")
    assert found.pop("address")[0] in (Verdict.PASS, Verdict.FAIL, Verdict.NO_DATA)
    assert set(found.values()) == {(Verdict.NO_DATA, "there is no room")}


def test_a_store_that_cannot_be_built_makes_its_tests_invalid(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(context: Context, stage: Stage, pace: ingest.Pace) -> None:
        raise Unavailable("no")

    monkeypatch.setattr(ingest, "build", broken)
    results = run(Settings(Mode("quick", (400,), 60.0, 0.1, 1000, 0.1, 0.1, workers=(2,))))
    found = {test.name: test for test in results.tests}
    for name in ("collisions", "lookup", "concurrent"):
        assert found[name].verdict is Verdict.INVALID
        assert found[name].why == "building the store failed: no"


def test_a_sabotaged_addresser_is_caught_in_a_whole_run() -> None:
    mode = Mode("quick", (400,), 60.0, 0.1, 1000, 0.1, 0.2, workers=())
    results = run(Settings(mode, subject=Subject(CutTo48Bits())))
    found = {test.name: test.verdict for test in results.tests}
    assert found["address"] is Verdict.INVALID
    assert found["collisions"] is Verdict.FAIL
    assert exit_code(results) == 1


@pytest.mark.parametrize(
    ("count", "text"), [(1000, "1K"), (100_000, "100K"), (10_000_000, "10M"), (400, "400"), (1200, "1,200")]
)
def test_scales_are_written_short(count: int, text: str) -> None:
    assert short(count) == text
    assert runner.short(count) == text
