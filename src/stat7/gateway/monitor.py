"""What a gateway counts, and how Prometheus reads it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, Info, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from stat7 import __version__
from stat7.disk import room
from stat7.metrics import Metrics
from stat7.repository import Repository

BUCKETS: Final = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
"""Upper ends of the histogram of latencies, in seconds."""

TEXT: Final = "text/plain; version=0.0.4; charset=utf-8"


class Monitor:
    """Counts of requests and of what went wrong. `text` is what /metrics answers."""

    def __init__(self) -> None:
        registry = self.registry = CollectorRegistry()
        self._requests = Histogram(
            "stat7_http_request_seconds", "Time of requests.", ("route", "method", "status"),
            buckets=BUCKETS, registry=registry,
        )  # fmt: skip
        self._refused = Counter(
            "stat7_http_refused_total", "Requests refused at a limit.", ("limit",), registry=registry
        )
        self._sent = Counter("stat7_http_sent_bytes_total", "Bytes of documents and files sent.", registry=registry)
        self._received = Counter("stat7_http_received_bytes_total", "Bytes of bodies received.", registry=registry)
        self._corrupt = Counter(
            "stat7_verification_failures_total", "Stored bytes that did not hash to their name.", ("found_by",),
            registry=registry,
        )  # fmt: skip
        self._withdrawn = Counter("stat7_withdrawals_total", "Documents and files withdrawn.", registry=registry)
        self.in_flight = Gauge("stat7_http_requests_in_flight", "Requests under way.", registry=registry)
        self.transfers = Gauge("stat7_http_transfers_in_flight", "Uploads and streams under way.", registry=registry)
        self.scrub_share = Gauge("stat7_scrub_progress_ratio", "How far the scrub is.", registry=registry)
        self.scrubbed = Counter("stat7_scrubbed_items_total", "Documents and files scrubbed.", registry=registry)
        Info("stat7_build", "The version that runs.", registry=registry).info({"version": __version__})
        for found_by in ("read", "scrub"):
            self._corrupt.labels(found_by)
        self._children: dict[tuple[str, str, int], Any] = {}
        self._texts: list[Callable[[], str]] = []

    def took(self, route: str, method: str, status: int, seconds: float) -> None:
        """A request is over."""
        child = self._children.get((route, method, status))
        if child is None:
            child = self._children[route, method, status] = self._requests.labels(route, method, str(status))
        child.observe(seconds)

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

    def corrupt(self, found_by: str = "read") -> None:
        """Damage was found."""
        self._corrupt.labels(found_by).inc()

    def withdrawn(self, count: int) -> None:
        """So much was withdrawn."""
        self._withdrawn.inc(count)

    def watch(self, collector: Collector) -> None:
        """Ask something else, too, whenever Prometheus asks."""
        self.registry.register(collector)

    def watch_calls(self, metrics: Metrics) -> None:
        """Tell the calls of stores, too."""
        self._texts.append(metrics.prometheus)

    def text(self) -> bytes:
        """Everything in Prometheus' text format."""
        own: bytes = generate_latest(self.registry)
        return own + "".join(text() for text in self._texts).encode("utf-8")


class Watched(Collector):
    """What is looked at only when Prometheus asks: pools, keys, cache, repairs, disk, and the last scrub."""

    def __init__(self, repository: Repository, folder: Path | None, gauges: Callable[[], dict[str, float]]) -> None:
        self._repository = repository
        self._folder = folder
        self._gauges = gauges

    def collect(self) -> Iterator[Metric]:
        """See prometheus_client.registry.Collector."""
        for name, value in self._gauges().items():
            yield GaugeMetricFamily(name, HELP[name], value=value)
        counts = self._counts()
        if counts is not None:
            for name in ("hits", "misses", "poisoned"):
                yield CounterMetricFamily(f"stat7_cache_{name}", f"Cache: {name}.", value=getattr(counts, name))
        repaired = [part.repaired for part in _parts(self._repository) if hasattr(part, "repaired")]
        yield CounterMetricFamily("stat7_repairs", "Documents and files mended from the replica.", value=sum(repaired))
        if self._folder is not None:
            try:
                free = room(self._folder)
            except OSError:
                return
            yield GaugeMetricFamily("stat7_disk_free_bytes", "Free disk where the store is.", value=free.free)

    def _counts(self) -> Any:
        caches = [getattr(part, "cache", None) for part in _parts(self._repository)]
        return next((cache.counts for cache in caches if cache is not None), None)


HELP: Final = {
    "stat7_pool_busy": "Calls of the store that run or wait for a thread.",
    "stat7_pool_threads": "Threads that call the store.",
    "stat7_pool_limit": "Calls of the store that may run and wait; more are refused.",
    "stat7_keys": "API keys that are known.",
    "stat7_keys_age_seconds": "Since the keys were read.",
    "stat7_rate_limits_local": "1 while rates are counted by this gateway alone although they should be shared.",
    "stat7_cache_up": "1 while the cache answers.",
    "stat7_store_up": "1 while the store answers.",
    "stat7_scrub_completed_timestamp_seconds": "When everything was last hashed again; 0: never.",
    "stat7_scrub_interval_seconds": "How often everything is to be hashed again; 0: not by this gateway.",
}


def _parts(repository: Repository) -> Iterator[Any]:
    """The stores and the wrappers around them, from the outside to the inside."""
    for outermost in (repository.store, repository.files):
        part: Any = outermost
        while part is not None:
            yield part
            part = vars(part).get("inner")


def serve_metrics(monitor: Monitor, host: str, port: int) -> tuple[int, Callable[[], None]]:
    """Answer GET /metrics on an address of its own, by a thread; returns the port, and what ends it. Raises OSError."""
    from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

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
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            """Scrapes are not worth a line."""

    server = ThreadingHTTPServer((host, port), Handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, name="metrics", daemon=True).start()

    def stop() -> None:
        server.shutdown()
        server.server_close()

    return server.server_address[1], stop
