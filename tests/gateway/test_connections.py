"""Connections that only take up room are closed, and what waits for nobody is not done."""

from __future__ import annotations

import hashlib
import os
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest

from stat7.files.local import LocalFiles
from stat7.stores.memory import MemoryStore
from stat7.testing.servers import Gateway
from tests.gateways import Gateways, Served


def closed_within(connection: socket.socket, seconds: float) -> bool:
    """Whether the other side closes it, and sends nothing before."""
    connection.settimeout(seconds)
    try:
        return connection.recv(1) == b""
    except ConnectionResetError:
        return True
    except TimeoutError:
        return False


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells what is needed to know")
def test_connections_without_a_request_and_without_a_reader_are_closed(
    start_server: Callable[[Gateway], Gateway],
) -> None:
    server = start_server(Gateway("--idle", "1", "--limit", "unread=1"))
    content = os.urandom(64 * 1024 * 1024)
    headers = {"Authorization": f"Bearer {server.keys['all']}"}
    sha256 = httpx.post(f"{server.url}/files", content=content, headers=headers, timeout=60).json()["sha256"]
    asked = f"GET /files/{sha256} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {server.keys['all']}\r\n\r\n"
    with (
        socket.create_connection(server.address) as silent,
        socket.create_connection(server.address) as hesitant,
        socket.create_connection(server.address) as deaf,
    ):
        hesitant.sendall(b"PRI * HT")
        deaf.sendall(asked.encode("ascii"))
        assert closed_within(silent, 60)
        assert closed_within(hesitant, 60)
        got, until = 0, time.monotonic() + 60
        time.sleep(4)  # it reads nothing for long enough; then it finds an end before the end
        while time.monotonic() < until:
            try:
                received = len(deaf.recv(1024 * 1024))
            except ConnectionResetError:
                break
            if not received:
                break
            got += received
        assert 0 < got < len(content)


class Slow:
    """Files that are read for as long as somebody wants them."""

    def __init__(self, files: LocalFiles) -> None:
        self.reading = threading.Event()
        self.left = threading.Event()
        self._files = files

    def is_sound(self, sha256: str, stop: threading.Event) -> bool:
        """See LocalFiles.is_sound: it finds nothing out."""
        return False

    def open(self, sha256: str, start: int = 0, end: int | None = None) -> Iterator[bytes]:
        """See FileStore.open: it never comes to an end."""
        try:
            for _ in range(600):
                self.reading.set()
                time.sleep(0.1)
                yield b"x"
        finally:
            self.left.set()

    def __getattr__(self, name: str) -> object:
        return getattr(self._files, name)


def served_slowly(gateways: Gateways, folder: object) -> tuple[Served, Slow, str]:
    """A gateway over such files, with one that is large."""
    files = LocalFiles(Path(str(folder)) / "files")
    content = os.urandom(2 * 1024 * 1024)
    files.put([content])
    slow = Slow(files)
    return gateways.add(MemoryStore(), slow), slow, hashlib.sha256(content).hexdigest()  # type: ignore[arg-type]


def test_a_file_is_not_read_on_for_a_client_that_has_gone(gateways: Gateways, tmp_path: object) -> None:
    served, slow, sha256 = served_slowly(gateways, tmp_path)
    with pytest.raises(httpx.ReadTimeout):
        httpx.get(f"{served.url}/files/{sha256}", headers={"X-API-Key": served.keys["all"]}, timeout=1)
    assert slow.reading.is_set()
    assert slow.left.wait(20)
