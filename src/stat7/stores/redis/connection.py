"""Talking to Redis: one round trip at a time, each within a time limit that holds for the whole of it.

redis-py connects, logs in, writes commands and reads answers. Its own limits hold for each read from the socket, so an
answer that trickles in could take for ever; here the socket itself knows when the time is up. Nothing is tried twice,
save on a connection that lay idle: the server may have been restarted since.
"""

from __future__ import annotations

import os
import time
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any, Final, TypeAlias

from redis.connection import Connection, SSLConnection
from redis.exceptions import ConnectionError as LostConnection
from redis.exceptions import InvalidResponse, ResponseError

from stat7.stores.redis.server import Server

Command: TypeAlias = Sequence[bytes | str | int]
"""Name and arguments."""

_MOST_IDLE: Final = 64
_READ_BYTES: Final = 65_536
"""At most this much comes with one call of the system: a hundred documents as a rule."""
_RUN_ID: Final = b"run_id"


class _TimedSocket:
    """A socket whose reads and writes end, all together, at `deadline` (monotonic seconds)."""

    def __init__(self, inner: Any, deadline: float) -> None:
        self._inner = inner
        self.deadline = deadline

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    def recv(self, size: int) -> bytes:
        self._limit()
        received: bytes = self._inner.recv(size)
        return received

    def recv_into(self, buffer: Any, size: int = 0) -> int:
        self._limit()
        received: int = self._inner.recv_into(buffer, size)
        return received

    def sendall(self, data: bytes) -> None:
        self._limit()
        self._inner.sendall(data)

    def settimeout(self, seconds: float | None) -> None:
        """Ignored: the deadline rules."""

    def _limit(self) -> None:
        left = self.deadline - time.monotonic()
        if left <= 0:
            raise TimeoutError("timed out")
        self._inner.settimeout(left)


class _Timed:
    """Mixed into a connection of redis-py, in front: its socket is a timed one."""

    deadline = 0.0
    run_id = b""

    def _connect(self) -> _TimedSocket:
        self.timed = _TimedSocket(super()._connect(), self.deadline)  # type: ignore[misc]
        return self.timed

    def limit(self, deadline: float) -> None:
        """Let everything from now on end at `deadline`."""
        self.deadline = deadline
        if self._sock is not None:  # type: ignore[attr-defined]
            self.timed.deadline = deadline


class _PlainConnection(_Timed, Connection):
    pass


class _TLSConnection(_Timed, SSLConnection):
    pass


_AnyConnection: TypeAlias = Any
# One of the two above, whose methods redis-py leaves without types.


class Client:
    """Connections to one Redis, opened as they are needed; any number of threads and forked children may use it.

    Raises whatever redis-py raises: its callers see to it that nothing of it gets further than this package.
    """

    def __init__(self, server: Server) -> None:
        self.server = server
        self._idle: deque[_AnyConnection] = deque()
        self._pid = os.getpid()

    def exchange(self, build: Callable[[bytes], Sequence[Command]], seconds: float) -> list[Any]:
        """The answers to some commands, sent at once; `seconds` is the limit for all of it, connecting included.

        `build` makes the commands from the run id of the server that they go to, which is another one after each
        restart. The first command that Redis refuses is raised when all answers are in.
        """
        deadline = time.monotonic() + seconds
        connection = self._take_idle()
        if connection is not None:
            connection.limit(deadline)
            try:
                return self._on(connection, build)
            except LostConnection:
                # Restarted since: the other idle connections lead nowhere either.
                self._drop_idle()
        return self._on(self._connect(deadline), build)

    def close(self) -> None:
        """Close what is idle; what is in use is closed when it is given back."""
        self._pid = 0
        self._drop_idle()

    def _on(self, connection: _AnyConnection, build: Callable[[bytes], Sequence[Command]]) -> list[Any]:
        try:
            commands = build(connection.run_id)
            # All at once: with one command after the other the server would answer in small pieces.
            packed = [connection.pack_command(*command) for command in commands]
            connection.send_packed_command([b"".join(part) for part in packed], check_health=False)
            answers = [_answer(connection) for _ in commands]
        except BaseException:
            # What is left of the answers must not be taken for those of the next call.
            connection.disconnect()
            raise
        self._give_back(connection)
        for answer in answers:
            if isinstance(answer, Exception):
                raise answer
        return answers

    def _connect(self, deadline: float) -> _AnyConnection:
        server = self.server
        kind = _TLSConnection if server.tls else _PlainConnection
        left = max(deadline - time.monotonic(), 0.001)
        connection: _AnyConnection = kind(
            host=server.host,
            port=server.port,
            db=server.database,
            username=server.user,
            password=server.password,
            socket_timeout=left,
            socket_connect_timeout=left,
            socket_read_size=_READ_BYTES,
            protocol=2,
            driver_info=None,
        )
        connection.limit(deadline)
        try:
            connection.connect()
            connection.send_command("INFO", "server", check_health=False)
            connection.run_id = _run_id(connection.read_response(disable_decoding=True))
        except BaseException:
            connection.disconnect()
            raise
        return connection

    def _take_idle(self) -> _AnyConnection | None:
        if self._pid != os.getpid():
            # A forked child must not speak on its parent's connections; closing them here doesn't end them there.
            self._drop_idle()
            self._pid = os.getpid()
        try:
            return self._idle.pop()
        except IndexError:
            return None

    def _give_back(self, connection: _AnyConnection) -> None:
        if self._pid == os.getpid() and len(self._idle) < _MOST_IDLE:
            self._idle.append(connection)
        else:
            connection.disconnect()

    def _drop_idle(self) -> None:
        while True:
            try:
                self._idle.pop().disconnect()
            except IndexError:
                return


def _answer(connection: _AnyConnection) -> Any:
    """One answer; a refusal is returned, since the answers to the commands behind it are still to be read."""
    try:
        return connection.read_response(disable_decoding=True)
    except ResponseError as error:
        if not connection.is_connected:
            raise
        return error


def _run_id(info: object) -> bytes:
    """What a server calls itself from its start to its end."""
    if isinstance(info, bytes):
        for line in info.split(b"\r\n"):
            name, _, value = line.partition(b":")
            if name == _RUN_ID and value:
                return value
    raise InvalidResponse("INFO does not tell the server's run_id")
