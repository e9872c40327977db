"""Results of every kind of run, made up: every verdict, experiments with curves, breaking points, nothing at all."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from stat7.stress.histogram import Histogram
from stat7.stress.report.numbers import At
from stat7.stress.results import (
    BreakingPoint,
    Curve,
    ExperimentResult,
    Figure,
    Point,
    Probe,
    Results,
    Run,
    Target,
    TestResult,
    Verdict,
    exact,
    worst_of,
)
from stat7.stress.targets import judge

SOURCE = "STRESS_TEST_RESULTS_20260131_120059.json"
HOSTILE = (
    "<script>alert(1)</script> | `x` *b* _i_ [l](javascript:1) $\\frac{1}{2}$ &lt; ]]> \u202e\x00 http://h.example/ # -"
)


def _rates(prefix: str) -> tuple[Target, ...]:
    bounds = (("mean", 0.1), ("p95", 0.5), ("p99", 1.0))
    rate = Target(f"{prefix}per_second", ">=", 1000, "1/s")
    return (rate, *(Target(f"{prefix}{name}", "<", bound, "ms") for name, bound in bounds))


TARGETS: Mapping[str, tuple[Target, ...]] = {
    "address": (*_rates("single_"), Target("bulk_per_second", ">=", 1000, "1/s")),
    "collisions": (
        Target("duplicates", "==", 0, "addresses"),
        Target("birthday_probability", ">=", 1e-6, "1"),
        Target("largest_bit_deviation", "<", 6, "sd"),
    ),
    "memory": (Target("bytes_per_entity", "<", 5000, "B"),),
    "lookup": (*_rates("hit_"), *_rates("miss_"), Target("batched_hits_per_second", ">=", 1000, "1/s")),
    "concurrent": (Target("operations_per_second", ">=", 5000, "1/s"), Target("errors", "==", 0, "operations")),
    "scaling": (Target("exponent", "<=", 1.05, "1"),),
}


def around(value: float, unit: str, samples: int = 5000, spread: float = 0.1) -> Figure:
    """A figure with an interval of that share to each side."""
    return Figure(value, unit, samples, (value * (1 - spread), value * (1 + spread)))


def latencies(prefix: str, mean: float, spread: float = 0.1) -> dict[str, Figure]:
    """A rate and latencies in ms."""
    factors = {"mean": 1.0, "p50": 0.8, "p95": 2.0, "p99": 4.0}
    rate = {f"{prefix}per_second": around(1000 / mean, "1/s", spread=spread)}
    return {
        **rate,
        **{f"{prefix}{name}": around(mean * factor, "ms", spread=spread) for name, factor in factors.items()},
        f"{prefix}max": Figure(mean * 20, "ms", 5000),
    }


def histogram(mean: float) -> dict[str, Any]:
    """A histogram of latencies around a mean in ms."""
    drawn = np.random.default_rng(7).lognormal(np.log(mean * 1e6), 0.6, 3000).astype(np.int64)
    return Histogram.of(drawn).as_dict()


def series(rate: float, steady: bool = True) -> dict[str, Any]:
    """A course over ten blocks."""
    return {
        "block_seconds": 0.25,
        "warm_up_blocks": 2,
        "steady": steady,
        "per_second": [rate * (0.5 if block < 2 else 1.0 + 0.05 * (block % 3)) for block in range(10)],
        "median_ms": [0.5 + 0.01 * block for block in range(9)] + [None],
        "max_ms": [5.0 + block for block in range(9)] + [None],
    }


def judged(name: str, scale: int, figures: Mapping[str, Figure], variant: str = "", **more: Any) -> TestResult:
    """A result with the verdict that its figures earn by TARGETS."""
    targets = TARGETS.get(name, ())
    verdict, why = judge(targets, figures)
    changes = {"verdict": verdict, "why": why, **more}
    return TestResult(
        name, variant, scale, f"claim of {name}", target=targets, figures=figures, seconds=1.25, **changes
    )


def lookup(scale: int, mean: float = 0.02, **more: Any) -> TestResult:
    """Hits and misses."""
    figures = {**latencies("hit_", mean), **latencies("miss_", mean * 0.9)}
    figures |= {
        "batched_hits_per_second": around(91_234.5, "1/s"),
        "batched_misses_per_second": around(101_234.5, "1/s"),
        "generator_ceiling": Figure(812_345.678, "1/s", 1),
        "build_per_second": Figure(45_678.9, "1/s", scale),
    }
    more = {"histogram": {"hit": histogram(mean), "miss": histogram(mean)}, "series": {"hit": series(9000)}, **more}
    return judged("lookup", scale, figures, parameters={"batch": 1000, "readers": 1}, **more)


def address(scale: int, **more: Any) -> TestResult:
    """Making addresses."""
    figures = {**latencies("single_", 0.023), "bulk_per_second": around(83_456.7, "1/s")}
    return judged("address", scale, figures, histogram={"single": histogram(0.023)}, **more)


def collisions(scale: int, duplicates: int = 0) -> TestResult:
    """Collisions, or none."""
    figures = {
        "duplicates": exact(duplicates, "addresses", scale),
        "malformed": exact(0, "addresses", scale),
        "unchanged_by_a_change": exact(0, "changes", 525),
        "changed_by_reserialising": exact(0, "spellings", 130),
        "birthday_probability": exact(0.3712, "1", scale),
        "largest_bit_deviation": exact(2.56, "sd", scale),
    }
    return judged("collisions", scale, figures, parameters={"windows": 8, "window_bits": 28})


def concurrent(scale: int, workers: int, rate: float = 13_621.0, spread: float = 0.1, **more: Any) -> TestResult:
    """Reads and durable writes at once."""
    figures = {
        "operations_per_second": around(rate, "1/s", spread=spread),
        **latencies("read_", 700 * workers / rate),
        **latencies("write_", 2200 * workers / rate),
        "errors": exact(0, "operations", 31_000),
        "acknowledged_writes_lost": exact(0, "writes", 9_300),
    }
    held = {
        "histogram": {"read": histogram(0.3), "write": histogram(2.0)},
        "series": {"all": series(rate)},
        "parameters": {"workers": workers, "reads_in_ten": 7},
    }
    return judged("concurrent", scale, figures, f"{workers} workers", **{**held, **more})


def memory(scale: int, each: float = 791.2) -> TestResult:
    """Bytes for each entity."""
    figures = {
        "bytes_per_entity": around(each, "B", scale),
        "allocated_bytes": Figure(each * scale, "B", scale),
        "anonymous_bytes": Figure(each * scale * 1.4, "B", scale),
    }
    return judged("memory", scale, figures, parameters={"verdict_by": "bytes allocated"})


def scaling(scale: int, exponent: float = 1.01, error: float = 0.02) -> TestResult:
    """The exponent."""
    spread = (exponent - error, exponent + error)
    figures = {
        "exponent": Figure(exponent, "1", 60, spread),
        "address_exponent": Figure(exponent - 0.01, "1", 60, (spread[0] - 0.01, spread[1] - 0.01)),
    }
    return judged("scaling", scale, figures, parameters={"scales": [scale // 10, scale]})


def lacking(name: str, scale: int, variant: str = "", why: str = "no disk for a store of this size") -> TestResult:
    """A test that could not be made."""
    return judged(name, scale, {}, variant, verdict=Verdict.NO_DATA, why=why)


def stage(scale: int, rate: float = 13_621.0) -> list[TestResult]:
    """All tests of a scale, all PASS by default."""
    return [
        address(scale),
        collisions(scale),
        lookup(scale),
        concurrent(scale, 4, rate),
        concurrent(scale, 16, rate * 1.2),
        memory(scale),
    ]


def experiment(
    number: int, *tests: TestResult, verdict: Verdict | None = None, why: str = "all met"
) -> ExperimentResult:
    """An experiment with two curves."""
    lines = {
        "hits": [Point(10.0**power, 0.01 * power, (0.009 * power, 0.012 * power)) for power in range(3, 8)],
        "misses": [Point(10.0**power, 0.013 * power) for power in range(3, 8)],
    }
    curves = [
        Curve("Latency against N", "entities", "", "latency", "ms", lines, log_x=True),
        Curve("Share", "removed", "1", "bits lost", "bit", {"only": [Point(0, 1.5), Point(1, 2.5)]}),
        Curve("Nothing", "x", "", "y", "", {"empty": []}),
    ]
    return ExperimentResult(
        f"EXP-{number:02d}",
        f"title of number {number}",
        "what is claimed holds for 7 in 10",
        "it is tried 12 times",
        ["one machine only", "cache of 64 MB"],
        verdict or worst_of(test.verdict for test in tests),
        why,
        tests,
        curves if tests else (),
        {"rounds": 12, "nested": {"deep": [1, 2.5, None, True]}},
        3.5,
    )


def breaking_points() -> list[BreakingPoint]:
    """One that was found, one that wasn't."""
    probes = [
        Probe(
            level,
            level < 4000,
            "p99 within 10 ms" if level < 4000 else "p99 over 10 ms",
            {"p99": around(level / 500, "ms"), "achieved": around(level * 0.99, "1/s")},
        )
        for level in (1000.0, 2000.0, 4000.0, 3000.0, 3500.0)
    ]
    return [
        BreakingPoint(
            "rate", 100_000, "p99 under 10 ms", "1/s", 3500.0, 4000.0, "p99 of writes", 3, "found", probes, 42.0
        ),
        BreakingPoint("scale", 1_000_000, "mean under 1 ms", "entities", None, None, None, 3, "no time for it", []),
    ]


