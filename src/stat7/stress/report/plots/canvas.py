"""What all plots share: a palette for light and dark, line styles, axes, and how a drawing becomes a small SVG.

Everything is drawn in the light palette; in the SVG each of its colours becomes a CSS variable, which a style sheet
inside the SVG (and that of the page) sets by `prefers-color-scheme`.
"""

from __future__ import annotations

import logging
import re
import textwrap
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from html import escape
from io import StringIO
from math import ceil, floor, isfinite, log10
from typing import Any, Final

from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, FuncFormatter, MaxNLocator, NullLocator

from stat7.stress.report.blocks import Line, plain_text

PAPER, INK, SOFT, RULE, GRID, BAND = "#ffffff", "#1c2126", "#566069", "#cfd6dd", "#dfe4e9", "#e6edf4"
BAD, GOOD, OPEN, VOID = "#a83200", "#00664a", "#6b5200", "#8a2b66"
LINES: Final = ("#0072b2", "#b84a00", "#00805c", "#a8487f", "#8a6400", "#3f4750")
"""Okabe and Ito's hues, darkened until they can be read on white."""

_LIGHT: Final = {
    "paper": PAPER,
    "ink": INK,
    "soft": SOFT,
    "rule": RULE,
    "grid": GRID,
    "band": BAND,
    "bad": BAD,
    "good": GOOD,
    "open": OPEN,
    "void": VOID,
    **{f"c{index}": colour for index, colour in enumerate(LINES)},
}
_DARK: Final = {
    "paper": "#14181c",
    "ink": "#e6eaee",
    "soft": "#a3adb7",
    "rule": "#3a434c",
    "grid": "#2b333b",
    "band": "#232d37",
    "bad": "#ff9466",
    "good": "#4fd1a5",
    "open": "#e8c04d",
    "void": "#f09ccb",
    "c0": "#56b4e9",
    "c1": "#ff9149",
    "c2": "#2fcf9b",
    "c3": "#e08fbd",
    "c4": "#f0d03c",
    "c5": "#c3ccd5",
}
MARKERS: Final = ("o", "s", "^", "D", "v", "P")
DASHES: Final[tuple[Any, ...]] = ("-", (0, (5, 2)), (0, (1.5, 1.5)), (0, (6, 2, 1.5, 2)), (0, (3, 1)), (0, (8, 3)))
_FONT: Final = "system-ui,-apple-system,'Segoe UI',Roboto,'Liberation Sans',Helvetica,Arial,sans-serif"
BEHIND: Final = {"facecolor": PAPER, "edgecolor": "none", "pad": 0.6}
"""A box behind text that lines may run through."""

WIDTH: Final = 4.9
"""Inches; what is text of 9.5 points then can still be read on a phone of 360 pixels."""

_SETTINGS: Final[dict[str, Any]] = {
    "svg.fonttype": "none",
    "text.parse_math": False,
    "font.size": 9.5,
    "font.family": ["DejaVu Sans"],
    "text.color": INK,
    "axes.labelcolor": INK,
    "axes.edgecolor": SOFT,
    "xtick.color": SOFT,
    "ytick.color": SOFT,
    "xtick.labelcolor": INK,
    "ytick.labelcolor": INK,
    "axes.grid": True,
    "grid.color": GRID,
    "grid.linewidth": 0.7,
    "axes.axisbelow": True,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "figure.facecolor": PAPER,
    "axes.facecolor": PAPER,
    "legend.frameon": False,
    "legend.fontsize": 9,
    "axes.titlesize": 9.5,
    "axes.titlelocation": "left",
    "lines.linewidth": 1.6,
    "lines.markersize": 5,
    "path.simplify": True,
}


