"""EXP-01: what it proves is computed rightly, it passes on the real addresser, and each sabotage fails its check."""

from __future__ import annotations

import os
from math import log2
from pathlib import Path

import numpy as np
import pytest

from stat7.stress.experiments import conduct, exp01, find_experiment
from stat7.stress.experiments.exp01 import rate_interval
from stat7.stress.experiments.fact_cases import FactCase, groups
from stat7.stress.results import Verdict
from stat7.stress.sabotage.addresses import OrderOfASet
from stat7.stress.workload import Workload
from tests.stress.experiments.facts import conducted, context, follows_the_schema, work_here

GROUPS = [cases for cases in groups() if cases[0].experiment == "EXP-01"]


@pytest.mark.parametrize("cases", GROUPS, ids=lambda cases: cases[0].name)
def test_each_sabotage_is_caught_by_the_check_that_is_there_for_it(
    cases: list[FactCase], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    work_here(monkeypatch, apart=any(case.sound or case.test == "agreement" for case in cases))
    result = conducted(cases[0], tmp_path)
    for case in cases:
        assert case.caught_by(result), f"{case.test}: {[(test.name, test.verdict, test.why) for test in result.tests]}"


def test_with_workers_of_its_own_it_says_what_zero_collisions_prove(tmp_path: Path) -> None:
    result = conduct(find_experiment("EXP-01"), context(tmp_path))
    assert result.verdict is Verdict.PASS, result.why
    figures = {test.name: test.figures for test in result.tests}
    assert figures["uniqueness"]["bits_proven"].value == pytest.approx(log2(3000 * 2999 / 2 / 3), abs=0.05)
    interval = figures["uniqueness"]["collisions_per_pair"].interval
    assert interval is not None
    assert interval[1] == pytest.approx(3 / (3000 * 2999 / 2))
    assert figures["injectivity"]["unchanged_by_a_change"].samples >= 1000
    assert figures["agreement"]["differing_from_template"].samples == 3000
    assert [curve.title[:7] for curve in result.curves] == ["Balance"]
    assert follows_the_schema(result)


def test_collisions_that_were_found_bound_the_rate_on_both_sides() -> None:
    assert rate_interval(0) == (0, 3)
    for found, low, high in ((4, 1.090, 10.242), (100, 81.36, 121.63)):
        assert rate_interval(found)[0] == pytest.approx(low, abs=0.01)
        assert rate_interval(found)[1] == pytest.approx(high, abs=0.01)


def test_the_seed_of_the_built_in_hash_is_lent_for_a_while(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONHASHSEED", "77")
    with exp01._hash_seed("5"):
        assert os.environ["PYTHONHASHSEED"] == "5"
    assert os.environ["PYTHONHASHSEED"] == "77"
    monkeypatch.delenv("PYTHONHASHSEED")
    with exp01._hash_seed("5"):
        pass
    assert "PYTHONHASHSEED" not in os.environ


def test_without_processes_that_differ_there_is_nothing_to_judge(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    work_here(monkeypatch, apart=True)
    monkeypatch.setattr(exp01, "_SEEDS", ("3", "3"))
    result = conduct(find_experiment("EXP-01"), context(tmp_path, scale=300))
    assert {test.name: test.verdict for test in result.tests}["agreement"] is Verdict.NO_DATA


def test_pairs_of_many_addresses_follow_the_expectation() -> None:
    digests = np.random.default_rng(5).integers(0, 256, size=(150_000, 32), dtype=np.uint8)
    curve = exp01._pairs_by_count(digests)
    observed = {point.x: point for point in curve.lines["observed"]}
    expected = curve.lines["expected of random numbers"]
    assert len(expected) >= 3
    assert expected[-1].y == pytest.approx(8 * 150_000 * 149_999 / 2 / 2**28)
    for point in expected:
        low, high = observed[point.x].interval or (0, 0)
        assert 0.6 * low < point.y < 1.5 * high


def test_bits_that_are_balanced_too_well_are_as_suspicious_as_bits_that_are_not(tmp_path: Path) -> None:
    run = context(tmp_path)
    for deviations, verdict in (
        (np.random.default_rng(3).normal(size=256), Verdict.PASS),
        (np.zeros(256), Verdict.FAIL),
        (np.full(256, 2.5), Verdict.FAIL),
    ):
        assert exp01._balance(run, 1000, deviations).verdict is verdict
    curve = exp01._distribution(np.random.default_rng(3).normal(size=256))
    for line in curve.lines.values():
        assert sum(point.y for point in line) == pytest.approx(256)


def test_neighbours_in_the_order_of_a_set_are_stable_within_a_process_and_distinct() -> None:
    addresser, workload = OrderOfASet(), Workload(7)
    once = [addresser.address(workload.document(index)) for index in range(200)]
    assert once == [addresser.record(workload.line(index)).address for index in range(200)]
    assert len(set(once)) == 200
