"""How a batch is put on several shards: records first, then the heads that live elsewhere than their new versions."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Protocol, TypeVar

from stat7.address import Address
from stat7.record import Notice, Record
from stat7.stores.base import HeadMove, Outcome, Store
from stat7.stores.sharded.shard_map import ShardMap

Item = TypeVar("Item")
Result = TypeVar("Result")


class Shards(Protocol):
    """What a put needs of the store over all shards."""

    shard_map: ShardMap

    def by_address(self, items: Sequence[Item], addresses: Iterable[Address]) -> dict[int, list[Item]]:
        """The items by shard."""
        ...

    def gather(self, jobs: Mapping[int, Callable[[Store], Result]]) -> dict[int, Result]:
        """Jobs on several shards at the same time."""
        ...

    def get(self, addresses: Sequence[Address]) -> dict[Address, bytes | Notice]:
        """Documents and notices."""
        ...

    def swap_heads(self, moves: Sequence[HeadMove]) -> list[bool]:
        """Moves on the shards of their heads."""
        ...


def put(shards: Shards, records: Sequence[Record], moves: Sequence[HeadMove]) -> tuple[list[Outcome], list[bool]]:
    """See ShardedStore.put."""
    parts = shards.by_address(records, [record.address for record in records])
    along, later = _divided(shards.shard_map, moves)
    jobs = {at: _job(parts.get(at, []), along.get(at, [])) for at in {**parts, **along}}
    answers = shards.gather(jobs)
    made = {move.id: moved for at, part in along.items() for move, moved in zip(part, answers[at][1], strict=True)}
    outcomes = {at: iter(answer[0]) for at, answer in answers.items()}
    ordered = [next(outcomes[shards.shard_map.shard_of(record.address)]) for record in records]
    if later:
        allowed = _allowed(shards, later, records, ordered)
        made |= zip((move.id for move in allowed), shards.swap_heads(allowed), strict=True)
    return ordered, [made.get(move.id, False) for move in moves]


def _job(records: Sequence[Record], moves: Sequence[HeadMove]) -> Callable[[Store], tuple[list[Outcome], list[bool]]]:
    return lambda store: store.put(records, moves)


def _divided(shard_map: ShardMap, moves: Sequence[HeadMove]) -> tuple[dict[int, list[HeadMove]], list[HeadMove]]:
    """Moves by the shards on which both head and address live, and the others."""
    along: dict[int, list[HeadMove]] = {}
    later: list[HeadMove] = []
    for move in moves:
        home = shard_map.home_of(move.id)
        if move.new is not None and shard_map.shard_of(move.new) == home:
            along.setdefault(home, []).append(move)
        else:
            later.append(move)
    return along, later


def _allowed(
    shards: Shards, moves: Sequence[HeadMove], records: Sequence[Record], outcomes: Sequence[Outcome]
) -> list[HeadMove]:
    """Those of the moves whose address was not withdrawn, which the shard of the head can't know."""
    told = {record.address: outcome for record, outcome in zip(records, outcomes, strict=True)}
    unknown = {move.new for move in moves if move.new is not None and move.new not in told}
    held = shards.get(list(unknown)) if unknown else {}
    barred = {address for address, kept in held.items() if isinstance(kept, Notice)}
    barred |= {address for address, outcome in told.items() if outcome is Outcome.WITHDRAWN}
    return [move for move in moves if move.new not in barred]
