"""Which head moves a batch of versions asks for: the rule of put, step 4.

Given the current head of each id and the chain of versions behind it, every record of the batch is either applied (its
id's head moves to it), known (it is the head or one of its ancestors: the head stays) or in conflict.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from stat7.address import Address
from stat7.errors import Corrupt
from stat7.record import Record
from stat7.stored import get_each, previous_of
from stat7.stores.base import HeadMove, Store


class Decision(NamedTuple):
    """Head moves to try, and for each record in conflict the head that is in its way."""

    moves: list[HeadMove]
    conflicts: dict[Address, Address]


class Ancestors(NamedTuple):
    """For each id what was met behind its head, or the damage that ended the walk."""

    behind: dict[str, set[Address]]
    damaged: dict[str, Corrupt]


def group_by_id(records: Iterable[Record]) -> dict[str, dict[Address, Record]]:
    """The distinct records of each id, in the order given."""
    groups: dict[str, dict[Address, Record]] = {}
    for record in records:
        groups.setdefault(record.id, {})[record.address] = record
    return groups


def unplaced(group: Mapping[Address, Record], head: Address | None) -> set[Address]:
    """Those of an id's records that only the chain of versions behind its head can judge.

    The others are the head, replace it, or follow the judgement on the record that they replace.
    """
    if head is None:
        return set()
    return {
        address
        for address, record in group.items()
        if address != head and record.previous != head and record.previous not in group
    }


def find_ancestors(store: Store, wanted: Mapping[str, tuple[Address, set[Address]]]) -> Ancestors:
    """Walk from a head of each id through `previous`, all ids in step; the first version not stored is met too.

    `wanted` gives for each id where to begin and what to look for: its walk ends early when all of that was met.
    """
    behind: dict[str, set[Address]] = {id: set() for id in wanted}
    damaged: dict[str, Corrupt] = {}
    frontier = {id: head for id, (head, _) in wanted.items()}
    while frontier:
        held = get_each(store, list(frontier.values()))
        following: dict[str, Address] = {}
        for id, address in frontier.items():
            try:
                previous = previous_of(id, address, held.get(address))
            except Corrupt as error:
                damaged[id] = error
                continue
            # No hash binds what a notice says: notices from elsewhere may lead in a circle.
            if previous is not None and previous not in behind[id]:
                behind[id].add(previous)
                if not wanted[id][1] <= behind[id]:
                    following[id] = previous
        frontier = following
    return Ancestors(behind, damaged)


def decide(
    groups: Mapping[str, Mapping[Address, Record]],
    heads: Mapping[str, Address],
    ancestors: Mapping[str, set[Address]],
) -> Decision:
    """Apply each id's records in chain order to its head.

    `ancestors[id]` holds the addresses reachable from the head of `id` through `previous`, the first missing one
    included; it is needed only where `unplaced` says so.
    """
    moves: list[HeadMove] = []
    conflicts: dict[Address, Address] = {}
    for id, group in groups.items():
        before = head = heads.get(id)
        if head is None and len(group) == 1:
            moves.append(HeadMove(id, None, next(iter(group))))
            continue
        behind = _extended(ancestors.get(id, ()), head, group)
        for record in _in_chain_order(group):
            if head is None or head == record.previous:
                if head is not None:
                    behind.add(head)
                if record.previous is not None:
                    behind.add(record.previous)
                head = record.address
            elif record.address != head and record.address not in behind:
                conflicts[record.address] = head
        if head is not None and head != before:
            moves.append(HeadMove(id, before, head))
    return Decision(moves, conflicts)


def _extended(known: Iterable[Address], head: Address | None, group: Mapping[Address, Record]) -> set[Address]:
    """What is behind the head, once the batch's own records have supplied links that are missing in the store."""
    behind = set(known)
    reached = [address for address in group if address == head or address in behind]
    while reached:
        previous = group[reached.pop()].previous
        if previous is not None and previous not in behind:
            behind.add(previous)
            if previous in group:
                reached.append(previous)
    return behind


def _in_chain_order(group: Mapping[Address, Record]) -> list[Record]:
    """The records with every one after the version it replaces; otherwise as given."""
    if len(group) == 1:
        return list(group.values())
    ordered: dict[Address, Record] = {}
    for record in group.values():
        chain = []
        step: Record | None = record
        while step is not None and step.address not in ordered:
            chain.append(step)
            step = group.get(step.previous) if step.previous is not None else None
        ordered.update((link.address, link) for link in reversed(chain))
    return list(ordered.values())
