"""What is sent twice and what never is, and in which parts many requests go."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from cassandra.policies import RetryPolicy

from stat7.errors import Unavailable
from stat7.stores.cassandra import Settings
from stat7.stores.cassandra.session import Again, Connection

# As the driver calls them: everything by name.
CALLS: list[tuple[str, dict[str, Any]]] = [
    ("on_read_timeout",
     {"consistency": 4, "required_responses": 2, "received_responses": 1, "data_retrieved": True}),
    ("on_write_timeout",
     {"consistency": 4, "required_responses": 2, "received_responses": 1, "write_type": 0}),
    ("on_request_error", {"consistency": 4, "error": ValueError()}),
]  # fmt: skip


@pytest.mark.parametrize(("method", "info"), CALLS)
def test_what_changes_nothing_twice_goes_to_the_next_node_a_few_times(method: str, info: dict[str, Any]) -> None:
    decide = getattr(Again(), method)
    again, given_up = (RetryPolicy.RETRY_NEXT_HOST, None), (RetryPolicy.RETHROW, None)
    query = SimpleNamespace(is_idempotent=True)
    assert [decide(query, retry_num=number, **info) for number in range(4)] == [again] * 3 + [given_up]
    # A transaction's first attempt may have been made: the second would say that it wasn't.
    assert decide(SimpleNamespace(is_idempotent=False), retry_num=0, **info) == given_up
    assert decide(None, retry_num=0, **info) == given_up


def test_a_node_that_sees_too_few_others_is_doubted_once() -> None:
    info = {"consistency": 4, "required_replicas": 2, "alive_replicas": 1}
    query = SimpleNamespace(is_idempotent=False)
    assert Again().on_unavailable(query, retry_num=0, **info) == (RetryPolicy.RETRY_NEXT_HOST, None)
    assert Again().on_unavailable(query, retry_num=1, **info) == (RetryPolicy.RETHROW, None)


def test_the_driver_calls_with_these_names() -> None:
    import inspect

    for method, info in CALLS:
        names = set(inspect.signature(getattr(RetryPolicy, method)).parameters) - {"self", "query", "retry_num"}
        assert names == set(info), method


def test_a_closed_connection_opens_no_session() -> None:
    connection = Connection(Settings(("node.invalid",)))
    connection.close()
    connection.close()
    assert connection.is_closed
    with pytest.raises(Unavailable, match="closed"):
        connection.run("SELECT 1")
