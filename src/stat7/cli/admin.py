"""admin: what is done once for a set of servers, by whoever runs them."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path

import click

from stat7.cli.writing import new_file


@click.group("admin")
def admin_group() -> None:
    """Set up servers: once for each deployment."""


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
