"""Apache Cassandra for tests: one node, or three that hold every row three times."""

from __future__ import annotations

import json
import os
import secrets
import socket
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import ClassVar, NamedTuple, Self

from stat7.testing.servers import cql, guard, jvm
from stat7.testing.servers.base import HOST, Server, ServerFailed, free_port
from stat7.testing.servers.programs import CASSANDRA_NODE

DATACENTER = "datacenter1"
"""The one data center, for drivers that ask which is near."""
_MAIN = "org.apache.cassandra.service.CassandraDaemon"
_RING = 1 << 64
_LOGGING = """<configuration>
  <appender name="out" class="ch.qos.logback.core.ConsoleAppender">
    <encoder><pattern>%d{HH:mm:ss.SSS} %-5level %logger{0} - %msg%n</pattern></encoder>
  </appender>
  <logger name="org.apache.cassandra.db" level="WARN"/>
  <logger name="org.apache.cassandra.io" level="WARN"/>
  <root level="INFO"><appender-ref ref="out"/></root>
</configuration>
"""
_DEFAULTS: Mapping[str, object] = {
    "cluster_name": "stat7",
    "partitioner": "org.apache.cassandra.dht.Murmur3Partitioner",
    "endpoint_snitch": "GossipingPropertyFileSnitch",
    "num_tokens": 1,
    "auto_bootstrap": False,
    # An acknowledged write is on the disk, as a careful installation has it.
    "commitlog_sync": "group",
    "commitlog_sync_group_window": "5ms",
    "paxos_variant": "v2",
    "paxos_state_purging": "repaired",
    "dynamic_snitch": False,
    "auto_snapshot": False,
    "hinted_handoff_enabled": True,
    "memtable_heap_space": "64MiB",
    "memtable_offheap_space": "64MiB",
    "concurrent_compactors": 1,
}
_PROPERTIES: Mapping[str, object] = {
    "jdk.attach.allowAttachSelf": "true",
    "io.netty.tryReflectionSetAccessible": "true",
    "cassandra.skip_wait_for_gossip_to_settle": 0,
    "cassandra.ring_delay_ms": 1000,
    "cassandra.superuser_setup_delay_ms": 0,
    "cassandra.shutdown_announce_in_ms": 200,
    "cassandra-foreground": "yes",
}


class Place(NamedTuple):
    """Where a node is among its peers."""

    host: str
    """Its address, of the loopback network."""
    peers_port: int
    """The port for its peers, the same for all."""
    seeds: tuple[str, ...]
    """The hosts of all nodes."""
    token: int
    """Where its part of the ring begins, -2^63 to 2^63 - 1."""


