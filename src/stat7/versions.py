"""Which head moves a batch of versions asks for: the rule of put, step 4, decided without touching a store.

Given the current head of each id and the chain of versions behind it, every record of the batch is either applied (its
id's head moves to it), known (it is the head or one of its ancestors: the head stays) or in conflict.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from stat7.address import Address
from stat7.record import Record
from stat7.stores.base import HeadMove


class Decision(NamedTuple):
    """Head moves to try, and for each record in conflict the head that is in its way."""

    moves: list[HeadMove]
    conflicts: dict[Address, Address]


def group_by_id(records: Iterable[Record]) -> dict[str, dict[Address, Record]]:
    """The distinct records of each id, in the order given."""
    groups: dict[str, dict[Address, Record]] = {}
    for record in records:
        groups.setdefault(record.id, {})[record.address] = record
    return groups


def needs_ancestors(group: Mapping[Address, Record], head: Address | None) -> bool:
    """Whether judging this id's records takes the chain of versions behind its head."""
    if head is None:
        return False
    return any(
        address != head and record.previous != head and record.previous not in group
        for address, record in group.items()
    )


def decide(
    groups: Mapping[str, Mapping[Address, Record]],
    heads: Mapping[str, Address],
    ancestors: Mapping[str, set[Address]],
) -> Decision:
    """Apply each id's records in chain order to its head.

    `ancestors[id]` holds the addresses reachable from the head of `id` through `previous`, the first missing one included;
    it is needed only where `needs_ancestors` says so.
    """
    moves: list[HeadMove] = []
    conflicts: dict[Address, Address] = {}
    for id, group in groups.items():
        before = head = heads.get(id)
        behind = set(ancestors.get(id, ()))
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
