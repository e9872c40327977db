"""What a power cut may take: a record of the calls that matter, and the rules by which names and bytes survive.

A file's bytes are safe once they were fsynced and not written since; a name, of a file or of a folder, once the folder
it is in was fsynced after the name was given. The rules are those of POSIX, which promises no more; file systems may.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from typing import Any

import pytest

_STORED = re.compile("[0-9a-f]{64}")


class Recorder:
    """Watches this process's calls of os: the names given, in order, and what a power cut would take at any time.

    `erased_unsafely` lists the stored files that were erased while something, or one of `expected_notices`, was unsafe.
    """

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.names: list[str] = []
        self.expected_notices: set[str] = set()
        self.erased_unsafely: list[str] = []
        self._synced: dict[int, int] = {}
        self._folders: dict[str, int] = {}
        self._problems: list[str] = []
        for name in ("fsync", "replace", "rename", "link", "mkdir", "unlink"):
            monkeypatch.setattr(os, name, self._watch(getattr(os, name), getattr(self, f"_{name}")))

    def unsafe(self) -> list[str]:
        """Bytes and names that a power cut would take now."""
        return [*self._problems, *(f"name of {path}" for path in self._folders)]

    def _watch(self, real: Callable[..., Any], seen: Callable[..., None]) -> Callable[..., Any]:
        def call(*arguments: Any, **options: Any) -> Any:
            if real.__name__ in ("fsync", "mkdir"):
                result = real(*arguments, **options)
                seen(*arguments)
                return result
            seen(*arguments)
            return real(*arguments, **options)

        return call

    def _fsync(self, descriptor: int) -> None:
        found = os.fstat(descriptor)
        self._synced[found.st_ino] = found.st_size
        for path, folder in list(self._folders.items()):
            if folder == found.st_ino:
                del self._folders[path]

    def _named(self, source: str, target: str) -> None:
        found = os.stat(source)
        if self._synced.get(found.st_ino) != found.st_size:
            self._problems.append(f"bytes of {target}")
        self.names.append(os.path.basename(target))
        self._folders[target] = os.stat(os.path.dirname(target)).st_ino

    _replace = _rename = _link = _named

    def _mkdir(self, path: str, *_: object) -> None:
        self._folders[path] = os.stat(os.path.dirname(path)).st_ino

    def _unlink(self, path: str, *_: object) -> None:
        if _STORED.fullmatch(os.path.basename(path)) and (self.unsafe() or self.expected_notices - {*self.names}):
            self.erased_unsafely.append(path)
