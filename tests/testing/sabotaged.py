"""Stores with one planted fault each, of the kinds that real stores have: the suites must catch every one."""

from __future__ import annotations

import time
from collections.abc import Sequence

from stat7.address import Address
from stat7.query import ANY, Query
from stat7.record import Notice, Record
from stat7.stores.base import Capabilities, Finding, HeadMove, Outcome, Page, Plan
from stat7.stores.memory import MemoryStore

from .sabotaged_finds import (
    CutsStrings,
    FindsCurrentOnly,
    FoldsCase,
    LeavesOutUpperEnds,
    LosesPageEnds,
    LosesTheLastPage,
    PagesByOffset,
    RepeatsPageEnds,
    TakesAnyCursor,
    WrapsLineagesAt32Bits,
    ignores,
)


class LosesPuts(MemoryStore):
    """Acknowledges every hundredth put and drops it."""

    puts = 0

    def put(self, records: Sequence[Record], moves: Sequence[HeadMove] = ()) -> tuple[list[Outcome], list[bool]]:
        """Drop what the count falls upon."""
        done = super().put(records, moves)
        for record in records:
            self.puts += 1
            if self.puts % 100 == 0:
                self.discard([record.address])
        return done


def compares_only(digits: int) -> type[MemoryStore]:
    """A store that takes addresses for equal if their first hex digits are."""

    class ComparesOnly(MemoryStore):
        def put(self, records: Sequence[Record], moves: Sequence[HeadMove] = ()) -> tuple[list[Outcome], list[bool]]:
            kept = self.contents().documents
            outcomes = []
            for record in records:
                same = any(address[:digits] == record.address[:digits] for address in kept)
                outcomes.append(Outcome.EXISTED if same else super().put([record])[0][0])
            return outcomes, super().put([], moves)[1]

    return ComparesOnly


class WithdrawsSiblings(MemoryStore):
    """Withdrawing erases every document whose address begins with the same 8 bytes."""

    def withdraw(self, notices: Sequence[Notice]) -> None:
        """Erase by prefix."""
        super().withdraw(notices)
        for notice in notices:
            self.discard([a for a in self.contents().documents if a[:16] == notice.address[:16]])


class OverwritesOnPut(MemoryStore):
    """Put replaces what is there."""

    def put(self, records: Sequence[Record], moves: Sequence[HeadMove] = ()) -> tuple[list[Outcome], list[bool]]:
        """As an upsert does."""
        done = super().put(records, moves)
        self.replace(records)
        return done


class AnswersOutOfOrder(MemoryStore):
    """Sorts a batch by address and answers in that order."""

    def put(self, records: Sequence[Record], moves: Sequence[HeadMove] = ()) -> tuple[list[Outcome], list[bool]]:
        """Sorted."""
        return super().put(sorted(records, key=lambda record: record.address), moves)


class ResurrectsByReplace(MemoryStore):
    """Replace brings a withdrawn document back."""

    def replace(self, records: Sequence[Record]) -> None:
        """Forget the notices first."""
        for record in records:
            self.contents().notices.pop(record.address, None)
        super().replace(records)


class ResurrectsByDiscard(MemoryStore):
    """Discard takes a notice away."""

    def discard(self, addresses: Sequence[Address]) -> None:
        """Forget the notices too."""
        super().discard(addresses)
        for address in addresses:
            self.contents().notices.pop(address, None)


class ForgetsAdvanceNotices(MemoryStore):
    """Withdraws only what is stored."""

    def withdraw(self, notices: Sequence[Notice]) -> None:
        """Leave out what is unknown."""
        super().withdraw([notice for notice in notices if notice.address in self.contents().documents])


class LastNoticeWins(MemoryStore):
    """A second notice overwrites the first."""

    def withdraw(self, notices: Sequence[Notice]) -> None:
        """Overwrite the case."""
        super().withdraw(notices)
        kept = self.contents().notices
        for notice in notices:
            kept[notice.address] = kept[notice.address]._replace(case=notice.case)


