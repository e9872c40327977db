"""The exponent of growth, on stores whose growth is known."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from stat7.stress.context import Context, Stage
from stat7.stress.housing import Embedded, Given
from stat7.stress.measure import Timer
from stat7.stress.plan import Budget, Mode, Step
from stat7.stress.results import Verdict
from stat7.stress.subject import Location, Subject
from stat7.stress.targets import SEED
from stat7.stress.tests import scaling
from stat7.stress.workload import Workload

WORKLOAD = Workload(7)
SCALES = (1000, 10_000, 100_000)


def context(folder: Path, scales: Sequence[int] = SCALES) -> Context:
    mode = Mode("quick", tuple(scales), 60.0, 0.1, 1000, 0.1, 0.1)
    budget = Budget([Step("scaling", scales[-1], 1.0)], 60.0)
    run = Context(Subject(), WORKLOAD, Embedded(folder), folder, mode, SEED, budget, Timer(50, 60, 10), cores=2)
    location = Location("sqlite:nowhere.db")
    run.stages = [
        Stage(scale, WORKLOAD, location, folder / "digests", lookup_ns=1000 + scale / 100) for scale in scales
    ]
    return run


def answering(monkeypatch: pytest.MonkeyPatch, address: Sequence[float], lookup: Sequence[float]) -> None:
    """Give these times for one operation at each scale, a little different from round to round."""
    slower = (1.0, 1.5, 1.01, 0.9, 3.0)

    def run(tasks: Sequence[Any], *, seconds: float) -> list[Mapping[str, Any]]:
        lookups = [[time * slow for time in lookup] for slow in slower] if tasks[0].stores else []
        return [{"address": [[time * slow for time in address] for slow in slower], "lookup": lookups}]

    monkeypatch.setattr(scaling, "run_together", run)


def test_constant_costs_are_linear_growth(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    answering(monkeypatch, [20e3, 20e3, 20e3], [10e3, 10e3, 10e3])
    result = scaling.measure(context(tmp_path))
    assert result.verdict is Verdict.PASS
    assert result.figures["exponent"].value == pytest.approx(1)
    assert result.scale == 100_000


def test_a_store_that_scans_is_found_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    answering(monkeypatch, [20e3, 20e3, 20e3], [10e3, 100e3, 1000e3])
    result = scaling.measure(context(tmp_path))
    assert result.verdict is Verdict.FAIL
    assert result.figures["lookup_exponent"].value == pytest.approx(2)
    assert result.figures["address_exponent"].value == pytest.approx(1)
    assert result.figures["address_exponent"].interval == pytest.approx((1, 1))


def test_of_a_store_that_grew_only_addressing_is_judged(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    answering(monkeypatch, [20e3, 20e3, 20e3], [])
    run = context(tmp_path)
    run.housing = Given(Location("sqlite:library.db"), WORKLOAD, tmp_path)
    result = scaling.measure(run)
    assert result.verdict is Verdict.PASS
    assert result.claim == scaling.CLAIM_WITHOUT_STORES
    lookup = result.figures["lookup_exponent"]
    assert lookup.value is not None
    assert lookup.value > 1.05
    assert lookup.samples == 3


def test_one_scale_has_no_exponent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    answering(monkeypatch, [20e3], [10e3])
    result = scaling.measure(context(tmp_path, SCALES[:1]))
    assert result.verdict is Verdict.NO_DATA
    assert "two or more" in result.why


def test_a_clock_that_is_too_coarse_gives_no_exponent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    answering(monkeypatch, [0.0, 20e3, 20e3], [0.0, 10e3, 10e3])
    run = context(tmp_path)
    run.timer = Timer(0, 0, 1_000_000)
    assert scaling.measure(run).verdict is Verdict.INVALID
