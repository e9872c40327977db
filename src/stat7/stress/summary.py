"""A run on a terminal: one table of what was measured, and the reasons of whatever isn't PASS."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from stat7.stress.results import BreakingPoint, ExperimentResult, Figure, Results, Target, TestResult, Verdict
from stat7.stress.runner import short

COLUMNS: Final = ("test", "scale", "key figures", "target", "verdict")

KEY_FIGURES: Final[Mapping[str, tuple[tuple[str, str], ...]]] = {
    "address": (("single_per_second", ""), ("single_mean", "mean"), ("single_p99", "p99"), ("bulk_per_second", "bulk")),
    "collisions": (("duplicates", "found"), ("birthday_pairs", "in parts"), ("birthday_expected", "expected")),
    "memory": (("bytes_per_entity", "each"), ("anonymous_bytes", "in all")),
    "lookup": (
        ("hit_per_second", ""),
        ("hit_mean", "mean"),
        ("hit_p99", "p99"),
        ("batched_hits_per_second", "batched"),
    ),
    "concurrent": (("operations_per_second", ""), ("read_p99", "read p99"), ("write_p99", "write p99")),
    "paced": (("p99", "p99"), ("p50", "median"), ("answered_per_second", "")),
    "scaling": (("exponent", "exponent"), ("address_exponent", "address"), ("lookup_exponent", "lookup")),
}
"""The figures of each test that the table shows, and what it calls them; the first is the one whose target is shown."""

COLOURS: Final[Mapping[Verdict, str]] = {
    Verdict.PASS: "green",
    Verdict.FAIL: "red",
    Verdict.INVALID: "red",
    Verdict.INCONCLUSIVE: "yellow",
    Verdict.NO_DATA: "yellow",
}


def rows(results: Results) -> list[tuple[str, str, str, str, str]]:
    """One row for each test, experiment and breaking point: name, scale, key figures, the foremost target, verdict."""
    return [
        *(_row(test) for test in results.tests),
        *(
            row
            for experiment in results.experiments
            for row in (
                (experiment.name, "", experiment.title, "", experiment.verdict.value),
                *(_row(test, "  ") for test in experiment.tests),
            )
        ),
        *(
            (f"breaking point, {point.name}", short(point.scale), edges(point), point.criterion, "")
            for point in results.breaking_points
        ),
    ]


def _row(test: TestResult, indent: str = "") -> tuple[str, str, str, str, str]:
    return (
        f"{indent}{test.name} {test.variant}".rstrip(),
        short(test.scale),
        _shown(test),
        _target(test),
        test.verdict.value,
    )


def edges(point: BreakingPoint) -> str:
    """Between which levels something stopped to hold, and what gave out."""
    unit = {"1/s": "/s"}.get(point.unit, f" {point.unit}")
    held = "nothing" if point.held is None else f"{point.held:,.0f}{unit}"
    failed = "not reached" if point.failed is None else f"{point.failed:,.0f}{unit}"
    return f"held {held}, failed {failed}" + (f": {point.gave_out}" if point.gave_out else "")


def line(result: TestResult | ExperimentResult | BreakingPoint) -> str:
    """One line about a result as it comes."""
    if isinstance(result, BreakingPoint):
        return f"{'':<8} breaking point, {result.name} {short(result.scale)}: {edges(result)} ({result.seconds:.1f} s)"
    what = result.name if isinstance(result, ExperimentResult) else f"{result.name} {result.variant}".strip()
    scale = "" if isinstance(result, ExperimentResult) else f" {short(result.scale)}"
    return f"{result.verdict.value:<8} {what}{scale} ({result.seconds:.1f} s)"


def reasons(results: Results) -> list[str]:
    """A line for each test that didn't pass, and for each cut and note."""
    tests = [*results.tests, *(test for experiment in results.experiments for test in experiment.tests)]
    lines = [
        f"{test.verdict.value}  {test.name} {test.variant} at {short(test.scale)}: {test.why}".replace("  at", " at")
        for test in tests
        if test.verdict is not Verdict.PASS
    ]
    lines += [
        f"{experiment.verdict.value}  {experiment.name}: {experiment.why}"
        for experiment in results.experiments
        if not experiment.tests or experiment.verdict is Verdict.INVALID
    ]
    lines += [f"cut: {cut}" for cut in results.settings["cuts"]]
    return lines + [f"note: {note}" for note in results.settings["notes"]]


def verdict_line(results: Results) -> str:
    """How many tests and experiments came out how: `12 PASS, 1 FAIL`."""
    counts = {verdict: results.verdicts.count(verdict) for verdict in Verdict}
    return ", ".join(f"{count} {verdict.value}" for verdict, count in counts.items() if count) or "nothing was measured"


def _shown(test: TestResult) -> str:
    return ", ".join(
        f"{label} {_value(test.figures[name])}".strip() for name, label in _key_figures(test) if name in test.figures
    )


def _key_figures(test: TestResult) -> Sequence[tuple[str, str]]:
    """Those that are known, or else those that have a target."""
    return KEY_FIGURES.get(test.name) or [(target.figure, target.figure) for target in test.target] or [("", "")]


def _target(test: TestResult) -> str:
    """The target of the first key figure, and how many there are besides."""
    foremost, _ = _key_figures(test)[0]
    wanted: Target | None = next((target for target in test.target if target.figure == foremost), None)
    if wanted is None:
        return ""
    more = f" +{len(test.target) - 1}" if test.target[1:] else ""
    return f"{wanted.relation} {_value(Figure(wanted.value, wanted.unit, 0))}{more}"


def _value(figure: Figure) -> str:
    """A figure for a person: three digits, and a unit that suits its size."""
    if figure.value is None:
        return "no data"
    value, unit = figure.value, {"1/s": "/s", "1": ""}.get(figure.unit, f" {figure.unit}")
    if figure.unit == "ms" and value < 0.1:
        value, unit = value * 1000, " µs"
    if figure.unit == "B" and value >= 1e5:
        value, unit = value / 1e6, " MB"
    if figure.unit in ("addresses", "pairs"):
        return f"{value:,.0f}" if value >= 10 or value == int(value) else f"{value:.2g}"
    if figure.unit == "1":
        spread = "" if figure.interval is None else f" [{figure.interval[0]:.3f}, {figure.interval[1]:.3f}]"
        return f"{value:.3f}{spread}" if value < 1000 else f"{value:,.0f}"
    return f"{value:,.0f}{unit}" if value >= 100 or value == int(value) else f"{value:.3g}{unit}"
