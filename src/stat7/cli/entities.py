"""put, get, head, history, neighbours, address: one entity at a time."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import click

from stat7.cli.config import open_repository, repository_options
from stat7.cli.output import plain, print_document, print_json, print_table, to_json


@click.command()
@click.argument("document", type=click.Path(path_type=Path, allow_dash=True))
@click.option(
    "--attach", "attachments", multiple=True, type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="Store this file first and list it in the document; may be repeated.",
)  # fmt: skip
@click.option("--json", "as_json", is_flag=True, help="Print address, id and status as JSON.")
@repository_options
def put(document: Path, attachments: tuple[Path, ...], as_json: bool, store: str | None, files: str | None) -> None:
    """Store one entity DOCUMENT (a JSON file, `-` for standard input) and print its address.

    \b
    Examples:
      stat7 put ada.json
      stat7 put ada.json --attach portrait.png
      echo '{"stat7":1,…}' | stat7 put -
    """
    data = read_document(document)
    from stat7.repository import to_record

    with open_repository(store, files, make=True) as repo:
        if attachments:
            from stat7.importers.attach import attach

            record = to_record(attach(repo, data, attachments))
        else:
            record = to_record(data)
        (result,) = repo.put_many([record])
        if result.error is not None:
            raise result.error
    if as_json:
        print_json({"address": result.address, "id": record.id, "status": result.status.value})
    else:
        click.echo(result.address)


@click.command()
@click.argument("address", required=False)
@click.option("--id", "id", metavar="ID", help="Get the current version of this id instead.")
@click.option(
    "--raw", is_flag=True, help="Write the exact canonical bytes and nothing else (sha256sum prints ADDRESS)."
)
@click.option("--json", "as_json", is_flag=True, help="Write the document on one line.")
@repository_options
def get(address: str | None, id: str | None, raw: bool, as_json: bool, store: str | None, files: str | None) -> None:
    """Print the document stored under ADDRESS (64 hex digits or a CID), hashed again before it is shown.

    \b
    Examples:
      stat7 get 9aac8f04…                     readable
      stat7 get 9aac8f04… --raw | sha256sum   prints the address
      stat7 get --id hero/ada
    """
    from stat7.address import parse_address

    if (address is None) == (id is None):
        raise click.UsageError("give either an ADDRESS or --id ID")
    with open_repository(store, files) as repo:
        wanted = parse_address(address) if address is not None else repo.head(id or "")
        document = repo.get_document(wanted)
    if raw:
        sys.stdout.buffer.write(document)
    elif as_json:
        print_document(document)
    else:
        click.echo(to_json(json.loads(document), indent=2))


@click.command()
@click.argument("id")
@click.option("--json", "as_json", is_flag=True, help="Print id and address as JSON.")
@repository_options
def head(id: str, as_json: bool, store: str | None, files: str | None) -> None:
    """Print the address of the current version of ID.

    \b
    Example:
      stat7 get $(stat7 head hero/ada)
    """
    with open_repository(store, files) as repo:
        address = repo.head(id)
    if as_json:
        print_json({"id": id, "address": address})
    else:
        click.echo(address)


@click.command()
@click.argument("id")
@click.option("--json", "as_json", is_flag=True, help="One document or notice a line.")
@repository_options
def history(id: str, as_json: bool, store: str | None, files: str | None) -> None:
    """List the versions of ID, newest first; withdrawn ones show their case.

    \b
    Example:
      stat7 history hero/ada
    """
    from stat7.entity import Entity

    with open_repository(store, files) as repo:
        versions = repo.history(id)
        if as_json:
            for version in versions:
                if isinstance(version, Entity):
                    print_document(version.canonical)
                else:
                    print_json(version._asdict())
            return
        rows = (
            (version.address, version.created_at or "-", version.entity_type)
            if isinstance(version, Entity)
            else (version.address, version.withdrawn_at, f"withdrawn (case {version.case}: {version.reason})")
            for version in versions
        )
        print_table(("address", "time", "type"), rows)


@click.command()
@click.argument("id")
@click.option("--json", "as_json", is_flag=True, help="One neighbour a line.")
@repository_options
def neighbours(id: str, as_json: bool, store: str | None, files: str | None) -> None:
    """List the ids that ID names as neighbours, and those that name ID.

    \b
    Example:
      stat7 neighbours town/oxbow
    """
    with open_repository(store, files) as repo:
        found = repo.neighbours(id)
        if as_json:
            for neighbour in found:
                print_json(neighbour._asdict())
            return
        arrows = {(True, True): "<->", (True, False): "->", (False, True): "<-"}
        rows = ((arrows[item.outgoing, item.incoming], item.id, item.address or "(not stored)") for item in found)
        print_table(("", "id", "address"), rows)


@click.command()
@click.argument("document", type=click.Path(path_type=Path, allow_dash=True))
@click.option("--json", "as_json", is_flag=True, help="Print address, CID, locator and size as JSON.")
def address(document: Path, as_json: bool) -> None:
    """Print what the address of a DOCUMENT is, without storing it (`-` reads standard input).

    \b
    Examples:
      stat7 address ada.json
      stat7 address ada.json --json      also the CID and the locator
    """
    from stat7.entity import Entity
    from stat7.locator import locator_of

    entity = Entity.from_json(read_document(document))
    if as_json:
        place = locator_of(entity.record)
        print_json({"address": entity.address, "cid": entity.cid, "locator": place, "size": len(entity.canonical)})
    else:
        click.echo(entity.address)


def read_document(path: Path) -> bytes:
    """The bytes of one document from a file or standard input; a file that can't be read is a usage error."""
    if str(path) == "-":
        return sys.stdin.buffer.read()
    try:
        return path.read_bytes()
    except OSError as error:
        raise click.UsageError(f"can't read {plain(str(path))}: {error.strerror}") from None
