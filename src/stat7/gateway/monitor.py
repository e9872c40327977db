"""What a gateway counts, and how Prometheus reads it. docs/monitoring.md lists every metric.

Whatever an alert may ask for is there from the first scrape on, with the value 0: a counter that appears when something
first goes wrong would hide that from everything that looks at how counters grow.
"""

from __future__ import annotations

import logging
import os
import platform
import shutil
import socket
import sys
import threading
from bisect import bisect_left
from collections import Counter as Sums
from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import accumulate
from pathlib import Path
from typing import Any, Final

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Info,
    ProcessCollector,
    disable_created_metrics,
    generate_latest,
)
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

from stat7 import __version__
from stat7.errors import Corrupt
from stat7.metrics import BOUNDS, Metrics
from stat7.repository import Repository

_log = logging.getLogger("stat7.gateway")

BUCKETS: Final = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
"""Upper ends of the histogram of latencies, in seconds."""

TEXT: Final = "text/plain; version=0.0.4; charset=utf-8"

LIMITS: Final = ("overloaded", "rate-limited", "too-large", "too-long", "too-slow", "unavailable")
"""The kinds of problems with which requests are refused at a limit, or for want of the store."""

METHODS: Final = frozenset({"GET", "HEAD", "PUT", "POST", "DELETE", "PATCH", "OPTIONS"})
"""Methods that are told apart; clients may invent any number of others."""

PROBES: Final = frozenset({"/healthz", "/readyz"})
"""Routes whose answers are no requests of users: a gateway that isn't ready says so by 503, many times a minute."""

_CLASSES: Final = ("2xx", "3xx", "4xx", "5xx")
_NONE: Final = [("+Inf", 0)]
_FAILURES: Final = ("Corrupt", "StoreFull", "Unavailable")

Gauges = Mapping[str, float | Mapping[str, float]]
"""Values by the names in GAUGES: one, or one for each value of the label."""


class _Timed:
    """Requests of one route, method and status: how many fell into each bucket, and their seconds."""

    __slots__ = ("buckets", "seconds")

    def __init__(self) -> None:
        self.buckets = [0] * (len(BUCKETS) + 1)
        self.seconds = 0.0


class Monitor:
    """Counts of requests and of what went wrong. `text` is what /metrics answers."""

    def __init__(self) -> None:
        # For each counter the time of its first use: twice the series, which nobody reads.
        disable_created_metrics()  # type: ignore[no-untyped-call]
        registry = self.registry = CollectorRegistry()
        self._refused = Counter(
            "stat7_http_refused_total", "Requests refused at a limit.", ("limit",), registry=registry
        )
        self._broken = Counter(
            "stat7_http_broken_off_total", "Answers that broke off after they had begun.", registry=registry
        )
        self._sent = Counter("stat7_http_sent_bytes_total", "Bytes of documents and files sent.", registry=registry)
        self._received = Counter("stat7_http_received_bytes_total", "Bytes of bodies received.", registry=registry)
        self._corrupt = Counter(
            "stat7_verification_failures_total", "Stored bytes that did not hash to their name.", ("found_by",),
            registry=registry,
        )  # fmt: skip
        self._withdrawn = Counter("stat7_withdrawals_total", "Documents and files withdrawn.", registry=registry)
        self._audit_lost = Counter(
            "stat7_audit_lost_total", "Lines of the audit log that could not be written.", registry=registry
        )
        self.scrub_share = Gauge(
            "stat7_scrub_progress_ratio", "How far the scrub is through the documents; 1: done.", registry=registry
        )
        self.scrubbed = Counter("stat7_scrubbed_items_total", "Documents and files scrubbed.", registry=registry)
        build = {"version": __version__, "python": platform.python_version()}
        Info("stat7_build", "The version that runs.", registry=registry).info(build)
        ProcessCollector(registry=registry)
        for found_by in ("read", "scrub"):
            self._corrupt.labels(found_by)
        for limit in LIMITS:
            self._refused.labels(limit)
        # Written by the event loop alone, so without a lock; read by whoever serves /metrics.
        self._timed: dict[tuple[str, str, int], _Timed] = {}
        self.watch(_Requests(self._timed))

    def expect(self, routes: Iterable[tuple[str, str]]) -> None:
        """Requests of these methods and paths will come: they are counted from 0 on."""
        for method, path in routes:
            self._timed.setdefault((path, method, 200), _Timed())

    def took(self, route: str, method: str, status: int, seconds: float) -> None:
        """A request is over. Called by the event loop only."""
        timed = self._timed.get((route, method, status))
        if timed is None:
            known = method if method in METHODS else "other"
            timed = self._timed.setdefault((route, known, status), _Timed())
        timed.buckets[bisect_left(BUCKETS, seconds)] += 1
        timed.seconds += seconds

    def served(self, size: int) -> None:
        """A document of so many bytes was sent."""
        self._sent.inc(size)

    sent = served

    def received(self, size: int) -> None:
        """So many bytes of a body came."""
        self._received.inc(size)

    def refused(self, limit: str) -> None:
        """A request was refused at a limit: its problem's kind."""
        self._refused.labels(limit).inc()

    def broke_off(self) -> None:
        """An answer that had begun could not be brought to its end."""
        self._broken.inc()

    def corrupt(self, found_by: str = "read") -> None:
        """Damage was found."""
        self._corrupt.labels(found_by).inc()

    def look_for_damage(self, held: Iterable[object]) -> None:
        """Count what is damaged among these documents, each read for somebody."""
        for each in held:
            if isinstance(each, Corrupt):
                self.corrupt()

    def withdrawn(self, count: int) -> None:
        """So much was withdrawn."""
        self._withdrawn.inc(count)

    def audit_lost(self) -> None:
        """A line of the audit log could not be written."""
        self._audit_lost.inc()

    def watch(self, collector: Collector) -> None:
        """Ask something else, too, whenever Prometheus asks."""
        self.registry.register(collector)

    def watch_calls(self, metrics: Metrics, repository: Repository) -> None:
        """Tell the calls of the stores, too, which `metrics` takes down."""
        self.watch(_Calls(metrics, _backends(repository)))

    def text(self) -> bytes:
        """Everything in Prometheus' text format."""
        text: bytes = generate_latest(self.registry)
        return text