@dataclass(slots=True)
class Canvas:
    """One drawing under way. Whatever text carries data goes through `say`, which keeps it in `texts`."""

    figure: Figure
    texts: list[Line] = field(default_factory=list)

    def say(self, *line: Any, width: int = 0) -> str:
        """The bare text of a line, wrapped at `width` characters if that is given."""
        self.texts.append(line)
        text = plain_text(line)
        return "\n".join(textwrap.wrap(text, width)) if width else text

    def axes(self, rows: int = 1) -> list[Axes]:
        """That many axes, one above the other, on one x axis."""
        found = self.figure.subplots(rows, 1, sharex=True, squeeze=False)
        return [found[row][0] for row in range(rows)]

    def name_row(self, axes: Axes, row: int, offset: tuple[float, float], *line: Any) -> None:
        """Write what a row shows above it, from the left edge on; `offset` in points."""
        axes.annotate(
            self.say(*line),
            (0, row),
            offset,
            xycoords=axes.get_yaxis_transform(),
            textcoords="offset points",
            fontsize=8.5,
            color=INK,
            bbox=BEHIND,
        )

    def legend(self, columns: int = 2) -> None:
        """The names of all lines, under everything, each once; none where there is but one."""
        named: dict[str, Any] = {}
        for axes in self.figure.axes:
            for handle, label in zip(*axes.get_legend_handles_labels(), strict=True):
                named.setdefault(label, handle)
        if len(named) > 1:
            self.figure.legend(named.values(), named, loc="outside lower left", ncols=columns, handlelength=3.2)


@dataclass(frozen=True, slots=True)
class Plot:
    """A plot to be drawn: `height` in inches; `alt` says what it shows to who can't see it."""

    name: str
    title: Line
    alt: Line
    caption: Line
    draw: Callable[[Canvas], None]
    height: float = 3.4


@dataclass(frozen=True, slots=True)
class Drawing:
    """A plot as SVG text without a style sheet, and the lines of text that it holds."""

    svg: str
    texts: Sequence[Line]

    @property
    def file(self) -> str:
        """The same with the style sheet it needs on its own."""
        light, dark = (";".join(f"--{name}:{colour}" for name, colour in each.items()) for each in (_LIGHT, _DARK))
        style = f"<style>:root{{{light}}}@media (prefers-color-scheme:dark){{:root{{{dark}}}}}</style>"
        return self.svg.replace(">", f">{style}", 1)


def draw(plot: Plot) -> Drawing:
    """Draw a plot."""
    settings: dict[Any, Any] = {**_SETTINGS, "svg.hashsalt": plot.name}
    with rc_context(settings), _quietly():
        figure = Figure(figsize=(WIDTH, plot.height), layout="constrained")
        canvas = Canvas(figure)
        figure.suptitle(canvas.say(*plot.title, width=52), x=0.015, ha="left", fontsize=10.5, fontweight="bold")
        plot.draw(canvas)
        out = StringIO()
        surface: Any = FigureCanvasSVG(figure)
        surface.print_svg(out, metadata={"Date": None, "Creator": None, "Format": None, "Type": None})
    return Drawing(_slim(out.getvalue(), plot), [*canvas.texts, plot.alt])


@contextmanager
def _quietly() -> Iterator[None]:
    """Fonts that lack a letter are no matter: the text stays text, and the reader's own font shows it."""
    logger = logging.getLogger("matplotlib.font_manager")
    before = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)
            yield
    finally:
        logger.setLevel(before)


_COLOURS: Final = {colour: f"var(--{name})" for name, colour in _LIGHT.items()}


def _slim(svg: str, plot: Plot) -> str:
    """Variables for colours, the reader's fonts, ids of its own, and coordinates of two decimals."""
    svg = svg[svg.index("<svg") :]
    svg = re.sub(r"<(metadata|style)\b.*?</\1>|<!--.*?-->", "", svg, flags=re.DOTALL)
    opening, rest = svg.split(">", 1)
    size = re.search(r'viewBox="([^"]*)"', opening)
    assert size is not None
    texts = re.split(r"(<text\b[^>]*>.*?</text>)", rest, flags=re.DOTALL)
    rest = "".join(
        _text(part, plot.name) if index % 2 else _shapes(part, plot.name) for index, part in enumerate(texts)
    )
    about = f"<title>{escape(plain_text(plot.title))}</title><desc>{escape(plain_text(plot.alt))}</desc>"
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" '
        f'role="img" viewBox="{size[1]}" width="{WIDTH * 96:.0f}" height="{plot.height * 96:.0f}">'
    )
    return head + about + rest.strip() + "\n"


