"""Copy everything from one repository to another: notices first, then files, documents and heads.

Bytes are copied verbatim and hashed again on arrival. What is damaged at the source is reported and left out, and with
it what would refer to it: no document comes without its files (withdrawn ones excepted), no head without its document.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from typing import Final, NamedTuple, TypeVar

from stat7.address import Address
from stat7.errors import Corrupt
from stat7.files.base import StoredFile
from stat7.operations.digest import digest
from stat7.operations.resuming import Progress
from stat7.operations.transfer import CopyProblem as CopyProblem
from stat7.operations.transfer import CopyResult as CopyResult
from stat7.operations.transfer import OnProblem, Transfer, read_source
from stat7.operations.verify import verify_files
from stat7.paging import DOCUMENTS, NAMES, walk
from stat7.progress import Report, silent
from stat7.record import Notice, Record
from stat7.repository import Repository
from stat7.stores.base import Finding, HeadMove
from stat7.versions import find_ancestors

STAGES: Final = ("files", "documents", "heads")
"""What a copy that was cut off need not do again; notices come before, always from the first on."""

BATCH: Final = 5000
"""Most documents written in one call."""

BATCH_BYTES: Final = 16 * 1024 * 1024
"""Bytes of documents, about, that are enough for one call."""

HEAD_RACES: Final = 8
"""Times that a head is tried again which others keep moving at the destination."""

Item = TypeVar("Item")


def copy(
    source: Repository,
    target: Repository,
    *,
    verify: bool = False,
    on_problem: OnProblem = lambda problem: None,
    report: Report = silent,
) -> CopyResult:
    """Copy all that `source` holds. Repeating it is harmless, and one that was cut off goes on where it was.

    A head at the target that is an ancestor moves, an equal or newer one stays, a diverged one is reported and left.
    With `verify` the target is read back, files too, and the digests of both are compared: they agree only if it holds
    the same and nothing else.
    """
    transfer = Transfer(source, target, on_problem)
    notices = _copy_notices(transfer, report)
    progress = Progress(source.store, target.store, STAGES, notices)
    _copy_files(transfer, progress, report)
    _copy_documents(transfer, progress, report)
    _copy_heads(transfer, progress, report)
    progress.finish()
    if verify:
        _read_back(transfer, report)
    return transfer.result


def _save(transfer: Transfer, progress: Progress, stage: str, cursor: str | None) -> None:
    """Note how far the copy is, unless something was left out: one that is cut off must come by there again."""
    if not transfer.result.problems:
        progress.save(stage, cursor)


def _copy_notices(transfer: Transfer, report: Report) -> int:
    """Withdraw at the target what the source withdrew, documents and files; returns how many notices there are."""
    done = count = 0
    total = transfer.source.store.count()
    for page in walk(transfer.source.store.scan, DOCUMENTS):
        notices = [held for _, held in page.items if isinstance(held, Notice)]
        transfer.withdraw(notices)
        count += len(notices)
        done += len(page.items)
        report("notices", done, max(done, total))
    for files in walk(transfer.source.files.scan, NAMES):
        notices = [item for item in files.items if isinstance(item, Notice)]
        transfer.withdraw_files(notices)
        count += len(notices)
    return count


def _copy_files(transfer: Transfer, progress: Progress, report: Report) -> None:
    done = 0

    def count() -> None:
        nonlocal done
        done += 1
        report("files", done, None)

    for page in progress.pages("files", transfer.source.files.scan, NAMES):
        transfer.copy_files([item for item in page.items if isinstance(item, StoredFile)], count)
        _save(transfer, progress, "files", page.cursor)


def _copy_documents(transfer: Transfer, progress: Progress, report: Report) -> None:
    done, total = 0, transfer.source.store.count()
    with closing(_ahead(_read_batches(transfer, progress))) as batches:
        for batch in batches:
            for problem in batch.damaged:
                transfer.problem(*problem)
            transfer.result.documents_existed += batch.existed
            if batch.records:
                transfer.store(batch.records)
            _save(transfer, progress, "documents", batch.cursor)
            done += len(batch.records) + batch.existed + len(batch.damaged)
            report("documents", done, max(done, total))


class _Batch(NamedTuple):
    """Documents of the source up to `cursor`: those to store, how many the target has, what is wrong with the rest."""

    records: list[Record]
    existed: int
    damaged: list[CopyProblem]
    cursor: str | None


def _read_batches(transfer: Transfer, progress: Progress) -> Iterator[_Batch]:
    """Documents read, hashed and, unless the target has them, parsed, in batches worth writing."""
    target = transfer.target.store
    most = min(BATCH, target.capabilities.max_batch)
    limit = min(DOCUMENTS, most)
    records: list[Record] = []
    damaged: list[CopyProblem] = []
    existed = size = 0
    for page in progress.pages("documents", transfer.source.store.scan, limit):
        documents = {address: held for address, held in page.items if isinstance(held, bytes)}
        there = target.has(list(documents))
        for address, document in documents.items():
            read = read_source(address, document, trusted=address in there)
            if isinstance(read, Record):
                records.append(read)
                size += len(document)
            elif isinstance(read, CopyProblem):
                damaged.append(read)
            else:
                existed += 1
        if len(records) + limit > most or size > BATCH_BYTES or page.cursor is None:
            yield _Batch(records, existed, damaged, page.cursor)
            records, damaged, existed, size = [], [], 0, 0


def _ahead(items: Iterator[Item]) -> Generator[Item, None, None]:
    """The items, the next one being made by another thread while the last is worked on."""
    end = object()
    with ThreadPoolExecutor(1, "stat7-copy") as pool:
        following = pool.submit(next, items, end)
        while (item := following.result()) is not end:
            following = pool.submit(next, items, end)
            yield item  # type: ignore[misc]


def _copy_heads(transfer: Transfer, progress: Progress, report: Report) -> None:
    done = 0
    for page in progress.pages("heads", transfer.source.store.scan_heads, NAMES):
        waiting = dict(page.items)
        for _ in range(HEAD_RACES):
            waiting = _move_heads(transfer, waiting)
            if not waiting:
                break
        for id in waiting:
            transfer.problem("head", id, "left out: it keeps moving at the destination; copy again")
        _save(transfer, progress, "heads", page.cursor)
        done += len(page.items)
        report("heads", done, None)


def _move_heads(transfer: Transfer, wanted: Mapping[str, Address]) -> dict[str, Address]:
    """Bring heads of the target to where the source's are; returns those that moved meanwhile."""
    store, result = transfer.target.store, transfer.result
    current = store.heads(list(wanted))
    waiting = {id: address for id, address in wanted.items() if current.get(id) != address}
    result.heads_existed += len(wanted) - len(waiting)
    absent = transfer.fetch(list(waiting.values()))
    for id in [id for id, address in waiting.items() if address in absent]:
        transfer.problem("head", id, f"left out: its version {waiting.pop(id)} could not be copied")
    behind = find_ancestors(store, {id: (waiting[id], {current[id]}) for id in waiting.keys() & current.keys()})
    stuck = {id for id in waiting.keys() & current.keys() if current[id] not in behind.behind[id]}
    newer = find_ancestors(store, {id: (current[id], {waiting[id]}) for id in stuck})
    for id in sorted(stuck):
        address = waiting.pop(id)
        if address in newer.behind[id]:
            result.heads_existed += 1
        elif id in behind.damaged or id in newer.damaged:
            transfer.problem("head", id, f"left at {current[id]}: {behind.damaged.get(id) or newer.damaged[id]}")
        else:
            result.heads_diverged += 1
            transfer.problem("head", id, f"diverged: {address} at the source, left at {current[id]}")
    moves = [HeadMove(id, current.get(id), address) for id, address in waiting.items()]
    done = store.swap_heads(moves)
    result.heads_new += sum(done)
    return {move.id: waiting[move.id] for move, moved in zip(moves, done, strict=True) if not moved}


def _read_back(transfer: Transfer, report: Report) -> None:
    """Read all of the target, files too, and take the digests of both."""

    def on_finding(finding: Finding, repaired: bool) -> None:
        transfer.problem(finding.kind, finding.subject, f"at the destination: {finding.detail}")

    verify_files(transfer.target, on_finding=on_finding, report=report)
    try:
        # Side by side: one of them at least waits for its disk or server.
        with ThreadPoolExecutor(1, "stat7-copy") as pool:
            source = pool.submit(digest, transfer.source)
            transfer.result.target = digest(transfer.target, report=report)
            transfer.result.source = source.result()
    except Corrupt as error:
        transfer.problem("document", error.address, f"damaged ({error.found}), so that no digest can be taken")
