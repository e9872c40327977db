"""Answers that are errors: problem details (RFC 9457) as a gateway writes them, and what others say in its place."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from stat7.address import is_address
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
from stat7.remote import answers
from stat7.remote.settings import KEY_VARIABLE

TYPE: Final = "urn:stat7:problem:"
MEDIA_TYPE: Final = "application/problem+json"

_LETTERS: Final = 400
_NOTHING_BEGUN: Final = ("rate-limited", "overloaded")
_LATER: Final = (429, 502, 503)


class Busy(Unavailable):
    """What may succeed if it is asked again after `wait` seconds; `unclear`: it may have been carried out all the same.

    Never leaves this package: whoever gives up raises a plain Unavailable.
    """

    def __init__(self, text: str, wait: float = 0.0, *, unclear: bool = True) -> None:
        super().__init__(text)
        self.wait = wait
        self.unclear = unclear


def error_of(url: str, status: int, headers: Mapping[str, str], body: bytes, kept: bool) -> Stat7Error:
    """What an answer with an error's status means. `kept`: whether a key was sent with the request."""
    problem = _problem(headers, body)
    if problem is None:
        return _stranger(url, status, headers, kept)
    kind = str(problem["type"]).removeprefix(TYPE)
    if kind in ("unauthorized", "forbidden"):
        return _refused(url, str(problem["detail"])[:_LETTERS], kept)
    if status in _LATER:
        wait = _seconds(headers.get("retry-after", ""))
        return Busy(f"{url}: {_detail(problem)}", wait, unclear=kind not in _NOTHING_BEGUN)
    return read_problem(url, problem)


def read_problem(url: str, problem: Any) -> Stat7Error:
    """The error that a problem document stands for, wherever it came."""
    given = answers.members(problem, url)
    kind = answers.text(given.get("type"), url).removeprefix(TYPE)
    read = _KINDS.get(kind)
    return Unavailable(f"{url}: {_detail(given)}") if read is None else read(url, given)


def _problem(headers: Mapping[str, str], body: bytes) -> dict[str, Any] | None:
    if not headers.get("content-type", "").startswith(MEDIA_TYPE):
        return None
    try:
        given = answers.members(answers.parse(body, ""), "")
    except Unavailable:
        return None
    ours = isinstance(given.get("type"), str) and given["type"].startswith(TYPE)
    return given if ours and isinstance(given.get("detail"), str) else None


def _stranger(url: str, status: int, headers: Mapping[str, str], kept: bool) -> Stat7Error:
    """What something else than a gateway said: a proxy before it, or another server altogether."""
    if status in (401, 403, 407):
        return _refused(url, f"it answers {status}", kept)
    if status in _LATER or status == 504:
        wait = _seconds(headers.get("retry-after", ""))
        return Busy(f"{url}: something before the gateway answers {status}; try again later", wait)
    if status in (414, 431):
        return Unsupported(f"{url}: a question of this length", "ask for fewer values at once")
    if 300 <= status < 400:
        there = ascii(headers.get("location", "elsewhere"))[1:-1][:_LETTERS].partition("?")[0]
        return ConfigError(f"{url}: it points to {there}; name the gateway's own URL")
    return answers.unexpected(f"{url}: it answers {status}")


def _refused(url: str, why: str, kept: bool) -> ConfigError:
    remedy = "check the key" if kept else "name a key"
    return ConfigError(f"{url}: {why}; {remedy}: {KEY_VARIABLE}, key= in Python, or https://:KEY@host")


def _seconds(text: str) -> float:
    """Retry-After; a date counts as a second, as clocks differ."""
    return float(text) if text.isascii() and text.isdigit() and len(text) < 7 else (1.0 if text else 0.0)


def _detail(given: Mapping[str, Any]) -> str:
    detail = given.get("detail")
    return detail[:_LETTERS] if isinstance(detail, str) and detail else "it tells no reason"


def _gone(url: str, given: Mapping[str, Any]) -> Stat7Error:
    return Gone(answers.notice(given.get("notice"), url))


def _conflict(url: str, given: Mapping[str, Any]) -> Stat7Error:
    return Conflict(answers.text(given.get("id"), url), answers.address(given.get("current"), url))


def _corrupt(url: str, given: Mapping[str, Any]) -> Stat7Error:
    return Corrupt(answers.text(given.get("address"), url), answers.text(given.get("found"), url))


def _of(error: Callable[[str, str], Stat7Error], first: str, second: str) -> _Reader:
    def read(url: str, given: Mapping[str, Any]) -> Stat7Error:
        return error(answers.text(given.get(first), url), answers.text(given.get(second), url))

    return read


def _named(url: str, given: Mapping[str, Any]) -> Stat7Error:
    return NotFound(answers.text(given.get("what"), url))


def _too_large(url: str, given: Mapping[str, Any]) -> Stat7Error:
    return Unsupported(f"{url}: {_detail(given)}", "a gateway's limits are raised where it is started")


def _saying(error: Callable[[str], Stat7Error]) -> _Reader:
    return lambda url, given: error(f"{url}: {_detail(given)}")


_Reader = Callable[[str, Mapping[str, Any]], Stat7Error]

_KINDS: Final[Mapping[str, _Reader]] = {
    "invalid-entity": _of(InvalidEntity, "path", "reason"),
    "invalid-query": _of(InvalidQuery, "field", "reason"),
    "not-found": _named,
    "withdrawn": _gone,
    "conflict": _conflict,
    "corrupt": _corrupt,
    "unsupported": _of(Unsupported, "what", "instead"),
    "store-full": _saying(StoreFull),
    "misconfigured": _saying(ConfigError),
    "wrong-host": _saying(ConfigError),
    "no-route": _saying(ConfigError),
    "no-method": _saying(ConfigError),
    "too-large": _too_large,
    "bad-range": lambda url, given: InvalidQuery("range", _detail(given)),
}


def same(error: NotFound | Gone | Corrupt, asked: str) -> bool:
    """Whether an error speaks of what was asked for."""
    if isinstance(error, NotFound):
        return error.what == asked
    return (error.notice.address if isinstance(error, Gone) else error.address) == asked and is_address(asked)