def results(tests: Sequence[TestResult] = (), experiments: Sequence[ExperimentResult] = (), **more: Any) -> Results:
    """A run on a quiet machine with SQLite."""
    run = Run("0123456789abcdef", "quick", "stat7 stress --quick", 7, "2026-01-31T12:00:00.000Z")
    run.finished_at = None if more.get("interrupted") else "2026-01-31T12:00:59.900Z"
    run.mode, run.seconds = more.get("mode", "quick"), 59.9
    run.interrupted, run.resumed = more.get("interrupted", False), more.get("resumed", 0)
    environment = {
        "cpu": "Some CPU 9000",
        "cores": {"usable": 2, "logical": 4, "physical": None},
        "memory_bytes": 25_274_793_984,
        "platform": "Linux-6.1",
        "python": "CPython 3.11.7",
        "packages": {"stat7": "0.1.0", "apsw": None},
        "filesystem": None,
        "durability": ["acknowledged writes survive a power cut"],
        "git_commit": "463f420933c87f786b73db3cee3759c599893fce+",
        "load_average": more.get("load", [0.12, 0.3, 0.25]),
    }
    settings = {
        "profile": "seed",
        "scales": sorted({test.scale for test in tests}) or [1000],
        "store": more.get("store", "sqlite, a file in a temporary folder"),
        "timer": {"floor_ns": 60.0, "floor_p99_ns": 80.0, "step_ns": 10.0},
        "time_limit_seconds": 60.0,
        "experiments": [each.name for each in experiments] if not tests else [],
        "cuts": more.get("cuts", []),
        "notes": more.get("notes", []),
    }
    check = more.get("check", {"reference": [around(1_234_567.0, "1/s"), around(1_212_121.0, "1/s")]})
    return Results(run, environment, settings, list(tests), list(experiments), more.get("points", []), check)


