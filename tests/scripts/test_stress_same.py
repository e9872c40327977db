"""scripts/stress_same.py judges runs of one commit: who is accused wrongly, and whether slow ones are found."""

from __future__ import annotations

from math import exp
from pathlib import Path
from random import Random

import pytest
import stress_same

from stat7.stress.results import Figure, Results, Run, TestResult, Verdict, write

NAMES = ("hit_mean", "hit_p50", "write_mean")


def result_of(number: int, slower: float) -> Results:
    """A run on a quiet machine: three latencies that differ by 1 % from run to run."""
    random = Random(number)
    figures = {}
    for name in NAMES:
        value = slower * exp(random.gauss(0, 0.01))
        figures[name] = Figure(value, "ms", 5000, (value / 1.01, value * 1.01))
    moment = f"2026-01-01T00:{number // 60:02}:{number % 60:02}.000Z"
    results = Results(
        Run(f"{number:016x}", "scales", "", 7, moment, moment),
        {
            "cpu": None,
            "platform": "Linux",
            "python": "3.11",
            "filesystem": None,
            "git_commit": None,
            "load_average": None,
        },
        {"profile": "seed", "scales": [5000], "store": "sqlite", "time_limit_seconds": 1, "experiments": []},
        [TestResult("lookup", "", 5000, "found", Verdict.PASS, "met", figures=figures)],
    )
    results.environment = {
        **results.environment,
        "platform": "Linux",
        "python": "3.11",
        "cores": {"usable": 2, "logical": 2, "physical": 2},
        "memory_bytes": 1,
        "packages": {},
        "durability": [],
    }
    results.settings |= {"timer": {"floor_ns": 1, "floor_p99_ns": 1, "step_ns": 1}, "cuts": [], "notes": []}
    results.self_check["reference"] = [Figure(40_000 + random.gauss(0, 400), "1/s", 9, None) for _ in range(4)]
    return results


@pytest.mark.parametrize(("slower", "finding"), [(1.5, "B is slower in 3 of 3"), (1.0, "no difference shown in 3")])
def test_runs_of_one_commit_are_compared_once_each_and_slow_ones_with_all(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], slower: float, finding: str
) -> None:
    for number in range(18):
        side = ("same", "also", "slow")[number % 3]
        (tmp_path / side).mkdir(exist_ok=True)
        write(result_of(number, slower if side == "slow" else 1.0), tmp_path / side)
    stress_same.judge(tmp_path)
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "6 runs against 6 of the same commit, and 6 slowed by 20%"
    assert [line.partition(" comparisons")[0] for line in lines[1:4]] == [
        "the same, 1 against 1: 0 of 6",
        "the same, 2 against 2: 0 of 3",
        "the same, 5 against 5: 0 of 1",
    ]
    assert any(line.startswith("the same, 6 against 6: no difference shown") for line in lines)
    assert any(line.startswith(f"slowed, 12 against 6: {finding}") for line in lines)
