"""What `doctor` asks: which nodes, how often rows are kept, how durable, how quick. And what withdrawal left behind."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any, Final

from stat7.stores.base import Check
from stat7.stores.cassandra.check import erase_loose
from stat7.stores.cassandra.erase import erase_left
from stat7.stores.cassandra.errors import ERRORS
from stat7.stores.cassandra.reader import NOTICES
from stat7.stores.cassandra.schema import SCHEMA_VERSION, version_of
from stat7.stores.cassandra.session import Connection
from stat7.stores.latency import check_latency

_OLDEST: Final = (4, 0)
_CLOCK_SECONDS: Final = 1.0
_PAGE: Final = 500
_ASKED_AT_OPENING: Final = 3
_VERSION: Final = "SELECT release_version, schema_version FROM system.local"
_SYNC: Final = "SELECT value FROM system_views.settings WHERE name = 'commitlog_sync'"
_TIME: Final = "SELECT toUnixTimestamp(now()) FROM system.local"
_SIZE: Final = "SELECT mebibytes FROM system_views.disk_usage WHERE keyspace_name = %s ALLOW FILTERING"
_SAFE: Final = frozenset({"group", "batch"})


def nodes_of(connection: Connection) -> list[Any]:
    """The nodes that the driver holds to be up."""
    return [host for host in connection.cluster.metadata.all_hosts() if host.is_up is not False]


def is_durable(connection: Connection) -> bool:
    """Whether the first nodes keep what they acknowledge through a power cut; not if they don't tell."""
    return _syncs(connection, nodes_of(connection)[:_ASKED_AT_OPENING]) <= _SAFE


def size(connection: Connection) -> int | None:
    """Bytes of the tables on all nodes that are up, to a mebibyte for each table; None if they don't tell."""
    try:
        keyspace = (connection.settings.keyspace,)
        found = [connection.on_node(host, _SIZE, keyspace) for host in nodes_of(connection)]
    except ERRORS:
        return None
    return sum(int(row[0]) for rows in found for row in rows) << 20


def compact(connection: Connection) -> int:
    """Erase index rows that lead to nothing, and what late writes left of withdrawn documents; its bytes.

    The files of the tables give erased bytes up when the nodes compact them, gc_grace_seconds later.
    """
    erase_loose(connection, _PAGE)
    erased, after = 0, None
    while True:
        rows, is_last = NOTICES.page(connection, after, _PAGE)
        erased += erase_left(connection, [row[0] for row in rows])
        if is_last:
            return erased
        after = rows[-1][0]


def diagnose(connection: Connection) -> list[Check]:
    """One Check for each thing that can be wrong with the nodes, the schema and the way there."""
    nodes = nodes_of(connection)
    told = [connection.on_node(host, _VERSION)[0] for host in nodes]
    return [
        _versions({row[0] for row in told}),
        _nodes(connection, len(nodes)),
        _schema(connection, len({row[1] for row in told})),
        _replication(connection),
        _durability(connection, nodes),
        check_latency(lambda: version_of(connection), "closer to the nodes"),
        _clock(connection, nodes),
    ]


def _versions(versions: set[str]) -> Check:
    text = f"Cassandra {', '.join(sorted(versions))}"
    if len(versions) > 1:
        return Check("cassandra", "warn", f"{text}: nodes differ; finish the upgrade")
    if any(tuple(int(part) for part in each.split("-")[0].split(".")[:2]) < _OLDEST for each in versions):
        return Check("cassandra", "warn", f"{text}: stat7 is tested with 5.0; upgrade the nodes")
    return Check("cassandra", "ok", text)


def _nodes(connection: Connection, up: int) -> Check:
    known = len(connection.cluster.metadata.all_hosts())
    if up < known:
        return Check("nodes", "warn", f"{up} of {known} are up; bring the others back, then run nodetool repair")
    return Check("nodes", "ok", f"all {known} are up")


def _schema(connection: Connection, schemas: int) -> Check:
    version = version_of(connection)
    if version != SCHEMA_VERSION:
        return Check("schema", "fail", f"version {version} is not {SCHEMA_VERSION}, which this stat7 writes")
    if schemas > 1:
        return Check("schema", "fail", f"the nodes know {schemas} different schemas; see `nodetool describecluster`")
    return Check("schema", "ok", f"version {version}, the latest; the nodes agree on it")


def _replication(connection: Connection) -> Check:
    metadata, settings = connection.cluster.metadata, connection.settings
    keyspace = metadata.keyspaces[settings.keyspace]
    strategy = keyspace.replication_strategy.export_for_schema().replace("'", "")
    text = f"{strategy}, read and written at {settings.consistency.upper()}"
    times = _times_kept(keyspace.replication_strategy)
    if times > len(metadata.all_hosts()):
        return Check("replication", "fail", f"{text}: there are only {len(metadata.all_hosts())} nodes; add some")
    if times < 3:
        advice = "the loss of a node makes rows unavailable; keep each three times (ALTER KEYSPACE, nodetool repair)"
        return Check("replication", "warn", f"{text}: {advice}")
    return Check("replication", "ok", text)


def _times_kept(strategy: Any) -> int:
    """How often a row is kept, in the data centre that has the fewest."""
    factors = getattr(strategy, "dc_replication_factors", None)
    if factors:
        return min(int(each) for each in factors.values())
    return int(getattr(strategy, "replication_factor", 0) or 0)


def _syncs(connection: Connection, nodes: Sequence[Any]) -> set[str]:
    """How the nodes bring their commit logs to the disk; `unknown` if one doesn't tell."""
    try:
        rows = [row for host in nodes for row in connection.on_node(host, _SYNC)]
    except ERRORS:
        return {"unknown"}
    return {str(row[0]) for row in rows} or {"unknown"}


def _durability(connection: Connection, nodes: Sequence[Any]) -> Check:
    syncs = _syncs(connection, nodes)
    text = f"commitlog_sync {', '.join(sorted(syncs))}"
    if syncs <= _SAFE:
        return Check("durability", "ok", f"{text}: what is acknowledged survives a power cut")
    advice = "a power cut of all nodes may lose the last seconds; set it to group (or batch) in cassandra.yaml"
    return Check("durability", "warn", f"{text}: {advice}")


def _clock(connection: Connection, nodes: Sequence[Any]) -> Check:
    apart = 0.0
    for host in nodes:
        before = time.time()
        theirs = connection.on_node(host, _TIME)[0][0]
        after = time.time()
        seconds = theirs if isinstance(theirs, (int, float)) else theirs.timestamp() * 1000
        apart = max(apart, abs(seconds / 1000 - (before + after) / 2) - (after - before) / 2)
    if apart > _CLOCK_SECONDS:
        advice = "writes bear times, and the latest wins: set the clocks by NTP, here and on the nodes"
        return Check("clock", "fail", f"{apart:.1f} s from a node's: {advice}")
    return Check("clock", "ok", "within a second of the nodes'")