def mixture() -> Results:
    """Every verdict at once, and everything that a run may hold."""
    tests = [
        *stage(10_000),
        lookup(100_000, 0.9),
        concurrent(100_000, 4, 5_050.0),
        concurrent(100_000, 16, 404.0, series={"all": series(404.0, steady=False)}),
        lacking("memory", 100_000),
        judged(
            "address", 100_000, {}, verdict=Verdict.INVALID, why="generator saturated: 9/s measured, 10/s is its most"
        ),
        scaling(100_000, 1.05),
    ]
    experiments = [
        experiment(1, judged("uniqueness", 10_000, {"found": exact(0, "pairs", 10)}, verdict=Verdict.PASS, why="met")),
        experiment(2, scaling(10_000, 1.2), why="1 of 1 tests FAIL"),
        experiment(5, why="a PostgreSQL server is needed: name it with --store", verdict=Verdict.NO_DATA),
    ]
    return results(
        tests,
        experiments,
        points=breaking_points(),
        cuts=["lookup at 100,000: 25% of the planned time"],
        notes=["3 entities may be left"],
        load=[9.85, 3.0, 2.0],
        resumed=2,
        mode="full",
    )


def hostile() -> Results:
    """Text from outside that wants to be markup, wherever text may stand."""
    test = lookup(10_000, why=HOSTILE.replace("\x00", ""))
    other = judged("odd", 10_000, {HOSTILE: around(3.25, HOSTILE)}, HOSTILE, verdict=Verdict.FAIL, why="-1. " + HOSTILE)
    points = [Probe(1.0, True, HOSTILE, {HOSTILE: around(1.0, "ms")})]
    curve = Curve(HOSTILE, HOSTILE, HOSTILE, HOSTILE, HOSTILE, {HOSTILE: [Point(1, 2)], "_" + HOSTILE: [Point(2, 3)]})
    tried = ExperimentResult("EXP-03", HOSTILE, HOSTILE, HOSTILE, [HOSTILE], Verdict.FAIL, HOSTILE, [other], [curve])
    found = results(
        [test, other],
        [tried],
        store=f"postgresql://{HOSTILE}",
        notes=[HOSTILE],
        cuts=[HOSTILE],
        points=[BreakingPoint("rate", 10_000, HOSTILE, HOSTILE, 1.0, None, HOSTILE, 3, HOSTILE, points)],
        check={HOSTILE: HOSTILE},
    )
    found.run.command = f"stat7 stress --store '{HOSTILE}'"
    return found


