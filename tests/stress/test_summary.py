"""The table and the lines under it."""

from __future__ import annotations

import pytest

from stat7.stress.results import Figure, Results, Run, Target, TestResult, Verdict
from stat7.stress.summary import COLUMNS, KEY_FIGURES, reasons, rows, verdict_line
from stat7.stress.targets import SEED


def result(name: str, figures: dict[str, Figure], verdict: Verdict = Verdict.PASS, variant: str = "") -> TestResult:
    return TestResult(name, variant, 100_000, "c", verdict, "because", SEED.of(name), figures)


def results(*tests: TestResult) -> Results:
    return Results(Run("0" * 16, "quick", "", 7, ""), {}, {"cuts": ["less"], "notes": ["left"]}, list(tests))


@pytest.mark.parametrize(
    ("name", "figures", "shown", "target"),
    [
        (
            "address",
            {
                "single_per_second": Figure(29_390.4, "1/s", 9),
                "single_mean": Figure(0.0340, "ms", 9),
                "single_p99": Figure(None, "ms", 9),
            },
            "29,390/s, mean 34 µs, p99 no data",
            ">= 1,000/s +4",
        ),
        (
            "collisions",
            {
                "duplicates": Figure(0, "addresses", 9),
                "birthday_pairs": Figure(14_883, "pairs", 9),
                "birthday_expected": Figure(1.49, "pairs", 9),
            },
            "found 0, in parts 14,883, expected 1.5",
            "== 0 +5",
        ),
        (
            "memory",
            {"bytes_per_entity": Figure(754.3, "B", 9), "anonymous_bytes": Figure(78_600_000, "B", 9)},
            "each 754 B, in all 78.6 MB",
            "< 5,000 B +1",
        ),
        (
            "concurrent",
            {"operations_per_second": Figure(3419, "1/s", 9), "write_p99": Figure(30.62, "ms", 9)},
            "3,419/s, write p99 30.6 ms",
            ">= 5,000/s +1",
        ),
        ("scaling", {"exponent": Figure(1.0284, "1", 9, (1.02, 1.035))}, "exponent 1.028 [1.020, 1.035]", "<= 1.050"),
        ("lookup", {}, "", ">= 1,000/s +9"),
    ],
)
def test_a_row_shows_what_matters_first(name: str, figures: dict[str, Figure], shown: str, target: str) -> None:
    (row,) = rows(results(result(name, figures)))
    assert row == (name, "100K", shown, target, "PASS")
    assert len(row) == len(COLUMNS)


def test_every_test_of_the_profile_has_key_figures_and_a_foremost_target() -> None:
    assert KEY_FIGURES.keys() == SEED.targets.keys()
    for name, targets in SEED.targets.items():
        assert KEY_FIGURES[name][0][0] in {target.figure for target in targets}


def test_without_a_target_none_is_shown() -> None:
    bare = TestResult("memory", "", 1000, "c", Verdict.NO_DATA, "because")
    other = TestResult("memory", "", 1000, "c", Verdict.NO_DATA, "because", [Target("other", "<", 1, "B")])
    assert [row[3] for row in rows(results(bare, other))] == ["", ""]


def test_what_is_not_pass_has_its_reason_and_cuts_and_notes_are_told() -> None:
    failed = result("concurrent", {}, Verdict.FAIL, "4 workers")
    assert reasons(results(result("memory", {}), failed, result("lookup", {}, Verdict.NO_DATA))) == [
        "FAIL  concurrent 4 workers at 100K: because",
        "NO_DATA  lookup at 100K: because",
        "cut: less",
        "note: left",
    ]


def test_verdicts_are_counted() -> None:
    tests = [result("memory", {}), result("lookup", {}), result("address", {}, Verdict.FAIL)]
    assert verdict_line(results(*tests)) == "2 PASS, 1 FAIL"
    assert verdict_line(results()) == "nothing was measured"
