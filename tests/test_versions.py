"""Which head moves a batch asks for: every case of put's step 4, whatever the order in which records are given."""

from __future__ import annotations

from collections.abc import Sequence

from hypothesis import given
from hypothesis import strategies as st

from stat7.address import Address
from stat7.record import Record
from stat7.stores.base import HeadMove
from stat7.stores.memory import MemoryStore
from stat7.testing.samples import chain, notice, sample
from stat7.versions import decide, find_ancestors, group_by_id, unplaced


def ruling(
    records: Sequence[Record], head: Record | None = None, behind: Sequence[Record] = ()
) -> tuple[list[HeadMove], dict[Address, Address]]:
    """What `decide` says of records that all have the id of the head."""
    heads = {} if head is None else {head.id: head.address}
    ancestors = {record.id: {version.address for version in behind} for record in records}
    return decide(group_by_id(records), heads, ancestors)


def test_without_a_head_the_record_becomes_it() -> None:
    (record,) = chain("x", 1)
    assert ruling([record]) == ([HeadMove("x", None, record.address)], {})


def test_the_head_itself_moves_nothing() -> None:
    (record,) = chain("x", 1)
    assert ruling([record], head=record) == ([], {})


def test_a_record_that_replaces_the_head_moves_it() -> None:
    old, new = chain("x", 2)
    assert ruling([new], head=old) == ([HeadMove("x", old.address, new.address)], {})


def test_an_ancestor_of_the_head_moves_nothing() -> None:
    first, second, third = chain("x", 3)
    assert ruling([first], head=third, behind=[second, first]) == ([], {})


def test_anything_else_conflicts_with_the_head() -> None:
    old, new = chain("x", 2)
    stranger = sample("x", state={"other": True})
    fork = sample("x", state={"other": True}, previous=old.address)
    assert ruling([stranger, fork], head=new, behind=[old]) == (
        [],
        {stranger.address: new.address, fork.address: new.address},
    )


def test_what_follows_a_conflict_conflicts_too() -> None:
    (head,) = chain("x", 1)
    lost, child = chain("x", 3)[1:]
    stranger = sample("x", state={"other": True})
    follower = sample("x", previous=stranger.address)
    assert ruling([stranger, follower], head=head)[1].keys() == {stranger.address, follower.address}
    assert ruling([child, lost], head=head) == ([HeadMove("x", head.address, child.address)], {})


@given(st.permutations(range(6)), st.integers(0, 6))
def test_a_chain_in_any_order_moves_the_head_to_its_end_in_one_step(order: list[int], stored: int) -> None:
    versions = chain("x", 6)
    head = versions[stored - 1] if stored else None
    moves, conflicts = ruling([versions[at] for at in order], head=head, behind=versions[: max(0, stored - 1)])
    expected = [HeadMove("x", head.address if head else None, versions[5].address)] if stored < 6 else []
    assert (moves, conflicts) == (expected, {})


@given(st.permutations(range(5)))
def test_of_two_forks_in_a_batch_one_wins_and_the_other_conflicts_with_it(order: list[int]) -> None:
    root, left = chain("x", 2)
    records = [root, left, *(sample("x", state={"fork": n}, previous=root.address) for n in range(3))]
    moves, conflicts = ruling([records[at] for at in order])
    ((_, _, winner),) = moves
    assert winner not in (None, root.address)
    assert conflicts == {r.address: winner for r in records if r.address not in (winner, root.address)}


def test_links_that_only_the_batch_knows_count_as_behind_the_head() -> None:
    first, second, third, fourth = chain("x", 4)
    # Only the fourth is stored: the third is the first missing link, and what is behind it came in the same batch.
    assert ruling([first, second, third], head=fourth, behind=[third]) == ([], {})
    assert ruling([fourth, first, third, second], head=fourth) == ([], {})


def test_each_id_is_judged_alone() -> None:
    (x,), (y,) = chain("x", 1), chain("y", 1)
    moves, conflicts = decide(group_by_id([x, y]), {"y": "0" * 64}, {})
    assert (moves, conflicts) == ([HeadMove("x", None, x.address)], {y.address: "0" * 64})


def test_only_roots_of_a_batch_need_the_chain_behind_the_head() -> None:
    versions = chain("x", 4)
    group = group_by_id(versions[:3])["x"]
    assert unplaced(group, None) == set()
    assert unplaced(group, versions[3].address) == {versions[0].address}
    assert unplaced({versions[3].address: versions[3]}, versions[2].address) == set()
    assert unplaced({versions[3].address: versions[3]}, versions[3].address) == set()


def test_the_walk_behind_a_head_meets_the_first_missing_link_and_passes_notices() -> None:
    store = MemoryStore()
    versions = chain("x", 5)
    store.put(versions[1:])
    store.withdraw([notice(versions[2].address)])
    found = find_ancestors(store, {"x": (versions[4].address, {"0" * 64})})
    assert found.behind == {"x": {version.address for version in versions[:4]}}
    assert found.damaged == {}


def test_the_walk_ends_early_once_all_was_met_and_goes_on_for_other_ids() -> None:
    store = MemoryStore()
    x, y = chain("x", 4), chain("y", 4)
    store.put(x + y)
    found = find_ancestors(store, {"x": (x[3].address, {x[2].address}), "y": (y[3].address, {y[0].address})})
    assert found.behind == {"x": {x[2].address}, "y": {version.address for version in y[:3]}}


def test_damage_ends_the_walk_of_its_id_alone() -> None:
    store = MemoryStore()
    x, y = chain("x", 3), chain("y", 3)
    store.put(x + y)
    store.contents().documents[x[1].address] = b"damaged"
    found = find_ancestors(store, {"x": (x[2].address, {x[0].address}), "y": (y[2].address, {y[0].address})})
    assert found.behind["y"] == {y[0].address, y[1].address}
    assert found.behind["x"] == {x[1].address}
    assert found.damaged["x"].address == x[1].address


def test_the_walk_does_not_cross_into_another_id() -> None:
    store = MemoryStore()
    y = chain("y", 2)
    thief = sample("x", previous=y[1].address)
    store.put([*y, thief])
    assert find_ancestors(store, {"x": (thief.address, {y[0].address})}).behind == {"x": {y[1].address}}
