"""What an answer must look like. Whatever isn't so was not said by a gateway, or not heard whole: Unavailable."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import orjson

from stat7.address import is_address
from stat7.contracts import Page
from stat7.errors import Unavailable
from stat7.record import Notice

Item = TypeVar("Item")


def unexpected(what: str) -> Unavailable:
    """The error for an answer that isn't what was promised."""
    return Unavailable(f"{what}: this is no answer of a stat7 gateway, or not a whole one; check the URL")


def closed(url: str) -> Unavailable:
    """The error for whoever asks after closing."""
    return Unavailable(f"{url}: was closed; open it again")


def parse(data: bytes, what: str) -> Any:
    """JSON."""
    try:
        return orjson.loads(data)
    except orjson.JSONDecodeError:
        raise unexpected(what) from None


def members(value: Any, what: str) -> dict[str, Any]:
    """An object."""
    if not isinstance(value, dict):
        raise unexpected(what)
    return value


def listed(value: Any, what: str, read: Callable[[Any, str], Item]) -> list[Item]:
    """A list of what `read` reads."""
    if not isinstance(value, list):
        raise unexpected(what)
    return [read(each, what) for each in value]


def text(value: Any, what: str) -> str:
    """A text."""
    if not isinstance(value, str):
        raise unexpected(what)
    return value


def text_or_none(value: Any, what: str) -> str | None:
    """A text or null."""
    return None if value is None else text(value, what)


def address(value: Any, what: str) -> str:
    """64 lowercase hex digits."""
    if not isinstance(value, str) or not is_address(value):
        raise unexpected(what)
    return value


def whole(value: Any, what: str) -> int:
    """A whole number, not negative."""
    if type(value) is not int or value < 0:
        raise unexpected(what)
    return value


def flag(value: Any, what: str) -> bool:
    """True or false."""
    if not isinstance(value, bool):
        raise unexpected(what)
    return value


def notice(value: Any, what: str) -> Notice:
    """A notice, of a document or a file."""
    given = members(value, what)
    if not given.keys() <= set(Notice._fields) or not is_address(text(given.get("address"), what)):
        raise unexpected(what)
    case, reason, withdrawn_at = (text(given.get(name), what) for name in ("case", "reason", "withdrawn_at"))
    id, previous = (text_or_none(given.get(name), what) for name in ("id", "previous"))
    return Notice(given["address"], case, reason, withdrawn_at, id, previous)


def subset(value: Any, asked: set[str], what: str) -> set[str]:
    """Those of the names that were asked about."""
    found = set(listed(value, what, text))
    if not found <= asked:
        raise unexpected(what)
    return found


def page(value: Any, what: str, read: Callable[[Any, str], Item]) -> Page[Item]:
    """A page of small things."""
    given = members(value, what)
    cursor = text_or_none(given.get("cursor"), what)
    return Page(listed(given.get("items"), what, read), cursor or None)
