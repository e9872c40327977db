"""Pytest fixtures that give tests real servers: `pytest_plugins = ["stat7.testing.fixtures"]` in the root conftest.py.

| for each test | for the whole run | is |
|---|---|---|
| postgres_url | postgres_server | the URL of an empty database; new_postgres_url() gives more of them |
| redis_url | redis_server | the URL of a Redis without keys |
| s3_bucket, gcs_bucket, azure_bucket | s3_server, gcs_server, azure_server | a Bucket without objects |
| cassandra | the same | a Cassandra of one node; `keyspace()` gives names of keyspaces |
| cassandra_cluster | | a Cassandra of three nodes that a module's tests may stop and kill; one at a time on a machine |
| dynamodb | dynamodb_server | a DynamoDB without tables |
| | gateway | `stat7 serve` on an SQLite store, with keys; tests share what is in it |
| start_server(server) | | starts a server of the test's own: Prometheus(config), say, or one to be killed |
| fault_proxy(server) | | a FaultProxy before a server |

Without the program a test is skipped, and the reason says how to install it; if STAT7_TEST_REQUIRE (a comma list:
postgres,redis,s3,gcs,azure,cassandra,dynamodb,prometheus,alertmanager) names it, the test fails instead. Each process
of pytest-xdist has servers of its own.
The marker `server` is on all tests that use any of them (save fault_proxy alone): `pytest -m "not server"`.
What servers printed during a test that failed is shown in its report, and their log files are kept.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Generator, Iterator
from contextlib import ExitStack, contextmanager, nullcontext
from typing import Any, TypeVar

import pytest

from stat7.testing.required import need, need_driver
from stat7.testing.servers import (
    AzureServer,
    Bucket,
    Cassandra,
    DynamoDB,
    FaultProxy,
    Gateway,
    GcsServer,
    PostgreSQL,
    Redis,
    S3Server,
    Server,
)
from stat7.testing.servers.programs import PROGRAMS
from stat7.testing.servers.turns import taking_turns

AnyServer = TypeVar("AnyServer", bound=Server)

_running: dict[Server, int] = {}
"""The servers of this process, and how long the log of each was when the current test began."""
_STARTING = frozenset(
    (
        *("postgres_server", "redis_server", "s3_server", "gcs_server", "azure_server", "dynamodb_server"),
        *("cassandra", "cassandra_cluster", "start_server", "start_cassandra"),
    )
)
_TAIL = 40
"""Lines of a log that a report shows at most."""


@contextmanager
def started(server: AnyServer) -> Iterator[AnyServer]:
    """The server while it runs, its log watched for the reports of failed tests; skips where its program is missing."""
    if server.program.name in PROGRAMS:
        need(server.program.name)
    _running[server] = 0
    try:
        yield server.start()
    finally:
        server.stop()
        del _running[server]


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[PostgreSQL]:
    """A PostgreSQL server for the whole run; don't kill it, `start_server(PostgreSQL())` is for that."""
    need_driver("postgres", "psycopg")
    with started(PostgreSQL()) as server:
        yield server


@pytest.fixture(scope="session")
def _clean_databases() -> list[str]:
    """URLs of databases that are empty and not in use: emptying one is much quicker than making one."""
    return []


@pytest.fixture
def new_postgres_url(postgres_server: PostgreSQL, _clean_databases: list[str]) -> Iterator[Callable[[], str]]:
    """Each call gives the URL of another empty database; all are emptied after the test."""
    given: list[str] = []

    def give() -> str:
        given.append(_clean_databases.pop() if _clean_databases else postgres_server.create_database())
        return given[-1]

    postgres_server.start()
    yield give
    for url in given:
        postgres_server.clean_database(url)
        _clean_databases.append(url)


@pytest.fixture
def postgres_url(new_postgres_url: Callable[[], str]) -> str:
    """The URL of an empty database."""
    return new_postgres_url()


@pytest.fixture(scope="session")
def redis_server() -> Iterator[Redis]:
    """A Redis server for the whole run; don't kill it, `start_server(Redis())` is for that."""
    with started(Redis()) as server:
        yield server


@pytest.fixture
def redis_url(redis_server: Redis) -> str:
    """The URL of a Redis without keys. There is one for all, so a test can have no second."""
    redis_server.start().flush()
    return redis_server.url


@pytest.fixture(scope="session")
def s3_server() -> Iterator[S3Server]:
    """An S3 server for the whole run; its `bucket()` makes more buckets."""
    with started(S3Server()) as server:
        yield server


@pytest.fixture
def s3_bucket(s3_server: S3Server) -> Iterator[Bucket]:
    """An empty bucket on the S3 server."""
    bucket = s3_server.start().bucket()
    yield bucket
    s3_server.remove(bucket)


@pytest.fixture(scope="session")
def gcs_server() -> Iterator[GcsServer]:
    """A server of Google Cloud Storage for the whole run; its `bucket()` makes more buckets."""
    with started(GcsServer()) as server:
        yield server


