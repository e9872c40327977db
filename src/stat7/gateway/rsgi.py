"""What the gateway uses of RSGI, the interface of its server: plain calls, of which one answers a request.

https://github.com/emmett-framework/granian/blob/master/docs/spec/RSGI.md
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable
from typing import Protocol, TypeAlias

Header: TypeAlias = tuple[str, str]
"""A name in lower case, and a value in ASCII."""


class Headers(Protocol):
    """The headers of a request by their names in lower case; of values that aren't ASCII only that they are there."""

    def get(self, key: str, default: str | None = None) -> str | None:
        """The first value."""
        ...

    def get_all(self, key: str) -> list[str]:
        """All values."""
        ...

    def __contains__(self, key: str) -> bool: ...


class Scope(Protocol):
    """What was asked."""

    @property
    def http_version(self) -> str:
        """1, 1.1 or 2."""
        ...

    @property
    def method(self) -> str:
        """In capitals, as a rule."""
        ...

    @property
    def path(self) -> str:
        """Without its percent signs."""
        ...

    @property
    def query_string(self) -> str:
        """As it was sent, without the question mark."""
        ...

    @property
    def client(self) -> str:
        """ADDRESS:PORT."""
        ...

    @property
    def authority(self) -> str | None:
        """The host, where it was not sent as a header: HTTP/2, and requests that name a whole URL."""
        ...

    @property
    def headers(self) -> Headers:
        """Copied at each call."""
        ...


class Stream(Protocol):
    """An answer that comes in pieces, until nobody holds this any more."""

    def send_bytes(self, data: bytes) -> Awaitable[None]:
        """One piece; raises granian.rsgi.ProtocolClosed if the client is gone. It never waits for a slow client."""
        ...


class Wire(Protocol):
    """The body of a request, in pieces, and the ways to answer it, of which one is called once."""

    def __aiter__(self) -> AsyncIterator[bytes]: ...

    def client_disconnect(self) -> Awaitable[None]:
        """Done when the connection is closed; of several that wait on one connection of HTTP/2, only one is told."""
        ...

    def response_empty(self, status: int, headers: list[Header]) -> None:
        """No body."""
        ...

    def response_bytes(self, status: int, headers: list[Header], body: bytes) -> None:
        """The whole body."""
        ...

    def response_file(self, status: int, headers: list[Header], file: str) -> None:
        """A file as the body, read as fast as the client takes it; 404 if it can't be opened."""
        ...

    def response_file_range(self, status: int, headers: list[Header], file: str, start: int, end: int) -> None:
        """The bytes of a file from `start` up to, not including, `end`."""
        ...

    def response_stream(self, status: int, headers: list[Header]) -> Stream:
        """A body in pieces."""
        ...
