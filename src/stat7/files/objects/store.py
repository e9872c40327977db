"""Files in a bucket: stored in few requests, checked when read, no server of ours beside it.

Any number of threads, processes and machines may use one bucket. What is kept under which key says
stat7.files.objects.layout.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from itertools import chain, islice
from typing import NamedTuple

from stat7.contracts import Check, Page
from stat7.errors import Corrupt, InvalidEntity, NotFound
from stat7.files.base import CHUNK, Source, StoredFile
from stat7.files.names import require_digest, require_name, scan_cursor, scan_start
from stat7.files.notices import encode_notice
from stat7.files.objects.diagnosis import diagnose_storage
from stat7.files.objects.layout import (
    CHUNKS,
    FILES,
    INCOMING,
    MARKER,
    NOTICES,
    TIMES,
    Layout,
    is_marker,
    marks_at,
    now,
    stored_at,
)
from stat7.files.objects.locks import NameLocks
from stat7.files.objects.parallel import Requests
from stat7.files.objects.reading import Reader
from stat7.files.objects.storage import ABSENT, SINGLE, ObjectInfo, ObjectStorage
from stat7.files.objects.walking import Group, Walks, walk
from stat7.files.objects.writing import Feed, Writer
from stat7.files.sources import pieces
from stat7.files.verified import FileHash, open_verified
from stat7.paging import in_batches
from stat7.record import Notice

_AT_ONCE = 1000


class _Stored(NamedTuple):
    file: StoredFile
    info: ObjectInfo | None
    """The object with its bytes; None for a withdrawn one whose notice is damaged."""
    renewed: bool
    """Whether there is an object that renewed its time."""


class ObjectFiles:
    """A FileStore in one bucket, below `prefix`. Opening it asks nothing of the server.

    `delete` with `older_than` looks at each file's time and erases it with the next request. One race is left: a file
    that is already older, which another process stores again or renews between these two requests (milliseconds),
    is erased nevertheless. Google's service erases only the very object that was looked at, so there only renewing
    (`refresh`) can lose; S3 and Azure are asked without that condition. Within one process the two take turns.

    `threads`: requests that the batches of all callers together have under way at once. `single`: bytes up to which a
    file is held in memory and travels in one request; all who use the bucket must agree on it.
    """

    durable: bool = True

    def __init__(
        self, name: str, storage: ObjectStorage, prefix: str = "", *, threads: int = 16, single: int = SINGLE
    ) -> None:
        self.name = name
        self.prefix = prefix
        self._storage = storage
        self._layout = Layout(prefix, single)
        self._requests = Requests(threads, storage.place)
        # Of their own, so that no reader waits for somebody's batch.
        self._reads = Requests(threads, storage.place)
        self._reader = Reader(storage, self._layout, self._reads)
        self._locks = NameLocks()
        self._writer = Writer(self._reader, self._locks)
        self._walks = Walks()

    def put(self, source: Source, *, sha256: str | None = None) -> StoredFile:
        """See FileStore.put. Holds a small file in memory, of a larger one a few parts; two larger ones are sent at a
        time, others wait."""
        if sha256 is not None:
            require_digest(sha256)
        with closing(pieces(source)) as incoming:
            return self._store(source, incoming, sha256)

    def replace(self, sha256: str, source: Source) -> StoredFile:
        """See FileStore.replace. The same as a put: that writes over what is there, too."""
        return self.put(source, sha256=require_digest(sha256))

    def open(self, sha256: str, start: int = 0, end: int | None = None) -> Iterator[bytes]:
        """See FileStore.open. A file of up to CHUNK bytes takes one request."""
        raw = self._reader.open(require_name(sha256), start, end)
        if raw is None:
            raise NotFound(sha256)
        return open_verified(raw, start, end)

    def stat(self, names: Sequence[str]) -> dict[str, StoredFile | Notice]:
        """See FileStore.stat."""
        found = self._look([require_name(sha256) for sha256 in names])
        return {sha256: each.file if isinstance(each, _Stored) else each for sha256, each in found.items()}

    def refresh(self, names: Sequence[str]) -> set[str]:
        """See FileStore.refresh. Writes an empty object: bytes that are rewritten could undo a withdrawal."""
        return self._chosen(names, self._renew)

    def withdraw(self, notices: Sequence[Notice]) -> None:
        """See FileStore.withdraw. All notices are durable before anything is erased."""
        first = {require_digest(each.address, "address"): each for each in reversed(notices)}
        if not first:
            return
        self._writer.prepare()
        self._requests.all(self._write_notice, list(first.values()))
        self._requests.all(self._writer.bury, list(first))

    def delete(self, names: Sequence[str], older_than: int | None = None) -> set[str]:
        """See FileStore.delete."""
        return self._chosen(names, lambda sha256: self._erase(sha256, older_than))

    def scan(self, cursor: str | None, limit: int) -> Page[StoredFile | Notice]:
        """See FileStore.scan. The listing is read a thousand names at a time; S3 and Azure are asked for the time of
        each file, many at once."""
        after = scan_start(cursor, limit)
        groups = self._walks.take(after) if after else None
        if groups is None:
            groups = walk(self._storage, self._layout, (FILES, NOTICES, TIMES), after)
        batch = list(islice((group for group in groups if FILES in group[1] or NOTICES in group[1]), limit))
        items = self._described(batch)
        if len(batch) < limit:
            return Page(items, None)
        last = batch[-1][0]
        self._walks.keep(last, groups)
        return Page(items, scan_cursor(last))

    def scan_notices(self, cursor: str | None, limit: int) -> Page[Notice]:
        """See FileStore.scan_notices. Lists no files."""
        groups = walk(self._storage, self._layout, (NOTICES,), scan_start(cursor, limit))
        names = [sha256 for sha256, _ in islice(groups, limit)]
        found = self._requests.all(self._notice_or_damage, names)
        notices = [each for each in found if isinstance(each, Notice)]
        return Page(notices, scan_cursor(names[-1]) if len(names) == limit else None)

    def sweep(self, older_than: int) -> int:
        """See FileStore.sweep: what was never given its name, tables and times without a file, bytes that came back
        after their withdrawal. Unfinished multipart uploads are not shown to us: a rule of the bucket ends those."""
        # By the storage's clock, as listings don't show the marks: it is for what nobody needs.
        incoming = self._storage.list(self._layout.folder(INCOMING), "")
        left = (info.key for info in incoming if info.modified < older_than)
        groups = walk(self._storage, self._layout, (FILES, CHUNKS, NOTICES, TIMES), "")
        swept = 0
        for keys in in_batches(chain(left, self._orphans(groups, older_than)), _AT_ONCE):
            self._delete(keys)
            swept += len(keys)
        groups = walk(self._storage, self._layout, (FILES, NOTICES), "")
        withdrawn = ((sha256, found.get(FILES)) for sha256, found in groups if NOTICES in found)
        for batch in in_batches(withdrawn, _AT_ONCE):
            swept += sum(self._requests.all(self._bury_again, batch))
        return swept

    def diagnose(self) -> list[Check]:
        """Whether the bucket can be used, how quickly it answers, its clock, old versions, and the credentials."""
        return diagnose_storage(self._storage, self._layout)

    def disk_bytes(self) -> int:
        """Bytes of all objects below the prefix; lists them all."""
        return sum(
            info.size for kind in (FILES, CHUNKS, NOTICES) for info in self._storage.list(self._layout.folder(kind), "")
        )

    def close(self) -> None:
        """See FileStore.close."""
        self._requests.close()
        self._reads.close()
        self._storage.close()

    # Putting.

    def _store(self, source: Source, incoming: Iterator[memoryview], sha256: str | None) -> StoredFile:
        taken, held = FileHash(), []
        at_hand = isinstance(source, bytes) and len(source) <= self._layout.single
        for piece in incoming:
            taken.update(piece)
            if not at_hand:
                held.append(bytes(piece))
            if taken.size > self._layout.single:
                return self._store_large(Feed(taken, held, incoming, sha256), taken, sha256)
        name = self._required(taken, sha256)
        data = source if at_hand and isinstance(source, bytes) else b"".join(held)
        return self._writer.small(name, data, taken.table.encode() if taken.size > CHUNK else None)

    def _store_large(self, feed: Feed, taken: FileHash, sha256: str | None) -> StoredFile:
        return self._writer.unnamed(feed, taken) if sha256 is None else self._writer.large(sha256, feed, taken)

    def _required(self, taken: FileHash, sha256: str | None) -> str:
        try:
            return taken.require(sha256)
        except InvalidEntity:
            if sha256 is not None:
                self._reader.refuse_withdrawn(sha256)
            raise

    # Looking.

    def _look(self, names: Sequence[str]) -> dict[str, _Stored | Notice]:
        """What is known of each file, by the heads of its bytes and of what renewed it."""
        names = list(dict.fromkeys(names))
        keys = [key for sha256 in names for key in (self._layout.file(sha256), self._layout.time(sha256))]
        heads = self._requests.all(self._storage.head, keys)
        return self._settled(dict(zip(names, zip(heads[::2], heads[1::2], strict=True), strict=True)))

    def _settled(self, heads: dict[str, tuple[ObjectInfo | None, ObjectInfo | None]]) -> dict[str, _Stored | Notice]:
        doubtful = [sha256 for sha256, (info, _) in heads.items() if self._may_be_withdrawn(info)]
        notices = dict(zip(doubtful, self._requests.all(self._notice_or_damage, doubtful), strict=True))
        found: dict[str, _Stored | Notice] = {}
        for sha256, (info, renewed) in heads.items():
            notice = notices.get(sha256)
            if notice is not None:
                found[sha256] = notice
            elif info is not None:
                found[sha256] = _stored(sha256, info, renewed)
        return found

    def _may_be_withdrawn(self, info: ObjectInfo | None) -> bool:
        return info is None or info.size > self._layout.single or is_marker(info)

    def _notice_or_damage(self, sha256: str) -> Notice | _Stored | None:
        try:
            return self._reader.notice(sha256)
        except Corrupt:
            # Listed as a file, so that whoever checks them all opens it and is told.
            return _Stored(StoredFile(sha256, 0, 0), None, False)

    def _described(self, groups: Sequence[Group]) -> list[StoredFile | Notice]:
        """The items of a page, in order; what has vanished since it was listed is left out."""
        heads = {sha256: (found.get(FILES), found.get(TIMES)) for sha256, found in groups if NOTICES not in found}
        unmarked = [info.key for pair in heads.values() for info in pair if info is not None and info.marks is None]
        marked = dict(zip(unmarked, self._requests.all(self._storage.head, unmarked), strict=True))
        current = {
            sha256: (_current(info, marked), _current(renewed, marked)) for sha256, (info, renewed) in heads.items()
        }
        settled = self._settled(current)
        noticed = [sha256 for sha256, found in groups if NOTICES in found]
        told = dict(zip(noticed, self._requests.all(self._notice_or_damage, noticed), strict=True))
        both = [settled.get(sha256) or told.get(sha256) for sha256, _ in groups]
        return [each.file if isinstance(each, _Stored) else each for each in both if each is not None]

    # Changing.

    def _chosen(self, names: Sequence[str], work: Callable[[str], bool]) -> set[str]:
        """Those files for which `work` says that it was done; nothing else in this process changes one meanwhile."""
        distinct = list(dict.fromkeys(map(require_name, names)))

        def in_turn(sha256: str) -> bool:
            with self._locks.of(sha256):
                return work(sha256)

        return {
            sha256
            for batch in in_batches(distinct, _AT_ONCE)
            for sha256, done in zip(batch, self._requests.all(in_turn, batch), strict=True)
            if done
        }

    def _renew(self, sha256: str) -> bool:
        info = self._storage.head(self._layout.file(sha256))
        if not isinstance(self._settled({sha256: (info, None)}).get(sha256), _Stored):
            return False
        self._storage.put_bytes(self._layout.time(sha256), b"", marks_at(now()))
        return True

    def _erase(self, sha256: str, older_than: int | None) -> bool:
        info, renewed = (self._storage.head(of(sha256)) for of in (self._layout.file, self._layout.time))
        each = self._settled({sha256: (info, renewed)}).get(sha256)
        if not isinstance(each, _Stored) or each.info is None:
            return False
        if older_than is not None and each.file.stored_at >= older_than:
            return False
        if not self._storage.erase(each.info):
            return False
        beside = [self._layout.table(sha256)] if each.file.size > CHUNK or each.renewed else []
        if each.renewed:
            beside.append(self._layout.time(sha256))
        if beside:
            self._storage.delete(beside)
        return True

    def _delete(self, keys: Sequence[str]) -> None:
        """Erase objects, some in each request, or some requests at once, as the storage has it."""
        share = -(-len(keys) // 16) or 1
        self._requests.all(self._storage.delete, list(in_batches(keys, share)))

    def _write_notice(self, notice: Notice) -> None:
        key = self._layout.notice(notice.address)
        data, marks = encode_notice(notice), marks_at(now())
        if self._storage.put_bytes(key, data, marks, ABSENT):
            return
        try:
            self._reader.notice(notice.address)
        except Corrupt:
            self._storage.put_bytes(key, data, marks)

    def _bury_again(self, withdrawn: tuple[str, ObjectInfo | None]) -> bool:
        """Put the marker in place of withdrawn bytes, unless it stands there; whether there was a need."""
        sha256, info = withdrawn
        if info is not None and info.size == len(MARKER):
            # Other bytes may be as long, and some servers leave the marks of what is overwritten.
            got = self._storage.get(info.key, 0, len(MARKER) + 1)
            if got is not None and is_marker(got[0]) and b"".join(got[1]) == MARKER:
                return False
        self._writer.bury(sha256)
        return True

    def _orphans(self, groups: Iterator[Group], older_than: int) -> Iterator[str]:
        for _, found in groups:
            if FILES not in found or NOTICES in found:
                for kind in (CHUNKS, TIMES):
                    if kind in found and found[kind].modified < older_than:
                        yield found[kind].key


def _current(info: ObjectInfo | None, marked: dict[str, ObjectInfo | None]) -> ObjectInfo | None:
    return None if info is None else marked.get(info.key, info)


def _stored(sha256: str, info: ObjectInfo, renewed: ObjectInfo | None) -> _Stored:
    time = max(stored_at(each) for each in (info, renewed) if each is not None)
    return _Stored(StoredFile(sha256, info.size, time), info, renewed is not None)
