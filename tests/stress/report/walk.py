"""Walks every number of a report back to the results: what reports may show is worked out here anew, from the JSON.

Nothing here trusts the code under test to have rendered or derived a number rightly: tokens are taken from the text of
the files, in order, and each has to be explained by the span of the document that stands there; each span has to be
explained by the JSON at its pointer.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from html.parser import HTMLParser
from math import ceil, floor, log10
from typing import Any
from unicodedata import category
from xml.etree import ElementTree

from stat7.stress.report.advice import CONSTANTS as OF_ADVICE
from stat7.stress.report.blocks import (
    Badge,
    Bullets,
    Code,
    Document,
    Heading,
    Link,
    Listing,
    Notice,
    Paragraph,
    Picture,
    Span,
    Strong,
    Table,
)
from stat7.stress.report.numbers import CONSTANTS, Number, Quoted

TOKEN = re.compile(r"(?<![A-Za-z0-9])[0-9][0-9,]*(?:\.[0-9]+)*(?:e-?[0-9]+)?")
ALLOWED = CONSTANTS | OF_ADVICE

FACTORS: Mapping[str, Mapping[str, float]] = {
    "ms": {
        " s": 1e3,
        " ms": 1,
        " µs": 1e-3,
        " ns": 1e-6,
        " minutes": 6e4,
        " seconds": 1e3,
        " thousandths of a second": 1,
        " millionths of a second": 1e-3,
    },
    "us": {" s": 1e6, " ms": 1e3, " µs": 1},
    "ns": {" s": 1e9, " ms": 1e6, " µs": 1e3, " ns": 1},
    "s": {
        " s": 1,
        " ms": 1e-3,
        " µs": 1e-6,
        " minutes": 60,
        " seconds": 1,
        " thousandths of a second": 1e-3,
        " millionths of a second": 1e-6,
    },
    "B": {
        " GB": 1e9,
        " MB": 1e6,
        " kB": 1e3,
        " B": 1,
        " gigabytes": 1e9,
        " megabytes": 1e6,
        " kilobytes": 1e3,
        " bytes": 1,
    },
    "1/s": {"/s": 1, " a second": 1},
}
"""What a unit behind a number makes of it, by the unit of the JSON."""

DERIVED: Mapping[str, Callable[..., float]] = {
    "count": lambda *things: len(things),
    "headroom of at least": lambda value, target: value / target,
    "headroom of less than": lambda value, target: target / value,
    "time of tenfold": lambda exponent: 10**exponent,
    "a hundred one after another": lambda each: each * 100,
    "seconds for a thousand": lambda rate: 1000 / rate,
    "in a twentieth of a second": lambda rate: rate * 0.05,
    "machines for 50000/s": lambda rate: ceil(50_000 / rate),
    "bytes for a million": lambda each: each * 1_000_000,
}


class Unexplained(AssertionError):
    """A number that the results don't hold."""


def tokens(text: str) -> list[str]:
    """The number tokens of a text."""
    return [found.rstrip(",") for found in TOKEN.findall(text)]


def at(document: Any, pointer: str) -> Any:
    """The value at a JSON pointer. Raises Unexplained if there is none."""
    found = document
    for step in pointer.split("/")[1:]:
        name = step.replace("~1", "/").replace("~0", "~")
        try:
            found = found[int(name)] if isinstance(found, list) else found[name]
        except (KeyError, IndexError, ValueError, TypeError):
            raise Unexplained(f"nothing stands at {pointer}") from None
    return found


def spans_of(document: Document) -> Iterator[Span]:
    """The spans of a document in the order in which they are shown; the title first."""
    yield document.title
    for block in document.blocks:
        match block:
            case Heading(_, line, _) | Paragraph(line) | Notice(line, _):
                yield from flattened(line)
            case Bullets(items) | Listing(items):
                for item in items:
                    yield from flattened(item)
            case Picture(_, alt, caption):
                yield from flattened(alt)
                yield from flattened(caption)
            case Table(head, rows, _):
                for row in (head, *rows):
                    for cell in row:
                        yield from flattened(cell)


def flattened(line: Sequence[Span]) -> Iterator[Span]:
    """The innermost spans of a line."""
    for span in line:
        if isinstance(span, Strong | Link):
            yield from flattened(span.line)
        elif isinstance(span, Code):
            yield span.text
        else:
            yield span


