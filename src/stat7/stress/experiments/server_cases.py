"""The matrix of EXP-05 and EXP-07: what each of their checks must catch, tried in small on servers started for it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final

from stat7.registry import anchored
from stat7.stress.context import Context
from stat7.stress.experiments import disturbance, exp05, exp07
from stat7.stress.experiments.contests import BARE, OURS, Contest
from stat7.stress.experiments.disturbance import Scene
from stat7.stress.experiments.own_servers import own_cassandra, own_postgresql
from stat7.stress.results import TestResult, Verdict
from stat7.stress.sabotage.servers import hanging, one_by_one, one_is_enough, stale, unindexed
from stat7.stress.sabotage.stores import Lossy
from stat7.stress.subject import Location, Wrapper
from stat7.stress.tasks.postgresql import Turn
from stat7.stress.workers import Crew
from stat7.stress.workload import Workload

TABLE: Final = exp05.Extent(1500, 5, 0.3, 60.0)
LOAD: Final = exp07.Extent(60, 1, 3, 3.0, 4.0, 3.0, 120.0)
LONG_DEATH: Final = exp07.Extent(60, 1, 3, 3.0, 8.0, 3.0, 120.0)
"""Longer than what a client that hangs may hang."""

LOSSY: Final = Lossy(20)

Try = Callable[[Context], TestResult]


@dataclass(frozen=True, slots=True)
class ServerCase:
    """A sabotage (None: nothing is wrong), the try that must come out with `verdict`, and part of its reason.

    `try_it` starts what it needs and raises Lacking where that can't be had.
    """

    name: str
    experiment: str
    test: str
    wrap: Wrapper | None
    try_it: Try
    verdict: Verdict
    phrase: str = ""

    @property
    def sound(self) -> bool:
        """Whether nothing is wrong."""
        return self.wrap is None

    def tried(self, context: Context) -> TestResult:
        """The test on the sabotaged subject. Raises Lacking and WorkerFailed."""
        return self.try_it(replace(context, subject=replace(context.subject, wrap=self.wrap)))

    def caught_by(self, result: TestResult) -> bool:
        """Whether the named check caught it, or found nothing where there is nothing."""
        return result.name == self.test and result.verdict is self.verdict and self.phrase in result.why


def plans(context: Context) -> TestResult:
    """The plans of a small table."""
    with own_postgresql() as (server,):
        ground = exp05.make_ready(context, Location(server.create_database()), True, TABLE)
        return exp05.look_at_plans(ground)


def batches(context: Context) -> TestResult:
    """A thousand addresses at a time, against the bare driver."""
    with own_postgresql() as (server,):
        ground = exp05.make_ready(context, Location(server.create_database()), True, TABLE)
        contest = Contest(Turn(OURS, 1, 1000, False, TABLE.seconds), (OURS, BARE))
        with Crew([exp05.hand_of(ground, 0, 1)]) as crew:
            exp05.hold_lookups(ground, crew, contest, "database batch", "1,000")
        return ground.results[0]


def undisturbed(context: Context) -> TestResult:
    """The load of EXP-07 on an embedded store, to which nothing is done."""
    location = Location(anchored("sqlite:undisturbed.db", context.folder))
    ground = exp07.Ground(context, LOAD, location, Workload(context.workload.seed, "distributed/"))
    exp07.fill(ground)
    tasks = ground.tasks(0)
    load, happened = disturbance.play(context, tasks, [Scene(LOAD.before / 2, "end", exp07.let_be)])
    return exp07.steady(ground, load, happened.begun, happened.times["end"][0], "1 node", tasks)


def dead_shard(context: Context) -> TestResult:
    """One of three shards killed."""
    with own_postgresql(exp07.SHARDS) as servers:
        ground = exp07.shards_ground(context, LONG_DEATH, servers)
        exp07.fill(ground)
        return exp07.kill_one_shard(ground, servers)[0]


def no_quorum(context: Context) -> TestResult:
    """Two of three nodes killed."""
    with own_cassandra(3) as cluster:
        ground = exp07.cassandra_ground(context, LOAD, cluster)
        exp07.fill(ground)
        return exp07.kill_two_nodes(ground, cluster)


CASES: Final = (
    ServerCase("nothing (control)", "EXP-05", "database plan", None, plans, Verdict.PASS),
    ServerCase("a store that misses its index", "EXP-05", "database plan", unindexed, plans, Verdict.FAIL,
               "plans_without_the_index"),
    ServerCase("a store that gets batches one by one", "EXP-05", "database batch", one_by_one, batches, Verdict.FAIL,
               "ratio_to_psycopg"),
    ServerCase("nothing (control)", "EXP-07", "distributed lookup", None, undisturbed, Verdict.PASS),
    ServerCase("a store that loses 1 put in 20", "EXP-07", "distributed lookup", LOSSY, undisturbed,
               Verdict.INVALID, "acknowledged writes read back"),
    ServerCase("a store whose reads are stale", "EXP-07", "distributed lookup", stale, undisturbed, Verdict.INVALID,
               "stale"),
    ServerCase("nothing (control)", "EXP-07", "shard killed", None, dead_shard, Verdict.PASS),
    ServerCase("a client that hangs on a dead shard", "EXP-07", "shard killed", hanging, dead_shard, Verdict.FAIL,
               "longest_gap"),
    ServerCase("nothing (control)", "EXP-07", "node killed", None, no_quorum, Verdict.PASS),
    ServerCase("one node's word taken for the quorum's", "EXP-07", "node killed", one_is_enough, no_quorum,
               Verdict.FAIL, "answered_without_quorum"),
)  # fmt: skip
"""What EXP-05 and EXP-07 must catch. The last two start three Cassandra nodes, which takes minutes."""