@pytest.fixture
def gcs_bucket(gcs_server: GcsServer) -> Iterator[Bucket]:
    """An empty bucket on the server of Google Cloud Storage."""
    bucket = gcs_server.start().bucket()
    yield bucket
    gcs_server.remove(bucket)


@pytest.fixture(scope="session")
def azure_server() -> Iterator[AzureServer]:
    """An Azure Blob Storage server for the whole run; its `bucket()` makes more containers."""
    with started(AzureServer()) as server:
        yield server


@pytest.fixture
def azure_bucket(azure_server: AzureServer) -> Iterator[Bucket]:
    """An empty container on the Azure server."""
    bucket = azure_server.start().bucket()
    yield bucket
    azure_server.remove(bucket)


@contextmanager
def started_cassandra(cluster: Cassandra) -> Iterator[Cassandra]:
    """The same as `started` for the nodes of a Cassandra, each with its own log.

    Of several nodes there is one Cassandra at a time: two would take nearly 4 GB, and starve each other of processors.
    """
    need(cluster.program.name)
    with taking_turns("cassandra-nodes") if len(cluster.nodes) > 1 else nullcontext():
        _running.update(dict.fromkeys(cluster.nodes, 0))
        try:
            yield cluster.start()
        finally:
            cluster.stop()
            for node in cluster.nodes:
                del _running[node]


@pytest.fixture(scope="session")
def cassandra() -> Iterator[Cassandra]:
    """A Cassandra of one node for the whole run; don't kill it, `start_cassandra(Cassandra())` is for that."""
    with started_cassandra(Cassandra()) as cluster:
        yield cluster


@pytest.fixture(scope="module")
def _three_nodes() -> Iterator[Cassandra]:
    need("cassandra")
    if sys.platform != "linux":
        pytest.skip("several nodes need the loopback network of Linux, of which every address is there")
    with started_cassandra(Cassandra(nodes=3)) as cluster:
        yield cluster


@pytest.fixture
def cassandra_cluster(_three_nodes: Cassandra) -> Cassandra:
    """A Cassandra of three nodes, all running, for the tests of a module, which may stop and kill nodes."""
    return _three_nodes.start()


@pytest.fixture
def start_cassandra() -> Iterator[Callable[[Cassandra], Cassandra]]:
    """Starts a Cassandra for this test alone, as in `start_cassandra(Cassandra(nodes=3))`; stops it afterwards."""
    with ExitStack() as clusters:
        yield lambda cluster: clusters.enter_context(started_cassandra(cluster))


@pytest.fixture(scope="session")
def dynamodb_server() -> Iterator[DynamoDB]:
    """A DynamoDB server for the whole run; don't kill it, `start_server(DynamoDB())` is for that."""
    with started(DynamoDB()) as server:
        yield server


@pytest.fixture
def dynamodb(dynamodb_server: DynamoDB) -> DynamoDB:
    """A DynamoDB without tables. There is one for all, so a test can have no second."""
    dynamodb_server.start().drop_tables()
    return dynamodb_server


@pytest.fixture(scope="session")
def gateway() -> Iterator[Gateway]:
    """A gateway for the whole run, on an SQLite store that its tests share; `start_server(Gateway(...))` for others."""
    need_driver("gateway", "granian")
    from stat7.gateway.settings import RATES

    fast = [word for kind in RATES for word in ("--rate", f"{kind}=100000/s")]
    with started(Gateway(*fast)) as server:
        yield server


@pytest.fixture
def start_server() -> Iterator[Callable[[AnyServer], AnyServer]]:
    """Starts a server for this test alone, as in `start_server(PostgreSQL({"fsync": "off"}))`; stops it afterwards."""
    with ExitStack() as servers:

        def start(server: AnyServer) -> AnyServer:
            return servers.enter_context(started(server))

        yield start


@pytest.fixture
def fault_proxy() -> Iterator[Callable[[Server | tuple[str, int]], FaultProxy]]:
    """Puts a FaultProxy before a server, or before an address (host and port), and stops it after the test."""
    with ExitStack() as proxies:

        def place(upstream: Server | tuple[str, int]) -> FaultProxy:
            address = upstream.address if isinstance(upstream, Server) else upstream
            return proxies.enter_context(FaultProxy(address))

        yield place


def pytest_configure(config: pytest.Config) -> None:
    """Make the marker known."""
    config.addinivalue_line("markers", "server: needs a server, which the fixtures of stat7.testing start")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark the tests that need a server, so that `-m "not server"` leaves them out."""
    for item in items:
        if isinstance(item, pytest.Function) and not _STARTING.isdisjoint(item.fixturenames):
            item.add_marker("server")


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup() -> None:
    """Remember where the logs are when a test begins."""
    for server in _running:
        _running[server] = server.log.stat().st_size


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[Any]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Show in the report of a failed test what the servers have printed since it began."""
    report = yield
    if report.failed:
        for server, begin in _running.items():
            said = server.log_tail(_TAIL, begin)
            if said:
                server.keep_log = True
                report.sections.append((f"log of {server.program.title} during the test ({server.log})", said))
    return report
