"""find and explain."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from itertools import islice
from shutil import get_terminal_size
from typing import TYPE_CHECKING, Any, TypeVar

import click
from click.shell_completion import CompletionItem

from stat7.cli.config import open_repository, repository_options
from stat7.cli.output import note, print_document, print_json, print_table
from stat7.coordinates import HORIZONS, STANDARD_REALMS

if TYPE_CHECKING:
    from stat7.entity import Entity
    from stat7.query import Query

SHOWN = 50
"""Rows of a table when no --limit is given."""

WIDE = 100
"""Columns of a terminal that hold every coordinate in full; on a narrower one some others are left out."""

_COLUMNS = (
    "address", "id", "type", "realm", "lineage", "horizon", "resonance", "velocity", "density", "near", "files"
)  # fmt: skip
_NUMBERS = frozenset(("lineage", "resonance", "velocity", "density", "near", "files"))
_NARROW = frozenset(("type", "near", "files"))

Function = TypeVar("Function", bound=Callable[..., Any])


def _complete(words: tuple[str, ...]) -> Callable[[click.Context, click.Parameter, str], list[CompletionItem]]:
    def complete(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
        before, comma, last = incomplete.rpartition(",")
        return [CompletionItem(before + comma + word) for word in words if word.startswith(last)]

    return complete


_OPTIONS = (
    click.argument("locator", required=False),
    click.option("--realm", metavar="SET", shell_complete=_complete(STANDARD_REALMS), help="e.g. data or data,event"),
    click.option("--lineage", metavar="RANGE", help="Generations from the root, e.g. 3 or 2..5"),
    click.option("--adjacent-to", metavar="ID", help="Entities that name this id as a neighbour."),
    click.option(
        "--horizon",
        metavar="SET|RANGE",
        shell_complete=_complete((*HORIZONS, *(f"{name}.." for name in HORIZONS))),
        help="e.g. peak, peak.. or genesis,decay",
    ),
    click.option("--resonance", metavar="RANGE", help="In [-1, 1], e.g. 0.5.. (write --resonance=-0.5..0.5)"),
    click.option("--velocity", metavar="RANGE", help="In [-1, 1]."),
    click.option("--density", metavar="RANGE", help="In [0, 1]."),
    click.option("--type", "entity_type", metavar="SET", help="Entity types, e.g. character,badge"),
    click.option("--created", metavar="RANGE", help="Times or days, e.g. 2026-01-01..2026-01-31"),
    click.option("--file", "file", metavar="SHA256", help="Entities with this file attached."),
    click.option("--versions", type=click.Choice(["current", "all"]), help="Current versions only (default), or all."),
)


def query_options(function: Function) -> Function:
    """Give a command the options that make up a query."""
    for option in reversed(_OPTIONS):
        function = option(function)
    return function


def build_query(locator: str | None, parts: dict[str, str | None]) -> Query:
    """The query of a locator or of options. Raises InvalidQuery, and UsageError where both are given."""
    from stat7.locator import parse_locator
    from stat7.query import Query

    given: dict[str, Any] = {name: value for name, value in parts.items() if value is not None}
    if locator is None:
        return Query(**given)
    query = parse_locator(locator)
    doubled = query.as_dict().keys() & given.keys()
    if doubled:
        raise click.UsageError(f"{', '.join(sorted(doubled))}: given by the locator and by an option")
    return Query(**query.as_dict(), **given)


@click.command()
@query_options
@click.option(
    "--limit", type=click.IntRange(1, sys.maxsize), help=f"Stop after so many (a table shows {SHOWN} by default)."
)
@click.option("--json", "as_json", is_flag=True, help="One canonical document a line.")
@click.option("--addresses", is_flag=True, help="One address a line.")
@click.option("--allow-scan", is_flag=True, help="Read a whole cluster if no index serves the query.")
@repository_options
def find(
    locator: str | None,
    limit: int | None,
    as_json: bool,
    addresses: bool,
    allow_scan: bool,
    store: str | None,
    files: str | None,
    **parts: str | None,
) -> None:
    """Find entities by any combination of coordinates, type, time and attached file; nothing found is no error.

    LOCATOR is another way to write coordinates: stat7://realm/lineage/*/horizon?r=R&v=V&d=D, parts may be `*`.
    Ranges are a..b, a.. or ..b with both ends included; sets are comma lists.

    \b
    Examples:
      stat7 find --realm narrative --lineage 3 --horizon peak.. --resonance 0.5..
      stat7 find 'stat7://narrative/3/*/peak?r=0.5..1'
      stat7 find --adjacent-to town/oxbow --json | jq .state
    """
    if as_json and addresses:
        raise click.UsageError("--json and --addresses exclude each other")
    query = build_query(locator, parts)
    with open_repository(store, files) as repo:
        if addresses:
            for address in repo.find_addresses(query, limit, allow_scan=allow_scan):
                click.echo(address)
        elif as_json:
            for entity in repo.find(query, limit, allow_scan=allow_scan):
                print_document(entity.canonical)
        else:
            _print_entities(repo.find(query, limit, allow_scan=allow_scan), limit)


def _print_entities(entities: Iterator[Entity], limit: int | None) -> None:
    terminal = sys.stdout.isatty()
    narrow = terminal and get_terminal_size().columns < WIDE
    kept = [at for at, name in enumerate(_COLUMNS) if not (narrow and name in _NARROW)]
    digits = (8 if narrow else 12) if terminal else None
    wanted = limit or (SHOWN if terminal else None)
    rows = (_row(entity, digits) for entity in islice(entities, wanted))
    cells = ([row[at] for at in kept] for row in rows)
    shown = print_table([_COLUMNS[at] for at in kept], cells, right=_NUMBERS, elastic="id")
    if terminal:
        more = limit is None and shown == SHOWN and next(entities, None) is not None
        note(f"{shown} shown; there are more: add --limit N, --addresses or --json" if more else f"{shown} found")


def _row(entity: Entity, digits: int | None) -> tuple[object, ...]:
    """For people so many digits of the address and rounded numbers, for programs (None) all of them."""
    from stat7.canonical import format_number

    place = entity.coordinates
    reals = (
        f"{value:.4f}" if digits else format_number(value) for value in (place.resonance, place.velocity, place.density)
    )
    near, attached = len(entity.record.adjacency), len(entity.record.files)
    named = (entity.address[:digits], entity.id, entity.entity_type)
    return (*named, place.realm, place.lineage, place.horizon, *reals, near, attached)


@click.command()
@query_options
@click.option("--json", "as_json", is_flag=True, help="The plan as JSON.")
@repository_options
def explain(locator: str | None, as_json: bool, store: str | None, files: str | None, **parts: str | None) -> None:
    """Show how a find would be answered: by which index, how many rows are visited, about how many entities match.

    \b
    Example:
      stat7 explain --resonance 0.5..
    """
    from dataclasses import asdict

    query = build_query(locator, parts)
    with open_repository(store, files) as repo:
        plan = repo.explain(query)
    if as_json:
        print_json(asdict(plan))
        return
    click.echo(f"{plan.method} ({'indexed' if plan.indexed else 'without an index'})")
    click.echo(f"  {plan.detail}")
    click.echo(f"  about {plan.rows:,} rows visited for a first page of 100; about {plan.matches:,} entities match")
