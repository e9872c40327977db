"""What the gateway tells Prometheus: well-formed, complete from the first scrape on, bounded, and true."""

from __future__ import annotations

import re
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import apsw
import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

import stat7
from stat7.errors import Corrupt, NotFound
from stat7.files.memory import MemoryFiles
from stat7.gateway.access import Access, KeyRing
from stat7.gateway.app import Gateway
from stat7.gateway.audit import Audit
from stat7.gateway.monitor import METHODS, Monitor, serve_metrics
from stat7.gateway.scrub import MARK, WANTED, Scrub
from stat7.gateway.settings import Limits, Settings
from stat7.metrics import Metrics
from stat7.repository import Repository
from stat7.stores.memory import MemoryStore
from stat7.testing import servers
from tests.gateway.conftest import document
from tests.gateways import Gateways
from tests.repositories import damage_file

Samples = dict[str, dict[tuple[tuple[str, str], ...], float]]


def read(text: bytes) -> Samples:
    """The samples of a text by name and labels, as prometheus_client's own parser reads it."""
    found: Samples = {}
    for family in text_string_to_metric_families(text.decode("utf-8")):
        for sample in family.samples:
            labels = tuple(sorted(sample.labels.items()))
            assert labels not in found.setdefault(sample.name, {}), f"{sample.name} {labels} is told twice"
            found[sample.name][labels] = sample.value
    return found


def value(samples: Samples, name: str, **labels: str) -> float:
    """One sample."""
    return samples[name][tuple(sorted(labels.items()))]


def damage(database: Path, address: str) -> None:
    """Put other bytes in place of a document, below the store."""
    with closing(apsw.Connection(str(database))) as raw:
        raw.execute("UPDATE documents SET document = ? WHERE address = ?", (b"damaged", bytes.fromhex(address)))


class Watching:
    """A gateway in this process, nobody listening, and what it would tell."""

    def __init__(self, repository: Repository, metrics: Metrics, folders: dict[str, Path]) -> None:
        self.repository = repository
        self.monitor = Monitor()
        self.monitor.watch_calls(metrics, repository)
        access = Access(KeyRing(repository.store))
        self.gateway = Gateway(repository, access, Settings(), self.monitor, Audit(), folders=folders)

    def scrape(self) -> Samples:
        """What it tells now."""
        return read(self.monitor.text())


@pytest.fixture
def watching(tmp_path: Path) -> Iterator[Watching]:
    """On SQLite, with nothing in it."""
    metrics = Metrics()
    with stat7.open(f"sqlite:{tmp_path.as_posix()}/library.db", metrics=metrics) as repository:
        made = Watching(repository, metrics, {"store": tmp_path, "files": tmp_path / "absent"})
        yield made
        made.gateway.close()


def test_every_counter_is_there_with_0_before_anything_happened(watching: Watching) -> None:
    samples = watching.scrape()
    for kind in ("overloaded", "rate-limited", "too-large", "too-long", "too-slow", "unavailable"):
        assert value(samples, "stat7_http_refused_total", limit=kind) == 0
    for name in ("2xx", "3xx", "4xx", "5xx"):
        assert samples["stat7_http_responses_total"][("class", name),] == 0
    for found_by in ("read", "scrub"):
        assert value(samples, "stat7_verification_failures_total", found_by=found_by) == 0
    for name in ("hits", "misses", "poisoned"):
        assert value(samples, f"stat7_cache_{name}_total") == 0
    for part in ("store", "files"):
        assert value(samples, "stat7_repairs_total", part=part) == 0
        assert value(samples, "stat7_part_up", part=part) == 1
    reads = {"route": "/entities/{address}", "method": "GET", "status": "200"}
    assert value(samples, "stat7_http_request_seconds_bucket", **reads, le="0.1") == 0
    calls = {"part": "store", "backend": "sqlite", "operation": "get"}
    assert value(samples, "stat7_call_errors_total", **calls, error="Unavailable") == 0
    assert value(samples, "stat7_call_seconds_count", **calls) >= 0
    assert value(samples, "stat7_backend_info", part="files", backend="file") == 1
    assert not [name for name in samples if name.endswith("_created")]


def test_requests_are_told_by_route_method_status_and_time(watching: Watching) -> None:
    for seconds in (0.0004, 0.03, 0.1, 99.0):
        watching.monitor.took("/head", "GET", 200, seconds)
    watching.monitor.took("/head", "GET", 503, 0.01)
    watching.monitor.took("/readyz", "GET", 503, 0.01)
    samples = watching.scrape()
    labels = {"route": "/head", "method": "GET", "status": "200"}
    for end, count in {"0.0005": 1, "0.05": 2, "0.1": 3, "10.0": 3, "+Inf": 4}.items():
        assert value(samples, "stat7_http_request_seconds_bucket", **labels, le=end) == count
    assert value(samples, "stat7_http_request_seconds_count", **labels) == 4
    assert value(samples, "stat7_http_request_seconds_sum", **labels) == pytest.approx(99.1304)
    assert samples["stat7_http_responses_total"][("class", "2xx"),] == 4
    # A gateway that says it isn't ready has failed no user.
    assert samples["stat7_http_responses_total"][("class", "5xx"),] == 1


