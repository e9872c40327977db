"""EXP-05, database lookups: PostgreSQL by indexed address, one at a time, in batches and in many threads, against the
bare driver and against pgbench.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from random import Random
from typing import Any, Final
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

from stat7.stress.context import SILENCE, Context, Outcome
from stat7.stress.experiments import Experiment, Findings, Lacking
from stat7.stress.experiments.claims import judged
from stat7.stress.experiments.contests import BARE, BENCH, OURS, Contest, Tally, compete
from stat7.stress.experiments.own_servers import own_postgresql
from stat7.stress.experiments.pgbench import HOW_TO_INSTALL, Pgbench, find_pgbench
from stat7.stress.housing import Given
from stat7.stress.results import Curve, Point, Target, TestResult, exact
from stat7.stress.subject import Location
from stat7.stress.targets import PROFILES
from stat7.stress.tasks.postgresql import FillTable, Pooled, Turn, store_under
from stat7.stress.tasks.postgresql_plans import LookAtPlans
from stat7.stress.tasks.writing import ReadBack
from stat7.stress.workers import Crew, run_together
from stat7.stress.workload import Workload

CLAIM: Final = (
    "PostgreSQL finds an entity by its address in the index, about as fast as its own driver does without checking "
    "what it reads"
)
METHOD: Final = (
    "A table is filled with entities. The statements that the store runs are explained on a connection set as the "
    "store's are, and the server's own count of scans is compared with what was asked. Then the store, the bare driver "
    "psycopg and pgbench run the same statements on the same random addresses by turns, round after round; a ratio is "
    "the geometric mean over the rounds. Every document is hashed again, every acknowledged write read back."
)
THREATS: Final = (
    "client and server share one machine unless --store names a server elsewhere",
    "pgbench looks up each address by a number in a small table first, and gets documents as hexadecimal text",
    "the threads of one worker share Python's interpreter lock, pgbench's don't",
    "the table is one of the experiment's own, in a schema of its own: a larger one may not fit the server's memory",
)
BATCHES: Final = (100, 1000)
THREADS: Final = 16
WORKERS: Final = 4
KEYS: Final = 10_000
FIRST_WRITE: Final = 10**15
ROOM: Final = 10**9
"""Indexes set apart for the writes of one hand."""

MEANT_FOR: Final = 1_000_000
"""Entities at which the profile's rate of several workers is to be reached."""

_LOOKED_UP: Final = 1000
_SHARED_BUFFERS: Final = {"shared_buffers": "512MB", "max_wal_size": "4GB", "checkpoint_timeout": "30min"}
_FILL_SILENCE: Final = 120.0

PLAN_TARGETS: Final = (Target("plans_without_the_index", "==", 0, "plans"),)
COUNTED_TARGETS: Final = (Target("sequential_scans", "==", 0, "scans"), Target("scans_short", "==", 0, "scans"))
LOOKUP_TARGETS: Final = (Target("ratio_to_psycopg", ">=", 0.85, "1"), Target("errors", "==", 0, "operations"))
MIXED_TARGETS: Final = (Target("ratio_to_pgbench", ">=", 0.7, "1"), Target("errors", "==", 0, "operations"))


@dataclass(frozen=True, slots=True)
class Extent:
    """How much is done: entities in the table, counted rounds, seconds of a turn, and of the filling at most."""

    entities: int
    rounds: int
    seconds: float
    fill_seconds: float


EXTENTS: Final = {"quick": Extent(20_000, 5, 0.2, 60.0), "full": Extent(MEANT_FOR, 8, 0.75, 300.0)}


@dataclass(slots=True)
class Ground:
    """Where it takes place: the table, what is in it, and what there is to compare with. `own`: nobody else is there.

    `entities` lie in the table, of which `keys` are looked up. `done` counts rounds, for the progress.
    """

    context: Context
    extent: Extent
    location: Location
    workload: Workload
    own: bool
    entities: int = 0
    keys: Sequence[int] = ()
    bench: Pgbench | None = None
    document_bytes: int = 0
    done: int = 0
    total: int = 1
    results: list[TestResult] = field(default_factory=list)

    def step(self) -> None:
        """One round more is done."""
        self.done += 1
        self.context.tell(min(self.done, self.total), self.total)

    @property
    def addresses(self) -> list[str]:
        """Of the keys."""
        return [self.workload.record(index).address for index in self.keys]


