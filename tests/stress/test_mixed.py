"""The reads and puts of an open loop: every answer is checked, and what was acknowledged is told once."""

from __future__ import annotations

import hashlib
from array import array
from contextlib import ExitStack
from itertools import cycle
from pathlib import Path

import pytest

from stat7.stress.subject import Location, Subject
from stat7.stress.tasks.loops import NO_OP_ADDRESS
from stat7.stress.tasks.mixed import READ, WRITE, Puts, Reads, ReadsAndPuts
from stat7.stress.tasks.writing import ROOM_FOR_WRITES, documents, paced_from
from stat7.stress.workload import Workload

WORKLOAD = Workload(7)
RECORDS = [WORKLOAD.record(index) for index in range(50)]


def test_a_read_whose_bytes_hash_to_something_else_is_told() -> None:
    document = b"{}"
    address = hashlib.sha256(document).hexdigest()
    reads = Reads(lambda asked: document, cycle([address, NO_OP_ADDRESS]))
    first, second = reads.draw(), reads.draw()
    assert reads.check(first, reads.ask(first)) is None
    assert NO_OP_ADDRESS in (reads.check(second, reads.ask(second)) or "")


def test_acknowledged_puts_are_told_once_and_a_wrong_address_is_a_complaint() -> None:
    right = Puts(
        lambda document: hashlib.sha256(document).hexdigest(), iter([(b"a", hashlib.sha256(b"a").hexdigest())])
    )
    given = right.draw()
    assert right.check(given, right.ask(given)) is None
    assert right.told() == {"acknowledged": array("q", [0]).tobytes(), "drawn": 1}
    assert right.told() == {"acknowledged": b"", "drawn": 1}
    wrong = Puts(lambda document: NO_OP_ADDRESS, documents(WORKLOAD, 0))
    given = wrong.draw()
    assert "put answered" in (wrong.check(given, wrong.ask(given)) or "")


@pytest.fixture
def load(tmp_path: Path) -> ReadsAndPuts:
    """The mix on a store of 50 entities."""
    location = Location(f"sqlite:{tmp_path / 'store.db'}")
    with location.open() as repository:
        repository.put_many(RECORDS)
    digests = tmp_path / "digests"
    digests.write_bytes(b"".join(bytes.fromhex(record.address) for record in RECORDS))
    return ReadsAndPuts(location, WORKLOAD, digests, 50, paced_from(50, 0))


def test_lanes_write_apart_and_what_they_wrote_can_be_read_back(load: ReadsAndPuts) -> None:
    told = []
    with ExitStack() as stack:
        for lane, operations in zip((3, 4), load.prepare(Subject(), stack, (3, 4)), strict=True):
            for kind in (READ, WRITE, WRITE):
                operation = operations[kind]
                given = operation.draw()
                assert operation.check(given, operation.ask(given)) is None
            told.append((lane, {kind: operation.told() for kind, operation in operations.items()}))
    assert load.read_back(told).prepare()(lambda done: None) == {"looked": 4, "lost": 0}
    assert load.written(3, told[0][1]) == range(load.room(3).start, load.room(3).start + 2)
    assert load.written(5, {}) == range(load.room(5).start, load.room(5).start)
    assert load.room(3).stop == load.room(4).start
    assert len(load.room(3)) == ROOM_FOR_WRITES
    with load.location.open() as repository:
        repository.store.discard([WORKLOAD.record(load.room(4).start).address])
    assert load.read_back(told).prepare()(lambda done: None)["lost"] == 1


def test_the_same_work_is_done_against_a_store_that_does_nothing(load: ReadsAndPuts) -> None:
    for operation in load.idle(0).values():
        given = operation.draw()
        assert operation.check(given, operation.ask(given)) is None
    with load.location.open() as repository:
        assert repository.store.count() == 50


def test_given_keys_are_read_and_a_kind_without_weight_never_comes(tmp_path: Path, load: ReadsAndPuts) -> None:
    keys = tuple(record.address for record in RECORDS[:4])
    chosen = ReadsAndPuts(load.location, WORKLOAD, load.digests, 50, 0, writes=0.0, keys=keys)
    assert dict(chosen.weights) == {READ: 7}
    with ExitStack() as stack:
        (operations,) = chosen.prepare(Subject(), stack, (9,))
        assert {operations[READ].draw() for _ in range(8)} == set(keys)


def test_parts_of_one_scale_and_neighbouring_scales_lie_apart() -> None:
    starts = [paced_from(scale, part) for scale in (1, 2) for part in range(5)]
    assert starts == sorted(starts)
    assert paced_from(1, 4) + 10_000 * ROOM_FOR_WRITES <= 2 * 10**12
