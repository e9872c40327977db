"""What workers wrote is told to whoever tidies up: the puts they tried; all there was room for, if one failed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from stat7.stress.context import Context, Stage
from stat7.stress.housing import Embedded
from stat7.stress.ingest import Pace, build
from stat7.stress.measure import time_the_timer
from stat7.stress.plan import Budget, Mode, Step
from stat7.stress.subject import Subject
from stat7.stress.targets import SEED
from stat7.stress.tests import concurrent
from stat7.stress.workers import WorkerFailed
from stat7.stress.workload import Workload

WORKLOAD = Workload(7)
SCALE, WORKERS, OPERATIONS = 1000, 2, 400


class Noted(Embedded):
    """Notes what is said to have been written."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.written: list[range] = []

    def wrote(self, indexes: range) -> None:
        """See Housing.wrote."""
        self.written.append(indexes)


def prepared(folder: Path) -> tuple[Context, Stage, Noted]:
    """A context with a stage whose store is filled."""
    mode = Mode("quick", (SCALE,), 120.0, 0.25, 2000, 20.0, 30.0)
    budget = Budget([Step(name, SCALE, 1.0) for name in ("ingest", f"concurrent {WORKERS}")], mode.limit)
    noted = Noted(folder)
    subject = Subject()
    timer = time_the_timer(subject.clock)
    run, stage = Context(subject, WORKLOAD, noted, folder, mode, SEED, budget, timer, cores=1), Stage(SCALE, WORKLOAD)
    build(run, stage, Pace())
    return run, stage, noted


def test_what_was_put_is_told_and_no_more(tmp_path: Path) -> None:
    run, stage, noted = prepared(tmp_path)
    concurrent.measure(run, stage, WORKERS, OPERATIONS)
    assert len(noted.written) == WORKERS
    assert stage.location is not None
    with stage.location.open() as repository:
        assert sum(map(len, noted.written)) == repository.store.count() - SCALE > 0
        records = [WORKLOAD.record(index) for indexes in noted.written for index in indexes]
        assert repository.store.has([record.address for record in records]) == {r.address for r in records}


def test_if_a_worker_failed_all_that_there_was_room_for_may_be_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def failing(tasks: Sequence[Any], **_: float) -> list[Mapping[str, Any]]:
        raise WorkerFailed("killed")

    run, stage, noted = prepared(tmp_path)
    monkeypatch.setattr(concurrent, "run_together", failing)
    with pytest.raises(WorkerFailed):
        concurrent.measure(run, stage, WORKERS, OPERATIONS)
    assert [len(indexes) for indexes in noted.written] == [OPERATIONS] * WORKERS
