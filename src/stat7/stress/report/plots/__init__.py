"""The plots of a report."""

from __future__ import annotations

from stat7.stress.report.numbers import At
from stat7.stress.report.plots import scales, shape, targets
from stat7.stress.report.plots.canvas import Plot


def plots(root: At) -> list[Plot]:
    """Every plot for which the results have something to be drawn, in the order of a report."""
    return [*scales.plots(root), *shape.plots(root), *targets.plots(root)]
