"""A run on a terminal: one table of what was measured, and the reasons of whatever isn't PASS."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from stat7.stress.results import Figure, Results, Target, TestResult, Verdict
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
    """One row for each test: its name, scale, key figures, the foremost target, the verdict."""
    return [
        (
            f"{test.name} {test.variant}".strip(),
            short(test.scale),
            _shown(test),
            _target(test),
            test.verdict.value,
        )
        for test in results.tests
    ]


def reasons(results: Results) -> list[str]:
    """A line for each test that didn't pass, and for each cut and note."""
    lines = [
        f"{test.verdict.value}  {test.name} {test.variant} at {short(test.scale)}: {test.why}".replace("  at", " at")
        for test in results.tests
        if test.verdict is not Verdict.PASS
    ]
    lines += [f"cut: {cut}" for cut in results.settings["cuts"]]
    return lines + [f"note: {note}" for note in results.settings["notes"]]


def verdict_line(tests: Sequence[TestResult]) -> str:
    """How many tests came out how: `12 PASS, 1 FAIL`."""
    counts = {verdict: sum(test.verdict is verdict for test in tests) for verdict in Verdict}
    return ", ".join(f"{count} {verdict.value}" for verdict, count in counts.items() if count) or "nothing was measured"


def _shown(test: TestResult) -> str:
    return ", ".join(
        f"{label} {_value(test.figures[name])}".strip()
        for name, label in KEY_FIGURES[test.name]
        if name in test.figures
    )


def _target(test: TestResult) -> str:
    """The target of the first key figure, and how many there are besides."""
    foremost, _ = KEY_FIGURES[test.name][0]
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
