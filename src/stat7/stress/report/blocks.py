"""The one model of a document that both renderers, Markdown and HTML, are given."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from stat7.stress.report.numbers import Number, Quoted


@dataclass(frozen=True, slots=True)
class Badge:
    """A verdict, as a shape and a word; `pointer` is where it stands in the results, "" if it was derived."""

    verdict: str
    pointer: str = ""


@dataclass(frozen=True, slots=True)
class Strong:
    """Text that is to be noticed."""

    line: Line


@dataclass(frozen=True, slots=True)
class Code:
    """Text as a program says or takes it."""

    text: str | Quoted | Number


@dataclass(frozen=True, slots=True)
class Link:
    """A link to another document by its name, to `#anchor` in this one, or to a file beside it."""

    line: Line
    target: str


Span = str | Number | Quoted | Badge | Strong | Code | Link
Line = tuple[Span, ...]


@dataclass(frozen=True, slots=True)
class Heading:
    """A heading of level 2 to 4; `anchor` is what links name it by."""

    level: int
    line: Line
    anchor: str


@dataclass(frozen=True, slots=True)
class Paragraph:
    """A few sentences."""

    line: Line


@dataclass(frozen=True, slots=True)
class Notice:
    """A paragraph that stands out: what somebody in a hurry has to read. `verdict` gives it its look."""

    line: Line
    verdict: str = ""


@dataclass(frozen=True, slots=True)
class Bullets:
    """A list."""

    items: Sequence[Line]


@dataclass(frozen=True, slots=True)
class Table:
    """Rows of cells under a head; the columns in `right` hold numbers."""

    head: Sequence[Line]
    rows: Sequence[Sequence[Line]]
    right: frozenset[int] = frozenset()


@dataclass(frozen=True, slots=True)
class Listing:
    """Commands, a line each."""

    lines: Sequence[Line]


@dataclass(frozen=True, slots=True)
class Picture:
    """A plot: the name of its file without the suffix, what it shows for who can't see it, and what to see in it."""

    name: str
    alt: Line
    caption: Line


Block = Heading | Paragraph | Notice | Bullets | Table | Listing | Picture


@dataclass(frozen=True, slots=True)
class Document:
    """One document: `name` is that of its file without the suffix, `short` how others link to it."""

    name: str
    title: str
    short: str
    blocks: Sequence[Block] = field(default_factory=list)


NOTHING: Final[Line] = ("–",)
"""What stands in a cell where there is no value."""


def plain_text(line: Line) -> str:
    """A line as bare text."""
    parts: list[str] = []
    for span in line:
        if isinstance(span, Strong | Link):
            parts.append(plain_text(span.line))
        elif isinstance(span, Code):
            parts.append(str(span.text))
        elif isinstance(span, Badge):
            parts.append(span.verdict)
        else:
            parts.append(str(span))
    return "".join(parts)


def joined(lines: Sequence[Line], between: str = ", ", last: str | None = None) -> Line:
    """Several lines as one, with something between them, and something else before the last."""
    spans: list[Span] = []
    for index, line in enumerate(lines):
        if index:
            spans.append(last if last is not None and index == len(lines) - 1 else between)
        spans += line
    return tuple(spans)
