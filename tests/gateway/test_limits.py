"""Slow, oversized and malformed requests: the right status, bounded memory, and nobody else notices."""

from __future__ import annotations

import gzip
import json
import socket
import threading
import time
from collections.abc import Callable, Iterator

import httpx
import psutil
import pytest

from stat7.testing.servers import Gateway
from tests.gateway.conftest import document

MIB = 1024 * 1024


@pytest.fixture(scope="module")
def strict() -> Iterator[Gateway]:
    """A gateway with narrow limits."""
    sizes = ("--max-body", str(4 * MIB), "--max-file", str(8 * MIB), "--limit", "decompressed=64MiB")
    with Gateway("--idle", "1", *sizes) as server:
        yield server


@pytest.fixture
def caller(strict: Gateway) -> Iterator[httpx.Client]:
    """Asks it with every right."""
    headers = {"Authorization": f"Bearer {strict.keys['all']}"}
    with httpx.Client(base_url=strict.url, headers=headers, timeout=60) as made:
        yield made


def head(server: Gateway, method: str, path: str, *more: str) -> bytes:
    """The head of a request by hand."""
    lines = [f"{method} {path} HTTP/1.1", "Host: localhost", f"Authorization: Bearer {server.keys['all']}", *more]
    return "\r\n".join([*lines, "", ""]).encode("latin-1")


def talk(server: Gateway, *pieces: bytes, seconds: float = 60.0) -> bytes:
    """Send some bytes, and read until the server closes."""
    with socket.create_connection(server.address, timeout=seconds) as connection:
        for piece in pieces:
            connection.sendall(piece)
        answer = b""
        while received := connection.recv(65536):
            answer += received
        return answer


def memory(server: Gateway) -> int:
    """Bytes of anonymous memory of the gateway."""
    return int(psutil.Process(server.pid).memory_full_info().uss)


def still_serves(server: Gateway) -> None:
    """It answers somebody else."""
    with httpx.Client(base_url=server.url, headers={"X-API-Key": server.keys["all"]}, timeout=60) as other:
        assert other.get("/stats").status_code == 200


def test_a_body_that_stops_is_answered_408_and_closed(strict: Gateway) -> None:
    request = head(strict, "POST", "/entities", "Content-Type: application/json", "Content-Length: 100")
    answer = talk(strict, request, b'{"stat7"')
    assert answer.startswith(b"HTTP/1.1 408 ")
    assert b"nothing came for 1 s" in answer


def test_a_head_that_stops_is_closed_and_holds_up_nobody(strict: Gateway) -> None:
    slow = [socket.create_connection(strict.address, timeout=60) for _ in range(100)]
    for connection in slow:
        connection.sendall(b"GET /stats HTTP/1.1\r\nHost: local")
    still_serves(strict)
    for connection in slow:
        while connection.recv(4096):
            pass
        connection.close()


def test_a_hundred_slow_uploads_hold_up_nobody_and_are_ended(strict: Gateway) -> None:
    before = memory(strict)
    slow = [socket.create_connection(strict.address, timeout=60) for _ in range(100)]
    for connection in slow:
        connection.sendall(head(strict, "POST", "/files", "Content-Length: 1000000") + b"x" * 1000)
    still_serves(strict)
    statuses = set()
    for connection in slow:
        statuses.add(connection.recv(4096)[9:12])
        connection.close()
    assert statuses <= {b"408", b"503"}
    assert memory(strict) - before < 64 * MIB
    still_serves(strict)


@pytest.mark.parametrize("path", ["/entities", "/entities/batch-get", "/withdrawals"])
def test_a_body_that_is_too_large_is_refused_by_its_length(caller: httpx.Client, path: str) -> None:
    answer = caller.post(path, content=b"x" * (4 * MIB + 1), headers={"Content-Type": "application/json"})
    assert answer.status_code == 413
    assert answer.json()["type"] == "urn:stat7:problem:too-large"