def test_methods_that_clients_invent_take_no_memory(watching: Watching) -> None:
    for number in range(1000):
        watching.monitor.took("none", f"INVENTED{number}", 404, 0.001)
    told = watching.monitor.text()
    assert len(read(told)["stat7_http_request_seconds_count"]) < 100
    methods = set(re.findall(rb'method="(\w+)"', told))
    assert methods <= {method.encode() for method in METHODS} | {b"other"}
    assert b'stat7_http_request_seconds_count{method="other",route="none",status="404"} 1000' in told


def test_calls_of_the_stores_are_told_with_their_backend_and_outcome(watching: Watching) -> None:
    (put,) = watching.repository.put_many([document("told/1")])
    assert put.address is not None
    watching.repository.get(put.address)
    with pytest.raises(NotFound):
        list(watching.repository.open_file("0" * 64))
    samples = watching.scrape()
    get = {"part": "store", "backend": "sqlite", "operation": "get"}
    assert value(samples, "stat7_call_seconds_count", **get) >= 1
    assert value(samples, "stat7_call_seconds_bucket", **get, le="30.0") >= 1
    opened = {"part": "files", "backend": "file", "operation": "open"}
    assert value(samples, "stat7_call_errors_total", **opened, error="NotFound") == 1
    # What was never called has no buckets yet, but can be counted.
    assert value(samples, "stat7_call_seconds_count", part="store", backend="sqlite", operation="compact") == 0


def test_free_disk_is_told_of_what_is_there(watching: Watching) -> None:
    samples = watching.scrape()
    free, size = (value(samples, f"stat7_disk_{name}_bytes", part="store") for name in ("free", "size"))
    assert 0 < free < size
    assert len(samples["stat7_disk_free_bytes"]) == 1


def test_a_repair_counts_once_however_many_wrappers_there_are(tmp_path: Path) -> None:
    one, other = (f"sqlite:{tmp_path.as_posix()}/{name}.db" for name in ("one", "other"))
    metrics, data = Metrics(), b"content" * 1000
    with stat7.open(one) as first, stat7.open(other) as second:
        for repository in (first, second):
            (put,) = repository.put_many([document("mended/1")])
            sha256 = repository.put_file(data).sha256
        assert put.address is not None
        damage(tmp_path / "one.db", put.address)
        damage_file(first, sha256, b"damaged" * 1000)
    with stat7.open(one, replica=other, metrics=metrics) as repository:
        watching = Watching(repository, metrics, {})
        assert repository.get(put.address).id == "mended/1"
        assert b"".join(repository.open_file(sha256)) == data
        samples = watching.scrape()
        watching.gateway.close()
    assert samples["stat7_repairs_total"] == {(("part", "files"),): 1, (("part", "store"),): 1}


def test_damage_among_many_documents_is_counted_one_by_one(watching: Watching) -> None:
    watching.monitor.look_for_damage([b"{}", Corrupt("0" * 64, "x"), None, Corrupt("1" * 64, "x")])
    assert value(watching.scrape(), "stat7_verification_failures_total", found_by="read") == 2


def test_what_is_refused_broken_off_or_withdrawn_is_counted(watching: Watching) -> None:
    monitor = watching.monitor
    monitor.refused("too-large")
    monitor.broke_off()
    monitor.withdrawn(3)
    monitor.served(10)
    monitor.received(20)
    samples = watching.scrape()
    assert value(samples, "stat7_http_refused_total", limit="too-large") == 1
    names = ("http_broken_off", "withdrawals", "http_sent_bytes", "http_received_bytes")
    assert [value(samples, f"stat7_{name}_total") for name in names] == [1, 3, 10, 20]


def scrubbed(watching: Watching, is_done: Callable[[], bool], interval: float = 1000.0) -> None:
    """Let the scrub run until something is so."""
    scrub = Scrub(watching.gateway, watching.repository, interval)
    scrub.start()
    until = time.monotonic() + 60
    while not is_done() and time.monotonic() < until:
        time.sleep(0.02)
    scrub.stop()
    assert is_done()


def test_a_scrub_tells_what_it_found_and_when_it_was_done(watching: Watching, tmp_path: Path) -> None:
    (put, _) = watching.repository.put_many([document("scrubbed/1"), document("scrubbed/2")])
    assert put.address is not None
    damage(tmp_path / "library.db", put.address)
    before = time.time()
    scrubbed(watching, lambda: MARK in watching.repository.store.marks() and watching.gateway.scrub_completed > 0)
    samples = watching.scrape()
    assert value(samples, "stat7_verification_failures_total", found_by="scrub") >= 1
    assert value(samples, "stat7_scrubbed_items_total") >= 2
    assert value(samples, "stat7_scrub_progress_ratio") == 1
    assert value(samples, "stat7_scrub_completed_timestamp_seconds") >= before - 1
    assert 0 <= value(samples, "stat7_scrub_age_seconds") < 600
    assert value(samples, "stat7_scrub_interval_seconds") == 1000


