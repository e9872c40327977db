"""The reference loop: steady work of a known size, slowed by what slows the machine, and by nothing of stat7."""

from __future__ import annotations

import ast
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from stat7.stress import reference
from stat7.stress.reference import SLICES, ReferenceLoop, measure, one_loop


class Clock:
    """A clock that moves when a loop is done, by so many ns, and now and then by more: others had the processor."""

    def __init__(self, loop_ns: int, taken_ns: int = 0) -> None:
        self.now = 0
        self.loops = 0
        self.loop_ns = loop_ns
        self.taken_ns = taken_ns

    def perf_counter_ns(self) -> int:
        return self.now

    def one_loop(self, number: int) -> str:
        self.loops += 1
        self.now += self.loop_ns + (self.taken_ns if self.loops % 100 == 0 else 0)
        return ""


@pytest.fixture
def rates(monkeypatch: pytest.MonkeyPatch) -> Callable[[Clock], list[float]]:
    """What the loop finds on a clock that is given."""

    def find(clock: Clock) -> list[float]:
        monkeypatch.setattr(reference, "time", clock)
        monkeypatch.setattr(reference, "one_loop", clock.one_loop)
        found: list[float] = ReferenceLoop(0.15).prepare()(lambda done: None)["rates"]
        return found

    return find


def test_a_measurement_is_a_rate_with_an_interval_from_a_process_of_its_own() -> None:
    figure = measure()
    assert figure.value is not None
    assert figure.interval is not None
    assert figure.unit == "1/s"
    assert figure.interval[0] <= figure.value <= figure.interval[1]
    assert figure.samples >= SLICES


def test_the_rate_is_that_of_the_loops(rates: Callable[[Clock], list[float]]) -> None:
    assert rates(Clock(20_000)) == pytest.approx([50_000.0] * SLICES)
    assert rates(Clock(40_000)) == pytest.approx([25_000.0] * SLICES)


def test_time_that_others_take_makes_the_rate_lower(rates: Callable[[Clock], list[float]]) -> None:
    found = rates(Clock(20_000, taken_ns=2_000_000))
    assert sum(found) / SLICES == pytest.approx(25_000, rel=0.1)


def test_the_work_depends_on_its_number_alone() -> None:
    assert one_loop(5) == one_loop(5) == one_loop(1005)
    assert len({one_loop(number) for number in range(1000)}) == 1000


def test_the_loop_uses_nothing_but_the_standard_library() -> None:
    tree = ast.parse(Path(reference.__file__).read_text("utf-8"))
    loop = next(node for node in tree.body if isinstance(node, ast.FunctionDef) and node.name == "one_loop")
    used = {node.id for node in ast.walk(loop) if isinstance(node, ast.Name)} & set(vars(reference))
    homes = {getattr(vars(reference)[name], "__module__", None) or name for name in used}
    assert {"json", "sha256"} <= used
    assert {home for home in homes if home.partition(".")[0].lstrip("_") not in sys.stdlib_module_names} == {
        "_DOCUMENT"
    }
