"""EXP-08: users of a library browse, read, look at files, change and upload, in bursts; each kind of request is held to
a service level.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from hashlib import sha256
from importlib.util import find_spec
from typing import Any, Final

from stat7.registry import redact
from stat7.stress.context import SILENCE, Context, Stage
from stat7.stress.experiments import Experiment, Findings
from stat7.stress.experiments.places import drop, is_ours, library, painted, room
from stat7.stress.housing import Given
from stat7.stress.media import Library
from stat7.stress.results import Curve, Point, Target, TestResult
from stat7.stress.subject import Location
from stat7.stress.tasks.arrivals import Arrivals
from stat7.stress.tasks.catalogue import NAMING, ROOM, Attached, Catalogue, Clear, Fill, PutFiles, Wrote
from stat7.stress.tasks.sessions import EXPONENT, FOLLOWED, MIX, PAGE, VISIT, CachedLocation, Modulated, Sessions
from stat7.stress.tests import paced
from stat7.stress.workers import Task, WorkerFailed, run_together
from stat7.testing.servers import Redis, ServerFailed
from stat7.testing.servers.programs import REDIS

CLAIM: Final = "users who browse, read, view, change and upload in bursts are served in time, and none of it is lost"

NAME: Final = "session"
PUTTERS: Final = 2
LIMITS: Final = {"read": 50.0, "browse": 200.0, "view": 200.0, "update": 200.0, "upload": 200.0}
"""Milliseconds that the slowest request in a hundred of each kind may take. Up to about 100 ms an answer feels like one
at once, up to a second thoughts aren't interrupted (Nielsen, Usability Engineering, 1993); a page of a program takes a
few requests."""

ERRORS: Final = 0.001
"""The share of requests that may be refused."""


@dataclass(frozen=True, slots=True)
class Plan:
    """Entities and files that are there from the start, requests per second in the long run, seconds, processes and the
    lanes of each.

    `tails`: which percentile of each kind of request is judged; 1,000 requests of a kind carry a 99th, 200 a 95th.
    `cache`: with a cache in front, where there can be one.
    """

    entities: int
    files: int
    rate: float
    seconds: float
    tails: Mapping[str, str]
    workers: int = 4
    lanes: int = 1
    cache: bool = True

    @property
    def targets(self) -> tuple[Target, ...]:
        """The service levels."""
        tails = [Target(f"{kind}_{tail}", "<=", LIMITS[kind], "ms") for kind, tail in self.tails.items()]
        return (*tails, Target("error_share", "<=", ERRORS, "1"))


_SHORT: Final = {"read": "p99", "browse": "p95", "view": "p95"}
_LONG: Final = dict.fromkeys(LIMITS, "p99")

PLANS: Final = {"quick": Plan(5000, 100, 200, 12, _SHORT), "full": Plan(50_000, 1000, 200, 115, _LONG)}

TRIAL: Final = Plan(400, 12, 60, 5, {"read": "p50", "browse": "p50"}, 2, cache=False)


def run(context: Context) -> Findings:
    """By the mode; a store behind a network gets four lanes from each process."""
    plan = PLANS[context.mode.name]
    return measure(context, replace(plan, lanes=4) if isinstance(context.housing, Given) else plan)


def trial(context: Context) -> Findings:
    """A small run with painted pictures, for the self-test of the harness."""
    return measure(painted(context), TRIAL)


def measure(context: Context, plan: Plan) -> Findings:
    """Fill a library, let users in. Raises Lacking, WorkerFailed, Stat7Error and OSError."""
    lanes = plan.workers * plan.lanes
    with (
        library(context) as media,
        room(context, "exp-08") as location,
        _cached(location, context, plan) as (front, cache),
    ):
        files: list[Attached] = []
        heard: list[Wrote] = []
        try:
            catalogue = _fill(context, plan, location, media, files)
            load = Sessions(front, location, catalogue, media, lanes, heard)
            result = _offer(context, plan, load)
        finally:
            _tidy(context, plan, location, media, heard)
    return Findings([result], list(_curves(result)), _parameters(context, plan, location, cache))


def _fill(context: Context, plan: Plan, location: Location, media: Library, files: list[Attached]) -> Catalogue:
    """Put the files, then the entities that name them."""
    tasks: list[Task] = [PutFiles(location, media, range(first, plan.files, PUTTERS)) for first in range(PUTTERS)]
    for found in run_together(tasks, seconds=SILENCE):
        files += [Attached(*file) for file in found["files"]]
    catalogue = Catalogue(context.workload, plan.entities, tuple(sorted(files)))
    part = -(-plan.entities // PUTTERS)
    parts = [range(first, min(first + part, plan.entities)) for first in range(0, plan.entities, part)]
    run_together([Fill(location, catalogue, indexes) for indexes in parts], seconds=SILENCE)
    return catalogue


def _offer(context: Context, plan: Plan, load: Sessions) -> TestResult:
    """The open loop, judged by the profile's targets for sessions if it has any."""
    profile = context.profile
    targets = {NAME: plan.targets, **profile.targets}
    judging = replace(context, profile=replace(profile, targets=targets))

    def arrivals(rate: float) -> Arrivals:
        return Modulated(rate, seed=context.workload.seed)

    stage = Stage(plan.entities, context.workload)
    return paced.measure(
        judging,
        stage,
        plan.rate,
        plan.workers,
        plan.seconds,
        load=load,
        arrivals=arrivals,
        threads=plan.lanes,
        name=NAME,
        claim=CLAIM,
    )


