"""Copy everything from one repository to another: notices first, then files, documents and heads.

Bytes are copied verbatim and hashed again on arrival. What is damaged at the source is reported and left out, and with
it what would refer to it: no document comes without its files (withdrawn ones excepted), no head without its document.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from typing import Final, NamedTuple

from stat7.address import Address
from stat7.contracts import Page
from stat7.errors import Corrupt
from stat7.files.base import StoredFile
from stat7.operations.digest import DigestTaker, Named, digest
from stat7.operations.pipeline import pipelined
from stat7.operations.resuming import Progress
from stat7.operations.transfer import CopyProblem as CopyProblem
from stat7.operations.transfer import CopyResult as CopyResult
from stat7.operations.transfer import OnProblem, Transfer, read_source
from stat7.operations.verify import verify_files
from stat7.paging import DOCUMENTS, NAMES, walk
from stat7.progress import Report, silent
from stat7.record import Notice, Record
from stat7.repository import Repository
from stat7.stores.base import Finding, HeadMove, Store
from stat7.versions import find_ancestors

STAGES: Final = ("files", "documents", "heads")
"""What a copy that was cut off need not do again; notices come before, always from the first on."""

BATCH: Final = 5000
"""Most documents written in one call."""

BATCH_BYTES: Final = 16 * 1024 * 1024
"""Bytes of documents, about, that are enough for one call."""

WRITERS: Final = 2
"""Batches written at the same time: while one waits for the destination, another is made ready."""

LOOK_EVERY: Final = 20
"""One page in so many is looked up at the destination before it is parsed; if something is there, the next one too."""

HEAD_RACES: Final = 8
"""Times that a head is tried again which others keep moving at the destination."""


def copy(
    source: Repository,
    target: Repository,
    *,
    verify: bool = False,
    name: str = "",
    on_problem: OnProblem = lambda problem: None,
    report: Report = silent,
) -> CopyResult:
    """Copy all that `source` holds. Repeating it is harmless, and one that was cut off goes on where it was.

    A head at the target that is an ancestor moves, an equal or newer one stays, a diverged one is reported and left.
    With `verify` the target is read back, files too, and the digests of both are compared: they agree only if it holds
    the same and nothing else. `name` stands for the source, so that a copy from elsewhere is not gone on with by
    mistake. `on_problem` is told what is left out, by one thread at a time.
    """
    transfer = Transfer(source, target, on_problem)
    with closing(DigestTaker(source.store.capabilities.ordered_scan)) as taker:
        notices = _copy_notices(transfer, taker, report)
        progress = Progress(source.store, target.store, STAGES, f"{name} {notices}")
        transfer.reread = progress.resumed
        _copy_files(transfer, progress, report)
        _copy_documents(transfer, taker, progress, report)
        _copy_heads(transfer, taker, progress, report)
        progress.finish()
        if verify:
            _read_back(transfer, taker, report)
    return transfer.result


def _save(transfer: Transfer, progress: Progress, stage: str, cursor: str | None) -> None:
    """Note how far the copy is, unless something was left out: one that is cut off must come by there again."""
    if not transfer.result.problems:
        progress.save(stage, cursor)


def _copy_notices(transfer: Transfer, taker: DigestTaker, report: Report) -> int:
    """Withdraw at the target what the source withdrew, documents and files; returns how many notices there are."""
    done = 0
    for page in walk(transfer.source.store.scan_notices, NAMES):
        transfer.withdraw(page.items)
        done += len(page.items)
        report("notices", done, None)
    for page in walk(transfer.source.files.scan_notices, NAMES):
        transfer.withdraw_files(page.items)
        taker.withdrawn_files(page.items)
        done += len(page.items)
        report("notices", done, None)
    return done


def _copy_files(transfer: Transfer, progress: Progress, report: Report) -> None:
    done = 0

    def count() -> None:
        nonlocal done
        done += 1
        report("files", done, None)

    for page in progress.pages("files", transfer.source.files.scan, NAMES):
        transfer.copy_files([item for item in page.items if isinstance(item, StoredFile)], count)
        _save(transfer, progress, "files", page.cursor)


def _copy_documents(transfer: Transfer, taker: DigestTaker, progress: Progress, report: Report) -> None:
    def store(batch: _Batch) -> None:
        if batch.records:
            transfer.store(batch.records, batch.moves)

    done, total = 0, transfer.source.store.count()
    with closing(pipelined(store, _read_batches(transfer, taker, progress), WRITERS)) as batches:
        for batch, _ in batches:
            for problem in batch.damaged:
                transfer.problem(*problem)
            transfer.count(documents_existed=batch.existed)
            _save(transfer, progress, "documents", batch.cursor)
            done += len(batch.records) + batch.existed + len(batch.damaged)
            report("documents", done, max(done, total))


class _Batch(NamedTuple):
    """Documents of the source up to `cursor`: those to store, how many the target has, what is wrong with the rest.

    `moves`: first heads for those that are the current versions at the source.
    """

    records: list[Record]
    moves: list[HeadMove]
    existed: int
    damaged: list[CopyProblem]
    cursor: str | None


def _read_batches(transfer: Transfer, taker: DigestTaker, progress: Progress) -> Iterator[_Batch]:
    """Documents read, hashed and, unless the target has them, parsed, in batches worth writing."""
    target = transfer.target.store
    most = min(BATCH, target.capabilities.max_batch)
    limit = min(DOCUMENTS, most)
    records: list[Record] = []
    damaged: list[CopyProblem] = []
    existed = size = 0
    likely = False
    for number, page in enumerate(progress.pages("documents", transfer.source.store.scan, limit)):
        documents = {address: held for address, held in page.items if isinstance(held, bytes)}
        # Where nothing is there yet, asking for each page again costs more than it saves; storing tells as well.
        there = target.has(list(documents)) if likely or number % LOOK_EVERY == 0 else set()
        likely = bool(there)
        entities: list[tuple[Address, Named | None]] = []
        for address, document in documents.items():
            read = read_source(address, document, trusted=address in there)
            if isinstance(read, CopyProblem):
                damaged.append(read)
            elif isinstance(read, Record):
                records.append(read)
                size += len(document)
                entities.append((address, [(entry.sha256, entry.size) for entry in read.files] if read.files else ()))
            else:
                existed += 1
                entities.append((address, read))
        entities += [(address, None) for address, held in page.items if isinstance(held, Notice)]
        taker.entities(entities)
        if len(records) + limit > most or size > BATCH_BYTES or page.cursor is None:
            transfer.reread |= bool(damaged)
            yield _Batch(records, _first_heads(transfer.source.store, records), existed, damaged, page.cursor)
            records, damaged, existed, size = [], [], 0, 0


def _first_heads(source: Store, records: Sequence[Record]) -> list[HeadMove]:
    """Moves that come cheaper with the documents than after them; which of them can be made shows when they are tried.

    None to a document that names files: it may have to be taken back.
    """
    plain = [record for record in records if not record.files]
    heads = source.heads([record.id for record in plain]) if plain else {}
    return [HeadMove(record.id, None, record.address) for record in plain if heads.get(record.id) == record.address]


def _copy_heads(transfer: Transfer, taker: DigestTaker, progress: Progress, report: Report) -> None:
    def move(page: Page[tuple[str, Address]]) -> dict[str, Address]:
        waiting = dict(page.items)
        for _ in range(HEAD_RACES):
            waiting = _move_heads(transfer, waiting)
            if not waiting:
                break
        return waiting

    done = 0
    pages = progress.pages("heads", transfer.source.store.scan_heads, NAMES)
    with closing(pipelined(move, pages, WRITERS)) as moved:
        for page, waiting in moved:
            for id in waiting:
                transfer.problem("head", id, "left out: it keeps moving at the destination; copy again")
            _save(transfer, progress, "heads", page.cursor)
            taker.heads(page.items)
            done += len(page.items)
            report("heads", done, None)


def _move_heads(transfer: Transfer, wanted: Mapping[str, Address]) -> dict[str, Address]:
    """Bring heads of the target to where the source's are; returns those that moved meanwhile."""
    store = transfer.target.store
    current = store.heads(list(wanted))
    waiting = {id: address for id, address in wanted.items() if current.get(id) != address}
    transfer.count(heads_existed=len(wanted) - len(waiting))
    absent = transfer.fetch(list(waiting.values()))
    for id in [id for id, address in waiting.items() if address in absent]:
        transfer.problem("head", id, f"left out: its version {waiting.pop(id)} could not be copied")
    behind = find_ancestors(store, {id: (waiting[id], {current[id]}) for id in waiting.keys() & current.keys()})
    stuck = {id for id in waiting.keys() & current.keys() if current[id] not in behind.behind[id]}
    newer = find_ancestors(store, {id: (current[id], {waiting[id]}) for id in stuck})
    for id in sorted(stuck):
        address = waiting.pop(id)
        if address in newer.behind[id]:
            transfer.count(heads_existed=1)
        elif id in behind.damaged or id in newer.damaged:
            transfer.problem("head", id, f"left at {current[id]}: {behind.damaged.get(id) or newer.damaged[id]}")
        else:
            transfer.count(heads_diverged=1)
            transfer.problem("head", id, f"diverged: {address} at the source, left at {current[id]}")
    moves = [HeadMove(id, current.get(id), address) for id, address in waiting.items()]
    done = store.swap_heads(moves)
    transfer.count(heads_new=sum(done))
    return {move.id: waiting[move.id] for move, moved in zip(moves, done, strict=True) if not moved}


def _read_back(transfer: Transfer, taker: DigestTaker, report: Report) -> None:
    """Read all of the target, files too, and take its digests; those of the source were taken on the way, as a rule."""

    def on_finding(finding: Finding, repaired: bool) -> None:
        transfer.problem(finding.kind, finding.subject, f"at the destination: {finding.detail}")

    verify_files(transfer.target, on_finding=on_finding, report=report)
    try:
        # Side by side: one of them at least waits for its disk or server.
        with ThreadPoolExecutor(1, "stat7-copy") as pool:
            source = pool.submit(digest, transfer.source) if transfer.reread else pool.submit(taker.digests)
            transfer.result.target = digest(transfer.target, report=report)
            transfer.result.source = source.result()
    except Corrupt as error:
        transfer.problem("document", error.address, f"damaged ({error.found}), so that no digest can be taken")
