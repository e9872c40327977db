"""The tables, their version, and how a schema of the database becomes (or is refused as) a store of stat7.

entities  a row for each document, and a bare one (all NULL but the address) for each that was withdrawn: that keeps the
          address taken, so that of a put and a withdrawal that race the unique index lets only one order come about.
          The primary key carries the coordinates: walks in address order read the index alone
links     a column of entities: a key of 64 bits for each neighbour and file, see rows.py; GIN costs half of what a side
          table does while writing
cov       covering index over the coordinates, for narrow queries
heads, notices, marks
about     the version of this schema

A shard of several has one more CHECK on entities and one on heads, see `restrict`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import psycopg
from psycopg import sql
from psycopg.errors import LockNotAvailable

from stat7.address import Address
from stat7.errors import ConfigError, Unavailable
from stat7.record import Notice, notice_digest
from stat7.stores.postgresql.rows import Digests

SCHEMA_VERSION: Final = 2

COLUMN_TYPES: Final = """
    address bytea, horizon int2, lineage int8, resonance int4, velocity int4, density int4, created_at int8,
    realm text COLLATE "C", entity_type text COLLATE "C", id text COLLATE "C", adjacency text[] COLLATE "C",
    files bytea[], links int8[], document bytea"""

INDEX_STATEMENTS: Final = {
    "entities_pkey": """ALTER TABLE entities ADD CONSTRAINT entities_pkey PRIMARY KEY(address)
        INCLUDE (realm, horizon, lineage, resonance, velocity, density)""",
    "heads_pkey": "ALTER TABLE heads ADD CONSTRAINT heads_pkey PRIMARY KEY(id)",
    "notices_pkey": "ALTER TABLE notices ADD CONSTRAINT notices_pkey PRIMARY KEY(address)",
    "marks_pkey": "ALTER TABLE marks ADD CONSTRAINT marks_pkey PRIMARY KEY(name)",
    "cov": "CREATE INDEX cov ON entities(realm, horizon, lineage, resonance, velocity, density, address)",
    "links": "CREATE INDEX links ON entities USING gin(links) WHERE links IS NOT NULL",
}
"""Every index there should be, and how it is made."""

# Documents are not compressed: of damaged bytes the server then gives what it has, and the hash tells.
TABLES: Final = f"""
    CREATE TABLE entities({COLUMN_TYPES},
        CONSTRAINT entities_address CHECK (octet_length(address) = 32))
        WITH (autovacuum_vacuum_insert_scale_factor = 0.05, autovacuum_analyze_scale_factor = 0.05);
    ALTER TABLE entities ALTER document SET STORAGE EXTERNAL;
    CREATE TABLE heads(id text COLLATE "C", address bytea NOT NULL) WITH (fillfactor = 80);
    CREATE TABLE notices(address bytea, "case" text NOT NULL, reason text NOT NULL, withdrawn_at text NOT NULL,
        id text, previous text, digest bytea NOT NULL);
    CREATE TABLE marks(name text COLLATE "C", value text NOT NULL);
    {";".join(INDEX_STATEMENTS.values())};
    CREATE TABLE about(version int4 NOT NULL);
    INSERT INTO about VALUES({SCHEMA_VERSION});
