"""Building the store of a scale: how thoroughly it can be afforded, and what comes of it."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from stat7.stress import ingest
from stat7.stress.context import Context, Stage
from stat7.stress.housing import Embedded, Given
from stat7.stress.ingest import LARGE, Pace, Way
from stat7.stress.measure import Timer
from stat7.stress.plan import QUICK, Budget, Step
from stat7.stress.sabotage.addresses import CutTo48Bits
from stat7.stress.subject import Addresser, CanonicalAddresser, Location, Subject
from stat7.stress.targets import SEED
from stat7.stress.tasks.ingest import Fill, Generate, pack
from stat7.stress.tasks.loops import DIGEST
from stat7.stress.workers import WorkerFailed, run_together
from stat7.stress.workload import Workload

WORKLOAD = Workload(7)


def context(folder: Path, *steps: Step, limit: float = 100.0, addresser: Addresser | None = None) -> Context:
    subject = Subject(addresser or CanonicalAddresser())
    timer = Timer(50, 60, 10)
    return Context(subject, WORKLOAD, Embedded(folder), folder, QUICK, SEED, Budget(steps, limit), timer, cores=2)


# Twice of what the work takes on two cores, since something else was running.
PACE = Pace(clock=48e-6, storing=14e-6, making=9e-6, addressing=25e-6)


@pytest.mark.parametrize(
    ("limit", "way"),
    [
        (640, Way()),
        (630, Way(10)),
        (375, Way(10)),
        (370, Way(10, lean=True)),
        (236, Way(10, lean=True)),
        (230, Way(10, stored=False)),
        (130, Way(10, stored=False)),
        (120, None),
    ],
)
def test_a_large_scale_is_built_as_thoroughly_as_the_time_left_allows(
    limit: float, way: Way | None, tmp_path: Path
) -> None:
    run = context(tmp_path, Step("lookup", 10**7, 5.0), limit=limit)
    stage = Stage(10**7, WORKLOAD)
    assert ingest._affordable(run, stage, PACE) == way
    assert len(run.budget.cuts) == (way is not None and way.every > 1)
    if way is None or not way.stored:
        assert "s are left" in stage.lacking


def test_time_to_take_entities_out_of_a_given_store_is_counted_and_they_are_all_of_one_kind(tmp_path: Path) -> None:
    found = []
    for limit in (1270, 1250, 745, 740):
        run = context(tmp_path, Step("lookup", 10**7, 5.0), limit=limit)
        run.housing = Given(Location("sqlite:library.db"), WORKLOAD, tmp_path)
        found.append(ingest._affordable(run, Stage(10**7, WORKLOAD), PACE))
    assert found == [Way(), Way(10), Way(10), Way(10, stored=False)]


def test_what_is_not_stored_needs_no_removal(tmp_path: Path) -> None:
    given = Given(Location("sqlite:library.db"), WORKLOAD, tmp_path)
    assert given.move_in(5000, stored=False).held == 0
    assert given.leave() == []
    assert given.move_in(6000).held == 0


def test_where_there_is_no_time_to_store_the_addresses_are_made_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ingest, "LARGE", 3000)
    monkeypatch.setattr(ingest, "_affordable", lambda run, stage, pace: Way(2, lean=True, stored=False))
    stage, lean = Stage(4500, WORKLOAD, lacking="no time"), Workload(7, lean=True)
    ingest.build(context(tmp_path, Step("ingest", 4500, 1.0)), stage, PACE)
    assert (stage.location, stage.lacking, stage.addressed) == (None, "no time", 2500)
    assert stage.digests is not None
    assert stage.digests.read_bytes() == b"".join(bytes.fromhex(lean.record(index).address) for index in range(4500))
    assert PACE.clock == 48e-6


def test_what_does_not_fit_is_not_begun(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Embedded, "lacks", lambda self, scale: "no disk")
    stage = Stage(100, WORKLOAD)
    ingest.build(context(tmp_path, Step("ingest", 100, 1.0)), stage, Pace())
    assert (stage.location, stage.lacking) == (None, "no disk")
    monkeypatch.setattr(Embedded, "lacks", lambda self, scale: None)
    stage = Stage(LARGE, WORKLOAD)
    ingest.build(context(tmp_path, Step("ingest", LARGE, 1.0)), stage, Pace(1.0, 0.5, 0.2, 0.2))
    assert stage.location is None
    assert "would take" in stage.lacking
    assert list(tmp_path.iterdir()) == []


def test_the_store_holds_every_entity_with_its_head_and_the_file_every_digest(tmp_path: Path) -> None:
    told: list[tuple[int, int | None]] = []
    run = context(tmp_path, Step("ingest", 2500, 1.0))
    run.tell = lambda done, total: told.append((done, total))
    stage, pace = Stage(2500, WORKLOAD), Pace()
    ingest.build(run, stage, pace)
    records = [WORKLOAD.record(index) for index in range(2500)]
    assert stage.digests is not None
    assert stage.digests.read_bytes() == b"".join(bytes.fromhex(record.address) for record in records)
    assert (stage.addressed, stage.malformed) == (2500, 0)
    assert told[-1] == (2500, 2500)
    assert 0 < pace.storing < pace.clock
    assert min(pace.making, pace.addressing) > 0
    assert pace.predicted(Way(), 2) == pytest.approx(pace.clock)
    assert Pace().predicted(Way(), 2) == 0
    assert stage.location is not None
    with stage.location.open() as repository:
        assert repository.store.count() == 2500
        assert repository.store.get([records[7].address]) == {records[7].address: records[7].document}
        assert repository.store.heads([record.id for record in records]) == {
            record.id: record.address for record in records
        }


def test_a_given_store_gets_what_it_lacks_in_the_usual_way(tmp_path: Path) -> None:
    location = Location(f"sqlite:{tmp_path / 'library.db'}")
    run = context(tmp_path, Step("ingest", 300, 1.0), Step("ingest", 1500, 1.0))
    run.housing = Given(location, WORKLOAD, tmp_path)
    for scale in (300, 1500):
        stage = Stage(scale, WORKLOAD)
        ingest.build(run, stage, Pace())
        assert stage.addressed == scale
    assert stage.digests is not None
    assert stage.digests.stat().st_size == 1500 * DIGEST
    assert run.budget.owed > 0
    with location.open() as repository:
        assert repository.store.count() == 1500
    assert run.housing.leave() == []
    with location.open() as repository:
        assert repository.store.count() == 0


def test_malformed_addresses_are_counted_and_the_store_can_still_be_built(tmp_path: Path) -> None:
    stage = Stage(1200, WORKLOAD)
    ingest.build(context(tmp_path, Step("ingest", 1200, 1.0), addresser=CutTo48Bits()), stage, Pace())
    assert stage.malformed == 1200
    assert stage.location is not None


def test_only_some_chunks_are_addressed_by_the_subject_where_time_is_short(tmp_path: Path) -> None:
    digests = tmp_path / "digests"
    digests.write_bytes(bytes(5000 * DIGEST))
    tasks = [Generate(Subject(CutTo48Bits()), WORKLOAD, 0, 5000, worker, 2, digests, None, 2) for worker in range(2)]
    found = run_together(tasks, seconds=60)
    assert [result["addressed"] for result in found] == [2000, 1000]
    assert sum(result["malformed"] for result in found) == 3000
    whole = digests.read_bytes()
    assert whole[2000 * DIGEST : 2001 * DIGEST].hex() == WORKLOAD.record(2000).address
    assert whole[:DIGEST].hex() == WORKLOAD.record(0).address[:12].ljust(64, "0")


def test_a_large_scale_that_takes_longer_than_predicted_is_broken_off(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ingest, "LARGE", 1000)
    run = context(tmp_path, Step("ingest", 200_000, 1.0), limit=3.0)
    stage, begun = Stage(200_000, WORKLOAD), time.monotonic()
    ingest.build(run, stage, Pace())
    assert time.monotonic() - begun < 10
    assert stage.location is None
    assert "broken off" in stage.lacking


def test_a_store_that_is_too_slow_for_a_scale_is_not_filled_but_its_addresses_are_made(tmp_path: Path) -> None:
    slow = Pace(clock=0.02, storing=1e-6, making=1e-6, addressing=1e-6)
    stage = Stage(5000, WORKLOAD)
    ingest.build(context(tmp_path, Step("ingest", 5000, 1.0), limit=40.0), stage, slow)
    assert stage.location is None
    assert "would take" in stage.lacking
    assert stage.digests is not None
    quick = Stage(500, WORKLOAD)
    ingest.build(context(tmp_path, Step("ingest", 500, 1.0), limit=40.0), quick, slow)
    assert quick.location is not None


def test_records_that_got_lost_on_the_way_are_noticed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ingest, "Fill", lambda location, new, inlets, total: Fill(location, new, inlets, total + 1))
    with pytest.raises(WorkerFailed, match="400 records arrived of 401"):
        ingest.build(context(tmp_path, Step("ingest", 400, 1.0)), Stage(400, WORKLOAD), Pace())


def test_addresses_of_the_wrong_form_are_counted_and_filled_up() -> None:
    good = WORKLOAD.record(1).address
    assert pack([good, good]) == (bytes.fromhex(good) * 2, 0)
    packed, malformed = pack([good, good[:12], good.upper(), "", good + "00", "xyz"])
    assert malformed == 5
    assert len(packed) == 6 * DIGEST
    assert packed[DIGEST : DIGEST + 6].hex() == good[:12]
    assert packed[2 * DIGEST : 3 * DIGEST].hex() == good
