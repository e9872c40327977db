"""The plots, one after another, with what is to be seen in each."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from stat7.stress.report.blocks import Block, Bullets, Document, Heading, Line, Paragraph, Picture
from stat7.stress.report.facts import busy
from stat7.stress.report.numbers import At
from stat7.stress.report.plots.canvas import Plot

NAME: Final = "STRESS_TEST_VISUAL_SUMMARY"
_PARTS: Final = (
    ("targets", "Measured against what was asked", ("targets-",)),
    ("throughput", "How much a second", ("throughput-", "concurrent-")),
    ("latency", "How long it takes", ("latency-", "distribution-")),
    ("growth", "How it grows", ("growth", "memory-")),
    ("limits", "Where it gives way", ("breaking-point-",)),
    ("time", "How a run went", ("time-series-",)),
    ("experiments", "Experiments", ("exp-",)),
)
_LACKING: Final = {
    "targets": "No figure could be set against a target.",
    "throughput": "No rate was measured.",
    "latency": "No time of an operation was measured.",
    "growth": "Neither growth nor memory was measured.",
    "limits": "The store was not pushed until it gave way.",
    "time": "No measurement was followed over time.",
    "experiments": "No experiment has drawn a curve.",
}


def document(root: At, plots: Sequence[Plot]) -> Document:
    """All plots that there is something to draw for, and where there is none, that."""
    blocks: list[Block] = [
        Paragraph(
            (
                "Blue circles, orange squares, green triangles and so on tell lines apart; a bar through a point shows "
                "where the figure lies with 95 % confidence. A broken line across a plot is a target.",
            )
        ),
        *_caution(root),
    ]
    lacking: list[Line] = []
    for anchor, title, names in _PARTS:
        found = [plot for plot in plots if plot.name.startswith(names)]
        if found:
            blocks.append(Heading(2, (title,), anchor))
            blocks += [Picture(plot.name, plot.alt, plot.caption) for plot in found]
        else:
            lacking.append((_LACKING[anchor],))
    if lacking:
        blocks += [Heading(2, ("What there is no picture of",), "lacking"), Bullets(lacking)]
    return Document(NAME, "The stress test in pictures", "In pictures", blocks)


def _caution(root: At) -> list[Block]:
    if not busy(root):
        return []
    return [
        Paragraph(("The computer was busy with other work when the run began: on a quiet one figures may be better.",))
    ]
