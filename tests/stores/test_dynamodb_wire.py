"""Requests and answers of DynamoDB as JSON: the same that botocore writes and reads, and senseless ones are told."""

from __future__ import annotations

import http.server
import json
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from stat7.errors import Unavailable

boto3 = pytest.importorskip("boto3")

from stat7.stores.dynamodb.client import Client  # noqa: E402
from stat7.stores.dynamodb.layout import Layout, key  # noqa: E402
from stat7.stores.dynamodb.session import Session  # noqa: E402
from stat7.stores.dynamodb.settings import Settings  # noqa: E402

ITEM = {**key(b"\x00pk", b"\xff"), "i": {"S": "ä😀"}, "d": {"B": b""}, "n": {"N": "-1"}}
WIRED = {"pk": {"B": "AHBr"}, "sk": {"B": "/w=="}, "i": {"S": "ä😀"}, "d": {"B": ""}, "n": {"N": "-1"}}


class _Service(http.server.BaseHTTPRequestHandler):
    """Answers every request with the body that the test chose, and keeps what was asked."""

    answer = b"{}"
    status = 200
    asked: list[Any]

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        type(self).asked.append(json.loads(body))
        self.send_response(type(self).status)
        self.send_header("Content-Length", str(len(type(self).answer)))
        self.end_headers()
        self.wfile.write(type(self).answer)

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing."""


@pytest.fixture
def service() -> Iterator[type[_Service]]:
    """A service that answers as it is told."""
    handler = type("_Told", (_Service,), {"asked": []})
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        handler.endpoint = f"http://127.0.0.1:{server.server_port}"  # type: ignore[attr-defined]
        yield handler
        server.shutdown()


def _api(service: Any) -> Any:
    return Client(_settings(service)).api()


def _settings(service: Any) -> Settings:
    return Settings(
        "library", region="us-east-1", endpoint=service.endpoint, access_key_id="a", secret_access_key="b", retry=0.1
    )


def _bare(service: Any) -> Any:
    return boto3.client(
        "dynamodb", endpoint_url=service.endpoint, region_name="us-east-1", aws_access_key_id="a",
        aws_secret_access_key="b",
    )  # fmt: skip


REQUESTS: list[tuple[str, dict[str, Any], dict[str, Any]]] = [
    ("batch_get_item", {"RequestItems": {"library": {"Keys": [key(b"a", b"b")], "ConsistentRead": True}}},
     {"Responses": {"library": [WIRED]}, "UnprocessedKeys": {}}),
    ("batch_write_item", {"RequestItems": {"library": [{"PutRequest": {"Item": ITEM}}]}}, {"UnprocessedItems": {}}),
    ("batch_execute_statement", {"Statements": [{"Statement": "s", "Parameters": [{"B": b"x"}]}]},
     {"Responses": [{"TableName": "library"}, {"Error": {"Code": "DuplicateItem", "Message": "m"}}]}),
    ("query", {"TableName": "library", "Limit": 3, "ExclusiveStartKey": key(b"a", b"b")},
     {"Items": [WIRED], "Count": 1, "ScannedCount": 1, "LastEvaluatedKey": {"pk": {"B": "AHBr"}, "sk": {"B": "/w=="}}}),
    ("scan", {"TableName": "library"}, {"Items": [], "Count": 0, "ScannedCount": 0}),
    ("get_item", {"TableName": "library", "Key": key(b"a", b"b")}, {"Item": WIRED}),
    ("get_item", {"TableName": "library", "Key": key(b"a", b"b")}, {}),
]  # fmt: skip


@pytest.mark.parametrize(("operation", "request_", "answer"), REQUESTS)
def test_what_is_sent_and_read_is_what_boto3_sends_and_reads(
    service: Any, operation: str, request_: dict[str, Any], answer: dict[str, Any]
) -> None:
    service.answer = json.dumps(answer).encode()
    ours, theirs = (getattr(api, operation)(**request_) for api in (_api(service), _bare(service)))
    assert service.asked[0] == service.asked[1]
    for told in (ours, theirs):
        del told["ResponseMetadata"]
    assert ours == theirs


def test_errors_are_read_by_botocore(service: Any) -> None:
    service.status = 400
    service.answer = b'{"__type": "com.amazonaws.dynamodb.v20120810#ThrottlingException", "message": "slow down"}'
    api = _api(service)
    with pytest.raises(api.exceptions.ThrottlingException):
        api.query(TableName="library")


@pytest.mark.parametrize(
    "answer", [b"<html>a proxy's page</html>", b'{"Items": 5}', b'{"Items": [{"pk": {"B": "!"}}]}']
)
def test_an_answer_that_makes_no_sense_is_unavailable(service: Any, answer: bytes) -> None:
    service.answer = answer
    with pytest.raises(Unavailable, match="library"):
        Session(Client(_settings(service)), Layout("library", 4)).call("query", TableName="library")
