"""EXP-03, dimension necessity: what each of the seven dimensions adds, and that uniqueness isn't it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from math import exp, log
from random import Random
from typing import Any, Final

import numpy as np

from stat7.stress.context import SILENCE, Context, Outcome, Stage
from stat7.stress.experiments import Experiment, Findings
from stat7.stress.experiments.claims import built, fill_small, held, judged, largest, reason
from stat7.stress.experiments.entropy import Codes, Told, added, alike, at_resolution, ceiling, mixed, tell
from stat7.stress.experiments.query_mix import CONSTRAINED, WIDTH, Answers, Asked, growths, mix
from stat7.stress.measure import bootstrap
from stat7.stress.results import Curve, Figure, Point, Target, TestResult, exact
from stat7.stress.tasks.dimensions import COLUMNS, DIMENSIONS, AddressWithout, Coordinates, FindAll
from stat7.stress.tests.collisions import duplicates
from stat7.stress.workers import Task, run_together

_MOST: Final = {"quick": 100_000, "full": 1_000_000}
_ADDRESSED: Final = {"quick": 10_000, "full": 100_000}
_SEARCHED: Final = {"quick": 10_000, "full": 100_000}
_QUERIES: Final = {"quick": 140, "full": 420}
_SECONDS: Final = {"quick": 6.0, "full": 40.0}

RESOLUTIONS: Final[Mapping[str, int | None]] = {"stored": None, "tenths": 10, "halves": 2}
"""Into how many parts the range of a real dimension is cut; None: not at all."""

JUDGED: Final = "halves"
"""Coarse enough that all entities don't differ anyway, so that frequencies are those of the dimensions."""

LEAST: Final = 2000
"""Entities: among fewer even six dimensions in halves leave few alike."""

_FINENESS: Final = (1, 2, 4, 8, 16, 32, 64, 128)
_DRAWN: Final = 100_000
_QUANTILES: Final = tuple(number / 10 for number in range(11))
_TARGETS: Final = (
    Target(f"told_apart_{JUDGED}", ">=", 0.1, "1"),
    Target(f"given_others_{JUDGED}", ">=", 0.1, "bits"),
    Target("result_growth", ">=", 1.1, "1"),
)
_ADDRESSES: Final = (
    *(Target(f"duplicates_without_{name}", "==", 0, "addresses") for name in DIMENSIONS),
    Target("malformed", "==", 0, "addresses"),
)


def run(context: Context) -> Findings:
    """Coordinates of many entities in columns, addresses without a dimension, and a mix of queries on a store."""
    count = largest(context, _of(_MOST, context))
    share = context.budget.begin("EXP-03", count)
    columns = _coordinates(context, count)
    told = {name: tell(at_resolution(columns, parts), columns["id"]) for name, parts in RESOLUTIONS.items()}
    queries, searched = _searched(context, columns, share)
    tests = [_addresses(context, min(count, _of(_ADDRESSED, context)))]
    for name in DIMENSIONS:
        of_one = {resolution: found[name] for resolution, found in told.items()}
        tests.append(_dimension(context, name, count, of_one, searched))
    parameters = {
        "entities": count,
        "most_bits": ceiling(count),
        "alike_in_all_seven": {name: int((found["realm"].all > 1).sum()) for name, found in told.items()},
        "entities_searched": searched["scale"],
        "queries": len(queries),
        "dimensions_in_a_query": CONSTRAINED,
        "part_of_a_real_dimension_asked_for": WIDTH,
        "judged_at": JUDGED,
    }
    curves = [_alike_by_count(columns), _bits_by_fineness(columns), _growth_curve(searched["growths"])]
    return Findings(tests, [curve for curve in curves if curve.lines], parameters)


def _of(table: Mapping[str, Any], context: Context) -> Any:
    return table.get(context.mode.name, table["quick"])


