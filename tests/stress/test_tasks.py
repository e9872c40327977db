"""The timed loops and the workers' tasks, run in this process against stores whose faults are known."""

from __future__ import annotations

import hashlib
import time
from array import array
from collections.abc import Sequence
from pathlib import Path
from random import Random
from typing import Any

import pytest

from stat7.entity import Entity
from stat7.errors import Conflict, NotFound, Unavailable
from stat7.record import Notice
from stat7.repository import Repository
from stat7.stress.sabotage.addresses import CoordinateLeftOut
from stat7.stress.subject import Location, Subject
from stat7.stress.tasks.address import SingleAddresses
from stat7.stress.tasks.concurrent import READ, WRITE, ReadsAndWrites
from stat7.stress.tasks.loops import (
    Tape,
    batches,
    ceiling,
    draw_addresses,
    strange_addresses,
    timed_batches,
    timed_hits,
    timed_misses,
)
from stat7.stress.tasks.memory import Occupy
from stat7.stress.tasks.scaling import InTurns
from stat7.stress.tasks.writing import ReadBack
from stat7.stress.workload import Workload

SECOND = 1_000_000_000
WORKLOAD = Workload(7)
RECORDS = [WORKLOAD.record(index) for index in range(200)]
ADDRESSES = [record.address for record in RECORDS]
DOCUMENTS = {record.address: record.document for record in RECORDS}


def read(address: str) -> bytes:
    """A sound store's read."""
    if address not in DOCUMENTS:
        raise NotFound(address)
    return DOCUMENTS[address]


def read_many(addresses: Sequence[str]) -> dict[str, bytes]:
    return {address: DOCUMENTS[address] for address in addresses if address in DOCUMENTS}


def test_hits_are_timed_one_by_one_and_hashed() -> None:
    tape = Tape(500)
    timed_hits(tape, read, ADDRESSES, time.perf_counter_ns, SECOND)
    result = tape.result()
    durations, ends = array("q", result["durations"]), array("q", result["ends"])
    assert len(durations) == len(ends) == 200
    assert all(duration > 0 for duration in durations)
    assert list(ends) == sorted(ends)
    assert sum(durations) <= ends[-1]
    assert (result["wrong"], result["errors"]) == (0, 0)
    assert tape.rate > 1000


@pytest.mark.parametrize("fault", ["other bytes", "an error"])
def test_wrong_hits_are_counted_and_the_first_is_told(fault: str) -> None:
    def faulty(address: str) -> bytes:
        if address == ADDRESSES[3]:
            if fault == "an error":
                raise NotFound(address)
            return DOCUMENTS[ADDRESSES[4]]
        return read(address)

    tape = Tape(500)
    timed_hits(tape, faulty, ADDRESSES, time.perf_counter_ns, SECOND)
    assert tape.wrong == 1
    assert ADDRESSES[3] in tape.first_error


def test_a_miss_that_finds_something_is_wrong() -> None:
    tape = Tape(60)
    timed_misses(tape, read, strange_addresses(50, Random(1)), time.perf_counter_ns, SECOND)
    assert (tape.count, tape.wrong) == (50, 0)
    timed_misses(tape, read, ADDRESSES[:10], time.perf_counter_ns, SECOND)
    assert (tape.count, tape.wrong) == (10, 10)


def test_batches_are_whole_and_every_document_in_them_is_checked() -> None:
    assert list(batches(ADDRESSES[:25], 10)) == [ADDRESSES[:10], ADDRESSES[10:20]]
    tape = Tape(9)
    timed_batches(tape, read_many, batches(ADDRESSES, 50), True, time.perf_counter_ns, SECOND)
    assert (tape.count, tape.wrong) == (4, 0)
    timed_batches(tape, lambda asked: dict(list(read_many(asked).items())[1:]), batches(ADDRESSES, 50), True,
                  time.perf_counter_ns, SECOND)  # fmt: skip
    assert tape.wrong == 4
    notice = Notice(ADDRESSES[0], "c", "r", "2026-01-01T00:00:00.000Z")
    timed_batches(tape, lambda asked: read_many(asked) | {ADDRESSES[0]: notice}, [ADDRESSES[:2]], True,
                  time.perf_counter_ns, SECOND)  # fmt: skip
    assert tape.wrong == 5


def test_batches_of_misses_that_find_something_and_batches_that_fail_are_wrong() -> None:
    def failing(asked: Sequence[str]) -> dict[str, bytes]:
        raise Unavailable("gone")

    tape = Tape(9)
    timed_batches(tape, read_many, [ADDRESSES[:5]], False, time.perf_counter_ns, SECOND)
    assert tape.wrong == 5
    timed_batches(tape, failing, [ADDRESSES[:5]], True, time.perf_counter_ns, SECOND)
    assert tape.wrong == 6
    assert tape.first_error == "Unavailable: gone"


@pytest.mark.parametrize("loop", [timed_hits, timed_misses])
def test_loops_end_when_the_time_or_the_room_is_over(loop: Any) -> None:
    ticks = iter(range(0, 10**9, 1000))
    tape = Tape(1000)
    keys = ADDRESSES if loop is timed_hits else strange_addresses(200, Random(2))
    loop(tape, read, keys, lambda: next(ticks), 20_000)
    assert 5 < tape.count < 20
    short = Tape(7)
    loop(short, read, keys, time.perf_counter_ns, SECOND)
    assert short.count == 7


