"""What becomes of an imported item whose id has another version: the same facts, a conflict, or the next version.

Facts are all members of a document but `previous`. Everything is asked of the store for a whole batch at once.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

import orjson

from stat7.address import Address
from stat7.errors import Conflict, Gone, InvalidEntity
from stat7.record import Notice, Record, address_of, normalise
from stat7.repository import PutResult, Repository, Status

_TRIES: Final = 32


def settle(
    repo: Repository,
    records: Sequence[Record],
    keeps_history: Sequence[bool],
    results: list[PutResult],
    *,
    update: bool,
) -> None:
    """Look again at the items of a batch whose id's current version is another document, and correct their results.

    The same facts as the current version: EXISTED. Other facts: CONFLICT, or with `update` put as the version after the
    current one, also where they are those of an older version (unless the item keeps its own history). Without `update`
    a document that names what it replaces is taken at its word: its conflict stays.
    """
    doubtful = [
        index
        for index, (record, result) in enumerate(zip(records, results, strict=True))
        if (result.status is Status.CONFLICT and (update or record.previous is None))
        or (result.status is Status.EXISTED and update and not keeps_history[index])
    ]
    if not doubtful:
        return
    heads = _heads(repo, (records[index].id for index in doubtful))
    waiting = [index for index in doubtful if heads.get(records[index].id) != records[index].address]
    tries = dict.fromkeys(waiting, _TRIES)
    while waiting:
        # Several items of one id come one after the other: each has to see what the one before it made current.
        now = {records[index].id: index for index in reversed(waiting)}
        raced = _round(repo, records, list(now.values()), results, update)
        for index in now.values():
            tries[index] -= 1
        settled = {index for index in now.values() if index not in raced or not tries[index]}
        waiting = [index for index in waiting if index not in settled]


def _round(
    repo: Repository, records: Sequence[Record], indexes: Sequence[int], results: list[PutResult], update: bool
) -> set[int]:
    """Settle items of different ids; returns those whose head moved meanwhile, to be tried again."""
    heads = _heads(repo, (records[index].id for index in indexes))
    current = repo.get_documents(list(heads.values()))
    changed: list[int] = []
    for index in indexes:
        record = records[index]
        head = heads.get(record.id)
        document = current.get(head) if head is not None else None
        if head == record.address or (isinstance(document, bytes) and _same_facts(record, document)):
            results[index] = PutResult(Status.EXISTED, head)
        else:
            changed.append(index)
            if head is not None:
                results[index] = PutResult(Status.CONFLICT, record.address, Conflict(record.id, head))
    if not update or not changed:
        return set()
    blocked = _withdrawn_facts(repo, {index: (records[index], heads.get(records[index].id)) for index in changed})
    for index, notice in blocked.items():
        results[index] = PutResult(Status.WITHDRAWN, notice.address, Gone(notice))
    return _put_next(repo, {index: records[index] for index in changed if index not in blocked}, heads, results)


def _put_next(
    repo: Repository, records: Mapping[int, Record], heads: Mapping[str, Address], results: list[PutResult]
) -> set[int]:
    """Put each record as the version after its id's head; returns those that lost a race."""
    versions: dict[int, Record] = {}
    for index, record in records.items():
        try:
            versions[index] = normalise(_facts(record.document, heads.get(record.id)))
        except InvalidEntity as error:  # a document at the very limit of size has no room for the address
            results[index] = PutResult(Status.REFUSED, None, error)
    stored = repo.put_many(versions.values())
    results_by_index = dict(zip(versions, stored, strict=True))
    for index, result in results_by_index.items():
        results[index] = result
    return {index for index, result in results_by_index.items() if result.status is Status.CONFLICT}


def _withdrawn_facts(repo: Repository, wanted: Mapping[int, tuple[Record, Address | None]]) -> dict[int, Notice]:
    """Those of the records whose facts were withdrawn as some version behind the head, with the notice.

    The histories of all ids are walked in step, so it takes as many calls as the longest of them has versions.
    """
    found: dict[int, Notice] = {}
    frontier = {index: head for index, (_, head) in wanted.items() if head is not None}
    met: dict[int, set[Address]] = {index: set() for index in frontier}
    while frontier:
        documents = repo.get_documents(list(frontier.values()))
        following: dict[int, Address] = {}
        for index, address in frontier.items():
            item = documents.get(address)
            if isinstance(item, Notice):
                previous = item.previous
                if _facts_address(wanted[index][0].document, previous) == address:
                    found[index] = item
                    continue
            else:
                previous = None if item is None else orjson.loads(item)["previous"]
            # No hash binds what a notice says: notices from elsewhere may lead in a circle.
            met[index].add(address)
            if previous is not None and previous not in met[index]:
                following[index] = previous
        frontier = following
    return found


def _heads(repo: Repository, ids: Iterable[str]) -> dict[str, Address]:
    names = list(dict.fromkeys(ids))
    size = repo.store.capabilities.max_batch
    heads: dict[str, Address] = {}
    for start in range(0, len(names), size):
        heads |= repo.store.heads(names[start : start + size])
    return heads


def _same_facts(record: Record, document: bytes) -> bool:
    return _facts_address(document, record.previous) == record.address


def _facts_address(document: bytes, previous: Address | None) -> Address:
    """The address that a document would have if it replaced `previous`."""
    return address_of(_facts(document, previous))


def _facts(document: bytes, previous: Address | None) -> dict[str, Any]:
    facts: dict[str, Any] = orjson.loads(document)
    facts["previous"] = previous
    return facts