class LeavesNoticesUnfilled(MemoryStore):
    """Keeps a notice just as it came."""

    def withdraw(self, notices: Sequence[Notice]) -> None:
        """Without what the document says."""
        kept = self.contents().notices
        fresh = [notice for notice in notices if notice.address not in kept]
        super().withdraw(notices)
        kept.update({notice.address: notice for notice in reversed(fresh)})


class KeepsWithdrawnBytes(MemoryStore):
    """Withdraws by a flag: the bytes stay."""

    def withdraw(self, notices: Sequence[Notice]) -> None:
        """The bytes stay beside the notice."""
        kept = self.contents()
        held = {n.address: kept.documents[n.address] for n in notices if n.address in kept.documents}
        super().withdraw(notices)
        kept.documents.update(held)

    def get(self, addresses: Sequence[Address]) -> dict[Address, bytes | Notice]:
        """Honours the flag."""
        return super().get(addresses) | {a: n for a, n in self.contents().notices.items() if a in addresses}

    def has(self, addresses: Sequence[Address]) -> set[Address]:
        """Honours the flag."""
        return super().has(addresses) - self.contents().notices.keys()

    def count(self) -> int:
        """Honours the flag."""
        return len(self.contents().documents.keys() - self.contents().notices.keys())


class CountsWithdrawn(MemoryStore):
    """Counts notices as documents."""

    def count(self) -> int:
        """Rows, not documents."""
        return super().count() + len(self.contents().notices)


class MovesToWithdrawn(MemoryStore):
    """Makes a head of what was withdrawn."""

    def put(self, records: Sequence[Record], moves: Sequence[HeadMove] = ()) -> tuple[list[Outcome], list[bool]]:
        """Moves without a look at the outcomes."""
        return super().put(records)[0], self.swap_heads(moves)


class MovesOnlyNewRecords(MemoryStore):
    """Leaves out the moves of a batch that has nothing new: a put that was cut off is never completed."""

    def put(self, records: Sequence[Record], moves: Sequence[HeadMove] = ()) -> tuple[list[Outcome], list[bool]]:
        """Moves only beside something new."""
        outcomes, _ = super().put(records)
        if Outcome.NEW not in outcomes:
            return outcomes, [False] * len(moves)
        return outcomes, super().put([], moves)[1]


class SwapsWithoutComparing(MemoryStore):
    """Moves heads, whatever they are."""

    def swap_heads(self, moves: Sequence[HeadMove]) -> list[bool]:
        """Expect what is there."""
        heads = self.heads([move.id for move in moves])
        return super().swap_heads([move._replace(expected=heads.get(move.id)) for move in moves])


class ComparesThenSwaps(MemoryStore):
    """Compares and swaps, but not as one step."""

    def swap_heads(self, moves: Sequence[HeadMove]) -> list[bool]:
        """With a moment between."""
        made = [self.heads([move.id]).get(move.id) == move.expected for move in moves]
        time.sleep(0.0005)
        heads = self.heads([move.id for move in moves])
        super().swap_heads(
            [m._replace(expected=heads.get(m.id)) for m, matched in zip(moves, made, strict=True) if matched]
        )
        return made


class LooksThenPuts(MemoryStore):
    """Looks what is missing and stores it, but not as one step."""

    def put(self, records: Sequence[Record], moves: Sequence[HeadMove] = ()) -> tuple[list[Outcome], list[bool]]:
        """With a moment between."""
        known, taken = self.contents(), set()
        outcomes = []
        for record in records:
            stored = record.address in known.documents or record.address in taken
            taken.add(record.address)
            outcomes.append(Outcome.EXISTED if stored else Outcome.NEW)
            if record.address in known.notices:
                outcomes[-1] = Outcome.WITHDRAWN
        time.sleep(0.0005)
        return outcomes, super().put(records, moves)[1]


class AllOrNoMoves(MemoryStore):
    """One lost move undoes the others."""

    def swap_heads(self, moves: Sequence[HeadMove]) -> list[bool]:
        """Only if all can be made."""
        heads = self.heads([move.id for move in moves])
        if any(heads.get(move.id) != move.expected for move in moves):
            return [False] * len(moves)
        return super().swap_heads(moves)