@contextmanager
def _cached(location: Location, context: Context, plan: Plan) -> Iterator[tuple[Location, str]]:
    """The location with a Redis of the run's own in front, if there can be one; and what was done, for the results."""
    if isinstance(context.housing, Given):
        # A cache leaves a mark in the store, which isn't ours.
        yield location, "none: the store was given"
        return
    if not plan.cache:
        yield location, "none"
        return
    if not REDIS.is_here() or find_spec("redis") is None:
        yield location, "none: redis-server or the Python package redis is not installed"
        return
    with ExitStack() as stack:
        try:
            server = stack.enter_context(Redis())
        except ServerFailed as error:
            raise WorkerFailed(f"Redis didn't start: {error}") from None
        yield CachedLocation(location.store, location.files, server.url), "Redis, in memory, on the same machine"


def _tidy(context: Context, plan: Plan, location: Location, media: Library, heard: Sequence[Wrote]) -> None:
    """Take out of a given store what was put there."""
    if not isinstance(context.housing, Given):
        return
    lanes = plan.workers * plan.lanes
    # Where nobody told how much was written: as much as can have been.
    least = int(2 * plan.rate * plan.seconds / 0.8 / lanes)
    drawn = {wrote.lane: wrote.drawn for wrote in heard}
    firsts = {lane: plan.entities + lane * ROOM for lane in range(lanes)}
    uploads = tuple(range(first, first + drawn.get(lane, least)) for lane, first in firsts.items())
    try:
        clear = Clear(location, context.workload, (range(plan.entities), *uploads))
        run_together([clear], seconds=SILENCE)
    except WorkerFailed as error:
        prefix = context.workload.prefix
        context.budget.cuts.append(f"entities whose ids begin with {prefix} may be left in the store: {error}")
    if not is_ours(context, location):
        shelf = media.open()
        indexes = [*range(plan.files), *(index for part in uploads for index in part)]
        drop(context, location, [sha256(shelf.file(index).data).digest() for index in indexes])


def _curves(result: TestResult) -> Iterator[Curve]:
    """The run over time: what was answered, and the median of each kind."""
    series = result.series or {}
    if "all" not in series:
        return
    whole = series["all"]
    times = [(at + 1) * whole["block_seconds"] for at in range(len(whole["per_second"]))]
    answered = {"all": [Point(time, rate) for time, rate in zip(times, whole["per_second"], strict=True)]}
    yield Curve("Sessions: requests answered over time", "time", "s", "rate", "1/s", answered)
    medians = {
        kind: [
            Point(time, median) for time, median in zip(times, each["median_ms"], strict=False) if median is not None
        ]
        for kind, each in series.items()
        if kind != "all"
    }
    yield Curve("Sessions: median latency over time", "time", "s", "latency", "ms", medians, log_y=True)


def _parameters(context: Context, plan: Plan, location: Location, cache: str) -> dict[str, Any]:
    modulated = Modulated(plan.rate)
    own = not isinstance(context.housing, Given)
    return {
        "store": "sqlite:, a new file" if own else redact(location.store),
        "files": "file:, a new folder" if is_ours(context, location) else redact(location.files),
        "cache": cache,
        "entities": plan.entities,
        "files_there_before": plan.files,
        "one_entity_in_so_many_names_a_file": NAMING,
        "percent_of_requests": dict(MIX),
        "zipf_exponent": EXPONENT,
        "zipf_exponent_source": "YCSB's Zipfian constant (Cooper et al. 2010)",
        "requests_of_a_visit": VISIT,
        "share_of_reads_that_follow_a_page": FOLLOWED,
        "entities_of_a_page": PAGE,
        "rate": plan.rate,
        "burst_factor": modulated.factor,
        "mean_calm_seconds": modulated.calm,
        "mean_burst_seconds": modulated.burst,
        "workers": plan.workers,
        "lanes_of_each": plan.lanes,
        "percentiles_judged": dict(plan.tails),
    }


EXPERIMENT: Final = Experiment(
    "EXP-08",
    "Real-world workload",
    CLAIM,
    "A library of entities, one in four naming a file made from real pictures and movies, is used by visitors: they "
    "browse by realm, horizon and resonance, read what they found or what is popular (Zipf), look at files, put new "
    "versions and upload. Requests are due by a Markov-modulated Poisson process (calm, and bursts of three times the "
    "rate), whatever became of those before; latency counts from when each was due. Every answer is hashed again and "
    "checked; whoever changed an entity must read that version from then on; in the end all that was acknowledged is "
    "read back: documents, heads and files.",
    (
        "Mix, popularity and bursts are assumptions with sources, not a recording of users of this library.",
        "An update moves the head of an entity that no other lane changes: visitors who fight over one entity, and "
        "their conflicts, are not in it.",
        "A page that was found is checked to hold nothing wrong, not to leave nothing out.",
        "Store, cache, files and users share one machine in the default; with a store on another the network counts "
        "too, and four lanes of each process wait for answers at once.",
        "The library fits into memory. Service levels are judged at one rate: where they break is for the breaking "
        "points to find.",
        "In quick mode too few requests come for a 99th percentile of all kinds; those that are judged are named.",
    ),
    run,
    needs="pictures and movies (`make demo-data`, or --media DIR); redis-server for the cache in front",
)
