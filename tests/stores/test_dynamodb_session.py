"""Requests in batches: what the service leaves undone or refuses for being busy is asked for again, in bounded time."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest

from stat7.errors import ConfigError, StoreFull, Unavailable

pytest.importorskip("boto3")

from botocore.stub import Stubber

from stat7.stores.dynamodb.client import Client
from stat7.stores.dynamodb.layout import Item, Layout, key
from stat7.stores.dynamodb.session import Session
from stat7.stores.dynamodb.settings import Settings

TABLE = "library"
SETTINGS = Settings(
    TABLE, region="us-east-1", endpoint="http://127.0.0.1:1", access_key_id="a", secret_access_key="b", retry=5.0
)
PUTS: list[Item] = [{"PutRequest": {"Item": key(b"pk", bytes((number,)))}} for number in range(40)]
KEYS: list[Item] = [each["PutRequest"]["Item"] for each in PUTS]
STATEMENTS: list[Item] = [{"Statement": f"statement {number}", "Parameters": []} for number in range(3)]


class _Stubbed:
    """A session whose client answers what it was told to, in that order, one request at a time."""

    def __init__(self, settings: Settings = SETTINGS) -> None:
        self.client = Client(settings)
        self.session = Session(self.client, Layout(TABLE, 4))
        self.stub = Stubber(self.client.api())
        self.stub.activate()

    def answers(self, operation: str, answer: dict[str, Any], expected: dict[str, Any] | None = None) -> None:
        self.stub.add_response(operation, answer, expected)

    def refuses(self, operation: str, code: str, status: int = 400) -> None:
        self.stub.add_client_error(operation, code, "said so", http_status_code=status)


@pytest.fixture
def stubbed(monkeypatch: pytest.MonkeyPatch) -> Iterator[_Stubbed]:
    monkeypatch.setattr("stat7.stores.dynamodb.session._FIRST_PAUSE", 0.001)
    made = _Stubbed()
    # One after the other, as the stub has its answers.
    monkeypatch.setattr(Session, "map", lambda self, work, parts: [work(part) for part in parts])
    yield made
    made.stub.assert_no_pending_responses()
    made.client.close()


def test_unprocessed_items_are_written_again_until_none_is_left(stubbed: _Stubbed) -> None:
    stubbed.answers("batch_write_item", {"UnprocessedItems": {TABLE: PUTS[3:25]}}, {"RequestItems": {TABLE: PUTS[:25]}})
    stubbed.answers(
        "batch_write_item", {"UnprocessedItems": {TABLE: PUTS[20:25]}}, {"RequestItems": {TABLE: PUTS[3:25]}}
    )
    stubbed.answers("batch_write_item", {"UnprocessedItems": {}}, {"RequestItems": {TABLE: PUTS[20:25]}})
    stubbed.answers("batch_write_item", {}, {"RequestItems": {TABLE: PUTS[25:]}})
    stubbed.session.write_items(PUTS)


def test_unprocessed_keys_are_asked_for_again(stubbed: _Stubbed) -> None:
    for found, left in (([KEYS[0]], KEYS[1:3]), ([], KEYS[1:3]), (KEYS[1:3], [])):
        unprocessed = {TABLE: {"Keys": left}} if left else {}
        stubbed.answers("batch_get_item", {"Responses": {TABLE: found}, "UnprocessedKeys": unprocessed})
    assert stubbed.session.get_items(KEYS[:3], ("pk", "sk")) == KEYS[:3]


def test_statements_that_were_throttled_alone_are_repeated(stubbed: _Stubbed) -> None:
    busy, exists = ({"Error": {"Code": code, "Message": "m"}} for code in ("ThrottlingError", "DuplicateItem"))
    stubbed.answers("batch_execute_statement", {"Responses": [{}, busy, exists]}, {"Statements": STATEMENTS})
    stubbed.answers("batch_execute_statement", {"Responses": [busy]}, {"Statements": STATEMENTS[1:2]})
    stubbed.answers("batch_execute_statement", {"Responses": [{"TableName": TABLE}]}, {"Statements": STATEMENTS[1:2]})
    assert stubbed.session.execute(STATEMENTS) == [True, True, False]


def test_a_statement_that_is_refused_for_good_is_told(stubbed: _Stubbed) -> None:
    full = {"Error": {"Code": "ItemCollectionSizeLimitExceeded", "Message": "m"}}
    stubbed.answers("batch_execute_statement", {"Responses": [{}, full, {}]})
    with pytest.raises(StoreFull, match="library"):
        stubbed.session.execute(STATEMENTS)


@pytest.mark.parametrize(
    ("code", "status"),
    [
        ("ProvisionedThroughputExceededException", 400), ("ThrottlingException", 400), ("RequestLimitExceeded", 400),
        ("InternalServerError", 500), ("SomethingElse", 503), ("TransactionInProgressException", 400),
    ],
)  # fmt: skip
def test_a_busy_service_is_asked_again(stubbed: _Stubbed, code: str, status: int) -> None:
    for _ in range(3):
        stubbed.refuses("get_item", code, status)
    stubbed.answers("get_item", {})
    assert stubbed.session.call("get_item", TableName=TABLE, Key=KEYS[0]) == {}


def test_what_must_not_be_repeated_is_not(stubbed: _Stubbed) -> None:
    stubbed.refuses("delete_item", "InternalServerError", 500)
    with pytest.raises(Unavailable):
        stubbed.session.call("delete_item", repeatable=False, TableName=TABLE, Key=KEYS[0])
    stubbed.refuses("get_item", "AccessDeniedException")
    with pytest.raises(ConfigError, match="policy"):
        stubbed.session.call("get_item", TableName=TABLE, Key=KEYS[0])


def test_a_conditional_write_tells_whether_its_condition_held(stubbed: _Stubbed) -> None:
    stubbed.refuses("put_item", "ThrottlingException")
    stubbed.answers("put_item", {})
    assert stubbed.session.attempt("put_item", TableName=TABLE, Item=KEYS[0]) is True
    stubbed.refuses("put_item", "ConditionalCheckFailedException")
    assert stubbed.session.attempt("put_item", TableName=TABLE, Item=KEYS[0]) is False
    stubbed.refuses("put_item", "ValidationException")
    with pytest.raises(ConfigError):
        stubbed.session.attempt("put_item", TableName=TABLE, Item=KEYS[0])


@pytest.mark.parametrize("retry", [0.0, 0.3])
def test_a_call_gives_up_when_its_time_is_over(retry: float) -> None:
    settings = Settings(
        TABLE, region="us-east-1", endpoint="http://127.0.0.1:1", access_key_id="a", secret_access_key="b", retry=retry
    )
    client = Client(settings)
    session = Session(client, Layout(TABLE, 4))
    refusal = {"UnprocessedItems": {TABLE: PUTS[:25]}}

    def refuse(**request: Any) -> dict[str, Any]:
        return refusal

    client.api().batch_write_item = refuse
    begun = time.monotonic()
    with pytest.raises(Unavailable, match="again and again"):
        session.write_items(PUTS[:25])
    assert time.monotonic() - begun < retry + 0.5
    # The time of a call is not given anew to each of its requests.
    begun = time.monotonic()
    with pytest.raises(Unavailable):
        session.write_items(PUTS[:25])
    assert time.monotonic() - begun < 0.5
    client.close()


def test_a_service_that_is_not_there_is_unavailable_in_time() -> None:
    settings = Settings(
        TABLE, region="us-east-1", endpoint="http://127.0.0.1:1", access_key_id="a", secret_access_key="b", retry=0.5
    )
    client = Client(settings)
    begun = time.monotonic()
    with pytest.raises(Unavailable, match="check region and endpoint"):
        Session(client, Layout(TABLE, 4)).call("get_item", TableName=TABLE, Key=KEYS[0])
    assert time.monotonic() - begun < 2.0
    client.close()


def test_closing_ends_the_waiting_of_other_threads() -> None:
    client = Client(SETTINGS)
    session = Session(client, Layout(TABLE, 4))
    failures: list[Exception] = []

    def ask() -> None:
        try:
            session.get_items(KEYS, ("pk",))
        except Unavailable as error:
            failures.append(error)

    asking = threading.Thread(target=ask)
    asking.start()
    time.sleep(0.2)
    client.close()
    asking.join(timeout=5)
    assert not asking.is_alive()
    assert len(failures) == 1
    with pytest.raises(Unavailable, match="closed"):
        client.api()


def test_parts_are_worked_on_at_once_and_answered_in_order() -> None:
    client = Client(SETTINGS)
    session = Session(client, Layout(TABLE, 4))
    barrier = threading.Barrier(4)

    def work(number: int) -> tuple[int, list[int]]:
        barrier.wait(timeout=10)
        # What is inside goes on in the same thread: a pool that waits for itself would never end.
        return number, session.map(lambda inner: threading.get_ident(), range(3))

    results = session.map(work, range(4))
    assert [number for number, _ in results] == [0, 1, 2, 3]
    assert all(len(set(threads)) == 1 for _, threads in results)
    client.close()


def test_large_documents_go_in_small_batches(stubbed: _Stubbed) -> None:
    large = [{"Statement": "s", "Parameters": [{"B": b"x" * 900_000}]} for _ in range(5)]
    for size in (2, 2, 1):
        stubbed.answers("batch_execute_statement", {"Responses": [{}] * size})
    assert stubbed.session.execute(large) == [True] * 5


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")
def test_a_forked_child_has_a_client_and_threads_of_its_own() -> None:
    client = Client(SETTINGS)
    before, pool = client.api(), client.pool()
    child = os.fork()
    if child == 0:
        os._exit(0 if client.api() is not before and client.pool() is not pool else 1)
    assert os.waitpid(child, 0)[1] == 0
    assert client.api() is before
    client.close()


def test_an_endpoint_that_is_none_is_a_mistake_in_the_url() -> None:
    with pytest.raises(ConfigError, match="mend the URL"):
        Client(Settings(TABLE, region="us-east-1", endpoint="nonsense"))


def test_without_a_region_the_remedy_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_REGION", "AWS_DEFAULT_REGION", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_CONFIG_FILE", os.devnull)
    with pytest.raises(ConfigError, match="AWS_REGION"):
        Client(Settings(TABLE))
    with pytest.raises(ConfigError, match="profile"):
        Client(Settings(TABLE, region="us-east-1", profile="not there"))


def test_settings_show_no_keys() -> None:
    shown = repr(Settings(TABLE, access_key_id="AKIA1", secret_access_key="hunter2", session_token="t0ken"))
    assert not any(secret in shown for secret in ("AKIA1", "hunter2", "t0ken"))