class CutsIds(MemoryStore):
    """Keeps 255 characters of an id, as a VARCHAR(255) does."""

    def swap_heads(self, moves: Sequence[HeadMove]) -> list[bool]:
        """Cut."""
        return super().swap_heads([move._replace(id=move.id[:255]) for move in moves])

    def heads(self, ids: Sequence[str]) -> dict[str, Address]:
        """Cut."""
        cut = super().heads([id[:255] for id in ids])
        return {id: cut[id[:255]] for id in ids if id[:255] in cut}


class ScansInOrderOfArrival(MemoryStore):
    """Promises a scan in address order and gives another."""

    def scan(self, cursor: str | None, limit: int) -> Page[tuple[Address, bytes | Notice]]:
        """Each page turned round."""
        page = super().scan(cursor, limit)
        return Page(page.items[::-1], page.cursor)


class ScansNoNotices(MemoryStore):
    """Leaves notices out of a scan."""

    def scan(self, cursor: str | None, limit: int) -> Page[tuple[Address, bytes | Notice]]:
        """Documents only."""
        page = super().scan(cursor, limit)
        return Page([(a, held) for a, held in page.items if not isinstance(held, Notice)], page.cursor)


class DiscardsTheDocumentOnly(MemoryStore):
    """Discard leaves index rows behind."""

    def discard(self, addresses: Sequence[Address]) -> None:
        """Put the rows back."""
        kept = self.contents()
        before = {sha256: set(named) for sha256, named in kept.naming.items()}
        super().discard(addresses)
        kept.naming.update(before)


class ChecksNothing(MemoryStore):
    """Finds every store in good order."""

    def check(self, cursor: str | None, limit: int) -> Page[Finding]:
        """All is well."""
        page = super().check(cursor, limit)
        return Page([], page.cursor)


class CriesWolf(MemoryStore):
    """Finds fault with what is right."""

    def check(self, cursor: str | None, limit: int) -> Page[Finding]:
        """A finding for each notice."""
        page = super().check(cursor, limit)
        return Page(page.items + [Finding("index", a, "no document") for a in self.contents().notices], page.cursor)


class WorksWhenClosed(MemoryStore):
    """Goes on after it was closed."""

    def close(self) -> None:
        """Do nothing."""


class ForgetsMarks(MemoryStore):
    """Keeps marks in the handle."""

    def __init__(self, name: str = "") -> None:
        super().__init__(name)
        self.kept: dict[str, str] = {}

    def marks(self) -> dict[str, str]:
        """Of this handle."""
        super().marks()
        return dict(self.kept)

    def set_mark(self, name: str, value: str | None) -> None:
        """In this handle."""
        super().set_mark(name, value)
        self.kept = super().marks()


class GuessesNoMatches(MemoryStore):
    """Explains every query as matching nothing."""

    def explain(self, query: Query) -> Plan:
        """Nothing, at no cost."""
        self.contents()
        return Plan("guess", True, 0, 0, "nothing will match")


class LimitsItsBatches(MemoryStore):
    """Promises 10,000 a batch and answers for 999."""

    capabilities = Capabilities(name="limited", durable=False, shared=False)

    def get(self, addresses: Sequence[Address]) -> dict[Address, bytes | Notice]:
        """As with too many variables in a statement."""
        return super().get(addresses[:999])


