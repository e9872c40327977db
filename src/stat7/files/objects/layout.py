"""What an object store of files keeps under which key, below the prefix of its URL.

    layout               the version of this layout; written once
    files/<sha256>       the bytes; of a withdrawn file MARKER, marked as `withdrawn`
    chunks/<sha256>      chunk table of a file larger than CHUNK (stat7.files.verified)
    withdrawn/<sha256>   the notice of a withdrawn file (stat7.files.notices)
    times/<sha256>       empty; its mark is the time when the file was last renewed without being written
    incoming/<random>    what is being stored before its digest is known, or what a killed put left behind

Files bear their time as a mark: listings and headers give seconds at best, by a clock that isn't ours. The marker
stays in place of withdrawn bytes so that a put, which writes only where nothing is, can't bring them back: no notice
need be looked for on the way of a small file. Parts can't be written on conditions, so larger files look for it.
"""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from typing import Final

from stat7.files.objects.storage import SINGLE, ObjectInfo

FILES: Final = "files"
CHUNKS: Final = "chunks"
NOTICES: Final = "withdrawn"
TIMES: Final = "times"
INCOMING: Final = "incoming"
LAYOUT: Final = "layout"

VERSION: Final = b"stat7 files 1\n"
"""What `layout` holds."""
MARKER: Final = b"This file was withdrawn. Its notice is kept by the same name in the folder `withdrawn`.\n"
"""What stands in place of withdrawn bytes; of a length that other files hardly have, as listings show no marks."""

_TIME = "stat7time"
_KIND = "stat7kind"
_WITHDRAWN = "withdrawn"


class Layout:
    """The keys below one prefix (empty, or ending in a slash).

    `single`: bytes up to which an object is written and read in one request. All who use the prefix must agree on it.
    """

    def __init__(self, prefix: str, single: int = SINGLE) -> None:
        self.prefix = prefix
        self.single = single

    def file(self, sha256: str) -> str:
        """Of the bytes, or of the marker."""
        return f"{self.prefix}{FILES}/{sha256}"

    def table(self, sha256: str) -> str:
        """Of the chunk table."""
        return f"{self.prefix}{CHUNKS}/{sha256}"

    def notice(self, sha256: str) -> str:
        """Of the notice."""
        return f"{self.prefix}{NOTICES}/{sha256}"

    def time(self, sha256: str) -> str:
        """Of the object that renews the time."""
        return f"{self.prefix}{TIMES}/{sha256}"

    def incoming(self) -> str:
        """A key that nothing bears yet."""
        return f"{self.prefix}{INCOMING}/{os.urandom(16).hex()}"

    def folder(self, name: str) -> str:
        """Of all keys of one kind, without the slash."""
        return self.prefix + name


def now() -> int:
    """The time by our clock, ms since 1970."""
    return time.time_ns() // 1_000_000


def marks_at(stored_at: int) -> dict[str, str]:
    """The marks of an object stored then."""
    return {_TIME: str(stored_at)}


def marks_of_marker() -> dict[str, str]:
    """The marks of what stands in place of withdrawn bytes."""
    return {_TIME: str(now()), _KIND: _WITHDRAWN}


def is_marker(info: ObjectInfo) -> bool:
    """Whether this stands in place of withdrawn bytes."""
    return info.marks is not None and info.marks.get(_KIND) == _WITHDRAWN


def stored_at(info: ObjectInfo) -> int:
    """When an object was stored, ms since 1970: as its mark says, for one that others wrote as the storage says."""
    text = _mark(info.marks, _TIME)
    return int(text) if text.isascii() and text.isdigit() and len(text) < 16 else info.modified


def _mark(marks: Mapping[str, str] | None, name: str) -> str:
    return "" if marks is None else marks.get(name, "")