class _Requests(Collector):
    """The histogram of requests, and how many ended in which class of status."""

    def __init__(self, timed: dict[tuple[str, str, int], _Timed]) -> None:
        self._timed = timed

    def collect(self) -> Iterator[Metric]:
        """See prometheus_client.registry.Collector."""
        seconds = HistogramMetricFamily(
            "stat7_http_request_seconds", "Time of requests.", labels=("route", "method", "status")
        )
        classes: Sums[str] = Sums(dict.fromkeys(_CLASSES, 0))
        for (route, method, status), timed in self._timed.copy().items():
            buckets = list(accumulate(timed.buckets))
            seconds.add_metric((route, method, str(status)), _ends(BUCKETS, buckets), timed.seconds)
            if route not in PROBES:
                classes[f"{status // 100}xx"] += buckets[-1]
        yield seconds
        responses = CounterMetricFamily(
            "stat7_http_responses", "Requests answered, but for those of /healthz and /readyz.", labels=("class",)
        )
        for name, count in classes.items():
            responses.add_metric((name,), count)
        yield responses


class _Calls(Collector):
    """The calls of the stores."""

    def __init__(self, metrics: Metrics, backends: Mapping[str, str]) -> None:
        self._metrics = metrics
        self._backends = backends

    def collect(self) -> Iterator[Metric]:
        """See prometheus_client.registry.Collector."""
        labels = ("part", "backend", "operation")
        seconds = HistogramMetricFamily("stat7_call_seconds", "Time of calls, failed ones included.", labels=labels)
        errors = CounterMetricFamily("stat7_call_errors", "Calls that failed.", labels=(*labels, "error"))
        for part, operations in self._metrics.snapshot(uncalled=True).items():
            for name, figures in operations.items():
                where = (part, self._backends[part], name)
                # A third of all series would be the empty buckets of what is hardly ever called.
                ends = _ends(BOUNDS, accumulate(figures.buckets)) if figures.calls else _NONE
                seconds.add_metric(where, ends, figures.seconds)
                for error, count in (dict.fromkeys(_FAILURES, 0) | figures.errors).items():
                    errors.add_metric((*where, error), count)
        yield seconds
        yield errors


class Watched(Collector):
    """What is looked at only when Prometheus asks: whatever `gauges` tells, the cache, repairs and the disks under
    `folders` (by the part that lies there).
    """

    def __init__(self, repository: Repository, folders: Mapping[str, Path], gauges: Callable[[], Gauges]) -> None:
        self._repository = repository
        self._folders = folders
        self._gauges = gauges

    def collect(self) -> Iterator[Metric]:
        """See prometheus_client.registry.Collector."""
        backends = GaugeMetricFamily("stat7_backend_info", "The kind of each store.", labels=("part", "backend"))
        for part, backend in _backends(self._repository).items():
            backends.add_metric((part, backend), 1)
        yield backends
        for name, value in self._gauges().items():
            label, told = GAUGES[name]
            yield _gauge(name, told, label, value)
        yield from self._cached()
        repairs = CounterMetricFamily("stat7_repairs", "What was mended from the replica.", labels=("part",))
        for name, count in self._repaired():
            repairs.add_metric((name,), count)
        yield repairs
        yield from self._disks()

    def _cached(self) -> Iterator[Metric]:
        caches = [_own(wrapper, "cache") for _, wrapper in _wrappers(self._repository)]
        counts = next((cache.counts for cache in caches if cache is not None), None)
        for name, told in _CACHE.items():
            yield CounterMetricFamily(f"stat7_cache_{name}", told, value=getattr(counts, name, 0))

    def _repaired(self) -> Iterable[tuple[str, int]]:
        repaired: Sums[str] = Sums({"store": 0, "files": 0})
        for part, wrapper in _wrappers(self._repository):
            repaired[part] += _own(wrapper, "repaired") or 0
        return repaired.items()

    def _disks(self) -> Iterator[Metric]:
        free = GaugeMetricFamily("stat7_disk_free_bytes", "Free disk where a part lies.", labels=("part",))
        size = GaugeMetricFamily("stat7_disk_size_bytes", "The disk where a part lies.", labels=("part",))
        for part, folder in self._folders.items():
            try:
                disk = shutil.disk_usage(folder)
            except OSError:
                continue
            free.add_metric((part,), disk.free)
            size.add_metric((part,), disk.total)
        yield free
        yield size


