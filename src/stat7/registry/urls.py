"""URLs: their parts, the paths and options in them, and how they may be shown.

A URL is `SCHEME:PLACE?OPTION=VALUE&…`. A place that is a path may be relative, hold spaces and drive letters, and
percent escapes (`%3F` for a question mark, `%25` for a percent sign before two hex digits).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, NamedTuple, Protocol, Self
from urllib.parse import parse_qsl, unquote

from stat7.errors import ConfigError

_URL = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*):([^?]*)(?:\?(.*))?", re.DOTALL)
_WINDOWS_PATH = re.compile(r"/[A-Za-z]:[/\\]")
_USER = re.compile(r"//.*:.*@|//[^/?#]*@|(?<=:)[^/\\:@]{2,}:.*@", re.DOTALL)
_UNPRINTABLE = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")
_SECRET = re.compile(r"pass|pwd|secret|token|sig|auth|cred|sas|key(?!space)", re.IGNORECASE)


class Location(NamedTuple):
    """The parts of a URL: the scheme in lower case, the place as written, the options by name."""

    scheme: str
    place: str
    options: dict[str, str]


class Reader(Protocol):
    """Reads the value of one option, or raises ValueError with what it may be."""

    def __call__(self, text: str, /) -> Any:
        """The value, of the type that the backend wants."""
        ...


class Config(Protocol):
    """What a URL says about a backend. `readers` are its options by name, `example` a URL for error messages."""

    example: ClassVar[str]
    readers: ClassVar[Mapping[str, Reader]]

    @classmethod
    def at(cls, location: Location, options: Mapping[str, Any]) -> Self:
        """From the parts of a URL, the options read; raises ConfigError."""
        ...


@dataclass(frozen=True, slots=True)
class InMemory:
    """What `memory:` and `memory:NAME` say, of entities and of files."""

    example: ClassVar[str] = "memory:"
    readers: ClassVar[Mapping[str, Reader]] = {}

    name: str = ""

    @classmethod
    def at(cls, location: Location, options: Mapping[str, Any]) -> Self:
        """From the parts of a URL."""
        return cls(unquote(location.place).lstrip("/"))


def number(unit: str, least: float, most: float) -> Reader:
    """Reads a number in this range, both ends included."""

    def read(text: str) -> float:
        if not re.fullmatch(r"[0-9]{1,9}(\.[0-9]{1,9})?", text) or not least <= float(text) <= most:
            raise ValueError(f"a number of {unit} from {least:g} to {most:g}")
        return float(text)

    return read


def whole(unit: str, least: int, most: int) -> Reader:
    """Reads a whole number in this range, both ends included."""

    def read(text: str) -> int:
        if not re.fullmatch("[0-9]{1,9}", text) or not least <= int(text) <= most:
            raise ValueError(f"a whole number of {unit} from {least} to {most}")
        return int(text)

    return read


def one_of(*words: str) -> Reader:
    """Reads one of these words."""

    def read(text: str) -> str:
        if text not in words:
            raise ValueError(f"one of {', '.join(words)}")
        return text

    return read


def split(url: str, examples: str) -> Location:
    """The parts of a URL. Raises ConfigError, which shows the examples."""
    found = _URL.fullmatch(url)
    if found is None:
        raise ConfigError(f"{redact(url)!r} is not a URL; write {examples}")
    scheme, place, query = found[1].lower(), found[2], found[3] or ""
    if len(scheme) == 1:
        raise ConfigError(f"{redact(url)!r} is a path; write sqlite:{redact(url)} or file:{redact(url)}")
    pairs = parse_qsl(query, keep_blank_values=True)
    options = dict(pairs)
    if len(options) < len(pairs):
        raise ConfigError(f"{redact(url)}: an option is given twice")
    return Location(scheme, place, options)


def read_options(url: str, location: Location, readers: Mapping[str, Reader]) -> dict[str, Any]:
    """The options of a URL, read. Raises ConfigError."""
    read: dict[str, Any] = {}
    for name, text in location.options.items():
        reader = readers.get(name)
        if reader is None:
            allowed = ", ".join(sorted(readers)) or "none"
            raise ConfigError(f"{redact(url)}: unknown option {_shown(name)}; {location.scheme}: takes {allowed}")
        try:
            read[name] = reader(text)
        except ValueError as error:
            raise ConfigError(f"{redact(url)}: {name}: {_shown(text)} is not {error}") from None
    return read


def path_in(location: Location, example: str) -> Path:
    """The path in a URL: relative or absolute as written, with its percent escapes undone. Raises ConfigError."""
    scheme, place = location.scheme, location.place
    if place.startswith("//"):
        if scheme != "file" or not place.startswith("///"):
            advice = f"write {example} for a path from here, {scheme}:/data/… for an absolute one"
            raise ConfigError(f"{redact(f'{scheme}:{place}')}: no host may stand before the path; {advice}")
        place = place[3:] if _WINDOWS_PATH.match(place, 2) else place[2:]
    try:
        path = unquote(place, errors="strict")
    except UnicodeDecodeError:
        raise ConfigError(f"{scheme}:{place}: the percent escapes are not UTF-8") from None
    if not path.strip() or "\x00" in path:
        raise ConfigError(f"{scheme}: lacks a path; write {example}")
    return Path(path)


def escaped(path: Path) -> str:
    """The path as it is written in a URL."""
    return re.sub(r"%(?=[0-9A-Fa-f]{2})", "%25", str(path)).replace("?", "%3F")


def redact(url: str) -> str:
    """The URL as it may be shown, on one line: `***` in place of user and password, and of values that are secret.

    Rather too much than too little: where a password may reach is guessed generously, since it may hold any character.
    """
    parts = re.split(r"([?&;])", _USER.sub(lambda found: _hidden_user(found.group()), url))
    shown = "".join(_hidden_value(part) for part in parts)
    return _UNPRINTABLE.sub(lambda found: ascii(found.group())[1:-1], shown)


def _hidden_user(found: str) -> str:
    return "//***@" if found.startswith("//") else "***@"


def _hidden_value(part: str) -> str:
    name, equals, _ = part.partition("=")
    return f"{name}=***" if equals and _SECRET.search(unquote(name)) else part


def _shown(text: str) -> str:
    """Part of an option as it may be shown: not if it may be the end of a password that holds a question mark."""
    return "***" if "@" in text else repr(text)
