"""One request and its answer."""

from __future__ import annotations

import asyncio
import time
import zlib
from collections.abc import AsyncIterator, Coroutine, Iterable, Mapping
from typing import TYPE_CHECKING, Any, Final, TypeVar
from urllib.parse import parse_qsl

import orjson
from granian.rsgi import ProtocolClosed  # type: ignore[attr-defined]

from stat7.gateway.access import NOBODY
from stat7.gateway.problems import Problem, bad_request, broken_off, too_large, too_slow
from stat7.gateway.rsgi import Header, Scope, Stream, Wire

if TYPE_CHECKING:
    from stat7.gateway.routes import Route
    from stat7.gateway.settings import Limits

Result = TypeVar("Result")

JSON: Final = "application/json"
NDJSON: Final = "application/x-ndjson"
NO_STORE: Final[Header] = ("cache-control", "no-store")
"""For answers that tell of what changes."""

_NOSNIFF: Final[Header] = ("x-content-type-options", "nosniff")
_VARY: Final[Header] = ("vary", "authorization, x-api-key")

_INFLATED: Final = 256 * 1024
_GZIP: Final = 16 + zlib.MAX_WBITS


class Disconnected(Exception):
    """The client is gone; nobody waits for an answer."""


class Exchange:
    """A request on its way: what was asked, by whom, and what has been answered so far.

    `params` are the parts of the path that the route names. `subject` is what the audit log says it was about.
    """

    __slots__ = (
        "_always",
        "_query",
        "_stream",
        "_wire",
        "begun",
        "caller",
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

    def __init__(self, scope: Scope, wire: Wire, id: str, limits: Limits) -> None:
        self.scope = scope
        self.method = scope.method
        self.path = scope.path
        self.headers = scope.headers
        self.id = id
        self.limits = limits
        self._always: tuple[Header, ...] = (("x-request-id", id), _VARY)
        self.params: tuple[str, ...] = ()
        self.route = None
        self.caller = NOBODY
        self.status = 0
        self.received = 0
        self.subject = ""
        self.begun = time.perf_counter()
        self._query: dict[str, str] | None = None
        self._stream: Stream | None = None
        self._wire = wire

    # What was asked

    @property
    def query(self) -> Mapping[str, str]:
        """The parameters of the query string. Raises a 400 where one occurs twice or isn't UTF-8."""
        if self._query is None:
            self._query = _parsed(self.scope.query_string)
        return self._query

    def only(self, *names: str) -> Mapping[str, str]:
        """The query's parameters, of which there may be no others than these."""
        query = self.query
        for name in query:
            if name not in names:
                known = f"there are {', '.join(names)}" if names else "there are none"
                raise bad_request(f"is not a parameter here: {known}", name)
        return query

    def header(self, name: str) -> str:
        """A header's text, "" if it wasn't sent."""
        return self.headers.get(name) or ""

    @property
    def media_type(self) -> str:
        """The type of the body, without its parameters."""
        return self.header("content-type").partition(";")[0].strip().lower()

    async def pieces(self, most: int, what: str = "the body") -> AsyncIterator[bytes]:
        """The body as it arrives, at most `most` bytes of it. Raises 400, 408 and 413."""
        limits, begun = self.limits, time.monotonic()
        length = self.header("content-length")
        if length.isdigit() and int(length) > most:
            raise too_large(what, f"{most} bytes")
        body, empty = aiter(self._wire), 0
        while (piece := await self._next(body)) is not None:
            self.received += len(piece)
            if self.received > most:
                raise too_large(what, f"{most} bytes")
            waited = time.monotonic() - begun
            if waited > limits.grace and self.received < limits.slowest * waited:
                raise too_slow(f"{what} comes with less than {limits.slowest} bytes a second")
            empty = 0 if piece else empty + 1
            if empty > self._last:
                break
            if piece:
                yield piece
        if empty > self._last or (length.isdigit() and int(length) != self.received):
            raise broken_off(what)

    @property
    def _last(self) -> int:
        """Empty pieces that may end a body. The server ends it by one, and gives one for each attempt to read on where
        it broke off; HTTP/2 may end in an empty frame. (Trailers are empty pieces, too, and aren't taken.)
        """
        return 2 if self.scope.http_version == "2" else 1

    async def inflated(self) -> AsyncIterator[bytes]:
        """The body as it was before `Content-Encoding: gzip`, in pieces of bounded size. Raises 400, 413 and 415."""
        coding = self.header("content-encoding").strip().lower()
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
            while rest:
                if unzip.eof:  # one gzip stream after the other is one, too (RFC 1952, 2.2)
                    unzip = zlib.decompressobj(_GZIP)
                try:
                    out = unzip.decompress(rest, _INFLATED)
                except zlib.error as error:
                    raise bad_request(f"is no gzip: {error}", "body") from None
                rest = unzip.unconsumed_tail or unzip.unused_data
                size += len(out)
                if size > self.limits.decompressed:
                    raise too_large("the body, decompressed", f"{self.limits.decompressed} bytes")
                yield out
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

    async def _next(self, body: AsyncIterator[bytes]) -> bytes | None:
        try:
            return await asyncio.wait_for(anext(body), self.limits.idle)
        except StopAsyncIteration:
            return None
        except TimeoutError:
            raise too_slow(f"nothing came for {self.limits.idle:g} s") from None

    async def unless_gone(self, work: Coroutine[None, None, Result]) -> Result:
        """What `work` returns or raises. Raises Disconnected as soon as the client is gone; the work is then cancelled,
        what a thread does of it is not.
        """
        working = asyncio.ensure_future(work)
        leaving = asyncio.ensure_future(self._leaving())
        try:
            await asyncio.wait((working, leaving), return_when=asyncio.FIRST_COMPLETED)
            if not working.done():
                raise Disconnected
            return working.result()
        finally:
            leaving.cancel()
            working.cancel()

    async def _leaving(self) -> None:
        await self._wire.client_disconnect()

    # What is answered

    def answer(self, status: int, body: bytes, kind: str = JSON, headers: Iterable[Header] = ()) -> None:
        """The whole answer at once."""
        self.status = status
        if self.method == "HEAD":
            self.answer_head(status, kind, [("content-length", str(len(body))), *headers])
        else:
            self._wire.response_bytes(status, [("content-type", kind), _NOSNIFF, *headers, *self._always], body)

    def answer_head(self, status: int, kind: str, headers: Iterable[Header]) -> None:
        """The headers alone, as HEAD asks for; they say how long the body would be."""
        self.status = status
        self._wire.response_empty(status, [("content-type", kind), _NOSNIFF, *headers, *self._always])

    def not_modified(self, headers: Iterable[Header]) -> None:
        """A 304: what the client has is still right."""
        self.status = 304
        self._wire.response_empty(304, [*headers, *self._always])

    def answer_json(self, value: Any, status: int = 200, headers: Iterable[Header] = ()) -> None:
        """A JSON answer; never cached, as it tells of what changes."""
        self.answer(status, orjson.dumps(value), JSON, [NO_STORE, *headers])

    def answer_file(
        self, status: int, kind: str, headers: Iterable[Header], path: str, span: tuple[int, int] | None = None
    ) -> None:
        """A file, or the bytes of it from the first of `span` up to, not including, the second, as the whole body: the
        server reads it as fast as the client takes it. `headers` tell its length.
        """
        self.status = status
        head = [("content-type", kind), _NOSNIFF, *headers, *self._always]
        if span is None:
            self._wire.response_file(status, head, path)
        else:
            self._wire.response_file_range(status, head, path, *span)

    def begin(self, status: int, kind: str, headers: Iterable[Header] = ()) -> None:
        """Begin an answer that comes in pieces, by `write` and, at last, `end`."""
        self.status = status
        self._stream = self._wire.response_stream(status, [("content-type", kind), _NOSNIFF, *headers, *self._always])

    async def write(self, piece: bytes) -> None:
        """One piece of the answer. Raises Disconnected."""
        assert self._stream is not None
        try:
            await self._stream.send_bytes(piece)
        except ProtocolClosed:
            raise Disconnected from None

    def end(self) -> None:
        """The answer is complete."""
        self._stream = None


def _parsed(raw: str) -> dict[str, str]:
    if not raw:
        return {}
    try:
        pairs = parse_qsl(raw, keep_blank_values=True, errors="strict", max_num_fields=64)
    except UnicodeDecodeError:
        raise bad_request("is not UTF-8", "query string") from None
    except ValueError as error:
        raise bad_request(f"can't be read: {error}", "query string") from None
    found: dict[str, str] = {}
    for name, value in pairs:
        if name in found:
            raise bad_request("is given twice; several values are a comma list", name)
        found[name] = value
    return found
