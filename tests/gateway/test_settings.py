"""Limits that `--limit` sets are in force, over real HTTP."""

from __future__ import annotations

import gzip
import socket
import threading
import time
from collections.abc import Callable, Iterator

import httpx
import pytest

from stat7.files.memory import MemoryFiles
from stat7.gateway.settings import Limits
from stat7.stores.memory import MemoryStore
from stat7.testing.servers import Gateway
from tests.gateways import Gateways

KIB = 1024
NARROW = ("line=16KiB", "decompressed=40KiB", "lines=5", "batch=3", "page=7", "ranges=2", "transfers=3", "calls=2")
NDJSON = {"Content-Type": "application/x-ndjson"}


@pytest.fixture(scope="module")
def narrow() -> Iterator[Gateway]:
    """A gateway with narrow limits."""
    with Gateway(*[part for word in NARROW for part in ("--limit", word)]) as server:
        yield server


@pytest.fixture
def caller(narrow: Gateway) -> Iterator[httpx.Client]:
    """Asks it with every right."""
    with httpx.Client(base_url=narrow.url, headers={"X-API-Key": narrow.keys["all"]}, timeout=60) as made:
        yield made


def long_line(client: httpx.Client) -> httpx.Response:
    """One line that is too long."""
    return client.post("/entities", content=b" " * (17 * KIB), headers=NDJSON)


def large_when_unzipped(client: httpx.Client) -> httpx.Response:
    """Lines that are none too long and none too many, but too much together."""
    content = gzip.compress(b"\n".join([b" " * (15 * KIB)] * 3))
    return client.post("/entities", content=content, headers={**NDJSON, "Content-Encoding": "gzip"})


def many_lines(client: httpx.Client) -> httpx.Response:
    """Six lines."""
    return client.post("/entities", content=b"\n" * 6, headers=NDJSON)


def many_addresses(client: httpx.Client) -> httpx.Response:
    """Four addresses."""
    return client.post("/entities/batch-has", json={"addresses": [f"{number:064x}" for number in range(4)]})


def long_page(client: httpx.Client) -> httpx.Response:
    """A page of eight."""
    return client.get("/entities", params={"realm": "data", "limit": "8"})


def many_ranges(client: httpx.Client) -> httpx.Response:
    """Three ranges."""
    sha256 = client.post("/files", content=b"0123456789").json()["sha256"]
    return client.get(f"/files/{sha256}", headers={"Range": "bytes=0-1,3-4,6-7"})


@pytest.mark.parametrize(
    ("ask", "status", "said"),
    [
        (long_line, 413, "at most 16384 bytes"),
        (large_when_unzipped, 413, "the body, decompressed: at most 40960 bytes"),
        (many_lines, 413, "lines in one request: at most 5"),
        (many_addresses, 413, "addresses in one request: at most 3"),
        (long_page, 400, "not a whole number from 1 to 7"),
        (many_ranges, 416, "at most 2 ranges in one request"),
    ],
)
def test_beyond_a_limit_that_was_set_the_answer_names_it(
    caller: httpx.Client, ask: Callable[[httpx.Client], httpx.Response], status: int, said: str
) -> None:
    answer = ask(caller)
    assert (answer.status_code, said in answer.json()["detail"]) == (status, True), answer.text


def test_bounds_of_what_is_done_at_once_are_as_they_were_set(narrow: Gateway) -> None:
    metrics = httpx.get(narrow.metrics_url, timeout=30).text.splitlines()
    assert "stat7_http_transfers_limit 3.0" in metrics
    assert 'stat7_pool_threads{pool="store"} 2.0' in metrics


def test_an_upload_that_is_slower_than_it_may_be_is_ended(start_server: Callable[[Gateway], Gateway]) -> None:
    server = start_server(Gateway("--limit", "grace=0.2", "--limit", "slowest=1GiB"))
    with socket.create_connection(server.address, timeout=60) as slow:
        slow.sendall(
            b"POST /files HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100000\r\nX-API-Key: %b\r\n\r\n"
            % server.keys["all"].encode()
        )
        begun = time.monotonic()
        slow.settimeout(0.05)
        answer = b""
        while not answer and time.monotonic() < begun + 60:
            slow.sendall(b"x")
            try:
                answer = slow.recv(4096)
            except TimeoutError:
                continue
    assert answer.startswith(b"HTTP/1.1 408 ")


def test_a_call_of_the_store_that_takes_too_long_is_given_up(gateways: Gateways) -> None:
    over = threading.Event()

    class Slow(MemoryStore):
        def count(self) -> int:
            over.wait(60)
            return 0

    slow = gateways.add(Slow(), MemoryFiles(), limits=Limits(query=0.05))
    try:
        answer = httpx.get(f"{slow.url}/count", headers={"X-API-Key": slow.keys["read"]}, timeout=30)
    finally:
        over.set()
    assert (answer.status_code, answer.json()["type"]) == (504, "urn:stat7:problem:too-long")
