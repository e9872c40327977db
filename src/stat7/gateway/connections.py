"""Closing connections that only take up room: the server itself waits for ever for a first request, and for ever for a
client that doesn't read. Linux alone tells what is needed to know; elsewhere a proxy in front must do it.
"""

from __future__ import annotations

import os
import socket
import stat
import struct
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from typing import Final, NamedTuple

_PREFACE: Final = 24
"""Bytes by which the server knows HTTP/2 from HTTP/1; only then its own time limit for a request's head begins."""

# The members of Linux' struct tcp_info (include/uapi/linux/tcp.h) that are used, by their offsets.
_INFO: Final = struct.Struct("=24x I 24x I 64x QQ 8x I")


class _State(NamedTuple):
    """Of a connection: bytes that are not acknowledged or not sent, bytes that were acknowledged and received, and the
    milliseconds since something came.
    """

    waiting: int
    acknowledged: int
    received: int
    silent_ms: int


class Connections:
    """The connections to one port of this process. `idle` seconds without a first request end one, and `unread` seconds
    in which the client takes nothing of its answer.
    """

    def __init__(self, port: int, idle: float, unread: float) -> None:
        self._port = port
        self._idle = idle
        self._unread = unread
        self._stuck: dict[tuple[str, int], tuple[int, float]] = {}

    def sweep(self) -> int:
        """Close those that sent no request, or read nothing, for too long; how many. Nothing where it isn't Linux."""
        if sys.platform != "linux":
            return 0
        closed, stuck, now = 0, self._stuck, time.monotonic()
        self._stuck = {}
        for connection, peer, state in _connections(self._port):
            with connection:
                acknowledged, since = stuck.get(peer, (-1, now))
                since = since if acknowledged == state.acknowledged else now
                if state.waiting:
                    self._stuck[peer] = state.acknowledged, since
                unread = state.waiting and now - since >= self._unread
                if unread or (state.received < _PREFACE and state.silent_ms >= self._idle * 1000):
                    with suppress(OSError):
                        connection.shutdown(socket.SHUT_RDWR)
                        closed += 1
        return closed


def _connections(port: int) -> Iterator[tuple[socket.socket, tuple[str, int], _State]]:
    """Second handles of the connections that came to a port, to be closed by who gets them."""
    for name in os.listdir("/proc/self/fd"):
        try:
            if not stat.S_ISSOCK(os.stat(int(name)).st_mode):
                continue
            connection = socket.socket(fileno=os.dup(int(name)))
        except OSError:
            continue  # closed meanwhile
        try:
            if connection.family not in (socket.AF_INET, socket.AF_INET6) or connection.getsockname()[1] != port:
                raise OSError
            peer = connection.getpeername()[:2]
            told = connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, _INFO.size)
            unacknowledged, silent_ms, acknowledged, received, unsent = _INFO.unpack(told)
        except (OSError, struct.error):
            connection.close()
            continue
        yield connection, peer, _State(unacknowledged + unsent, acknowledged, received, silent_ms)
