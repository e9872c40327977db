"""The fault proxy passes everything on unharmed until a fault is set, and each fault is what its name says."""

from __future__ import annotations

import hashlib
import http.client
import os
import socket
import socketserver
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from stat7.testing.servers import FaultProxy
from stat7.testing.servers.base import HOST, exchange


class Echo(socketserver.BaseRequestHandler):
    """Sends back what it gets."""

    def handle(self) -> None:
        """Serve one connection."""
        try:
            while data := self.request.recv(65536):
                self.request.sendall(data)
        except OSError:
            pass


class Keeping(BaseHTTPRequestHandler):
    """Answers with the digest of the request's body and keeps the connection open."""

    protocol_version = "HTTP/1.1"

    def do_PUT(self) -> None:
        """Answer."""
        body = self.rfile.read(int(self.headers["Content-Length"]))
        answer = hashlib.sha256(body).hexdigest().encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, format: str, *args: object) -> None:
        """Keep quiet."""


class EchoServer(socketserver.ThreadingTCPServer):
    """A thread for each connection."""

    allow_reuse_address = True
    daemon_threads = True


class WebServer(ThreadingHTTPServer):
    """The same for HTTP, without words about the connections that the proxy resets."""

    daemon_threads = True

    def handle_error(self, request: object, client_address: object) -> None:
        """Keep quiet."""


def serve(server: socketserver.TCPServer) -> Iterator[FaultProxy]:
    """A proxy before the server, both ended afterwards."""
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
    with FaultProxy((HOST, server.server_address[1])) as proxy:
        yield proxy
    server.shutdown()
    server.server_close()


@pytest.fixture
def echo() -> Iterator[FaultProxy]:
    """A proxy before a server that sends back what it gets."""
    yield from serve(EchoServer((HOST, 0), Echo))


@pytest.fixture
def web() -> Iterator[FaultProxy]:
    """A proxy before an HTTP server."""
    yield from serve(WebServer((HOST, 0), Keeping))


def connect(proxy: FaultProxy, timeout: float = 5.0) -> socket.socket:
    """A connection to the proxy."""
    return socket.create_connection(proxy.address, timeout=timeout)


def receive(connection: socket.socket, size: int) -> bytes:
    """So many bytes, or fewer if the other side ends."""
    received = b""
    while len(received) < size and (data := connection.recv(65536)):
        received += data
    return received


def put(connection: http.client.HTTPConnection, body: bytes, path: str = "/x") -> tuple[int, bytes]:
    """Status and body of the answer to a PUT."""
    connection.request("PUT", path, body)
    answer = connection.getresponse()
    return answer.status, answer.read()


def test_all_bytes_pass_unharmed_in_both_directions(echo: FaultProxy) -> None:
    sent = os.urandom(3 << 20)
    with connect(echo) as connection:
        writer = threading.Thread(target=connection.sendall, args=(sent,))
        writer.start()
        assert receive(connection, len(sent)) == sent
        writer.join()
    assert echo.bytes_to_server == echo.bytes_to_client == len(sent)
    assert echo.connections == 1


def test_a_half_closed_connection_still_gets_its_answer(echo: FaultProxy) -> None:
    with connect(echo) as connection:
        connection.sendall(b"all I have to say")
        connection.shutdown(socket.SHUT_WR)
        assert receive(connection, 100) == b"all I have to say"


def test_round_trips_are_counted_not_chunks(echo: FaultProxy) -> None:
    with connect(echo) as connection:
        for _ in range(3):
            connection.sendall(b"x" * 1000)
            receive(connection, 1000)
    assert echo.round_trips == 3


@pytest.mark.parametrize("direction", ["to_server", "to_client"])
def test_latency_delays_a_direction_and_ends_with_heal(echo: FaultProxy, direction: str) -> None:
    with connect(echo) as connection:
        echo.latency(**{direction: 1.0})
        begin = time.monotonic()
        connection.sendall(b"slow")
        assert receive(connection, 4) == b"slow"
        assert 1.0 <= time.monotonic() - begin < 10
        echo.heal()
        begin = time.monotonic()
        connection.sendall(b"quick")
        assert receive(connection, 5) == b"quick"
        assert time.monotonic() - begin < 1.0


def test_latency_is_once_for_a_stream_not_once_for_each_chunk(echo: FaultProxy) -> None:
    sent = bytes(2 << 20)
    echo.latency(to_client=0.2)
    with connect(echo) as connection:
        begin = time.monotonic()
        connection.sendall(sent[: 1 << 16])
        writer = threading.Thread(target=connection.sendall, args=(sent[1 << 16 :],))
        writer.start()
        assert len(receive(connection, len(sent))) == len(sent)
        writer.join()
        # 32 chunks, each delayed after the other, would take over six seconds.
        assert time.monotonic() - begin < 3


def test_bandwidth_is_limited_in_a_direction(echo: FaultProxy) -> None:
    echo.bandwidth(to_client=100_000)
    with connect(echo) as connection:
        begin = time.monotonic()
        connection.sendall(bytes(30_000))
        receive(connection, 30_000)
        assert 0.25 <= time.monotonic() - begin < 3


