"""Cassandra for tests answers its official driver, bears the loss of a node, and leaves nothing behind."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from stat7.testing.required import need, need_driver
from stat7.testing.servers import Cassandra, CassandraNode, Program, ProgramMissing, ServerFailed, cql, jvm
from stat7.testing.servers import cassandra as module
from stat7.testing.servers.base import HOST
from stat7.testing.servers.cassandra import DATACENTER
from tests.testing.test_servers_base import gone

QUORUM = 4
TABLE = "CREATE TABLE {}.t (id int PRIMARY KEY, word text)"


def made(cluster: Cassandra, copies: int = 1) -> str:
    """A new keyspace with an empty table `t` in it."""
    name = cluster.keyspace()
    replication = f"{{'class': 'NetworkTopologyStrategy', '{DATACENTER}': {copies}}}"
    cluster.execute(f"CREATE KEYSPACE {name} WITH replication = {replication}")
    cluster.execute(TABLE.format(name))
    return name


@contextmanager
def connected(cluster: Cassandra) -> Iterator[Any]:
    """A session of the official driver."""
    need_driver("cassandra", "cassandra")
    from cassandra.cluster import EXEC_PROFILE_DEFAULT, Cluster, ExecutionProfile
    from cassandra.policies import DCAwareRoundRobinPolicy

    profile = ExecutionProfile(load_balancing_policy=DCAwareRoundRobinPolicy(DATACENTER), request_timeout=20)
    driver = Cluster(cluster.contact_points, port=cluster.port, execution_profiles={EXEC_PROFILE_DEFAULT: profile})
    try:
        yield driver.connect()
    finally:
        driver.shutdown()


def test_the_official_driver_stores_and_reads(cassandra: Cassandra) -> None:
    name = made(cassandra)
    with connected(cassandra) as session:
        session.execute(f"INSERT INTO {name}.t (id, word) VALUES (%s, %s)", (1, "kept"))
        assert session.execute(f"SELECT word FROM {name}.t WHERE id = 1").one().word == "kept"
    cassandra.execute(f"DROP KEYSPACE {name}")


def test_statements_run_without_a_driver(cassandra: Cassandra) -> None:
    name = made(cassandra)
    assert cassandra.execute(f"INSERT INTO {name}.t (id, word) VALUES (7, 'seven')") == []
    cassandra.execute(f"INSERT INTO {name}.t (id) VALUES (8)")
    rows = cassandra.execute(f"SELECT id, word FROM {name}.t")
    assert sorted(rows, key=repr) == [[b"\0\0\0\7", b"seven"], [b"\0\0\0\x08", None]]
    # Such a count comes with a warning before it.
    assert cassandra.execute(f"SELECT count(*) FROM {name}.t") == [[(2).to_bytes(8)]]
    two_tables = cassandra.execute("SELECT key, release_version FROM system.local")
    assert two_tables[0][0] == b"local"
    cassandra.execute(f"DROP KEYSPACE {name}")
    with pytest.raises(cql.Refused, match=rf"error 0x2200: keyspace {name} does not exist"):
        cassandra.execute(f"SELECT id FROM {name}.t")


def test_keyspaces_have_names_of_their_own() -> None:
    cluster = Cassandra()
    assert cluster.keyspace() != cluster.keyspace()
    assert not cluster.running


def test_two_nodes_are_refused() -> None:
    with pytest.raises(ValueError, match="nodes is 2: one or three"):
        Cassandra(nodes=2)


def test_one_killed_is_started_again_with_what_was_acknowledged(
    start_cassandra: Callable[[Cassandra], Cassandra],
) -> None:
    cluster = start_cassandra(Cassandra(options={"cluster_name": "of its own"}))
    with cluster:
        _survive_a_kill(cluster)


def _survive_a_kill(cluster: Cassandra) -> None:
    """Kill its one node, start it again and stop it: what was acknowledged is there, and then nothing of it."""
    name = made(cluster)
    cluster.execute(f"INSERT INTO {name}.t (id, word) VALUES (1, 'kept')")
    (node,) = cluster.nodes
    left = (node.pid, node.folder, node.log)
    cluster.kill()
    assert gone(left[0], 5)
    with pytest.raises(ServerFailed, match="Cassandra is not running"):
        cluster.execute("SELECT key FROM system.local")
    cluster.start()
    assert cluster.execute(f"SELECT word FROM {name}.t") == [[b"kept"]]
    assert cluster.execute("SELECT cluster_name FROM system.local") == [[b"of its own"]]
    pid = node.pid
    cluster.stop()
    assert gone(pid, 0.1)
    assert not left[1].exists()
    assert not left[2].exists()


def test_three_nodes_serve_on_when_one_is_killed_and_take_it_back(cassandra_cluster: Cassandra) -> None:
    name = made(cassandra_cluster, copies=3)
    pid = cassandra_cluster.nodes[2].pid
    with connected(cassandra_cluster) as session:
        session.execute(f"INSERT INTO {name}.t (id, word) VALUES (1, 'before')")
        cassandra_cluster.kill(2)
        assert gone(pid, 5)
        assert not cassandra_cluster.running
        cassandra_cluster.nodes[0].query(f"INSERT INTO {name}.t (id, word) VALUES (2, 'without')", QUORUM)
        cassandra_cluster.start(2)
        assert cassandra_cluster.nodes[2].pid not in {0, pid}
        rows = cassandra_cluster.nodes[2].query(f"SELECT word FROM {name}.t", cql.ALL)
        assert sorted(rows, key=repr) == [[b"before"], [b"without"]]
        assert {host.address for host in session.cluster.metadata.all_hosts()} == {*cassandra_cluster.contact_points}


def test_a_node_stopped_in_good_order_keeps_its_data(cassandra_cluster: Cassandra) -> None:
    name = made(cassandra_cluster, copies=3)
    cassandra_cluster.nodes[1].query(f"INSERT INTO {name}.t (id, word) VALUES (1, 'kept')", cql.ALL)
    folder = cassandra_cluster.nodes[1].folder
    cassandra_cluster.stop(1)
    assert (cassandra_cluster.nodes[1].pid, folder.is_dir()) == (0, True)
    with pytest.raises(cql.Refused, match="error 0x1"):
        cassandra_cluster.nodes[0].query(f"SELECT word FROM {name}.t", cql.ALL)
    cassandra_cluster.start(1)
    assert cassandra_cluster.nodes[1].query(f"SELECT word FROM {name}.t") == [[b"kept"]]


def test_three_nodes_lie_on_a_network_of_their_own(cassandra_cluster: Cassandra) -> None:
    network, one = cassandra_cluster.contact_points[0].rsplit(".", 1)
    assert network.startswith("127.77.")
    assert cassandra_cluster.contact_points == [f"{network}.{number}" for number in (1, 2, 3)]
    assert one == "1"
    peers = cassandra_cluster.nodes[2].query("SELECT peer, native_port FROM system.peers_v2")
    assert {int.from_bytes(row[1] or b"") for row in peers} == {cassandra_cluster.port}


def test_a_setting_it_does_not_know_is_shown_with_the_log(
    start_cassandra: Callable[[Cassandra], Cassandra],
) -> None:
    cluster = Cassandra(options={"no_such_setting": 1})
    with pytest.raises(ServerFailed, match=r"(?s)ended before it answered.*no_such_setting"):
        start_cassandra(cluster)
    assert not cluster.running
    cluster.nodes[0].log.unlink()


@pytest.mark.server
@pytest.mark.skipif(os.name == "nt", reason="signals of POSIX")
def test_it_ends_with_the_process_that_started_it(checkout: Path) -> None:
    need("cassandra")
    started = (
        "from stat7.testing.servers import Cassandra\n"
        "import time\n"
        "node = Cassandra().start().nodes[0]\n"
        "print(node.pid, node.folder, flush=True)\n"
        "time.sleep(600)"
    )
    with subprocess.Popen([sys.executable, "-c", started], cwd=checkout, stdout=subprocess.PIPE, text=True) as run:
        assert run.stdout is not None
        pid, folder = run.stdout.readline().split()
        run.send_signal(signal.SIGKILL)
        assert gone(int(pid), 20)
    deadline = time.monotonic() + 5
    while Path(folder).exists() and time.monotonic() < deadline:
        time.sleep(0.02)
    assert not Path(folder).exists()


def test_the_archive_of_classes_is_made_once(
    cassandra: Cassandra, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    archive = tmp_path / "classes.jsa"
    monkeypatch.setattr(jvm, "archive", lambda jars: archive)
    assert not any("classes.jsa" in option for option in cassandra.nodes[0]._command())
    module._make_archive()
    made_at = archive.stat().st_mtime_ns
    assert archive.stat().st_size > 1 << 20
    assert list(tmp_path.iterdir()) == [archive]
    module._make_archive()
    assert archive.stat().st_mtime_ns == made_at
    assert f"-XX:SharedArchiveFile={archive}" in cassandra.nodes[0]._command()


@pytest.mark.parametrize(
    ("answer", "told"),
    [(b"", "closed the connection"), (b"\x84\0\0\0\x06\0\0\0\0", "kind 0x06 where 0x02 is due")],
    ids=["nothing", "another answer"],
)
def test_what_is_no_cassandra_is_told(answer: bytes, told: str) -> None:
    with socket.create_server((HOST, 0)) as listener:

        def reply() -> None:
            connection = listener.accept()[0]
            with connection:
                connection.recv(1024)
                connection.sendall(answer)

        thread = threading.Thread(target=reply)
        thread.start()
        with pytest.raises(OSError, match=told):
            cql.query(listener.getsockname(), "SELECT key FROM system.local")
        thread.join()


def test_without_the_program_the_error_says_how_to_install_it(monkeypatch: pytest.MonkeyPatch) -> None:
    absent = Program("cassandra", "Cassandra", lambda: None, "nothing else")
    monkeypatch.setattr(Cassandra, "program", absent)
    with pytest.raises(ProgramMissing, match="make servers SERVERS=cassandra"):
        Cassandra().start()


def test_a_system_without_these_addresses_is_told() -> None:
    with pytest.raises(ServerFailed, match=r"no free port found on 192\.0\.2\.1"):
        module._common_port(["192.0.2.1"])


def test_a_node_that_is_not_there_refuses_connections() -> None:
    (node,) = Cassandra().nodes
    assert isinstance(node, CassandraNode)
    with pytest.raises(OSError, match="refused"):
        node.query("SELECT key FROM system.local")
