"""Files in a folder of this machine: durable when stored, checked when read, no index to walk when opened.

Layout, made as it is needed:

    <folder>/ab/ab12…            the bytes, named by their SHA-256, in a folder named by its first two digits
    <folder>/ab/ab12….chunks     chunk table of a file larger than CHUNK (stat7.files.verified)
    <folder>/ab/ab12….withdrawn  canonical JSON of the notice; the bytes and the table are erased
    <folder>/incoming-…          a put under way, or what a killed one left for `sweep`

The time of a stored file is its modification time. Any number of threads and processes may use one folder: names appear
by rename, so a reader sees a whole file or none.
"""

from __future__ import annotations

import errno
import io
import os
import stat
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing
from itertools import chain
from pathlib import Path

from stat7.address import is_address
from stat7.canonical import canonicalize, parse_canonical
from stat7.errors import Corrupt, Gone, InvalidEntity, InvalidQuery, NotFound, Stat7Error, Unavailable
from stat7.files.base import CHUNK, Source, StoredFile
from stat7.files.diagnosis import diagnose_folder, folder_bytes
from stat7.files.durable import TEMPORARY, TemporaryFile, fsync_folder, make_folder, remove, translate, translated
from stat7.files.sources import pieces
from stat7.files.verified import FileHash, open_verified, require_digest, require_name
from stat7.record import Notice
from stat7.stores.base import Check, Page

_TABLE = ".chunks"
_NOTICE = ".withdrawn"
# Without O_NONBLOCK a pipe standing in place of a file would stop the reader for ever; on files it changes nothing.
_READ = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0) | getattr(os, "O_CLOEXEC", 0)
_DENIED = (errno.EACCES, errno.EPERM)
_DAMAGED = (errno.EIO, errno.EISDIR, errno.EINVAL, errno.ENXIO, errno.ELOOP)


