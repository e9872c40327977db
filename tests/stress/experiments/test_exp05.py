"""EXP-05: plans are read rightly, sides are compared rightly, and a real server shows what each sabotage breaks."""

from __future__ import annotations

import time
from array import array
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import psycopg
import pytest

from stat7.stress.context import Context
from stat7.stress.experiments import Findings, Lacking, conduct, exp05
from stat7.stress.experiments.contests import BARE, BENCH, OURS, Contest, Tally
from stat7.stress.experiments.exp05 import Extent, Ground
from stat7.stress.experiments.own_servers import own_postgresql
from stat7.stress.experiments.pgbench import Pgbench, find_pgbench, warm_rate
from stat7.stress.housing import Embedded, Given
from stat7.stress.measure import Timer
from stat7.stress.plan import Budget, Mode
from stat7.stress.results import Verdict
from stat7.stress.sabotage.servers import one_by_one, unindexed
from stat7.stress.subject import Location, Subject, Wrapper
from stat7.stress.targets import SEED
from stat7.stress.tasks.postgresql import READ, WRITE, Turn
from stat7.stress.tasks.postgresql_plans import is_indexed, shape
from stat7.stress.workers import Crew, WorkerFailed
from stat7.stress.workload import Workload
from stat7.testing.servers import PROGRAMS

SMALL = Extent(1500, 5, 0.05, 60.0)
MODE = Mode("quick", (1000,), 60.0, 0.1, 100, 0.1, 0.1)
KEY = {"Node Type": "Index Scan", "Index Name": "entities_pkey", "Index Cond": "(address = $1)"}


def context_in(folder: Path, wrap: Wrapper | None = None) -> Context:
    """A run of its own."""
    subject, budget = Subject(wrap=wrap), Budget([], 600.0)
    timer = Timer(50.0, 100.0, 100.0)
    return Context(subject, Workload(7), Embedded(folder), folder, MODE, SEED, budget, timer, cores=1)


def ground_on(url: str, folder: Path, wrap: Wrapper | None = None) -> Ground:
    """A small table, filled by an unchanged store."""
    return exp05.make_ready(context_in(folder, wrap), Location(url), True, SMALL)


@pytest.mark.parametrize(
    ("plan", "indexed"),
    [
        (KEY, True),
        ({"Node Type": "Bitmap Heap Scan", "Plans": [KEY | {"Node Type": "Bitmap Index Scan"}]}, True),
        ({"Node Type": "Seq Scan"}, False),
        (KEY | {"Index Name": "cov"}, False),
        (KEY | {"Index Cond": "(realm = 'void')"}, False),
        ({"Node Type": "Append", "Plans": [KEY, {"Node Type": "Seq Scan"}]}, False),
        ({"Node Type": "Result"}, False),
    ],
)
def test_a_plan_is_indexed_only_if_all_its_scans_are_by_a_key_of_the_address(
    plan: Mapping[str, Any], indexed: bool
) -> None:
    assert is_indexed(plan, {"entities_pkey"}) is indexed


def test_the_shape_of_a_plan_reads_from_the_inside_out() -> None:
    plan = {"Node Type": "Bitmap Heap Scan", "Plans": [{"Node Type": "Bitmap Index Scan", "Index Name": "k"}]}
    assert shape(plan) == "Bitmap Index Scan by k, then Bitmap Heap Scan"


def test_a_ratio_is_the_geometric_mean_of_the_rounds_with_an_interval() -> None:
    tally = Tally({OURS: [200.0, 50.0] * 5, BARE: [100.0] * 10})
    ratio = tally.ratio(BARE)
    assert ratio.value == pytest.approx(1.0)
    assert ratio.samples == 10
    assert ratio.interval is not None
    assert 0.4 < ratio.interval[0] < 1 < ratio.interval[1] < 2.5
    assert tally.ratio(BENCH).value is None


def test_too_few_rounds_give_a_ratio_without_an_interval() -> None:
    assert Tally({OURS: [1.0, 2.0], BARE: [1.0, 1.0]}).ratio(BARE).interval is None


