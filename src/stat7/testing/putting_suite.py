"""Put, in every case of docs/semantics.md: documents, heads, withdrawal, failing stores."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest

from stat7.entity import Entity
from stat7.errors import (
    ConfigError,
    Conflict,
    Corrupt,
    Gone,
    InvalidEntity,
    NotFound,
    Stat7Error,
    StoreFull,
    Unavailable,
)
from stat7.putting import MAX_HEAD_RACES
from stat7.record import Record, document_of
from stat7.repository import Document, Repository, Status
from stat7.stores.base import Capabilities, HeadMove, Outcome
from stat7.testing.repositories import (
    Intercepted,
    addresses,
    contents,
    lead_in_a_circle,
    put_new,
    statuses,
    store_below,
    with_store,
)
from stat7.testing.repository_base import RepositoryBase
from stat7.testing.samples import chain, sample, samples
from stat7.testing.store_suite import race


class LosesRaces(Intercepted):
    """Before the first `times` puts somebody else puts `rival` (each next one its successor)."""

    def __init__(self, inner: object, rivals: Sequence[Record]) -> None:
        super().__init__(inner)
        self.rivals = list(rivals)

    def put(self, records: Sequence[Record], moves: Sequence[HeadMove]) -> object:
        """See EntityStore.put."""
        if self.rivals:
            rival = self.rivals.pop(0)
            head = self.inner.heads([rival.id]).get(rival.id)
            assert self.inner.put([rival], [HeadMove(rival.id, head, rival.address)])[1] == [True]
        return self.inner.put(records, moves)


class Fails(Intercepted):
    """`put` raises `error` at the calls whose numbers are given, after storing if `after`."""

    def __init__(self, inner: object, error: Exception, at: set[int], after: bool = False) -> None:
        super().__init__(inner)
        self.error, self.at, self.after, self.calls = error, at, after, 0
        self.capabilities: Capabilities = self.inner.capabilities

    def put(self, records: Sequence[Record], moves: Sequence[HeadMove]) -> object:
        """See EntityStore.put."""
        self.calls += 1
        if self.calls not in self.at:
            return self.inner.put(records, moves)
        if self.after:
            self.inner.put(records, [])
        raise self.error


class PuttingSuite(RepositoryBase):
    """Documents, heads, batches, withdrawal and stores that fail."""

    def test_a_new_document_is_stored_and_becomes_the_head(self, repo: Repository) -> None:
        record = sample("x")
        assert repo.put_many([record])[0] == (Status.NEW, record.address, None)
        assert contents(repo) == ({record.address: record.document}, {"x": record.address})

    def test_putting_it_again_answers_existed_and_changes_nothing(self, repo: Repository) -> None:
        record = sample("x")
        put_new(repo, [record])
        before = contents(repo)
        assert repo.put(record) == record.address
        assert statuses(repo.put_many([record])) == ["existed"]
        assert contents(repo) == before

    def test_every_form_of_a_document_gives_the_same_address(self, repo: Repository) -> None:
        record = sample("x", state={"text": "Ω"})
        forms: list[Document] = [
            record,
            Entity.from_record(record),
            document_of(record),
            record.document,
            record.document.decode(),
        ]
        results = repo.put_many(forms)
        assert statuses(results) == ["new", "existed", "existed", "existed", "existed"]
        assert {result.address for result in results} == {record.address}

    def test_each_item_has_its_own_outcome_in_the_order_given(self, repo: Repository) -> None:
        head, stranger, other = sample("x"), sample("x", state={"other": True}), sample("y")
        repo.put(head)
        results = repo.put_many([other, b"{}", stranger, head, '{"not": JSON'])
        assert statuses(results) == ["new", "refused", "conflict", "existed", "refused"]
        assert [result.address for result in results] == [other.address, None, stranger.address, head.address, None]
        assert isinstance(results[1].error, InvalidEntity)
        assert "missing" in str(results[1].error)

    def test_what_is_refused_stores_nothing_and_put_raises_it(self, repo: Repository) -> None:
        bad = document_of(sample("x")) | {"created_at": "yesterday"}
        with pytest.raises(InvalidEntity, match="created_at"):
            repo.put(bad)
        assert contents(repo) == ({}, {})

    def test_of_equal_documents_in_a_batch_only_the_first_is_new(self, repo: Repository) -> None:
        x, y = sample("x"), sample("y")
        assert statuses(repo.put_many([x, y, x, x, y])) == ["new", "new", "existed", "existed", "existed"]

    def test_exact_bytes_are_stored_as_they_are(self, repo: Repository) -> None:
        record = sample("x")
        assert repo.put_exact(record.address, record.document).status is Status.NEW
        assert repo.get_document(record.address) == record.document

    def test_exact_bytes_of_another_address_or_form_are_refused_with_both_digests(self, repo: Repository) -> None:
        record, other = sample("x"), sample("y")
        result = repo.put_exact(other.address, record.document)
        assert result.status is Status.REFUSED
        assert record.address in str(result.error)
        assert other.address in str(result.error)
        spaced = record.document + b" "
        result = repo.put_exact(Entity.from_json(spaced).address, spaced)
        assert result.status is Status.REFUSED
        assert repo.store.count() == 0

    def test_the_next_version_moves_the_head(self, repo: Repository) -> None:
        old, new = chain("x", 2)
        put_new(repo, [old])
        put_new(repo, [new])
        assert repo.head("x") == new.address

    def test_a_conflict_names_the_head_and_stores_nothing(self, repo: Repository) -> None:
        old, new = chain("x", 2)
        fork = sample("x", state={"fork": True}, previous=old.address)
        put_new(repo, [old, new])
        before = contents(repo)
        with pytest.raises(Conflict) as caught:
            repo.put(fork)
        assert (caught.value.id, caught.value.current) == ("x", new.address)
        assert contents(repo) == before

    def test_history_arriving_newest_first_is_stored_and_the_head_stays(self, repo: Repository) -> None:
        versions = chain("x", 4)
        for version in reversed(versions):
            put_new(repo, [version])
        assert repo.head("x") == versions[3].address
        assert [version.address for version in repo.history("x")] == addresses(reversed(versions))

    def test_history_beyond_the_first_missing_link_is_a_conflict(self, repo: Repository) -> None:
        first, _, third = chain("x", 3)
        put_new(repo, [third])
        assert statuses(repo.put_many([first])) == ["conflict"]
        assert repo.store.count() == 1

    def test_missing_links_that_come_in_one_batch_are_stored(self, repo: Repository) -> None:
        first, second, third = chain("x", 3)
        put_new(repo, [third])
        put_new(repo, [first, second])
        assert [version.address for version in repo.history("x")] == addresses([third, second, first])

    def test_putting_a_whole_history_again_is_a_no_op(self, repo: Repository) -> None:
        versions = chain("x", 5)
        put_new(repo, versions)
        before = contents(repo)
        assert statuses(repo.put_many(versions)) == ["existed"] * 5
        assert statuses(repo.put_many(versions[:2])) == ["existed"] * 2
        assert contents(repo) == before

    @pytest.mark.parametrize("order", [(0, 1, 2, 3), (3, 2, 1, 0), (2, 0, 3, 1)])
    def test_versions_given_in_any_order_end_at_the_newest(self, repo: Repository, order: tuple[int, ...]) -> None:
        versions = chain("x", 4)
        put_new(repo, [versions[at] for at in order])
        assert repo.head("x") == versions[3].address
        assert statuses(repo.put_many(versions)) == ["existed"] * 4

    def test_of_forks_in_one_batch_the_first_wins_and_the_others_conflict(self, repo: Repository) -> None:
        root = sample("x")
        forks = [sample("x", state={"fork": n}, previous=root.address) for n in range(3)]
        results = repo.put_many([root, *forks])
        assert statuses(results) == ["new", "new", "conflict", "conflict"]
        assert isinstance(results[2].error, Conflict)
        assert results[2].error.current == forks[0].address
        assert repo.store.count() == 2

    @pytest.mark.parametrize("stored", [1, 2, 3])
    def test_a_put_that_was_cut_off_before_the_head_is_completed_by_repeating_it(
        self, repo: Repository, stored: int
    ) -> None:
        versions = chain("x", 3)
        store_below(repo, *versions[:stored])
        assert repo.store.heads(["x"]) == {}
        assert statuses(repo.put_many(versions)) == ["existed"] * stored + ["new"] * (3 - stored)
        assert repo.head("x") == versions[2].address

    def test_a_next_version_that_was_cut_off_before_the_head_is_completed_too(self, repo: Repository) -> None:
        old, new = chain("x", 2)
        put_new(repo, [old])
        store_below(repo, new)
        assert statuses(repo.put_many([new])) == ["existed"]
        assert repo.head("x") == new.address

    def test_a_lost_race_is_a_conflict_and_leaves_the_winner_as_head(self, repo: Repository) -> None:
        root, mine = chain("x", 2)
        rival = sample("x", state={"rival": True}, previous=root.address)
        put_new(repo, [root])
        racing = with_store(repo, LosesRaces(repo.store, [rival]))
        results = racing.put_many([mine, sample("y")])
        assert statuses(results) == ["conflict", "new"]
        assert isinstance(results[0].error, Conflict)
        assert results[0].error.current == rival.address
        assert repo.head("x") == rival.address

    def test_a_race_lost_to_the_same_document_is_no_conflict(self, repo: Repository) -> None:
        record = sample("x")
        racing = with_store(repo, LosesRaces(repo.store, [record]))
        assert statuses(racing.put_many([record])) == ["existed"]
        assert repo.head("x") == record.address

    def test_after_a_lost_race_what_still_fits_is_applied(self, repo: Repository) -> None:
        # The rival brings the version between: what was a root with a gap is the next version now.
        first, second, third = chain("x", 3)
        put_new(repo, [first])
        racing = with_store(repo, LosesRaces(repo.store, [second]))
        assert statuses(racing.put_many([second, third])) == ["existed", "new"]
        assert repo.head("x") == third.address

    def test_a_head_that_never_stops_moving_is_unavailable_in_the_end(self, repo: Repository) -> None:
        class Restless(Intercepted):
            rounds = 0

            def put(self, records: Sequence[Record], moves: Sequence[HeadMove]) -> tuple[list[Outcome], list[bool]]:
                self.rounds += 1
                outcomes, _ = self.inner.put(records, [])
                return outcomes, [False] * len(moves)

        store = Restless(repo.store)
        result = with_store(repo, store).put_many([sample("x")])[0]
        assert result.status is Status.UNAVAILABLE
        assert "keeps moving" in str(result.error)
        assert store.rounds == MAX_HEAD_RACES

    def test_threads_that_append_to_one_id_lose_no_update(self, repo: Repository) -> None:
        repo.put(sample("x"))

        def append(number: int) -> int:
            done = 0
            while done < 5:
                try:
                    repo.put(repo.current("x").next(state={"by": number, "at": done}))
                    done += 1
                except Conflict:
                    continue
            return done

        assert race(8, append) == [5] * 8
        history = list(repo.history("x"))
        assert len(history) == 41
        written = {
            (version.state["by"], version.state["at"]) for version in history[:-1] if isinstance(version, Entity)
        }
        assert len(written) == 40

    def test_threads_that_put_the_same_history_store_it_once(self, repo: Repository) -> None:
        versions = chain("x", 10)

        def put(number: int) -> list[str]:
            order = versions if number % 2 else versions[::-1]
            return statuses(repo.put_many(order))

        outcomes = [status for thread in race(8, put) for status in thread]
        assert sorted(outcomes) == ["existed"] * 70 + ["new"] * 10
        assert [version.address for version in repo.history("x")] == addresses(versions[::-1])

    def test_putting_what_was_withdrawn_answers_gone_and_changes_nothing(self, repo: Repository) -> None:
        record = sample("x")
        repo.put(record)
        repo.withdraw([record.address], case="2026-17", reason="by request")
        before = contents(repo)
        with pytest.raises(Gone, match="2026-17"):
            repo.put(record)
        assert statuses(repo.put_many([record])) == ["withdrawn"]
        assert contents(repo) == before

    def test_what_was_withdrawn_ahead_is_never_stored_nor_a_head(self, repo: Repository) -> None:
        record = sample("x")
        repo.withdraw([record.address], case="1", reason="known elsewhere")
        assert statuses(repo.put_many([record])) == ["withdrawn"]
        assert repo.store.count() == 0
        assert repo.store.heads(["x"]) == {}

    def test_a_withdrawn_version_at_the_end_of_a_batch_leaves_the_head_before_it(self, repo: Repository) -> None:
        first, second = chain("x", 2)
        repo.withdraw([second.address], case="1", reason="r")
        assert statuses(repo.put_many([first, second])) == ["new", "withdrawn"]
        assert repo.head("x") == first.address

    def test_a_withdrawn_version_inside_a_batch_does_not_stop_those_after_it(self, repo: Repository) -> None:
        versions = chain("x", 3)
        repo.withdraw([versions[1].address], case="1", reason="r")
        assert statuses(repo.put_many(versions)) == ["new", "withdrawn", "new"]
        assert repo.head("x") == versions[2].address
        assert statuses(repo.put_many(versions)) == ["existed", "withdrawn", "existed"]

    def test_a_put_behind_notices_that_lead_in_a_circle_comes_to_an_end(self, repo: Repository) -> None:
        circling, notices = lead_in_a_circle(repo, "x")
        stranger, following = sample("x"), sample("x", previous=notices[0].address)
        assert statuses(circling.put_many([stranger])) == ["conflict"]
        assert statuses(circling.put_many([following])) == ["new"]

    def test_a_new_version_may_follow_a_withdrawn_head(self, repo: Repository) -> None:
        old, new = chain("x", 2)
        put_new(repo, [old])
        repo.withdraw([old.address], case="1", reason="r")
        put_new(repo, [new])
        assert repo.head("x") == new.address

    def test_a_withdrawn_document_is_gone_even_where_it_would_conflict(self, repo: Repository) -> None:
        put_new(repo, chain("x", 2))
        fork = sample("x", state={"fork": True})
        repo.withdraw([fork.address], case="1", reason="r")
        assert statuses(repo.put_many([fork])) == ["withdrawn"]

    @pytest.mark.parametrize("error", [Unavailable("the server is gone"), StoreFull("the disk is full")])
    @pytest.mark.parametrize("after", [False, True])
    def test_a_store_that_fails_acknowledges_nothing_and_repeating_completes_it(
        self, repo: Repository, error: Exception, after: bool
    ) -> None:
        records = [*samples(3), *chain("x", 3)]
        results = with_store(repo, Fails(repo.store, error, {1}, after)).put_many(records)
        assert statuses(results) == ["unavailable"] * 6
        assert {result.error for result in results} == {error}
        assert statuses(repo.put_many(records)) == ["existed" if after else "new"] * 6
        assert repo.store.heads([record.id for record in records]).keys() == {record.id for record in records}

    def test_what_was_acknowledged_before_the_store_failed_stays_so(self, repo: Repository) -> None:
        store = Fails(repo.store, Unavailable("gone"), {2})
        store.capabilities = replace(repo.store.capabilities, max_batch=2)
        results = with_store(repo, store).put_many(samples(6))
        assert statuses(results) == ["new", "new", "unavailable", "unavailable", "new", "new"]
        assert statuses(repo.put_many(samples(6))) == ["existed", "existed", "new", "new", "existed", "existed"]

    def test_a_put_that_fails_after_a_lost_race_is_not_acknowledged(self, repo: Repository) -> None:
        root, mine, later = chain("x", 3)
        put_new(repo, [root])
        failing = Fails(LosesRaces(repo.store, [mine]), Unavailable("gone"), {2})
        results = with_store(repo, failing).put_many([mine, later, sample("y")])
        assert statuses(results) == ["unavailable", "unavailable", "new"], "stored, but its head was not moved"
        assert statuses(repo.put_many([mine, later])) == ["existed", "existed"]
        assert repo.head("x") == later.address

    def test_put_raises_what_the_store_failed_with(self, repo: Repository) -> None:
        with pytest.raises(StoreFull, match="full"):
            with_store(repo, Fails(repo.store, StoreFull("the disk is full"), {1})).put(sample("x"))

    def test_damage_behind_one_head_fails_that_id_alone(self, repo: Repository) -> None:
        versions = chain("x", 3)
        put_new(repo, versions)
        self.damage(repo.store, versions[2].address)
        results = repo.put_many([versions[0], sample("y"), sample("x", previous=versions[2].address)])
        assert [result.status for result in results] == [Status.UNAVAILABLE, Status.NEW, Status.UNAVAILABLE]
        assert isinstance(results[0].error, Corrupt)
        assert results[0].error.address == versions[2].address

    @pytest.mark.parametrize(
        "error", [ConfigError("the table heads is lost"), Corrupt("0" * 64, "can't be read"), NotFound("no such table")]
    )
    def test_whatever_error_a_store_fails_with_each_item_has_an_outcome(
        self, repo: Repository, error: Stat7Error
    ) -> None:
        class Lost(Intercepted):
            capabilities = replace(repo.store.capabilities, max_batch=2)
            puts = 0

            def put(self, records: Sequence[Record], moves: Sequence[HeadMove]) -> object:
                self.puts += 1
                if self.puts > 1:
                    raise error
                return self.inner.put(records, moves)

        records = samples(5)
        results = with_store(repo, Lost(repo.store)).put_many(records)
        assert statuses(results) == ["new", "new", "unavailable", "unavailable", "unavailable"]
        assert [result.error for result in results[2:]] == [error] * 3
        assert statuses(repo.put_many(records)) == ["existed", "existed", "new", "new", "new"]