CAUGHT_BY: dict[type[MemoryStore], str] = {
    ignores("realms", None): "tokens_match_whole_and_exactly",
    ignores("entity_types", None): "tokens_match_whole_and_exactly",
    ignores("horizons", None): "horizons_follow_the_lifecycle",
    ignores("lineage", ANY): "lineages_up_to_the_largest_and_bounds_beyond_it",
    ignores("resonance", ANY): "reals_are_compared_exactly",
    ignores("velocity", ANY): "each_predicate_alone_agrees_with_brute_force",
    ignores("density", ANY): "random_combinations_agree_with_brute_force",
    ignores("created", ANY): "created_ranges_from_year_1_to_9999",
    ignores("adjacent_to", None): "a_neighbour_is_sought_among_neighbours_only",
    ignores("file", None): "a_file_is_found_wherever_it_is_attached",
    LeavesOutUpperEnds: "reals_are_compared_exactly",
    WrapsLineagesAt32Bits: "lineages_up_to_the_largest_and_bounds_beyond_it",
    FindsCurrentOnly: "every_version_is_found_whatever_versions_says",
    FoldsCase: "hostile_names_of_neighbours_are_told_apart",
    LosesPageEnds: "pages_of_any_size_give_each_match_once",
    LosesTheLastPage: "pages_end_where_the_matches_end",
    RepeatsPageEnds: "pages_of_any_size_give_each_match_once",
    PagesByOffset: "what_comes_between_pages_disturbs_nothing_that_is_there",
    TakesAnyCursor: "a_cursor_of_another_query_is_refused",
    LosesPuts: "a_batch_of_thousands_is_put_and_read_in_one_call",
    compares_only(16): "addresses_with_a_common_prefix_are_kept_apart",
    compares_only(62): "addresses_with_a_common_prefix_are_kept_apart",
    WithdrawsSiblings: "withdrawing_among_collisions_touches_no_other",
    OverwritesOnPut: "what_is_given_to_put_again_under_other_bytes_does_not_overwrite",
    AnswersOutOfOrder: "outcomes_come_in_the_order_of_the_records",
    ResurrectsByReplace: "nothing_brings_a_withdrawn_document_back",
    ResurrectsByDiscard: "nothing_brings_a_withdrawn_document_back",
    ForgetsAdvanceNotices: "an_address_never_seen_is_withdrawn_ahead",
    LastNoticeWins: "withdrawing_twice_keeps_the_first_notice",
    LeavesNoticesUnfilled: "the_notice_is_filled_in_with_id_and_previous",
    KeepsWithdrawnBytes: "withdrawn_bytes_are_gone_below_the_store",
    CountsWithdrawn: "a_withdrawn_document_is_replaced_by_its_notice",
    MovesToWithdrawn: "a_move_to_a_withdrawn_address_is_not_made",
    MovesOnlyNewRecords: "putting_again_completes_a_put_that_was_cut_off_before_its_move",
    SwapsWithoutComparing: "a_swap_is_made_only_from_what_was_expected",
    ComparesThenSwaps: "counters_advanced_by_racing_threads_lose_no_update",
    LooksThenPuts: "threads_that_put_the_same_records_make_each_new_exactly_once",
    AllOrNoMoves: "each_move_is_tried_on_its_own",
    CutsIds: "hostile_ids_are_told_apart",
    ScansInOrderOfArrival: "scan_goes_in_address_order_where_promised",
    ScansNoNotices: "scan_gives_everything_once",
    DiscardsTheDocumentOnly: "discard_leaves_nothing_and_lets_the_record_come_back",
    ChecksNothing: "check_finds_damaged_index_rows_and_replace_mends_them",
    CriesWolf: "check_is_clean_after_everything_that_is_allowed",
    WorksWhenClosed: "a_closed_store_is_unavailable_and_closing_twice_is_harmless",
    ForgetsMarks: "marks_survive_reopening",
    GuessesNoMatches: "explain_estimates_the_matches_of_small_stores_well",
    CutsStrings: "hostile_text_is_kept_exactly",
    LimitsItsBatches: "a_batch_of_thousands_is_put_and_read_in_one_call",
}
"""Every fault, and the test of the suites that must catch it (others may too)."""

IN_HISTORIES: tuple[type[MemoryStore], ...] = (
    ignores("horizons", None),
    LeavesOutUpperEnds,
    LosesPageEnds,
    RepeatsPageEnds,
    compares_only(16),
    compares_only(62),
    ResurrectsByReplace,
    ResurrectsByDiscard,
    LastNoticeWins,
    SwapsWithoutComparing,
    ScansNoNotices,
    DiscardsTheDocumentOnly,
    ForgetsMarks,
)
"""Faults that the state machine must come upon in random histories."""
