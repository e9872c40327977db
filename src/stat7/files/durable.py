"""Changes to a folder that survive a power cut, and the one place where errors of the operating system become ours.

The protocol: write a temporary file in the same file system, fsync it, rename it to its name, fsync the folder that got
the name. Without the last step the name itself can be lost, though rename has returned.
"""

from __future__ import annotations

import errno
import io
import os
import shutil
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from types import TracebackType

from stat7.errors import ConfigError, Stat7Error, StoreFull, Unavailable
from stat7.fsync import fsync_file, fsync_folder

TEMPORARY = "incoming-"
"""What the names of temporary files begin with."""


def _codes(*names: str) -> frozenset[int]:
    return frozenset(getattr(errno, name) for name in names if hasattr(errno, name))


_FULL = _codes("ENOSPC", "EDQUOT", "EFBIG")
_DENIED = _codes("EACCES", "EPERM", "EROFS")
_MISPLACED = _codes("ENOENT", "ENOTDIR", "EISDIR", "EEXIST", "ELOOP", "ENAMETOOLONG", "ENOTEMPTY")
_WINDOWS = os.name == "nt"
_WINDOWS_IN_USE = (32, 33)  # sharing violation, lock violation: errno calls both EACCES
# Without O_NONBLOCK a pipe standing in place of a file would stop the reader for ever; on files it changes nothing.
_READ = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0) | getattr(os, "O_CLOEXEC", 0)
_NO_LINKS = _codes("EPERM", "ENOTSUP", "EOPNOTSUPP", "ENOSYS", "EMLINK", "EXDEV")


def translate(error: OSError, folder: str | os.PathLike[str]) -> Stat7Error:
    """What an OSError met inside the file folder `folder` means to the user, and what to do about it."""
    where = f"file folder {os.fspath(folder)}"
    reason = error.strerror or str(error)
    if error.errno in _FULL:
        return StoreFull(f"{where}: {reason}; free some space there, or move the folder to a larger disk")
    if getattr(error, "winerror", None) in _WINDOWS_IN_USE:
        return Unavailable(f"{where}: {reason}; another program uses the file, try again when it is done")
    if error.errno in _DENIED:
        return ConfigError(f"{where}: {reason}; give this user the right to read and write in it")
    if error.errno in _MISPLACED:
        named = f" ({error.filename})" if error.filename else ""
        return ConfigError(
            f"{where}: {reason}{named}; check the path: the folder above it must exist, and it must be a folder"
        )
    return Unavailable(f"{where}: {reason}; check the disk, then try again")


@contextmanager
def translated(folder: str | os.PathLike[str]) -> Iterator[None]:
    """Raise each OSError of the block as `translate` says."""
    try:
        yield
    except OSError as error:
        raise translate(error, folder) from error


def make_folder(folder: str) -> None:
    """Make a folder, if it is missing, inside one that exists, durably. Raises OSError."""
    try:
        os.mkdir(folder)
    except FileExistsError:
        if not os.path.isdir(folder):
            raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), folder) from None
    fsync_folder(os.path.dirname(folder))


def remove(path: str) -> bool:
    """Erase a file, or whatever else stands in its place; False if there is nothing. Raises OSError."""
    try:
        mode = os.lstat(path).st_mode
        if stat.S_ISDIR(mode):
            shutil.rmtree(path)
        else:
            os.unlink(path)
    except FileNotFoundError:
        return False
    return True


def name_first(path: str, target: str) -> bool:
    """Name the file at `path` `target`, unless something bears that name; whether it was done. Raises OSError.

    It may bear both names afterwards.
    """
    try:
        if _WINDOWS:
            os.rename(path, target)
        else:
            os.link(path, target)
    except FileExistsError:
        return False
    except OSError as error:
        if error.errno not in _NO_LINKS:
            raise
        if os.path.lexists(target):
            return False
        os.replace(path, target)
    return True


def temporary_path(folder: str) -> str:
    """A path in `folder` that nothing bears yet; `TEMPORARY` begins its name."""
    return os.path.join(folder, TEMPORARY + os.urandom(8).hex())


def open_regular(path: str) -> io.FileIO:
    """Open a file for reading; raises OSError, also for a folder, pipe or device standing in its place."""
    descriptor = os.open(path, _READ)
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise OSError(errno.EISDIR, "not a file", path)
    return io.FileIO(descriptor, "rb")


def list_folder(folder: str) -> list[str]:
    """The names in a folder, in no order; none if it is missing. Raises OSError."""
    try:
        return os.listdir(folder)
    except FileNotFoundError:
        return []


def modified(path: str) -> int:
    """The modification time, ms since 1970. Raises OSError."""
    return os.stat(path).st_mtime_ns // 1_000_000


class TemporaryFile:
    """A new file in `folder` with a name of its own; erased when the block ends unless placed. Raises OSError."""

    def __init__(self, folder: str) -> None:
        self.path = temporary_path(folder)
        self._file = io.FileIO(self.path, "xb")

    def __enter__(self) -> TemporaryFile:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()
        if self.path:
            with suppress(OSError):
                os.unlink(self.path)

    def write(self, data: bytes | memoryview) -> None:
        """Append all of `data`."""
        rest = memoryview(data)
        while rest:
            rest = rest[self._file.write(rest) :]

    def finish(self) -> int:
        """Bring the bytes to the disk and close; returns the file's time, ms since 1970."""
        fsync_file(self._file.fileno())
        modified = os.fstat(self._file.fileno()).st_mtime_ns // 1_000_000
        self._file.close()
        return modified

    def place(self, target: str) -> None:
        """Give the finished file its name, in place of what bears it now."""
        if os.path.isdir(target) and not os.path.islink(target):
            shutil.rmtree(target)
        os.replace(self.path, target)
        self.path = ""

    def place_first(self, target: str) -> bool:
        """Give the finished file its name, unless something bears it already; returns whether it was given."""
        return name_first(self.path, target)
