"""Plots of how a measurement is spread: over its operations, over time, over levels of load, and over growth."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import FixedLocator

from stat7.stress.histogram import Histogram, middle_of
from stat7.stress.report.blocks import Line
from stat7.stress.report.facts import all_tests, has, named, of_name, scale
from stat7.stress.report.numbers import At, count, figure
from stat7.stress.report.plots import panels
from stat7.stress.report.plots.canvas import BAD, BAND, LINES, SOFT, Canvas, Plot, Trace, scale_axis, tick
from stat7.stress.report.plots.panels import Panel, interval

_MOST_LINES = 6


def plots(root: At) -> list[Plot]:
    """All of them for which there is something to be drawn."""
    tests = list(root["tests"])
    single = [
        ("address", "single", "making an address"),
        ("lookup", "hit", "finding what is there"),
        ("lookup", "miss", "learning that it isn't there"),
        ("paced", "all", "answering at a steady pace"),
    ]
    found = [_spread(of_name(tests, name), kind, f"distribution-{kind}", words) for name, kind, words in single]
    largest = _largest(of_name(tests, "concurrent"))
    found += [
        _spread(largest, kind, f"distribution-{kind}", f"{kind}s under concurrent load") for kind in ("read", "write")
    ]
    found += [_course(test, index) for index, test in enumerate(_to_follow(tests))]
    found += [_knee(point, index) for index, point in enumerate(root["breaking_points"])]
    return [plot for plot in [*found, _growth(root)] if plot is not None]


def _largest(tests: Sequence[At]) -> list[At]:
    """Those at the largest scale that has histograms."""
    held = [test for test in tests if test.get("histogram") is not None]
    return [test for test in held if test["scale"].value == held[-1]["scale"].value]


# ------------------------------------------------------------------------------------------------------ distribution


def _spread(tests: Sequence[At], kind: str, name: str, words: str) -> Plot | None:
    """The share of operations that took longer than a time, by that time."""
    held = [test for test in tests if test.get("histogram", kind) is not None][-_MOST_LINES:]
    held = [test for test in held if test["histogram"][kind]["counts"].value]
    if not held:
        return None
    drawn = [Trace((_called(test),), _exceeded(test["histogram"][kind].value)) for test in held]
    title: Line = ("Spread of latency: ", words)
    what: Line = (
        "How large a share of the operations took longer than so many milliseconds. ",
        "Further left and steeper is better; a long tail to the right is the waiting that users notice.",
    )

    def draw(canvas: Canvas) -> None:
        panels.draw(canvas, [Panel(drawn, "share slower")], "time of one operation, ms", ticks=False)

    return Plot(name, title, (*title, ". ", *what), what, draw, 3.3)


def _called(test: At) -> Any:
    return test["variant"].quoted if test["variant"].value else scale(test)


def _exceeded(stored: Any) -> list[tuple[float, float, None]]:
    """At most about 80 points of the complementary distribution, in ms."""
    histogram = Histogram.read(stored)
    times = middle_of(histogram.buckets) / 1e6
    slower = 1 - (np.cumsum(histogram.counts) - histogram.counts) / histogram.total
    # Even steps on the logarithm of the share, so that the tail, which is the point of it, keeps its detail.
    wanted = np.geomspace(1.0, float(slower[-1]), 80)
    chosen = np.unique(np.clip(np.searchsorted(-slower, -wanted), 0, len(slower) - 1))
    return [(float(times[at]), float(slower[at]), None) for at in chosen if times[at] > 0]


# ------------------------------------------------------------------------------------------------------- time series


def _to_follow(tests: Sequence[At]) -> Iterator[At]:
    """The tests whose course is drawn: concurrent work at its largest scale, else the last that has a series."""
    held = [test for test in tests if test.get("series") is not None]
    concurrent = of_name(held, "concurrent")
    if concurrent:
        yield from [test for test in concurrent if test["scale"].value == concurrent[-1]["scale"].value][:4]
    else:
        yield from held[-1:]


def _course(test: At, index: int) -> Plot | None:
    """A run over time: its rate, and the median and worst latency in each block."""
    kinds = test["series"]
    series = kinds.get("all") or next((each for _, each in kinds.items()), None)
    if series is None or not series["per_second"].value or not series["block_seconds"].value:
        return None
    width = float(series["block_seconds"].value)
    middles = [(block + 0.5) * width for block in range(len(series["per_second"].value))]

    def over_time(name: str) -> list[tuple[float, float, None]]:
        pairs = zip(middles, series[name].value, strict=False)
        return [(x, float(y), None) for x, y in pairs if y is not None]

    rate = Panel([Trace(("rate",), over_time("per_second"))], "per second", ("Operations a second",), log=False)
    spread = [Trace(("median",), over_time("median_ms")), Trace(("slowest",), over_time("max_ms"))]
    latency = Panel(spread, "ms", ("Median and slowest operation",))
    warm = width * series["warm_up_blocks"].value
    state = "It settled" if series["steady"].value else "It never settled, so its figures are to be read with care"
    title: Line = ("A run over time: ", *named(test), ", ", scale(test))
    what: Line = (
        "Each point is one block of equal length. The grey part is warm-up and counts for nothing else. ",
        state,
        ".",
    )

    def draw(canvas: Canvas) -> None:
        panels.draw(canvas, [rate, latency], "seconds from the start", log=False, ticks=False)
        for axes in canvas.figure.axes:
            axes.set_xlim(0, width * len(middles))
            if warm:
                axes.axvspan(0, warm, color=BAND, zorder=0.5)
        canvas.figure.axes[0].set_ylim(0, 1.1 * max(series["per_second"].value) or 1.0)

    return Plot(f"time-series-{index + 1}", title, (*title, ". ", *what), what, draw, 4.2)


# -------------------------------------------------------------------------------------------------------------- knee


def _knee(point: At, index: int) -> Plot | None:
    """Latency against the level, with what held and what didn't."""
    probes = list(point["probes"])
    keys = list(dict.fromkeys(key for probe in probes for key in probe["figures"].value))
    timed = [key for key in keys if any(_in_ms(probe, key) for probe in probes)][:3]
    if not timed:
        return None
    parts = [(key, [(probe, probe["figures"][key]) for probe in probes if _in_ms(probe, key)]) for key in timed]
    title: Line = ("Latency against ", point["name"].quoted, ": where it gives way")
    edges = [point.get(name) for name in ("held", "failed")]
    what: Line = (
        "Each point is one try: a filled circle held, a cross did not. ",
        "The breaking point lies in the grey band." if all(edges) else "No breaking point was pinned down.",
        " Tries: ",
        count(probes),
        ".",
    )

    def draw(canvas: Canvas) -> None:
        for axes, (_key, tried) in zip(canvas.axes(len(parts)), parts, strict=True):
            _tries(axes, tried)
            if edges[0] is not None and edges[1] is not None:
                axes.axvspan(edges[0].value, edges[1].value, color=BAND, zorder=0.5)
            axes.set_ylabel("ms")
            axes.set_title(canvas.say(tried[0][1].quoted_key))
            scale_axis(axes.yaxis, [float(each["value"].value) for _, each in tried], log=True)
        levels = [float(probe["level"].value) for probe in probes]
        scale_axis(axes.xaxis, levels, log=True)
        marks = [min(levels)]
        for edge in edges:
            if edge is not None and edge.value > 1.3 * marks[-1]:  # nearer ones would run into each other
                marks.append(edge.value)
        axes.xaxis.set_major_locator(FixedLocator(marks))
        axes.set_xlabel(canvas.say(point["name"].quoted, ", ", point["unit"].quoted))
        canvas.legend()

    return Plot(f"breaking-point-{index + 1}", title, (*title, ". ", *what), what, draw, 1.2 + 1.7 * len(parts))


