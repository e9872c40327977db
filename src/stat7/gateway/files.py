"""Files over HTTP: streamed in while they are hashed, and out, whole or in ranges, verified before they leave."""

from __future__ import annotations

import asyncio
import re
import threading
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Final, NamedTuple
from urllib.parse import quote

from stat7.files.base import StoredFile
from stat7.gateway import spool
from stat7.gateway.entities import checked_address, digests_in, matches_tag
from stat7.gateway.exchange import Exchange
from stat7.gateway.problems import Problem, bad_request
from stat7.gateway.rsgi import Header

if TYPE_CHECKING:
    from stat7.gateway.app import Gateway

BINARY: Final = "application/octet-stream"
_PIECE: Final = 1024 * 1024
_QUEUED: Final = 2
"""Pieces of an upload that wait for the store: more are not taken from the client."""

SHOWN: Final = re.compile(
    r"(?:image/(?:png|jpeg|gif|webp|avif|bmp|tiff|x-icon)|audio/[a-z0-9.+-]{1,40}|video/[a-z0-9.+-]{1,40}|text/plain)"
)
"""Types that a browser may show in place: none of them is active. All others are only handed out to be saved."""

_TYPE: Final = re.compile(r"[a-z0-9][a-z0-9!#$&^_.+-]{0,60}/[a-z0-9][a-z0-9!#$&^_.+-]{0,60}")
_RANGE: Final = re.compile(r"bytes=(.+)", re.IGNORECASE)
_PART: Final = re.compile(r"[ \t]*([0-9]{0,18})-([0-9]{0,18})[ \t]*")
_SAFE: Final[Sequence[Header]] = (
    ("accept-ranges", "bytes"),
    ("content-security-policy", "sandbox; default-src 'none'"),
)


class Span(NamedTuple):
    """Bytes from `start` up to, not including, `end`."""

    start: int
    end: int


async def get_file(gateway: Gateway, exchange: Exchange) -> None:
    """GET, HEAD /files/{sha256}."""
    query = exchange.only("type", "name")
    sha256 = exchange.subject = checked_address(exchange.params[0], "sha256")
    file = await gateway.pool.call(gateway.repository.stat_file, sha256)
    tag = f'"{sha256}"'
    asked = exchange.headers.get("if-none-match")
    kind, disposition = _shown_as(query.get("type", ""), query.get("name", ""), sha256)
    headers = [("etag", tag), gateway.caching, *_SAFE]
    if asked is not None and matches_tag(asked, tag):
        exchange.not_modified(headers)
        return
    headers.append(("content-disposition", disposition))
    spans = _spans(exchange, file.size, tag)
    if spans is None:
        await _send(gateway, exchange, 200, file, [Span(0, file.size)], kind, headers)
    elif len(spans) == 1:
        start, end = spans[0]
        headers.append(("content-range", f"bytes {start}-{end - 1}/{file.size}"))
        await _send(gateway, exchange, 206, file, spans, kind, headers)
    else:
        await _send_parts(gateway, exchange, file, spans, kind, headers)


def _shown_as(kind: str, name: str, sha256: str) -> tuple[str, str]:
    """Content-Type and Content-Disposition. Raises a 400 for a type that can't be one."""
    if kind and not _TYPE.fullmatch(kind.lower()):
        raise bad_request(f"{ascii(kind)[:80]} is not a media type such as image/png", "type")
    if len(name) > 255 or not name.isprintable():
        raise bad_request("is not up to 255 printable letters", "name")
    shown = SHOWN.fullmatch(kind.lower())
    how = "inline" if shown else "attachment"
    plain = re.sub(r"[^A-Za-z0-9._ -]", "_", name) or sha256
    disposition = f'{how}; filename="{plain}"'
    if name and plain != name:
        disposition += "; filename*=UTF-8''" + quote(name, safe="")
    utf8 = "; charset=utf-8" if kind.lower() == "text/plain" else ""
    return (kind.lower() + utf8 if shown else BINARY), disposition


