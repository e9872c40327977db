"""Comparisons of runs: nobody is accused wrongly more often than promised, and what is slower is found."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import product
from math import exp, hypot, log, sqrt
from pathlib import Path
from typing import Any, Final

import numpy as np
import pytest

from stat7.errors import ConfigError
from stat7.stress.compare import MOST, NOTHING, Comparison, compare, read_side, words
from stat7.stress.compare.matching import kind_of, within
from stat7.stress.compare.spread import (
    ASSUMED,
    UNKNOWN_UNREST,
    WEIGHT,
    Noise,
    Sample,
    Unrest,
    noise_of,
    runs_to_show,
    smallest,
    unrest_of,
)
from stat7.stress.results import (
    BreakingPoint,
    ExperimentResult,
    Figure,
    Results,
    Run,
    TestResult,
    Verdict,
    validate,
    write,
)

# What runs on a busy machine differ by, by the name of a figure: its unit, the spread between runs in units of the
# machine's unrest, and the standard error within a run; measured by scripts/stress_same.py.
FIGURES: Final = {
    "hit_per_second": ("1/s", 0.9, 0.06),
    "hit_mean": ("ms", 0.9, 0.06),
    "hit_p50": ("ms", 0.15, 0.02),
    "hit_p95": ("ms", 1.5, 0.13),
    "hit_p99": ("ms", 1.8, 0.20),
}
VALUES: Final = {"hit_per_second": 60_000.0, "hit_mean": 0.012, "hit_p50": 0.008, "hit_p95": 0.02, "hit_p99": 0.06}
ENVIRONMENT: Final[dict[str, Any]] = {
    "cpu": "a processor",
    "cores": {"usable": 2, "logical": 2, "physical": 2},
    "memory_bytes": 8_000_000_000,
    "platform": "Linux",
    "python": "CPython 3.11",
    "packages": {"stat7": "1.0", "sqlite": "3.45"},
    "filesystem": "ext4",
    "durability": ["acknowledged writes survive a power cut"],
    "git_commit": "0123abcd",
    "load_average": [0.1, 0.1, 0.1],
}
SETTINGS: Final[dict[str, Any]] = {
    "profile": "seed",
    "scales": [1000],
    "store": "sqlite",
    "timer": {"floor_ns": 50.0, "floor_p99_ns": 60.0, "step_ns": 1.0},
    "time_limit_seconds": 60.0,
    "experiments": [],
    "cuts": [],
    "notes": [],
}


def figure(value: float, unit: str, error: float) -> Figure:
    """A figure whose 95 % interval is that of a log-normal error."""
    return Figure(value, unit, 5000, (value * exp(-1.96 * error), value * exp(1.96 * error)))


def lookup(figures: dict[str, Figure], **changes: Any) -> TestResult:
    return replace(TestResult("lookup", "", 1000, "found", Verdict.PASS, "met", (), figures), **changes)


def one_run(number: int, tests: Sequence[TestResult], speeds: Sequence[float] = (40_000.0,) * 4) -> Results:
    begun = "2026-01-01T00:00:00.000Z"
    run = Run(f"{number:016x}", "quick", "stat7 stress", 7, begun, begun)
    results = Results(run, dict(ENVIRONMENT), dict(SETTINGS), list(tests))
    results.self_check["reference"] = [Figure(speed, "1/s", 6000, None) for speed in speeds]
    return results


def steady(number: int, slower: float = 1.0, **changes: Any) -> Results:
    """A run on a machine without any moods."""
    figures = {
        name: figure(VALUES[name] * (1 / slower if unit == "1/s" else slower), unit, 0.003)
        for name, (unit, _, _) in FIGURES.items()
    }
    return one_run(number, [lookup(figures, **changes)])


class Machine:
    """Makes runs on a machine with moods: of so much unrest, its noise with tails of so many degrees of freedom."""

    def __init__(self, seed: int, unrest: float, tails: int | None) -> None:
        self.random = np.random.default_rng(seed)
        self.unrest = unrest
        self.tails = tails
        self.made = 0

    def run(self, slower: float = 1.0, tests: int = 3) -> Results:
        """A run of several tests on a store that is slower by this factor."""
        draw = self._noise(8 + 2 * tests * len(FIGURES))
        mood = self.unrest * sqrt(0.5) * next(draw)
        speeds = [40_000 * exp(mood + self.unrest * sqrt(0.5) * next(draw)) for _ in range(4)]
        self.made += 1
        results = [lookup(self._figures(mood, slower, draw), variant=f"{each + 1} readers") for each in range(tests)]
        return one_run(self.made, results, speeds)

    def side(self, runs: int, slower: float = 1.0) -> list[Results]:
        return [self.run(slower) for _ in range(runs)]

    def _figures(self, mood: float, slower: float, draw: Iterator[float]) -> dict[str, Figure]:
        figures = {}
        for name, (unit, restless, error) in FIGURES.items():
            faster = (0.0 if name == "hit_p50" else mood) - log(slower)
            moved = faster if unit == "1/s" else -faster
            moved += hypot(restless * self.unrest, 0.02) * next(draw) + error * next(draw)
            figures[name] = figure(VALUES[name] * exp(moved), unit, error)
        return figures

    def _noise(self, count: int) -> Iterator[float]:
        """Of variance 1."""
        if self.tails is None:
            return iter(self.random.standard_normal(count).tolist())
        return iter((self.random.standard_t(self.tails, count) / sqrt(self.tails / (self.tails - 2))).tolist())


def test_hardly_one_comparison_in_a_hundred_of_the_same_store_shows_a_difference() -> None:
    # With an error rate of 1 % more than 18 of 1,000 would be accused once in a hundred times.
    accused = 0
    for case, (unrest, tails, runs) in enumerate(product((0.02, 0.3), (None, 5), (1, 3))):
        machine = Machine(case, unrest, tails)
        accused += sum(bool(compare(machine.side(runs), machine.side(runs)).found) for _ in range(125))
    assert accused <= 18


@pytest.mark.parametrize("unrest", [0.02, 0.1])
def test_a_store_slowed_by_a_fifth_is_found_with_as_many_runs_as_the_comparison_itself_asks_for(unrest: float) -> None:
    machine = Machine(5, unrest, None)
    asked = [compare(machine.side(3), machine.side(3)).runs_needed for _ in range(3)]
    runs = max(count or 0 for count in asked)
    assert 0 < runs < 60
    found = [compare(machine.side(runs), machine.side(runs, slower=1.2)) for _ in range(10)]
    named = [{each.finding for each in comparison.differences} for comparison in found]
    assert sum("slower" in findings for findings in named) >= 9
    assert not any("faster" in findings for findings in named)


def test_figures_below_the_stated_reach_are_mostly_not_found_and_those_above_mostly_are() -> None:
    machine = Machine(6, 0.1, None)
    reach = compare(machine.side(4), machine.side(4)).shows_from

    def share_found(slower: float) -> float:
        found = [compare(machine.side(4), machine.side(4, slower)) for _ in range(12)]
        return sum(len(each.found) for each in found) / sum(len(each.differences) for each in found)

    assert share_found(1 + reach / 4) < 0.3
    assert share_found((1 + reach) ** 1.5) > 0.5


def test_runs_that_do_not_differ_show_no_difference_and_the_sentence_says_what_would_have_been() -> None:
    found = compare([steady(1)], [steady(2)])
    assert found.found == []
    assert found.conclusion.startswith("no difference shown in 5 figures; a change of ")
    assert words.change(found.shows_from) in found.conclusion
    assert 0 < found.shows_from < 1
    assert found.before.commits == ["0123abcd"]


def test_a_slower_store_is_named_with_its_worst_figures_and_their_intervals() -> None:
    found = compare([steady(number) for number in range(4)], [steady(4 + number, slower=3.0) for number in range(4)])
    assert {each.finding for each in found.differences} == {"slower"}
    assert found.conclusion.startswith("B is slower in 5 of 5 figures: lookup 1K hit_")
    reach = f"; shown is, in the median figure, a change of {words.change(found.shows_from)} or more"
    assert found.conclusion.endswith(f", and 2 more{reach}")
    by_name = {each.figure: each for each in found.differences}
    assert by_name["hit_per_second"].ratio == pytest.approx(1 / 3)
    assert by_name["hit_mean"].ratio == pytest.approx(3)
    low, high = by_name["hit_mean"].interval
    assert 1 < low < 3 < high
    faster = compare([steady(number, 3.0) for number in range(4)], [steady(4 + number) for number in range(4)])
    assert {each.finding for each in faster.differences} == {"faster"}


def test_the_interval_of_a_figure_says_the_same_as_its_finding() -> None:
    machine = Machine(8, 0.1, None)
    for slower in (1.0, 1.3, 2.0, 4.0):
        for each in compare(machine.side(3), machine.side(3, slower)).differences:
            low, high = each.interval
            assert (low <= 1 <= high) == (each.finding == NOTHING)
            assert low <= each.ratio <= high


def test_what_slows_the_machine_is_taken_out_of_rates_means_and_tails_and_not_of_medians() -> None:
    usual, halved = steady(1), steady(2)
    halved.self_check["reference"] = [Figure(20_000.0, "1/s", 3000, None)] * 4
    by_name = {each.figure: each for each in compare([usual], [halved]).differences}
    assert by_name["hit_per_second"].raw_ratio == pytest.approx(1)
    assert by_name["hit_per_second"].ratio == pytest.approx(2)
    assert by_name["hit_mean"].ratio == pytest.approx(0.5)
    assert by_name["hit_p50"].ratio == pytest.approx(1)
    assert {name for name, each in by_name.items() if not each.normalised} == {"hit_p50"}


def test_without_a_reference_loop_nothing_is_taken_out_more_is_assumed_and_it_is_said() -> None:
    usual, without = steady(1), steady(2)
    without.self_check = {}
    found, quiet = compare([usual], [without]), compare([steady(3)], [steady(4)])
    assert not any(each.normalised for each in found.differences)
    assert any("not every run has a reference loop" in line for line in found.warnings)
    assert found.unrest == UNKNOWN_UNREST.spread
    assert found.shows_from > 2 * quiet.shows_from


def test_an_unrestful_reference_loop_widens_what_a_single_run_could_show() -> None:
    restless = [steady(number) for number in (1, 2)]
    for results in restless:
        results.self_check["reference"] = [Figure(speed, "1/s", 6000, None) for speed in (2e4, 4e4, 3e4, 5e4)]
    assert compare(restless[:1], restless[1:]).shows_from > 2 * compare([steady(3)], [steady(4)]).shows_from


def test_from_next_to_nothing_on_a_wild_machine_nothing_is_shown_and_every_number_is_finite() -> None:
    sides = [steady(1), steady(2, slower=1e6)]
    for results in sides:
        results.self_check["reference"] = [Figure(speed, "1/s", 6000, None) for speed in (50.0, 4e4)]
    found = compare(sides[:1], sides[1:])
    assert found.found == []
    assert [each.shows_from for each in found.differences] == pytest.approx([MOST] * 5)
    json.dumps(found.as_dict(), allow_nan=False)
    assert "a change of more than a factor of 100 would" in found.conclusion


def test_more_runs_show_smaller_changes() -> None:
    sides = [[steady(100 * count + number) for number in range(2 * count)] for count in (1, 2, 4, 8)]
    reaches = [compare(side[::2], side[1::2]).shows_from for side in sides]
    assert reaches == sorted(reaches, reverse=True)
    assert any("one run on each side" in line for line in compare(sides[0][:1], sides[0][1:]).warnings)
    assert compare(sides[1][::2], sides[1][1::2]).warnings == []


def test_only_what_both_sides_have_is_compared_and_the_rest_is_listed() -> None:
    larger = steady(2)
    larger.tests.append(replace(larger.tests[0], scale=100_000))
    found = compare([steady(1)], [larger])
    assert {each.scale for each in found.differences} == {1000}
    assert found.left_out == ["lookup at 100,000: 5 figures only in B"]
    other = steady(3, name="address")
    with pytest.raises(ConfigError, match="no figure in common"):
        compare([steady(1)], [other])


def test_an_invalid_test_is_left_out_and_an_interrupted_run_is_told() -> None:
    wrong = steady(2)
    wrong.tests.append(replace(wrong.tests[0], variant="cold", verdict=Verdict.INVALID, why="re-hashed reads"))
    fine = steady(1)
    fine.tests.append(replace(fine.tests[0], variant="cold"))
    wrong.run.interrupted = True
    found = compare([fine], [wrong])
    assert {each.variant for each in found.differences} == {""}
    assert found.left_out[0] == "lookup cold at 1,000 of run 0000000000000002: INVALID: re-hashed reads"
    assert any("0000000000000002 was interrupted" in line for line in found.warnings)
    assert found.verdicts == ["lookup cold at 1K: PASS -> INVALID"]


def test_other_machines_and_settings_are_warned_of_and_another_commit_is_not() -> None:
    other = steady(2)
    other.environment = {
        **other.environment,
        "cpu": "another",
        "git_commit": "ffff",
        "packages": {"stat7": "2.0", "sqlite": "3.46"},
    }
    other.settings["store"] = "postgresql"
    lines = [line for line in compare([steady(1)], [other]).warnings if "differs" in line]
    assert lines == [
        "cpu differs: a processor against another",
        "package sqlite differs: 3.45 against 3.46",
        "store differs: sqlite against postgresql",
    ]


def test_a_run_counts_once() -> None:
    with pytest.raises(ConfigError, match="run 0000000000000001 is given twice"):
        compare([steady(1)], [steady(1)])
    with pytest.raises(ConfigError, match="at least one run"):
        compare([steady(1)], [])


def test_tests_of_experiments_and_edges_of_breaking_points_are_compared_too() -> None:
    def with_more(number: int, held: float | None) -> Results:
        results = steady(number)
        test = replace(results.tests[0], name="replay")
        results.experiments.append(
            ExperimentResult("EXP-08", "t", "c", "m", (), Verdict.PASS, "w", [test]),
        )
        results.breaking_points.append(
            BreakingPoint("rate", 1000, "p99 < 1 ms", "1/s", held, 1100.0, "p99", 3, "found"),
        )
        return results

    found = compare([with_more(1, 1000.0)], [with_more(2, 1000.0)])
    places = {each.place: each for each in found.differences}
    assert set(places) == {"", "EXP-08", "breaking point"}
    assert places["breaking point"].before == pytest.approx(sqrt(1000 * 1100))
    assert (places["breaking point"].kind, places["breaking point"].test) == ("edge", "rate")
    without = compare([with_more(1, 1000.0)], [with_more(2, None)])
    assert any("no edge was found" in line for line in without.left_out)


def test_bytes_have_a_direction_of_their_own() -> None:
    lean, fat = (
        [one_run(10 * size + number, [lookup({"bytes_per_entity": figure(size, "B", 1e-4)})]) for number in range(3)]
        for size in (700, 900)
    )
    assert [each.finding for each in compare(lean, fat).differences] == ["larger"]
    assert [each.finding for each in compare(fat, lean).differences] == ["smaller"]


def test_what_is_no_measured_rate_latency_or_size_is_not_compared() -> None:
    assert kind_of("hit_mean", figure(1.0, "ms", 0.1)) == "mean"
    assert kind_of("write_p50", figure(1.0, "ms", 0.1)) == "p50 of writes"
    assert kind_of("hit_p50", figure(1.0, "ms", 0.1)) == "p50"
    assert kind_of("hit_max", figure(1.0, "ms", 0.1)) is None
    assert kind_of("offered_per_second", Figure(100.0, "1/s", 1, (100.0, 100.0))) is None
    assert kind_of("generator_ceiling", Figure(100.0, "1/s", 1, None)) is None
    assert kind_of("hit_p99", Figure(None, "ms", 5, None)) is None
    assert kind_of("exponent", figure(1.0, "1", 0.1)) is None
    assert {kind_of("stored", Figure(100.0, "B", 1, (100.0, 100.0)))} <= set(ASSUMED)


def test_the_error_within_a_run_is_taken_from_the_farther_end_of_its_interval() -> None:
    assert within(Figure(1.0, "ms", 9, (1 / exp(0.196), exp(0.392)))) == pytest.approx(0.2, rel=1e-3)
    assert within(Figure(1.0, "ms", 9, (0.0, exp(0.196)))) == pytest.approx(0.1, rel=1e-3)


def test_what_is_assumed_gives_way_to_what_runs_show() -> None:
    quiet = Unrest(0.0, 9.0)

    def spread(count: int) -> float:
        side = Sample([log(10) + 0.4 * (-1) ** each for each in range(count)], [0.01] * count)
        return noise_of("rate", side, side, quiet).spread

    assert ASSUMED["rate"].base < spread(2) < spread(40) < 0.42
    assert spread(40) > 0.36
    single = noise_of("rate", Sample([1.0], [0.3]), Sample([1.5], [0.3]), quiet)
    assert single.spread == pytest.approx(hypot(ASSUMED["rate"].base, 0.3))
    assert (single.runs, single.freedom) == (0, WEIGHT)


@pytest.mark.parametrize("runs", [2, 3, 5])
def test_a_run_far_off_its_fellows_makes_no_difference(runs: int) -> None:
    unrest, steady_side = Unrest(0.5, 9.0), Sample([1.0] * runs, [0.02] * runs)
    odd = Sample([1.0] * (runs - 1) + [4.5], [0.02] * runs)
    noise = noise_of("p50", steady_side, odd, unrest)
    assert 3.5 / runs < noise.bound(0.9998) * noise.error(runs, runs)


def test_medians_of_one_run_or_two_are_trusted_no_more_than_means() -> None:
    few, fellows = [Sample([1.0] * runs, [0.02] * runs) for runs in (1, 2)], Sample([1.0] * 4, [0.02] * 4)
    for unrest in (Unrest(0.1, 9.0), Unrest(0.2, 9.0)):
        least = 0.7 * ASSUMED["mean"].restless * unrest.spread
        for side in few:
            assert noise_of("p50", side, side, unrest).spread > least
        assert noise_of("p50", fellows, fellows, unrest).spread < least


def test_a_run_is_never_better_known_than_its_own_interval_says() -> None:
    alike = Sample([1.0] * 50, [0.5] * 50)
    noise = noise_of("mean", alike, alike, Unrest(0.0, 9.0))
    assert noise.spread == pytest.approx(0.5)


def test_unrest_known_from_few_measurements_counts_for_little() -> None:
    few, many = unrest_of([[1.0, 1.2], [0.8, 1.0]]), unrest_of([[1.0, 1.2] * 20, [0.8, 1.0] * 20])
    assert few.spread == pytest.approx(many.spread, rel=0.2)
    assert ASSUMED["rate"].variance(few)[1] < 2 < ASSUMED["rate"].variance(many)[1] <= WEIGHT
    assert unrest_of([[1.0, 1.2], [1.0]]) == UNKNOWN_UNREST
    assert unrest_of([]) == UNKNOWN_UNREST


def test_so_many_runs_are_asked_for_that_one_fewer_would_not_do() -> None:
    noise = Noise(0.1, WEIGHT, 4)
    needed = runs_to_show(log(1.2), noise, 0.9998)
    assert needed is not None

    def reach(runs: int) -> float:
        return smallest(Noise(0.1, WEIGHT, 2 * runs - 2), runs, runs, 0.9998)

    assert reach(needed) <= log(1.2) < reach(needed - 1)
    assert runs_to_show(1e-6, noise, 0.9998) is None


def test_a_comparison_is_json_and_a_table_with_a_row_for_each_figure() -> None:
    found: Comparison = compare([steady(1)], [steady(2, 5.0)])
    document = json.loads(json.dumps(found.as_dict(), allow_nan=False))
    assert document["schema"] == "stat7.stress-compare/1"
    assert document["conclusion"] == found.conclusion
    assert len(document["differences"]) == 5
    rows = words.rows(found)
    assert [len(row) for row in rows] == [len(words.COLUMNS)] * 5
    assert {row[-1] for row in rows} <= {*words.COLOURS, NOTHING}
    text = " ".join(words.basis(found))
    assert "1% chance of accusing any of 5 figures" in text
    assert "the machine's own speed in B was 1.00" in text
    assert "assumed between runs: rate 3%, mean 3%, p50 2%, p95 10%, p99 16%" in text


def test_a_side_is_a_file_or_all_files_of_a_folder(tmp_path: Path) -> None:
    runs = [steady(number) for number in (1, 2)]
    for results in runs:
        validate(json.loads(json.dumps(results.as_dict())))
    paths = [write(results, tmp_path) for results in runs]
    assert [results.run.id for results in read_side(paths[1])] == [runs[1].run.id]
    assert {results.run.id for results in read_side(tmp_path)} == {results.run.id for results in runs}
    again = compare([*read_side(paths[0])], [*read_side(paths[1])])
    assert again.as_dict() == compare(runs[:1], runs[1:]).as_dict()
    (tmp_path / "empty").mkdir()
    with pytest.raises(ConfigError, match="holds no results file"):
        read_side(tmp_path / "empty")


@pytest.mark.parametrize(
    ("share", "text"), [(0.124, "12 %"), (0.999, "100 %"), (1.5, "a factor of 2.5"), (1e9, "more than a factor of 100")]
)
def test_changes_that_more_than_double_are_told_as_factors(share: float, text: str) -> None:
    assert words.change(share) == text
