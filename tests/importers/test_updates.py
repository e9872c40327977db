"""Items whose id has another version: the same facts, a conflict, or with `update` the next version."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stat7.address import Address
from stat7.errors import Conflict, Gone
from stat7.importers.base import Item
from stat7.record import MAX_DOCUMENT, Notice, Record
from stat7.repository import Repository
from stat7.stores.base import HeadMove, Outcome
from stat7.testing.samples import sample
from tests.importers.support import imported, memory_repository
from tests.repositories import KINDS, Intercepted, lead_in_a_circle, make_repository, with_store


def facts(value: object, id: str = "thing", previous: Address | None = None) -> Record:
    return sample(id, state={"value": value}, previous=previous)


def item(record: Record, keeps_history: bool = False) -> Item:
    return Item("row 1", record, None, keeps_history)


def values(repo: Repository, id: str = "thing") -> list[object]:
    """The values of all versions, newest first; a withdrawn one is a dash."""
    return ["-" if isinstance(version, Notice) else version.state["value"] for version in repo.history(id)]


@pytest.mark.parametrize("kind", KINDS)
def test_changed_facts_are_a_conflict_that_names_the_current_version(kind: str, tmp_path: Path) -> None:
    with make_repository(kind, tmp_path) as repo:
        imported(repo, [item(facts(1))])
        done = imported(repo, [item(facts(2))])
        assert done.counts() == {"read": 1, "conflict": 1}
        error = done.problems[0].error
        assert isinstance(error, Conflict)
        assert (error.id, error.current) == ("thing", facts(1).address)
        assert values(repo) == [1]


@pytest.mark.parametrize("kind", KINDS)
def test_update_makes_changed_facts_the_next_version_and_again_is_a_no_op(kind: str, tmp_path: Path) -> None:
    with make_repository(kind, tmp_path) as repo:
        imported(repo, [item(facts(1))])
        assert imported(repo, [item(facts(2))], update=True).counts() == {"read": 1, "new": 1}
        assert repo.head("thing") == facts(2, previous=facts(1).address).address
        for update in (True, False):
            assert imported(repo, [item(facts(2))], update=update).counts() == {"read": 1, "existed": 1}
        assert values(repo) == [2, 1]


def test_without_update_the_facts_of_an_older_version_have_existed() -> None:
    repo = memory_repository()
    for value in (1, 2):
        imported(repo, [item(facts(value))], update=True)
    assert imported(repo, [item(facts(1))]).counts() == {"read": 1, "existed": 1}
    assert values(repo) == [2, 1]


def test_update_brings_the_facts_of_an_older_version_back_as_a_new_one() -> None:
    repo = memory_repository()
    for value in (1, 2, 1, 2, 2):
        imported(repo, [item(facts(value))], update=True)
    assert values(repo) == [2, 1, 2, 1]


def test_true_and_one_are_different_facts() -> None:
    repo = memory_repository()
    imported(repo, [item(facts(1))])
    assert imported(repo, [item(facts(True))], update=True).counts() == {"read": 1, "new": 1}
    assert values(repo) == [True, 1]


def test_a_document_that_keeps_its_history_stays_where_it_is_in_it() -> None:
    repo = memory_repository()
    first, second = facts(1), facts(2, previous=facts(1).address)
    for update in (False, True):
        imported(repo, [item(second, True), item(first, True)], update=update)
        assert repo.head("thing") == second.address


def test_a_document_of_another_history_is_a_conflict_even_with_the_same_facts() -> None:
    repo = memory_repository()
    imported(repo, [item(facts(1))])
    assert imported(repo, [item(facts(1, previous="0" * 64), True)]).counts() == {"read": 1, "conflict": 1}
    assert imported(repo, [item(facts(1, previous="0" * 64), True)], update=True).counts() == {"read": 1, "existed": 1}
    assert values(repo) == [1]


def test_several_items_of_one_id_become_versions_in_their_order() -> None:
    repo = memory_repository()
    imported(repo, [item(facts(0)), item(facts(0, "other"))])
    changes = [item(facts(value, id)) for value in (1, 2, 2, 3) for id in ("thing", "other")]
    assert imported(repo, changes, update=True).counts() == {"read": 8, "new": 6, "existed": 2}
    assert values(repo) == values(repo, "other") == [3, 2, 1, 0]


def test_a_new_id_in_the_same_batch_is_not_disturbed() -> None:
    repo = memory_repository()
    imported(repo, [item(facts(1))])
    done = imported(repo, [item(facts(2)), item(facts(1, "fresh"))], update=True)
    assert done.counts() == {"read": 2, "new": 2}
    assert values(repo, "fresh") == [1]


@pytest.mark.parametrize("update", [False, True])
def test_withdrawn_facts_stay_withdrawn_also_as_a_later_version(update: bool) -> None:
    repo = memory_repository()
    for value in (1, 2):
        imported(repo, [item(facts(value))], update=True)
    repo.withdraw([repo.head("thing")], case="7", reason="asked")
    done = imported(repo, [item(facts(2))], update=update)
    assert values(repo) == ["-", 1]
    if update:
        assert done.counts() == {"read": 1, "withdrawn": 1}
        assert isinstance(done.problems[0].error, Gone)
    else:
        assert done.counts() == {"read": 1, "conflict": 1}


def test_other_facts_may_follow_a_withdrawn_version_and_the_withdrawn_ones_not_after_them() -> None:
    repo = memory_repository()
    for value in (1, 2):
        imported(repo, [item(facts(value))], update=True)
    repo.withdraw([repo.head("thing")], case="7", reason="asked")
    assert imported(repo, [item(facts(3))], update=True).counts() == {"read": 1, "new": 1}
    assert values(repo) == [3, "-", 1]
    assert imported(repo, [item(facts(2))], update=True).counts() == {"read": 1, "withdrawn": 1}
    assert values(repo) == [3, "-", 1]


def test_a_document_with_no_room_for_another_address_is_refused() -> None:
    repo = memory_repository()
    imported(repo, [item(facts(1))])
    room = MAX_DOCUMENT - len(facts("").document)
    assert len(facts("x" * room).document) == MAX_DOCUMENT
    done = imported(repo, [item(facts("x" * room))], update=True)
    assert done.counts() == {"read": 1, "bad": 1}
    assert "over the limit" in str(done.problems[0].error)


class Racing(Intercepted):
    """A store in which somebody else puts a new version of `thing` just before each of the first puts of a version."""

    def __init__(self, inner: object, races: int) -> None:
        super().__init__(inner)
        self.races = races

    def put(self, records: Sequence[Record], moves: Sequence[HeadMove] = ()) -> tuple[list[Outcome], list[bool]]:
        if self.races and any(record.previous for record in records):
            self.races -= 1
            head = self.inner.heads(["thing"])["thing"]
            other = facts(f"somebody {self.races}", previous=head)
            self.inner.put([other], [HeadMove("thing", head, other.address)])
        return self.inner.put(records, moves)  # type: ignore[no-any-return]


def test_a_lost_race_is_run_again_after_the_version_that_won_it() -> None:
    repo = memory_repository()
    imported(repo, [item(facts(1))])
    racing = with_store(repo, Racing(repo.store, 3))
    assert imported(racing, [item(facts(2))], update=True).counts() == {"read": 1, "new": 1}
    assert values(repo) == [2, "somebody 0", "somebody 1", "somebody 2", 1]


def test_races_without_end_are_given_up_as_a_conflict() -> None:
    repo = memory_repository()
    imported(repo, [item(facts(1))])
    racing = with_store(repo, Racing(repo.store, 10**6))
    done = imported(racing, [item(facts(2))], update=True)
    assert done.counts() == {"read": 1, "conflict": 1}
    assert 2 not in values(repo)


def test_an_update_after_notices_that_lead_in_a_circle_becomes_the_next_version() -> None:
    repo, notices = lead_in_a_circle(memory_repository(), "thing")
    assert imported(repo, [item(facts(1))], update=True).counts() == {"read": 1, "new": 1}
    assert repo.head("thing") == facts(1, previous=notices[0].address).address


def test_an_update_takes_a_fixed_number_of_calls_whatever_the_number_of_items() -> None:
    class Counting(Intercepted):
        calls = 0

        def __getattr__(self, name: str) -> object:
            if name in ("get", "heads", "put", "has", "swap_heads"):
                Counting.calls += 1
            return super().__getattr__(name)

    def calls(count: int) -> int:
        repo = memory_repository()
        imported(repo, [item(facts(1, f"thing {number}")) for number in range(count)])
        Counting.calls = 0
        counting = with_store(repo, Counting(repo.store))
        done = imported(counting, [item(facts(2, f"thing {number}")) for number in range(count)], update=True)
        assert done.counts() == {"read": count, "new": count}
        return Counting.calls

    assert calls(2) == calls(200)


@given(
    st.lists(st.lists(st.tuples(st.sampled_from("ab"), st.integers(0, 2)), max_size=6), max_size=5), st.integers(1, 4)
)
def test_after_an_update_the_current_facts_are_the_last_ones_given(
    runs: list[list[tuple[str, int]]], batch: int
) -> None:
    repo = memory_repository()
    expected: dict[str, int] = {}
    for given_items in runs:
        distinct = dict(given_items)
        done = imported(repo, [item(facts(value, id)) for id, value in distinct.items()], update=True, batch=batch)
        assert done.problems == []
        assert done.summary.new == sum(expected.get(id) != value for id, value in distinct.items())
        expected |= distinct
        assert {id: values(repo, id)[0] for id in expected} == expected
