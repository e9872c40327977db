"""EXP-04: files are put, put again, read, weighed and verified; what isn't ours is left as it was."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from stat7.opening import open as open_urls
from stat7.stress.context import Context
from stat7.stress.experiments import Lacking, conduct, exp04, find_experiment, places
from stat7.stress.experiments.places import is_ours, media_folder, painted, require_disk, room, throughput
from stat7.stress.housing import Given
from stat7.stress.results import Verdict
from stat7.stress.subject import Location
from stat7.stress.tasks.files import Validate
from stat7.stress.workload import Workload
from tests.stress.experiments.facts import context

PLAN = exp04.Plan(60, 20, 2)


def given(folder: Path, files: str) -> Context:
    """A run on a store that isn't ours."""
    workload = Workload(7, "stress/0123/")
    location = Location(f"sqlite:{folder / 'library.db'}", files)
    (folder / "run").mkdir()
    run = context(folder / "run", workload=workload)
    return replace(run, housing=Given(location, workload, folder))


def test_every_claim_is_measured(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(exp04.PLANS, "quick", PLAN)
    result = conduct(find_experiment("EXP-04"), painted(context(tmp_path)))
    tests = {test.name: test for test in result.tests}
    assert list(tests) == ["file format", "file ingest", "file dedupe", "file read", "file space", "file verify"]
    assert not [test.why for test in result.tests if test.verdict is Verdict.INVALID]
    for name in ("file format", "file verify"):  # of so few files the folders take most room
        assert tests[name].verdict is Verdict.PASS, tests[name].why
    dedupe, read, space = tests["file dedupe"].figures, tests["file read"].figures, tests["file space"].figures
    assert dedupe["bytes_added"].value == dedupe["files_added"].value == 0
    assert dedupe["bytes_put_again"].samples == 20
    assert read["bytes_read"].value == space["distinct_bytes"].value == space["bytes_held"].value
    assert read["lost"].value == 0
    assert 1 < (space["disk_bytes_per_byte"].value or 0) < 3
    assert [curve.title for curve in result.curves] == ["Files stored and read over the run"]
    assert result.parameters["distinct_files"] == 60


def test_files_of_others_stay_and_ours_go(tmp_path: Path) -> None:
    files = f"file:{tmp_path / 'theirs'}"
    with open_urls(f"sqlite:{tmp_path / 'library.db'}", files=files) as repository:
        theirs = repository.put_file(b"somebody's picture")
    run = given(tmp_path, files)
    findings = exp04.measure(painted(run), PLAN)
    assert "file verify" not in {test.name for test in findings.tests}
    assert findings.parameters["files_there_before"] == 1
    assert not run.budget.cuts
    with open_urls(f"sqlite:{tmp_path / 'library.db'}", files=files) as repository:
        assert [item.sha256 for item in repository.files.scan(None, 1000).items] == [theirs.sha256]  # type: ignore[union-attr]


def test_where_files_can_not_be_removed_a_note_says_so(tmp_path: Path) -> None:
    run = given(tmp_path, f"file:{tmp_path / 'theirs'}")
    location = run.housing.location  # type: ignore[attr-defined]
    places.drop(run, location, [b""])
    assert not run.budget.cuts
    places.drop(run, replace(location, files="file:"), [b"\0" * 32])
    assert len(run.budget.cuts) == 1
    assert run.budget.cuts[0].startswith("files of this run may be left in file:")


def test_a_store_given_without_files_gets_a_folder_of_the_run(tmp_path: Path) -> None:
    run = given(tmp_path, "memory:")
    with room(run, "exp-04") as location:
        assert location.store == f"sqlite:{tmp_path / 'library.db'}"
        assert is_ours(run, location)
    assert not (tmp_path / "run" / "exp-04").exists()


def test_media_are_looked_for_in_order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = context(tmp_path)
    monkeypatch.setattr(places, "_CHECKOUT", tmp_path / "nowhere")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(Lacking, match=r"make demo-data.*--media DIR"):
        media_folder(run)
    here = tmp_path / "build" / "demo-data"
    here.mkdir(parents=True)
    (here / "complete").touch()
    assert media_folder(run) == here
    assert media_folder(replace(run, media=tmp_path)) == tmp_path


def test_without_media_or_disk_there_is_no_data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(Lacking, match=r"needs .* GB of free disk"):
        require_disk(tmp_path, shutil.disk_usage(tmp_path).free)
    require_disk(tmp_path, 0)
    monkeypatch.setattr(places, "_CHECKOUT", tmp_path / "nowhere")
    monkeypatch.chdir(tmp_path)
    assert conduct(find_experiment("EXP-04"), context(tmp_path)).verdict is Verdict.NO_DATA


def test_throughput_counts_until_the_first_worker_is_done() -> None:
    ends = np.arange(1, 101, dtype=np.int64) * 10_000_000
    sizes = np.full(100, 1_000_000, dtype=np.int64)
    figure = throughput([(ends, sizes), (ends * 2, sizes)])
    assert figure.value == pytest.approx(150, rel=0.02)
    assert figure.interval is not None
    assert figure.interval[0] <= 150 <= figure.interval[1] + 1
    assert throughput([]).value is None


def test_a_file_that_is_not_valid_any_more_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with places.library(painted(context(tmp_path))) as library:
        assert Validate(library, (1, 2, 3)).prepare()(lambda done: None) == {"flaws": 0, "first": []}
        monkeypatch.setattr("stat7.stress.media.Seed.marked", lambda seed, mark: seed.data[: len(seed.data) // 2])
        assert Validate(library, (1, 2, 3)).prepare()(lambda done: None)["flaws"] == 3
