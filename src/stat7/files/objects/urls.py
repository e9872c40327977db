"""What a URL of a bucket may hold, as far as it can be checked without its client library."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol, Self

from stat7.errors import ConfigError
from stat7.files.base import FileStore

_PART = r"(?!\.)[A-Za-z0-9._-]+"
_PLACE = re.compile(rf"//([A-Za-z0-9$][A-Za-z0-9._-]{{1,221}})(?:/({_PART}(?:/{_PART})*))?/?")


def yes_or_no(text: str) -> bool:
    """Reads a switch; raises ValueError."""
    if text not in ("yes", "no"):
        raise ValueError("yes or no")
    return text == "yes"


def word(text: str) -> str:
    """Reads a name or key; raises ValueError."""
    if not (text and text.isprintable()):
        raise ValueError("a word")
    return text


def endpoint(text: str) -> str:
    """Reads the address of a server, which holds no password; raises ValueError."""
    if not re.fullmatch(r"https?://[^/?#@\s]+(/[^?#@\s]*)?", text):
        raise ValueError("an address such as https://storage.example.org or http://localhost:9000")
    return text.rstrip("/")


class _Location(Protocol):
    @property
    def scheme(self) -> str: ...
    @property
    def place(self) -> str: ...


@dataclass(frozen=True, slots=True)
class BucketConfig:
    """The keys of one bucket that begin with `prefix` (empty, or ending in a slash). Its `repr` shows no options."""

    scheme: str
    bucket: str
    prefix: str
    options: Mapping[str, Any] = field(repr=False)

    @classmethod
    def at(cls, location: _Location, options: Mapping[str, Any]) -> Self:
        """From the parts of a URL; ConfigError unless they name a bucket."""
        found = _PLACE.fullmatch(location.place)
        if found is None:
            rule = "both are of letters, digits and . _ - and no part of a prefix begins with a dot"
            raise ConfigError(f"{location.scheme}: write {location.scheme}://bucket/prefix; {rule}")
        return cls(location.scheme, found[1], f"{found[2]}/" if found[2] else "", options)

    def open(self) -> FileStore:
        """The file store that this describes. Nothing is asked of the server yet."""
        from stat7.files.objects.opening import open_bucket

        return open_bucket(self.scheme, self.bucket, self.prefix, self.options)
