"""One stored file as object storage holds it: what `open_verified` reads from, in requests of a few MiB."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import Future
from hashlib import sha256 as new_hash

from stat7.errors import Gone, NotFound
from stat7.files.base import CHUNK
from stat7.files.notices import decode_notice
from stat7.files.objects.layout import Layout, is_marker
from stat7.files.objects.parallel import Requests
from stat7.files.objects.storage import ObjectInfo, ObjectStorage
from stat7.files.verified import Whole, table_size
from stat7.record import Notice

_LARGEST_NOTICE = 4 * 1024 * 1024


class Reader:
    """Looks at the objects of one store."""

    def __init__(self, storage: ObjectStorage, layout: Layout, requests: Requests) -> None:
        self.storage = storage
        self.layout = layout
        self.requests = requests

    def open(self, sha256: str, start: int, end: int | None) -> RawObject | None:
        """The stored file, the bytes that are wanted first already fetched; None if there is none. Raises Gone."""
        first = max(start, 0) // CHUNK * CHUNK
        single = self.layout.single
        wanted = single if end is None else max(end - first, 1)
        stop = first + min(-(-wanted // CHUNK) * CHUNK, single)
        hashed = new_hash() if first == 0 else None
        got = self.storage.get(self.layout.file(sha256), first, stop, hashed)
        if got is None or is_marker(got[0]):
            self.refuse_withdrawn(sha256)
        if got is None:
            return None
        info, pieces = got
        whole = None
        if hashed is not None and info.size <= stop and sum(map(len, pieces)) == info.size:
            whole = Whole(hashed.hexdigest(), pieces)
        return RawObject(self, sha256, info, first, pieces, whole)

    def table(self, sha256: str, size: int) -> bytes | None:
        """The chunk table of a file of `size` bytes as it is stored, None if there is none."""
        # One byte more shows a table that is too long.
        got = self.storage.get(self.layout.table(sha256), 0, table_size(size) + 1)
        return None if got is None else b"".join(got[1])

    def notice(self, sha256: str) -> Notice | None:
        """The notice of a withdrawn file, None for any other; raises Corrupt if it is damaged."""
        got = self.storage.get(self.layout.notice(sha256), 0, _LARGEST_NOTICE)
        return None if got is None else decode_notice(b"".join(got[1]), sha256)

    def refuse_withdrawn(self, sha256: str) -> None:
        """Raise Gone for a withdrawn file."""
        notice = self.notice(sha256)
        if notice is not None:
            raise Gone(notice)


class RawObject:
    """A RawFile (stat7.files.verified) over one object."""

    def __init__(
        self, reader: Reader, sha256: str, info: ObjectInfo, at: int, data: list[bytes], whole: Whole | None
    ) -> None:
        self.sha256 = sha256
        self.size = info.size
        self._reader = reader
        self._key = info.key
        self._single = reader.layout.single
        self._at = at
        self._data = data
        self._whole = whole
        self._table: Future[bytes | None] | None = None
        if self.size > CHUNK and whole is None:
            self._table = reader.requests.send(self._load_table, self.size)
        if self.size > self._single:
            # What was written in parts may have come back after a withdrawal: see the layout.
            reader.refuse_withdrawn(sha256)

    def read(self, start: int, end: int) -> Iterator[bytes]:
        """See RawFile.read. While one request's bytes are used, the next one's are on their way."""
        ahead: Future[list[bytes]] | None = None
        while start < end:
            part = self._fetched(start, end) if ahead is None else self._reader.requests.answer(ahead)
            after = start + sum(map(len, part))
            if after == start:
                return
            ahead = self._send(after, end) if after < end else None
            yield from part
            start = after

    def whole(self) -> Whole | None:
        """See RawFile.whole."""
        return self._whole

    def load_table(self) -> bytes | None:
        """See RawFile.load_table."""
        sent, self._table = self._table, None
        return self._load_table(self.size) if sent is None else self._reader.requests.answer(sent)

    def save_table(self, table: bytes) -> None:
        """See RawFile.save_table."""
        reader = self._reader
        key = reader.layout.table(self.sha256)
        reader.storage.put_bytes(key, table, {})
        info = reader.storage.head(self._key)
        if info is None or is_marker(info):
            reader.storage.delete([key])

    def close(self) -> None:
        """See RawFile.close."""
        self._data, self._whole = [], None

    def _load_table(self, size: int) -> bytes | None:
        return self._reader.table(self.sha256, size)

    def _fetched(self, start: int, end: int) -> list[bytes]:
        """What came when the file was opened, if it begins there, else what a request brings; used once."""
        if start == self._at and self._data:
            part, self._data = self._data, []
            return part
        return self._fetch((start, min(start + self._single, end)))

    def _send(self, start: int, end: int) -> Future[list[bytes]]:
        return self._reader.requests.send(self._fetch, (start, min(start + self._single, end)))

    def _fetch(self, span: tuple[int, int]) -> list[bytes]:
        got = self._reader.storage.get(self._key, *span)
        if got is None or is_marker(got[0]):
            # Erased since it was opened.
            self._reader.refuse_withdrawn(self.sha256)
            raise NotFound(self.sha256)
        return got[1]
