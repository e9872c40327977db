"""EXP-02: growth is recognised on latencies whose growth is known, and a store that scans is found out."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from stat7.registry import anchored
from stat7.stress.context import Stage
from stat7.stress.experiments import conduct, exp02, find_experiment
from stat7.stress.experiments.exp02 import ladder
from stat7.stress.experiments.fact_cases import FactCase, groups
from stat7.stress.experiments.growth import Array, describe, exponents, without_moods
from stat7.stress.housing import Given
from stat7.stress.results import Verdict
from stat7.stress.subject import Location
from stat7.stress.workload import Workload
from tests.stress.experiments.facts import conducted, context, follows_the_schema, work_here

GROUPS = [cases for cases in groups() if cases[0].experiment == "EXP-02"]
SCALES = (1000, 3000, 10_000, 30_000, 100_000)


@pytest.fixture(autouse=True)
def shortly(monkeypatch: pytest.MonkeyPatch) -> None:
    """Measure for a short time."""
    monkeypatch.setattr(exp02, "_SECONDS", {"quick": 0.3})
    monkeypatch.setattr(exp02, "_PER_TURN", 60)


def rounds_of(latencies: list[float], rounds: int = 60, noise: float = 0.03) -> Array:
    """Latencies as they might be measured: each round in another mood, each turn a little off."""
    random = np.random.default_rng(11)
    moods = random.choice([1.0, 1.0, 1.0, 1.4, 6.0], size=(rounds, 1))
    found: Array = np.asarray(latencies) * moods * np.exp(random.normal(0, noise, size=(rounds, len(latencies))))
    return found


@pytest.mark.parametrize("cases", GROUPS, ids=lambda cases: f"{cases[0].name}")
def test_each_sabotage_is_caught_by_the_check_that_is_there_for_it(
    cases: list[FactCase], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    work_here(monkeypatch)
    result = conducted(cases[0], tmp_path)
    for case in cases:
        assert case.caught_by(result), f"{case.test}: {[(test.name, test.verdict, test.why) for test in result.tests]}"


def test_with_a_worker_of_its_own_it_measures_every_scale(tmp_path: Path) -> None:
    result = conduct(find_experiment("EXP-02"), context(tmp_path, scale=1000))
    assert result.verdict in (Verdict.PASS, Verdict.INCONCLUSIVE), result.why
    assert follows_the_schema(result)
    hits, misses = result.tests
    assert result.parameters["scales"] == [10, 30, 100, 300, 1000]
    assert hits.figures["median_at_1000"].value is not None
    assert hits.figures["median_at_1000"].interval is not None
    assert {"exponent", "last_exponent", "p95_exponent", "last_p95_exponent"} == {each.figure for each in hits.target}
    assert {"exponent", "last_exponent"} == {each.figure for each in misses.target}
    assert set(result.curves[0].lines) == {"measured", "constant fit", "logarithmic fit", "linear fit"}


def test_a_store_that_was_given_grows_from_scale_to_scale_and_is_left_as_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(exp02, "ladder", lambda top: (top // 10, top // 3, top))
    location = Location(anchored("sqlite:library.db", tmp_path))
    run = context(tmp_path, workload=Workload(7, "stress/x/"), scale=1000)
    run.housing = Given(location, run.workload, tmp_path)
    result = conduct(find_experiment("EXP-02"), run)
    assert result.verdict in (Verdict.PASS, Verdict.INCONCLUSIVE), result.why
    assert result.parameters["scales_measured"] == "one after the other, relative to a loop"
    assert [stage.scale for stage in run.stages] == [100, 333, 1000]
    again = conduct(find_experiment("EXP-02"), run)
    assert again.verdict is Verdict.NO_DATA
    assert "--experiment EXP-02" in again.why
    assert run.housing.leave() == []
    with location.open() as repository:
        assert repository.store.count() == 0


def test_scales_without_room_are_lacking(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = context(tmp_path)
    monkeypatch.setattr(run.housing, "lacks", lambda scale: "the disk is full")
    result = conduct(find_experiment("EXP-02"), run)
    assert result.verdict is Verdict.NO_DATA
    assert "the disk is full" in result.why


def test_a_store_whose_building_failed_is_not_built_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    work_here(monkeypatch)
    monkeypatch.setattr(exp02, "ladder", lambda top: (100, 300, 1000))
    run = context(tmp_path)
    run.stages = [Stage(300, run.workload, broken="building the store failed: it did")]
    result = conduct(find_experiment("EXP-02"), run)
    assert result.verdict is Verdict.NO_DATA
    assert "building the store failed: it did" in result.why


def test_there_are_two_scales_for_each_power_of_ten() -> None:
    assert ladder(100_000) == SCALES
    assert ladder(1_000_000) == (*SCALES, 300_000, 1_000_000)
    assert ladder(3000) == (30, 90, 300, 900, 3000)


@pytest.mark.parametrize(
    ("latencies", "expected"),
    [
        ([10e3] * 5, ("constant",)),
        ([4e3 * np.log10(scale) for scale in SCALES], ("logarithmic",)),
        ([5e3 + scale for scale in SCALES], ("linear",)),
    ],
)
def test_growth_is_recognised_whatever_the_mood_of_the_machine(
    latencies: list[float], expected: tuple[str, ...]
) -> None:
    growth = describe(SCALES, without_moods(rounds_of(latencies).tolist()))
    assert growth.chosen == expected
    assert growth.verdict == expected[0]
    mood = float(np.median(growth.latencies / np.asarray(latencies)))
    assert 0.9 < mood < 1.1
    for at, scale in enumerate(SCALES):
        assert growth.predicted(expected[0], scale) / mood == pytest.approx(latencies[at], rel=0.05)
        low, high = growth.intervals[at]
        assert low * 0.98 <= latencies[at] * mood <= high * 1.02


def test_what_noise_hides_is_not_claimed_to_be_known() -> None:
    latencies = [10e3, 10.4e3, 10.8e3, 11.2e3, 12.5e3]
    growth = describe(SCALES, without_moods(rounds_of(latencies).tolist()))
    assert len(growth.chosen) > 1
    assert "can't be told apart" in growth.verdict


@pytest.mark.parametrize("power", [0.0, 0.1, 0.5, 1.0])
def test_the_interval_of_the_exponent_holds_it(power: float) -> None:
    times = without_moods(rounds_of([1000 * float(scale) ** power for scale in SCALES], noise=0.1).tolist())
    found = exponents(SCALES, times)
    assert found.interval is not None
    low, high = found.interval
    assert low - 0.005 <= power <= high + 0.005
    assert high - low < 0.03


def test_the_interval_of_the_exponent_covers_as_often_as_it_says() -> None:
    random = np.random.default_rng(2)
    held = 0
    for _ in range(400):
        found = exponents(SCALES, np.exp(random.standard_t(2, size=(25, 5)) * 0.1))
        assert found.interval is not None
        held += found.interval[0] <= 0 <= found.interval[1]
    assert 370 <= held <= 396


def test_few_rounds_have_no_interval_and_none_no_exponent() -> None:
    assert exponents(SCALES, np.ones((5, 5))).interval is None
    assert exponents(SCALES, np.ones((0, 5))).value is None
    assert exponents((1000,), np.ones((9, 1))).value is None


def test_rounds_without_an_answer_are_left_out_and_a_reference_takes_the_place_of_turns() -> None:
    assert len(without_moods([[1.0, 2.0], [0.0, 2.0]])) == 1
    assert len(without_moods([[0.0, 2.0]])) == 0
    busy = without_moods([[10.0, 40.0], [10.0, 40.0]], [[1.0, 2.0], [1.0, 2.0]])
    assert busy.tolist() == [[15.0, 30.0], [15.0, 30.0]]
