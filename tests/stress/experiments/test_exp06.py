"""EXP-06: ratios and curves by number of workers, from paired slices; wrong bytes of either side are noticed."""

from __future__ import annotations

from pathlib import Path

import pytest

from stat7.stress.experiments import conduct, exp06, find_experiment
from stat7.stress.experiments.exp06 import _ratio, _Side
from stat7.stress.experiments.places import painted
from stat7.stress.results import Verdict
from stat7.stress.tasks.retrieval import _range, _read_and_hash, _same
from tests.stress.experiments.facts import context


def side(rates: list[float]) -> _Side:
    return _Side(bytes=rates, reads=10)


def test_ratios_are_paired_by_round() -> None:
    figure = _ratio(side([50, 500, 5, 50, 500]), side([100, 1000, 10, 100, 1000]))
    assert figure.value == pytest.approx(0.5)
    assert list(figure.interval or ()) == pytest.approx([0.5, 0.5])
    spread = _ratio(side([40, 60, 50, 45, 55]), side([100] * 5))
    assert spread.interval is not None
    assert spread.interval[0] < 0.5 < spread.interval[1]
    assert _ratio(side([50, 0, 5, 50, 500]), side([100] * 5)).value is None
    assert _ratio(side([50]), side([100])).interval is None


def test_a_slice_lasts_until_the_last_worker_is_done() -> None:
    found = [
        {"begun": 0, "ended": 10**9, "bytes": 100, "files": 1, "wrong": 0, "errors": 0, "first_error": ""},
        {"begun": 0, "ended": 2 * 10**9, "bytes": 300, "files": 3, "wrong": 1, "errors": 0, "first_error": "bad"},
        {"begun": 5, "ended": 9 * 10**9, "bytes": 900, "files": 9, "wrong": 9, "errors": 0, "first_error": "idle"},
    ]
    measured = _Side()
    measured.add(found, 2)
    assert (measured.bytes, measured.files) == ([200.0], [2.0])
    assert (measured.reads, measured.wrong, measured.first_error) == (4, 1, "bad")


def test_ranges_lie_within_the_file() -> None:
    from random import Random

    random = Random(7)
    for size in (1, 2, 5000, 5_000_000):
        for _ in range(200):
            start, end = _range(random, size)
            assert 0 <= start < end <= size
            assert size < 2**21 or 2**16 <= end - start <= 2**21


def test_the_raw_reader_reads_what_it_is_asked_for(tmp_path: Path) -> None:
    path = tmp_path / "raw"
    data = bytes(range(256)) * 10_000
    path.write_bytes(data)
    assert b"".join(_read_and_hash(path, 0, len(data))) == data
    assert b"".join(_read_and_hash(path, 300, 2_000_000)) == data[300:2_000_000]


def test_every_byte_is_compared() -> None:
    def put(start: int, end: int) -> bytes:
        return b"0123456789"[start:end]

    assert _same(iter([b"23", b"4567"]), put, 2, 8)
    for wrong in ([b"23", b"456"], [b"23", b"45678"], [b"33", b"4567"], [b"23", b"4566"], []):
        assert not _same(iter(wrong), put, 2, 8), wrong


def test_all_kinds_are_measured_with_every_number_of_workers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(exp06.PLANS, "quick", exp06.Plan(10, 1, (1, 2), 5, 0.005))
    result = conduct(find_experiment("EXP-06"), painted(context(tmp_path)))
    assert [test.variant for test in result.tests] == [kind.name for kind in exp06.KINDS]
    for test in result.tests:
        assert test.verdict is not Verdict.INVALID, test.why
        assert [target.figure for target in test.target] == ["errors", "ratio_1", "ratio_2"]
        assert test.figures["ratio_2"].interval is not None
    assert len(result.curves) == 8
    assert [point.x for point in result.curves[0].lines["stat7"]] == [1, 2]