def explained(results: Any, source: str, spans: Iterator[Span] | Sequence[Span]) -> list[str]:
    """The number tokens of some spans, each of them checked against the results. Raises Unexplained."""
    found: list[str] = []
    for span in spans:
        match span:
            case Number():
                check_number(results, span)
            case Quoted():
                check_quoted(results, source, span)
            case Badge(verdict, pointer):
                if pointer and at(results, pointer) != verdict:
                    raise Unexplained(f"{verdict} isn't what stands at {pointer}")
            case str():
                unknown = set(tokens(span)) - ALLOWED
                if unknown:
                    raise Unexplained(f"{sorted(unknown)} in {span!r} come from nowhere")
            case _:
                raise AssertionError(span)
        found += tokens(str(span) if not isinstance(span, Badge) else span.verdict)
    return found


def check_number(results: Any, number: Number) -> None:
    """That the token, read as a person would, is the value of the JSON, or derived from values there."""
    values: list[Any] = [at(results, pointer) for pointer in number.sources]
    if number.how == "count":
        if len(set(number.sources)) != len(number.sources):
            raise Unexplained(f"{number} counts something twice")
        expected = float(len(values))
    elif number.how:
        expected = float(DERIVED[number.how](*values))
    else:
        (expected,) = values
    shown = scaled(number)
    if not near(shown, expected, number.text, number):
        raise Unexplained(f"{number} is shown where {expected} stands at {number.sources} {number.how}")


def scaled(number: Number) -> float:
    """The value that a reader takes from it, in the unit of the JSON."""
    value = float(number.text.replace(",", ""))
    if number.suffix in ("K", "M"):
        return value * (1e3 if number.suffix == "K" else 1e6)
    if number.suffix in ("", "×"):
        return value
    if number.suffix in FACTORS.get(number.unit, {}):
        return value * FACTORS[number.unit][number.suffix]
    if _visible(number.suffix) == _visible(number.unit):
        return value
    raise Unexplained(f"{number}: what unit is that?")


def near(shown: float, expected: float, text: str, number: Number) -> bool:
    """Equal to three significant digits, or rounded to a whole number."""
    if expected == 0 or shown == expected:
        return shown == expected
    size = 10.0 ** (floor(log10(abs(expected))) - 2)
    whole = abs(shown - expected) <= 0.5 and not number.suffix and "." not in text and number.how != "count"
    return abs(shown - expected) <= 0.5001 * size or (whole and number.how == "in a twentieth of a second")


def check_quoted(results: Any, source: str, quoted: Quoted) -> None:
    """That the text stands in the results, up to what can't be seen."""
    if quoted.pointer == "#source":
        stored = source
    elif quoted.key:
        at(results, quoted.pointer)
        stored = quoted.pointer.rpartition("/")[2].replace("~1", "/").replace("~0", "~")
    else:
        stored = str(at(results, quoted.pointer))
    if _visible(stored) != _visible(quoted.text):
        raise Unexplained(f"{quoted.text!r} isn't what stands at {quoted.pointer}")


def _visible(text: str) -> str:
    return "".join(each for each in text if not each.isspace() and each != "\ufffd" and category(each)[0] != "C")


# --------------------------------------------------------------------------------------------- what files show


def markdown_tokens(text: str) -> list[str]:
    """The number tokens that a reader of a Markdown file sees, and those of the texts of its pictures."""
    text = re.sub(r'<a id="[^"]*"></a>', "", text)
    text = re.sub(r"(?<!\\)\]\((?:plots/|\.\./|STRESS_|report|#)[^)\s]*\)", "]", text)
    return tokens(re.sub(r"\\([!-/:-@\[-`{-~])", r"\1", text.replace("&amp;", "&")))


class _Seen(HTMLParser):
    """Text of a page, without styles and drawings."""

    def __init__(self) -> None:
        super().__init__()
        self.parts: list[str] = []
        self.hidden = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in ("style", "svg", "nav", "header", "head"):
            self.hidden += 1
        if tag in ("p", "li", "td", "th", "h1", "h2", "h3", "h4", "h5", "pre", "figcaption"):
            self.parts.append("\n")

    def handle_endtag(self, tag: str) -> None:
        if tag in ("style", "svg", "nav", "header", "head"):
            self.hidden -= 1

    def handle_data(self, data: str) -> None:
        if not self.hidden:
            self.parts.append(data)


def page_text(html: str) -> str:
    """The text that a page shows in its main part, the drawings left out."""
    seen = _Seen()
    seen.feed(html)
    return "".join(seen.parts)


def drawn_tokens(svg: str) -> Counter[str]:
    """The number tokens of the texts of a drawing, ticks of axes left out."""
    counted: Counter[str] = Counter()

    def visit(element: ElementTree.Element) -> None:
        if re.search(r"\.[xy]tick_", element.get("id", "")):
            return
        if element.tag.rpartition("}")[2] in ("text", "title", "desc"):
            counted.update(tokens("".join(element.itertext())))
        for child in element:
            visit(child)

    visit(ElementTree.fromstring(svg))  # noqa: S314 - drawn by the code under test
    return counted
