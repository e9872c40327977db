"""A TCP proxy that makes the network fail on demand: delays, slow lines, cuts, refusals, silence, HTTP error answers.

One event loop in a thread of its own serves all connections of one proxy. Faults hold from the moment they are set,
for open connections too, until `heal`.
"""

from __future__ import annotations

import asyncio
import re
import socket
import threading
from collections.abc import Callable, Coroutine
from types import TracebackType
from typing import Any, NamedTuple, Self

from stat7.testing.servers.base import HOST, free_port

_CHUNK = 65536
_WAITING = 64
"""Chunks of one direction that may be on their way: more makes the sender wait, as a real line does."""
_REQUEST = re.compile(rb"([A-Z]+) (\S+) HTTP/1\.[01]\r\n")
_REASONS = {429: "Too Many Requests", 500: "Internal Server Error", 503: "Service Unavailable"}


class _Answer(NamedTuple):
    """What HTTP requests are answered instead of being passed on."""

    status: int
    headers: dict[str, str]
    body: bytes
    matching: Callable[[str, str], bool]

    def message(self) -> bytes:
        fields = {**self.headers, "Content-Length": str(len(self.body)), "Connection": "close"}
        lines = "".join(f"{name}: {value}\r\n" for name, value in fields.items())
        return f"HTTP/1.1 {self.status} {_REASONS.get(self.status, 'Fault')}\r\n{lines}\r\n".encode() + self.body


class _Line:
    """One direction of all connections: its faults and what has passed."""

    def __init__(self) -> None:
        self.latency = 0.0
        self.rate: float | None = None
        self.left: int | None = None
        self.passed = 0