def test_a_body_without_a_length_is_refused_when_it_is_too_large(strict: Gateway, caller: httpx.Client) -> None:
    before = memory(strict)

    def endless() -> Iterator[bytes]:
        for _ in range(200):
            yield b"x" * MIB

    try:
        answer = caller.post("/files", content=endless())
        assert answer.status_code == 413
    except httpx.TransportError:
        pass  # it was closed while we still sent
    assert memory(strict) - before < 64 * MIB
    still_serves(strict)


def test_a_file_that_is_too_large_leaves_nothing(strict: Gateway, caller: httpx.Client) -> None:
    answer = caller.post("/files", content=b"y" * (8 * MIB + 1))
    assert answer.status_code == 413
    with strict.repository() as repository:
        assert repository.files.sweep(2**60) == 0


@pytest.mark.parametrize(
    ("line", "said"),
    [
        (b" " * (MIB - 1) + b"\n", f"the body, decompressed: at most {64 * MIB} bytes"),
        (b" " * MIB, f"line 1: at most {4 * MIB} bytes"),
    ],
    ids=["many lines", "one line"],
)
def test_a_decompression_bomb_is_refused_and_costs_little(
    strict: Gateway, caller: httpx.Client, line: bytes, said: str
) -> None:
    bomb = gzip.compress(line * 1024, 9)
    assert len(bomb) < 4 * MIB
    before = memory(strict)
    headers = {"Content-Encoding": "gzip", "Content-Type": "application/x-ndjson"}
    answer = caller.post("/entities", content=bomb, headers=headers)
    assert (answer.status_code, answer.json()["detail"]) == (413, said)
    assert memory(strict) - before < 64 * MIB


def test_gzip_is_understood_and_half_of_it_is_not(caller: httpx.Client) -> None:
    whole = gzip.compress(json.dumps(document("zipped")).encode())
    headers = {"Content-Encoding": "gzip", "Content-Type": "application/json"}
    assert caller.post("/entities", content=whole, headers=headers).status_code in (200, 201)
    for content in (whole[:-9], whole + b"x", b"plain"):
        answer = caller.post("/entities", content=content, headers=headers)
        assert answer.status_code == 400, content
        assert answer.json()["field"] == "body"
    answer = caller.post("/entities", content=b"{}", headers={**headers, "Content-Encoding": "br"})
    assert answer.status_code == 415


def test_lines_that_are_too_long_are_refused(caller: httpx.Client) -> None:
    headers = {"Content-Type": "application/x-ndjson"}
    content = json.dumps(document("line/1")).encode() + b"\n" + b"x" * (4 * MIB - 1000)
    answer = caller.post("/entities", content=content, headers=headers)
    assert answer.status_code in (200, 413)
    many = caller.post("/entities/batch-get", json=["0" * 64] * 10_001)
    assert many.status_code == 413
    assert "at most 10000" in many.json()["detail"]


def test_ten_thousand_ranges_are_refused_at_once(caller: httpx.Client) -> None:
    sha256 = caller.post("/files", content=b"z" * 1000).json()["sha256"]
    ranges = "bytes=" + ",".join("0-0" for _ in range(10_000))
    assert caller.get(f"/files/{sha256}", headers={"Range": ranges}).status_code == 416
    overlapping = "bytes=" + ",".join("0-999" for _ in range(30))
    assert caller.get(f"/files/{sha256}", headers={"Range": overlapping}).status_code == 416


@pytest.mark.parametrize(
    "path",
    [
        "/entities/../../etc/passwd",
        "/entities/%2e%2e%2f%2e%2e%2fetc%2fpasswd",
        "/explorer/../app.py",
        "/explorer/..%2fapp.py",
        "/explorer/%00",
        "//entities",
        "/entities/" + "A" * 64,
        "/entities/" + "0" * 63,
        "/files/..",
        "/files/%ff%fe",
        "/entities/" + "0" * 64 + "/",
    ],
)
def test_tricks_with_paths_lead_nowhere(strict: Gateway, path: str) -> None:
    answer = talk(strict, head(strict, "GET", path, "Connection: close"))
    assert answer[9:12] in (b"400", b"404")
    assert b"root:" not in answer


