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

from stat7.gateway.exchange import Exchange
from stat7.gateway.rsgi import Header

if TYPE_CHECKING:
    from stat7.gateway.app import Gateway

IN_MEMORY: Final = 1024 * 1024
"""Bytes of an answer that are kept in memory."""

OPENED_SECONDS: Final = 30.0
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

    Raises what the pieces raise, and OSError if the disk is full.
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
                path = await gateway.pool.call(_append, path, kept)
                kept, waiting = [], 0
        if not path:
            exchange.answer(status, b"".join(kept), kind, headers)
            return
        await gateway.pool.call(_append, path, kept)
        length = ("content-length", str(size))
        exchange.answer_file(status, kind, [*headers, length], path)
    finally:
        if path:
            gateway.spooled.add(path)
            asyncio.get_running_loop().call_later(OPENED_SECONDS if exchange.status else 0.0, _forget, gateway, path)


def _append(path: str, pieces: list[bytes]) -> str:
    """Append to a file, or to a new one if there is none; its path."""
    if path:
        descriptor = os.open(path, os.O_WRONLY | os.O_APPEND)
    else:
        descriptor, path = tempfile.mkstemp(prefix="stat7-answer-")
    with open(descriptor, "wb") as file:
        file.writelines(pieces)
    return path


def _forget(gateway: Gateway, path: str) -> None:
    gateway.spooled.discard(path)
    remove(path)


def remove(path: str) -> None:
    """Take the name of a file away; whoever has opened it reads on."""
    with suppress(OSError):
        os.unlink(path)
