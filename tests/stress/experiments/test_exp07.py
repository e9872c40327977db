"""EXP-07: what a load tells of a kill is read rightly, and each check catches the store that is made for it."""

from __future__ import annotations

from array import array
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from stat7.stress.context import Context
from stat7.stress.experiments import conduct, disturbance, exp07
from stat7.stress.experiments.disturbance import SECOND, Happened, Load
from stat7.stress.experiments.exp07 import Extent
from stat7.stress.experiments.server_cases import CASES, LOSSY, ServerCase, undisturbed
from stat7.stress.housing import Embedded
from stat7.stress.measure import Timer
from stat7.stress.plan import Budget, Mode
from stat7.stress.results import TestResult, Verdict
from stat7.stress.sabotage.servers import hanging, one_by_one, one_is_enough, stale, unindexed
from stat7.stress.subject import Subject, Wrapper
from stat7.stress.targets import SEED
from stat7.stress.tasks.availability import ANSWERED, READ, REFUSED, STALE, WRITE
from stat7.stress.workload import Workload
from stat7.testing.servers import PROGRAMS, Cassandra, PostgreSQL

SMALL = Extent(60, 1, 3, 3.0, 4.0, 3.0, 120.0)
MODE = Mode("quick", (1000,), 60.0, 0.1, 100, 0.1, 0.1)


def context_in(folder: Path, wrap: Wrapper | None = None) -> Context:
    """A run of its own."""
    subject, budget, timer = Subject(wrap=wrap), Budget([], 600.0), Timer(50.0, 100.0, 100.0)
    return Context(subject, Workload(7), Embedded(folder), folder, MODE, SEED, budget, timer, cores=1)


def load_of(*operations: tuple[float, float, int, int, int]) -> Load:
    """Operations as (start, end, kind, outcome, touched), times in seconds."""
    starts, ends, kinds, outcomes, touched = (list(column) for column in zip(*operations, strict=True))
    return Load(
        (np.array(starts) * SECOND).astype(np.int64),
        (np.array(ends) * SECOND).astype(np.int64),
        np.array(touched, dtype=np.int64),
        np.array(kinds, dtype=np.uint8),
        np.array(outcomes, dtype=np.uint8),
        np.zeros(len(operations), dtype=np.int64),
        [(0, array("q").tobytes())],
        0,
        ["the first error"],
    )


def answers(*ends: float) -> Load:
    """Reads that were answered at once."""
    return load_of(*((end - 0.01, end, READ, ANSWERED, 0) for end in ends))


def seconds(value: float) -> int:
    """In ns."""
    return int(value * SECOND)


def test_the_longest_gap_counts_from_the_kill_and_to_the_end() -> None:
    load = answers(0.5, 1.0, 3.5, 4.0)
    assert disturbance.longest_gap(load, seconds(0.9), seconds(4.5)) == pytest.approx(2.5)
    assert disturbance.longest_gap(load, seconds(0.9), seconds(9.0)) == pytest.approx(5.0)


def test_what_was_refused_ends_no_gap() -> None:
    load = load_of((0.9, 1.0, READ, ANSWERED, 0), (1.9, 2.0, READ, REFUSED, 0), (3.9, 4.0, READ, ANSWERED, 0))
    assert disturbance.longest_gap(load, seconds(1.0), seconds(4.0)) == pytest.approx(3.0)
    assert load.refused((READ,), seconds(1.5), seconds(3)) == 1
    assert load.refused((WRITE,), seconds(1.5), seconds(3)) == 0


def test_a_load_has_recovered_when_its_rate_stays_up() -> None:
    up = [at / 10 for at in range(100)]
    down = answers(*up, *(20 + at / 10 for at in range(50)))
    assert disturbance.recovered_after(down, seconds(10), seconds(25), 5.0) == pytest.approx(10.0)
    assert disturbance.recovered_after(down, seconds(10), seconds(19), 5.0) is None


def test_the_rate_over_time_has_an_interval() -> None:
    rate = disturbance.rate(answers(*(at / 10 for at in range(100))), 0, seconds(10))
    assert rate.value == pytest.approx(10.0)
    assert rate.samples == 20
    assert rate.interval is not None


def test_each_operation_is_compared_with_the_map_of_shards() -> None:
    dead, other, both = 0b010, 0b100, 0b110
    load = load_of(
        (10.0, 10.1, READ, REFUSED, dead),  # in the moment of the kill: not counted
        (12.0, 12.1, READ, REFUSED, dead),
        (12.0, 12.1, READ, ANSWERED, other),
        (12.0, 12.1, WRITE, REFUSED, both),
        (13.0, 13.1, READ, ANSWERED, dead),  # which can't be
        (14.0, 14.1, READ, REFUSED, other),  # nor may this
    )
    happened = Happened(0, {"kill": (seconds(10), seconds(10.2)), "return": (seconds(20), seconds(21))})
    found = exp07.by_the_map(load, happened, load.concerns(1))
    values = {name: figure.value for name, figure in found.items()}
    assert (values["unavailable_by_the_map"], values["unavailable"], values["answered"]) == (3, 3, 2)
    assert (values["answered_though_down"], values["refused_though_up"]) == (1, 1)
    assert values["slowest_refusal"] == pytest.approx(0.1)


