"""export, copy, digest: whole repositories on their way somewhere, and the proof that they arrived."""

from __future__ import annotations

import gzip
import sys
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, cast

import click

from stat7.cli.app import BAD_INPUT
from stat7.cli.config import open_pair, open_repository, repository_options
from stat7.cli.finding import build_query, query_options
from stat7.cli.output import note, plain, print_json, print_table, progress
from stat7.cli.writing import new_file

if TYPE_CHECKING:
    from collections.abc import Iterator


@click.command()
@query_options
@click.option(
    "-o", "--output", required=True, type=click.Path(path_type=Path, allow_dash=True), help="`-`: standard output."
)
@click.option("--force", is_flag=True, help="Replace the output if it exists.")
@click.option("--json", "as_json", is_flag=True, help="End with one JSON object of counts (not with -o -).")
@repository_options
def export(
    locator: str | None,
    output: Path,
    force: bool,
    as_json: bool,
    store: str | None,
    files: str | None,
    **parts: str | None,
) -> None:
    """Write entities as canonical NDJSON (gzipped if the name ends in .gz); options of find choose which.

    \b
    Examples:
      stat7 export -o current.ndjson.gz
      stat7 export --versions all -o all.ndjson.gz     with every history; import takes it back
      stat7 export --realm narrative --versions all -o - | wc -l
    """
    from stat7.operations.export import export_entities

    query = build_query(locator, parts)
    # Everything, histories included, has an order of its own: the one in which import takes it back.
    everything = query.as_dict() == {"versions": "all"}
    with open_repository(store, files) as repo, progress() as report, _target(output, force) as target:
        count = export_entities(repo, target, query=None if everything else query, report=report)
    if str(output) != "-":
        if as_json:
            print_json({"exported": count})
        else:
            click.echo(f"{count:,} exported to {plain(str(output))}")


@contextmanager
def _target(path: Path, force: bool) -> Iterator[BinaryIO]:
    """A new file, compressed if its name says so, or standard output."""
    if str(path) == "-":
        yield sys.stdout.buffer
        return
    with new_file(path, force=force) as target:
        if path.suffix != ".gz":
            yield target
            return
        # Neither name nor time goes in: equal exports are equal bytes.
        with gzip.GzipFile("", "wb", 6, target, mtime=0) as packed:
            yield cast("BinaryIO", packed)


@click.command()
@click.argument("source")
@click.argument("target")
@click.option("--verify", is_flag=True, help="Read the copy back and compare the digests of both.")
@click.option("--json", "as_json", is_flag=True, help="End with one JSON object of counts and digests.")
def copy(source: str, target: str, verify: bool, as_json: bool) -> None:
    """Copy everything in SOURCE to TARGET, each a store's URL, or STORE,FILES; interrupted, it goes on where it was.

    Without FILES, `sqlite:X.db` goes with `file:X-files` beside it.

    \b
    Examples:
      stat7 copy --verify sqlite:library.db sqlite:backup.db
      stat7 copy sqlite:a.db,file:a-files sqlite:b.db,file:b-files
    """
    from stat7.operations.copy import copy as copy_all
    from stat7.registry import redact

    with open_pair(source) as origin, open_pair(target, make=True) as destination, progress() as report:
        result = copy_all(
            origin,
            destination,
            verify=verify,
            name=redact(source),
            on_problem=lambda problem: note(plain(str(problem))),
            report=report,
        )
    summary = result.as_dict()
    if as_json:
        print_json(summary)
    else:
        print_table(("what", "value"), ((name.replace("_", " "), value) for name, value in summary.items()))
    if not result.ok:
        click.get_current_context().exit(BAD_INPUT)


@click.command()
@click.option("--lines", is_flag=True, help="Write the sorted lines that the digest is the SHA-256 of.")
@click.option("--json", "as_json", is_flag=True, help="The digests as JSON.")
@click.option(
    "--diff", nargs=2, metavar="A B", help="Write the lines that only A (-) or only B (+) has; exit code 1 if any."
)
@repository_options
def digest(lines: bool, as_json: bool, diff: tuple[str, str] | None, store: str | None, files: str | None) -> None:
    """Print the digests of all entities, heads and files; equal digests mean equal contents, on any backend.

    A and B are STORE or STORE,FILES, as for copy. The lines: E a document, F a file that one names, H a head (after the
    SHA-256 of its id), W the notice of a withdrawn document, X that of a withdrawn file.

    \b
    Examples:
      stat7 digest
      stat7 digest --lines | sha256sum      prints the combined digest
      stat7 digest --diff sqlite:library.db sqlite:backup.db
    """
    from stat7.operations.digest import digest as digest_all
    from stat7.operations.digest import digest_lines

    if (diff is not None) + lines + as_json > 1:
        raise click.UsageError("--lines, --json and --diff exclude each other")
    if diff is not None:
        if store or files:
            raise click.UsageError("--diff names both stores itself; leave --store and --files out")
        _print_difference(*diff)
        return
    with open_repository(store, files) as repo:
        if lines:
            sys.stdout.buffer.writelines(digest_lines(repo))
            return
        with progress() as report:
            digests = digest_all(repo, report=report).as_dict()
    if as_json:
        print_json(digests)
    else:
        print_table(("of", "digest"), digests.items())


def _print_difference(one: str, other: str) -> None:
    from stat7.operations.digest import difference

    found = 0
    with open_pair(one) as first, open_pair(other) as second:
        for line in difference(first, second):
            sys.stdout.buffer.write(line)
            found += 1
    note(f"{found:,} lines differ" if found else "no difference")
    if found:
        click.get_current_context().exit(BAD_INPUT)
