"""Sorting any number of lines in constant memory: runs sorted in memory, kept in temporary files, merged when read."""

from __future__ import annotations

import errno
import heapq
import tempfile
from collections.abc import Generator, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from itertools import groupby
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from stat7.errors import StoreFull, Unavailable

RUN_BYTES: Final = 16 * 1024 * 1024
"""Bytes of lines kept in memory; with Python's own overhead about twice as much is taken."""

FAN_IN: Final = 64
"""Most files merged, and so open, at once."""

_BUFFER: Final = 256 * 1024
_FULL = frozenset(getattr(errno, name) for name in ("ENOSPC", "EDQUOT", "EFBIG") if hasattr(errno, name))


class LineSorter:
    """Takes lines in any order and gives them back sorted as bytes, with `unique` each once.

    A line is bytes that end with their only newline. Use as a context manager: leaving it, by an error or Ctrl-C too,
    erases the temporary files. Raises StoreFull if their disk is full, Unavailable if they can't be used otherwise.
    """

    def __init__(self, *, unique: bool = False, run_bytes: int = RUN_BYTES, fan_in: int = FAN_IN) -> None:
        self._unique = unique
        self._run_bytes = run_bytes
        self._fan_in = fan_in
        self._lines: list[bytes] = []
        self._bytes = 0
        self._levels: list[list[Path]] = []
        self._folder: tempfile.TemporaryDirectory[str] | None = None
        self._written = 0
        self._readers: list[Generator[bytes, None, None]] = []

    def add(self, line: bytes) -> None:
        """Take one line."""
        self._lines.append(line)
        self._bytes += len(line)
        if self._bytes >= self._run_bytes:
            with _translated():
                self._keep(self._write(self._in_memory()), 0)
            self._lines, self._bytes = [], 0

    def __iter__(self) -> Iterator[bytes]:
        """All lines given so far, in order."""
        if not self._levels:
            return iter(self._in_memory())
        reader = self._merged([path for level in self._levels for path in level], self._in_memory())
        self._readers.append(reader)
        return reader

    def close(self) -> None:
        """Erase the temporary files and forget the lines. Closing twice is harmless."""
        for reader in self._readers:
            reader.close()
        self._readers, self._lines, self._levels = [], [], []
        if self._folder is not None:
            self._folder.cleanup()
            self._folder = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _in_memory(self) -> list[bytes]:
        return sorted(set(self._lines) if self._unique else self._lines)

    def _keep(self, path: Path, level: int) -> None:
        """File a run under its level; when a level is full, it becomes one run of the next."""
        if len(self._levels) == level:
            self._levels.append([])
        runs = self._levels[level]
        runs.append(path)
        if len(runs) == self._fan_in:
            merged = self._write(self._merged(runs, []))
            for run in runs:
                run.unlink()
            runs.clear()
            self._keep(merged, level + 1)

    def _write(self, lines: Iterable[bytes]) -> Path:
        if self._folder is None:
            self._folder = tempfile.TemporaryDirectory(prefix="stat7-sort-", ignore_cleanup_errors=True)
        self._written += 1
        path = Path(self._folder.name, str(self._written))
        with path.open("xb", buffering=_BUFFER) as file:
            file.writelines(lines)
        return path

    def _merged(self, paths: Iterable[Path], more: Iterable[bytes]) -> Generator[bytes, None, None]:
        with _translated(), ExitStack() as opened:
            files = [opened.enter_context(path.open("rb", buffering=_BUFFER)) for path in paths]
            lines = heapq.merge(*files, more)
            if self._unique:
                yield from (line for line, _ in groupby(lines))
            else:
                yield from lines


@contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        where = f"temporary files in {tempfile.gettempdir()}: {error.strerror or error}"
        if error.errno in _FULL:
            raise StoreFull(f"{where}; set TMPDIR to a folder with more room") from error
        raise Unavailable(f"{where}; set TMPDIR to a folder that can be written") from error
