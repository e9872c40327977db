"""Servers of an experiment's own, on the loopback address, ended whatever happens."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, nullcontext

from stat7.stress.context import one_line
from stat7.stress.experiments import Lacking
from stat7.stress.workers import WorkerFailed
from stat7.testing.servers import PROGRAMS, Cassandra, PostgreSQL, ServerFailed
from stat7.testing.servers.turns import taking_turns


@contextmanager
def own_postgresql(count: int = 1, options: Mapping[str, str] | None = None) -> Iterator[Sequence[PostgreSQL]]:
    """That many PostgreSQL servers while the context lasts. Raises Lacking, and WorkerFailed if one fails later."""
    _demand("postgres", "psycopg", "postgres")
    with ExitStack() as stack:
        servers = []
        for _ in range(count):
            server = PostgreSQL(options)
            stack.callback(server.stop)
            with _starting():
                servers.append(server.start())
        with _running():
            yield servers


@contextmanager
def own_cassandra(nodes: int) -> Iterator[Cassandra]:
    """A Cassandra of one node or three while the context lasts. Raises Lacking, and WorkerFailed if it fails later.

    Of several nodes there is one Cassandra at a time on a machine: others are waited for.
    """
    _demand("cassandra", "cassandra", "cassandra")
    if nodes > 1 and sys.platform != "linux":
        raise Lacking("several nodes need the loopback network of Linux, of which every address is there")
    with taking_turns("cassandra-nodes") if nodes > 1 else nullcontext():
        with _starting():
            cluster = Cassandra(nodes)
        try:
            with _starting():
                cluster.start()
            with _running():
                yield cluster
        finally:
            cluster.stop()


def _demand(program: str, module: str, extra: str) -> None:
    if not PROGRAMS[program].is_here():
        raise Lacking(PROGRAMS[program].remedy())
    if importlib.util.find_spec(module) is None:
        raise Lacking(f"the Python package {module} is not installed: `pip install 'stat7[{extra}]'`")


@contextmanager
def _starting() -> Iterator[None]:
    try:
        yield
    except ServerFailed as error:
        raise Lacking(f"a server could not be started here: {one_line(str(error))[:500]}") from error


@contextmanager
def _running() -> Iterator[None]:
    try:
        yield
    except ServerFailed as error:
        raise WorkerFailed(f"a server failed: {one_line(str(error))[:500]}") from error