def test_stale_answers_are_wrong() -> None:
    assert answers(1.0).wrong() is None
    assert "1 stale" in str(load_of((0.0, 1.0, READ, STALE, 0)).wrong())


def test_without_the_programs_each_part_says_what_it_takes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("cassandra", "postgres"):
        monkeypatch.setitem(PROGRAMS, name, PROGRAMS[name]._replace(find=lambda: None))
    result = conduct(exp07.EXPERIMENT, context_in(tmp_path))
    assert result.verdict is Verdict.NO_DATA
    assert [test.name for test in result.tests] == ["distributed lookup", "node killed", "shard killed"]
    assert all("make servers" in test.why for test in result.tests)


@pytest.mark.parametrize("case", [case for case in CASES if case.try_it is undisturbed], ids=lambda case: case.name)
def test_what_is_lost_and_what_is_stale_is_seen_and_a_sound_store_not_accused(case: ServerCase, tmp_path: Path) -> None:
    result = case.tried(context_in(tmp_path))
    assert case.caught_by(result), (result.verdict, result.why)
    assert result.figures["acknowledged_writes_lost"].samples > 20


def test_every_sabotage_of_servers_is_in_the_matrix() -> None:
    tried = {(case.experiment, case.wrap) for case in CASES}
    assert tried >= {("EXP-05", unindexed), ("EXP-05", one_by_one)}
    assert tried >= {("EXP-07", wrap) for wrap in (None, LOSSY, stale, hanging, one_is_enough)}


@pytest.fixture
def shards(start_server: Callable[[Any], Any]) -> Sequence[PostgreSQL]:
    """Three servers, one of which a test may kill."""
    return [start_server(PostgreSQL({"max_connections": "40"})) for _ in range(3)]


def killed_shard(servers: Sequence[PostgreSQL], folder: Path, wrap: Wrapper | None) -> TestResult:
    ground = exp07.shards_ground(context_in(folder, wrap), SMALL, servers)
    exp07.fill(ground)
    result, curve = exp07.kill_one_shard(ground, servers)
    assert len(curve.lines) == 2
    return result


def test_a_dead_shard_makes_unavailable_what_it_holds_and_nothing_else(
    shards: Sequence[PostgreSQL], tmp_path: Path
) -> None:
    result = killed_shard(shards, tmp_path, None)
    figures = result.figures
    assert result.verdict is Verdict.PASS, result.why
    assert figures["unavailable"].value == figures["unavailable_by_the_map"].value
    assert (figures["unavailable"].value or 0) > 10
    assert (figures["answered"].value or 0) > 10
    assert figures["acknowledged_writes_lost"].value == 0


def test_a_client_that_hangs_on_the_dead_fails_by_the_gap(shards: Sequence[PostgreSQL], tmp_path: Path) -> None:
    ground = exp07.shards_ground(context_in(tmp_path, hanging), Extent(60, 1, 3, 3.0, 8.0, 3.0, 120.0), shards)
    exp07.fill(ground)
    result, _ = exp07.kill_one_shard(ground, shards)
    assert result.verdict is Verdict.FAIL
    assert "longest_gap" in result.why


def test_a_cluster_goes_on_without_one_node_and_refuses_without_two(
    cassandra_cluster: Cassandra, tmp_path: Path
) -> None:
    ground = exp07.cassandra_ground(context_in(tmp_path), SMALL, cassandra_cluster)
    exp07.fill(ground)
    (before, killed), curve = exp07.kill_one_node(ground, cassandra_cluster)
    assert before.verdict is not Verdict.INVALID, before.why
    assert killed.verdict is Verdict.PASS, killed.why
    assert [name for name in killed.figures if name.startswith("failed")] == ["failed_reads", "failed_writes"]
    assert curve.lines["answers"][0].x < 0 < curve.lines["answers"][-1].x
    refused = exp07.kill_two_nodes(ground, cassandra_cluster)
    assert refused.verdict is Verdict.PASS, refused.why


def test_a_store_that_doesnt_wait_for_the_quorum_answers_where_it_may_not(
    cassandra_cluster: Cassandra, tmp_path: Path
) -> None:
    ground = exp07.cassandra_ground(context_in(tmp_path, one_is_enough), SMALL, cassandra_cluster)
    exp07.fill(ground)
    result = exp07.kill_two_nodes(ground, cassandra_cluster)
    assert result.verdict is Verdict.FAIL
    assert "answered_without_quorum" in result.why
