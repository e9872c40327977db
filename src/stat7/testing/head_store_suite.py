"""The conformance suite of `HeadStore`: compare-and-swap, walks over heads, and marks."""

from __future__ import annotations

import re
from collections import Counter
from contextlib import closing

import pytest

from stat7.errors import InvalidQuery
from stat7.stores.base import HeadMove, Store
from stat7.testing.samples import HOSTILE_IDS, notice, samples
from stat7.testing.store_suite import StoreSuite, race, scan_all_heads

ONE, TWO, THREE = (f"{number:064x}" for number in (1, 2, 3))
HOSTILE = (*HOSTILE_IDS, "a" * 255 + "b", "a" * 255 + "c")


class HeadStoreSuite(StoreSuite):
    """Heads move by compare-and-swap alone, each move on its own; walks give each head once; marks are kept."""

    increments = 12
    """How often each racing thread advances a head by compare-and-swap."""

    def test_a_fresh_store_has_no_heads_and_no_marks(self, store: Store) -> None:
        assert store.heads(["thing"]) == {}
        assert store.scan_heads(None, 10).items == []
        assert store.scan_heads(None, 10).cursor is None
        assert store.marks() == {}

    def test_a_swap_is_made_only_from_what_was_expected(self, store: Store) -> None:
        steps = (
            (TWO, THREE, False, None),
            (None, ONE, True, ONE),
            (None, TWO, False, ONE),
            (TWO, THREE, False, ONE),
            (ONE, TWO, True, TWO),
            (ONE, THREE, False, TWO),
            (TWO, TWO, True, TWO),
            (ONE, None, False, TWO),
            (None, None, False, TWO),
            (TWO, None, True, None),
            (TWO, None, False, None),
            (None, None, True, None),
            (None, THREE, True, THREE),
        )
        for expected, new, made, head in steps:
            assert store.swap_heads([HeadMove("thing", expected, new)]) == [made], (expected, new)
            assert store.heads(["thing"]) == ({} if head is None else {"thing": head})

    def test_each_move_is_tried_on_its_own(self, store: Store) -> None:
        store.swap_heads([HeadMove("b", None, ONE), HeadMove("c", None, ONE)])
        moves = [HeadMove("a", None, TWO), HeadMove("b", None, TWO), HeadMove("c", ONE, TWO), HeadMove("d", ONE, TWO)]
        assert store.swap_heads(moves) == [True, False, True, False]
        assert store.heads(["d", "c", "b", "a", "a"]) == {"a": TWO, "b": ONE, "c": TWO}

    def test_a_head_may_be_set_to_a_withdrawn_address_as_copies_do(self, store: Store) -> None:
        store.withdraw([notice(ONE)])
        assert store.swap_heads([HeadMove("thing", None, ONE)]) == [True]
        assert store.heads(["thing"]) == {"thing": ONE}

    def test_empty_batches_do_nothing(self, store: Store) -> None:
        assert store.swap_heads([]) == []
        assert store.heads([]) == {}

    def test_thousands_of_heads_are_moved_and_read_in_one_call(self, store: Store) -> None:
        ids = [f"id {number}" for number in range(min(3000, store.capabilities.max_batch))]
        assert all(store.swap_heads([HeadMove(id, None, ONE) for id in ids]))
        assert store.heads(ids) == dict.fromkeys(ids, ONE)
        assert sorted(scan_all_heads(store, 700)) == sorted((id, ONE) for id in ids)

    def test_hostile_ids_are_told_apart(self, store: Store) -> None:
        moves = [HeadMove(id, None, f"{number:064x}") for number, id in enumerate(HOSTILE)]
        assert store.swap_heads(moves) == [True] * len(moves)
        heads = {move.id: move.new for move in moves}
        assert store.heads(HOSTILE) == heads
        for size in (1, 7, 100):
            scanned = scan_all_heads(store, size)
            assert dict(scanned) == heads
            assert len(scanned) == len(heads)
        assert store.swap_heads([HeadMove(move.id, move.new, None) for move in moves[::2]]) == [True] * len(moves[::2])
        assert store.heads(HOSTILE).keys() == {move.id for move in moves[1::2]}

    @pytest.mark.parametrize("size", [1, 7, 100])
    def test_a_walk_gives_each_head_once_while_others_come_go_and_move(self, store: Store, size: int) -> None:
        staying, going = [f"stays {number}" for number in range(50)], [f"goes {number}" for number in range(50)]
        store.swap_heads([HeadMove(id, None, ONE) for id in (*staying, *going)])
        seen: Counter[str] = Counter()
        page, turn = store.scan_heads(None, size), 0
        seen.update(id for id, _ in page.items)
        while page.cursor is not None:
            moves = [HeadMove(f"comes {turn}", None, ONE), HeadMove(staying[turn % 50], ONE, ONE)]
            moves += [HeadMove(going.pop(), ONE, None)] if going else []
            assert all(store.swap_heads(moves if turn < 60 else []))
            page, turn = store.scan_heads(page.cursor, size), turn + 1
            seen.update(id for id, _ in page.items)
        assert [seen[id] for id in staying] == [1] * 50
        assert set(seen.values()) == {1}

    @pytest.mark.parametrize("cursor", ["", "x", "nonsense", "💥", "a" * 5000, "eyJhIjoxfQ", "' OR 1=1 --", "\x00"])
    def test_garbage_as_a_cursor_is_refused(self, store: Store, cursor: str) -> None:
        store.swap_heads([HeadMove(f"id {number}", None, ONE) for number in range(5)])
        with pytest.raises(InvalidQuery):
            store.scan_heads(cursor, 3)

    def test_heads_and_their_cursors_survive_reopening(self, store: Store) -> None:
        store.swap_heads([HeadMove(id, None, ONE) for id in HOSTILE])
        everything, page = scan_all_heads(store), store.scan_heads(None, 7)
        cursor = page.cursor
        assert cursor is not None
        assert re.fullmatch(r"[!-~]+", cursor)
        with closing(self.reopen(store)) as again:
            assert scan_all_heads(again) == everything
            assert page.items + again.scan_heads(cursor, 100).items == everything

    def test_counters_advanced_by_racing_threads_lose_no_update(self, store: Store) -> None:
        def work(number: int) -> int:
            lost, id = 0, f"counter {number % 2}"
            for _ in range(self.increments):
                while True:
                    head = store.heads([id]).get(id)
                    following = f"{int(head or '0', 16) + 1:064x}"
                    if store.swap_heads([HeadMove(id, head, following)]) == [True]:
                        break
                    lost += 1
                    assert lost < 100_000, "no thread gets on"
            return lost

        race(self.threads, work)
        each = f"{self.threads // 2 * self.increments:064x}"
        assert store.heads(["counter 0", "counter 1"]) == {"counter 0": each, "counter 1": each}

    def test_of_racing_first_moves_exactly_one_is_made(self, store: Store) -> None:
        records = samples(self.threads)
        ids = [f"id {number}" for number in range(10)]

        def work(number: int) -> list[bool]:
            made = []
            for id in ids:
                move = HeadMove(id, None, records[number].address)
                made += store.put([records[number]], [move])[1] if number % 2 else store.swap_heads([move])
            return made

        won = race(self.threads, work)
        assert [sum(each) for each in zip(*won, strict=True)] == [1] * 10
        heads = store.heads(ids)
        for turn, id in enumerate(ids):
            winner = next(number for number, made in enumerate(won) if made[turn])
            assert heads[id] == records[winner].address

    def test_marks_are_set_overwritten_and_removed(self, store: Store) -> None:
        store.set_mark("copy", "first")
        store.set_mark("other", "")
        store.set_mark("copy", "second")
        assert store.marks() == {"copy": "second", "other": ""}
        store.set_mark("copy", None)
        store.set_mark("never set", None)
        assert store.marks() == {"other": ""}

    def test_hostile_marks_are_kept_exactly(self, store: Store) -> None:
        marks = {name: name for name in HOSTILE_IDS}
        for name, value in marks.items():
            store.set_mark(name, value)
        assert store.marks() == marks
        assert scan_all_heads(store) == []

    def test_marks_survive_reopening(self, store: Store) -> None:
        store.set_mark("copy", "cursor")
        with closing(self.reopen(store)) as again:
            assert again.marks() == {"copy": "cursor"}
