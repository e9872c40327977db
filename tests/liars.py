"""A server that says what a test tells it to, byte by byte: what a client must not believe."""

from __future__ import annotations

import json
import socket
import ssl
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any, NamedTuple

from stat7.testing.servers.base import HOST


class Asked(NamedTuple):
    """One request, its body whole and out of its chunks."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes


Reply = bytes | None
"""What is sent before the connection is closed; None: nothing, and it stays open until the client gives up."""

WHOAMI = {
    "name": "test",
    "scopes": ["admin", "read", "write"],
    "store": {
        "name": "liar", "max_batch": 10_000, "consistent_find": True, "durable": True, "ordered_scan": True,
        "shared": True, "refuses_scans": False, "indexed": [],
    },
    "files": {"name": "liar", "durable": True},
    "limits": {"body": 2**28, "line": 2**22, "lines": 10**6, "file": 2**36, "batch": 10_000, "page": 10_000},
}  # fmt: skip


def http(body: bytes = b"", kind: str = "application/json", status: int = 200, **headers: object) -> bytes:
    """An answer; names of headers have _ for -."""
    lines = [f"HTTP/1.1 {status} X", f"Content-Type: {kind}", "Connection: close"]
    given = {"Content_Length": len(body), **headers}
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in given.items() if value is not None]
    return "\r\n".join([*lines, "", ""]).encode() + body


def says(value: Any, status: int = 200, **headers: object) -> bytes:
    """A JSON answer."""
    return http(json.dumps(value).encode(), "application/json", status, **headers)


def problem(kind: str, status: int, headers: dict[str, object] | None = None, **members: object) -> bytes:
    """A problem as a gateway tells it."""
    told = {"type": f"urn:stat7:problem:{kind}", "title": "t", "status": status, "detail": "told so", **members}
    return http(json.dumps(told).encode(), "application/problem+json", status, **(headers or {}))


def ndjson(*lines: object, whole: bool = True) -> bytes:
    """Lines of NDJSON; unless `whole`, the answer breaks off behind them."""
    body = b"".join(json.dumps(line, separators=(",", ":")).encode() + b"\n" for line in lines)
    return http(body, "application/x-ndjson", Content_Length=len(body) + (0 if whole else 10))


class Liar:
    """Answers each request by `answer`, or with the next of `replies` (the last one again and again)."""

    def __init__(self, context: ssl.SSLContext | None) -> None:
        self._listener = socket.create_server((HOST, 0))
        self.port: int = self._listener.getsockname()[1]
        self.scheme = "https" if context else "http"
        self.asked: list[Asked] = []
        """What clients asked since it was last told what to say, save who they are."""
        self.replies: list[Reply] = []
        self.whoami: Any = WHOAMI
        self.answer: Callable[[Asked], Reply] = self._next
        self._context = context
        self._held: list[socket.socket] = []

    def url(self, options: str = "retry=0") -> str:
        """Where it is."""
        return f"{self.scheme}://{HOST}:{self.port}?{options}"

    def says(self, *replies: Reply) -> None:
        """What it says next, in order."""
        self.asked.clear()
        self.replies = list(replies)

    def run(self) -> None:
        """Answer until it is closed."""
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def close(self) -> None:
        """Hang up."""
        # A thread that waits in accept() is only woken by this.
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for client in self._held:
            client.close()

    def _next(self, asked: Asked) -> Reply:
        return self.replies.pop(0) if len(self.replies) > 1 else self.replies[0]

    def _serve(self, client: socket.socket) -> None:
        with suppress(OSError, ValueError):
            if self._context is not None:
                client = self._context.wrap_socket(client, server_side=True)
            asked = _read(client)
            if asked.path.endswith("/whoami"):
                reply: Reply = says(self.whoami)
            else:
                self.asked.append(asked)
                reply = self.answer(asked)
            if reply is None:
                self._held.append(client)
                return
            client.sendall(reply)
            client.shutdown(socket.SHUT_WR)
        client.close()


def _read(client: socket.socket) -> Asked:
    stream = client.makefile("rb")
    method, path, _ = stream.readline().decode().split(" ")
    headers: dict[str, str] = {}
    while line := stream.readline().strip().decode("latin-1"):
        name, _, value = line.partition(":")
        headers[name.lower()] = value.strip()
    if headers.get("transfer-encoding") == "chunked":
        body = b"".join(_chunks(stream))
    else:
        body = stream.read(int(headers.get("content-length", "0")))
    return Asked(method, path, headers, body)


def _chunks(stream: Any) -> Iterator[bytes]:
    while size := int(stream.readline(), 16):
        yield stream.read(size)
        stream.readline()
    stream.readline()


@contextmanager
def lying(replies: Sequence[Reply] = (), context: ssl.SSLContext | None = None) -> Iterator[Liar]:
    """A liar at work."""
    liar = Liar(context)
    liar.replies = list(replies)
    thread = threading.Thread(target=liar.run, daemon=True)
    thread.start()
    try:
        yield liar
    finally:
        liar.close()
        thread.join(10)