def run(context: Context) -> Findings:
    """Fill a table, look at the plans, let the contests be held."""
    with _server(context) as (location, own):
        extent = EXTENTS.get(context.mode.name, EXTENTS["quick"])
        return conduct_on(context, location, own, extent)


def conduct_on(context: Context, location: Location, own: bool, extent: Extent) -> Findings:
    """The experiment on an empty schema that `location` leads to."""
    ground = make_ready(context, location, own, extent)
    ground.results.append(look_at_plans(ground))
    threads = _in_threads(ground)
    _in_workers(ground)
    parameters = {
        "entities": ground.entities,
        "own_server": own,
        "pgbench": ground.bench is not None,
        "rounds": extent.rounds,
        "seconds_of_a_turn": extent.seconds,
    }
    return Findings(ground.results, [_curve(threads)], parameters)


def make_ready(context: Context, location: Location, own: bool, extent: Extent) -> Ground:
    """Fill the table, draw the addresses that are looked up, find pgbench."""
    ground = Ground(context, extent, location, Workload(context.workload.seed, "database/"), own)
    ground.total = 7 * (extent.rounds + 1)
    ground.entities = _fill(ground)
    ground.keys = Random(ground.workload.seed).sample(range(ground.entities), min(KEYS, ground.entities))
    program = find_pgbench()
    if program is not None:
        folder = Path(context.folder, "pgbench")
        folder.mkdir(exist_ok=True)
        with location.open() as repository:
            conninfo = store_under(repository).settings.conninfo()
        ground.bench = Pgbench(program, conninfo, ground.addresses, folder)
    return ground


@contextmanager
def _server(context: Context) -> Iterator[tuple[Location, bool]]:
    """An empty schema: of the server that was given, gone afterwards, or on one of our own."""
    housing = context.housing
    if isinstance(housing, Given) and housing.location.store.startswith(("postgresql://", "postgres://")):
        with scratch_schema(housing.location.store) as url:
            yield Location(url), False
        return
    with own_postgresql(1, _SHARED_BUFFERS) as (server,):
        yield Location(server.create_database()), True


@contextmanager
def scratch_schema(url: str) -> Iterator[str]:
    """The URL of the same database with a schema that isn't there yet, and is dropped at the end. Raises Lacking."""
    import psycopg
    from psycopg import sql

    name = f"stat7_stress_{secrets.token_hex(6)}"
    parts = urlsplit(url)
    options = [(key, value) for key, value in parse_qsl(parts.query, keep_blank_values=True) if key != "schema"]
    there = urlunsplit(parts._replace(query=urlencode([*options, ("schema", name)])))
    with Location(url).open() as repository:
        conninfo = store_under(repository).settings.conninfo()
    try:
        with psycopg.connect(conninfo, autocommit=True) as connection:
            connection.execute(sql.SQL("CREATE SCHEMA {}").format(sql.Identifier(name)))
    except psycopg.errors.InsufficientPrivilege:
        raise Lacking("the user of --store may not make a schema: GRANT CREATE ON DATABASE to that user") from None
    try:
        yield there
    finally:
        with psycopg.connect(conninfo, autocommit=True) as connection:
            connection.execute(sql.SQL("DROP SCHEMA {} CASCADE").format(sql.Identifier(name)))


def _fill(ground: Ground) -> int:
    """Put the entities by as many processes as there are cores; how many lie in the table without a gap."""
    context, extent = ground.context, ground.extent
    with ground.location.open():
        pass  # so that the tables are there before several make them
    hands = max(1, min(context.cores, 4))
    share = extent.entities // hands
    tasks = [FillTable(ground.location, ground.workload, at * share, share, extent.fill_seconds) for at in range(hands)]
    done = [0] * hands

    def on_progress(worker: int, items: int) -> None:
        done[worker] = items
        context.tell(sum(done), extent.entities)

    found = [int(result["done"]) for result in run_together(tasks, seconds=_FILL_SILENCE, on_progress=on_progress)]
    with ground.location.open() as repository:
        _analyse(store_under(repository).settings.conninfo())
    whole = next((at for at, count in enumerate(found) if count < share), hands)
    ground.document_bytes = sum(len(ground.workload.record(index).document) for index in range(100)) // 100
    return whole * share + (found[whole] if whole < hands else 0)


