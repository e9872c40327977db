"""Measuring for benchmarks: rounds that take turns, peak anonymous memory of a child, and the JSON line of a result.

Every benchmark is a program of its own that takes --quick (smaller, for a look; its figures prove nothing) and prints
one JSON line for each result. One rule judges them all: `ok` is true if and only if `ratio >= target`. The ratio says
how many times as good ours is as the baseline measured in the same run, or as the limit that the note states.
"""

from __future__ import annotations

import argparse
import gc
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

MEGABYTE = 1_000_000
_POLL_SECONDS = 0.02
_FAMILY_SECONDS = 0.5


def options(description: str | None) -> argparse.Namespace:
    """Read a benchmark's command line: `.quick` is true with --quick."""
    parser = argparse.ArgumentParser(description=(description or "").partition("\n")[0])
    parser.add_argument("--quick", action="store_true", help="smaller, for a look: the figures prove nothing")
    return parser.parse_args()


def clean_environment() -> dict[str, str]:
    """Ours without the settings of Python and stat7: they could change what a child does, or forbid it bytecode."""
    return {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "STAT7_"))}


def take_turns(jobs: Sequence[Callable[[], object]], rounds: int, warm_up: int = 1) -> list[list[float]]:
    """Run all jobs in each round, every other round in reverse order; gives for each job its seconds in every round.

    What disturbs a shared machine for a while so disturbs all of them. `warm_up` rounds come first and are not counted.
    """
    times: list[list[float]] = [[] for _ in jobs]
    order = list(range(len(jobs)))
    for turn in range(-warm_up, rounds):
        for index in order if turn % 2 == 0 else reversed(order):
            gc.collect()
            started = time.perf_counter()
            jobs[index]()
            elapsed = time.perf_counter() - started
            if turn >= 0:
                times[index].append(elapsed)
    return times


@dataclass(frozen=True, slots=True)
class Comparison:
    """Two jobs that did the same work: median seconds of a round of each, and how many times faster ours was."""

    ours: float
    baseline: float
    ratio: float
    """Median over the rounds of baseline / ours: drift from round to round cancels."""


def compare(
    ours: Callable[[], object], baseline: Callable[[], object], *, rounds: int = 7, warm_up: int = 1
) -> Comparison:
    """Time two jobs taking turns in this process; each call must do the whole work of a round."""
    mine, theirs = take_turns([ours, baseline], rounds, warm_up)
    ratio = statistics.median(b / a for a, b in zip(mine, theirs, strict=True))
    return Comparison(statistics.median(mine), statistics.median(theirs), ratio)


def report(
    benchmark: str, unit: str, *, ours: float, baseline: float | None, ratio: float, target: float, note: str = ""
) -> bool:
    """Print a result as one JSON line; returns whether it is ok, that is ratio >= target.

    `ours` and `baseline` are figures in `unit`; baseline is None where the result is held against a limit in the note.
    """
    row: dict[str, Any] = {
        "benchmark": benchmark,
        "unit": unit,
        "ours": _rounded(ours),
        "baseline": None if baseline is None else _rounded(baseline),
        "ratio": _rounded(ratio),
        "target": target,
        "ok": ratio >= target,
    }
    print(json.dumps(row | ({"note": note} if note else {})), flush=True)
    return ratio >= target


def report_rate(
    benchmark: str, comparison: Comparison, items: int, *, target: float, unit: str = "/s", note: str = ""
) -> bool:
    """Report a comparison as items a second on both sides; ok if ours is at least `target` times the baseline."""
    ours, baseline = items / comparison.ours, items / comparison.baseline
    return report(benchmark, unit, ours=ours, baseline=baseline, ratio=comparison.ratio, target=target, note=note)


def report_at_most(
    benchmark: str, unit: str, *, ours: float, limit: float, baseline: float | None = None, note: str = ""
) -> bool:
    """Report a cost that must stay within `limit` (both in `unit`), over the baseline where there is one.

    The ratio is limit / (ours - baseline) and its target 1: 2 means that half of what is allowed was used.
    """
    used = max(ours - (baseline or 0.0), 1e-9)
    text = f"at most {limit:g} {unit}" + (" over the baseline" if baseline is not None else "")
    note = f"{text}; {note}" if note else text
    return report(benchmark, unit, ours=ours, baseline=baseline, ratio=limit / used, target=1.0, note=note)


def report_at_least(benchmark: str, unit: str, *, ours: float, floor: float, note: str = "") -> bool:
    """Report a rate that must reach `floor` (both in `unit`); the ratio is ours / floor and its target 1."""
    text = f"at least {floor:g} {unit}"
    note = f"{text}; {note}" if note else text
    return report(benchmark, unit, ours=ours, baseline=None, ratio=ours / floor, target=1.0, note=note)


@dataclass(frozen=True, slots=True)
class Child:
    """A child process that has ended: exit code, seconds it ran, its output, and its peak of anonymous memory in bytes.

    `measure` names what was polled: `RssAnon` (Linux: without mapped files) or `rss` (elsewhere: all resident memory).
    """

    code: int
    seconds: float
    output: str
    peak_bytes: int
    measure: str


def run_child(command: Sequence[str | Path], *, folder: Path, environment: Mapping[str, str] | None = None) -> Child:
    """Run a command to its end in `folder`, watching the memory of it and its own children; its errors go to ours.

    Memory is polled 50 times a second, so a peak that lasts less than 20 ms can be missed.
    """
    started = time.perf_counter()
    out = folder / ".child-output"
    with out.open("wb") as sink:
        child = subprocess.Popen(command, cwd=folder, env=environment, stdin=subprocess.DEVNULL, stdout=sink)
        peak = _watch(child)
    seconds = time.perf_counter() - started
    measure = "RssAnon" if sys.platform == "linux" else "rss"
    return Child(child.returncode, seconds, out.read_text("utf-8", "replace"), peak, measure)


def _watch(child: subprocess.Popen[bytes]) -> int:
    """Poll until the child ends; gives the highest sum over it and its descendants in bytes."""
    peak, family, next_look = 0, [child.pid], 0.0
    while child.poll() is None:
        if time.perf_counter() >= next_look:
            family = _family(child.pid)
            next_look = time.perf_counter() + _FAMILY_SECONDS
        peak = max(peak, sum(memory_of(pid) for pid in family))
        time.sleep(_POLL_SECONDS)
    return peak


def _family(pid: int) -> list[int]:
    try:
        return [pid, *(process.pid for process in psutil.Process(pid).children(recursive=True))]
    except psutil.Error:
        return [pid]


def memory_of(pid: int) -> int:
    """Bytes of anonymous memory (resident and swapped) a process holds now; 0 if it has ended.

    Where the system does not tell mapped files apart (not Linux), all its resident memory.
    """
    if sys.platform != "linux":
        try:
            return int(psutil.Process(pid).memory_info().rss)
        except psutil.Error:
            return 0
    try:
        status = Path(f"/proc/{pid}/status").read_text("ascii", "replace")
    except OSError:
        return 0
    fields = dict(line.partition(":")[::2] for line in status.splitlines())
    return sum(int(fields.get(name, "0 kB").split()[0]) * 1024 for name in ("RssAnon", "VmSwap"))


def _rounded(value: float) -> float:
    """Four significant digits: more would claim what no shared machine can tell."""
    return float(f"{value:.4g}")
