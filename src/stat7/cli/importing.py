"""import entities | table | files | git."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from stat7.cli.config import open_repository, repository_options
from stat7.cli.output import note, plain, print_json, progress
from stat7.errors import StoreFull, Unavailable

if TYPE_CHECKING:
    from stat7.importers.base import Item, Problem
    from stat7.repository import Repository

Function = TypeVar("Function", bound=Callable[..., Any])
Source = Callable[["Repository"], Iterable["Item"]]

PROBLEMS_SHOWN = 200
SKIPS_SHOWN = 10


def _run_options(function: Function) -> Function:
    update = click.option("--update", is_flag=True, help="Make an id's changed facts its next version, not a conflict.")
    as_json = click.option("--json", "as_json", is_flag=True, help="End with one JSON object of counts.")
    return repository_options(update(as_json(function)))


@click.group(name="import")
def import_group() -> None:
    """Bring in entities, tables, folders of files, or a git history.

    Every importer takes its facts from the items alone, so running it again changes nothing. A bad item is reported
    with its place and reason and the rest goes on; then the exit code is 1.
    """


@import_group.command()
@click.argument("sources", nargs=-1, required=True, type=click.Path(path_type=Path, allow_dash=True))
@_run_options
def entities(sources: tuple[Path, ...], update: bool, as_json: bool, store: str | None, files: str | None) -> None:
    """Import entity documents, one a line (NDJSON, also gzipped; `-` reads standard input).

    \b
    Examples:
      stat7 import entities movies.ndjson
      stat7 export -o - | ssh host stat7 import entities -
    """
    from stat7.importers.entities import read_entities

    for source in sources:
        _must_be_readable(source)

    def items(repo: Repository) -> Iterator[Item]:
        return chain.from_iterable(read_entities(sys.stdin.buffer if str(path) == "-" else path) for path in sources)

    _run(items, update, as_json, store, files)


@import_group.command()
@click.argument("source", type=click.Path(path_type=Path))
@click.option(
    "--map", "mapping", required=True, type=click.Path(path_type=Path), help="The TOML file that maps columns."
)
@_run_options
def table(source: Path, mapping: Path, update: bool, as_json: bool, store: str | None, files: str | None) -> None:
    """Import the rows of a CSV, TSV, JSON or NDJSON file through a mapping (docs/importing.md says how to write one).

    \b
    Example:
      stat7 import table airports.csv --map airports.toml
    """
    from stat7.importers.table import load_mapping, read_table

    _must_be_readable(source)
    loaded = load_mapping(mapping)
    _run(lambda repo: read_table(source, loaded), update, as_json, store, files)


@import_group.command(name="files")
@click.argument("folder", type=click.Path(path_type=Path))
@click.option("--hidden", is_flag=True, help="Take hidden files and folders too.")
@click.option("--follow-links", is_flag=True, help="Follow symbolic links instead of skipping them.")
@click.option("--no-dates", is_flag=True, help="Leave created_at empty instead of taking the modification time.")
@click.option("--prefix", default="", help="Put this before each file's id, e.g. photos/")
@click.option("--realm", default="data", show_default=True, help="The realm of the entities.")
@_run_options
def import_files(
    folder: Path,
    hidden: bool,
    follow_links: bool,
    no_dates: bool,
    prefix: str,
    realm: str,
    update: bool,
    as_json: bool,
    store: str | None,
    files: str | None,
) -> None:
    """Import a folder tree: one entity per file, with media type, size and hash; equal files are stored once.

    \b
    Example:
      stat7 import files ~/Pictures --prefix photos/
    """
    from stat7.importers.files import read_files

    if not folder.is_dir():
        raise click.UsageError(f"{plain(str(folder))} is not a folder")
    skipped = 0

    def on_skip(place: str, reason: str) -> None:
        nonlocal skipped
        skipped += 1
        if skipped <= SKIPS_SHOWN:
            note(f"skipped {plain(place)}: {plain(reason)}")
        elif skipped == SKIPS_SHOWN + 1:
            note("… and more like these")

    def items(repo: Repository) -> Iterator[Item]:
        return read_files(
            repo,
            folder,
            hidden=hidden,
            follow_links=follow_links,
            dates=not no_dates,
            prefix=prefix,
            realm=realm,
            on_skip=on_skip,
        )

    _run(items, update, as_json, store, files)


@import_group.command()
@click.argument("folder", type=click.Path(path_type=Path), default=Path())
@click.option("--revision", default="HEAD", show_default=True, help="The branch, tag or commit whose history is taken.")
@_run_options
def git(folder: Path, revision: str, update: bool, as_json: bool, store: str | None, files: str | None) -> None:
    """Import a git history: one entity per commit, lineage = generation, adjacency = parents.

    \b
    Example:
      stat7 import git . && stat7 find --type commit --density 0.5..
    """
    from stat7.importers.git import read_git

    _run(lambda repo: read_git(folder, revision=revision), update, as_json, store, files)


def _run(source: Source, update: bool, as_json: bool, store: str | None, files: str | None) -> None:
    from stat7.importers.base import run

    shown = 0

    def on_problem(problem: Problem) -> None:
        nonlocal shown
        if isinstance(problem.error, (StoreFull, Unavailable)):
            # The same for every item of the batch; it ends the import, which says so once.
            return
        shown += 1
        if shown <= PROBLEMS_SHOWN:
            note(f"{plain(problem.place)}: {plain(str(problem.error))}")
        elif shown == PROBLEMS_SHOWN + 1:
            note("… further problems are counted, not shown")

    with open_repository(store, files, make=True) as repo, progress() as report:
        summary = run(repo, source(repo), update=update, on_problem=on_problem, report=report)
    counts = summary.as_dict()
    if as_json:
        print_json(counts)
    else:
        click.echo(", ".join(f"{count:,} {name}" for name, count in counts.items() if count or name in ("read", "new")))
    if counts["bad"] or counts["conflict"]:
        click.get_current_context().exit(1)


def _must_be_readable(path: Path) -> None:
    if str(path) == "-":
        return
    try:
        path.open("rb").close()
    except OSError as error:
        raise click.UsageError(f"can't read {plain(str(path))}: {error.strerror}") from None