def _spans(exchange: Exchange, size: int, tag: str) -> list[Span] | None:
    """The ranges asked for; None for the whole file. Raises a 416 if none can be had, or they are too many."""
    given = _RANGE.fullmatch(exchange.header("range").strip())
    condition = exchange.headers.get("if-range")
    if exchange.method == "HEAD" or given is None or (condition is not None and condition != tag):
        return None
    texts = given[1].split(",", exchange.limits.ranges)
    if len(texts) > exchange.limits.ranges:
        raise _unsatisfiable(f"at most {exchange.limits.ranges} ranges in one request", size)
    spans: list[Span] = []
    for text in texts:
        part = _PART.fullmatch(text)
        if part is None or part[1] == part[2] == "" or (part[1] and part[2] and int(part[1]) > int(part[2])):
            return None  # what isn't a range is ignored, as RFC 9110 has it
        if not part[1]:
            start, end = max(0, size - int(part[2])), size
        else:
            start, end = int(part[1]), min(int(part[2]) + 1 if part[2] else size, size)
        if start < end:
            spans.append(Span(start, end))
    if not spans:
        raise _unsatisfiable("no such bytes", size)
    if sum(end - start for start, end in spans) > size:
        raise _unsatisfiable("the ranges overlap", size)
    return spans


def _unsatisfiable(why: str, size: int) -> Problem:
    headers = {"Content-Range": f"bytes */{size}"}
    return Problem(416, "bad-range", "These ranges can't be had", f"{why}; the file has {size} bytes", headers=headers)


async def _send(
    gateway: Gateway,
    exchange: Exchange,
    status: int,
    file: StoredFile,
    spans: Sequence[Span],
    kind: str,
    headers: list[Header],
) -> None:
    """One part of the file as the body.

    What is large and lies in a local file is verified first and then sent by the server itself.
    """
    ((start, end),) = spans
    length = ("content-length", str(end - start))
    if exchange.method == "HEAD":
        exchange.answer_head(status, kind, [*headers, length])
        return
    with gateway.transfer():
        path: str | None = getattr(gateway.repository.files, "path", _nowhere)(file.sha256)
        if path is not None and end - start > spool.IN_MEMORY:
            await _verify(gateway, exchange, file, Span(start, end))
            gateway.monitor.sent(end - start)
            whole = end - start == file.size
            exchange.answer_file(status, kind, [*headers, length], path, None if whole else (start, end))
        else:
            if end - start > spool.IN_MEMORY:
                spool.check(gateway, end - start)
            await spool.answer(gateway, exchange, status, kind, headers, _pieces(gateway, file, Span(start, end)))


async def _send_parts(
    gateway: Gateway, exchange: Exchange, file: StoredFile, spans: Sequence[Span], kind: str, headers: list[Header]
) -> None:
    """Several parts, as multipart/byteranges."""
    boundary = f"stat7-{exchange.id}"
    heads = [
        f"--{boundary}\r\nContent-Type: {kind}\r\nContent-Range: bytes {start}-{end - 1}/{file.size}\r\n\r\n".encode()
        for start, end in spans
    ]
    last = f"--{boundary}--\r\n".encode()
    multipart = f"multipart/byteranges; boundary={boundary}"

    async def pieces() -> AsyncIterator[bytes]:
        for head, span in zip(heads, spans, strict=True):
            yield head
            async for piece in _pieces(gateway, file, span):
                yield piece
            yield b"\r\n"
        yield last

    with gateway.transfer():
        await spool.answer(gateway, exchange, 206, multipart, headers, pieces())


def _nowhere(sha256: str) -> None:
    """The path of a file in a store that has no paths."""


async def _verify(gateway: Gateway, exchange: Exchange, file: StoredFile, span: Span) -> None:
    """Read a part of a local file, which is how it is verified, for as long as the client waits."""
    gone = threading.Event()
    is_sound: Callable[[str, threading.Event], bool] = gateway.repository.files.is_sound  # type: ignore[attr-defined]

    def read() -> None:
        if span == (0, file.size) and is_sound(file.sha256, gone):
            return
        for _ in _opened(gateway, file, span):
            if gone.is_set():
                return

    try:
        await exchange.unless_gone(gateway.transfers.call(read))
    finally:
        gone.set()


def _opened(gateway: Gateway, file: StoredFile, span: Span) -> Iterator[bytes]:
    return gateway.repository.open_file(file.sha256, *(() if span == (0, file.size) else span))


async def _pieces(gateway: Gateway, file: StoredFile, span: Span) -> AsyncIterator[bytes]:
    """The verified bytes of a span."""
    pieces = await gateway.pool.call(_opened, gateway, file, span)
    while (piece := await gateway.pool.call(next, pieces, None)) is not None:
        gateway.monitor.sent(len(piece))
        yield piece


