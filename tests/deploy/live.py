"""A running deployment in small: two gateways with users, the stores behind them, and what watches them all."""

from __future__ import annotations

import asyncio
import json
import os
import secrets
import shutil
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Final

import httpx

from stat7.disk import file_system
from stat7.testing.fixtures import started
from stat7.testing.servers import Alertmanager, FaultProxy, Gateway, PostgreSQL, Prometheus, Redis
from tests.deploy import deployment
from tests.gateway.conftest import document

PATIENCE: Final = 120.0
"""Seconds that anything may take: it takes a few, but for a machine that has much else to do."""

GIB: Final = 2**30
_PAUSE: Final = 0.05


def wait_until(what: object, is_so: Callable[[], object]) -> None:
    """Wait until something is so; an AssertionError that says what if it doesn't come about."""
    until = time.monotonic() + PATIENCE
    while not is_so():
        assert time.monotonic() < until, f"not within {PATIENCE:g} s: {what}"
        time.sleep(0.1)


@contextmanager
def repeated(action: Callable[[], object], pause: float = _PAUSE) -> Iterator[None]:
    """Do something again and again, in a thread; what can't be reached meanwhile is no error."""
    stop = threading.Event()

    def run() -> None:
        while not stop.wait(pause):
            with suppress(httpx.HTTPError):
                action()

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


class Receiver:
    """Takes what Alertmanager's webhooks send: `heard` holds path, status and the name of each alert."""

    def __init__(self) -> None:
        heard = self.heard = set[tuple[str, str, str]]()

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                """One notification."""
                sent = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                heard.update((self.path, alert["status"], alert["labels"]["alertname"]) for alert in sent["alerts"])
                self.send_response(200)
                self.end_headers()

            def log_message(self, format: str, *args: object) -> None:
                """Nobody reads it."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def close(self) -> None:
        """Hear no more."""
        self._server.shutdown()
        self._server.server_close()


@dataclass
class Watched:
    """A gateway, what its users ask, and the name Prometheus has for it."""

    gateway: Gateway
    address: str = ""
    id: str = "watched/1"
    client: httpx.Client = field(default_factory=httpx.Client)

    @property
    def instance(self) -> str:
        """As in the label `instance`."""
        return f"127.0.0.1:{self.gateway.metrics_port}"

    def prepare(self) -> None:
        """Store a document."""
        headers = {"Authorization": f"Bearer {self.gateway.keys['all']}"}
        self.client = httpx.Client(base_url=self.gateway.url, headers=headers, timeout=15)
        answer = self.client.post("/entities", json=document(self.id))
        answer.raise_for_status()
        self.address = answer.json()["address"]

    def use(self) -> None:
        """What users do: read what is there, what isn't, and the current version of something."""
        self.client.get(f"/entities/{self.address}")
        self.client.get(f"/entities/{secrets.token_hex(32)}")
        self.client.get("/head", params={"id": self.id})

    @contextmanager
    def crowd(self, people: int) -> Iterator[None]:
        """So many who ask at the same time, again and again."""
        stop = threading.Event()

        async def person(client: httpx.AsyncClient) -> None:
            while not stop.is_set():
                with suppress(httpx.HTTPError):
                    await client.get("/head", params={"id": self.id})

        async def all_of_them() -> None:
            limits = httpx.Limits(max_connections=people)
            headers = self.client.headers
            async with httpx.AsyncClient(
                base_url=self.gateway.url, headers=headers, timeout=15, limits=limits
            ) as client:
                await asyncio.gather(*(person(client) for _ in range(people)))

        thread = threading.Thread(target=asyncio.run, args=(all_of_them(),), daemon=True)
        thread.start()
        try:
            yield
        finally:
            stop.set()
            thread.join()


@dataclass
class System:
    """`shared` stores in PostgreSQL, reached through `line`, and caches in Redis; `local` stores in SQLite."""

    shared: Watched
    local: Watched
    line: FaultProxy
    redis: Redis
    prometheus: Prometheus
    alertmanager: Alertmanager
    receiver: Receiver
    spare: int
    """Bytes to fill the disk with, until less is left than the test's copy of the rules asks for."""

    def firing(self) -> dict[tuple[str, str], dict[str, Any]]:
        """What Alertmanager shows, by the alert's name and the instance."""
        alerts = self.alertmanager.alerts()
        return {(alert["labels"]["alertname"], alert["labels"].get("instance", "")): alert for alert in alerts}

    def await_firing(self, *wanted: tuple[str, Watched]) -> None:
        """Wait until Alertmanager has shown each of these alerts."""
        missing = {(name, watched.instance) for name, watched in wanted}

        def all_seen() -> bool:
            missing.difference_update(self.firing())
            return not missing

        # What is still missing then is what the failure tells.
        wait_until(missing, all_seen)

    def await_quiet(self) -> None:
        """Wait until no alert fires."""
        wait_until("no alert", lambda: not self.firing())

    @contextmanager
    def filled_disk(self) -> Iterator[None]:
        """The disk of `local` filled by a file, which takes no time as nothing is written."""
        path = self.local.gateway.folder / "filler"
        try:
            with path.open("wb") as file:
                os.posix_fallocate(file.fileno(), 0, self.spare)
            yield
        finally:
            path.unlink()


def _disk(folder: Path) -> tuple[int, float]:
    """What to fill, and the share of free disk that is undercut by it: half of it is left to others on the machine."""
    disk = shutil.disk_usage(folder)
    # What is kept in memory is not to be filled with it.
    spare = min(GIB // 2 if file_system(folder) == "tmpfs" else 4 * GIB, disk.free // 4)
    return spare, (disk.free - spare / 2) / disk.total


@contextmanager
def running(postgres: PostgreSQL) -> Iterator[System]:
    """The deployment, with users at both gateways and nothing wrong."""
    with ExitStack() as opened:
        database = postgres.create_database()
        opened.callback(postgres.drop_database, database)
        line = opened.enter_context(FaultProxy(postgres.address))
        redis = opened.enter_context(started(Redis()))
        store = database.replace(f":{postgres.port}/", f":{line.port}/")
        often = ("--scrub", "0.00006")
        options = ("--cache", redis.url, *often)
        shared = Watched(opened.enter_context(started(Gateway(*options, store=f"{store}?retries=1"))))
        local = Watched(opened.enter_context(started(Gateway("--rate", "find=1/s:1"))))
        for watched in (shared, local):
            watched.prepare()
            opened.callback(watched.client.close)
        receiver = Receiver()
        opened.callback(receiver.close)
        alertmanager = opened.enter_context(started(Alertmanager(deployment.alertmanager_config(receiver.url))))
        targets = [shared.instance, local.instance]
        config = deployment.prometheus_config(targets, f"127.0.0.1:{alertmanager.port}")
        spare, share = _disk(local.gateway.folder)
        rules = {"rules.yml": deployment.rules(share)}
        prometheus = opened.enter_context(started(Prometheus(config, rules)))
        for watched in (shared, local):
            opened.enter_context(repeated(watched.use))
        yield System(shared, local, line, redis, prometheus, alertmanager, receiver, spare)