def _in_ms(probe: At, key: str) -> bool:
    found = probe.get("figures", key)
    return found is not None and found["unit"].value == "ms" and found["value"].value is not None


def _tries(axes: Axes, tried: Sequence[tuple[At, At]]) -> None:
    for held, colour, marker, label in ((True, LINES[0], "o", "held"), (False, BAD, "X", "did not hold")):
        these = [(probe, each) for probe, each in tried if probe["held"].value is held]
        axes.plot(
            [probe["level"].value for probe, _ in these],
            [each["value"].value for _, each in these],
            color=colour,
            marker=marker,
            linestyle="none",
            markersize=7,
            label=label,
        )
        for probe, each in these:
            spread = interval(each)
            if spread is not None:
                axes.plot([probe["level"].value] * 2, spread, color=colour, linewidth=1.1)


# ------------------------------------------------------------------------------------------------------------ growth


def _growth(root: At) -> Plot | None:
    """Exponents of growth with their intervals beside the one of proportional growth, and their target."""
    tests = [test for test in all_tests(root) if test["verdict"].value != "INVALID"]
    rows = [
        (test, each)
        for test in tests
        for key in test["figures"].value
        if key.endswith("exponent") and (each := has(test, key)) is not None
    ][:20]
    if not rows:
        return None
    bounds = {each["value"].value for test, _ in rows for each in test["target"] if each["figure"].value == "exponent"}
    title: Line = ("Growth of the time with the number of entities",)
    told = [figure(each) for _, each in rows]
    what: Line = (
        "The exponent of the time for all against their number, with its interval: at one the time grows as the "
        "number does. The first is ",
        told[0] or "–",
        ".",
    )

    def draw(canvas: Canvas) -> None:
        _exponents(canvas, rows, bounds)

    return Plot("growth", title, (*title, ". ", *what), what, draw, 1.5 + 0.42 * len(rows))


def _exponents(canvas: Canvas, rows: Sequence[tuple[At, At]], bounds: set[float]) -> None:
    """A row for each exponent, with its name above it."""
    (axes,) = canvas.axes()
    values = [1.0, *bounds]
    for row, (test, each) in enumerate(reversed(rows)):
        value, spread = float(each["value"].value), interval(each)
        values += [value, *(spread or ())]
        if spread is not None:
            axes.plot(spread, [row, row], color=LINES[0], marker="|", markersize=9)
        axes.plot([value], [row], color=LINES[0], marker="o", markersize=6)
        canvas.name_row(axes, row, (0, 8), *named(test), ": ", each.quoted_key)
    axes.axvline(1.0, color=SOFT, linewidth=1.2)
    for bound in bounds:
        axes.axvline(bound, color=BAD, linewidth=1.2, linestyle=(0, (7, 3)), label="target")
    axes.set_ylim(-0.6, len(rows) - 0.2)
    axes.set_yticks([])
    axes.set_xlabel("exponent (dashed: target; solid: grows as the number does)")
    low, high = min(values), max(values)
    axes.set_xlim(low - 0.08 * (high - low or 1), high + 0.08 * (high - low or 1))
    axes.xaxis.set_major_formatter(tick)
