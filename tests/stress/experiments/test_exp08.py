"""EXP-08: users' requests are drawn as stated, answers are checked, what was acknowledged is looked for, and a given
store is left as it was.
"""

from __future__ import annotations

import pickle
from array import array
from dataclasses import replace
from pathlib import Path
from random import Random
from typing import Any

import pytest

from stat7.errors import Conflict
from stat7.opening import open as open_urls
from stat7.query import Query
from stat7.record import read_canonical
from stat7.repository import Repository
from stat7.stress.experiments import conduct, exp08, find_experiment
from stat7.stress.experiments.places import library, painted
from stat7.stress.housing import Given
from stat7.stress.results import Verdict
from stat7.stress.subject import Location
from stat7.stress.tasks.catalogue import Attached, Catalogue, Fill, LookBack, PutFiles, Wrote, Zipf, address_of
from stat7.stress.tasks.sessions import CachedLocation, Modulated, Sessions, wrote
from stat7.stress.workload import Workload
from tests.stress.experiments.facts import context

FILE = Attached(3, "long movie", "ab" * 32, 5, "video/mp4")
CATALOGUE = Catalogue(Workload(7), 40, (FILE,))
PLAN = exp08.Plan(120, 6, 40, 2, {"read": "p50"}, 2, cache=False)


def test_documents_are_canonical_in_every_version() -> None:
    for index in range(12):
        first = read_canonical(CATALOGUE.first(index))
        assert first.id == CATALOGUE.workload.id(index)
        assert [tuple(file) for file in first.files] == (
            [("long-movie-3", "video/mp4", 5, FILE.sha256)] if index % 4 == 0 else []
        )
        later = read_canonical(CATALOGUE.later(index, 2, first.address))
        assert later.previous == first.address
        assert (later.id, later.files) == (first.id, first.files)
        assert len({first.address, later.address, address_of(CATALOGUE.later(index, 3, first.address))}) == 3
    uploaded = read_canonical(CATALOGUE.first(4_000_000, FILE))
    assert uploaded.files[0].sha256 == FILE.sha256
    assert not read_canonical(CATALOGUE.first(4_000_000)).files


def test_popularity_follows_zipf() -> None:
    popular, random = Zipf(1000, 1.0, 3), Random(1)
    counts = [0] * 1000
    for _ in range(20_000):
        counts[popular.draw(random)] += 1
    ranked = sorted(counts, reverse=True)
    whole = sum(1 / rank for rank in range(1, 1001))
    assert ranked[0] / 20_000 == pytest.approx(1 / whole, rel=0.1)
    assert ranked[1] / 20_000 == pytest.approx(1 / 2 / whole, rel=0.15)
    assert sum(ranked[:100]) / 20_000 == pytest.approx(sum(1 / rank for rank in range(1, 101)) / whole, rel=0.05)
    other = Zipf(1000, 1.0, 4)
    assert counts.index(ranked[0]) != max(range(1000), key=[other.draw(random) for _ in range(2000)].count)


def test_bursts_come_for_all_lanes_at_once_and_the_rate_holds_on_average() -> None:
    arrivals = Modulated(100, 4.0, 2.0, 1.0, 7)
    lanes = [arrivals.times(Random(lane), 300, lane, 2) for lane in range(2)]
    assert sum(map(len, lanes)) == pytest.approx(arrivals.expected(300), rel=0.03)
    assert arrivals.expected(20_000) == pytest.approx(100 * 20_000, rel=0.05)
    for due in lanes:
        assert list(due) == sorted(due)
        assert 0 <= due[0] < due[-1] < 300e9
    rates = [[sum(second * 10**9 <= at < (second + 1) * 10**9 for at in due) for second in range(60)] for due in lanes]
    busiest = max(range(60), key=lambda second: rates[0][second])
    quietest = min(range(60), key=lambda second: rates[0][second])
    assert rates[1][busiest] > 2 * rates[1][quietest]


@pytest.fixture
def load(tmp_path: Path) -> Any:
    run = painted(context(tmp_path))
    location = Location(f"sqlite:{tmp_path / 's.db'}", f"file:{tmp_path / 'f'}")
    with library(run) as media:
        files = PutFiles(location, media, range(8)).prepare()(lambda done: None)["files"]
        catalogue = Catalogue(run.workload, 40, tuple(Attached(*file) for file in files))
        Fill(location, catalogue, range(40)).prepare()(lambda done: None)
        yield Sessions(location, location, catalogue, media, 2)


def operations(load: Sessions, repository: Repository, lane: int = 0) -> dict[str, Any]:
    shelf, entities, files = load._shared()
    from stat7.stress.tasks.sessions import User

    return load._operations(User(*load._user(shelf, entities, lane)), repository, files)


def test_each_kind_of_request_is_answered_and_checked(load: Sessions) -> None:
    assert pickle.loads(pickle.dumps(load)) == load  # noqa: S301
    with load.location.open() as repository:
        kinds = operations(load, repository)
        assert list(kinds) == list(load.weights)
        for kind, operation in kinds.items():
            for _ in range(30):
                given = operation.draw()
                assert operation.check(given, operation.ask(given)) is None, kind
        told = [(0, {kind: operation.told() for kind, operation in kinds.items()})]
    found = load.read_back(told).prepare()(lambda done: None)
    assert found["lost"] == 0
    assert found["looked"] >= 30 + 3 * 30
    assert load.heard[0].drawn == 30


