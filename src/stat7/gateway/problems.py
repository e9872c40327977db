"""What errors become over HTTP: problem details (RFC 9457), one type for each entry of the error tree, and more."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any, Final

import orjson

from stat7.errors import (
    ConfigError,
    Conflict,
    Corrupt,
    Gone,
    InvalidEntity,
    InvalidQuery,
    NotFound,
    Stat7Error,
    StoreFull,
    Unavailable,
    Unsupported,
)

_log = logging.getLogger("stat7.gateway")

TYPE: Final = "urn:stat7:problem:"
MEDIA_TYPE: Final = "application/problem+json"
RETRY_SECONDS: Final = 1
"""What is told to wait where nothing better is known."""


class Problem(Exception):
    """An answer that is an error. `kind` ends the type's URN; `more` are further members of the document."""

    def __init__(
        self, status: int, kind: str, title: str, detail: str, *,
        more: Mapping[str, Any] | None = None, headers: Mapping[str, str] | None = None,
    ) -> None:  # fmt: skip
        super().__init__(detail)
        self.status = status
        self.kind = kind
        self.title = title
        self.detail = detail
        self.more = dict(more or {})
        self.headers = dict(headers or {})

    def as_dict(self) -> dict[str, Any]:
        """The problem document, without the request it belongs to."""
        named = {"type": TYPE + self.kind, "title": self.title, "status": self.status, "detail": self.detail}
        return {**named, **self.more}

    def body(self, request: str) -> bytes:
        """The problem document as JSON; `request` is the request's id."""
        return orjson.dumps({**self.as_dict(), "request": request})


_RETRY: Final = {"Retry-After": str(RETRY_SECONDS)}

_TITLES: Final[Mapping[type[Stat7Error], tuple[int, str, str]]] = {
    InvalidEntity: (422, "invalid-entity", "This can't be stored"),
    InvalidQuery: (400, "invalid-query", "The request can't be understood"),
    NotFound: (404, "not-found", "Nothing is stored there"),
    Gone: (410, "withdrawn", "It was withdrawn"),
    Conflict: (409, "conflict", "Another version is the current one"),
    Corrupt: (500, "corrupt", "The stored bytes are damaged and are not returned"),
    Unsupported: (400, "unsupported", "This store can't do that"),
    Unavailable: (503, "unavailable", "The store can't be reached"),
    StoreFull: (507, "store-full", "The store is full"),
    ConfigError: (500, "misconfigured", "The gateway's store can't be used as it is configured"),
}


PRIVATE: Final = (Unavailable, StoreFull, ConfigError)
"""Errors whose texts name servers, folders and users of the gateway's own: they are for its log."""


def problem_for(error: Exception, request: str) -> Problem:
    """What any error is over HTTP. What must not be told, or wasn't foreseen, is logged under the request's id."""
    if isinstance(error, Problem):
        return error
    if isinstance(error, Stat7Error):
        if isinstance(error, PRIVATE):
            _log.warning("request %s: %s", request, error)
        return problem_of(error)
    _log.error("request %s: %s", request, type(error).__name__, exc_info=error)
    return Problem(500, "internal", "The gateway failed", f"it is in the gateway's log, as request {request}")


def problem_of(error: Stat7Error) -> Problem:
    """What an error of stat7 is over HTTP; details of the gateway's own stores are left out."""
    status, kind, title = next(_TITLES[each] for each in type(error).__mro__ if each in _TITLES)
    headers = _RETRY if status == 503 else {"Cache-Control": "no-store"} if status == 410 else {}
    detail = f"{title[0].lower()}{title[1:]}; the gateway's log says more" if isinstance(error, PRIVATE) else str(error)
    return Problem(status, kind, title, detail, more=_facts(error), headers=headers)


def _facts(error: Stat7Error) -> dict[str, Any]:
    """What a program needs to know of it, by the names that the errors have in Python."""
    if isinstance(error, InvalidEntity):
        return {"path": error.path, "reason": error.reason}
    if isinstance(error, InvalidQuery):
        return {"field": error.field, "reason": error.reason}
    if isinstance(error, Gone):
        return {"notice": error.notice._asdict()}
    if isinstance(error, Conflict):
        return {"id": error.id, "current": error.current}
    if isinstance(error, Corrupt):
        return {"address": error.address, "found": error.found}
    if isinstance(error, Unsupported):
        return {"what": error.what, "instead": error.instead}
    return {"what": error.what} if isinstance(error, NotFound) else {}


def too_large(what: str, limit: str) -> Problem:
    """413: more than the gateway takes in one request."""
    return Problem(413, "too-large", "The request is too large", f"{what}: at most {limit}")


def overloaded(what: str) -> Problem:
    """503: at a bound of what is done at once; nothing was begun."""
    return Problem(503, "overloaded", "The gateway is busy", f"{what}; try again in a moment", headers=_RETRY)


def too_slow(detail: str) -> Problem:
    """408: the client sends nothing, or next to nothing."""
    return Problem(408, "too-slow", "The request came too slowly", detail, headers={"Connection": "close"})


def broken_off(what: str) -> Problem:
    """400: the client went away, or the connection broke, before all of it was there; nothing of it is kept."""
    problem = bad_request(f"{what} broke off before its end")
    problem.headers["Connection"] = "close"
    return problem


def limited(wait: float, policy: str) -> Problem:
    """429: beyond the rate of requests; `wait` are the seconds until the next one is taken."""
    seconds = str(max(1, round(wait + 0.499)))
    detail = f"more than {policy}; the next request is taken in {seconds} s"
    return Problem(429, "rate-limited", "Too many requests", detail, headers={"Retry-After": seconds})


def unauthorized(detail: str) -> Problem:
    """401: a key is needed, or this one is not valid."""
    headers = {"WWW-Authenticate": 'Bearer realm="stat7"'}
    return Problem(401, "unauthorized", "A valid key is needed", detail, headers=headers)


def forbidden(detail: str) -> Problem:
    """403: the key is valid but may not do this."""
    return Problem(403, "forbidden", "This is not allowed", detail)


def bad_request(detail: str, field: str = "") -> Problem:
    """400: the request is malformed."""
    return problem_of(InvalidQuery(field, detail))