class LocalFiles:
    """A FileStore in `folder`, which is made by the first put; the folder above it must exist.

    Raises ConfigError if something else bears the folder's name. Opening reads nothing, however much is stored.
    """

    name: str = "file"
    durable: bool = True

    def __init__(self, folder: str | os.PathLike[str]) -> None:
        self.folder = Path(folder).absolute()
        self._root = str(self.folder)
        self._shards: set[str] = set()  # those known to exist durably
        self._listing: tuple[str, list[str]] | None = None
        if self.folder.exists() and not self.folder.is_dir():
            raise translate(NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR)), self.folder)

    def put(self, source: Source, *, sha256: str | None = None) -> StoredFile:
        """See FileStore.put. With `sha256` given and stored already, bytes are compared instead of copied."""
        stored = None
        if sha256 is not None:
            self._refuse_withdrawn(require_digest(sha256))
            stored = self._open_present(sha256)
        with closing(pieces(source)) as incoming:
            if sha256 is None or stored is None:
                return self._store(incoming, sha256)
            with stored:
                return self._confirm(stored, incoming, sha256)

    def replace(self, sha256: str, source: Source) -> StoredFile:
        """See FileStore.replace."""
        self._refuse_withdrawn(require_digest(sha256))
        with closing(pieces(source)) as incoming:
            return self._store(incoming, sha256)

    def open(self, sha256: str, start: int = 0, end: int | None = None) -> Iterator[bytes]:
        """See FileStore.open."""
        return open_verified(self._raw(require_name(sha256)), start, end)

    def stat(self, names: Sequence[str]) -> dict[str, StoredFile | Notice]:
        """See FileStore.stat."""
        with translated(self._root):
            looked = ((sha256, self._look(require_name(sha256))) for sha256 in names)
            return {sha256: found for sha256, found in looked if found is not None}

    def refresh(self, names: Sequence[str]) -> set[str]:
        """See FileStore.refresh."""
        with translated(self._root):
            return {sha256 for sha256 in names if self._renew(require_name(sha256))}

    def withdraw(self, notices: Sequence[Notice]) -> None:
        """See FileStore.withdraw. The notices are durable before anything is erased."""
        names = [require_digest(notice.address, "address") for notice in notices]
        with translated(self._root):
            for notice in notices:
                self._write_notice(notice)
            shards = {self._shard(sha256) for sha256 in names}
            for shard in shards:
                fsync_folder(shard)
            for sha256 in names:
                self._erase(sha256)
            for shard in shards:
                fsync_folder(shard)

    def delete(self, names: Sequence[str], older_than: int | None = None) -> set[str]:
        """See FileStore.delete."""
        with translated(self._root):
            return {sha256 for sha256 in names if self._delete(require_name(sha256), older_than)}

    def scan(self, cursor: str | None, limit: int) -> Page[StoredFile | Notice]:
        """See FileStore.scan. Holds the names of one shard folder at a time."""
        if cursor is not None and not is_address(cursor):
            raise InvalidQuery("cursor", "was not given by a scan of files")
        if limit < 1:
            raise InvalidQuery("limit", f"must be at least 1, is {limit}")
        items: list[StoredFile | Notice] = []
        with translated(self._root):
            for shard in self._shard_names(cursor):
                names = self._names(shard, cursor)
                for at, sha256 in enumerate(names, 1):
                    found = self._look(sha256)
                    if found is not None:
                        items.append(found)
                    if len(items) == limit:
                        self._listing = (sha256, names[at:])
                        return Page(items, sha256)
        return Page(items, None)

    def sweep(self, older_than: int) -> int:
        """See FileStore.sweep: temporary files, chunk tables without a file, and bytes whose withdrawal was cut off."""
        swept = 0
        with translated(self._root):
            for name in self._list(self._root):
                if name.startswith(TEMPORARY):
                    swept += self._remove_older(os.path.join(self._root, name), older_than)
            for shard in self._shard_names(None):
                swept += self._sweep_shard(os.path.join(self._root, shard), older_than)
        return swept

    def diagnose(self) -> list[Check]:
        """Whether the folder can be written, keeps names over a power cut, has room, and is on a local disk."""
        return diagnose_folder(self._root)

    def disk_bytes(self) -> int:
        """Bytes of disk that the folder takes; looks at every file."""
        with translated(self._root):
            return folder_bytes(self._root)

    def close(self) -> None:
        """See FileStore.close. Nothing is held."""

    # Storing.

    def _store(self, incoming: Iterable[bytes | memoryview], expected: str | None) -> StoredFile:
        taken = FileHash()
        with translated(self._root):
            temporary = self._temporary()
        with temporary:
            for piece in incoming:
                taken.update(piece)
                with translated(self._root):
                    temporary.write(piece)
            sha256 = taken.require(expected)
            self._refuse_withdrawn(sha256)
            with translated(self._root):
                stored_at = temporary.finish()
                if taken.size > CHUNK:
                    self._write_table(sha256, taken.table.encode())
                self._place(temporary, taken)
        # A withdrawal that came meanwhile may have looked for the bytes before they had their name.
        if self._notice(sha256) is not None:
            with translated(self._root):
                self._erase(sha256)
            self._refuse_withdrawn(sha256)
        return StoredFile(sha256, taken.size, stored_at)

    def _confirm(self, stored: io.FileIO, incoming: Iterator[memoryview], sha256: str) -> StoredFile:
        """Compare what is given with what is stored; from the first difference on, store it anew."""
        taken = FileHash()
        for piece in incoming:
            if _read_or_nothing(stored, len(piece)) != bytes(piece):
                return self._store(chain(_first(stored, taken.size), [piece], incoming), sha256)
            taken.update(piece)
        taken.require(sha256)
        with translated(self._root):
            if not _read_or_nothing(stored, 1) and self._renew(sha256):
                # Another process may have given it its name without having come to this yet.
                fsync_folder(self._shard(sha256))
                return StoredFile(sha256, taken.size, os.stat(self._path(sha256)).st_mtime_ns // 1_000_000)
        return self._store(_first(stored, taken.size), sha256)

    def _place(self, temporary: TemporaryFile, taken: FileHash) -> None:
        path, shard = self._path(taken.sha256), self._shard(taken.sha256)
        try:
            temporary.place(path)
        except FileNotFoundError:
            if not os.path.exists(temporary.path):
                raise Unavailable(f"file folder {self._root}: a put was swept away while it ran; put the file again") from None
            self._shards.discard(shard)
            temporary.place(os.path.join(self._shard(taken.sha256), taken.sha256))
        except PermissionError:
            # Windows does not rename over a file that a reader holds open; if its bytes are sound that is not needed.
            if not _holds(path, taken.sha256):
                raise
            os.utime(path)
        fsync_folder(shard)

    def _temporary(self) -> TemporaryFile:
        try:
            return TemporaryFile(self._root)
        except FileNotFoundError:
            make_folder(self._root)
            return TemporaryFile(self._root)

    def _write_table(self, sha256: str, table: bytes) -> None:
        with self._temporary() as temporary:
            temporary.write(table)
            temporary.finish()
            temporary.place(os.path.join(self._shard(sha256), sha256 + _TABLE))

    def _write_notice(self, notice: Notice) -> None:
        try:
            if self._notice(notice.address) is not None:
                return
        except Corrupt:
            remove(self._path(notice.address) + _NOTICE)
        with self._temporary() as temporary:
            temporary.write(canonicalize(notice._asdict()))
            temporary.finish()
            temporary.place_first(os.path.join(self._shard(notice.address), notice.address + _NOTICE))

    # Looking at what is stored.

    def _raw(self, sha256: str) -> _RawLocalFile:
        file = None
        failure: OSError | None = None
        try:
            file = _open_regular(self._path(sha256))
        except OSError as error:
            failure = error
        try:
            self._refuse_withdrawn(sha256)
            if isinstance(failure, FileNotFoundError):
                raise NotFound(sha256)
            if failure is not None:
                raise self._unreadable(sha256, failure) from failure
        except Stat7Error:
            if file is not None:
                file.close()
            raise
        return _RawLocalFile(self, sha256, file)

    def _open_present(self, sha256: str) -> io.FileIO | None:
        """The stored file, None if there is none or it can't be read (then storing it anew is what helps)."""
        try:
            return _open_regular(self._path(sha256))
        except OSError:
            return None
