"""The layout of a file folder on disk, and the steps on one file that `LocalFiles` is made of.

    <root>/ab/ab12…            the bytes, named by their SHA-256, in a shard folder named by its first two digits
    <root>/ab/ab12….chunks     chunk table of a file larger than CHUNK (stat7.files.verified)
    <root>/ab/ab12….withdrawn  the notice of a withdrawn file (stat7.files.notices); its bytes and table are erased
    <root>/ab/ab12….aside      bytes that gc looks at once more before it erases them, or that a killed gc left behind
    <root>/incoming-…          what is being stored, or what a killed put left behind

Folders are made as they are needed. The time of a stored file is its modification time.
"""

from __future__ import annotations

import errno
import hashlib
import io
import os
import re
from collections.abc import Callable, Iterator
from contextlib import suppress
from threading import Event

from stat7.address import is_address
from stat7.errors import Corrupt, Gone, NotFound, Stat7Error, Unavailable
from stat7.files.base import CHUNK, StoredFile
from stat7.files.durable import (
    TEMPORARY,
    TemporaryFile,
    list_folder,
    make_folder,
    modified,
    name_first,
    open_regular,
    remove,
    translate,
    translated,
)
from stat7.files.notices import decode_notice, encode_notice
from stat7.fsync import fsync_folder
from stat7.record import Notice

_TABLE = ".chunks"
_NOTICE = ".withdrawn"
_ASIDE = ".aside"
_SHARD = re.compile("[0-9a-f]{2}")
_DENIED = frozenset((errno.EACCES, errno.EPERM))
_DAMAGED = frozenset((errno.EIO, errno.EISDIR, errno.EINVAL, errno.ENXIO, errno.ELOOP))


