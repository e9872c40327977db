"""EXP-07, distributed lookup: Cassandra at QUORUM on one node and on three, of which one is killed under load and then
a second; and PostgreSQL in three shards, of which one is killed.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from stat7.errors import Stat7Error
from stat7.stress.context import SILENCE, Context, Outcome
from stat7.stress.experiments import Experiment, Findings, Lacking, disturbance
from stat7.stress.experiments.claims import judged
from stat7.stress.experiments.disturbance import SECOND, Happened, Load, Mask, Scene
from stat7.stress.experiments.own_servers import own_cassandra, own_postgresql
from stat7.stress.experiments.shards import make_shards
from stat7.stress.results import Curve, Figure, Point, Target, TestResult, exact
from stat7.stress.subject import Location
from stat7.stress.tasks.availability import ANSWERED, LOOK, READ, REFUSED, WRITE, AskAnyway, KeepGoing
from stat7.stress.tasks.postgresql import FillTable
from stat7.stress.workers import Crew, WorkerFailed, run_together
from stat7.stress.workload import Workload
from stat7.testing.servers import Cassandra, PostgreSQL

CLAIM: Final = (
    "a cluster of three goes on without one of its nodes: nothing fails, nothing acknowledged is lost; and of sharded "
    "PostgreSQL only what the dead shard holds is unavailable"
)
METHOD: Final = (
    "Workers read, write and look for what they wrote, as fast as they are answered, at QUORUM, without retries other "
    "than the driver's. Under that load one of three Cassandra nodes, or one of three PostgreSQL shards, is killed "
    "(kill -9) and started again later. Every read is hashed again, every write that was acknowledged read back at the "
    "end; of the shards each single operation is compared with what the map of shards says about it. Then two nodes "
    "are killed, and what is asked must be refused in time."
)
THREATS: Final = (
    "all nodes share one machine: rates of three nodes say nothing about three machines",
    "a killed process closes its connections; a machine that vanishes doesn't, and is found out by heartbeats",
    "one kill in a run: how long the disturbance lasts differs from time to time",
)

FIRST_WRITE: Final = 10**15
ROOM: Final = 10**9
DEAD: Final = 1
"""The number of the node, and of the shard, that is killed."""

SHARDS: Final = 3
GRACE: Final = 1.0
"""Seconds after the kill in which a dying shard may still answer what was under way."""

TIMEOUT: Final = 10.0
"""Seconds that the store's requests may take, by default."""

STEADY_TARGETS: Final = (Target("errors", "==", 0, "operations"),)
KILLED_TARGETS: Final = (
    Target("failed_reads", "==", 0, "operations"),
    Target("failed_writes", "==", 0, "operations"),
    Target("hung", "==", 0, "threads"),
    Target("longest_gap", "<=", 5, "s"),
    Target("not_recovered", "==", 0, "loads"),
    Target("recovery", "<=", 15, "s"),
)
QUORUM_TARGETS: Final = (
    Target("answered_without_quorum", "==", 0, "operations"),
    Target("slowest_refusal", "<=", TIMEOUT + 2, "s"),
)
SHARD_TARGETS: Final = (
    Target("answered_though_down", "==", 0, "operations"),
    Target("refused_though_up", "==", 0, "operations"),
    Target("hung", "==", 0, "threads"),
    Target("longest_gap", "<=", 5, "s"),
    Target("slowest_refusal", "<=", 10, "s"),
    Target("not_recovered", "==", 0, "loads"),
    Target("recovery", "<=", 15, "s"),
)


@dataclass(frozen=True, slots=True)
class Extent:
    """How much is done: entities stored beforehand, workers, threads of each; seconds before, during and after."""

    entities: int
    workers: int
    threads: int
    before: float
    during: float
    after: float
    limit: float = 300.0


EXTENTS: Final = {"quick": Extent(500, 2, 4, 8.0, 8.0, 6.0), "full": Extent(5000, 2, 4, 30.0, 40.0, 30.0)}


@dataclass(frozen=True, slots=True)
class Ground:
    """Where it takes place."""

    context: Context
    extent: Extent
    location: Location
    workload: Workload
    shards: Path | None = None

    def tasks(self, part: int) -> list[KeepGoing]:
        """The load; each `part` of the experiment has entities of its own to write."""
        extent, stop = self.extent, self.context.folder / f"stop-{part}"
        first = FIRST_WRITE + part * 100 * ROOM
        return [
            KeepGoing(
                self.context.subject,
                self.location,
                self.workload,
                extent.entities,
                extent.threads,
                first + worker * ROOM,
                extent.limit,
                stop,
                self.shards,
            )
            for worker in range(extent.workers)
        ]


