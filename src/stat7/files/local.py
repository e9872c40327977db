"""Files in a folder of this machine: durable when stored, checked when read, no index to walk when opened.

Any number of threads and processes may use one folder: names appear by rename, so a reader sees a whole file or none.
The layout is that of stat7.files.folder, the way to the disk that of stat7.files.durable.
"""

from __future__ import annotations

import errno
import io
import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing
from itertools import chain
from pathlib import Path
from threading import Event

from stat7.contracts import Check, Page
from stat7.files.base import CHUNK, Source, StoredFile
from stat7.files.diagnosis import diagnose_folder, folder_bytes
from stat7.files.durable import translate, translated
from stat7.files.folder import FileFolder
from stat7.files.names import require_digest, require_name, scan_cursor, scan_start
from stat7.files.sources import pieces
from stat7.files.verified import FileHash, open_verified
from stat7.fsync import fsync_folder
from stat7.record import Notice


class LocalFiles:
    """A FileStore in `folder`, which is made by the first put; the folder above it must exist.

    Raises ConfigError if something that is not a folder bears its name. Opening reads nothing, however much is stored.
    """

    name: str = "file"
    durable: bool = True

    def __init__(self, folder: str | os.PathLike[str]) -> None:
        self.folder = Path(folder).absolute()
        self._root = str(self.folder)
        self._files = FileFolder(self._root)
        self._listing: tuple[str, list[str]] | None = None
        if self.folder.exists() and not self.folder.is_dir():
            raise translate(NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR)), self._root)

    def put(self, source: Source, *, sha256: str | None = None) -> StoredFile:
        """See FileStore.put. With `sha256` given and stored already, bytes are compared instead of copied."""
        if sha256 is None:
            with closing(pieces(source)) as incoming:
                return self._store(incoming, None)
        self._files.refuse_withdrawn(require_digest(sha256))
        stored = self._files.open_present(sha256)
        with closing(pieces(source)) as incoming:
            if stored is None:
                return self._store(incoming, sha256)
            with stored:
                return self._confirm(stored, incoming, sha256)

    def replace(self, sha256: str, source: Source) -> StoredFile:
        """See FileStore.replace."""
        self._files.refuse_withdrawn(require_digest(sha256))
        with closing(pieces(source)) as incoming:
            return self._store(incoming, sha256)

    def open(self, sha256: str, start: int = 0, end: int | None = None) -> Iterator[bytes]:
        """See FileStore.open."""
        return open_verified(self._files.open(require_name(sha256)), start, end)

    def path(self, sha256: str) -> str:
        """Where the bytes of this file are, or would be: what is read there by others is not verified."""
        return self._files.path(require_name(sha256))

    def is_sound(self, sha256: str, stop: Event) -> bool:
        """Whether all of a file hashes to its name, which takes less time than its bytes from `open`; raises what that
        raises. False, too, once `stop` is set.
        """
        with closing(self._files.open(require_name(sha256))) as raw:
            return raw.is_sound(stop)

    def stat(self, names: Sequence[str]) -> dict[str, StoredFile | Notice]:
        """See FileStore.stat."""
        with translated(self._root):
            looked = [(sha256, self._files.look(require_name(sha256))) for sha256 in names]
        return {sha256: found for sha256, found in looked if found is not None}

    def refresh(self, names: Sequence[str]) -> set[str]:
        """See FileStore.refresh."""
        with translated(self._root):
            return {sha256 for sha256 in names if self._files.renew(require_name(sha256)) is not None}

    def withdraw(self, notices: Sequence[Notice]) -> None:
        """See FileStore.withdraw. The notices are durable before anything is erased."""
        names = [require_digest(notice.address, "address") for notice in notices]
        with translated(self._root):
            for notice in notices:
                self._files.write_notice(notice)
            shards = {self._files.shard(sha256) for sha256 in names}
            for shard in shards:
                fsync_folder(shard)
            for sha256 in names:
                self._files.erase(sha256)
            for shard in shards:
                fsync_folder(shard)

    def delete(self, names: Sequence[str], older_than: int | None = None) -> set[str]:
        """See FileStore.delete."""
        names = [require_name(sha256) for sha256 in names]
        with translated(self._root):
            if older_than is None:
                return {sha256 for sha256 in names if self._files.erase(sha256)}
            return {sha256 for sha256 in names if self._files.erase_older(sha256, older_than)}

    def scan(self, cursor: str | None, limit: int) -> Page[StoredFile | Notice]:
        """See FileStore.scan. Holds the names of one shard folder at a time."""
        after = scan_start(cursor, limit)
        items: list[StoredFile | Notice] = []
        with translated(self._root):
            for shard in self._files.shard_names(after[:2]):
                names = self._names_after(shard, after)
                for at, sha256 in enumerate(names, 1):
                    found = self._files.look(sha256)
                    if found is not None:
                        items.append(found)
                    if len(items) == limit:
                        self._listing = (sha256, names[at:])
                        return Page(items, scan_cursor(sha256))
        return Page(items, None)

    def scan_notices(self, cursor: str | None, limit: int) -> Page[Notice]:
        """See FileStore.scan_notices. Lists every shard folder, and opens nothing but notices."""
        after = scan_start(cursor, limit)
        notices: list[Notice] = []
        with translated(self._root):
            for shard in self._files.shard_names(after[:2]):
                for sha256 in self._files.withdrawn_names(shard):
                    found = self._files.look(sha256) if sha256 > after else None
                    if isinstance(found, Notice):
                        notices.append(found)
                    if len(notices) == limit:
                        return Page(notices, scan_cursor(sha256))
        return Page(notices, None)

    def sweep(self, older_than: int) -> int:
        """See FileStore.sweep: temporary files, chunk tables without a file, bytes whose withdrawal was cut off."""
        with translated(self._root):
            return self._files.sweep(older_than)

    def diagnose(self) -> list[Check]:
        """Whether the folder can be written, keeps names over a power cut, has room, and is on a local disk."""
        return diagnose_folder(self._root)

    def disk_bytes(self) -> int:
        """Bytes of disk that the folder takes; looks at every file."""
        with translated(self._root):
            return folder_bytes(self._root)

    def close(self) -> None:
        """See FileStore.close. Nothing is held."""

    def _store(self, incoming: Iterable[bytes | memoryview], expected: str | None) -> StoredFile:
        # Only our own steps are translated: an OSError of the caller's source must come through as it is.
        taken = FileHash()
        with translated(self._root):
            temporary = self._files.temporary()
        with temporary:
            for piece in incoming:
                taken.update(piece)
                with translated(self._root):
                    temporary.write(piece)
            sha256 = taken.require(expected)
            self._files.refuse_withdrawn(sha256)
            with translated(self._root):
                stored_at = temporary.finish()
                if taken.size > CHUNK:
                    self._files.write_table(sha256, taken.table.encode())
                self._files.place(temporary, sha256)
                # A withdrawal that came meanwhile may have looked for the bytes before they had their name.
                if self._files.is_withdrawn(sha256):
                    self._files.erase(sha256)
                    self._files.refuse_withdrawn(sha256)
        return StoredFile(sha256, taken.size, stored_at)

    def _confirm(self, stored: io.FileIO, incoming: Iterator[memoryview], sha256: str) -> StoredFile:
        """Compare what is given with what is stored; from the first difference on, store it anew."""
        taken = FileHash()
        for piece in incoming:
            if _read_or_nothing(stored, len(piece)) != bytes(piece):
                return self._store(chain(self._again(stored, taken.size), [piece], incoming), sha256)
            taken.update(piece)
        taken.require(sha256)
        with translated(self._root):
            renewed = None if _read_or_nothing(stored, 1) else self._files.renew(sha256)
            if renewed is not None:
                # Whoever gave the file its name may not have come to this yet.
                fsync_folder(self._files.shard(sha256))
                return StoredFile(sha256, taken.size, renewed)
        return self._store(self._again(stored, taken.size), sha256)

    def _again(self, stored: io.FileIO, size: int) -> Iterator[bytes]:
        """The first `size` bytes of a stored file, which were equal to what was given."""
        with translated(self._root):
            stored.seek(0)
            for start in range(0, size, CHUNK):
                yield stored.read(min(CHUNK, size - start))

    def _names_after(self, shard: str, after: str) -> list[str]:
        # Scans usually go on where the last page ended: then the folder was read and sorted already.
        listing = self._listing
        if listing is not None and listing[0] == after and after[:2] == shard:
            return listing[1]
        return [name for name in self._files.names(shard) if name > after]


def _read_or_nothing(file: io.FileIO, size: int) -> bytes:
    try:
        return file.read(size)
    except OSError:
        return b""