async def put_file(gateway: Gateway, exchange: Exchange) -> None:
    """PUT /files/{sha256}."""
    sha256 = exchange.subject = checked_address(exchange.params[0], "sha256")
    await _store(gateway, exchange, sha256)


async def post_file(gateway: Gateway, exchange: Exchange) -> None:
    """POST /files: stored under whatever its bytes hash to."""
    await _store(gateway, exchange, None)


async def _store(gateway: Gateway, exchange: Exchange, sha256: str | None) -> None:
    exchange.only()
    coding = exchange.header("content-encoding").strip().lower()
    if coding not in ("", "identity"):
        raise Problem(415, "unsupported-coding", "The coding isn't understood", "send the file's bytes as they are")
    known = sha256 is not None and sha256 in await gateway.pool.call(gateway.repository.files.stat, (sha256,))
    file = await upload(gateway, exchange, sha256)
    exchange.subject = file.sha256
    answer = {**file._asdict(), "status": "existed" if known else "stored"}
    location = ("location", f"/files/{file.sha256}")
    exchange.answer_json(answer, 200 if known else 201, [location])


async def upload(gateway: Gateway, exchange: Exchange, sha256: str | None, *, repair: bool = False) -> StoredFile:
    """Store the body. The store hashes it as it arrives; while one piece is written, the next is read."""
    files = gateway.repository.files
    with gateway.transfer():
        incoming = _Incoming(asyncio.get_running_loop())
        if repair:
            assert sha256 is not None
            storing = asyncio.ensure_future(gateway.transfers.call(files.replace, sha256, incoming))
        else:
            storing = asyncio.ensure_future(gateway.transfers.call(files.put, incoming, sha256=sha256))
        try:
            await _feed(exchange, incoming, storing)
        except BaseException as error:
            incoming.break_off(error)
            await asyncio.wait([storing])
            if not storing.cancelled():
                storing.exception()
            raise
        return await storing


async def _feed(exchange: Exchange, incoming: _Incoming, storing: asyncio.Future[StoredFile]) -> None:
    """Hand the body to the store, in pieces worth a call. Ends early if the store doesn't want the rest."""
    parts: list[bytes] = []
    size = 0
    async for part in exchange.pieces(exchange.limits.file, "the file"):
        parts.append(part)
        size += len(part)
        if size >= _PIECE:
            if not await incoming.hand(b"".join(parts), storing):
                return
            parts, size = [], 0
    if parts and not await incoming.hand(b"".join(parts), storing):
        return
    await incoming.hand(None, storing)


class BrokenOff(Exception):
    """The upload ended before its end."""


class _Incoming:
    """The pieces of an upload: handed over by the event loop, iterated over by the thread that stores them."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._pieces: asyncio.Queue[bytes | None] = asyncio.Queue(_QUEUED)
        self._broken: BaseException | None = None

    async def hand(self, piece: bytes | None, storing: asyncio.Future[StoredFile]) -> bool:
        """Wait until there is room for a piece (None: the end); False if nobody takes any more."""
        putting = asyncio.ensure_future(self._pieces.put(piece))
        await asyncio.wait((putting, storing), return_when=asyncio.FIRST_COMPLETED)
        if not putting.done():
            putting.cancel()
        return not storing.done()

    def break_off(self, error: BaseException) -> None:
        """Let the storing thread fail, wherever it waits."""
        self._broken = error
        while self._pieces.full():
            self._pieces.get_nowait()
        self._pieces.put_nowait(None)

    def __iter__(self) -> Iterator[bytes]:
        while True:
            piece = asyncio.run_coroutine_threadsafe(self._pieces.get(), self._loop).result()
            if self._broken is not None:
                raise BrokenOff
            if piece is None:
                return
            yield piece


async def stat_files(gateway: Gateway, exchange: Exchange) -> None:
    """POST /files/stat: what is known of files."""
    names = await digests_in(exchange, "sha256s")
    found = await gateway.pool.call(gateway.repository.files.stat, names)
    exchange.answer_json({name: each._asdict() for name, each in found.items()})


async def renew_files(gateway: Gateway, exchange: Exchange) -> None:
    """POST /files/renew: tell gc that they are in use."""
    names = await digests_in(exchange, "sha256s")
    exchange.answer_json(sorted(await gateway.pool.call(gateway.repository.files.refresh, names)))
