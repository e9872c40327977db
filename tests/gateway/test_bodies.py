"""Bodies on their way in: whole, in pieces, compressed, and broken off."""

from __future__ import annotations

import gzip
import hashlib
import json
import os
import socket
from collections.abc import Iterator

import httpx
import pytest

from stat7.testing.servers import Gateway
from tests.gateway.conftest import document


def head(server: Gateway, path: str, *more: str) -> bytes:
    """The head of a POST by hand."""
    lines = [f"POST {path} HTTP/1.1", "Host: localhost", f"Authorization: Bearer {server.keys['all']}", *more]
    return "\r\n".join([*lines, "", ""]).encode("ascii")


def broken(server: Gateway, *pieces: bytes) -> bytes:
    """What is answered to a request whose sender has nothing more to say."""
    with socket.create_connection(server.address, timeout=60) as connection:
        connection.sendall(b"".join(pieces))
        connection.shutdown(socket.SHUT_WR)
        answer = b""
        while received := connection.recv(65536):
            answer += received
        return answer


def pieces(*parts: bytes) -> Iterator[bytes]:
    """A body whose length nobody tells."""
    yield from parts


@pytest.mark.parametrize(
    ("coding", "body"),
    [
        ("Content-Length: 100000", b"%b"),
        ("Transfer-Encoding: chunked", b"4000\r\n%b\r\n"),
        ("Transfer-Encoding: chunked", b"4000\r\n%b"),
        ("Transfer-Encoding: chunked", b"4000\r\n%b\r\nno number\r\n"),
    ],
    ids=["length", "chunks", "chunk", "nonsense"],
)
def test_of_a_file_that_breaks_off_nothing_is_kept(
    gateway: Gateway, client: httpx.Client, coding: str, body: bytes
) -> None:
    content = os.urandom(16 * 1024)
    broken(gateway, head(gateway, "/files", coding), body.replace(b"%b", content))
    assert client.get(f"/files/{hashlib.sha256(content).hexdigest()}").status_code == 404


def test_whoever_still_listens_is_told_that_the_body_broke_off(gateway: Gateway) -> None:
    answer = broken(gateway, head(gateway, "/files", "Transfer-Encoding: chunked"), b"3\r\nabc\r\nno number\r\n")
    status, _, body = answer.partition(b"\r\n\r\n")
    assert status.startswith(b"HTTP/1.1 400 ")
    assert "broke off before its end" in json.loads(body)["detail"]


def test_a_body_in_pieces_of_any_size_is_whole(gateway: Gateway) -> None:
    headers = {"Authorization": f"Bearer {gateway.keys['all']}"}
    parts = [os.urandom(size) for size in (1, 70_000, 3, 200_000)]
    for http2 in (False, True):
        with httpx.Client(base_url=gateway.url, headers=headers, http1=not http2, http2=http2, timeout=30) as client:
            stored = client.post("/files", content=pieces(*parts, os.urandom(8)))
            assert stored.status_code == 201
            assert stored.json()["size"] == 270_012
            (line,) = client.post(
                "/entities",
                content=pieces(json.dumps(document("pieces")).encode()),
                headers={"Content-Type": "application/x-ndjson"},
            ).text.splitlines()
            assert json.loads(line)["status"] in ("new", "existed")


def test_an_upload_that_http2_takes_back_is_not_kept(gateway: Gateway, client: httpx.Client) -> None:
    content = os.urandom(50_000)

    def taken_back() -> Iterator[bytes]:
        yield content
        raise InterruptedError

    headers = {"Authorization": f"Bearer {gateway.keys['all']}", "Content-Length": str(2 * len(content))}
    with (
        pytest.raises(InterruptedError),
        httpx.Client(base_url=gateway.url, headers=headers, http1=False, http2=True, timeout=30) as other,
    ):
        other.post("/files", content=taken_back())
    assert client.get(f"/files/{hashlib.sha256(content).hexdigest()}").status_code == 404


def test_gzip_of_several_members_is_one_body(client: httpx.Client) -> None:
    lines = [json.dumps(document(f"member-{number}")).encode() + b"\n" for number in range(3)]
    headers = {"Content-Type": "application/x-ndjson", "Content-Encoding": "gzip"}
    answer = client.post("/entities", content=b"".join(map(gzip.compress, lines)), headers=headers)
    assert [json.loads(line)["line"] for line in answer.text.splitlines()] == [1, 2, 3]
    for bad, why in ((gzip.compress(b"{}")[:-4], "ends before"), (gzip.compress(b"{}") + b"rest", "is no gzip")):
        refused = client.post("/entities", content=bad, headers={**headers, "Content-Type": "application/json"})
        assert refused.status_code == 400
        assert why in refused.json()["detail"]