def _parts(count: int, workers: int) -> list[tuple[int, int]]:
    edges = [count * worker // workers for worker in range(workers + 1)]
    return [(start, stop) for start, stop in pairwise(edges) if stop > start]


def _coordinates(context: Context, count: int) -> dict[str, Codes]:
    tasks = [Coordinates(context.workload, start, stop) for start, stop in _parts(count, context.cores)]
    found = _run(context, tasks, count)
    return {name: np.concatenate([np.frombuffer(part[name], dtype=np.int64) for part in found]) for name in COLUMNS}


def _run(context: Context, tasks: Sequence[Task], total: int) -> list[Mapping[str, Any]]:
    done = [0] * len(tasks)

    def on_progress(worker: int, items: int) -> None:
        done[worker] = items
        context.tell(sum(done), total)

    return run_together(tasks, seconds=SILENCE, on_progress=on_progress)


def _addresses(context: Context, count: int) -> TestResult:
    outcome = Outcome(
        "addresses without a dimension",
        count,
        "because the id is in the hash, no dimension is needed for unique addresses: each can be the same everywhere",
    )
    addresser = context.subject.addresser
    tasks = [AddressWithout(addresser, context.workload, start, stop) for start, stop in _parts(count, context.cores)]
    found = _run(context, tasks, count)
    for name in DIMENSIONS:
        digests = np.frombuffer(b"".join(part["digests"][name] for part in found), dtype=np.uint8).reshape(-1, 32)
        outcome.figures[f"duplicates_without_{name}"] = exact(duplicates(digests), "addresses", count)
    outcome.figures["malformed"] = exact(sum(part["malformed"] for part in found), "addresses", len(DIMENSIONS) * count)
    return judged(outcome, context, _ADDRESSES)


def _stage(context: Context, most: int) -> Stage:
    """A store to search: one of the run's with at most so many entities, the largest, else one that is built."""
    usual = [stage for stage in context.stages if stage.location and stage.digests and not stage.workload.lean]
    fitting = [stage for stage in usual if stage.scale <= most]
    if fitting and max(stage.scale for stage in fitting) * 10 >= most:
        return max(fitting, key=lambda stage: stage.scale)
    if usual and not context.housing.apart and held(context) >= most:
        return min(usual, key=lambda stage: stage.scale)
    fill_small(context, [most])
    return built(context, most)


def _searched(context: Context, columns: Mapping[str, Codes], share: float) -> tuple[list[Asked], dict[str, Any]]:
    """Ask the store all queries, and work out what they must find; the growths of their result sets by dimension."""
    most = largest(context, _of(_SEARCHED, context))
    stage = _stage(context, most)
    scale = min(stage.scale, most)
    searched: dict[str, Any] = {"scale": scale, "growths": {}, "wrong": 0, "answered": 0, "lacking": None}
    if stage.location is None or stage.digests is None:
        return [], searched | {"lacking": reason(stage)}
    queries = mix(context.workload, scale, int(_of(_QUERIES, context) * share), Random(context.workload.seed))
    seconds = _of(_SECONDS, context) * share
    shares = [queries[worker :: context.cores] for worker in range(context.cores)]
    tasks = [
        FindAll(
            context.subject,
            stage.location,
            stage.digests,
            scale,
            tuple(keywords for asked in part for _, keywords in asked.variants()),
            seconds,
        )
        for part in shares
    ]
    answers = Answers(columns, scale)
    size = CONSTRAINED + 1
    merged: dict[str, list[float]] = {name: [] for name in DIMENSIONS}
    for part, found in zip(shares, _run(context, tasks, size * len(queries)), strict=True):
        counts = np.frombuffer(found["counts"], dtype=np.int64).tolist()
        searched["wrong"] += _wrong(part, counts, found["checks"], answers)
        searched["answered"] += len(counts)
        for name, values in growths(part, counts).items():
            merged[name] += values
    return queries, searched | {"growths": merged}


def _wrong(queries: Sequence[Asked], counts: Sequence[int], checks: bytes, answers: Answers) -> int:
    """Finds whose result isn't what the columns say."""
    asked = [(query, name) for query in queries for name, _ in query.variants()]
    return sum(
        answers.to(query, name) != (count, checks[32 * at : 32 * at + 32])
        for at, ((query, name), count) in enumerate(zip(asked, counts, strict=False))
    )


def _dimension(
    context: Context, name: str, count: int, told: Mapping[str, Told], searched: Mapping[str, Any]
) -> TestResult:
    outcome = Outcome(
        "dimension",
        count,
        f"{name} tells apart entities that the other six dimensions can't, and narrows what is found",
        name,
    )
    grown = searched["growths"].get(name, [])
    outcome.figures = {"result_growth": growth_of(grown)}
    for resolution, found in told.items():
        outcome.figures |= {
            f"told_apart_{resolution}": found.told_apart,
            f"given_others_{resolution}": found.given_others,
            f"given_others_corrected_{resolution}": found.given_others_corrected,
            f"entropy_{resolution}": found.entropy,
            f"alike_with_{resolution}": found.alike_with,
            f"alike_without_{resolution}": found.alike_without,
            f"alike_without_but_with_the_id_{resolution}": found.alike_with_the_id,
        }
    outcome.parameters = {"judged_at": JUDGED, "queries": len(grown)}
    outcome.lacking = searched["lacking"]
    if count < LEAST:
        outcome.lacking = f"{count:,} entities are too few to tell what a dimension says: it takes {LEAST:,}"
    if searched["wrong"]:
        outcome.invalid = f"{searched['wrong']} of {searched['answered']} finds returned other entities than they must"
    return judged(outcome, context, _TARGETS)


def growth_of(grown: Sequence[float]) -> Figure:
    """The geometric mean of growth factors, with a bootstrap interval over the queries."""
    logs = [log(each) for each in grown]
    if not logs:
        return Figure(None, "1", 0)
    spread = bootstrap(logs)
    return Figure(
        exp(sum(logs) / len(logs)), "1", len(logs), None if spread is None else (exp(spread[0]), exp(spread[1]))
    )


def _alike_by_count(columns: Mapping[str, Codes]) -> Curve:
    """Entities that are like another one, at tenths, among more and more of them."""
    keys = mixed(at_resolution(columns, RESOLUTIONS["tenths"]))
    together = added(keys)
    sets = {"all seven": together} | {f"without {name}": together - key for name, key in keys.items()}
    total = len(together)
    counts = sorted({max(2, round(total / 10 ** (step / 2))) for step in range(5)})
    lines = {
        label: [Point(count, int((alike(held[:count])[0] > 1).sum())) for count in counts]
        for label, held in sets.items()
    }
    return Curve(
        "Entities with the same coordinates as another, reals in tenths of their range",
        "entities", "", "alike", "entities", lines, log_x=True,
    )  # fmt: skip


def _bits_by_fineness(columns: Mapping[str, Codes]) -> Curve:
    """Entropy given the other six, by plain frequencies: it vanishes where so many entities can't fill the cells."""
    few = {name: values[:_DRAWN] for name, values in columns.items() if name != "named"}
    lines: dict[str, list[Point]] = {name: [] for name in DIMENSIONS}
    for parts in _FINENESS:
        for name, told in tell(at_resolution(few, parts), few["id"]).items():
            figure = told.given_others
            lines[name].append(Point(parts, figure.value or 0.0, figure.interval))
    return Curve(
        "What a dimension tells when the other six are known",
        "parts of a real dimension's range", "", "entropy given the others", "bits", lines, log_x=True,
    )  # fmt: skip


def _growth_curve(grown: Mapping[str, Sequence[float]]) -> Curve:
    lines = {
        f"without {name}": [Point(100 * share, float(np.quantile(values, share))) for share in _QUANTILES]
        for name, values in grown.items()
        if values
    }
    return Curve(
        "Growth of result sets when a dimension is left out of the query",
        "queries with less growth", "%", "growth", "times", lines, log_y=True,
    )  # fmt: skip


EXPERIMENT: Final = Experiment(
    "EXP-03",
    "Dimension necessity",
    "none of the seven dimensions is needed for unique addresses, and each adds something that the other six don't",
    "Addresses are made with each dimension in turn held the same in all entities: the id keeps them apart. What a "
    "dimension adds is measured on the coordinates alone: entities that are alike without it, the share of pairs alike "
    "in the other six that it tells apart, its entropy and its entropy given the other six (by frequencies, and with "
    "Miller and Madow's correction), all as stored, with the ranges of the reals cut into tenths, and into halves; and "
    "by how much the result sets of queries by example, three dimensions each, grow on the store when it's left out. "
    "Every result set is compared with one worked out without the store. A dimension passes if, with reals in halves, "
    "it tells apart a tenth of those pairs, carries a tenth of a bit given the others, and result sets grow by a tenth "
    "without it; a dimension that is constant, or follows from others, must fail.",
    (
        "The entities are made by the harness, their dimensions drawn independently: this shows what the dimensions "
        "can tell, not what those of a real library do. There they depend on each other, and some may be constant.",
        "As stored the reals are so fine that almost any six dimensions identify an entity: entropy given the others "
        "is then nearly 0 for all, by too few entities rather than by the dimension. That is why halves are judged.",
        "A dimension of random numbers would pass: to tell apart is not to mean something.",
        "Where reals are cut neighbours count by their number, which is less than they tell.",
        "The bounds of a tenth, and the mix of queries (dimensions drawn evenly, a quarter of a real range), are "
        "choices of the harness; another mix has other factors.",
        "Intervals are for drawing other entities or queries of the same kind; they don't hold the bias of entropies "
        "estimated from few entities for each kind: the plain ones given the others are rather too low.",
    ),
    run,
)
