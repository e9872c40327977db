"""The helpers of the benchmarks measure what they say and judge by one rule."""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from _measure import MEGABYTE, compare, memory_of, report, report_at_least, report_at_most, run_child, take_turns


def printed(capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    """The one JSON line printed since last asked."""
    row: dict[str, Any] = json.loads(capsys.readouterr().out)
    return row


def test_jobs_take_turns_in_alternating_order() -> None:
    seen: list[str] = []
    times = take_turns([lambda: seen.append("a"), lambda: seen.append("b")], rounds=3, warm_up=1)
    assert "".join(seen) == "ba" + "ab" + "ba" + "ab"
    assert [len(each) for each in times] == [3, 3]


def test_a_job_that_is_five_times_slower_has_a_ratio_of_about_five() -> None:
    comparison = compare(lambda: time.sleep(0.01), lambda: time.sleep(0.05), rounds=3, warm_up=0)
    assert 2 < comparison.ratio < 6
    assert comparison.baseline >= 0.05


@pytest.mark.parametrize(("ratio", "ok"), [(2.999, False), (3.0, True)])
def test_a_result_is_ok_when_the_ratio_reaches_the_target(
    ratio: float, ok: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    assert report("b", "/s", ours=3, baseline=1, ratio=ratio, target=3, note="n") is ok
    row = printed(capsys)
    assert row == {
        "benchmark": "b",
        "unit": "/s",
        "ours": 3.0,
        "baseline": 1.0,
        "ratio": ratio,
        "target": 3,
        "ok": ok,
        "note": "n",
    }


@pytest.mark.parametrize(("ours", "ok"), [(160.0, True), (171.0, False)])
def test_a_cost_is_held_against_the_limit_over_its_baseline(
    ours: float, ok: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    assert report_at_most("b", "ms", ours=ours, baseline=20.0, limit=150.0) is ok
    assert printed(capsys)["note"] == "at most 150 ms over the baseline"


@pytest.mark.parametrize(("ours", "ok"), [(5000.0, True), (4999.0, False)])
def test_a_rate_is_held_against_its_floor(ours: float, ok: bool, capsys: pytest.CaptureFixture[str]) -> None:
    assert report_at_least("b", "ops/s", ours=ours, floor=5000.0, note="four workers") is ok
    row = printed(capsys)
    assert row["baseline"] is None
    assert row["note"] == "at least 5000 ops/s; four workers"


def test_the_peak_of_a_child_counts_what_it_held_and_let_go(tmp_path: Path) -> None:
    holds = "import time; b = bytearray(80_000_000); b[::4096] = b'x' * len(b[::4096]); time.sleep(0.3); print('held')"
    child = run_child([sys.executable, "-c", holds + "; del b; time.sleep(0.2)"], folder=tmp_path)
    assert (child.code, child.output.strip()) == (0, "held")
    assert 80 < child.peak_bytes / MEGABYTE < 160
    assert child.seconds >= 0.5


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells mapped files apart")
def test_pages_of_a_mapped_file_do_not_count(tmp_path: Path) -> None:
    (tmp_path / "big").write_bytes(bytes(60_000_000))
    maps = "import mmap, time; m = mmap.mmap(open('big', 'rb').fileno(), 0, access=mmap.ACCESS_READ)"
    assert (
        run_child([sys.executable, "-c", maps + "; sum(m[::4096]); time.sleep(0.3)"], folder=tmp_path).peak_bytes
        < 40 * MEGABYTE
    )


def test_a_failing_child_gives_its_exit_code(tmp_path: Path) -> None:
    assert run_child([sys.executable, "-c", "raise SystemExit(3)"], folder=tmp_path).code == 3


def test_memory_of_a_process_is_some_and_of_no_process_none() -> None:
    assert memory_of(os.getpid()) > MEGABYTE
    assert memory_of(2**22 + 1) == 0
