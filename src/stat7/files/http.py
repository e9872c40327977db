"""The contract `FileStore` over HTTP: files behind a gateway.

What is sent is hashed here and by the gateway, which keeps nothing of what doesn't agree. Of what comes back, a whole
file is hashed here, and its last piece held back until it agrees. A range is checked by the gateway alone, by the chunk
digests that only it has; here it is seen that the range is the one asked for and has come whole. A download that breaks
off goes on where it was.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Final, TypeVar

import httpx

from stat7.contracts import Page
from stat7.errors import ConfigError, Corrupt, Gone, InvalidEntity, InvalidQuery, NotFound, Unavailable
from stat7.files.base import CHUNK, Source, StoredFile
from stat7.files.names import require_digest, require_name
from stat7.files.sources import pieces
from stat7.paging import at_least_one, in_batches
from stat7.record import Notice
from stat7.remote import answers
from stat7.remote.about import about
from stat7.remote.connection import JOB_SECONDS, Connection, Patience
from stat7.remote.problems import Busy, same
from stat7.remote.settings import Settings

Item = TypeVar("Item")

NOTICES: Final = 500
"""Notices in one request: each may be long."""

_RANGE: Final = re.compile(r"bytes ([0-9]{1,18})-([0-9]{1,18})/([0-9]{1,18})")
_AS_THEY_ARE: Final = {"Accept-Encoding": "identity"}


class HttpFiles:
    """A `FileStore` behind a gateway. Any number of threads may use it.

    Raises ConfigError for a gateway that can't be used, or lets nobody in with this key; Unavailable where it doesn't
    answer.
    """

    def __init__(self, settings: Settings) -> None:
        self.connection = Connection.share(settings.checked())
        self._closed = False
        url = self.connection.url
        try:
            told = about(self.connection)
            self.name = f"gateway ({answers.text(told.files.get('name'), url)})"
            self.durable = answers.flag(told.files.get("durable"), url)
        except BaseException:
            self.close()
            raise
        self._batch = told.limits["batch"]
        self._page = told.limits["page"]

    # In

    def put(self, source: Source, *, sha256: str | None = None) -> StoredFile:
        """See FileStore.put. Sent again after a lost connection only if it is at hand, as bytes or a path."""
        if sha256 is None:
            return self._send("POST", "/files", source, None)
        return self._send("PUT", f"/files/{require_digest(sha256)}", source, sha256)

    def replace(self, sha256: str, source: Source) -> StoredFile:
        """See FileStore.replace."""
        return self._send("PUT", f"/repairs/files/{require_digest(sha256)}", source, sha256)

    def _send(self, method: str, path: str, source: Source, sha256: str | None) -> StoredFile:
        at_hand = isinstance(source, bytes | bytearray | memoryview | Path)
        upload = _Upload(source, sha256)

        def attempt() -> StoredFile:
            nonlocal upload
            upload = _Upload(source, sha256)
            try:
                with self._way().begin(method, path, content=iter(upload), headers=_BINARY) as answer:
                    answer.read()
            except Busy as busy:
                if upload.begun and not at_hand:
                    raise Unavailable(str(busy)) from None
                raise
            return self._stored(answer, upload)

        try:
            return self._way().again(attempt)
        except (Unavailable, InvalidEntity) as error:
            if upload.failure is not error:
                self._require_not_gone(sha256)
            raise

    def _require_not_gone(self, sha256: str | None) -> None:
        """Raises Gone for a withdrawn file, whatever else is wrong: a gateway that wants nothing of it may hang up
        before its answer is heard.
        """
        with suppress(Unavailable, ConfigError):
            found = self.stat(() if sha256 is None else (sha256,)).get(sha256 or "")
            if isinstance(found, Notice):
                raise Gone(found)

    def _stored(self, answer: httpx.Response, upload: _Upload) -> StoredFile:
        file = _stored_file(answers.parse(answer.content, self.connection.url), self.connection.url)
        if (file.sha256, file.size) != (upload.sha256, upload.size):
            raise answers.unexpected(f"{self.connection.url}: it stored {file.sha256}, not {upload.sha256}")
        return file

    # Out

    def open(self, sha256: str, start: int = 0, end: int | None = None) -> Iterator[bytes]:
        """See FileStore.open; what is checked here, and what by the gateway, is said above."""
        way, path = self._way(), f"/files/{require_name(sha256)}"
        if start >= 0 and (end is None or start < end):
            with suppress(InvalidQuery):  # beyond the end, as far as its size tells
                return _begun(_Download(way, path, sha256, start, end))
        size = self._size(sha256)
        # No byte is asked for. Whether the file is sound shows where it's read, as far away from there as can be.
        at = 0 if start > size // 2 else max(size - 1, 0)
        _Download(way, path, sha256, at, at + 1 if size else None).exhaust()
        _require_range(start, size if end is None else end, size)
        return iter(())

    def _size(self, sha256: str) -> int:
        found = self.stat((sha256,)).get(sha256)
        if found is None:
            raise NotFound(sha256)
        if isinstance(found, Notice):
            raise Gone(found)
        return found.size

    # About many

    def stat(self, names: Sequence[str]) -> dict[str, StoredFile | Notice]:
        """See FileStore.stat."""
        url, found = self.connection.url, dict[str, StoredFile | Notice]()
        for batch in self._batches(names):
            given = answers.members(self._way().fetch("POST", "/files/stat", json=batch), url)
            for name in answers.subset([*given], set(batch), url):
                item = _item(given[name], url)
                if (item.sha256 if isinstance(item, StoredFile) else item.address) != name:
                    raise answers.unexpected(url)
                found[name] = item
        return found

    def refresh(self, names: Sequence[str]) -> set[str]:
        """See FileStore.refresh."""
        return self._among("/files/renew", names)

    def delete(self, names: Sequence[str], older_than: int | None = None) -> set[str]:
        """See FileStore.delete. Not repeated: somebody may have stored them again meanwhile."""
        more: dict[str, Any] = {} if older_than is None else {"older_than": older_than}
        deleted: set[str] = set()
        for batch in self._batches(names):
            given = self._way().fetch("POST", "/files/delete", json={"sha256s": batch, **more}, repeat=False)
            deleted |= answers.subset(given, set(batch), self.connection.url)
        return deleted

    def withdraw(self, notices: Sequence[Notice]) -> None:
        """See FileStore.withdraw."""
        for notice in notices:
            require_digest(notice.address)
        for batch in in_batches(notices, min(NOTICES, self._batch)):
            told = [notice._asdict() for notice in batch]
            self._way().fetch("POST", "/withdrawals", json={"file_notices": told})

    def scan(self, cursor: str | None, limit: int) -> Page[StoredFile | Notice]:
        """See FileStore.scan."""
        return self._walk("/scan-files", cursor, limit, _item)

    def scan_notices(self, cursor: str | None, limit: int) -> Page[Notice]:
        """See FileStore.scan_notices."""
        return self._walk("/scan-file-notices", cursor, limit, answers.notice)

    def sweep(self, older_than: int) -> int:
        """See FileStore.sweep."""
        url = self.connection.url
        given = self._way().fetch("POST", "/files/sweep", json={"older_than": older_than}, seconds=JOB_SECONDS)
        return answers.whole(answers.members(given, url).get("swept"), url)

    def close(self) -> None:
        """See FileStore.close."""
        if not self._closed:
            self._closed = True
            self.connection.close()

    def _way(self) -> Connection:
        if self._closed:
            raise answers.closed(self.connection.url)
        return self.connection

    def _batches(self, names: Sequence[str]) -> Iterator[list[str]]:
        return in_batches([require_name(name) for name in dict.fromkeys(names)], self._batch)

    def _among(self, path: str, names: Sequence[str]) -> set[str]:
        found: set[str] = set()
        for batch in self._batches(names):
            found |= answers.subset(self._way().fetch("POST", path, json=batch), set(batch), self.connection.url)
        return found

    def _walk(self, path: str, cursor: str | None, limit: int, read: Callable[[Any, str], Item]) -> Page[Item]:
        params: dict[str, str | int] = {"limit": min(at_least_one(limit), self._page)}
        if cursor is not None:
            if not (cursor and cursor.isascii() and cursor.isprintable()):
                raise InvalidQuery("cursor", "was not given by a scan of files; begin again without it")
            params["cursor"] = cursor
        return answers.page(self._way().fetch("GET", path, params=params), self.connection.url, read)


_BINARY: Final = {"Content-Type": "application/octet-stream"}


class _Upload:
    """The bytes of a source on their way, hashed as they go. Iterate once."""

    def __init__(self, source: Source, expected: str | None) -> None:
        self._source = source
        self._expected = expected
        self._hash = hashlib.sha256()
        self.size = 0
        self.begun = False
        self.failure: BaseException | None = None
        """What the source itself raised."""

    @property
    def sha256(self) -> str:
        """Of what was sent so far."""
        return self._hash.hexdigest()

    def __iter__(self) -> Iterator[bytes]:
        """Raises what the source raises and, before the upload is complete, InvalidEntity for other bytes than were
        expected: the gateway gets no end, and keeps nothing.
        """
        self.begun = True
        try:
            for piece in pieces(self._source):
                self._hash.update(piece)
                self.size += len(piece)
                yield bytes(piece)
        except BaseException as error:
            self.failure = error
            raise
        if self._expected is not None and self.sha256 != self._expected:
            reason = f"the bytes given hash to {self.sha256}, not to {self._expected}; nothing was stored"
            raise InvalidEntity("sha256", reason)


class _Download:
    """Bytes of a file from `start` up to `end` (None: its end), gone on with where an answer broke off."""

    def __init__(self, way: Connection, path: str, sha256: str, start: int, end: int | None) -> None:
        self._way = way
        self._path = path
        self._sha256 = sha256
        self._at = start
        self._end = end
        self._total: int | None = None
        self._hash = hashlib.sha256() if start == 0 else None

    def exhaust(self) -> None:
        """Read it for what is wrong with it."""
        for _ in self.pieces():
            pass

    def pieces(self) -> Generator[bytes, None, None]:
        """First an empty piece, when the first one may leave; then each when the one after it has come.

        Raises InvalidQuery if the file ends before.
        """
        held = b""
        for piece in self._received():
            if self._hash is not None:
                self._hash.update(piece)
            if self._at == self._end:
                self._settle()
            yield held
            held = piece
        if not held:
            self._settle()
            yield b""
            return
        yield held

    def _settle(self) -> None:
        """All has come: of a whole file it must be what it is called."""
        if self._hash is not None and self._end == self._total and self._hash.hexdigest() != self._sha256:
            raise Corrupt(self._sha256, self._hash.hexdigest())

    def _received(self) -> Iterator[bytes]:
        patience = self._way.patience()
        while self._end is None or self._at < self._end:
            try:
                yield from self._one_answer(patience)
            except Busy as busy:
                patience.wait(busy)
            except (NotFound, Gone, Corrupt) as error:
                if not same(error, self._sha256):
                    raise answers.unexpected(self._way.url) from None
                raise

    def _one_answer(self, patience: Patience) -> Iterator[bytes]:
        ranged = self._at > 0 or self._end is not None
        last = "" if self._end is None else self._end - 1
        headers = {**_AS_THEY_ARE, **({"Range": f"bytes={self._at}-{last}"} if ranged else {})}
        with self._way.begin("GET", self._path, headers=headers) as answer:
            self._end, self._total = self._extent(answer, ranged)
            for piece in answer.iter_raw(CHUNK):
                if piece:
                    patience.renew()
                    self._at += len(piece)
                    yield piece
        if self._end == 0:
            return
        if self._at < self._end:
            raise Busy(f"{self._way.url}: a file broke off")
        if self._at > self._end:
            raise answers.unexpected(self._way.url)

    def _extent(self, answer: httpx.Response, ranged: bool) -> tuple[int, int]:
        """Where this download ends, and the file; checked against what is known already."""
        length = answer.headers.get("content-length", "")
        if not length.isdecimal() or answer.headers.get("content-encoding", "identity") != "identity":
            raise answers.unexpected(self._way.url)
        if not ranged:
            first, end, total = 0, int(length), int(length)
        else:
            found = _RANGE.fullmatch(answer.headers.get("content-range", ""))
            if found is None:
                raise answers.unexpected(self._way.url)
            first, end, total = int(found[1]), int(found[2]) + 1, int(found[3])
        if self._end is not None and end < self._end and end == total:
            raise InvalidQuery("range", f"ends behind the file, which has {total} bytes")
        if first != self._at or end - first != int(length) or self._end not in (None, end) or end > total:
            raise answers.unexpected(self._way.url)
        return end, total


def _begun(download: _Download) -> Iterator[bytes]:
    """Its pieces, of which the first has been checked as far as it can be."""
    begun = download.pieces()
    next(begun)
    return begun


def _require_range(start: int, end: int, size: int) -> None:
    if not 0 <= start <= end <= size:
        raise InvalidQuery("range", f"must lie within 0 to {size}, the size of the file, is {start} to {end}")


def _stored_file(value: Any, what: str) -> StoredFile:
    given = answers.members(value, what)
    numbers = [answers.whole(given.get(name), what) for name in ("size", "stored_at")]
    return StoredFile(answers.address(given.get("sha256"), what), *numbers)


def _item(value: Any, what: str) -> StoredFile | Notice:
    given = answers.members(value, what)
    return _stored_file(given, what) if "sha256" in given else answers.notice(given, what)