def kinds() -> dict[str, Results]:
    """Runs of every kind and outcome, by what they are."""
    passed = [*stage(10_000), *stage(100_000), scaling(100_000)]
    slow = [*stage(10_000), *stage(100_000, 404.0), scaling(100_000)]
    lost = concurrent(10_000, 4, verdict=Verdict.INVALID, why="acknowledged writes read back: 3 of 9,300 are not there")
    alone = experiment(1, scaling(10_000))
    broken = lookup(10_000, verdict=Verdict.INVALID, why="building the store failed: disk full")
    return {
        "pass": results(passed),
        "pass, full": results([*passed, *stage(1_000_000, 11_000.0), scaling(1_000_000)], mode="full"),
        "slow at the larger scale": results(slow),
        "slow everywhere": results([*stage(10_000, 404.0)], load=[4.0, 3.0, 2.0]),
        "too close to call": results([*stage(10_000), concurrent(100_000, 4, 5_000.0), scaling(100_000)]),
        "no data": results(
            [lacking("lookup", 1_000), lacking("concurrent", 1_000, "4 workers"), lacking("scaling", 1_000)]
        ),
        "writes lost": results([*stage(10_000)[:3], lost]),
        "collision": results([collisions(10_000, duplicates=2)]),
        "measurement void": results(
            [*stage(10_000)[:2], *[t for t in mixture().tests if t.verdict is Verdict.INVALID]]
        ),
        "broken off": results([broken]),
        "nothing": results(),
        "interrupted": results(passed[:4], interrupted=True),
        "interrupted before anything": results(interrupted=True, check={}),
        "experiments alone": results(experiments=[alone, experiment(2, verdict=Verdict.NO_DATA, why="needs a server")]),
        "experiment broken off": results(
            experiments=[experiment(4, verdict=Verdict.INVALID, why="the experiment broke off: x")]
        ),
        "postgresql": results([*stage(1_000_000, 12_500.0)], store="postgresql://localhost/stat7", mode="full"),
        "cluster": results([*stage(1_000_000, 60_000.0)], store="cassandra://127.0.0.1,127.0.0.2/k", mode="full"),
        "unknown store": results([*stage(10_000)], store="http://gateway:8080"),
        "in memory": results([*stage(10_000)], store="memory:"),
        "all at once": mixture(),
        "hostile": hostile(),
    }


def root(found: Results) -> At:
    """The results as a report reads them."""
    from stat7.stress.report import root_of

    return root_of(found)
