"""`import files`: a folder tree, one entity per file; the bytes are stored once, however often they occur."""

from __future__ import annotations

import io
import os
import stat
import unicodedata
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final, TypeAlias

from stat7.coordinates import REALM
from stat7.errors import ConfigError, Gone, InvalidEntity
from stat7.importers.base import Item
from stat7.importers.media import ending, media_type
from stat7.importers.tree import Found, own_paths, walk
from stat7.record import Attachment, Record, check_file_name, check_id, format_time, normalise
from stat7.repository import Repository

SAMPLE: Final = 16 * 1024
"""Bytes at a file's beginning from which its density is told."""

OnSkip: TypeAlias = Callable[[str, str], None]
"""Called with the place and the reason of everything that is left out on purpose: hidden files, links, pipes, …"""

_READ_ONLY: Final = (
    os.O_RDONLY | getattr(os, "O_BINARY", 0) | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_CLOEXEC", 0)
)
_NO_LINK: Final = getattr(os, "O_NOFOLLOW", 0)


def read_files(
    repo: Repository,
    folder: Path,
    *,
    hidden: bool = False,
    follow_links: bool = False,
    dates: bool = True,
    prefix: str = "",
    realm: str = "data",
    on_skip: OnSkip = lambda place, reason: None,
) -> Iterator[Item]:
    """Store each file below `folder` and give its entity; the id is `prefix` and the path, whose parts `/` separates.

    Every fact comes from the file alone: `created_at` from its modification time (null with `dates=False`), density
    from its bytes; docs/importing.md lists all. A file that can't be read, whose name can't be an id, or that changes
    while it is read is an error item. Hidden files, links (unless followed), what is neither file nor folder, and
    stat7's own files are left out and given to `on_skip`; nothing of them is opened.

    Raises ConfigError for a folder that can't be listed, a bad prefix or realm; Unavailable and StoreFull come through.
    """
    prefix = unicodedata.normalize("NFC", prefix)
    if prefix:
        try:
            check_id(prefix, "prefix")
        except InvalidEntity as error:
            raise ConfigError(f"--prefix {error.reason}; give a short text such as pictures/") from None
    if not REALM.fullmatch(realm):
        raise ConfigError(f"--realm {realm!r} is not a token [a-z][a-z0-9_-]{{0,31}}")
    given: tuple[str, ...] = ()
    for found in walk(folder, hidden=hidden, follow_links=follow_links, own=own_paths(repo)):
        if found.skipped:
            on_skip(found.place, found.skipped)
        elif found.error is not None:
            yield Item(found.place, None, found.error)
        elif found.parts == given:
            reason = "the file before it has the same name, only written with other Unicode characters; rename one"
            yield Item(found.place, None, InvalidEntity("id", reason))
        else:
            given = found.parts
            yield _item(repo, found, dates, prefix, realm)


def byte_variety(sample: bytes) -> float:
    """How evenly the 256 byte values are used, in [0, 1]: near 1 for compressed data, about 0.06 for English text.

    It is (1 / p - 1) / 255 where p = sum((n_b / n)^2) is the chance that two bytes taken at random are equal (the
    inverse Simpson index): exact in integers but for one division, so the same on every machine. 0 for no bytes.
    """
    square = sum(count * count for count in Counter(sample).values())
    return (len(sample) ** 2 - square) / (255 * square) if square else 0.0


def _item(repo: Repository, found: Found, dates: bool, prefix: str, realm: str) -> Item:
    try:
        id = _id(prefix, found.parts)
        check_file_name(found.parts[-1])
        return Item(found.place, _stored(repo, found, id, dates, prefix, realm))
    except (InvalidEntity, Gone) as error:
        return Item(found.place, None, error)
    except OSError as error:
        return Item(found.place, None, InvalidEntity("", f"can't be read: {error.strerror or error}"))


def _id(prefix: str, parts: tuple[str, ...]) -> str:
    try:
        return check_id(prefix + "/".join(parts))
    except InvalidEntity as error:
        remedy = "rename it, or import the folder it is in by itself with a short --prefix"
        raise InvalidEntity(error.path, f"{error.reason}; {remedy}") from None


def _stored(repo: Repository, found: Found, id: str, dates: bool, prefix: str, realm: str) -> Record:
    """Store the bytes and make the entity. Raises InvalidEntity, Gone, and OSError where the file can't be read."""
    # Not to wait for a pipe, nor to be led elsewhere, if something took the file's place since it was looked at.
    flags = _READ_ONLY if found.linked else _READ_ONLY | _NO_LINK
    with _Sampled(os.open(found.path, flags)) as file:
        before = os.fstat(file.fileno())
        if not stat.S_ISREG(before.st_mode):
            raise InvalidEntity("", "is not a file any more; import again")
        stored = repo.put_file(file)
        after = os.fstat(file.fileno())
    if (after.st_size, after.st_mtime_ns) != (before.st_size, before.st_mtime_ns) or stored.size != before.st_size:
        raise InvalidEntity("", "changed while it was being read; import again when nothing writes to it")
    name = found.parts[-1]
    attachment = Attachment(name, media_type(name), stored.size, stored.sha256)
    document = _document(id, found.parts, attachment, file.sample, prefix, realm)
    if dates:
        document["created_at"] = _time(before.st_mtime_ns)
    return normalise(document)


def _document(
    id: str, parts: tuple[str, ...], attachment: Attachment, sample: bytes, prefix: str, realm: str
) -> dict[str, Any]:
    *folders, name = parts
    folder = "/".join(folders)
    return {
        "stat7": 1,
        "id": id,
        "entity_type": "file",
        "created_at": None,
        "coordinates": {
            "realm": realm,
            "lineage": len(folders),
            "adjacency": [prefix + folder if folder else prefix.rstrip("/") or "."],
            "horizon": "crystallization",
            "resonance": 0,
            "velocity": 0,
            "density": byte_variety(sample),
        },
        "state": {
            "path": "/".join(parts),
            "folder": folder,
            "name": name,
            "extension": ending(name),
            "kind": attachment.media_type.partition("/")[0],
        },
        "files": [attachment],
        "previous": None,
    }


def _time(nanoseconds: int) -> str:
    try:
        return format_time(nanoseconds // 1_000_000)
    except OverflowError:
        reason = "the modification time is not in the years 0001 to 9999; touch the file, or import with --no-dates"
        raise InvalidEntity("created_at", reason) from None


class _Sampled(io.FileIO):
    """An open file that keeps the first SAMPLE bytes of what is read from it."""

    def __init__(self, descriptor: int) -> None:
        super().__init__(descriptor, "rb")
        self.sample = b""

    def readinto(self, buffer: Any) -> int:
        """Read into `buffer`; returns how many bytes, 0 at the end."""
        size = super().readinto(buffer) or 0
        wanted = SAMPLE - len(self.sample)
        if wanted > 0:
            self.sample += bytes(memoryview(buffer)[: min(size, wanted)])
        return size
