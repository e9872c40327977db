"""Targets against what was measured: each judged figure with its interval as a ratio to its target, and experiments'
own curves.
"""

from __future__ import annotations

from collections.abc import Sequence

from stat7.stress.report.blocks import Line
from stat7.stress.report.facts import CORRECTNESS, Judged, judged, named, of_verdict, scale, scales
from stat7.stress.report.numbers import At, count
from stat7.stress.report.plots import panels
from stat7.stress.report.plots.canvas import BAD, GOOD, OPEN, SOFT, Canvas, Plot, Trace, scale_axis
from stat7.stress.report.plots.panels import Panel, interval

_LOOKS = {"PASS": (GOOD, "o"), "FAIL": (BAD, "X"), "INCONCLUSIVE": (OPEN, "D"), "NO_DATA": (SOFT, "s")}
_WORDS = {"PASS": "met", "FAIL": "missed", "INCONCLUSIVE": "too close to call", "NO_DATA": "no interval"}
_MOST = 30
_MOST_LINES = 6


def plots(root: At) -> list[Plot]:
    """One for each scale that has figures with a ratio to a target, and one for each curve of an experiment."""
    tests = [test for test in root["tests"] if test["verdict"].value != "INVALID"]
    found = []
    for stage in scales(tests):
        these = [test for test in tests if test["scale"].value == stage.value]
        found.append(_against(these, f"targets-{stage.value}", (scale(these[0]), " entities")))
    for experiment in root["experiments"]:
        own = of_verdict(list(experiment["tests"]), "PASS", "FAIL", "INCONCLUSIVE", "NO_DATA")
        name = str(experiment["name"].value).lower()
        found.append(_against(own, f"{name}-targets", (experiment["name"].quoted,)))
        found += [_curve(experiment, curve, f"{name}-{at + 1}") for at, curve in enumerate(experiment["curves"])]
    return [plot for plot in found if plot is not None]


Ratio = tuple[float, tuple[float, float] | None]
"""Measured against target, and the ends of its interval."""


def _ratio(each: Judged) -> Ratio | None:
    """Better is larger, 1 is just met; None where there is no such ratio."""
    if each.figure is None or each.target["relation"].value == "==" or each.test["name"].value in CORRECTNESS:
        return None  # what must not be at all, and probabilities, are no matter of more or less
    target, value = float(each.target["value"].value), float(each.figure["value"].value)
    spread = interval(each.figure)
    edges = (value, *(spread or ()))
    if target <= 0 or value <= 0:
        return None
    if each.target["relation"].value == ">=":
        ratios = [edge / target for edge in edges]
    else:
        ratios = [target / edge if edge > 0 else float("inf") for edge in edges]
    shown = [min(max(ratio, 1e-3 * ratios[0]), 1e3 * ratios[0]) for ratio in ratios]
    return shown[0], (min(shown[1:]), max(shown[1:])) if spread else None


def _against(tests: Sequence[At], name: str, of: Line) -> Plot | None:
    every = [each for test in tests for each in judged(test)]
    rows = [(each, ratio) for each in every if (ratio := _ratio(each)) is not None][:_MOST]
    if not rows:
        return None
    title: Line = ("Measured against targets: ", *of)
    met = [each.figure for each, _ in rows if each.verdict == "PASS" and each.figure is not None]
    told = [each.figure for each, _ in rows if each.figure is not None]
    what: Line = (
        "Right of the line is better than the target, by so many times; left of it is worse. A bar that "
        "crosses the line could be either. Met: ",
        count(met),
        " of the ",
        count(told),
        " drawn.",
    )

    def draw(canvas: Canvas) -> None:
        _ratios(canvas, rows)

    return Plot(name, title, (*title, ". ", *what), what, draw, 1.35 + 0.36 * len(rows))


def _ratios(canvas: Canvas, rows: Sequence[tuple[Judged, Ratio]]) -> None:
    """A row for each judged figure, with its name above it."""
    (axes,) = canvas.axes()
    values = [1.0]
    for row, (each, (value, spread)) in enumerate(reversed(rows)):
        colour, marker = _LOOKS[each.verdict]
        values += [value, *(spread or ())]
        if spread is not None:
            axes.plot(spread, [row, row], color=colour, linewidth=1.6, marker="|", markersize=7)
        axes.plot(
            [value],
            [row],
            color=colour,
            marker=marker,
            markersize=6.5,
            linestyle="none",
            label=_WORDS[each.verdict],
        )
        canvas.name_row(axes, row, (1, 5.5), *named(each.test), ": ", each.target["figure"].quoted)
    axes.axvline(1.0, color=SOFT, linewidth=1.4)
    axes.set_ylim(-0.6, len(rows) - 0.1)
    axes.set_yticks([])
    axes.grid(visible=False, axis="y")
    scale_axis(axes.xaxis, values, log=True)
    axes.set_xlabel("times better than the target")
    canvas.legend(columns=4)


def _curve(experiment: At, curve: At, name: str) -> Plot | None:
    """A curve of an experiment, on the axes it asks for."""
    held = [(label, points) for label, points in curve["lines"].items() if points.value][:_MOST_LINES]
    if not held:
        return None
    traces = [
        Trace((label,), [(float(p["x"].value), float(p["y"].value), interval(p)) for p in points])
        for label, points in held
    ]
    title: Line = (experiment["name"].quoted, ": ", curve["title"].quoted)
    what: Line = (
        curve["y"].quoted,
        *_unit(curve["y_unit"]),
        " against ",
        curve["x"].quoted,
        *_unit(curve["x_unit"]),
        ". Bars, where there are any, show where a point lies with 95 % confidence.",
    )

    def draw(canvas: Canvas) -> None:
        panels.draw(canvas, [Panel(traces, "", log=bool(curve["log_y"].value))], "", log=bool(curve["log_x"].value))
        (axes,) = canvas.figure.axes
        axes.set_xlabel(canvas.say(curve["x"].quoted, *_unit(curve["x_unit"]), width=60))
        axes.set_ylabel(canvas.say(curve["y"].quoted, *_unit(curve["y_unit"]), width=40))

    return Plot(name, title, (*title, ". ", *what), what, draw)


def _unit(unit: At) -> Line:
    return () if unit.value in ("", "1") else (" (", unit.quoted, ")")