def run(context: Context) -> Findings:
    """The cluster, then the shards; what can't be run here says so in the place of its tests."""
    extent = EXTENTS.get(context.mode.name, EXTENTS["quick"])
    tests: list[TestResult] = []
    curves: list[Curve] = []
    parts: Sequence[tuple[str, Callable[[Context, Extent], Findings]]] = (
        ("distributed lookup", _on_one_node),
        ("node killed", _on_three_nodes),
        ("shard killed", _on_shards),
    )
    for name, part in parts:
        outcome = Outcome(name, extent.entities, CLAIM)
        try:
            found = part(context, extent)
        except Lacking as error:
            outcome.lacking = str(error)
            found = Findings([outcome.judged(context)])
        except (WorkerFailed, Stat7Error, OSError) as error:
            # The other parts are measured all the same.
            outcome.invalid = f"the measurement broke off: {error}"
            found = Findings([outcome.judged(context)])
        tests += found.tests
        curves += found.curves
    rates = _by_nodes(tests)
    return Findings(
        tests,
        [*([rates] if rates.lines else []), *curves],
        {"workers": extent.workers, "threads_of_each": extent.threads},
    )


def _by_nodes(tests: Sequence[TestResult]) -> Curve:
    """Operations a second on one node and on three."""
    points = [
        Point(float(test.variant.split()[0]), figure.value, figure.interval)
        for test in tests
        if test.name == "distributed lookup" and (figure := test.figures.get("operations_per_second"))
        if figure.value is not None
    ]
    lines = {"seven of ten read, three write": points} if points else {}
    return Curve("Cassandra on one node and on three", "nodes", "1", "operations a second", "1/s", lines)


# Cassandra


def _on_one_node(context: Context, extent: Extent) -> Findings:
    with own_cassandra(1) as cluster:
        ground = cassandra_ground(context, extent, cluster)
        fill(ground)
        load, happened = disturbance.play(context, ground.tasks(0), [Scene(extent.before, "end", let_be)])
        return Findings([steady(ground, load, happened.begun, happened.times["end"][0], "1 node", ground.tasks(0))])


def _on_three_nodes(context: Context, extent: Extent) -> Findings:
    with own_cassandra(3) as cluster:
        ground = cassandra_ground(context, extent, cluster)
        fill(ground)
        tests, curve = kill_one_node(ground, cluster)
        return Findings([*tests, kill_two_nodes(ground, cluster)], [curve])


def cassandra_ground(context: Context, extent: Extent, cluster: Cassandra) -> Ground:
    """A new keyspace, each row kept on every node; no retries but the driver's."""
    hosts = ",".join(cluster.contact_points)
    options = f"replication={len(cluster.nodes)}&timeout={TIMEOUT:g}&retries=0"
    url = f"cassandra://{hosts}:{cluster.port}/{cluster.keyspace()}?{options}"
    return Ground(context, extent, Location(url), Workload(context.workload.seed, "distributed/"))


def fill(ground: Ground) -> None:
    """Store the entities that are read."""
    task = FillTable(ground.location, ground.workload, 0, ground.extent.entities, ground.extent.limit)
    (found,) = run_together([task], seconds=ground.extent.limit, prepare_seconds=2 * SILENCE)
    if found["done"] < ground.extent.entities:
        raise Lacking(f"storing {ground.extent.entities:,} entities took over {ground.extent.limit:g} s here")


def steady(ground: Ground, load: Load, begin: int, end: int, variant: str, tasks: Sequence[KeepGoing]) -> TestResult:
    """The load while nothing is done to the nodes."""
    outcome = Outcome("distributed lookup", ground.extent.entities, CLAIM, variant)
    outcome.summaries = disturbance.summaries(load, begin, end)
    figures = outcome.summaries["read"].figures("read_") | outcome.summaries["write"].figures("write_")
    total = outcome.summaries["all"].figures(rate="operations_per_second")["operations_per_second"]
    errors = load.refused((READ, WRITE, LOOK), begin, end)
    outcome.figures = {"operations_per_second": total, **figures}
    outcome.figures["errors"] = exact(errors, "operations", int(load.between(begin, end).sum()))
    outcome.invalid = _lost(outcome, load, tasks) or load.wrong()
    return judged(outcome, ground.context, STEADY_TARGETS)


