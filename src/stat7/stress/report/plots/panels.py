"""Line plots of one or more panels, one above the other, on one x axis."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from stat7.stress.report.blocks import Line, Span, plain_text
from stat7.stress.report.facts import asked, has
from stat7.stress.report.numbers import At, figure
from stat7.stress.report.plots.canvas import BAD, BEHIND, Canvas, Trace, extent, lines, scale_axis

Figures = Sequence[tuple[Line, Sequence[tuple[float, At]]]]
"""Lines by name: at which x which figure of the results."""


@dataclass(frozen=True, slots=True)
class Panel:
    """Lines on one y axis; `bound` is a level to be marked, with what it is called."""

    traces: Sequence[Trace]
    unit: str
    title: Line = ()
    log: bool = True
    bound: tuple[float, Line] | None = None


def draw(canvas: Canvas, panels: Sequence[Panel], label: str, log: bool = True, ticks: bool = True) -> None:
    """Draw the panels; the x axis is labelled, logarithmic with `log`, and has its ticks at the points with `ticks`."""
    every = canvas.axes(len(panels))
    names = list(dict.fromkeys(plain_text(line.name) for panel in panels for line in panel.traces))
    for axes, panel in zip(every, panels, strict=True):
        lines(axes, panel.traces, names)
        for line in panel.traces:
            canvas.say(*line.name)
        values = extent(panel.traces, panel.log)
        if panel.bound is not None:
            axes.axhline(panel.bound[0], color=BAD, linewidth=1.2, linestyle=(0, (7, 3)))
            values += [panel.bound[0], panel.bound[0] * 1.6]
        scale_axis(axes.yaxis, values, panel.log)
        if panel.bound is not None:
            text = canvas.say(*panel.bound[1])
            axes.annotate(
                text,
                (0.0, panel.bound[0]),
                (3, 3),
                xycoords=axes.get_yaxis_transform(),
                textcoords="offset points",
                color=BAD,
                fontsize=8.5,
                bbox=BEHIND,
            )
        axes.set_ylabel(canvas.say(panel.unit))
        if panel.title:
            axes.set_title(canvas.say(*panel.title))
    scale_axis(every[-1].xaxis, [x for panel in panels for line in panel.traces for x, _, _ in line.points], log, ticks)
    every[-1].set_xlabel(canvas.say(label))
    canvas.legend()


def traces(figures: Figures) -> list[Trace]:
    """Lines of figures with their intervals."""
    return [
        Trace(name, [(x, float(each["value"].value), interval(each)) for x, each in points]) for name, points in figures
    ]


def interval(each: At) -> tuple[float, float] | None:
    """The interval of a figure as numbers."""
    found = each.get("interval")
    return None if found is None else (float(found.value[0]), float(found.value[1]))


def over_scale(tests: Sequence[At], name: str) -> list[tuple[float, At]]:
    """A figure at each scale; tests that are INVALID are left out: what they measured says nothing."""
    trusted = [test for test in tests if test["verdict"].value != "INVALID"]
    found = [(float(test["scale"].value), has(test, name)) for test in trusted]
    return [(x, each) for x, each in found if each is not None]


def between(figures: Sequence[Figures]) -> tuple[Span, ...]:
    """A sentence that tells the smallest and the largest value drawn."""
    values = [each for part in figures for _, points in part for _, each in points]
    if not values:
        return ()
    low = figure(min(values, key=lambda each: float(each["value"].value)))
    high = figure(max(values, key=lambda each: float(each["value"].value)))
    return () if low is None or high is None else (" The lowest is ", low, ", the highest ", high, ".")


def bound_of(tests: Sequence[At], name: str) -> tuple[float, Line] | None:
    """The target that all of the tests set for a figure, None if they set none or don't agree."""
    targets = [each for test in tests for each in test["target"] if each["figure"].value == name]
    if len({(each["relation"].value, each["value"].value) for each in targets}) != 1:
        return None
    first = targets[0]
    return float(first["value"].value), ("target ", *asked(first))