_CACHE: Final = {
    "hits": "Documents that the cache had.",
    "misses": "Documents that the cache did not have, or not whole.",
    "poisoned": "Entries of the cache that did not hash to their address, and were dropped.",
}

GAUGES: Final[Mapping[str, tuple[str, str]]] = {
    "stat7_http_requests_in_flight": ("", "Requests under way."),
    "stat7_http_requests_limit": ("", "Requests that may be under way; more are refused."),
    "stat7_http_transfers_in_flight": ("", "Uploads and streams under way."),
    "stat7_http_transfers_limit": ("", "Uploads and streams that may be under way; more are refused."),
    "stat7_pool_busy": ("pool", "Calls that run or wait for a thread."),
    "stat7_pool_threads": ("pool", "Threads that run the calls."),
    "stat7_pool_limit": ("pool", "Calls that may run and wait; more are refused."),
    "stat7_part_up": ("part", "1 while the part answers: the store, the files, and what else is used."),
    "stat7_keys": ("", "API keys that are known."),
    "stat7_keys_age_seconds": ("", "Since the keys were read."),
    "stat7_rate_limits_local": ("", "1 while rates that should be shared are counted by this gateway alone."),
    "stat7_scrub_completed_timestamp_seconds": ("", "When everything was last hashed again; 0: never."),
    "stat7_scrub_age_seconds": ("", "Since everything was last hashed again, or since that was first wanted."),
    "stat7_scrub_interval_seconds": ("", "How often everything is to be hashed again; 0: not by this gateway."),
}
"""Gauges by name: their label ("" for none), and what they tell."""


def _gauge(name: str, told: str, label: str, value: float | Mapping[str, float]) -> Metric:
    if not isinstance(value, Mapping):
        return GaugeMetricFamily(name, told, value=value)
    family = GaugeMetricFamily(name, told, labels=(label,))
    for each, number in value.items():
        family.add_metric((each,), number)
    return family


def _ends(bounds: Iterable[float], counts: Iterable[int]) -> list[tuple[str, float]]:
    """Buckets as prometheus_client wants them: the upper end, and how many fell below."""
    return list(zip((*map(str, bounds), "+Inf"), counts, strict=True))


def _backends(repository: Repository) -> dict[str, str]:
    return {"store": repository.store.capabilities.name, "files": repository.files.name}


def _wrappers(repository: Repository) -> Iterator[tuple[str, Any]]:
    """The stores and the wrappers around them, from the outside to the inside, each with the part it belongs to."""
    outermost: tuple[tuple[str, Any], ...] = (("store", repository.store), ("files", repository.files))
    for part, wrapper in outermost:
        while wrapper is not None:
            yield part, wrapper
            wrapper = _own(wrapper, "inner")


def _own(wrapper: Any, name: str) -> Any:
    """An attribute of its own, None if it has none: wrappers of files hand on what they don't know."""
    return getattr(wrapper, "__dict__", {}).get(name)


def serve_metrics(monitor: Monitor, host: str, port: int) -> tuple[int, Callable[[], None]]:
    """Answer GET and HEAD of /metrics on an address of its own, by threads; returns the port, and what ends it. Raises
    OSError.
    """
    from http.server import BaseHTTPRequestHandler
    from socketserver import ThreadingTCPServer

    class Handler(BaseHTTPRequestHandler):
        timeout = 10.0

        def do_GET(self) -> None:
            """The one thing there is."""
            found = self.path.partition("?")[0] == "/metrics"
            body = monitor.text() if found else b"only /metrics is here\n"
            self.send_response(200 if found else 404)
            self.send_header("Content-Type", TEXT)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(body)

        do_HEAD = do_GET  # noqa: N815 - the name that the base class looks for

        def log_message(self, format: str, *args: object) -> None:
            """Scrapes are not worth a line."""

    class Server(ThreadingTCPServer):
        address_family = socket.AF_INET6 if ":" in host else socket.AF_INET
        allow_reuse_address = os.name == "posix"  # elsewhere it would let two listen at once
        daemon_threads = True
        request_queue_size = 64

        def handle_error(self, request: object, client_address: object) -> None:
            """A scraper that goes away, or sends nothing, is no fault of the gateway."""
            if not isinstance(sys.exception(), ConnectionError | TimeoutError):
                _log.exception("the metrics could not be told")

    server = Server((host, port), Handler)
    threading.Thread(target=server.serve_forever, name="metrics", daemon=True).start()

    def stop() -> None:
        server.shutdown()
        server.server_close()

    return server.server_address[1], stop
