"""EXP-03: entropies and pairs are computed rightly, finds are checked, and dimensions that say nothing fail."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import combinations
from math import log2
from pathlib import Path
from random import Random

import numpy as np
import pytest

from stat7.query import Query
from stat7.stress.experiments import conduct, exp03, find_experiment
from stat7.stress.experiments.entropy import Codes, Told, at_resolution, ceiling, mixed, tell
from stat7.stress.experiments.exp03 import growth_of
from stat7.stress.experiments.fact_cases import FactCase, groups
from stat7.stress.experiments.query_mix import Answers, growths, mix
from stat7.stress.results import Verdict
from stat7.stress.tasks.dimensions import COLUMNS, DIMENSIONS, Coordinates
from stat7.stress.workload import Workload
from tests.stress.experiments.facts import conducted, context, follows_the_schema, work_here

GROUPS = [cases for cases in groups() if cases[0].experiment == "EXP-03"]
WORKLOAD = Workload(7)


@pytest.fixture(autouse=True)
def shortly(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ask few queries, and take all the time they need."""
    monkeypatch.setattr(exp03, "_QUERIES", {"quick": 70})
    monkeypatch.setattr(exp03, "_SECONDS", {"quick": 60.0})


def columns_of(workload: Workload, count: int) -> dict[str, Codes]:
    """The columns of the first entities."""
    found = Coordinates(workload, 0, count).prepare()(lambda done: None)
    return {name: np.frombuffer(found[name], dtype=np.int64) for name in COLUMNS}


def seven(values: Mapping[str, Codes]) -> dict[str, Codes]:
    """Seven dimensions, those not given constant."""
    count = len(next(iter(values.values())))
    return {name: values.get(name, np.zeros(count, dtype=np.int64)) for name in DIMENSIONS}


def told(values: Mapping[str, Codes]) -> dict[str, Told]:
    """What the given dimensions tell, among seven."""
    codes = seven(values)
    return tell(codes, np.arange(len(codes["realm"])))