def test_a_scrub_that_was_never_completed_is_as_old_as_the_wish_for_it(watching: Watching) -> None:
    """Starting the gateway again makes it no younger."""
    assert value(watching.scrape(), "stat7_scrub_age_seconds") == 0
    scrub, store = Scrub(watching.gateway, watching.repository, 1000.0), watching.repository.store
    assert scrub._completed() == 0
    assert float(store.marks()[WANTED]) == pytest.approx(time.time(), abs=60)
    store.set_mark(WANTED, f"{time.time() - 5000:.0f}")
    assert scrub._completed() == 0
    assert value(watching.scrape(), "stat7_scrub_age_seconds") == pytest.approx(5000, abs=60)
    store.set_mark(MARK, f"{time.time() - 50:.0f}")
    watching.gateway.scrub_completed = scrub._completed()
    assert value(watching.scrape(), "stat7_scrub_age_seconds") == pytest.approx(50, abs=45)


def test_metrics_are_served_at_their_own_address_and_nothing_else(watching: Watching) -> None:
    port, stop = serve_metrics(watching.monitor, "127.0.0.1", 0)
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics?a=b", timeout=30) as answer:
            assert answer.headers["Content-Type"].startswith("text/plain; version=0.0.4")
            assert "stat7_build_info" in read(answer.read())
        with pytest.raises(urllib.error.HTTPError, match="404"):
            urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=30)
    finally:
        stop()


def test_a_real_gateway_counts_what_it_answers(gateway: servers.Gateway, client: httpx.Client) -> None:
    def scrape() -> Samples:
        return read(httpx.get(gateway.metrics_url, timeout=30).content)

    address = client.post("/entities", json=document("counted/1")).json()["address"]
    before = scrape()
    assert client.get(f"/entities/{address}").status_code == 200
    assert httpx.get(f"{gateway.url}/healthz").status_code == 200
    labels: dict[str, Any] = {"route": "/entities/{address}", "method": "GET", "status": "200"}
    name = "stat7_http_request_seconds_count"
    until = time.monotonic() + 30
    while value(after := scrape(), name, **labels) == value(before, name, **labels) and time.monotonic() < until:
        time.sleep(0.05)
    assert value(after, name, **labels) > value(before, name, **labels)
    assert value(after, "stat7_http_sent_bytes_total") > value(before, "stat7_http_sent_bytes_total")
    assert value(after, "stat7_keys") >= 4
    assert 0 <= value(after, "stat7_keys_age_seconds") < 60
    assert value(after, "stat7_part_up", part="store") == 1


def test_damage_is_counted_however_it_is_read(start_server: Callable[[servers.Gateway], servers.Gateway]) -> None:
    gateway = start_server(servers.Gateway())
    headers = {"Authorization": f"Bearer {gateway.keys['all']}"}
    with httpx.Client(base_url=gateway.url, headers=headers, timeout=30) as client:
        address = client.post("/entities", json=document("damaged/1")).json()["address"]
        damage(gateway.folder / "library.db", address)
        reads: list[Callable[[], httpx.Response]] = [
            lambda: client.get(f"/entities/{address}"),
            lambda: client.post("/entities/batch-get", json={"addresses": [address]}),
            lambda: client.get("/scan"),
            lambda: client.get("/entities", params={"realm": "data"}),
        ]
        for count, ask in enumerate(reads, 1):
            answer = ask()
            samples = read(httpx.get(gateway.metrics_url, timeout=30).content)
            assert value(samples, "stat7_verification_failures_total", found_by="read") == count, answer.text


def test_queries_that_wait_for_the_store_keep_neither_keys_nor_readiness_from_being_looked_at(
    gateways: Gateways, monkeypatch: pytest.MonkeyPatch
) -> None:
    store, end = MemoryStore(), threading.Event()
    count = store.count
    monkeypatch.setattr(store, "count", lambda: (end.wait(60), count())[1])
    served = gateways.add(store, MemoryFiles(), limits=Limits(calls=2))
    headers = {"X-API-Key": served.keys["all"]}

    def stuck() -> None:
        httpx.get(f"{served.url}/count", headers=headers, timeout=60)

    waiting = [threading.Thread(target=stuck) for _ in range(6)]
    for thread in waiting:
        thread.start()
    try:
        ready = httpx.get(f"{served.url}/readyz", timeout=30)
        assert (ready.status_code, ready.json()["parts"]["store"]["ok"]) == (200, True)
        assert not end.is_set()
    finally:
        end.set()
        for thread in waiting:
            thread.join(60)