def _analyse(conninfo: str) -> None:
    """What the server does by itself in time."""
    import psycopg

    with psycopg.connect(conninfo, autocommit=True) as connection:
        connection.execute(b"SET statement_timeout = 0")
        connection.execute(b"VACUUM (ANALYZE) entities")


def look_at_plans(ground: Ground) -> TestResult:
    """Whether the index is used, in what EXPLAIN says and in what the server counted."""
    context = ground.context
    outcome = Outcome("database plan", ground.entities, "an address is looked up in the index, whatever the batch")
    task = LookAtPlans(context.subject, ground.location, ground.addresses[:_LOOKED_UP], BATCHES)
    (found,) = run_together([task], seconds=SILENCE)
    plans = found["plans"]
    without = sum(not plan["indexed"] for plan in plans)
    outcome.figures = {
        "plans_without_the_index": exact(without, "plans", len(plans)),
        "sequential_scans": exact(found["sequential_scans"], "scans", found["asked"]),
        "scans_short": exact(max(0, found["asked"] - found["index_scans"]), "scans", found["asked"]),
    }
    outcome.parameters = {"plans": [f"{plan['lookup']}, {plan['mode']}: {plan['by']}" for plan in plans]}
    # Of a server that others use, too, the counts aren't ours alone.
    result = judged(outcome, context, (*PLAN_TARGETS, *COUNTED_TARGETS) if ground.own else PLAN_TARGETS)
    ground.step()
    return result


def hand_of(ground: Ground, number: int, threads: int) -> Pooled:
    """Worker `number` with so many threads; what it writes nobody else does."""
    first = FIRST_WRITE + number * ROOM
    return Pooled(ground.context.subject, ground.location, ground.workload, ground.keys, threads, first)


def _in_threads(ground: Ground) -> dict[str, Tally]:
    """One worker: gets by one thread and many, batches, and reads with writes. The tallies of gets and batches."""
    bench, seconds = ground.bench, ground.extent.seconds
    every = (OURS, BARE, BENCH)

    def rate(scripts: Sequence[str], clients: int) -> Any:
        return None if bench is None else partial(bench.rate, scripts, clients)

    held: dict[str, Tally] = {}
    with Crew([hand_of(ground, 0, THREADS)]) as crew:
        for threads in (1, THREADS):
            turn = Turn(OURS, threads, 1, False, seconds)
            contest = Contest(turn, every, rate(bench.gets() if bench else (), threads))
            variant = f"{threads} thread{'s' if threads > 1 else ''}"
            held[variant] = hold_lookups(ground, crew, contest, "database get", variant)
        for size in BATCHES:
            contest = Contest(Turn(OURS, 1, size, False, seconds), every, rate(bench.batches(size) if bench else (), 1))
            held[f"{size:,} at a time"] = hold_lookups(ground, crew, contest, "database batch", f"{size:,}")
        hold_mixed(ground, crew, 1, THREADS)
    return held


def _in_workers(ground: Ground) -> None:
    """Several workers at once read and write."""
    each = THREADS // WORKERS
    with Crew([hand_of(ground, 1 + number, each) for number in range(WORKERS)]) as crew:
        hold_mixed(ground, crew, WORKERS, each)


def hold_lookups(ground: Ground, crew: Crew, contest: Contest, name: str, variant: str) -> Tally:
    """Hold one contest of lookups and judge it."""
    outcome = Outcome(name, ground.entities, CLAIM, variant)
    tally = compete(crew, contest, ground.extent.rounds, ground.step)
    each = contest.turn.batch
    outcome.summaries = tally.summaries(contest.turn.seconds)
    outcome.figures = {**outcome.summaries["read"].figures(each=each), **_compared(tally, each)}
    outcome.parameters = {"threads": contest.turn.threads, "addresses_at_a_time": each}
    outcome.invalid = _wrong(tally)
    ground.results.append(judged(outcome, ground.context, LOOKUP_TARGETS))
    return tally


