"""All documents as one HTML page that needs nothing else: no network, no script; plots and style are inside."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from importlib.resources import files

from stat7.stress.report.blocks import (
    Badge,
    Block,
    Bullets,
    Code,
    Document,
    Heading,
    Line,
    Link,
    Listing,
    Notice,
    Paragraph,
    Picture,
    Span,
    Strong,
    Table,
    plain_text,
)
from stat7.stress.report.markdown import SHAPES
from stat7.stress.report.numbers import Number, Quoted, clean

_WIDE = 5
"""From so many columns on, the last one, which holds sentences, is kept wide."""

_POLICY = "default-src 'none'; style-src 'unsafe-inline'"


def render(title: str, about: str, documents: Sequence[Document], drawings: Mapping[str, str]) -> str:
    """The page, with `about` beneath its title: the documents one after another, in place of each picture its drawing
    (SVG text by name).
    """
    page = _Page({document.name for document in documents}, drawings)
    parts = "\n".join(page.section(document) for document in documents)
    style = files("stat7.stress.report").joinpath("page.css").read_text("utf-8")
    return f"""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta http-equiv="Content-Security-Policy" content="{_POLICY}">
<title>{escape(title)}</title>
<style>
{style}</style>
</head>
<body>
<a class="skip" href="#main">Skip to the report</a>
<header><h1>{escape(title)}</h1><p><code>{escape(about)}</code></p></header>
<div class="frame">
<nav aria-label="Contents"><details><summary>Contents</summary>{_contents(documents)}</details></nav>
<main id="main">
{parts}
</main>
</div>
</body>
</html>
"""


def _contents(documents: Sequence[Document]) -> str:
    entries = []
    for document in documents:
        inner = "".join(
            f'<li><a href="#{_anchor(document.name, block.anchor)}">{escape(plain_text(block.line))}</a></li>'
            for block in document.blocks
            if isinstance(block, Heading) and block.level == 2
        )
        entries.append(f'<li><a href="#{document.name}">{escape(document.short)}</a><ul>{inner}</ul></li>')
    return f"<ul>{''.join(entries)}</ul>"


def _anchor(document: str, anchor: str) -> str:
    return f"{document}.{anchor}"


class _Page:
    """What a block needs to know: which document it is in, which there are, and the drawings."""

    def __init__(self, names: set[str], drawings: Mapping[str, str]) -> None:
        self.names = names
        self.drawings = drawings
        self.name = ""

    def section(self, document: Document) -> str:
        """One document."""
        self.name = document.name
        blocks = "\n".join(self.block(block) for block in document.blocks)
        return f'<section id="{document.name}">\n<h2 class="part">{escape(document.title)}</h2>\n{blocks}\n</section>'

    def block(self, block: Block) -> str:
        """One block."""
        match block:
            case Heading(level, line, anchor):
                return f'<h{level + 1} id="{_anchor(self.name, anchor)}">{self.line(line)}</h{level + 1}>'
            case Paragraph(line):
                return f"<p>{self.line(line)}</p>"
            case Notice(line, verdict):
                return f'<p class="notice {verdict}">{self.line(line)}</p>'
            case Bullets(items):
                return f"<ul>{''.join(f'<li>{self.line(item)}</li>' for item in items)}</ul>"
            case Listing(lines):
                inside = "\n".join(self.line(line) for line in lines)
                return f'<pre tabindex="0"><code>{inside}</code></pre>'
            case Picture(name, _, caption):
                return f"<figure>{self.drawings[name]}<figcaption>{self.line(caption)}</figcaption></figure>"
            case Table():
                return self.table(block)

    def table(self, table: Table) -> str:
        """A table in a box of its own, in which it scrolls."""
        right = [' class="r"' if column in table.right else "" for column in range(len(table.head))]
        head = "".join(
            f'<th scope="col"{kind}>{self.line(cell)}</th>' for kind, cell in zip(right, table.head, strict=True)
        )
        rows = "".join(
            f"<tr>{''.join(f'<td{kind}>{self.line(cell)}</td>' for kind, cell in zip(right, row, strict=True))}</tr>\n"
            for row in table.rows
        )
        box = '<div class="box" tabindex="0" role="region" aria-label="Table">'
        kind = ' class="wide"' if len(table.head) >= _WIDE else ""
        return f"{box}<table{kind}><thead><tr>{head}</tr></thead><tbody>\n{rows}</tbody></table></div>"

    def line(self, line: Line) -> str:
        """The spans of one line."""
        return "".join(self.span(span) for span in line)

    def span(self, span: Span) -> str:
        """One span; a number says where it stands in the results."""
        match span:
            case Strong(line):
                return f"<strong>{self.line(line)}</strong>"
            case Link(line, target):
                return f'<a href="{escape(self.target(target))}">{self.line(line)}</a>'
            case Badge(verdict, _):
                sign = f'<span aria-hidden="true">{SHAPES[verdict]}</span>'
                return f'<span class="badge {verdict}">{sign} {verdict.replace("_", " ")}</span>'
            case Code(text):
                return f"<code>{self.span(text)}</code>"
            case Number(_, _, value, _, sources, how):
                origin = sources[0] if not how else f"{how}: {', '.join(sources[:2])}{', …' if sources[2:] else ''}"
                return f'<data value="{value!r}" title="{escape(clean(origin))}">{escape(str(span))}</data>'
            case Quoted(text):
                return escape(text)
            case str():
                return escape(span)

    def target(self, target: str) -> str:
        """Where a link leads within the page; a file beside it stays what it is, one folder up."""
        if target.startswith("#"):
            return f"#{_anchor(self.name, target[1:])}"
        return f"#{target}" if target in self.names else target
