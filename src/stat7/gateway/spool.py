"""Large answers wait on the disk: what is handed to the server in pieces waits in memory, for as long as the client
takes to read it.
"""

from __future__ import annotations

import asyncio
import os
import tempfile
from collections.abc import AsyncIterator, Iterable
from contextlib import suppress
from typing import TYPE_CHECKING, Final

from stat7.errors import StoreFull
from stat7.gateway.exchange import Exchange
from stat7.gateway.problems import overloaded, too_large
from stat7.gateway.rsgi import Header

if TYPE_CHECKING:
    from stat7.gateway.app import Gateway

IN_MEMORY: Final = 1024 * 1024
"""Bytes of an answer that are kept in memory."""

OPENED_SECONDS: Final = 10.0
"""After so long the server has opened what it was told to send, and its name is no longer needed."""


async def answer(
    gateway: Gateway,
    exchange: Exchange,
    status: int,
    kind: str,
    headers: Iterable[Header],
    pieces: AsyncIterator[bytes],
) -> None:
    """Send an answer that comes in pieces, once all of them are there: what is wrong with any is told by the status.

    Raises what the pieces raise, 503 if too much waits on the disk already, and StoreFull if the disk is full.
    """
    kept: list[bytes] = []
    size = waiting = 0
    path = ""
    try:
        async for piece in pieces:
            kept.append(piece)
            size += len(piece)
            waiting += len(piece)
            if waiting > IN_MEMORY:
                path = await _spool(gateway, path, kept, waiting)
                kept, waiting = [], 0
        if not path:
            exchange.answer(status, b"".join(kept), kind, headers)
            return
        await _spool(gateway, path, kept, waiting)
        length = ("content-length", str(size))
        exchange.answer_file(status, kind, [*headers, length], path)
    finally:
        if path:
            asyncio.get_running_loop().call_later(OPENED_SECONDS if exchange.status else 0.0, _forget, gateway, path)


def check(gateway: Gateway, size: int) -> None:
    """Raises a 503 where so many bytes more may not wait on the disk, a 413 where they never may."""
    most = gateway.settings.limits.spool
    if size > most:
        raise too_large("an answer that waits on the disk; ask for it in ranges", f"{most} bytes")
    if sum(gateway.spooled.values()) + size > most:
        raise overloaded("too many large answers wait for their clients")


async def _spool(gateway: Gateway, path: str, pieces: list[bytes], size: int) -> str:
    """Append pieces of `size` bytes to a file, or to a new one if there is none; its path."""
    check(gateway, size)
    try:
        path = await gateway.pool.call(_append, path, pieces)
    except OSError as error:
        raise StoreFull(f"no room for a large answer: {error}") from None
    gateway.spooled[path] = gateway.spooled.get(path, 0) + size
    return path


def _append(path: str, pieces: list[bytes]) -> str:
    """Append to a file, or to a new one if there is none; its path."""
    if path:
        descriptor = os.open(path, os.O_WRONLY | os.O_APPEND)
    else:
        descriptor, path = tempfile.mkstemp(prefix="stat7-answer-")
    try:
        with open(descriptor, "wb") as file:
            file.writelines(pieces)
    except OSError:
        remove(path)
        raise
    return path


def _forget(gateway: Gateway, path: str) -> None:
    gateway.spooled.pop(path, None)
    remove(path)


def remove(path: str) -> None:
    """Take the name of a file away; whoever has opened it reads on."""
    with suppress(OSError):
        os.unlink(path)