class CassandraNode(Server):
    """One node. `halt` and `kill` leave its data for the next `start`; `stop` ends it at once and removes them."""

    program = CASSANDRA_NODE
    patience: ClassVar[float] = 180.0

    def __init__(self, place: Place, port: int, options: Mapping[str, object], record: Path | None = None) -> None:
        super().__init__()
        self.place = place
        """Its address and peers."""
        self.port = port
        self.options = options
        """Settings of cassandra.yaml over those that all test nodes have; a change holds from the next start."""
        self._record = record

    @property
    def address(self) -> tuple[str, int]:
        """Host and port for clients."""
        return self.place.host, self.port

    def halt(self, patience: float = 30.0) -> None:
        """End it in good order, its commit log drained; killed after `patience` seconds. `start` starts it again."""
        self._end(self.stop_signal, patience)

    def stop(self) -> None:
        """End it at once and remove its folder. Safe to call twice."""
        # What is thrown away needs no good order, which takes seconds.
        self._end(guard.KILL)
        super().stop()

    def demand_running(self) -> None:
        """Raise ServerFailed, with the end of its log, unless its process is there."""
        if not self.running:
            raise self._failed("is not running")

    def query(self, statement: str, consistency: int = cql.ONE) -> list[cql.Row]:
        """`cql.query` of this node."""
        return cql.query(self.address, statement, consistency)

    def _prepare(self) -> None:
        (self.folder / "logback.xml").write_text(_LOGGING, "utf-8")
        (self.folder / "rackdc.properties").write_text(f"dc={DATACENTER}\nrack=rack1\n", "utf-8")

    def _write_settings(self) -> Path:
        place = self.place
        seeds = {"seeds": ",".join(place.seeds)}
        settings = {
            **_DEFAULTS,
            **self.options,
            "initial_token": str(place.token),
            "listen_address": place.host,
            "rpc_address": place.host,
            "storage_port": place.peers_port,
            "native_transport_port": self.port,
            "seed_provider": [{"class_name": "org.apache.cassandra.locator.SimpleSeedProvider", "parameters": [seeds]}],
        }
        file = self.folder / "cassandra.yaml"
        # JSON is YAML too.
        file.write_text(json.dumps(settings, indent=1), "utf-8")
        return file

    def _command(self) -> list[str]:
        jars = self.program.path().parent
        files = {
            "cassandra.config": self._write_settings().as_uri(),
            "cassandra-rackdc.properties": (self.folder / "rackdc.properties").as_uri(),
            "logback.configurationFile": self.folder / "logback.xml",
            "cassandra.storagedir": self.folder / "data",
            "cassandra.logdir": self.folder,
            "java.io.tmpdir": self.folder,
        }
        return [
            str(jvm.java()),
            *("-Xms256m", "-Xmx256m", "-XX:MaxDirectMemorySize=128m", *jvm.QUICK, *self._archive(jars)),
            *jvm.opened(),
            *jvm.properties([*_PROPERTIES.items(), *files.items()]),
            *("-cp", jvm.class_path(jars), _MAIN),
        ]

    def _archive(self, jars: Path) -> list[str]:
        if self._record is not None:
            # It would name each of the classes that no archive can hold.
            return [f"-XX:ArchiveClassesAtExit={self._record}", "-Xlog:cds=error", "-Xlog:cds+dynamic=error"]
        archive = jvm.archive(jars)
        return [f"-XX:SharedArchiveFile={archive}"] if archive.is_file() else []

    def _settings(self) -> dict[str, str]:
        # glibc would reserve memory for each of its many threads.
        return {"MALLOC_ARENA_MAX": "2"}

    def _answers(self) -> bool:
        return len(self.query("SELECT key FROM system.local")) == 1