def test_wrong_answers_are_told(load: Sessions) -> None:
    with load.location.open() as repository:
        kinds = operations(load, repository)
        for kind in ("read", "view"):
            given = kinds[kind].draw()
            answer = kinds[kind].ask(given)
            wrong = (answer[0], answer[1] + b" ") if kind == "read" else answer + b" "
            assert kinds[kind].check(given, wrong) is not None
        update = kinds["update"]
        given = update.draw()
        assert "acknowledged last" in update.check(given, Conflict("id", "0" * 64))
        again = update.draw()
        assert again.entity != given.entity
        assert update.check(again, "0" * 64) is not None
        assert given.entity in array("q", update.told()["unsure"])
        first = load.catalogue.first(1)
        page = {address_of(first): first}
        realm = "void" if b'"void"' not in first else "data"
        query = Query(realm=realm, horizon="peak", resonance=(-1, 1))
        wide = Query(realm=realm, horizon="peak", resonance=(-0.5, 0.5))
        for each in (query, wide):
            if each.as_dict().get("resonance"):
                assert "was found" in str(kinds["browse"].check(each, page))
        assert "don't hash" in str(kinds["browse"].check(wide, {"0" * 64: first}))


def test_a_stale_head_and_another_entity_are_told(load: Sessions) -> None:
    with load.location.open() as repository:
        kinds = operations(load, repository)
        update, read = kinds["update"], kinds["read"]
        change = update.draw()
        assert update.check(change, update.ask(change)) is None
        from stat7.stress.tasks.sessions import Wanted

        name = load.catalogue.workload.id(change.entity)
        old = load.catalogue.first(change.entity)
        assert "acknowledged last" in str(read.check(Wanted(name, change.address), (address_of(old), old)))
        assert "another entity" in str(read.check(Wanted("nobody", None), (address_of(old), old)))


def test_idle_operations_do_all_but_the_store(load: Sessions) -> None:
    for kind, operation in load.idle(1).items():
        for _ in range(45 if kind == "update" else 3):
            given = operation.draw()
            assert operation.check(given, operation.ask(given)) is None
        assert operation.told() == {}


def test_what_is_lost_is_counted(load: Sessions) -> None:
    known = address_of(load.catalogue.first(1))
    lost = Wrote(0, array("q", [1, 2]).tobytes(), bytes.fromhex(known + "00" * 32), b"", b"", b"", 0)
    found = LookBack(load.bare, load.catalogue, (lost,)).prepare()(lambda done: None)
    assert (found["lost"], found["looked"]) == (2, 4)
    unsure = lost._replace(unsure=array("q", [2]).tobytes())
    assert LookBack(load.bare, load.catalogue, (unsure,)).prepare()(lambda done: None) == {"lost": 1, "looked": 3}
    file = lost._replace(
        updates=b"", addresses=b"", uploads=array("q", [1]).tobytes(), uploaded=bytes.fromhex(known + "11" * 32)
    )
    assert LookBack(load.bare, load.catalogue, (file,)).prepare()(lambda done: None) == {"lost": 1, "looked": 3}
    assert wrote([]) == ()


def test_the_whole_experiment_is_measured(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(exp08.PLANS, "quick", PLAN)
    result = conduct(find_experiment("EXP-08"), painted(context(tmp_path)))
    (session,) = result.tests
    assert session.verdict is not Verdict.INVALID, session.why
    assert [target.figure for target in session.target] == ["read_p50", "error_share"]
    figures = session.figures
    assert figures["acknowledged_writes_lost"].value == figures["error_share"].value == 0
    assert (figures["acknowledged_writes_lost"].samples or 0) > 0
    assert result.parameters["cache"] == "none"
    assert result.curves


def test_a_given_store_is_left_as_it_was(tmp_path: Path) -> None:
    workload = Workload(7, "stress/0123/")
    location = Location(f"sqlite:{tmp_path / 'library.db'}", f"file:{tmp_path / 'theirs'}")
    with open_urls(location.store, files=location.files) as repository:
        repository.put_file(b"somebody's picture")
        repository.put(Workload(9).record(1))
    (tmp_path / "run").mkdir()
    run = replace(context(tmp_path / "run", workload=workload), housing=Given(location, workload, tmp_path))
    findings = exp08.measure(painted(run), PLAN)
    assert findings.tests[0].verdict is not Verdict.INVALID, findings.tests[0].why
    assert findings.parameters["cache"].startswith("none: the store was given")
    assert not run.budget.cuts
    with open_urls(location.store, files=location.files) as repository:
        assert repository.store.count() == 1
        assert [id for id, _ in repository.store.scan_heads(None, 100).items] == [Workload(9).id(1)]
        assert len(repository.files.scan(None, 1000).items) == 1
        assert not repository.store.marks()


def test_a_cached_location_opens_with_its_cache(tmp_path: Path) -> None:
    bare = CachedLocation(f"sqlite:{tmp_path / 's.db'}", "memory:")
    with bare.open() as repository:
        assert repository.store.count() == 0
    with CachedLocation(bare.store, bare.files, "redis://127.0.0.1:1/0").open() as repository:
        assert type(repository.store).__name__ == "CachedStore"
