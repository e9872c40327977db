"""admin: what is done once for a set of servers, by whoever runs them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from stat7.cli.config import find_places, open_repository, repository_options
from stat7.cli.output import note, print_json, print_table
from stat7.cli.writing import new_file
from stat7.errors import ConfigError

if TYPE_CHECKING:
    from stat7.gateway.access import Key
    from stat7.stores.base import Store


@click.group("admin")
def admin_group() -> None:
    """Set up servers and keys: once for each deployment."""


@admin_group.command()
@click.argument("urls", nargs=-1, metavar="URL URL [URL]...")
@click.option(
    "--map", "path", required=True, type=click.Path(path_type=Path), metavar="FILE", help="Where to write the map."
)
@click.option("--force", is_flag=True, help="Replace a file of that name.")
def shard(urls: tuple[str, ...], path: Path, force: bool) -> None:
    """Make one store of several PostgreSQL servers (or schemas), each for an equal range of addresses.

    Makes the tables, lets each server refuse what isn't in its range, and writes the map that every client needs: they
    open the store as shards:FILE. Schemas that hold data are refused. The ranges are fixed: to have more shards later,
    make a wider set and `stat7 copy --verify` into it.

    \b
    Examples:
      stat7 admin shard --map shards.toml postgresql://ada@one/library postgresql://ada@two/library
      stat7 init --store shards:shards.toml --files s3://library-files/main
    """
    from stat7.registry.shards import ShardURL, shards_text
    from stat7.registry.urls import redact
    from stat7.stores.sharded.making import make_set
    from stat7.stores.sharded.shard_map import MOST, ShardMap

    if not 2 <= len(urls) <= MOST:
        raise click.UsageError(f"name 2 to {MOST} servers, each by a postgresql: URL; are {len(urls)}")
    shards = [ShardURL.read(url) for url in urls]
    names = [each.place for each in shards]
    shard_map = ShardMap.equal(len(urls))
    secret = any(redact(url) != url for url in urls)
    with new_file(path, force=force, private=secret) as target, ExitStack() as opened:
        stores = []
        for each in shards:
            stores.append(each.config.open(make=True))
            opened.callback(stores[-1].close)
        make_set(stores, shard_map, names)
        target.write(shards_text(shard_map, urls).encode())
    for number, name in enumerate(names):
        click.echo(f"shard {number}: {shard_map.range_of(number)} at {name}")
    click.echo(f"wrote {path}: {len(urls)} shards, set {shard_map.name[:8]}; every client needs a copy")
    if secret:
        click.echo(f"{path} may hold a password: only you can read it; keep it out of archives and repositories")
    click.echo(f"next: stat7 init --store shards:{path} --files URL")


@admin_group.group("key")
def key_group() -> None:
    """Keys with which programs and people use a gateway."""


_KEYS = click.option(
    "--keys", default="", metavar="URL", help="The store that keeps the keys, if not the store itself."
)


@key_group.command("create")
@click.argument("name")
@click.option(
    "--scope", "scopes", multiple=True, type=click.Choice(["read", "write", "admin"]), default=("read",),
    help="What it may; can be given several times (read).",
)  # fmt: skip
@click.option(
    "--expires", metavar="DAYS", type=click.FloatRange(0, 36_500, min_open=True), help="When it ends (never)."
)
@click.option("--json", "as_json", is_flag=True, help="The key and what is kept of it, as JSON.")
@_KEYS
@repository_options
def create_key(
    name: str, scopes: tuple[str, ...], expires: float | None, as_json: bool, keys: str, store: str | None,
    files: str | None,
) -> None:  # fmt: skip
    """Make a key and print it, this once: only its SHA-256 is kept.

    \b
    Examples:
      stat7 admin key create laptop --scope read --scope write
      KEY=$(stat7 admin key create nightly-copy --scope admin --expires 90)
    """
    import time

    from stat7.gateway import access

    now = int(time.time() * 1000)
    until = None if expires is None else now + int(expires * 86_400_000)
    with _key_store(keys, store, files, make=True) as kept:
        text, key = access.create_key(kept, name, sorted(set(scopes)), now_ms=now, expires_ms=until)
    if as_json:
        print_json({"key": text, **_shown_key(key)})
        return
    note(f"key {key.id} ({key.name}) may {', '.join(sorted(key.scopes))}; this is the only time it is shown:")
    click.echo(text)


@key_group.command("list")
@click.option("--json", "as_json", is_flag=True, help="As JSON.")
@_KEYS
@repository_options
def list_keys(as_json: bool, keys: str, store: str | None, files: str | None) -> None:
    """List the keys: never their secrets, which nobody has."""
    from stat7.gateway import access

    with _key_store(keys, store, files) as kept:
        shown = [_shown_key(key) for key in access.list_keys(kept)]
    if as_json:
        print_json(shown)
        return
    columns = ("id", "name", "scopes", "created", "expires")
    rows = (
        [each["id"], each["name"], ",".join(each["scopes"]), each["created"], each["expires"] or ""] for each in shown
    )
    print_table(columns, rows)


@key_group.command("revoke")
@click.argument("id")
@_KEYS
@repository_options
def revoke_key(id: str, keys: str, store: str | None, files: str | None) -> None:
    """Make a key worthless, on every gateway within a second."""
    from stat7.gateway import access

    with _key_store(keys, store, files) as kept:
        access.revoke_key(kept, id)
    click.echo(f"revoked {id}")


@contextmanager
def _key_store(keys: str, store: str | None, files: str | None, *, make: bool = False) -> Iterator[Store]:
    from stat7.registry import gateway_of, open_store, redact

    named = keys or find_places(store, files).store
    if gateway_of(named):
        raise ConfigError(f"{redact(named)}: a gateway hands out no keys; name the store behind it, where it runs")
    with ExitStack() as opened:
        if keys:
            kept = open_store(keys, make=make)
            opened.callback(kept.close)
            yield kept
        else:
            yield opened.enter_context(open_repository(store, files, make=make)).store


def _shown_key(key: Key) -> dict[str, Any]:
    from stat7.record import format_time

    expires = None if key.expires is None else format_time(key.expires)
    return {
        "id": key.id, "name": key.name, "scopes": sorted(key.scopes), "created": format_time(key.created),
        "expires": expires,
    }  # fmt: skip
