"""What a gateway says of itself when a client begins: who asks, what is behind it, and how much it takes at once."""

from __future__ import annotations

from typing import Any, NamedTuple

from stat7.errors import ConfigError
from stat7.remote import answers
from stat7.remote.connection import Connection
from stat7.remote.settings import KEY_VARIABLE


class About(NamedTuple):
    """The caller's name ("" for a stranger) and scopes; what is said of `store` and `files`; limits of one request."""

    name: str
    scopes: list[str]
    store: dict[str, Any]
    files: dict[str, Any]
    limits: dict[str, int]


def about(connection: Connection) -> About:
    """Ask. Raises ConfigError where the caller may do nothing."""
    url = connection.url
    given = answers.members(connection.fetch("GET", "/whoami"), url)
    scopes = answers.listed(given.get("scopes"), url, answers.text)
    if not scopes:
        raise ConfigError(
            f"{url}: nobody may read or write there without a key; name one: {KEY_VARIABLE}, key= in Python, or "
            "https://:KEY@host"
        )
    limits = answers.members(given.get("limits"), url)
    return About(
        answers.text(given.get("name"), url),
        scopes,
        answers.members(given.get("store"), url),
        answers.members(given.get("files"), url),
        {name: answers.whole(limits.get(name), url) for name in ("body", "batch", "page")},
    )
