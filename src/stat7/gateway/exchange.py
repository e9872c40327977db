"""One request and its answer, over plain ASGI."""

from __future__ import annotations

import asyncio
import time
import zlib
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping, MutableMapping
from typing import TYPE_CHECKING, Any, Final, TypeAlias
from urllib.parse import parse_qsl

import orjson

from stat7.gateway.access import NOBODY
from stat7.gateway.problems import Problem, bad_request, too_large, too_slow

if TYPE_CHECKING:
    from stat7.gateway.routes import Route
    from stat7.gateway.settings import Limits

Scope: TypeAlias = MutableMapping[str, Any]
Message: TypeAlias = MutableMapping[str, Any]
Receive: TypeAlias = Callable[[], Awaitable[Message]]
Send: TypeAlias = Callable[[Message], Awaitable[None]]
Header: TypeAlias = tuple[bytes, bytes]

JSON: Final = b"application/json"
NDJSON: Final = b"application/x-ndjson"
NO_STORE: Final[Header] = (b"cache-control", b"no-store")
"""For answers that tell of what changes."""

_INFLATED: Final = 256 * 1024
_GZIP: Final = 16 + zlib.MAX_WBITS


class Disconnected(Exception):
    """The client is gone; nobody waits for an answer."""


class Exchange:
    """A request on its way: what was asked, by whom, and what has been answered so far.

    `params` are the parts of the path that the route names. `subject` is what the audit log says it was about.
    """

    __slots__ = (
        "_query",
        "_receive",
        "_send",
        "begun",
        "caller",
        "extra",
        "headers",
        "id",
        "limits",
        "method",
        "params",
        "path",
        "received",
        "route",
        "scope",
        "status",
        "subject",
    )  # fmt: skip

    route: Route | None

    def __init__(self, scope: Scope, receive: Receive, send: Send, id: str, limits: Limits) -> None:
        self.scope = scope
        self.method: str = scope["method"]
        self.path: str = scope["path"]
        self.headers: dict[bytes, bytes] = dict(scope["headers"])
        self.id = id
        self.limits = limits
        self.params: tuple[str, ...] = ()
        self.route = None
        self.caller = NOBODY
        self.status = 0
        self.received = 0
        self.subject = ""
        self.extra: list[Header] = []
        self.begun = time.perf_counter()
        self._query: dict[str, str] | None = None
        self._receive = receive
        self._send = send

    # What was asked

    @property
    def query(self) -> Mapping[str, str]:
        """The parameters of the query string. Raises a 400 where one occurs twice or isn't UTF-8."""
        if self._query is None:
            self._query = _parsed(self.scope["query_string"])
        return self._query

    def only(self, *names: str) -> Mapping[str, str]:
        """The query's parameters, of which there may be no others than these."""
        query = self.query
        for name in query:
            if name not in names:
                known = f"there are {', '.join(names)}" if names else "there are none"
                raise bad_request(f"is not a parameter here: {known}", name)
        return query

    def header(self, name: bytes) -> str:
        """A header's text, "" if it wasn't sent."""
        return self.headers.get(name, b"").decode("latin-1")

    @property
    def media_type(self) -> str:
        """The type of the body, without its parameters."""
        return self.header(b"content-type").partition(";")[0].strip().lower()

    async def pieces(self, most: int, what: str = "the body") -> AsyncIterator[bytes]:
        """The body as it arrives, at most `most` bytes of it. Raises 400, 408, 413 and Disconnected."""
        limits, begun, more = self.limits, time.monotonic(), True
        length = self.headers.get(b"content-length", b"0")
        if length.isdigit() and int(length) > most:
            raise too_large(what, f"{most} bytes")
        while more:
            message = await self._next()
            piece: bytes = message.get("body", b"")
            more = message.get("more_body", False)
            self.received += len(piece)
            if self.received > most:
                raise too_large(what, f"{most} bytes")
            waited = time.monotonic() - begun
            if more and waited > limits.grace and self.received < limits.slowest * waited:
                raise too_slow(f"{what} comes with less than {limits.slowest} bytes a second")
            if piece:
                yield piece

    async def inflated(self) -> AsyncIterator[bytes]:
        """The body as it was before `Content-Encoding: gzip`, in pieces of bounded size. Raises 400, 413 and 415."""
        coding = self.header(b"content-encoding").strip().lower()
        if coding in ("", "identity"):
            async for piece in self.pieces(self.limits.body):
                yield piece
            return
        if coding != "gzip":
            why = f"Content-Encoding {coding[:40]} isn't understood; send it as it is, or by gzip"
            raise Problem(415, "unsupported-coding", "The coding isn't understood", why)
        async for piece in self._unzipped():
            yield piece

    async def _unzipped(self) -> AsyncIterator[bytes]:
        unzip, size = zlib.decompressobj(_GZIP), 0
        async for piece in self.pieces(self.limits.body):
            rest = piece
            while rest and not unzip.eof:
                try:
                    out = unzip.decompress(rest, _INFLATED)
                except zlib.error as error:
                    raise bad_request(f"is no gzip: {error}", "body") from None
                rest = unzip.unconsumed_tail
                size += len(out)
                if size > self.limits.decompressed:
                    raise too_large("the body, decompressed", f"{self.limits.decompressed} bytes")
                yield out
            if unzip.eof and (rest or unzip.unused_data):
                raise bad_request("goes on after the end of the gzip stream", "body")
        if not unzip.eof:
            raise bad_request("ends before the gzip stream does", "body")

    async def body(self, most: int | None = None) -> bytes:
        """The whole body, at most `most` bytes (by default one line of NDJSON)."""
        most = most or self.limits.line
        parts: list[bytes] = []
        size = 0
        async for piece in self.inflated():
            size += len(piece)
            if size > most:
                raise too_large("the body", f"{most} bytes")
            parts.append(piece)
        return b"".join(parts)

    async def json(self, most: int | None = None) -> Any:
        """The body as JSON. Raises a 400 for what isn't."""
        try:
            return orjson.loads(await self.body(most))
        except orjson.JSONDecodeError as error:
            raise bad_request(f"is no JSON: {error}", "body") from None

    async def _next(self) -> Message:
        try:
            message = await asyncio.wait_for(self._receive(), self.limits.idle)
        except TimeoutError:
            raise too_slow(f"nothing came for {self.limits.idle:g} s") from None
        if message["type"] == "http.disconnect":
            raise Disconnected
        return message

    # What is answered

    async def answer(self, status: int, body: bytes, kind: bytes = JSON, headers: Iterable[Header] = ()) -> None:
        """The whole answer at once."""
        await self.begin(status, kind, [(b"content-length", b"%d" % len(body)), *headers])
        await self.end(b"" if self.method == "HEAD" or status == 304 else body)

    async def answer_head(self, status: int, kind: bytes, headers: Iterable[Header]) -> None:
        """The headers alone, as HEAD asks for; they say how long the body would be."""
        await self.begin(status, kind, headers)
        await self.end()

    async def answer_json(self, value: Any, status: int = 200, headers: Iterable[Header] = ()) -> None:
        """A JSON answer; never cached, as it tells of what changes."""
        await self.answer(status, orjson.dumps(value), JSON, [NO_STORE, *headers])

    async def begin(self, status: int, kind: bytes, headers: Iterable[Header] = ()) -> None:
        """Begin an answer that comes in pieces, by `write` and, at last, `end`."""
        self.status = status
        head = [(b"content-type", kind), *headers, *self.extra]
        await self._send({"type": "http.response.start", "status": status, "headers": head})

    async def write(self, piece: bytes) -> None:
        """One piece of the answer."""
        await self._send({"type": "http.response.body", "body": piece, "more_body": True})

    async def answer_file(self, status: int, kind: bytes, headers: Iterable[Header], path: str) -> None:
        """A file as the whole body: the server reads it as fast as the client takes it. `headers` tell its length."""
        await self.begin(status, kind, headers)
        await self._send({"type": "http.response.pathsend", "path": path})

    async def end(self, piece: bytes = b"") -> None:
        """The answer is complete, with one more piece perhaps."""
        await self._send({"type": "http.response.body", "body": piece})


def _parsed(raw: bytes) -> dict[str, str]:
    if not raw:
        return {}
    try:
        pairs = parse_qsl(raw.decode("ascii"), keep_blank_values=True, errors="strict", max_num_fields=64)
    except ValueError as error:
        raise bad_request(f"can't be read: {error}", "query string") from None
    found: dict[str, str] = {}
    for name, value in pairs:
        if name in found:
            raise bad_request("is given twice; several values are a comma list", name)
        found[name] = value
    return found
