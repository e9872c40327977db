"""Plots over the number of entities: throughput, latency percentiles, concurrent work, memory."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from stat7.stress.report.blocks import Line
from stat7.stress.report.facts import of_name, scale, scales
from stat7.stress.report.numbers import At
from stat7.stress.report.plots import panels
from stat7.stress.report.plots.canvas import Canvas, Plot
from stat7.stress.report.plots.panels import Figures, Panel, between, bound_of, over_scale, traces

Wanted = tuple[tuple[str, str, str], ...]
"""Test, figure, what its line is called."""

_ONE: Final[Wanted] = (
    ("address", "single_per_second", "make an address"),
    ("lookup", "hit_per_second", "find what is there"),
    ("lookup", "miss_per_second", "learn that it isn't"),
)
_MANY: Final[Wanted] = (
    ("address", "bulk_per_second", "make addresses, all cores"),
    ("lookup", "batched_hits_per_second", "find what is there"),
    ("lookup", "batched_misses_per_second", "learn that it isn't"),
    ("lookup", "build_per_second", "fill the store"),
)
_LATENCY: Final[Wanted] = (
    ("address", "single", "Making an address"),
    ("lookup", "hit", "Finding what is there"),
    ("lookup", "miss", "Learning that it isn't there"),
)
_PERCENTILES: Final = (("p50", "half within"), ("p95", "95 % within"), ("p99", "99 % within"))
_STORED: Final = "entities stored"
_BARS: Final = " Bars show where a figure lies with 95 % confidence."


def plots(root: At) -> list[Plot]:
    """All of them for which there is something to be drawn."""
    tests = list(root["tests"])
    found = [
        _throughput(tests, "throughput-single", "Throughput by scale, one operation at a time", _ONE),
        _throughput(tests, "throughput-bulk", "Throughput by scale, many entities at a time", _MANY),
        _latency(tests),
        *(_under_load(tests, kind) for kind in ("read", "write")),
        _workers(tests),
        _memory(tests),
    ]
    return [plot for plot in found if plot is not None]


def _drawn(name: str, title: Line, what: str, parts: Sequence[Panel], drawn: Sequence[Figures], label: str) -> Plot:
    """A plot of panels over a logarithmic axis."""

    def draw(canvas: Canvas) -> None:
        panels.draw(canvas, parts, label)

    told = between(drawn)
    return Plot(name, title, (*title, ". ", what, *told), (what, *told, _BARS), draw, 1.35 + 1.75 * len(parts))


def _throughput(tests: Sequence[At], name: str, title: str, wanted: Wanted) -> Plot | None:
    figures = _held([((label,), over_scale(of_name(tests, test), key)) for test, key, label in wanted])
    if not figures:
        return None
    what = "Higher is better; a line that stays level means that growth costs nothing."
    return _drawn(name, (title,), what, [Panel(traces(figures), "per second")], [figures], _STORED)


def _percentiles(tests: Sequence[At], kind: str) -> Figures:
    return _held([((label,), over_scale(tests, f"{kind}_{name}")) for name, label in _PERCENTILES])


def _held(figures: Figures) -> Figures:
    """Without lines that have no points."""
    return [(name, points) for name, points in figures if points]


def _latency(tests: Sequence[At]) -> Plot | None:
    parts, drawn = [], []
    for test, kind, title in _LATENCY:
        figures = _percentiles(of_name(tests, test), kind)
        if figures:
            drawn.append(figures)
            bound = bound_of(of_name(tests, test), f"{kind}_p99")
            marked = None if bound is None else (bound[0], ("99 %: ", *bound[1]))
            parts.append(Panel(traces(figures), "ms", (title,), bound=marked))
    if not parts:
        return None
    what = "Lower is better. The dashed level is what ninety-nine of a hundred should stay within."
    return _drawn("latency-by-scale", ("Latency by scale, one operation at a time",), what, parts, drawn, _STORED)


def _under_load(tests: Sequence[At], kind: str) -> Plot | None:
    concurrent = of_name(tests, "concurrent")
    parts, drawn = [], []
    for variant in dict.fromkeys(test["variant"].value for test in concurrent):
        these = [test for test in concurrent if test["variant"].value == variant]
        figures = _percentiles(these, kind)
        if figures:
            drawn.append(figures)
            parts.append(
                Panel(traces(figures), "ms", (these[0]["variant"].quoted,), bound=bound_of(these, f"{kind}_p99"))
            )
    if not parts:
        return None
    noun = {"read": "Latency of reads", "write": "Latency of durable writes"}[kind]
    what = "Lower is better. Where a line is missing there were too few operations to tell."
    return _drawn(f"latency-{kind}s-under-load", (f"{noun} under concurrent load",), what, parts, drawn, _STORED)


def _workers(tests: Sequence[At]) -> Plot | None:
    concurrent = of_name(tests, "concurrent")
    figures: list[tuple[Line, list[tuple[float, At]]]] = []
    for stage in scales(concurrent):
        these = [
            test for test in concurrent if test["scale"].value == stage.value and test.get("parameters", "workers")
        ]
        these = [test for test in these if isinstance(test["parameters"]["workers"].value, int)]
        points = [
            (float(test["parameters"]["workers"].value), each)
            for test in these
            for _, each in over_scale([test], "operations_per_second")
        ]
        if points:
            figures.append(((scale(these[0]), " entities"), points))
    if not figures:
        return None
    panel = Panel(traces(figures), "operations per second", bound=bound_of(concurrent, "operations_per_second"))
    what = "Higher is better. All workers together, each a process of its own."
    title = ("Concurrent operations by number of workers",)
    return _drawn("concurrent-by-workers", title, what, [panel], [figures], "workers at once")


def _memory(tests: Sequence[At]) -> Plot | None:
    memory = of_name(tests, "memory")
    each = _held([(("for each entity",), over_scale(memory, "bytes_per_entity"))])
    total = _held(
        [
            (("anonymous memory of the process",), over_scale(memory, "anonymous_bytes")),
            (("allocated by Python",), over_scale(memory, "allocated_bytes")),
        ]
    )
    parts = [Panel(traces(total), "bytes", ("All together",))] if total else []
    if each:
        bound = bound_of(memory, "bytes_per_entity")
        parts.append(Panel(traces(each), "bytes", ("For each entity",), bound=bound))
    if not parts:
        return None
    what = "Lower is better; the amount for each entity should stay level."
    return _drawn("memory-by-scale", ("Memory by scale, in-memory store",), what, parts, [total, each], _STORED)
