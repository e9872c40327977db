"""Documents as Markdown (GitHub's), with everything that came from outside escaped."""

from __future__ import annotations

import re
from typing import Final

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
)

SHAPES: Final = {"PASS": "✔", "FAIL": "✘", "INCONCLUSIVE": "≈", "NO_DATA": "○", "INVALID": "⚠"}
"""The sign of each verdict: it isn't told by colour alone."""

_SPECIAL: Final = re.compile(r"[\\`*{}\[\]<>#|~$!@&]|(?<![A-Za-z0-9])_|_(?![A-Za-z0-9])")
_LINKS: Final = re.compile(r":(?=//)|(?<=www)\.", re.IGNORECASE)
_OPENING: Final = re.compile(r"^(\s*)([-+=>:]|\d+(?=[.)]))")


def render(document: Document) -> str:
    """The document as the text of its file."""
    parts = [f"# {escape(document.title)}", *(_block(block) for block in document.blocks)]
    return "\n\n".join(part for part in parts if part) + "\n"


def escape(text: str) -> str:
    """Text that means itself."""
    text = _SPECIAL.sub(lambda found: "&amp;" if found[0] == "&" else "\\" + found[0], text)
    return _LINKS.sub(lambda found: "\\" + found[0], text)


def _block(block: Block) -> str:
    match block:
        case Heading(level, line, anchor):
            return f'<a id="{anchor}"></a>\n\n{"#" * level} {inline(line)}'
        case Paragraph(line):
            return _opened(inline(line))
        case Notice(line, _):
            return f"> {_opened(inline(line))}"
        case Bullets(items):
            return "\n".join(f"- {_opened(inline(item))}" for item in items)
        case Listing(lines):
            return "\n".join("    " + "".join(str(span) for span in line) for line in lines)
        case Picture(name, alt, caption):
            return f"![{inline(alt)}](plots/{name}.svg)\n\n*{inline(caption)}*"
        case Table():
            return _table(block)


def _table(table: Table) -> str:
    rule = ["---:" if column in table.right else "---" for column in range(len(table.head))]
    rows = [[inline(cell, in_table=True) for cell in row] for row in (table.head, *table.rows)]
    lines = [rows[0], rule, *rows[1:]]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _opened(text: str) -> str:
    """The text of a block, its first sign meaning itself."""
    found = _OPENING.match(text)
    if not found:
        return text
    start = found[1] + found[2]
    rest = text[len(start) :]
    return f"{start}\\{rest}" if found[2].isdecimal() else f"{found[1]}\\{found[2]}{rest}"


def inline(line: Line, in_table: bool = False) -> str:
    """The spans of one line."""
    return "".join(_span(span, in_table) for span in line)


def _span(span: Span, in_table: bool) -> str:
    match span:
        case Strong(line):
            return f"**{inline(line, in_table)}**"
        case Link(line, target):
            return f"[{inline(line, in_table)}]({_target(target)})"
        case Badge(verdict, _):
            return f"{SHAPES[verdict]} {verdict.replace('_', ' ')}"
        case Code(text):
            return _code(str(text), in_table)
        case _:
            return escape(str(span))


def _code(text: str, in_table: bool) -> str:
    longest = max((len(run) for run in re.findall("`+", text)), default=0)
    fence, room = "`" * (longest + 1), " " if text.startswith("`") or text.endswith("`") or not text else ""
    if in_table:
        text = text.replace("|", "\\|")
    return f"{fence}{room}{text}{room}{fence}"


def _target(target: str) -> str:
    if target.startswith("#") or "." in target:
        return re.sub(r"[^A-Za-z0-9._#/-]", lambda found: "".join(f"%{byte:02X}" for byte in found[0].encode()), target)
    return f"{target}.md"