class Cassandra:
    """A Cassandra of one node on 127.0.0.1, or of three on a loopback network of their own (Linux only).

    Every node is a Server, so that `nodes[1].pause()` and the like work too. `options` are settings of
    cassandra.yaml for all of them. Nobody has to log in. The first start on a machine takes longer: it makes an
    archive of Cassandra's classes beside its jars, which later starts are quicker by.
    """

    program = CASSANDRA_NODE

    def __init__(self, nodes: int = 1, options: Mapping[str, object] | None = None) -> None:
        if nodes not in {1, 3}:
            # Cassandra's own tables are kept three times, so two could not tell when they are ready.
            raise ValueError(f"nodes is {nodes}: one or three are possible")
        hosts = (HOST,) if nodes == 1 else _free_network(nodes)
        self.port = _common_port(hosts)
        """The port for clients, the same on every node."""
        peers_port = _common_port(hosts, other_than=self.port)
        step = _RING // nodes
        self.nodes: tuple[CassandraNode, ...] = tuple(
            CassandraNode(Place(host, peers_port, hosts, number * step - _RING // 2), self.port, options or {})
            for number, host in enumerate(hosts)
        )
        """Its nodes; what is asked of one, by its number, is asked of `nodes[number]`."""

    @property
    def contact_points(self) -> list[str]:
        """The hosts of all nodes, running or not."""
        return [node.place.host for node in self.nodes]

    @property
    def running(self) -> bool:
        """Whether every node's process is there."""
        return all(node.running for node in self.nodes)

    def keyspace(self) -> str:
        """A new name for a keyspace, which the caller makes."""
        return f"test_{secrets.token_hex(6)}"

    def execute(self, statement: str) -> list[cql.Row]:
        """Run one statement on the first node that runs, at consistency ONE; its rows as `cql.query` gives them.

        Returns when the nodes that run know the same schema, whatever the statement was.
        """
        node = next((node for node in self.nodes if node.running), self.nodes[0])
        node.demand_running()
        rows = node.query(statement)
        self._wait_for_agreement()
        return rows

    def start(self, number: int | None = None) -> Self:
        """Start one node, or all that do not run, and wait until they answer.

        Until all that run know the same schema, and, if no node is left out, each can read from every other.
        ProgramMissing without the program, ServerFailed with a log if a node ends or the wait is too long.
        """
        self.program.path()
        _make_archive()
        chosen = self._chosen(number)
        try:
            self._at_once(chosen, lambda node: node.start())
            self._wait_for_agreement()
        except BaseException:
            for node in self.nodes:
                node.keep_log = True
            self.stop()
            raise
        return self

    def stop(self, number: int | None = None) -> None:
        """End one node in good order, its data kept for `start`; or end all at once and remove all they have."""
        if number is not None:
            self.nodes[number].halt()
            return
        self._at_once(self.nodes, lambda node: node.stop())

    def kill(self, number: int | None = None) -> None:
        """End one node, or all of them, as a crash would; `start` starts them again on their data."""
        self._at_once(self._chosen(number), lambda node: node.kill())

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def _chosen(self, number: int | None) -> Sequence[CassandraNode]:
        return self.nodes if number is None else (self.nodes[number],)

    def _at_once(self, nodes: Sequence[CassandraNode], act: Callable[[CassandraNode], object]) -> None:
        with ThreadPoolExecutor(len(nodes)) as pool:
            for _ in pool.map(act, nodes):
                pass

    def _wait_for_agreement(self) -> None:
        live = [node for node in self.nodes if node.running]
        deadline = time.monotonic() + CassandraNode.patience
        while (reason := self._disagreement(live)) is not None:
            for node in live:
                node.demand_running()
            if time.monotonic() > deadline:
                raise ServerFailed(f"the nodes of {self.program.title} did not find each other: {reason}")
            time.sleep(0.1)

    def _disagreement(self, live: Sequence[CassandraNode]) -> object:
        """Why the nodes that run are not ready for their clients, None if they are."""
        try:
            if len({node.query("SELECT schema_version FROM system.local")[0][0] for node in live}) > 1:
                return "they know different schemas"
            for node in live if 1 < len(live) == len(self.nodes) else ():
                if len(node.query("SELECT peer FROM system.peers_v2")) + 1 < len(live):
                    return f"{node.place.host} does not know all of the others"
                # Kept by Cassandra itself on three nodes: refused while this one holds another of them for dead.
                node.query("SELECT id FROM system_distributed.repair_history LIMIT 1", cql.ALL)
        except OSError as failure:
            return failure
        return None


def _make_archive() -> None:
    """Make the archive of classes where there is none: one node is started and ended in good order."""
    jars = CASSANDRA_NODE.path().parent
    archive = jvm.archive(jars)
    if archive.is_file() or os.name == "nt" or not os.access(jars, os.W_OK):
        return
    unfinished = archive.with_suffix(f".{secrets.token_hex(4)}.new")
    port = _common_port((HOST,))
    place = Place(HOST, _common_port((HOST,), other_than=port), (HOST,), 0)
    node = CassandraNode(place, port, {}, unfinished)
    try:
        node.start().halt(patience=60.0)
        # Not there if Java could not write it: then starts take their time.
        with suppress(FileNotFoundError):
            unfinished.replace(archive)
    finally:
        node.stop()
        unfinished.unlink(missing_ok=True)


def _free_network(nodes: int) -> tuple[str, ...]:
    """Addresses 127.77.N.1 and on, with N at random."""
    network = secrets.randbelow(254) + 1
    return tuple(f"127.77.{network}.{number}" for number in range(1, nodes + 1))


def _common_port(hosts: Sequence[str], other_than: int = 0) -> int:
    """A port that is free on all these addresses; ServerFailed where the system does not have them."""
    reason: OSError | None = None
    for port in (free_port() for _ in range(20)):
        try:
            for host in hosts:
                with socket.socket() as probe:
                    probe.bind((host, port))
        except OSError as failure:
            reason = failure
            continue
        if port != other_than:
            return port
    raise ServerFailed(f"no free port found on {', '.join(hosts)}: {reason}")
