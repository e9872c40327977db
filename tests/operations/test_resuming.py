"""A copy that was cut off goes on where it was, and never misses anything by it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import pytest

from stat7.operations import copy as copy_module
from stat7.operations import resuming
from stat7.operations.copy import copy
from stat7.operations.resuming import MARK, fingerprint, read_mark
from stat7.record import Notice, Record
from stat7.repository import Repository
from stat7.stores.base import HeadMove
from stat7.testing.samples import sample, samples
from tests.operations.copying import Make, fill, run
from tests.repositories import (
    Intercepted,
    contents,
    damage_document,
    put_file,
    put_new,
    with_store,
)


class Cut(Exception):
    """What kills a copy in these tests."""


class Killed(Intercepted):
    """A store or file store that dies at the n-th call of one method."""

    def __init__(self, inner: object, method: str, at: int) -> None:
        super().__init__(inner)
        self.method, self.left = method, at

    def __getattr__(self, name: str) -> Any:
        found = getattr(self.inner, name)
        if name != self.method:
            return found

        def call(*args: Any, **options: Any) -> Any:
            self.left -= 1
            if self.left == 0:
                raise Cut
            return found(*args, **options)

        return call


def cut_off(source: Repository, target: Repository, method: str = "put", at: int = 6, **options: Any) -> int:
    """Begin a copy whose target dies at that call; how many documents it has by then."""
    with pytest.raises(Cut):
        copy(source, with_store(target, Killed(target.store, method, at)), **options)
    return target.store.count()


@pytest.fixture
def saved_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Progress is written down after every page, and pages are small."""
    monkeypatch.setattr(resuming.Progress.__init__, "__kwdefaults__", {"save_every_s": 0.0})
    monkeypatch.setattr(copy_module, "DOCUMENTS", 10)
    monkeypatch.setattr(copy_module, "BATCH", 10)
    monkeypatch.setattr(copy_module, "NAMES", 2)


STEPS = [("put", 1), ("put", 4), ("swap_heads", 1), ("swap_heads", 3), ("withdraw", 1), ("set_mark", 12)]


@pytest.mark.usefixtures("saved_at_once")
@pytest.mark.parametrize(("method", "at"), STEPS)
def test_a_copy_that_was_killed_is_completed_by_repeating_it(
    pair: tuple[Repository, Repository], method: str, at: int
) -> None:
    source, target = pair
    fill(source)
    put_new(source, samples(60, "more"))
    cut_off(source, target, method, at)
    result, problems = run(source, target, verify=True)
    assert (problems, result.ok) == ([], True)
    assert target.store.marks() == {}


@pytest.mark.usefixtures("saved_at_once")
def test_it_goes_on_where_it_was(pair: tuple[Repository, Repository]) -> None:
    source, target = pair
    fill(source)
    put_new(source, samples(100, "more"))
    there = cut_off(source, target)
    fingerprint_, stage, cursor = read_mark(target.store.marks()[MARK])
    assert (fingerprint_, stage) == (fingerprint(source.store, " 5"), "documents")
    assert cursor is not None
    counted: list[int] = []

    class Counting(Intercepted):
        def put(self, records: Sequence[Record], moves: Sequence[HeadMove] = ()) -> object:
            counted.append(len(records))
            return self.inner.put(records, moves)

    assert there >= 40
    result, _ = run(source, with_store(target, Counting(target.store)))
    assert result.documents_new == 111 - there
    assert result.documents_existed <= 2 * copy_module.WRITERS * 10, "only what was under way was read again"
    assert sum(counted) <= 111 - there + result.documents_existed
    assert (result.notices_new, result.files_existed) == (0, 0), "and no stage before it"


@pytest.mark.usefixtures("saved_at_once")
def test_what_was_withdrawn_between_cut_off_and_resuming_is_withdrawn_at_the_target(
    pair: tuple[Repository, Repository],
) -> None:
    source, target = pair
    fill(source)
    file = put_file(source, b"withdrawn late")
    naming, *records = [sample("naming", files=[file]), *samples(100, "more")]
    put_new(source, [naming, *records])
    cut_off(source, target, "swap_heads", 2)
    assert read_mark(target.store.marks()[MARK])[1] == "heads"
    source.withdraw([records[-1].address], case="late", reason="r")
    source.withdraw_files([file.sha256], case="late", reason="r")
    # As many documents as there were before, so that their number doesn't tell.
    put_new(source, [sample("in its stead")])
    result, problems = run(source, target, verify=True)
    assert (problems, result.ok) == ([], True)
    assert contents(target) == contents(source)
    assert isinstance(target.files.stat([file.sha256])[file.sha256], Notice)


@pytest.mark.usefixtures("saved_at_once")
def test_a_source_that_changed_meanwhile_is_read_from_the_start(source: Repository, target: Repository) -> None:
    fill(source)
    put_new(source, samples(100, "more"))
    there = cut_off(source, target)
    put_new(source, samples(50, "later"))
    result, _ = run(source, target, verify=True)
    assert result.ok
    assert result.documents_existed == there >= 40


@pytest.mark.usefixtures("saved_at_once")
def test_the_progress_of_a_copy_from_elsewhere_is_not_used(make: Make, target: Repository) -> None:
    one, other = make("memory", "one"), make("memory", "other")
    put_new(one, samples(100, "one"))
    put_new(other, samples(100, "other"))
    there = cut_off(one, target)
    assert there >= 40
    assert run(other, target)[0].documents_new == 100
    assert run(one, target)[0].documents_new == 100 - there


@pytest.mark.usefixtures("saved_at_once")
def test_the_progress_of_a_copy_from_a_source_of_another_name_is_not_used(
    source: Repository, target: Repository
) -> None:
    fill(source)
    put_new(source, samples(100, "more"))
    there = cut_off(source, target, name="sqlite:one.db")
    assert run(source, target, name="sqlite:other.db")[0].documents_existed == there


@pytest.mark.parametrize(
    "mark",
    [
        "",
        "nonsense",
        "[]",
        "null",
        json.dumps({"source": "FP", "stage": "unknown", "cursor": None}),
        json.dumps({"source": "FP", "stage": "documents", "cursor": 7}),
        json.dumps({"source": "FP", "stage": "documents", "cursor": "no cursor of this store"}),
        json.dumps({"source": "elsewhere", "stage": "heads", "cursor": None}),
    ],
)
def test_a_mark_that_makes_no_sense_is_ignored(pair: tuple[Repository, Repository], mark: str) -> None:
    source, target = pair
    fill(source)
    target.store.set_mark(MARK, mark.replace("FP", fingerprint(source.store, " 5")))
    result, problems = run(source, target)
    assert problems == []
    assert result.documents_new == 11
    assert contents(target)[1] == contents(source)[1]
    assert target.store.marks() == {}


@pytest.mark.usefixtures("saved_at_once")
def test_what_was_left_out_before_the_cut_is_copied_once_it_is_mended(source: Repository, target: Repository) -> None:
    fill(source)
    damaged, *more = samples(60, "more")
    put_new(source, [damaged, *more])
    damage_document(source, damaged.address)
    cut_off(source, target, "swap_heads", 2)
    source.store.replace([damaged])
    result, problems = run(source, target, verify=True)
    assert (problems, result.ok) == ([], True)
    assert contents(target) == contents(source)


@pytest.mark.usefixtures("saved_at_once")
def test_a_copy_cut_off_between_two_stages_begins_the_second(source: Repository, target: Repository) -> None:
    fill(source)
    put_new(source, samples(100, "more"))
    cut_off(source, target, "heads", 1)
    assert read_mark(target.store.marks()[MARK])[1:] == ("heads", None)