class FaultProxy:
    """A proxy on a free port of the loopback address before the server at `upstream` (host and port).

    Use it as a context manager, or call `start` and `stop`. The methods may be called from any thread.
    """

    def __init__(self, upstream: tuple[str, int]) -> None:
        self.upstream = upstream
        """Where new connections go; may be changed at any time."""
        self.port = 0
        """Its own port, from `start` on."""
        self.connections = 0
        """Connections accepted so far."""
        self.round_trips = 0
        """How often a client has sent something after an answer, or at first: once for each batch of a pipeline."""
        self.answered = 0
        """HTTP requests answered here by `answer`."""
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="fault proxy", daemon=True)
        self._listener: asyncio.Server | None = None
        self._open: set[asyncio.Task[None]] = set()
        self._writers: set[asyncio.StreamWriter] = set()
        self._to_server = _Line()
        self._to_client = _Line()
        self._flowing = asyncio.Event()
        self._answer: _Answer | None = None
        self._answers_left: int | None = None

    @property
    def address(self) -> tuple[str, int]:
        """Host and port for clients."""
        return HOST, self.port

    @property
    def url(self) -> str:
        """http://host:port for clients."""
        return f"http://{HOST}:{self.port}"

    @property
    def open_connections(self) -> int:
        """Connections open at the moment."""
        return len(self._open)

    @property
    def bytes_to_server(self) -> int:
        """Bytes passed on from clients so far."""
        return self._to_server.passed

    @property
    def bytes_to_client(self) -> int:
        """Bytes passed on from the server so far."""
        return self._to_client.passed

    def latency(self, to_server: float = 0.0, to_client: float = 0.0) -> None:
        """Deliver each byte so many seconds after it came; bandwidth is not lowered by it."""
        self._to_server.latency, self._to_client.latency = to_server, to_client

    def bandwidth(self, to_server: float | None = None, to_client: float | None = None) -> None:
        """Pass at most so many bytes a second on each connection; None for as many as come."""
        self._to_server.rate, self._to_client.rate = to_server, to_client

    def cut(self) -> None:
        """Reset every open connection now; new ones are served."""
        self._do(self._cut())

    def cut_after(self, to_server: int | None = None, to_client: int | None = None) -> None:
        """Pass so many bytes more in a direction, over all connections together, then reset the one that sent more.

        None: no limit. Once used up it stays so: everything that goes in this direction is cut, until `heal`.
        """
        self._to_server.left, self._to_client.left = to_server, to_client

    def refuse(self) -> None:
        """Listen no longer, so that connecting is refused at once, and reset the open connections."""
        self._do(self._refuse())

    def freeze(self) -> None:
        """Accept and keep connections, but pass nothing on, in either direction."""
        self._do(self._freeze())

    def answer(
        self,
        status: int,
        times: int | None = None,
        *,
        body: bytes = b"",
        headers: dict[str, str] | None = None,
        matching: Callable[[str, str], bool] = lambda method, path: True,
    ) -> None:
        """Answer HTTP requests with this status instead of passing them on, and close their connection.

        `times`: so many requests, then pass all (None: until `heal`). `matching` chooses requests by method and path;
        it is called in the proxy's thread. Requests whose connection is in the middle of another are passed on.
        """
        self._answer = None
        self._answers_left = times
        self._answer = _Answer(status, headers or {}, body, matching)

    def heal(self) -> None:
        """End every fault. Connections that were cut stay so; what was frozen flows on."""
        for line in (self._to_server, self._to_client):
            line.latency, line.rate, line.left = 0.0, None, None
        self._answer = None
        self._do(self._heal())

    def start(self) -> Self:
        """Listen; from then on `port` is known."""
        self._thread.start()
        self._do(self._heal())
        return self

    def stop(self) -> None:
        """Reset all connections and end. Safe to call twice."""
        if self._loop.is_closed():
            return
        if self._thread.is_alive():
            self._do(self._refuse())
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._thread.join()
            # What the resets have left to do.
            self._loop.run_until_complete(asyncio.sleep(0.01))
        self._loop.close()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def _do(self, action: Coroutine[Any, Any, None]) -> None:
        """Carry out in the loop's thread and wait for the end."""
        asyncio.run_coroutine_threadsafe(action, self._loop).result(10)

    async def _heal(self) -> None:
        self._flowing.set()
        if self._listener is None:
            # Not a port that outgoing connections get: one could take it while this refuses.
            self.port = self.port or free_port()
            self._listener = await asyncio.start_server(self._accept, HOST, self.port)

    async def _freeze(self) -> None:
        self._flowing.clear()

    async def _refuse(self) -> None:
        if self._listener is not None:
            self._listener.close()
            self._listener = None
        await self._cut()

    async def _cut(self) -> None:
        tasks = [*self._open]
        for writer in [*self._writers]:
            _reset(writer)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        task = self._loop.create_task(self._serve(reader, writer))
        self._open.add(task)
        task.add_done_callback(self._open.discard)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writers = [writer]
        self._writers.add(writer)
        try:
            first = b""
            if self._answer is not None:
                # The server may be down: it is not needed for an answer from here.
                first = await reader.read(_CHUNK)
                if await self._answered(first, reader, writer):
                    return
            upstream, server = await asyncio.open_connection(*self.upstream)
            writers.append(server)
            self._writers.add(server)
            await _Connection(self, reader, writer, upstream, server).run(first)
        except OSError:
            # The client learns it as from a server that breaks off.
            _reset(writer)
        finally:
            for each in writers:
                self._writers.discard(each)
                each.close()

    async def _answered(self, start: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        """Answer the request that begins with `start`, if it is one that `answer` is for."""
        answer, request = self._answer, _REQUEST.match(start)
        if answer is None or request is None or self._answers_left == 0:
            return False
        if not answer.matching(request[1].decode("latin-1"), request[2].decode("latin-1")):
            return False
        if self._answers_left is not None:
            self._answers_left -= 1
        self.answered += 1
        writer.write(answer.message())
        writer.write_eof()
        # Closing with bytes unread would reset the connection, and the client might never see the answer.
        try:
            async with asyncio.timeout(10):
                while await reader.read(_CHUNK):
                    pass
        except TimeoutError:
            pass
        return True


class _Connection:
    """One connection being passed on, both directions at once."""

    def __init__(
        self,
        proxy: FaultProxy,
        client: asyncio.StreamReader,
        to_client: asyncio.StreamWriter,
        server: asyncio.StreamReader,
        to_server: asyncio.StreamWriter,
    ) -> None:
        self.proxy = proxy
        self.client, self.to_client = client, to_client
        self.server, self.to_server = server, to_server
        self.clients_turn = True

    async def run(self, first: bytes) -> None:
        """Pass on until both sides are done; `first` has been read from the client already."""
        proxy = self.proxy
        up = self._pass(self.client, self.to_server, proxy._to_server, first, from_client=True)
        down = self._pass(self.server, self.to_client, proxy._to_client, b"", from_client=False)
        try:
            async with asyncio.TaskGroup() as both:
                both.create_task(up)
                both.create_task(down)
        except* OSError:
            _reset(self.to_client)
            _reset(self.to_server)

    async def _pass(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        line: _Line,
        first: bytes,
        *,
        from_client: bool,
    ) -> None:
        waiting: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue(_WAITING)
        async with asyncio.TaskGroup() as both:
            both.create_task(self._read(reader, waiting, line, first, from_client))
            both.create_task(self._deliver(waiting, writer, line))

    async def _read(
        self,
        reader: asyncio.StreamReader,
        waiting: asyncio.Queue[tuple[float, bytes]],
        line: _Line,
        first: bytes,
        from_client: bool,
    ) -> None:
        chunk = first or await reader.read(_CHUNK)
        while chunk:
            if from_client:
                await self._perhaps_answer(chunk)
                self.proxy.round_trips += self.clients_turn
            self.clients_turn = not from_client
            await waiting.put((self.proxy._loop.time() + line.latency, chunk))
            chunk = await reader.read(_CHUNK)
        await waiting.put((self.proxy._loop.time() + line.latency, b""))

    async def _perhaps_answer(self, chunk: bytes) -> None:
        """Answer the request that begins with `chunk` if `answer` is for it, and end the connection."""
        if self.clients_turn and await self.proxy._answered(chunk, self.client, self.to_client):
            raise ConnectionAbortedError("answered by the proxy")

    async def _deliver(
        self, waiting: asyncio.Queue[tuple[float, bytes]], writer: asyncio.StreamWriter, line: _Line
    ) -> None:
        clock = self.proxy._loop.time
        while True:
            due, chunk = await waiting.get()
            if due > clock():
                await asyncio.sleep(due - clock())
            if not chunk:
                await self.proxy._flowing.wait()
                writer.write_eof()
                return
            await self._write(chunk, writer, line)

    async def _write(self, chunk: bytes, writer: asyncio.StreamWriter, line: _Line) -> None:
        allowed = chunk
        if line.left is not None:
            allowed = chunk[: line.left]
            line.left -= len(allowed)
        # In small pieces where the line is slow, so that a reader sees it slow and not stopping.
        piece = len(chunk) if line.rate is None else max(1, int(line.rate / 20))
        for begin in range(0, len(allowed), piece):
            part = allowed[begin : begin + piece]
            await self.proxy._flowing.wait()
            writer.write(part)
            await writer.drain()
            line.passed += len(part)
            if line.rate is not None:
                await asyncio.sleep(len(part) / line.rate)
        if len(allowed) < len(chunk):
            raise ConnectionAbortedError("cut by the proxy")


def _reset(writer: asyncio.StreamWriter) -> None:
    """Close with a reset, as a machine that is gone or a firewall does, not with an orderly end."""
    connection = writer.get_extra_info("socket")
    if connection is not None and connection.fileno() >= 0:
        linger = (1).to_bytes(4, "little") + bytes(4)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
    writer.transport.abort()