def _shapes(part: str, name: str) -> str:
    """The part of a drawing that is no text."""
    part = re.sub(r"-?\d+\.\d{3,}", lambda found: f"{float(found[0]):.2f}".rstrip("0").rstrip("."), part)
    part = re.sub(r'\bid="([^"]*)"', rf'id="{name}.\1"', part)
    part = re.sub(r'href="#([^"]*)"', rf'href="#{name}.\1"', part)
    part = re.sub(r"url\(#([^)]*)\)", rf"url(#{name}.\1)", part)
    part = re.sub(r"#[0-9a-f]{6}\b", lambda found: _COLOURS.get(found[0], found[0]), part)
    return re.sub(r">\s+<", "><", re.sub(r"\s*\n\s*", " ", part))


def _text(part: str, name: str) -> str:
    """A text of a drawing: what it says stays as it is."""
    tag, text = part.split(">", 1)
    return re.sub(r"'DejaVu Sans'[^;\"]*", _FONT, _shapes(tag, name)) + ">" + text


def tick(value: float, _: object = None) -> str:
    """A number on an axis, in few letters."""
    for size, letter in ((1e9, "G"), (1e6, "M"), (1e3, "K")):
        if abs(value) >= size:
            return f"{value / size:.3g}{letter}"
    return f"{value:.4g}"


def scale_axis(axis: Any, values: Sequence[float], log: bool, at_values: bool = False) -> None:
    """Ticks of an axis, with `at_values` just where these are; logarithmic only if all values are positive."""
    positive = [value for value in values if value > 0]
    name = "x" if axis.axis_name == "x" else "y"
    if log and len(positive) == len(values) and values:
        getattr(axis.axes, f"set_{name}scale")("log")
        low, high = log10(min(values)), log10(max(values))
        middle, half = (low + high) / 2, max((high - low) / 2 * 1.12, 0.2)
        getattr(axis.axes, f"set_{name}lim")(10 ** (middle - half), 10 ** (middle + half))
        axis.set_major_locator(FixedLocator(_decades(middle - half, middle + half)))
        axis.set_minor_locator(NullLocator())
    else:
        axis.set_major_locator(MaxNLocator(5))
    if at_values and len(set(values)) <= _MOST_TICKS:
        axis.set_major_locator(FixedLocator(sorted(set(values))))
    axis.set_major_formatter(FuncFormatter(tick))


_MOST_TICKS: Final = 7


def _decades(low: float, high: float) -> list[float]:
    """At most seven ticks between two powers of ten."""
    steps = (1, 2, 5) if high - low < 2 else (1,)
    every = max(1, ceil((high - low) / 6))
    powers = range(floor(low), ceil(high) + 1)
    found = [step * 10.0**power for power in powers if power % every == 0 for step in steps]
    return [value for value in found if low <= log10(value) <= high]


@dataclass(frozen=True, slots=True)
class Trace:
    """A line of a plot: its name and its points, each with the interval of y, if it has one."""

    name: Line
    points: Sequence[tuple[float, float, tuple[float, float] | None]]


def lines(axes: Axes, drawn: Sequence[Trace], names: Sequence[str]) -> None:
    """Lines, each told apart by colour, marker and dashes, with intervals as bars.

    `names` are those of all lines of the plot: a name has the same look in all of its panels.
    """
    for line in drawn:
        index = names.index(plain_text(line.name))
        colour, kind = LINES[index % len(LINES)], index % len(MARKERS)
        points = sorted(point for point in line.points if isfinite(point[0]) and isfinite(point[1]))
        many = len(points) > 25
        axes.plot(
            [x for x, _, _ in points],
            [y for _, y, _ in points],
            color=colour,
            linestyle=DASHES[kind],
            marker=MARKERS[kind],
            markevery=max(1, len(points) // 8) if many else 1,
            label=plain_text(line.name).lstrip("_") or "?",
        )
        for x, _, interval in points:
            if interval is not None and interval[0] < interval[1]:
                axes.plot([x, x], interval, color=colour, linewidth=1.1, marker="_", markersize=6)


def extent(drawn: Sequence[Trace], log: bool = False) -> list[float]:
    """All values of y, with the ends of intervals; on a logarithmic axis without ends that are not above 0."""
    values = [y for line in drawn for _, y, _ in line.points]
    edges = [end for line in drawn for _, _, interval in line.points for end in interval or ()]
    return values + [end for end in edges if end > 0 or not log]