@pytest.mark.parametrize(
    "request_bytes",
    [
        b"\x16\x03\x01\x02\x00\x01\x00",
        b"GET\r\n\r\n",
        b"GET / HTTP/9.9\r\n\r\n",
        b"GET / HTTP/1.1\r\nContent-Length: -1\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a\r\nX: " + b"y" * 200_000 + b"\r\n\r\n",
        b"POST /entities HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
    ],
    ids=["tls", "short", "version", "length", "header", "chunk"],
)
def test_what_is_no_request_is_refused_or_closed(strict: Gateway, request_bytes: bytes) -> None:
    try:
        answer = talk(strict, request_bytes)
    except ConnectionResetError:
        answer = b""
    assert answer[9:10] in (b"", b"4")
    still_serves(strict)


def test_beyond_the_bound_of_requests_at_once_the_next_is_told_to_come_again(
    start_server: Callable[[Gateway], Gateway],
) -> None:
    server = start_server(Gateway("--max-requests", "4", "--idle", "30"))
    waiting = [socket.create_connection(server.address, timeout=60) for _ in range(4)]
    for connection in waiting:
        connection.sendall(head(server, "POST", "/entities", "Content-Type: application/json", "Content-Length: 10"))
    until = time.monotonic() + 30
    while True:
        answer = httpx.get(f"{server.url}/stats", headers={"X-API-Key": server.keys["all"]})
        if answer.status_code == 503 or time.monotonic() > until:
            break
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "1")
    assert answer.json()["type"] == "urn:stat7:problem:overloaded"
    assert httpx.get(f"{server.url}/healthz").status_code == 200
    for connection in waiting:
        connection.close()
    while httpx.get(f"{server.url}/stats", headers={"X-API-Key": server.keys["all"]}).status_code != 200:
        assert time.monotonic() < until + 30


def test_a_client_that_reads_nothing_costs_no_memory(strict: Gateway, caller: httpx.Client) -> None:
    content = bytes(8 * MIB)
    sha256 = caller.post("/files", content=content).json()["sha256"]
    before = memory(strict)
    idle = [socket.create_connection(strict.address, timeout=60) for _ in range(30)]
    for number, connection in enumerate(idle):
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        part = ("Range: bytes=1-8000000", "Range: bytes=0-4000000,4000001-8000000")[number % 3 : number % 3 + 1]
        connection.sendall(head(strict, "GET", f"/files/{sha256}", *part))
    time.sleep(2)
    grown = memory(strict) - before
    still_serves(strict)
    for connection in idle:
        connection.close()
    assert grown < 128 * MIB


def test_clients_that_read_no_page_cost_no_memory(strict: Gateway, caller: httpx.Client) -> None:
    for number in range(40):
        text = {"text": f"{number:03}" * 80_000}
        assert caller.post("/entities", json=document(f"page/{number}", state=text)).status_code in (200, 201)
    before = memory(strict)
    idle: list[socket.socket] = []
    for number in range(30):
        connection = socket.create_connection(strict.address, timeout=60)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        connection.sendall(head(strict, "GET", ("/entities?limit=10000", "/scan?limit=10000")[number % 2]))
        assert connection.recv(12, socket.MSG_WAITALL) == b"HTTP/1.1 200"
        idle.append(connection)
    grown = memory(strict) - before
    still_serves(strict)
    for connection in idle:
        connection.close()
    assert grown < 96 * MIB, "all answers together are 290 MiB"


def test_many_at_once_get_what_each_asked_for(strict: Gateway, caller: httpx.Client) -> None:
    addresses = [caller.post("/entities", json=document(f"many/{number}")).json()["address"] for number in range(20)]
    wrong: list[str] = []

    def ask() -> None:
        with httpx.Client(base_url=strict.url, headers=caller.headers, timeout=60) as client:
            got = [(number, client.get(f"/entities/{address}").json()) for number, address in enumerate(addresses)] * 3
            wrong.extend(held["id"] for number, held in got if held["id"] != f"many/{number}")

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []
