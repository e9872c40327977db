"""Every error of the Cassandra driver becomes one of stat7, a line that says where and what to do; so do real ones."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
import socket
from collections.abc import Callable, Iterator
from typing import Any

import cassandra
import pytest
from cassandra import protocol
from cassandra.cluster import NoHostAvailable
from cassandra.connection import ConnectionShutdown

from stat7.errors import ConfigError, Stat7Error, Unavailable
from stat7.query import Query
from stat7.registry import open_store
from stat7.stores.base import HeadMove
from stat7.stores.cassandra.errors import KINDS, translated
from stat7.testing.samples import notice, sample, samples
from stat7.testing.servers import Cassandra
from tests.stores.cassandra import below, empty_store

WHERE = "node.example:9042/library"
# Parts of the driver that the store never uses, and reactors of other event loops.
_UNUSED = (
    "cassandra.cqlengine",
    "cassandra.datastax",
    "cassandra.graph",
    "cassandra.io",
    "cassandra.column_encryption",
)


UNAVAILABLE = cassandra.Unavailable("x", required_replicas=2, alive_replicas=1)


def _classes() -> Iterator[type[Exception]]:
    names = [each.name for each in pkgutil.iter_modules(cassandra.__path__, "cassandra.")]
    for name in ("cassandra", *names):
        if not name.startswith(_UNUSED):
            try:
                module = importlib.import_module(name)
            except ImportError:
                continue
            for _, kind in inspect.getmembers(module, inspect.isclass):
                if issubclass(kind, Exception) and kind.__module__.startswith("cassandra"):
                    yield kind


CLASSES = sorted(set(_classes()), key=lambda kind: f"{kind.__module__}.{kind.__name__}")


def test_every_class_that_the_driver_has_is_translated_by_itself_or_by_a_base() -> None:
    assert len(CLASSES) > 45
    told = {kind for kind in CLASSES if kind in KINDS or any(base in KINDS for base in kind.__mro__)}
    assert {f"{kind.__module__}.{kind.__name__}" for kind in set(CLASSES) - told} <= {
        "cassandra.policies.UnknownHost", "cassandra.util.InvalidRange",
    }  # fmt: skip


def test_translations_are_one_line_that_names_the_cluster() -> None:
    for kind, translation in KINDS.items():
        text = str(translation(WHERE, "some message"))
        assert WHERE in text, kind
        assert "some message" in text, kind
        assert len(text.splitlines()) == 1, kind


def _message(kind: type[protocol.ErrorMessage], code: int) -> Exception:
    error: Exception = kind(code=code, message="said\nthe node", info=None)
    return error


@pytest.mark.parametrize(
    ("error", "expected", "advice"),
    [
        (UNAVAILABLE, Unavailable, "nodetool status"),
        (cassandra.ReadTimeout("x"), Unavailable, "timeout="),
        (cassandra.WriteTimeout("x", write_type=0), Unavailable, "timeout="),
        (cassandra.OperationTimedOut(), Unavailable, "timeout="),
        (cassandra.InvalidRequest("x"), ConfigError, "keyspace"),
        (cassandra.Unauthorized("x"), ConfigError, "grant"),
        (cassandra.AuthenticationFailed("x"), ConfigError, "CASSANDRA_PASSWORD"),
        (NoHostAvailable("x", {}), Unavailable, "check hosts"),
        (NoHostAvailable("x", {"a": cassandra.AuthenticationFailed("bad")}), ConfigError, "password"),
        (NoHostAvailable("x", {"a": ConnectionShutdown("x"), "b": UNAVAILABLE}), Unavailable, "nodetool status"),
        (ConnectionShutdown("x"), Unavailable, "try again"),
        (_message(protocol.ErrorMessage, 0x1700), Unavailable, "said the node"),
        (_message(protocol.OverloadedErrorMessage, 0x1001), Unavailable, "later"),
        (_message(protocol.SyntaxException, 0x2000), ConfigError, "said the node"),
    ],
)
def test_each_says_what_to_do(error: Exception, expected: type[Stat7Error], advice: str) -> None:
    told = translated(error, WHERE)
    assert type(told) is expected
    assert advice in str(told)
    assert len(str(told).splitlines()) == 1


# --- real failures


def _refusal(url: str, kind: type[Stat7Error]) -> str:
    with pytest.raises(kind) as caught:
        open_store(url)
    text = str(caught.value)
    assert len(text.splitlines()) == 1
    return text


def test_nobody_there_is_unavailable_in_time_and_tells_no_password() -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
        text = _refusal(f"cassandra://ada:secretword@127.0.0.1:{port}/library?connect_timeout=2", Unavailable)
    assert "check hosts and port" in text
    assert "secretword" not in text
    assert "name server" in _refusal("cassandra://host.invalid/library", Unavailable)


def test_a_store_that_is_not_there_is_only_made_by_who_may(cassandra: Cassandra) -> None:
    keyspace = cassandra.keyspace()
    url = f"cassandra://127.0.0.1:{cassandra.port}/{keyspace}?replication=1"
    with pytest.raises(ConfigError, match="stat7 init"):
        open_store(url, make=False)
    assert not cassandra.execute(
        f"SELECT keyspace_name FROM system_schema.keyspaces WHERE keyspace_name = '{keyspace}'"
    )


def test_a_dropped_table_is_told_by_every_call(cassandra: Cassandra) -> None:
    store = empty_store(cassandra, 1)
    store.put(samples(2))
    below(store).define("DROP TABLE $.entities")
    address = sample().address
    calls: list[Callable[[], Any]] = [
        lambda: store.get([address]), lambda: store.get([address, address[::-1]]), lambda: store.put(samples(1)),
        lambda: store.find(Query(realm="data"), None, 5), lambda: store.scan(None, 5), store.count,
        lambda: store.withdraw([notice(address)]), lambda: store.check(None, 5), store.compact,
    ]  # fmt: skip
    for call in calls[:-1]:
        with pytest.raises(ConfigError, match="keyspace"):
            call()
    assert store.heads(["thing"]) == {}
    assert store.swap_heads([HeadMove("thing", None, address)]) == [True]
    below(store).define("DROP KEYSPACE IF EXISTS " + store.settings.keyspace)
    store.close()
