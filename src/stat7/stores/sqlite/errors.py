"""The one place where apsw's errors become those of stat7; no other module of this package lets one out."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from types import TracebackType
from typing import Final, TypeAlias

import apsw

from stat7.errors import ConfigError, Corrupt, Stat7Error, StoreFull, Unavailable

Translation: TypeAlias = Callable[[str, str], Stat7Error]
"""Makes the error to raise from the path of the database and the engine's message."""

_NO_SPACE: Final = {errno.ENOSPC, getattr(errno, "EDQUOT", errno.ENOSPC)}
_TOO_MANY_FILES: Final = {errno.EMFILE, errno.ENFILE}


def _busy(path: str, message: str) -> Stat7Error:
    return Unavailable(f"another process holds {path} ({message}); try again when it is done")


def _failed(path: str, message: str) -> Stat7Error:
    return Unavailable(f"SQLite could not finish on {path} ({message}); try again")


def _full(path: str, message: str) -> Stat7Error:
    return StoreFull(f"no room left for {path} ({message}); nothing of this call was stored, free some disk space")


def _device(path: str, message: str) -> Stat7Error:
    return Unavailable(f"reading or writing {path} failed ({message}); check the disk, then try again")


def _damaged(path: str, message: str) -> Stat7Error:
    return Corrupt(path, f"SQLite says: {message}")


def _foreign(path: str, message: str) -> Stat7Error:
    return ConfigError(f"{path} is not a SQLite database ({message}); choose another path or restore it from a backup")


def _forbidden(path: str, message: str) -> Stat7Error:
    return ConfigError(f"{path} may not be written ({message}); allow it on the file and on its folder")


def _unopened(path: str, message: str) -> Stat7Error:
    folder = os.path.dirname(path) or "."
    if not os.path.isdir(folder):
        return ConfigError(f"the folder {folder} does not exist; create it, or choose another path")
    if os.path.isdir(path):
        return ConfigError(f"{path} is a folder; name a file for the database")
    return ConfigError(f"{path} can't be opened ({message}); check the permissions of the file and of its folder")


def _unfit(path: str, message: str) -> Stat7Error:
    return ConfigError(f"{path} lacks a table or index ({message}); run `stat7 gc --compact`, or restore a backup")


def _misused(path: str, message: str) -> Stat7Error:
    return ConfigError(f"SQLite refused a statement on {path} ({message}); reinstall apsw, or report it as a bug")


def _closed(path: str, message: str) -> Stat7Error:
    return Unavailable(f"the store {path} is closed; open it again")


TRANSLATIONS: Final[dict[type[apsw.Error], Translation]] = {
    # The file, the disk, and others who use it
    apsw.BusyError: _busy,
    apsw.LockedError: _busy,
    apsw.ProtocolError: _busy,
    apsw.FullError: _full,
    apsw.TooBigError: _full,
    apsw.IOError: _device,
    apsw.CorruptError: _damaged,
    apsw.ConstraintError: _damaged,
    apsw.FormatError: _damaged,
    apsw.MismatchError: _damaged,
    apsw.NotADBError: _foreign,
    apsw.ReadOnlyError: _forbidden,
    apsw.PermissionsError: _forbidden,
    apsw.AuthError: _forbidden,
    apsw.CantOpenError: _unopened,
    # Passing troubles
    apsw.AbortError: _failed,
    apsw.InterruptError: _failed,
    apsw.NoMemError: _failed,
    apsw.SchemaChangeError: _failed,
    apsw.InternalError: _failed,
    apsw.EmptyError: _failed,
    apsw.NotFoundError: _failed,
    apsw.NoLFSError: _failed,
    # The handle
    apsw.ConnectionClosedError: _closed,
    apsw.CursorClosedError: _closed,
    apsw.ForkingViolationError: _closed,
    apsw.VFSFileClosedError: _closed,
    # Statements: a table is missing, or somebody misuses the engine
    apsw.SQLError: _unfit,
    apsw.MisuseError: _misused,
    apsw.RangeError: _misused,
    apsw.ThreadingViolationError: _misused,
    apsw.IncompleteExecutionError: _misused,
    apsw.BindingsError: _misused,
    apsw.ExecutionCompleteError: _misused,
    apsw.ExecTraceAbort: _misused,
    apsw.ExtensionLoadingError: _misused,
    apsw.ConnectionNotClosedError: _misused,
    apsw.VFSNotImplementedError: _misused,
    apsw.InvalidContextError: _misused,
    apsw.NoFTS5Error: _misused,
}


def translated(error: apsw.Error, path: str, system_errno: int = 0) -> Stat7Error:
    """The stat7 error for one of apsw's; the connection's `system_errno` tells a full disk from a broken one."""
    message = " ".join(str(error).split()) or type(error).__name__
    if isinstance(error, (apsw.IOError, apsw.CantOpenError)):
        if system_errno in _NO_SPACE:
            return _full(path, message)
        if system_errno in _TOO_MANY_FILES:
            return Unavailable(f"too many files are open to open {path}; close some, or raise the limit (ulimit -n)")
    # A class that a later apsw adds is treated like its nearest known ancestor; apsw.Error itself is the last resort.
    known = next((TRANSLATIONS[kind] for kind in type(error).__mro__ if kind in TRANSLATIONS), _failed)
    return known(path, message)


def translated_os(error: OSError, path: str) -> Stat7Error:
    """The stat7 error for a log that couldn't be brought to the disk: what was written may be there, or not."""
    message = error.strerror or str(error)
    advice = "what was just written may not survive a power cut"
    if error.errno in _NO_SPACE:
        return StoreFull(f"no room left for {path} ({message}); {advice}: free some disk space, then write it again")
    return Unavailable(f"writing {path} to the disk failed ({message}); {advice}: check the disk, then write it again")


class Translating:
    """Context manager: an apsw.Error raised inside leaves as the stat7 error for `path`."""

    __slots__ = ("_path",)

    def __init__(self, path: str) -> None:
        self._path = path

    def __enter__(self) -> None:
        return None

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if isinstance(error, apsw.Error):
            raise translated(error, self._path) from error
