"""Counting calls: what is taken down, by many threads, in a forked child too, and as Prometheus reads it."""

from __future__ import annotations

import os
import re
import time
from contextlib import suppress

import pytest

from stat7.errors import NotFound
from stat7.metrics import BOUNDS, Metrics, Operation
from stat7.testing.store_suite import race


def fail() -> None:
    """Raise an error of stat7."""
    raise NotFound("x")


def interrupt() -> None:
    """What Ctrl-C does."""
    raise KeyboardInterrupt


def test_calls_are_handed_on_and_counted() -> None:
    operation = Operation()
    assert operation.call(divmod, 7, 2) == (3, 1)
    assert operation.call(sorted, [1, 2], reverse=True) == [2, 1]
    with pytest.raises(NotFound):
        operation.call(fail)
    with pytest.raises(KeyboardInterrupt):
        operation.call(interrupt)
    figures = operation.figures()
    assert (figures.calls, figures.errors) == (4, {"KeyboardInterrupt": 1, "NotFound": 1})
    assert sum(figures.buckets) == 4
    assert len(figures.buckets) == len(BOUNDS) + 1


def test_times_fall_into_their_buckets() -> None:
    operation = Operation()
    for seconds in (0.0, 0.03):
        operation.call(time.sleep, seconds)
    figures = operation.figures()
    assert 0.03 <= figures.seconds < 5.0
    assert sum(figures.buckets[BOUNDS.index(0.05) :]) >= 1
    assert sum(figures.buckets[: BOUNDS.index(0.025) + 1]) == 1


def test_the_end_of_a_bucket_belongs_to_it(monkeypatch: pytest.MonkeyPatch) -> None:
    moments = iter([0.0, 0.5, 0.0, 31.0])
    monkeypatch.setattr(time, "perf_counter", lambda: next(moments))
    operation = Operation()
    operation.call(int)
    operation.call(int)
    figures = operation.figures()
    assert figures.buckets[BOUNDS.index(0.5)] == 1
    assert figures.buckets[-1] == 1


def test_threads_lose_no_count() -> None:
    operation = Operation()

    def work(number: int) -> None:
        for turn in range(5000):
            with suppress(NotFound):
                operation.call(fail if turn % 10 == 0 else int)
            if turn % 500 == 0:
                operation.figures()

    race(6, work)
    figures = operation.figures()
    assert (figures.calls, figures.errors) == (30_000, {"NotFound": 3000})


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")
def test_a_child_forked_at_a_bad_moment_goes_on_counting() -> None:
    operation = Operation()
    operation.call(int)
    with operation._lock:
        child = os.fork()
        if child == 0:
            operation.call(int)
            os._exit(operation.figures().calls)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 2


def test_a_snapshot_names_what_was_called() -> None:
    metrics = Metrics()
    get, put = metrics.operation("store", "get"), metrics.operation("files", "put")
    assert metrics.operation("store", "get") is get
    assert metrics.snapshot() == {}
    get.call(int)
    assert metrics.snapshot().keys() == {"store"}
    put.call(int)
    put.call(int)
    assert {part: list(operations) for part, operations in metrics.snapshot().items()} == {
        "files": ["put"],
        "store": ["get"],
    }
    assert Metrics().snapshot() == {}


def test_prometheus_reads_cumulative_buckets() -> None:
    metrics = Metrics()
    get = metrics.operation("store", "get")
    for _ in range(3):
        get.call(int)
    with pytest.raises(NotFound):
        get.call(fail)
    lines = metrics.prometheus().splitlines()
    assert metrics.prometheus().endswith("\n")
    buckets = [line for line in lines if line.startswith("stat7_call_seconds_bucket")]
    counts = [int(line.rpartition(" ")[2]) for line in buckets]
    assert counts == sorted(counts)
    assert buckets[-1] == 'stat7_call_seconds_bucket{part="store",operation="get",le="+Inf"} 4'
    assert 'stat7_call_seconds_count{part="store",operation="get"} 4' in lines
    assert 'stat7_call_errors_total{part="store",operation="get",error="NotFound"} 1' in lines
    sample = re.compile(r'[a-z0-9_]+\{[a-z]+="[^"]*"(,[a-z]+="[^"]*")*\} [0-9.e+-]+')
    assert all(line.startswith("# ") or sample.fullmatch(line) for line in lines)
    assert sum(line.startswith("# TYPE") for line in lines) == 2
