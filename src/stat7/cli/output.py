"""What commands write: tables and progress for people on a terminal, JSON for programs."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import click

from stat7.progress import Report, silent

if TYPE_CHECKING:
    from rich.progress import TaskID

_GAP = 2
_LEAST = 8
_NO_COLOURS: Mapping[str, str] = {}
# Controls, and what changes the direction of writing or begins a new line without being one.
_UNSAFE = (
    *range(0x20), *range(0x7F, 0xA0), 0x061C, 0x200E, 0x200F, *range(0x2028, 0x202F), *range(0x2066, 0x206A)
)  # fmt: skip
_REPLACED = dict.fromkeys(_UNSAFE, "\ufffd")
# In JSON such a character can only stand inside a text, where the escape means the same; below 0x20 it never does.
_ESCAPED = {code: f"\\u{code:04x}" for code in _UNSAFE if code >= 0x20}


def plain(text: str) -> str:
    """Text from a document made safe for a terminal: control and direction-changing characters are replaced."""
    return text.translate(_REPLACED)


def to_json(value: Any, indent: int | None = None) -> str:
    """JSON that is safe for a terminal: control and direction-changing characters are escaped."""
    separators = (",", ":") if indent is None else None
    return json.dumps(value, ensure_ascii=False, indent=indent, separators=separators).translate(_ESCAPED)


def print_json(value: Any) -> None:
    """One line of JSON on standard output."""
    click.echo(to_json(value))


def print_document(document: bytes) -> None:
    """A canonical document on a line of standard output: byte for byte, but on a terminal safe for it."""
    if sys.stdout.isatty():
        click.echo(document.decode().translate(_ESCAPED))
    else:
        sys.stdout.buffer.write(document + b"\n")


def indented(text: str, columns: int) -> str:
    """A line that stands behind `columns` others: on a terminal it goes on below its own beginning."""
    if not sys.stdout.isatty():
        return text
    import shutil
    from textwrap import wrap

    width = max(shutil.get_terminal_size().columns - columns, 20)
    lines = wrap(text, width, break_long_words=False, break_on_hyphens=False)
    return f"\n{' ' * columns}".join(lines)


def note(text: str) -> None:
    """A line for people, on standard error, so that standard output stays clean for programs."""
    click.echo(text, err=True)


def print_table(
    columns: Sequence[str],
    rows: Iterable[Sequence[object]],
    *,
    right: Collection[str] = (),
    wrapped: Collection[str] = (),
    elastic: str | None = None,
    colours: Mapping[str, str] = _NO_COLOURS,
) -> int:
    """A table on a terminal, tab-separated lines elsewhere; returns the rows written.

    `right` names numeric columns, `wrapped` those that go on in the next line instead of being cut off, `elastic` the
    one that gives way where the terminal is too narrow (else all do); `colours` has the colour of a cell by its text.
    """
    cells = ([plain(str(cell)) for cell in row] for row in rows)
    if not sys.stdout.isatty():
        written = 0
        for row in cells:
            click.echo("\t".join(row))
            written += 1
        return written
    from rich.cells import cell_len
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    console = Console()
    table = Table(box=None, pad_edge=False, header_style="bold")
    lines = list(cells)
    needed = {name: max(map(cell_len, (name, *(line[at] for line in lines)))) for at, name in enumerate(columns)}
    spare = console.width - sum(needed.values()) - _GAP * (len(columns) - 1)
    for name in columns:
        table.add_column(
            name,
            justify="right" if name in right else "left",
            overflow="ellipsis",
            no_wrap=name not in wrapped,
            max_width=max(_LEAST, needed[name] + min(0, spare)) if name == elastic else None,
        )
    for row in lines:
        table.add_row(*(Text(cell, colours.get(cell, "")) for cell in row))
    console.print(table)
    return table.row_count


@contextmanager
def progress(*, staged: bool = True) -> Iterator[Report]:
    """A Report that draws time spent and left on a terminal's standard error, and is silent elsewhere.

    `staged`: every stage has a bar of its own with count and rate; else one bar is drawn, which names the stage.
    """
    if not sys.stderr.isatty():
        yield silent
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
    from rich.progress import TimeRemainingColumn as Remaining

    counts = (MofNCompleteColumn(), TextColumn("{task.fields[rate]}")) if staged else ()
    description = TextColumn("{task.description}", markup=False)
    columns = (SpinnerColumn(), description, BarColumn(), *counts, TimeElapsedColumn(), TextColumn("left"), Remaining())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bars:
        tasks: dict[str, TaskID] = {}
        started: dict[str, float] = {}

        def report(stage: str, done: int, total: int | None) -> None:
            bar = stage if staged else ""
            if bar not in tasks:
                tasks[bar] = bars.add_task(stage, total=total, rate="")
                started[bar] = time.monotonic()
            seconds = time.monotonic() - started[bar]
            rate = f"{done / seconds:,.0f}/s" if seconds > 0.5 else ""
            bars.update(tasks[bar], description=stage, completed=done, total=total, rate=rate)

        yield report
