"""file put | get | cat."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import click

from stat7.cli.config import open_repository, repository_options
from stat7.cli.output import plain, print_json
from stat7.cli.writing import new_file

_RANGE = re.compile(r"([0-9]{1,18})-([0-9]{0,18})")


@click.group(name="file")
def file_group() -> None:
    """Store and read files by the SHA-256 of their bytes; every read is verified."""


@file_group.command()
@click.argument("paths", nargs=-1, required=True, type=click.Path(path_type=Path, allow_dash=True))
@click.option("--json", "as_json", is_flag=True, help="Print path, sha256 and size as JSON, one file a line.")
@repository_options
def put(paths: tuple[Path, ...], as_json: bool, store: str | None, files: str | None) -> None:
    """Store files and print their SHA-256 (`-` reads standard input). Files stored already are stored once.

    \b
    Example:
      stat7 file put cover.png
    """
    for path in paths:
        if str(path) != "-" and not path.is_file():
            raise click.UsageError(f"{plain(str(path))} is not a file")
    with open_repository(store, files, make=True) as repo:
        for path in paths:
            stored = repo.put_file(sys.stdin.buffer if str(path) == "-" else path)
            if as_json:
                print_json({"path": str(path), "sha256": stored.sha256, "size": stored.size})
            else:
                click.echo(stored.sha256)


@file_group.command()
@click.argument("sha256")
@click.option("-o", "--output", required=True, type=click.Path(path_type=Path), help="Where to write the file.")
@click.option("--force", is_flag=True, help="Replace the output if it exists.")
@repository_options
def get(sha256: str, output: Path, force: bool, store: str | None, files: str | None) -> None:
    """Write a stored file to a path; the path appears only when every byte has been verified.

    \b
    Example:
      stat7 file get 2cf24dba… -o cover.png
    """
    with open_repository(store, files) as repo:
        pieces = repo.open_file(_name(sha256))
        with new_file(output, force=force) as target:
            target.writelines(pieces)


@file_group.command()
@click.argument("sha256")
@click.option(
    "--range", "span", metavar="FIRST-LAST", help="Only these bytes, both ends included, e.g. 0-1023 or 1024-"
)
@repository_options
def cat(sha256: str, span: str | None, store: str | None, files: str | None) -> None:
    """Write a stored file, or a range of its bytes, to standard output.

    \b
    Example:
      stat7 file cat 2cf24dba… --range 0-1023 | xxd
    """
    start, end = _span(span)
    with open_repository(store, files) as repo:
        name = _name(sha256)
        if end is not None:
            end = min(end, repo.stat_file(name).size)
        for piece in repo.open_file(name, start, end):
            sys.stdout.buffer.write(piece)


def _name(sha256: str) -> str:
    if not re.fullmatch(r"[0-9a-fA-F]{64}", sha256):
        raise click.UsageError(f"{plain(sha256[:80])} is not a SHA-256 (64 hex digits)")
    return sha256.lower()


def _span(text: str | None) -> tuple[int, int | None]:
    """`0-1023` (both ends included, as in HTTP) as start and excluded end."""
    if text is None:
        return 0, None
    found = _RANGE.fullmatch(text)
    if found is None or (found[2] and int(found[2]) < int(found[1])):
        raise click.UsageError(f"--range {plain(text[:80])}: write FIRST-LAST or FIRST-, e.g. 0-1023")
    return int(found[1]), int(found[2]) + 1 if found[2] else None