@pytest.mark.parametrize("cases", GROUPS, ids=lambda cases: cases[0].name)
def test_each_sabotage_is_caught_by_the_check_that_is_there_for_it(
    cases: list[FactCase], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    work_here(monkeypatch)
    result = conducted(cases[0], tmp_path)
    for case in cases:
        assert case.caught_by(result), (
            f"{case.test}: {[(test.variant, test.verdict, test.why) for test in result.tests]}"
        )
    if cases[0].name == "a constant dimension":
        failed = {test.variant for test in result.tests if test.verdict is Verdict.FAIL}
        assert failed == {"realm"}


def test_with_workers_of_its_own_it_says_what_each_dimension_adds(tmp_path: Path) -> None:
    result = conduct(find_experiment("EXP-03"), context(tmp_path))
    assert result.verdict is Verdict.PASS, result.why
    assert follows_the_schema(result)
    addresses, *dimensions = result.tests
    assert {figure.value for figure in addresses.figures.values()} == {0}
    assert [test.variant for test in dimensions] == list(DIMENSIONS)
    for test in dimensions:
        assert test.figures["alike_without_but_with_the_id_halves"].value == 0
        assert (test.figures["alike_without_halves"].value or 0) > (test.figures["alike_with_halves"].value or 0)
        assert (test.figures["given_others_stored"].value or 0) < 0.01  # as stored six dimensions identify an entity
    assert [len(curve.lines) for curve in result.curves] == [8, 7, 7]


def test_few_entities_tell_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    work_here(monkeypatch)
    result = conduct(find_experiment("EXP-03"), context(tmp_path, scale=500))
    assert {test.verdict for test in result.tests[1:]} == {Verdict.NO_DATA}


def test_without_room_for_a_store_result_sets_are_lacking(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    work_here(monkeypatch)
    run = context(tmp_path)
    monkeypatch.setattr(run.housing, "lacks", lambda scale: "the disk is full")
    result = conduct(find_experiment("EXP-03"), run)
    assert result.tests[0].verdict is Verdict.PASS
    assert {(test.verdict, test.why) for test in result.tests[1:]} == {(Verdict.NO_DATA, "the disk is full")}


def test_pairs_and_entropies_are_those_of_a_table_that_can_be_counted() -> None:
    realm, lineage = np.array([0, 0, 0, 1, 1, 2]), np.array([5, 5, 6, 5, 5, 7])
    found = told({"realm": realm, "lineage": lineage})
    alike = [(a, b) for a, b in combinations(range(6), 2) if lineage[a] == lineage[b]]
    apart = [(a, b) for a, b in alike if realm[a] != realm[b]]
    one = found["realm"]
    assert one.told_apart.value == pytest.approx(len(apart) / len(alike))
    assert one.told_apart.samples == len(alike)
    assert one.alike_without.value == 4
    assert one.alike_with.value == 4
    assert one.alike_with_the_id.value == 0
    # H(realm | lineage): four share lineage 5, two of each realm; the others are alone.
    assert one.given_others.value == pytest.approx(4 / 6 * 1.0)
    plain = -(3 / 6 * log2(3 / 6) + 2 / 6 * log2(2 / 6) + 1 / 6 * log2(1 / 6))
    assert one.entropy.value == pytest.approx(plain + (3 - 1) / (2 * 6 * np.log(2)))
    assert found["density"].told_apart.value == 0
    assert ceiling(8) == 3


def test_a_dimension_without_pairs_to_tell_apart_has_no_share() -> None:
    found = told({"lineage": np.arange(50)})
    assert found["realm"].told_apart.value is None
    assert found["lineage"].told_apart.value == 1


def test_entropy_given_the_others_nears_the_truth_with_the_correction() -> None:
    random = np.random.default_rng(4)
    found = told({"realm": random.integers(0, 8, 20_000), "lineage": random.integers(0, 200, 20_000)})["realm"]
    assert found.given_others.value is not None
    assert found.given_others_corrected.value is not None
    assert found.given_others.value < 3
    assert abs(found.given_others_corrected.value - 3) < 0.005 < 3 - found.given_others.value


def test_the_interval_of_the_share_told_apart_holds_it_in_most_samples() -> None:
    random, held = np.random.default_rng(9), 0
    for _ in range(100):
        lineage = random.choice(5, p=[0.6, 0.1, 0.1, 0.1, 0.1], size=400)
        realm = np.where(lineage == 0, random.random(400) < 0.5, random.random(400) < 0.1).astype(np.int64)
        # Of pairs alike in lineage: 0.36 of all in kind 0 (half of them told apart), 0.04 in the others (0.18).
        truth = (0.36 * 0.5 + 0.04 * 0.18) / 0.40
        interval = told({"realm": realm, "lineage": lineage})["realm"].told_apart.interval
        assert interval is not None
        held += interval[0] <= truth <= interval[1]
    assert held >= 87


def test_keys_of_different_values_and_dimensions_differ() -> None:
    columns = columns_of(WORKLOAD, 2000)
    keys = mixed(at_resolution(columns, None))
    assert all(len(np.unique(key)) == len(np.unique(columns[name])) for name, key in keys.items())
    same = np.arange(100)
    both = mixed({"resonance": same, "velocity": same})
    assert not (both["resonance"] == both["velocity"]).any()


def test_resolutions_cut_the_ranges_of_the_reals() -> None:
    columns = columns_of(WORKLOAD, 3000)
    halves, tenths = at_resolution(columns, 2), at_resolution(columns, 10)
    assert set(halves["resonance"]) == {-1, 0}
    assert set(halves["density"]) == {0, 1}
    assert set(tenths["velocity"]) == set(range(-5, 5))
    assert set(tenths["density"]) == set(range(10))
    assert (halves["adjacency"] == columns["neighbours"]).all()
    assert (at_resolution(columns, None)["resonance"] == columns["resonance"]).all()


def test_expected_answers_are_those_of_the_query_grammar() -> None:
    count = 1500
    columns = columns_of(WORKLOAD, 2000)
    answers, records = Answers(columns, count), [WORKLOAD.record(index) for index in range(count)]
    for asked in mix(WORKLOAD, count, 40, Random(3)):
        for name, keywords in asked.variants():
            query = Query(**keywords)
            assert answers.to(asked, name)[0] == sum(map(query.matches, records)), (name, keywords)
        assert answers.to(asked, None)[0] >= 1


def test_growth_is_by_what_a_dimension_narrowed() -> None:
    queries = mix(WORKLOAD, 1000, 3, Random(1))
    found = growths(queries, [2, 4, 2, 10, 1, 1, 1, 1, 5, 5])  # the last query was cut off
    first = dict(zip(queries[0].dimensions, (2.0, 1.0, 5.0), strict=True))
    for name, value in first.items():
        assert found[name][0] == value
    assert sum(map(len, found.values())) == 6
    figure = growth_of([2.0, 8.0] * 10)
    assert figure.value == pytest.approx(4)
    assert figure.interval is not None
    assert figure.interval[0] < 4 < figure.interval[1]
    assert growth_of([]).value is None
    assert growth_of([2.0, 3.0]).interval is None