def kill_one_node(ground: Ground, cluster: Cassandra) -> tuple[list[TestResult], Curve]:
    """Kill a node under load, start it again, and see what became of the load."""
    extent = ground.extent
    scenes = [
        Scene(extent.before, "kill", lambda: cluster.kill(DEAD)),
        Scene(extent.during, "return", lambda: cluster.start(DEAD)),
        Scene(extent.after, "end", let_be),
    ]
    tasks = ground.tasks(1)
    load, happened = disturbance.play(ground.context, tasks, scenes)
    killed = happened.times["kill"][0]
    before = steady(ground, load, happened.begun, killed, "3 nodes", tasks)
    outcome = Outcome("node killed", extent.entities, CLAIM, "1 of 3", timed=True)
    outcome.figures = {**_failed(load, killed), **_course(load, happened, "kill")}
    outcome.figures |= {"hung": exact(load.hung, "threads", extent.workers * extent.threads)}
    outcome.parameters = {"killed": f"node {DEAD + 1}", "error": load.errors[0] if load.errors else ""}
    outcome.invalid = _lost(outcome, load, tasks) or load.wrong()
    lines = {"answers": disturbance.line(load, happened, killed)}
    title = "Cassandra while one of three nodes is killed, at 0 s, and comes back"
    curve = Curve(title, "time since the kill", "s", "answers a second", "1/s", lines)
    return [before, judged(outcome, ground.context, KILLED_TARGETS)], curve


def kill_two_nodes(ground: Ground, cluster: Cassandra) -> TestResult:
    """With two of three nodes dead nothing may be answered, and nobody may wait longer than the time-out."""
    outcome = Outcome("node killed", ground.extent.entities, CLAIM, "2 of 3", timed=True)
    first = FIRST_WRITE + 5 * 100 * ROOM
    hand = AskAnyway(ground.context.subject, ground.location, ground.workload, first, reads=10, writes=4)
    with Crew([hand], 2 * SILENCE) as crew:
        for node in (DEAD, DEAD + 1):
            cluster.kill(node)
        (found,) = crew.order("ask", 10 * TIMEOUT)
    asked = hand.reads + hand.writes
    waited = found["seconds"]
    outcome.figures = {
        "answered_without_quorum": exact(found["answered"], "operations", asked),
        "slowest_refusal": _seen(max(waited, default=None), "s"),
    }
    outcome.parameters = {"reads": hand.reads, "writes": hand.writes, "time_out_seconds": TIMEOUT}
    return judged(outcome, ground.context, QUORUM_TARGETS)


# Shards


def _on_shards(context: Context, extent: Extent) -> Findings:
    with own_postgresql(SHARDS) as servers:
        ground = shards_ground(context, extent, servers)
        fill(ground)
        result, curve = kill_one_shard(ground, servers)
        return Findings([result], [curve])


def shards_ground(context: Context, extent: Extent, servers: Sequence[PostgreSQL]) -> Ground:
    """A new set of shards, one on each server; nothing is tried again."""
    urls = [f"{server.create_database()}?retries=0" for server in servers]
    file = make_shards(urls, context.folder)
    return Ground(context, extent, Location(f"shards:{file}"), Workload(context.workload.seed, "distributed/"), file)


def kill_one_shard(ground: Ground, servers: Sequence[PostgreSQL]) -> tuple[TestResult, Curve]:
    """Kill one shard's server under load, start it again; compare each operation with the map of shards."""
    extent = ground.extent
    scenes = [
        Scene(extent.before / 2, "kill", servers[DEAD].kill),
        Scene(extent.during, "return", servers[DEAD].start),
        Scene(extent.after, "end", let_be),
    ]
    tasks = ground.tasks(2)
    load, happened = disturbance.play(ground.context, tasks, scenes)
    outcome = Outcome("shard killed", extent.entities, CLAIM, f"1 of {SHARDS}", timed=True)
    held_by_dead = load.concerns(DEAD)
    outcome.figures = {
        **by_the_map(load, happened, held_by_dead),
        **_course(load, happened, "kill", held_by_dead),
        "hung": exact(load.hung, "threads", extent.workers * extent.threads),
    }
    outcome.parameters = {"killed": f"shard {DEAD}", "error": load.errors[0] if load.errors else ""}
    outcome.invalid = _lost(outcome, load, tasks) or load.wrong()
    killed = happened.times["kill"][0]
    lines = {
        "what the killed shard holds": disturbance.line(load, happened, killed, held_by_dead),
        "all else": disturbance.line(load, happened, killed, ~held_by_dead),
    }
    title = "Sharded PostgreSQL while one of three shards is killed, at 0 s, and comes back"
    curve = Curve(title, "time since the kill", "s", "answers a second", "1/s", lines)
    return judged(outcome, ground.context, SHARD_TARGETS), curve