def test_cut_resets_what_is_open_and_serves_what_comes_next(echo: FaultProxy) -> None:
    with connect(echo) as connection:
        connection.sendall(b"hello")
        receive(connection, 5)
        assert echo.open_connections == 1
        echo.cut()
        with pytest.raises(ConnectionResetError):
            connection.recv(1)
        assert echo.open_connections == 0
    assert exchange(echo.address, b"again", b"again") == b"again"


@pytest.mark.parametrize("direction", ["to_server", "to_client"])
def test_cut_after_passes_no_more_than_so_many_bytes(echo: FaultProxy, direction: str) -> None:
    echo.cut_after(**{direction: 100_000})

    def send_too_much() -> None:
        with connect(echo) as connection:
            connection.sendall(bytes(150_000))
            receive(connection, 150_000)

    with pytest.raises((ConnectionResetError, BrokenPipeError)):
        send_too_much()
    passed = {"to_server": echo.bytes_to_server, "to_client": echo.bytes_to_client}
    assert passed[direction] == 100_000
    echo.heal()
    assert exchange(echo.address, b"again", b"again") == b"again"


def test_refused_connections_are_refused_at_once_until_heal(echo: FaultProxy) -> None:
    with connect(echo) as connection:
        exchange(echo.address, b"x", b"x")
        echo.refuse()
        with pytest.raises(ConnectionResetError):
            connection.recv(1)
    with pytest.raises(ConnectionRefusedError):
        connect(echo)
    port = echo.port
    echo.heal()
    assert echo.port == port
    assert exchange(echo.address, b"again", b"again") == b"again"


def test_frozen_nothing_passes_and_afterwards_all_of_it(echo: FaultProxy) -> None:
    with connect(echo, timeout=0.2) as connection:
        echo.freeze()
        connection.sendall(b"late")
        with pytest.raises(TimeoutError):
            connection.recv(1)
        echo.heal()
        connection.settimeout(5)
        assert receive(connection, 4) == b"late"


def test_a_server_that_is_down_shows_as_a_broken_connection(echo: FaultProxy) -> None:
    with socket.create_server((HOST, 0)) as closed:
        echo.upstream = (HOST, closed.getsockname()[1])
    with pytest.raises(ConnectionResetError):
        exchange(echo.address, b"x", b"x")


def test_http_requests_are_answered_so_many_times_and_then_served(web: FaultProxy) -> None:
    web.answer(503, times=2, body=b"<Error/>", headers={"Retry-After": "1"})
    connection = http.client.HTTPConnection(*web.address, timeout=5)
    connection.request("PUT", "/x", b"body")
    answer = connection.getresponse()
    assert (answer.status, answer.reason, answer.getheader("Retry-After")) == (503, "Service Unavailable", "1")
    assert answer.read() == b"<Error/>"
    assert put(connection, b"body")[0] == 503
    assert put(connection, b"body") == (200, hashlib.sha256(b"body").hexdigest().encode())
    assert web.answered == 2
    connection.close()


def test_a_connection_opened_before_is_answered_too(web: FaultProxy) -> None:
    connection = http.client.HTTPConnection(*web.address, timeout=5)
    assert put(connection, b"body")[0] == 200
    web.answer(500)
    assert put(connection, b"body")[0] == 500
    web.heal()
    assert put(connection, b"body")[0] == 200
    connection.close()


def test_a_large_upload_gets_its_error_answer(web: FaultProxy) -> None:
    web.answer(503)
    connection = http.client.HTTPConnection(*web.address, timeout=5)
    assert put(connection, bytes(4 << 20))[0] == 503
    connection.close()


def test_only_matching_requests_are_answered(web: FaultProxy) -> None:
    web.answer(404, matching=lambda method, path: method == "PUT" and path.startswith("/gone"))
    connection = http.client.HTTPConnection(*web.address, timeout=5)
    assert put(connection, b"body", "/here")[0] == 200
    assert put(connection, b"body", "/gone/x")[0] == 404
    assert put(connection, b"body", "/here")[0] == 200
    connection.close()


def test_what_is_no_http_passes_while_http_is_answered(echo: FaultProxy) -> None:
    echo.answer(500)
    assert exchange(echo.address, b"\x00binary", b"binary") == b"\x00binary"


def test_http_is_answered_without_the_server(web: FaultProxy) -> None:
    web.upstream = (HOST, 1)
    web.answer(500)
    connection = http.client.HTTPConnection(*web.address, timeout=5)
    assert put(connection, b"body")[0] == 500
    connection.close()


def test_stopped_it_listens_no_more_and_leaves_no_thread() -> None:
    proxy = FaultProxy((HOST, 1))
    proxy.stop()
    proxy = FaultProxy((HOST, 1)).start()
    proxy.stop()
    proxy.stop()
    with pytest.raises(ConnectionRefusedError):
        connect(proxy)
    assert "fault proxy" not in [thread.name for thread in threading.enumerate()]