def test_rounds_are_joined_to_one_course_of_time() -> None:
    def told(*ends: int) -> dict[str, Any]:
        kinds = bytes(WRITE if end % 2 else READ for end in ends)
        each = array("q", ends).tobytes()
        return {"ends": each, "durations": each, "kinds": kinds, "acknowledged": array("q", [1]).tobytes()}

    second = 1_000_000_000
    tally = Tally(ours=[[told(*range(0, second, second // 100))], [told(*range(1, second, second // 100), 3 * second)]])
    found = tally.summaries(1.0)
    assert len(found["all"].inside) == 201
    assert found["all"].window[1] == 2 * second  # what came after the end of its round ended with it
    assert len(found["read"].inside) == 101
    assert array("q", tally.acknowledged(0)).tolist() == [1, 1]


def test_the_rate_of_pgbench_leaves_out_cold_connections_and_the_end_of_the_slowest() -> None:
    second = 1_000_000
    cold = [f"0 0 {second} 0 100 0"]  # begun at 99 s
    warm = [f"{client} {at} 100 0 {100 + at // 10} {at % 10 * second // 10}" for client in "01" for at in range(1, 11)]
    late = [f"1 {at} 100 0 {100 + at // 10} {at % 10 * second // 10}" for at in range(11, 30)]
    # From the middle of 99 s and 101 s, when the first was done: 10 each of two clients in a second.
    assert warm_rate([*cold, *warm, *late]) == pytest.approx(20.0)
    with pytest.raises(WorkerFailed):
        warm_rate([])


def test_without_the_program_there_is_no_data_and_the_remedy_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(PROGRAMS, "postgres", PROGRAMS["postgres"]._replace(find=lambda: None))
    result = conduct(exp05.EXPERIMENT, context_in(tmp_path))
    assert result.verdict is Verdict.NO_DATA
    assert "make servers" in result.why
    with pytest.raises(Lacking), own_postgresql():
        pass


def test_a_sound_store_uses_the_index(postgres_url: str, tmp_path: Path) -> None:
    result = exp05.look_at_plans(ground_on(postgres_url, tmp_path))
    assert (result.verdict, result.why) == (Verdict.PASS, "all 3 targets met")
    assert result.figures["sequential_scans"].samples == 1002
    assert any("1,000, force_generic_plan" in plan for plan in result.parameters["plans"])


def test_a_store_that_misses_its_index_fails_by_its_plans_and_by_what_the_server_counted(
    postgres_url: str, tmp_path: Path
) -> None:
    result = exp05.look_at_plans(ground_on(postgres_url, tmp_path, unindexed))
    assert result.verdict is Verdict.FAIL
    assert result.figures["plans_without_the_index"].value == 6
    assert result.figures["sequential_scans"].value == 1002


def test_a_dropped_primary_key_fails_although_another_index_holds_the_address(
    postgres_url: str, tmp_path: Path
) -> None:
    ground = ground_on(postgres_url, tmp_path)
    with psycopg.connect(postgres_url, autocommit=True) as connection:
        connection.execute("ALTER TABLE stat7.entities DROP CONSTRAINT entities_pkey")
    result = exp05.look_at_plans(ground)
    assert result.verdict is Verdict.FAIL
    assert result.figures["plans_without_the_index"].value == 6


def test_a_store_that_knows_no_batches_fails_by_the_ratio(postgres_url: str, tmp_path: Path) -> None:
    ground = ground_on(postgres_url, tmp_path, one_by_one)
    contest = Contest(Turn(OURS, 1, 1000, False, 0.3), (OURS, BARE))
    with Crew([exp05.hand_of(ground, 0, 1)]) as crew:
        exp05.hold_lookups(ground, crew, contest, "database batch", "1,000")
    (result,) = ground.results
    assert result.verdict is Verdict.FAIL
    assert "ratio_to_psycopg" in result.why


def test_without_pgbench_what_is_compared_with_it_has_no_data(
    postgres_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(exp05, "find_pgbench", lambda: None)
    ground = ground_on(postgres_url, tmp_path)
    with Crew([exp05.hand_of(ground, 0, 4)]) as crew:
        exp05.hold_mixed(ground, crew, 1, 4)
    (result,) = ground.results
    assert result.verdict is Verdict.NO_DATA
    assert "make servers" in result.why
    assert result.figures["acknowledged_writes_lost"].value == 0
    assert result.figures["acknowledged_writes_lost"].samples > 5


def test_the_whole_experiment_in_small(postgres_url: str, tmp_path: Path) -> None:
    if find_pgbench() is None:
        pytest.skip("pgbench is not on this machine")
    context = context_in(tmp_path)
    findings = exp05.conduct_on(context, Location(postgres_url), True, SMALL)
    names = [(test.name, test.variant) for test in findings.tests]
    assert names == [
        ("database plan", ""),
        ("database get", "1 thread"),
        ("database get", "16 threads"),
        ("database batch", "100"),
        ("database batch", "1,000"),
        ("database mixed", "16 threads"),
        ("database mixed", "4 workers of 4 threads"),
    ]
    assert not [test.why for test in findings.tests if test.verdict is Verdict.INVALID]
    for test in findings.tests[1:]:
        assert test.figures["errors"].value == 0
        ratio = test.figures["ratio_to_pgbench"]
        assert (ratio.samples, ratio.interval is None) == (5, False)
    for test in findings.tests[-2:]:
        assert test.figures["acknowledged_writes_lost"].value == 0
        assert test.figures["acknowledged_writes_lost"].samples > 0
    assert set(findings.curves[0].lines) == {"stat7", "psycopg", "pgbench"}


def test_a_given_server_keeps_nothing_of_it(postgres_url: str, tmp_path: Path) -> None:
    with Location(postgres_url).open():
        pass
    with exp05.scratch_schema(f"{postgres_url}?schema=stat7&retries=0") as url:
        assert "schema=stat7_stress_" in url
        assert "schema=stat7&" not in url
        assert "retries=0" in url
        ground_on(url, tmp_path)
    with psycopg.connect(postgres_url, autocommit=True) as connection:
        names = connection.execute("SELECT nspname FROM pg_namespace WHERE nspname LIKE 'stat7%'").fetchall()
    assert names == [("stat7",)]


def test_a_given_postgresql_is_the_server_that_is_used(
    postgres_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    used: list[tuple[str, bool]] = []

    def note(context: Context, location: Location, own: bool, extent: Extent) -> Findings:
        used.append((location.store, own))
        return Findings()

    monkeypatch.setattr(exp05, "conduct_on", note)
    context = context_in(tmp_path)
    context.housing = Given(Location(postgres_url), Workload(7), tmp_path)
    exp05.run(context)
    ((store, own),) = used
    assert store.startswith(postgres_url)
    assert not own


def test_pgbench_that_fails_says_so_without_the_password(postgres_url: str, tmp_path: Path) -> None:
    program = find_pgbench()
    if program is None:
        pytest.skip("pgbench is not on this machine")
    bench = Pgbench(program, postgres_url, ["00" * 32], tmp_path)
    password = postgres_url.partition("@")[0].rpartition(":")[2]
    assert password not in bench._target
    begun = time.monotonic()
    with pytest.raises(WorkerFailed, match="pgbench failed") as failure:
        bench.rate(bench.gets(), 1, 0.1)  # there is no table of entities
    assert password not in str(failure.value)
    assert time.monotonic() - begun < 30