class FileFolder:
    """The files, chunk tables and notices below `root`. Writing raises OSError, reading errors of stat7.errors."""

    def __init__(self, root: str) -> None:
        self.root = root
        self._prefix = os.path.join(root, "")
        self._durable_shards: set[str] = set()

    def path(self, sha256: str) -> str:
        """Where the bytes of this file are, or would be."""
        return f"{self._prefix}{sha256[:2]}{os.sep}{sha256}"

    def shard(self, sha256: str) -> str:
        """The shard folder of this file, made if it is missing; its own name is durable."""
        shard = os.path.join(self.root, sha256[:2])
        if shard not in self._durable_shards:
            if not self._durable_shards:
                # Another process may have made the root and not come to its fsync. A folder above that can't be read
                # can't be fsynced either, and is none of our making.
                with suppress(PermissionError):
                    make_folder(self.root)
            make_folder(shard)
            self._durable_shards.add(shard)
        return shard

    def temporary(self) -> TemporaryFile:
        """A temporary file in the root, which is made if it is missing."""
        try:
            return TemporaryFile(self.root)
        except FileNotFoundError:
            make_folder(self.root)
            return TemporaryFile(self.root)

    # Writing.

    def place(self, temporary: TemporaryFile, sha256: str) -> None:
        """Give finished bytes their name, durably."""
        try:
            self._name(temporary.place, sha256)
        except PermissionError:
            # Windows does not rename over a file that a reader holds open; if its bytes are sound it can stay.
            if not _is_sound(self.path(sha256), sha256):
                raise
            os.utime(self.path(sha256))
        fsync_folder(self.shard(sha256))

    def write_table(self, sha256: str, table: bytes) -> None:
        """Store a chunk table; its bytes are durable before it has its name."""
        with self.temporary() as temporary:
            temporary.write(table)
            temporary.finish()
            self._name(temporary.place, sha256, _TABLE)

    def write_notice(self, notice: Notice) -> None:
        """Store a notice unless there is a readable one; its name is durable after an fsync of the shard folder."""
        try:
            if self.notice(notice.address) is not None:
                return
        except Corrupt:
            remove(self.path(notice.address) + _NOTICE)
        with self.temporary() as temporary:
            temporary.write(encode_notice(notice))
            temporary.finish()
            self._name(temporary.place_first, notice.address, _NOTICE)

    def _name(self, place: Callable[[str], object], sha256: str, kind: str = "") -> None:
        try:
            place(os.path.join(self.shard(sha256), sha256 + kind))
        except FileNotFoundError:
            # The shard folder has vanished since it was made, or the temporary file has.
            self._durable_shards.clear()
            try:
                place(os.path.join(self.shard(sha256), sha256 + kind))
            except FileNotFoundError:
                reason = "what was being stored was swept away meanwhile; store it again"
                raise Unavailable(f"file folder {self.root}: {reason}") from None

    def renew(self, sha256: str) -> int | None:
        """Set the file's time to now and return it (ms since 1970); None if it is not stored."""
        if self.is_withdrawn(sha256):
            return None
        try:
            os.utime(self.path(sha256))
            return modified(self.path(sha256))
        except FileNotFoundError:
            return self.renew(sha256) if self._restore(sha256) else None

    # Erasing.

    def erase(self, sha256: str) -> bool:
        """Erase the bytes and the chunk table; False if there were no bytes."""
        erased = [remove(self.path(sha256) + kind) for kind in ("", _ASIDE)]
        remove(self.path(sha256) + _TABLE)
        return any(erased)

    def erase_older(self, sha256: str, older_than: int) -> bool:
        """`erase` if the file's time is before `older_than` (ms since 1970), even if it is renewed in that moment."""
        path, aside = self.path(sha256), self.path(sha256) + _ASIDE
        try:
            if modified(path) >= older_than:
                return False
            # A put or refresh could come between looking and erasing: so it is moved away, and looked at again. If this
            # process is killed now, or others look for the file, they give it its name back.
            os.replace(path, aside)
            if modified(aside) >= older_than and not self.is_withdrawn(sha256):
                os.replace(aside, path)
                return False
        except FileNotFoundError:
            return False
        if not remove(aside):
            return False
        remove(path + _TABLE)
        return True

    def _restore(self, sha256: str) -> bool:
        """Give bytes that gc has moved aside their name back, unless they are withdrawn; whether they have it now.

        Somebody else, the gc itself for one, may do the same at the same time.
        """
        path, aside = self.path(sha256), self.path(sha256) + _ASIDE
        if self.is_withdrawn(sha256):
            return False
        if os.access(aside, os.F_OK):
            with suppress(FileNotFoundError):
                name_first(aside, path)
                fsync_folder(self.shard(sha256))
                remove(aside)
        return os.access(path, os.F_OK)

    def sweep(self, older_than: int) -> int:
        """Erase temporary files and chunk tables without a file, if older than that, and bytes beside a notice.

        Bytes that a killed gc moved aside are files again.
        """
        temporaries = [name for name in list_folder(self.root) if name.startswith(TEMPORARY)]
        swept = sum(_remove_older(os.path.join(self.root, name), older_than) for name in temporaries)
        return swept + sum(self._sweep_shard(shard, older_than) for shard in self.shard_names())

    def _sweep_shard(self, shard: str, older_than: int) -> int:
        names = set(list_folder(os.path.join(self.root, shard)))
        swept = 0
        for name in names:
            sha256, _, kind = name.partition(".")
            if not is_address(sha256):
                continue
            if f".{kind}" == _TABLE and sha256 not in names and sha256 + _ASIDE not in names:
                swept += _remove_older(self.path(sha256) + _TABLE, older_than)
            elif f".{kind}" == _ASIDE:
                self._restore(sha256)
            elif f".{kind}" == _NOTICE:
                swept += self.erase(sha256)
        return swept

    # Looking.

    def look(self, sha256: str) -> StoredFile | Notice | None:
        """What is stored under this name, by its notice or by size and time alone."""
        try:
            notice = self.notice(sha256)
        except Corrupt:
            # Listed as a file, so that whoever checks them all opens it and is told.
            return StoredFile(sha256, 0, modified(self.path(sha256) + _NOTICE))
        if notice is not None:
            return notice
        try:
            found = os.stat(self.path(sha256))
        except FileNotFoundError:
            return self.look(sha256) if self._restore(sha256) else None
        return StoredFile(sha256, found.st_size, found.st_mtime_ns // 1_000_000)

    def open(self, sha256: str) -> RawLocalFile:
        """Open a file for verified reading; raises NotFound, Gone, Corrupt."""
        try:
            file = open_regular(self.path(sha256))
        except OSError as error:
            self.refuse_withdrawn(sha256)
            with translated(self.root):
                restored = isinstance(error, FileNotFoundError) and self._restore(sha256)
            if restored:
                return self.open(sha256)
            raise self.unreadable(sha256, error) from error
        try:
            # Asked after opening: a withdrawal whose bytes are not erased yet is one already.
            self.refuse_withdrawn(sha256)
        except Stat7Error:
            file.close()
            raise
        return RawLocalFile(self, sha256, file)

    def open_present(self, sha256: str) -> io.FileIO | None:
        """The stored bytes, unchecked; None if there are none or they can't be read."""
        try:
            return open_regular(self.path(sha256))
        except OSError:
            return None

    def table(self, sha256: str) -> bytes | None:
        """The stored chunk table, None if there is none or it can't be read."""
        try:
            with open(self.path(sha256) + _TABLE, "rb") as file:
                return file.read()
        except OSError:
            return None

    def notice(self, sha256: str) -> Notice | None:
        """The notice of a withdrawn file, None for any other; raises Corrupt if it is damaged."""
        # Every read and put asks this, so the usual answer must be cheap: an exception would cost five times as much.
        if not self.is_withdrawn(sha256):
            return None
        try:
            with open(self.path(sha256) + _NOTICE, "rb") as file:
                return decode_notice(file.read(), sha256)
        except OSError as error:
            raise self.unreadable(sha256, error) from error

    def is_withdrawn(self, sha256: str) -> bool:
        """Whether there is a notice, readable or not."""
        return os.access(self.path(sha256) + _NOTICE, os.F_OK)

    def refuse_withdrawn(self, sha256: str) -> None:
        """Raise Gone for a withdrawn file."""
        notice = self.notice(sha256)
        if notice is not None:
            raise Gone(notice)

    def unreadable(self, sha256: str, error: OSError) -> Stat7Error:
        """What an error met in reading one file means: damage to that file, unless its whole folder is out of reach."""
        if isinstance(error, FileNotFoundError):
            return NotFound(sha256)
        reachable = os.access(os.path.dirname(self.path(sha256)), os.R_OK | os.X_OK)
        if error.errno in _DAMAGED or (error.errno in _DENIED and reachable):
            return Corrupt(sha256, f"can't be read: {error.strerror}")
        return translate(error, self.root)

    def shard_names(self, first: str = "") -> list[str]:
        """The names of the shard folders from `first` on, sorted."""
        return sorted(name for name in list_folder(self.root) if _SHARD.fullmatch(name) and name >= first)

    def names(self, shard: str) -> list[str]:
        """The SHA-256 of every file and notice in one shard folder, sorted."""
        names = {name.removesuffix(_NOTICE) for name in list_folder(os.path.join(self.root, shard))}
        return sorted(filter(is_address, names))

    def withdrawn_names(self, shard: str) -> list[str]:
        """The SHA-256 of every notice in one shard folder, sorted."""
        names = (
            name[: -len(_NOTICE)] for name in list_folder(os.path.join(self.root, shard)) if name.endswith(_NOTICE)
        )
        return sorted(filter(is_address, names))


class RawLocalFile:
    """A RawFile (stat7.files.verified) over an open file of a FileFolder."""

    def __init__(self, folder: FileFolder, sha256: str, file: io.FileIO) -> None:
        self.sha256 = sha256
        self.size = os.fstat(file.fileno()).st_size
        self._folder = folder
        self._file = file

    def read(self, start: int, end: int) -> Iterator[bytes]:
        """See RawFile.read."""
        while start < end:
            try:
                self._file.seek(start)
                block = self._file.read(min(CHUNK, end - start))
            except OSError as error:
                raise self._folder.unreadable(self.sha256, error) from error
            if not block:
                return
            yield block
            start += len(block)

    def is_sound(self, stop: Event) -> bool:
        """Whether all of it hashes to its name; False, too, once `stop` is set."""
        taken, block = hashlib.sha256(), memoryview(bytearray(CHUNK // 4))
        try:
            while not stop.is_set() and (size := self._file.readinto(block)):
                taken.update(block[:size])
        except OSError as error:
            raise self._folder.unreadable(self.sha256, error) from error
        return taken.hexdigest() == self.sha256

    def whole(self) -> None:
        """See RawFile.whole."""

    def load_table(self) -> bytes | None:
        """See RawFile.load_table."""
        return self._folder.table(self.sha256)

    def save_table(self, table: bytes) -> None:
        """See RawFile.save_table."""
        with translated(self._folder.root):
            self._folder.write_table(self.sha256, table)
            if self._folder.is_withdrawn(self.sha256):
                self._folder.erase(self.sha256)

    def close(self) -> None:
        """See RawFile.close."""
        self._file.close()


def _is_sound(path: str, sha256: str) -> bool:
    try:
        with open(path, "rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest() == sha256
    except OSError:
        return False


def _remove_older(path: str, older_than: int) -> bool:
    try:
        return modified(path) < older_than and remove(path)
    except FileNotFoundError:
        return False