def test_the_ceiling_is_what_the_loop_does_without_a_store_and_drag_lowers_it() -> None:
    free = ceiling(time.perf_counter_ns, 0)
    dragged = ceiling(time.perf_counter_ns, 500_000)
    assert free > 50_000
    assert 500 < dragged <= 2000


def test_addresses_are_drawn_from_the_file_of_digests(tmp_path: Path) -> None:
    digests = tmp_path / "digests"
    digests.write_bytes(b"".join(bytes.fromhex(address) for address in ADDRESSES))
    drawn = draw_addresses(digests, 50, 400, Random(3))
    assert set(drawn) <= set(ADDRESSES[:50])
    assert len(set(drawn)) > 40


def test_single_addresses_are_checked_against_the_workload() -> None:
    sound = SingleAddresses(Subject(), WORKLOAD, 30, 100, 10.0).prepare()(lambda done: None)
    assert sound["wrong"] == 0
    assert len(sound["durations"]) == 8 * 100
    wrong = SingleAddresses(Subject(CoordinateLeftOut()), WORKLOAD, 30, 100, 10.0).prepare()(lambda done: None)
    assert wrong["wrong"] > 90
    short = SingleAddresses(Subject(), WORKLOAD, 30, 100_000, 0.05).prepare()(lambda done: None)
    assert len(short["durations"]) < 8 * 100_000


@pytest.fixture
def place(tmp_path: Path) -> tuple[Location, Path]:
    """A store with the first 200 entities, and their digests."""
    location = Location(f"sqlite:{tmp_path / 'store.db'}")
    with location.open() as repository:
        repository.put_many(RECORDS)
    digests = tmp_path / "digests"
    digests.write_bytes(b"".join(bytes.fromhex(address) for address in ADDRESSES))
    return location, digests


def mixed(place: tuple[Location, Path], subject: Subject, most: int = 100) -> dict[str, Any]:
    task = ReadsAndWrites(subject, place[0], WORKLOAD, place[1], 200, 0, 10**12, 20.0, most, 10)
    return dict(task.prepare()(lambda done: None))


def test_seven_of_ten_operations_read_and_three_write_what_can_be_read_back(place: tuple[Location, Path]) -> None:
    result = mixed(place, Subject(), 1000)
    assert (result["kinds"].count(READ), result["kinds"].count(WRITE)) == (700, 300)
    assert (result["wrong"], result["errors"]) == (0, 0)
    assert list(array("q", result["acknowledged"])) == list(range(300))
    assert result["ceiling"] > 10_000
    writes = ((10**12, result["acknowledged"]),)
    assert ReadBack(place[0], WORKLOAD, writes).prepare()(lambda done: None) == {"looked": 300, "lost": 0}
    with place[0].open() as repository:
        repository.store.discard([WORKLOAD.record(10**12 + 5).address])
        assert repository.store.swap_heads([]) == []
    assert ReadBack(place[0], WORKLOAD, writes).prepare()(lambda done: None)["lost"] == 1


class Failing(Repository):
    """Fails in the way that its class says."""

    error: Exception = Unavailable("busy")

    def put(self, document: object) -> str:
        raise self.error


class Refusing(Failing):
    error = Conflict("some/id", "ab" * 32)


class Misnaming(Repository):
    """Answers every put with another address."""

    def put(self, document: object) -> str:
        assert isinstance(document, bytes)
        Entity.from_json(document)
        return hashlib.sha256(document).hexdigest()


def wrapped(kind: type[Repository]) -> Any:
    return lambda repository: kind(repository.store, repository.files)


def test_what_a_store_cannot_do_now_is_an_error_and_what_it_does_wrongly_is_wrong(place: tuple[Location, Path]) -> None:
    busy = mixed(place, Subject(wrap=wrapped(Failing)))
    assert busy["wrong"] == 0
    assert busy["errors"] > 20
    assert busy["first_error"] == "Unavailable: busy"
    assert busy["acknowledged"] == b""
    refusing = mixed(place, Subject(wrap=wrapped(Refusing)))
    assert refusing["errors"] == 0
    assert refusing["wrong"] > 20
    misnaming = mixed(place, Subject(wrap=wrapped(Misnaming)))
    assert misnaming["wrong"] > 20
    assert "put answered" in misnaming["first_error"]


def test_occupied_memory_is_told_both_ways() -> None:
    traced = Occupy(Subject(), WORKLOAD, 3000, True).prepare()(lambda done: None)
    assert traced["stored"] == 3000
    assert 400 < traced["bytes"] / 3000 < 3000
    charged = Occupy(Subject(), WORKLOAD, 3000, False).prepare()(lambda done: None)
    assert charged["stored"] == 3000


def test_scales_are_measured_in_turns(place: tuple[Location, Path]) -> None:
    task = InTurns(Subject(), WORKLOAD, (100, 200), (place, place), 5, 10)
    found = task.prepare()(lambda done: None)
    for operation in ("address", "lookup"):
        assert len(found[operation]) == 5
        assert all(len(times) == 2 and min(times) > 0 for times in found[operation])
    alone = InTurns(Subject(), WORKLOAD, (100, 200), (), 3, 10).prepare()(lambda done: None)
    assert alone["lookup"] == []
    assert len(alone["address"]) == 3