"""

STAGING: Final = f"""
    CREATE TEMPORARY TABLE IF NOT EXISTS stat7_incoming({COLUMN_TYPES}) ON COMMIT DELETE ROWS;
    ALTER TABLE stat7_incoming ALTER document SET STORAGE EXTERNAL"""
"""Where a connection keeps a batch on its way into entities."""

_NOTICES_AT_ONCE: Final = 10_000
_NOTICES: Final = """
    SELECT address, "case", reason, withdrawn_at, id, previous FROM notices WHERE address > %s
    ORDER BY address LIMIT %s"""
_GIVE_DIGESTS: Final = """
    UPDATE notices AS n SET digest = d.digest FROM unnest(%s, %s) AS d(address, digest) WHERE n.address = d.address"""


def _keep_digests_of_notices(connection: psycopg.Connection) -> None:
    """Version 2: damage to a notice can be seen. Those kept before are taken to be sound."""
    connection.execute("ALTER TABLE notices ADD COLUMN digest bytea")
    cursor = connection.cursor(binary=True)
    after = b""
    while rows := cursor.execute(_NOTICES, (after, _NOTICES_AT_ONCE)).fetchall():
        notices = [Notice(raw.hex(), *rest) for raw, *rest in rows]
        digests = Digests(notice_digest(notice).hex() for notice in notices)
        cursor.execute(_GIVE_DIGESTS, (Digests(notice.address for notice in notices), digests))
        after = rows[-1][0]
    connection.execute("ALTER TABLE notices ALTER COLUMN digest SET NOT NULL")


MIGRATIONS: Final[dict[int, Callable[[psycopg.Connection], None]]] = {1: _keep_digests_of_notices}
"""From each older version of the schema to the next; each runs inside the one transaction of the upgrade."""

LOCK_SECONDS: Final = 30
"""How long others who make or use the tables are waited for before they are made or upgraded."""

_DROP_INDEX: Final = "DROP INDEX IF EXISTS {name}"
_DROP_KEY: Final = "ALTER TABLE {table} DROP CONSTRAINT IF EXISTS {name}"
_LOCK: Final = 0x73746174
"""First half of the advisory lock under which a schema is made or upgraded; the other is the hash of its name."""

_RANGES: Final = {
    "entities": ("entities_range", "address"),
    "heads": ("heads_range", "sha256(convert_to(id, 'UTF8'))"),
}
"""By table: the name of the CHECK on the range of a shard, and what lies in that range."""
_RANGED: Final = """
    SELECT count(*) FROM pg_catalog.pg_constraint AS c JOIN pg_catalog.pg_namespace AS n ON n.oid = c.connamespace
    WHERE n.nspname = %s AND c.conname = ANY(%s) AND c.contype = 'c' AND c.convalidated"""

_OURS: Final = {"entities", "heads", "notices", "marks", "about"}
_TABLES_THERE: Final = """
    SELECT c.relname FROM pg_catalog.pg_class AS c JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
    WHERE n.nspname = %s AND c.relkind IN ('r', 'p', 'v', 'm', 'f')"""
_SCHEMA_THERE: Final = "SELECT 1 FROM pg_catalog.pg_namespace WHERE nspname = %s"


def is_current(connection: psycopg.Connection, schema: str, where: str, *, make: bool) -> bool:
    """Whether all is there and up to date; if not, `prepare` is to be called.

    Raises ConfigError for an encoding other than UTF8, a schema of another program, one of a newer stat7 and, without
    `make`, for one without tables; psycopg's errors otherwise.
    """
    encoding = connection.info.parameter_status("server_encoding")
    if encoding != "UTF8":
        advice = "create one with ENCODING 'UTF8' TEMPLATE template0"
        raise ConfigError(f"the database at {where} is encoded in {encoding}, which can't hold every id; {advice}")
    version = _version(connection, schema, where)
    if version == 0 and not make:
        advice = "make one with `stat7 init`, or mend schema= in the URL"
        raise ConfigError(f"the schema {schema} at {where} holds no stat7 store; {advice}")
    return version == SCHEMA_VERSION


def prepare(connection: psycopg.Connection, schema: str, where: str) -> None:
    """Make the tables if there are none, bring an older schema up to date; any number of processes may do so at once.

    An upgrade takes as long as it takes, others are waited for only so long: Unavailable. Raises ConfigError, changing
    nothing, for a schema of another program and one of a newer stat7; psycopg's errors otherwise.
    """
    try:
        with connection.transaction():
            connection.execute(f"SET LOCAL statement_timeout = 0; SET LOCAL lock_timeout = {LOCK_SECONDS * 1000}")
            connection.execute("SELECT pg_advisory_xact_lock(%s, hashtext(%s))", (_LOCK, schema))
            # Another process may have been quicker.
            version = _version(connection, schema, where)
            if version == 0:
                _create(connection, schema)
            elif version < SCHEMA_VERSION:
                _migrate(connection, version)
    except LockNotAvailable:
        text = f"others make, upgrade or use the schema {schema} at {where}, waited {LOCK_SECONDS} s"
        raise Unavailable(f"{text}; try again when they are done") from None


def restrict(connection: psycopg.Connection, where: str, low: Address | None, high: Address | None) -> None:
    """Let the server refuse addresses, and heads by the SHA-256 of their ids, that aren't in [low, high); None is open.

    Raises ConfigError if anything is stored, psycopg's errors otherwise.
    """
    with connection.transaction():
        connection.execute("LOCK TABLE entities, heads IN ACCESS EXCLUSIVE MODE")
        if connection.execute("SELECT 1 FROM entities UNION ALL SELECT 1 FROM heads LIMIT 1").fetchone() is not None:
            raise ConfigError(f"{where} holds data already, which may belong elsewhere; name an empty schema")
        for table, (name, value) in _RANGES.items():
            bounds = [
                _literal(f"{value} {relation} ") + sql.Literal(bytes.fromhex(end))
                for relation, end in ((">=", low), ("<", high))
                if end is not None
            ]
            names = {"table": sql.Identifier(table), "name": sql.Identifier(name)}
            connection.execute(_literal(_DROP_KEY).format(**names))
            if bounds:
                check = _literal("ALTER TABLE {table} ADD CONSTRAINT {name} CHECK ({bounds})")
                connection.execute(check.format(bounds=sql.SQL(" AND ").join(bounds), **names))


def is_restricted(connection: psycopg.Connection, schema: str) -> bool:
    """Whether the server refuses what isn't in the range of a shard."""
    names = [name for name, _ in _RANGES.values()]
    row = connection.execute(_RANGED, (schema, names)).fetchone()
    return row is not None and row[0] == len(names)


