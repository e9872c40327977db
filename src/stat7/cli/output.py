"""What commands write: tables and progress for people on a terminal, JSON for programs."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import click

from stat7.progress import Report, silent

if TYPE_CHECKING:
    from rich.progress import TaskID

_UNSAFE = (*range(32), *range(127, 160), *range(0x202A, 0x202F), *range(0x2066, 0x206A))
_CONTROL = dict.fromkeys(_UNSAFE, "\ufffd")


def plain(text: str) -> str:
    """Text from a document made safe for a terminal: control and direction-changing characters are replaced."""
    return text.translate(_CONTROL)


def print_json(value: Any) -> None:
    """One line of JSON on standard output."""
    click.echo(json.dumps(value, ensure_ascii=False, separators=(",", ":")))


def note(text: str) -> None:
    """A line for people, on standard error, so that standard output stays clean for programs."""
    click.echo(text, err=True)


def print_table(
    columns: Sequence[str], rows: Iterable[Sequence[object]], *, right: frozenset[str] = frozenset()
) -> int:
    """A table on a terminal, tab-separated lines elsewhere; returns the rows written. `right` names numeric columns."""
    cells = ([plain(str(cell)) for cell in row] for row in rows)
    if not sys.stdout.isatty():
        written = 0
        for row in cells:
            click.echo("\t".join(row))
            written += 1
        return written
    from rich.console import Console
    from rich.table import Table

    table = Table(box=None, pad_edge=False, header_style="bold")
    for name in columns:
        table.add_column(name, justify="right" if name in right else "left", overflow="ellipsis", no_wrap=True)
    for row in cells:
        table.add_row(*(cell.replace("[", r"\[") for cell in row))
    Console().print(table)
    return table.row_count


@contextmanager
def progress() -> Iterator[Report]:
    """A Report that draws count, rate and time left on a terminal's standard error, and is silent elsewhere."""
    if not sys.stderr.isatty():
        yield silent
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
    from rich.progress import TimeRemainingColumn as Remaining

    columns = (
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[rate]}"),
        TimeElapsedColumn(),
        Remaining(),
    )
    with Progress(*columns, console=Console(stderr=True), transient=True) as bars:
        tasks: dict[str, TaskID] = {}
        started: dict[str, float] = {}

        def report(stage: str, done: int, total: int | None) -> None:
            if stage not in tasks:
                tasks[stage] = bars.add_task(stage, total=total, rate="")
                started[stage] = time.monotonic()
            seconds = time.monotonic() - started[stage]
            rate = f"{done / seconds:,.0f}/s" if seconds > 0.5 else ""
            bars.update(tasks[stage], completed=done, total=total, rate=rate)

        yield report