def _compared(tally: Tally, each: int) -> dict[str, Any]:
    figures = {"ratio_to_pgbench": tally.ratio(BENCH), "pgbench_per_second": tally.rate(BENCH, each)}
    if BARE in tally.rates:
        figures |= {"ratio_to_psycopg": tally.ratio(BARE), "psycopg_per_second": tally.rate(BARE, each)}
    operations = sum(len(result["kinds"]) for results in tally.ours for result in results)
    return {**figures, "errors": exact(tally.errors, "operations", operations + tally.errors)}


def hold_mixed(ground: Ground, crew: Crew, workers: int, threads: int) -> None:
    """Seven reads and three durable writes of ten, with the heads, against pgbench with as many clients."""
    variant = f"{workers} workers of {threads} threads" if workers > 1 else f"{threads} threads"
    outcome = Outcome("database mixed", ground.entities, CLAIM, variant)
    bench, turn = ground.bench, Turn(OURS, threads, 1, True, ground.extent.seconds)
    rate = None
    if bench is None:
        outcome.lacking = HOW_TO_INSTALL
    else:
        rate = partial(bench.rate, bench.mixed(ground.document_bytes), workers * threads)
    tally = compete(crew, Contest(turn, (OURS, BENCH), rate), ground.extent.rounds, ground.step)
    outcome.summaries = tally.summaries(turn.seconds)
    reads, writes = (outcome.summaries.get(kind) for kind in ("read", "write"))
    outcome.figures = {
        "operations_per_second": tally.rate(OURS),
        **(reads.figures("read_") if reads else {}),
        **(writes.figures("write_") if writes else {}),
        **_compared(tally, 1),
    }
    outcome.parameters = {"workers": workers, "threads": threads, "reads_in_ten": 7, "durable_writes_in_ten": 3}
    first = 0 if workers == 1 else 1
    outcome.invalid = _wrong(tally) or _lost(ground, tally, first, workers, outcome)
    ground.results.append(judged(outcome, ground.context, MIXED_TARGETS if workers == 1 else _of_workers(ground)))


def _of_workers(ground: Ground) -> Sequence[Target]:
    """What several workers have to reach: what the profile of such a store wants, at the scale it is meant for.

    Their share of pgbench's rate depends on how many processors they have to themselves: no target.
    """
    wanted = PROFILES["postgresql"].of("concurrent")
    return [target for target in wanted if target.figure == "errors" or ground.entities >= MEANT_FOR]


def _wrong(tally: Tally) -> str | None:
    return f"re-hashed reads: {tally.wrong} wrong answers" if tally.wrong else None


def _lost(ground: Ground, tally: Tally, first: int, workers: int, outcome: Outcome) -> str | None:
    """Read back every acknowledged write by a process that had no part in the run."""
    writes = tuple((FIRST_WRITE + (first + hand) * ROOM, tally.acknowledged(hand)) for hand in range(workers))
    (back,) = run_together([ReadBack(ground.location, ground.workload, writes)], seconds=SILENCE)
    outcome.figures["acknowledged_writes_lost"] = exact(back["lost"], "writes", back["looked"])
    if not back["lost"]:
        return None
    return f"acknowledged writes read back: {back['lost']} of {back['looked']} are not there as they were put"


def _curve(held: Mapping[str, Tally]) -> Curve:
    """Entities a second by how many are asked for at a time, for each side."""
    lines: dict[str, list[Point]] = {}
    sizes = {"1 thread": 1} | {f"{size:,} at a time": size for size in BATCHES}
    names = {OURS: "stat7", BARE: "psycopg", BENCH: "pgbench"}
    for variant, size in sizes.items():
        for side, name in names.items():
            figure = held[variant].rate(side, size)
            if figure.value is not None:
                lines.setdefault(name, []).append(Point(size, figure.value, figure.interval))
    return Curve(
        "Lookups by address in PostgreSQL", "addresses at a time", "1", "entities a second", "1/s", lines, True, True
    )


EXPERIMENT: Final = Experiment("EXP-05", "Database lookups", CLAIM, METHOD, THREATS, run, needs="a PostgreSQL server")