def by_the_map(load: Load, happened: Happened, held_by_dead: Mask) -> dict[str, Figure]:
    """Of all that began and ended while the shard was down: what was refused, and what the map says had to be."""
    begin, end = happened.times["kill"][1] + int(GRACE * SECOND), happened.times["return"][0]
    meant = (load.starts >= begin) & (load.ends < end)
    refused = load.outcomes == REFUSED
    count = int(meant.sum())

    def counted(mask: Mask) -> Figure:
        return exact(int((meant & mask).sum()), "operations", count)

    return {
        "unavailable_by_the_map": counted(held_by_dead),
        "unavailable": counted(refused),
        "answered": counted(~refused),
        "answered_though_down": counted(held_by_dead & ~refused),
        # These in all the time of the run.
        "refused_though_up": exact(int((refused & ~held_by_dead).sum()), "operations", int((~held_by_dead).sum())),
        "slowest_refusal": _seen(disturbance.slowest(load, refused) if refused.any() else None, "s"),
    }


# Both


def _failed(load: Load, since: int) -> dict[str, Figure]:
    """What was refused from the kill on."""
    end = int(load.ends.max()) + 1
    after = load.ends >= since
    counts = {
        name: (load.refused(kinds, since, end), int((after & ((load.kinds == WRITE) == (kinds == (WRITE,)))).sum()))
        for name, kinds in (("failed_reads", (READ, LOOK)), ("failed_writes", (WRITE,)))
    }
    return {name: exact(failed, "operations", asked) for name, (failed, asked) in counts.items()}


def _course(load: Load, happened: Happened, name: str, held_by_dead: Mask | None = None) -> Mapping[str, Figure]:
    """Rates before, during and after; the longest gap; how long until the rate was back, of half of that before.

    Where shards are, the gap is that of what the others hold, and the recovery that of the dead one after its return.
    """
    (killed, _), (returned, back) = happened.times[name], happened.times["return"]
    end = happened.times["end"][0]
    before = disturbance.rate(load, happened.begun, killed)
    others = None if held_by_dead is None else ~held_by_dead
    figures = {
        "before_per_second": before,
        "during_per_second": disturbance.rate(load, killed, returned),
        "returning_per_second": disturbance.rate(load, returned, back),
        "after_per_second": disturbance.rate(load, back, end),
        "longest_gap": _seen(disturbance.longest_gap(load, killed, end, others), "s"),
        "return_took": _seen((back - returned) / SECOND, "s"),
    }
    since = killed if held_by_dead is None else returned
    found = disturbance.recovered_after(load, since, end, (before.value or 0.0) / 2)
    if held_by_dead is not None:
        found = _first_answer(load, held_by_dead, returned)
    figures["recovery"] = _seen(found, "s")
    figures["not_recovered"] = exact(int(found is None), "loads", 1)
    return figures


def _first_answer(load: Load, mask: Mask, since: int) -> float | None:
    """Seconds from then until the first answer among these."""
    ends = load.ends[mask & (load.outcomes == ANSWERED) & (load.starts >= since)]
    return (int(ends.min()) - since) / SECOND if len(ends) else None


def _seen(value: float | None, unit: str) -> Figure:
    """What was seen once, in this run; None where it didn't come about."""
    if value is not None:
        return Figure(value, unit, 1, (value, value))
    return Figure(None, unit, 0)


def _lost(outcome: Outcome, load: Load, tasks: Sequence[KeepGoing]) -> str | None:
    """Read back all that was acknowledged."""
    missing, looked = disturbance.lost(load, tasks[0])
    outcome.figures["acknowledged_writes_lost"] = exact(missing, "writes", looked)
    if not missing:
        return None
    return f"acknowledged writes read back: {missing} of {looked} are not there as they were put"


def let_be() -> None:
    """Let the load be."""


EXPERIMENT: Final = Experiment(
    "EXP-07",
    "Distributed lookup",
    CLAIM,
    METHOD,
    THREATS,
    run,
    needs="Cassandra, with 3 GB of memory for three nodes, and PostgreSQL",
)
