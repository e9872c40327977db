"""A folder tree, walked in sorted order: what is a file, what is left out knowingly, and what can't be taken."""

from __future__ import annotations

import os
import re
import stat
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, NamedTuple

from stat7.errors import ConfigError, InvalidEntity
from stat7.registry import SETTINGS_FILE
from stat7.repository import Repository

_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")
_SIDE_FILES: Final = ("", "-wal", "-shm", "-journal")
_SPECIAL: Final = (
    (stat.S_ISFIFO, "a named pipe"),
    (stat.S_ISSOCK, "a socket"),
    (stat.S_ISCHR, "a device"),
    (stat.S_ISBLK, "a device"),
)
_HIDDEN_ATTRIBUTE: Final = getattr(stat, "FILE_ATTRIBUTE_HIDDEN", 2)
_HIDDEN_FLAG: Final = getattr(stat, "UF_HIDDEN", 0x8000)
_JUNCTION: Final = 0xA0000003  # IO_REPARSE_TAG_MOUNT_POINT: Windows' link from a folder to a folder


class Found(NamedTuple):
    """Something in the tree. `place`: its path below the root as a person reads it.

    Of a file: `path` is where it can be opened, `parts` the names from the root down in NFC, `linked` whether a link
    leads to it. Else either `skipped` says why it was left out on purpose, or `error` why it can't be taken.
    """

    place: str
    path: str = ""
    parts: tuple[str, ...] = ()
    linked: bool = False
    skipped: str = ""
    error: InvalidEntity | None = None


@dataclass(slots=True)
class _Folder:
    """A folder being walked: where it is, its names from the root down, whether a link led here, what is left."""

    path: str
    place: str
    parts: tuple[str, ...]
    linked: bool
    names: Iterator[tuple[str, str]] = field(default_factory=lambda: iter(()))


def walk(root: Path, *, hidden: bool, follow_links: bool, own: frozenset[str] = frozenset()) -> Iterator[Found]:
    """Everything below `root`, each folder sorted by its names' NFC; `own` are paths (as `os.path.realpath` gives them)
    to be left out.

    Nothing is opened. Links are left out, or followed: one to a folder is entered once, and only if it leads out of the
    tree, so that no loop is possible. Raises ConfigError if `root` is not a folder that can be listed. Memory grows
    with the number of names in the folders on the way, and of folders reached through links.
    """
    yield from _Walk(root, hidden, follow_links, own).entries()


def own_paths(repo: Repository) -> frozenset[str]:
    """Where this repository keeps its own files, if it does so on this machine's disk; for `walk` to leave out."""
    paths = set()
    folder = getattr(repo.files, "folder", None)
    if folder is not None:
        paths.add(os.path.realpath(folder))
    database = getattr(repo.store, "path", None)
    if database is not None:
        paths.update(os.path.realpath(database) + side for side in _SIDE_FILES)
    return frozenset(map(os.path.normcase, paths))


def printable(text: str) -> str:
    """A path fit for one line: bytes that are not UTF-8 and control characters come escaped."""
    decoded = text.encode("utf-8", "backslashreplace").decode("utf-8")
    return _CONTROL.sub(lambda found: f"\\x{ord(found[0]):02x}", decoded)


class _Walk:
    def __init__(self, root: Path, hidden: bool, follow_links: bool, own: frozenset[str]) -> None:
        self._root = os.path.realpath(root)
        self._name = str(root)
        self._hidden = hidden
        self._follow_links = follow_links
        self._own = own
        self._entered: set[tuple[int, int]] = set()

    def entries(self) -> Iterator[Found]:
        if os.path.normcase(self._root) in self._own:
            raise ConfigError(f"{self._name} is where stat7 itself keeps its files; name the folder to be imported")
        top = _Folder(self._root, "", (), False)
        try:
            top.names = self._sorted_names(top)
        except OSError as error:
            reason = f"{self._name} can't be listed: {error.strerror}; name a folder that can be read"
            raise ConfigError(reason) from error
        stack = [top]
        while stack:
            step = next(stack[-1].names, None)
            if step is None:
                stack.pop()
                continue
            found = self._look(stack[-1], *step)
            if isinstance(found, Found):
                yield found
                continue
            try:
                found.names = self._sorted_names(found)
                stack.append(found)
            except OSError as error:
                yield _bad(found.place, f"the folder can't be listed: {error.strerror}")

    def _sorted_names(self, folder: _Folder) -> Iterator[tuple[str, str]]:
        """Pairs of a name in NFC and as the system has it."""
        return iter(sorted((unicodedata.normalize("NFC", name), name) for name in os.listdir(folder.path)))

    def _look(self, folder: _Folder, name: str, raw: str) -> Found | _Folder:
        """What one name of a folder is."""
        path = os.path.join(folder.path, raw)
        place = folder.place + printable(raw)
        try:
            info = os.lstat(path)
            if not self._hidden and _is_hidden(raw, info):
                return Found(place, skipped="hidden; take hidden files in with --hidden")
            linked = folder.linked
            if _is_link(info):
                if not self._follow_links:
                    return Found(place, skipped=self._link_reason(path))
                linked, path = True, os.path.realpath(path)
                info = os.stat(path)
        except OSError as error:
            return _bad(place, f"can't be read: {error.strerror}")
        if os.path.normcase(path) in self._own:
            return Found(place, skipped="stat7's own store")
        if name == SETTINGS_FILE:
            return Found(place, skipped="stat7's settings, which may hold passwords")
        try:
            name.encode("utf-8")
        except UnicodeEncodeError:
            return _bad(place, "the name is not UTF-8; rename it")
        if stat.S_ISDIR(info.st_mode):
            return self._enter(_Folder(path, f"{place}/", (*folder.parts, name), linked), info)
        if stat.S_ISREG(info.st_mode):
            return Found(place, path, (*folder.parts, name), linked)
        kind = next((kind for test, kind in _SPECIAL if test(info.st_mode)), "something")
        return Found(place, skipped=f"{kind}, not a file")

    def _enter(self, folder: _Folder, info: os.stat_result) -> Found | _Folder:
        """A folder to be walked: one that a link led to, or below such a one, only if it wasn't walked yet."""
        if folder.linked:
            if self._inside(folder.path):
                return Found(folder.place, skipped="a link back into the folder, which is read anyway")
            if (info.st_dev, info.st_ino) in self._entered:
                return Found(folder.place, skipped="a link to a folder that was read already")
            self._entered.add((info.st_dev, info.st_ino))
        return folder

    def _link_reason(self, path: str) -> str:
        target = os.path.realpath(path)
        if not os.path.exists(target):
            return "a link to nothing"
        where = "" if self._inside(target) else f" to {printable(target)}, outside the folder"
        return f"a link{where}; follow links with --follow-links"

    def _inside(self, path: str) -> bool:
        return path == self._root or path.startswith(self._root.rstrip(os.sep) + os.sep)


def _bad(place: str, reason: str) -> Found:
    return Found(place, error=InvalidEntity("", reason))


def _is_hidden(name: str, info: os.stat_result) -> bool:
    attributes = getattr(info, "st_file_attributes", 0)
    flags = getattr(info, "st_flags", 0)
    return name.startswith(".") or bool(attributes & _HIDDEN_ATTRIBUTE) or bool(flags & _HIDDEN_FLAG)


def _is_link(info: os.stat_result) -> bool:
    return stat.S_ISLNK(info.st_mode) or getattr(info, "st_reparse_tag", 0) == _JUNCTION
