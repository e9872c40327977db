"""Bringing what was written to the disk, as far as each system can."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from contextlib import suppress
from importlib import import_module
from typing import Final

_WINDOWS = os.name == "nt"
_NO_FOLDER_FSYNC: Final = frozenset(
    getattr(errno, name) for name in ("EINVAL", "ENOTSUP", "EOPNOTSUPP", "EBADF", "ENOSYS") if hasattr(errno, name)
)


def _find_full_fsync() -> Callable[[int], object] | None:
    try:
        fcntl = import_module("fcntl")
        command = fcntl.F_FULLFSYNC
    except (ImportError, AttributeError):
        return None
    return lambda descriptor: fcntl.fcntl(descriptor, command)


# On macOS fsync stops at the drive's cache, and this goes through it.
_full_fsync = _find_full_fsync()


def fsync_file(descriptor: int) -> None:
    """Bring what was written to an open file to the disk. Raises OSError."""
    if _full_fsync is not None:
        # Not every file system knows it; fsync is what remains there.
        with suppress(OSError):
            _full_fsync(descriptor)
            return
    os.fsync(descriptor)


def fsync_data(descriptor: int) -> None:
    """As `fsync_file`, but where the system can tell them apart without the file's times. Raises OSError."""
    if hasattr(os, "fdatasync"):
        os.fdatasync(descriptor)
    else:
        fsync_file(descriptor)


def fsync_folder(folder: str) -> bool:
    """Bring the names in a folder to the disk; False where the system knows no such thing. Raises OSError."""
    if _WINDOWS:
        return False
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        fsync_file(descriptor)
    except OSError as error:
        if error.errno not in _NO_FOLDER_FSYNC:
            raise
        return False
    finally:
        os.close(descriptor)
    return True
