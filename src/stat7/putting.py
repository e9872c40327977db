"""How a batch of documents is put: files looked at, documents stored, heads moved, files looked at once more.

Each document has its own outcome. Nothing is acknowledged before its last step is done, so putting the batch again
completes whatever was cut off.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from enum import Enum
from typing import Final, NamedTuple

from stat7.address import Address
from stat7.errors import Conflict, Corrupt, Gone, InvalidEntity, Stat7Error, Unavailable
from stat7.files.base import FileStore, StoredFile
from stat7.record import Notice, Record
from stat7.stored import get_each, version_of
from stat7.stores.base import HeadMove, Outcome, Store
from stat7.versions import decide, find_ancestors, group_by_id, unplaced

REFRESH_AFTER_MS: Final = 24 * 3600 * 1000
"""A named file older than this is renewed by a put, so that gc (grace of two days or more) leaves it alone."""

MAX_HEAD_RACES: Final = 32
"""Rounds of a put whose head moves are lost to other writers, before it answers that the store is unavailable."""


class Status(Enum):
    """What became of one item of a put."""

    NEW = "new"
    EXISTED = "existed"
    CONFLICT = "conflict"
    WITHDRAWN = "withdrawn"
    REFUSED = "refused"
    UNAVAILABLE = "unavailable"


class PutResult(NamedTuple):
    """The outcome of one item: its address (None if it couldn't be read), and the error if it wasn't stored."""

    status: Status
    address: Address | None
    error: Stat7Error | None = None


class FileLook(NamedTuple):
    """What became of the files that a batch names: an error for each document to refuse, and the files renewed."""

    refused: dict[Address, Stat7Error]
    renewed: set[str]


_STORED: Final = {Outcome.NEW: Status.NEW, Outcome.EXISTED: Status.EXISTED}


def put_batch(store: Store, files: FileStore, records: Sequence[Record], now_ms: int) -> list[PutResult]:
    """Put records, at most `capabilities.max_batch`; one result each, in order. `now_ms`: ms since 1970.

    A store that fails, with whatever error of stat7.errors, makes what is not acknowledged yet UNAVAILABLE.
    """
    batch = _Batch(store, files, records)
    try:
        batch.check_files(now_ms)
        batch.commit()
        batch.look_again()
    except Stat7Error as error:
        batch.fail(error)
    return batch.in_order()


def look_at_files(files: FileStore, records: Iterable[Record], now_ms: int) -> FileLook:
    """Refuse records that name a file which isn't stored (InvalidEntity) or is withdrawn (Gone); renew old files."""
    naming = [record for record in records if record.files]
    names = {entry.sha256 for record in naming for entry in record.files}
    if not names:
        return FileLook({}, set())
    stored = files.stat(list(names))
    before = now_ms - REFRESH_AFTER_MS
    old = {name for name, file in stored.items() if isinstance(file, StoredFile) and file.stored_at < before}
    if old:
        for name in old - files.refresh(list(old)):
            del stored[name]
    errors = ((record.address, _file_error(record, stored)) for record in naming)
    return FileLook({address: error for address, error in errors if error is not None}, old & stored.keys())


def naming_lost_files(files: FileStore, records: Iterable[Record], renewed: set[str]) -> dict[Address, str]:
    """Of these records, those that name a renewed file which gc has erased nevertheless, each with that file."""
    lost = renewed - files.stat(list(renewed)).keys() if renewed else set()
    if not lost:
        return {}
    named = ((record.address, next((e.sha256 for e in record.files if e.sha256 in lost), None)) for record in records)
    return {address: sha256 for address, sha256 in named if sha256 is not None}


class _Batch:
    """One put under way: `results` holds what is settled, `waiting` the records that are not."""

    def __init__(self, store: Store, files: FileStore, records: Sequence[Record]) -> None:
        self.store = store
        self.files = files
        self.records = records
        self.waiting = list(records)
        self.results: dict[Address, PutResult] = {}
        self.outcomes: dict[Address, Outcome] = {}
        self.renewed: set[str] = set()

    def check_files(self, now_ms: int) -> None:
        refused, self.renewed = look_at_files(self.files, self.records, now_ms)
        if refused:
            for address, error in refused.items():
                status = Status.WITHDRAWN if isinstance(error, Gone) else Status.REFUSED
                self.results[address] = PutResult(status, address, error)
            self._settle_withdrawn(list(refused))
            self.waiting = [record for record in self.waiting if record.address not in refused]

    def commit(self) -> None:
        """Store the records and move heads; repeat with fresh heads for ids whose head moved meanwhile."""
        for _ in range(MAX_HEAD_RACES):
            if not self.waiting:
                return
            self._try_once()
        raise Unavailable(f"the head of {self.waiting[0].id} keeps moving; try again later")

    def look_again(self) -> None:
        """Take back new documents whose file gc erased between our look and our put."""
        for address, sha256 in self._take_back(naming_lost_files(self.files, self.records, self.renewed)).items():
            reason = f"the file {sha256} was collected meanwhile; put it again, then the document"
            self.results[address] = PutResult(Status.REFUSED, address, InvalidEntity("files", reason))
        self.renewed = set()

    def fail(self, error: Stat7Error) -> None:
        """What isn't settled, or names a file that wasn't looked at again, is not acknowledged."""
        for record in self.records:
            settled = self.results.get(record.address)
            unsure = settled is not None and settled.error is None and self.renewed
            if settled is None or (unsure and any(entry.sha256 in self.renewed for entry in record.files)):
                self.results[record.address] = PutResult(Status.UNAVAILABLE, record.address, error)

    def in_order(self) -> list[PutResult]:
        """One result per record; of equal records only the first can have been new."""
        results = self.results
        ordered = [results[record.address] for record in self.records]
        if len(results) < len(ordered):
            seen: set[Address] = set()
            for index, record in enumerate(self.records):
                if record.address in seen and ordered[index].status is Status.NEW:
                    ordered[index] = PutResult(Status.EXISTED, record.address)
                seen.add(record.address)
        return ordered

    def _try_once(self) -> None:
        moves = self._plan()
        storing, self.waiting = self.waiting, []
        if not storing:
            return
        outcomes, moved = self.store.put(storing, moves)
        lost = {move.id for move, done in zip(moves, moved, strict=True) if not done}
        withdrawn: list[Address] = []
        for record, outcome in zip(storing, outcomes, strict=True):
            address = record.address
            if outcome is Outcome.WITHDRAWN:
                withdrawn.append(address)
            elif record.id in lost:
                # The first outcome counts: the next round finds what this one stored.
                self.outcomes.setdefault(address, outcome)
                self.waiting.append(record)
            elif address not in self.results:
                self.results[address] = PutResult(_STORED[self.outcomes.get(address, outcome)], address)
        self._settle_withdrawn(withdrawn)

    def _plan(self) -> list[HeadMove]:
        """Judge what is waiting by the heads as they are now: settles conflicts, returns the moves for the rest."""
        groups = group_by_id(self.waiting)
        heads = self.store.heads(list(groups))
        roots = {id: unplaced(group, heads.get(id)) for id, group in groups.items()} if heads else {}
        wanted = {id: (heads[id], addresses) for id, addresses in roots.items() if addresses}
        behind, damaged = find_ancestors(self.store, wanted)
        for id, error in damaged.items():
            self._settle(Status.UNAVAILABLE, dict.fromkeys(groups.pop(id), error))
        moves, conflicts = decide(groups, heads, behind)
        if conflicts or damaged:
            against = {record.address: record.id for record in self.waiting if record.address in conflicts}
            self._settle(
                Status.CONFLICT, {address: Conflict(id, conflicts[address]) for address, id in against.items()}
            )
            settled = [record.address for record in self.waiting if record.address in self.results]
            self._settle_withdrawn(settled)
            self.waiting = [record for record in self.waiting if record.address not in self.results]
        return moves

    def _settle(self, status: Status, errors: Mapping[Address, Stat7Error]) -> None:
        self.results |= {address: PutResult(status, address, error) for address, error in errors.items()}

    def _settle_withdrawn(self, addresses: Sequence[Address]) -> None:
        """Those of the addresses that have a notice are Gone, whatever else is wrong with them."""
        if addresses:
            held = get_each(self.store, addresses)
            gone = {address: Gone(notice) for address, notice in held.items() if isinstance(notice, Notice)}
            self._settle(Status.WITHDRAWN, gone)

    def _take_back(self, lost: Mapping[Address, str]) -> dict[Address, str]:
        """Remove new documents that name a lost file; returns all acknowledged ones that do, with that file."""
        lost = {address: sha256 for address, sha256 in lost.items() if self.results[address].error is None}
        new = {address for address in lost if self.results[address].status is Status.NEW}
        taken = {record.address: record for record in self.records if record.address in new}
        if taken:
            heads = self.store.heads([record.id for record in taken.values()])
            moves = [HeadMove(id, head, self._before(taken, head)) for id, head in heads.items() if head in taken]
            self.store.swap_heads(moves)
            self.store.discard(list(taken))
        return lost

    def _before(self, taken: Mapping[Address, Record], head: Address) -> Address | None:
        """The newest version behind `head` that is not among those taken back, if there is one."""
        id = taken[head].id
        back: Address | None = head
        while back is not None and back in taken:
            back = taken[back].previous
        if back is None:
            return None
        try:
            return back if version_of(id, back, self.store.get((back,)).get(back)) else None
        except Corrupt:
            # It was the head before this put, damaged or not.
            return back


def _file_error(record: Record, stored: Mapping[str, StoredFile | Notice]) -> Stat7Error | None:
    for index, entry in enumerate(record.files):
        found = stored.get(entry.sha256)
        if found is None:
            reason = f"the file {entry.sha256} ({entry.name}) is not stored; put it first, with `stat7 file put`"
            return InvalidEntity(f"files[{index}].sha256", reason)
        if isinstance(found, Notice):
            return Gone(found)
        if found.size != entry.size:
            return InvalidEntity(f"files[{index}].size", f"says {entry.size}, the stored file has {found.size} bytes")
    return None