def missing_indexes(connection: psycopg.Connection, schema: str) -> list[str]:
    """Names of the indexes that are not there, or are not valid."""
    rows = connection.execute(
        """SELECT c.relname FROM pg_catalog.pg_index AS i JOIN pg_catalog.pg_class AS c ON c.oid = i.indexrelid
        JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
        WHERE n.nspname = %s AND i.indisvalid AND i.indisready""",
        (schema,),
    )
    present = {name for (name,) in rows}
    return [name for name in INDEX_STATEMENTS if name not in present]


def build_indexes(connection: psycopg.Connection, schema: str) -> None:
    """Build those of the indexes that are missing or not valid; to be called inside a transaction."""
    for name in missing_indexes(connection, schema):
        table, _, key = name.rpartition("_")
        drop = _DROP_KEY if key == "pkey" else _DROP_INDEX
        connection.execute(_literal(drop).format(table=sql.Identifier(table), name=sql.Identifier(name)))
        connection.execute(INDEX_STATEMENTS[name].encode())


def _create(connection: psycopg.Connection, schema: str) -> None:
    if connection.execute(_SCHEMA_THERE, (schema,)).fetchone() is None:
        connection.execute(sql.SQL("CREATE SCHEMA {}").format(sql.Identifier(schema)))
    # One round trip for them all.
    connection.execute(sql.SQL("SET LOCAL search_path = {};").format(sql.Identifier(schema)) + _literal(TABLES))


def _literal(text: Any) -> sql.SQL:
    return sql.SQL(text)


def _migrate(connection: psycopg.Connection, version: int) -> None:
    while version < SCHEMA_VERSION:
        MIGRATIONS[version](connection)
        version += 1
        connection.execute("UPDATE about SET version = %s", (version,))


def _version(connection: psycopg.Connection, schema: str, where: str) -> int:
    """The version of the schema, 0 where there is nothing yet; ConfigError for one that isn't ours or is newer."""
    there = {name for (name,) in connection.execute(_TABLES_THERE, (schema,))}
    if not there:
        return 0
    if not {"about", "entities"} & there:
        advice = "name another by schema= in the URL, it was not touched"
        raise ConfigError(f"the schema {schema} at {where} belongs to another program; {advice}")
    lost = sorted(_OURS - there)
    if lost:
        raise ConfigError(f"the schema {schema} at {where} lacks the table {lost[0]}; restore it from a backup")
    # By its full name: of a schema that this user may not use the search path would say that there is no such table.
    row = connection.execute(sql.SQL("SELECT version FROM {}").format(sql.Identifier(schema, "about"))).fetchone()
    version = 0 if row is None else int(row[0])
    if version < 1:
        raise ConfigError(f"the schema {schema} at {where} doesn't say its version; restore it from a backup")
    if version > SCHEMA_VERSION:
        raise ConfigError(
            f"the schema {schema} at {where} was written by a newer stat7 (version {version}, this one knows up to "
            f"{SCHEMA_VERSION}); install that version, nothing was touched"
        )
    return version
