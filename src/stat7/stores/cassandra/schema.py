"""The tables, made by `stat7 init` or the first opening, and their version.

entities  a document by its address, with the facts it is found by and its links; the cells of its notice, if withdrawn
cells     by realm, horizon and part of the addresses (bucket): lineage, address, and the three reals
links     by part of the targets: target (a neighbour or a file), address, and where that entity is
          in both, the entity's id, if a find has seen that it is there (marks.py)
notices   the addresses that were withdrawn
heads     id -> current address, touched by lightweight transactions alone
names     three kinds of small facts: about the store, the realms there are, marks

A deletion must outlive the time a node may be away (gc_grace_seconds, ten days by default), as in any Cassandra.
"""

from __future__ import annotations

from typing import Final

from cassandra import InvalidRequest

from stat7.errors import ConfigError
from stat7.stores.cassandra.session import Connection

SCHEMA_VERSION: Final = 1

_TABLES: Final = (
    """CREATE TABLE IF NOT EXISTS $.names(
        kind text, name text, value text, PRIMARY KEY(kind, name))""",
    """CREATE TABLE IF NOT EXISTS $.entities(
        address blob PRIMARY KEY, id text, previous text, entity_type text, created_at bigint, realm text,
        horizon tinyint, lineage bigint, resonance int, velocity int, density int, links blob, document blob,
        case_name text, reason text, withdrawn_at text, noticed_id text, noticed_previous text, notice_digest blob)""",
    """CREATE TABLE IF NOT EXISTS $.cells(
        realm text, horizon tinyint, bucket tinyint, lineage bigint, address blob,
        resonance int, velocity int, density int, id text,
        PRIMARY KEY((realm, horizon, bucket), lineage, address))""",
    """CREATE TABLE IF NOT EXISTS $.links(
        part smallint, target blob, address blob, realm text, horizon tinyint, lineage bigint,
        resonance int, velocity int, density int, id text, PRIMARY KEY(part, target, address))""",
    "CREATE TABLE IF NOT EXISTS $.notices(address blob PRIMARY KEY, withdrawn boolean)",
    "CREATE TABLE IF NOT EXISTS $.heads(id text PRIMARY KEY, address blob)",
)
TABLES: Final = ("names", "entities", "cells", "links", "notices", "heads")
_ABOUT: Final = "SELECT name, value FROM $.names WHERE kind = 'about'"
# Two that make the store at once must agree.
_DECLARE: Final = "INSERT INTO $.names(kind, name, value) VALUES ('about', ?, ?) IF NOT EXISTS"


def prepare(connection: Connection, *, make: bool) -> None:
    """Make the keyspace and tables if they aren't there; unless `make` that is a ConfigError, as a newer version is."""
    settings = connection.settings
    about = _about(connection)
    if "schema" not in about:
        if not make:
            raise ConfigError(f"there is no store at {settings.where()}; make one with `stat7 init`, or mend the URL")
        _make(connection)
        about = _about(connection)
    version = int(about.get("schema", 0))
    if version != SCHEMA_VERSION:
        where = settings.where()
        raise ConfigError(f"the store at {where} has schema version {version}, not {SCHEMA_VERSION}; update stat7")
    connection.buckets = int(about["buckets"])


def version_of(connection: Connection) -> int | None:
    """The version of the tables that are there, None if they aren't all."""
    about = _about(connection)
    return int(about["schema"]) if "schema" in about else None


def _about(connection: Connection) -> dict[str, str]:
    try:
        return dict(connection.ask(_ABOUT))
    except InvalidRequest:
        return {}


def _make(connection: Connection) -> None:
    settings = connection.settings
    # Where it is there already, the right to make keyspaces isn't needed.
    if settings.keyspace not in connection.cluster.metadata.keyspaces:
        replication = {"class": "NetworkTopologyStrategy", **settings.replication}
        written = ", ".join(f"'{name}': '{value}'" for name, value in replication.items())
        connection.define(f"CREATE KEYSPACE IF NOT EXISTS {settings.keyspace} WITH replication = {{{written}}}")
    for table in _TABLES:
        connection.define(table)
    # The version last: where it stands, all is there.
    for name, value in (("buckets", settings.buckets), ("schema", SCHEMA_VERSION)):
        connection.run(_DECLARE, name, str(value))
