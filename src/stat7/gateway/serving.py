"""Starting and ending a gateway: its stores, its checks, its addresses, its signals."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import signal
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final, NoReturn

from granian.constants import Interfaces
from granian.http import HTTP1Settings, HTTP2Settings
from granian.server.embed import Server

from stat7.errors import ConfigError, Stat7Error
from stat7.gateway.access import Access, KeyRing, KeyStore, strangers_scopes
from stat7.gateway.app import Gateway
from stat7.gateway.audit import Audit
from stat7.gateway.connections import Connections
from stat7.gateway.listening import Place, check_certificate, take
from stat7.gateway.monitor import Monitor, serve_metrics
from stat7.gateway.problems import Problem
from stat7.gateway.rates import SharedRates
from stat7.gateway.scrub import Scrub
from stat7.gateway.settings import Settings
from stat7.metrics import Metrics
from stat7.opening import open as open_repository
from stat7.registry import configure_cache, local_path, open_store
from stat7.registry.caches import RedisConfig
from stat7.repository import Repository

PORT: Final = 7007
METRICS_PORT: Final = 7008

_BIND: Final = Place("127.0.0.1", PORT)
_METRICS: Final = Place("127.0.0.1", METRICS_PORT)

_HEADER_BYTES: Final = 64 * 1024
_CONNECTIONS: Final = 4096
_DRAIN_SECONDS: Final = 30.0
_LOOK_SECONDS: Final = 5.0


@dataclass(frozen=True, slots=True)
class Deployment:
    """Everything that `stat7 serve` is told. URLs as `stat7.open` takes them; `keys` "" for the store's own marks,
    `shared_limits` "" for this process alone; `scrub` days (0: never). `tls`: certificate and key, PEM files.
    """

    store: str
    files: str
    cache: str | None = None
    replica: str | None = None
    bind: Place = _BIND
    metrics: Place | None = _METRICS
    settings: Settings = field(default_factory=Settings)
    keys: str = ""
    shared_limits: str = ""
    audit: Path | None = None
    audit_reads: bool = False
    scrub: float = 0.0
    tls: tuple[Path, Path] | None = None


Say = Callable[[str], None]


def serve(deployment: Deployment, say: Say) -> None:
    """Serve until SIGTERM or SIGINT, then let what is under way come to its end. `say` gets lines for a person.

    Raises ConfigError before anything is served, and what opening the stores raises.
    """
    asyncio.run(_Serving(deployment, say).run())


class _Serving:
    def __init__(self, deployment: Deployment, say: Say) -> None:
        self.deployment = deployment
        self.say = say
        self.opened = ExitStack()
        self.stopping = asyncio.Event()
        self.new = False

    async def run(self) -> None:
        deployment = self.deployment
        with self.opened:
            _check(deployment)
            taken = take(deployment.bind, self.opened)
            bind = replace(deployment.bind, port=taken.port)
            gateway = self._gateway(replace(deployment, bind=bind))
            server = _server(gateway, taken, deployment.tls)
            loop = asyncio.get_running_loop()
            for number in (signal.SIGTERM, signal.SIGINT):
                with contextlib.suppress(NotImplementedError):  # on Windows, where Ctrl-C ends it at once
                    loop.add_signal_handler(number, self.stopping.set)
            gateway.start()
            serving = asyncio.ensure_future(server.serve())
            looking = asyncio.ensure_future(_look(gateway))
            sweeping = asyncio.ensure_future(_sweep(gateway, bind.port))
            stop = asyncio.ensure_future(self.stopping.wait())
            await _until_it_answers(taken, serving)
            self._announce(gateway, bind)
            await asyncio.wait((serving, stop), return_when=asyncio.FIRST_COMPLETED)
            looking.cancel()
            sweeping.cancel()
            if serving.done():
                _tell_why(serving, bind)
            self.say("stopping: requests under way are answered first")
            await gateway.drain(_DRAIN_SECONDS)
            server.stop()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(serving, _DRAIN_SECONDS)
            await gateway.stop()

    def _gateway(self, deployment: Deployment) -> Gateway:
        metrics, monitor = Metrics(), Monitor()
        path = local_path(deployment.store)
        self.new = path is not None and not path.exists()
        repository = open_repository(
            deployment.store, files=deployment.files, cache=deployment.cache, replica=deployment.replica,
            metrics=metrics,
        )  # fmt: skip
        self.opened.callback(repository.close)
        monitor.watch_calls(metrics, repository)
        ring = KeyRing(self._key_store(deployment, repository))
        ring.refresh()
        public, loopback = deployment.settings.public_read, deployment.bind.loopback
        if not (public or loopback or len(ring)):
            raise ConfigError(
                f"{deployment.bind.url()} can be reached from elsewhere and there are no keys: make one first "
                "(stat7 admin key create NAME --scope read), or open reading to everybody by --public-read"
            )
        strangers = strangers_scopes(public, loopback, len(ring))
        settings = deployment.settings
        if loopback and (settings.hosts is not None or (strangers and not public)):
            own = {"localhost", "127.0.0.1", "::1", deployment.bind.host.lower()}
            hosts = (settings.hosts or frozenset()) | own
            settings = replace(settings, hosts=hosts)
        audit = Audit(deployment.audit, reads=deployment.audit_reads, on_loss=monitor.audit_lost)
        parts = {"store": local_path(deployment.store), "files": local_path(deployment.files)}
        gateway = Gateway(
            repository, Access(ring, strangers), settings, monitor, audit,
            folders={part: path.absolute().parent for part, path in parts.items() if path is not None},
        )  # fmt: skip
        self._share_limits(gateway, deployment)
        if deployment.scrub:
            scrub = Scrub(gateway, repository, deployment.scrub * 86_400)
            self.opened.callback(scrub.stop)
            scrub.start()
        if deployment.metrics is not None:
            self._serve_metrics(monitor, deployment.metrics)
        return gateway

    def _key_store(self, deployment: Deployment, repository: Repository) -> KeyStore:
        if not deployment.keys:
            return repository.store
        store = open_store(deployment.keys)
        self.opened.callback(store.close)
        return store

    def _share_limits(self, gateway: Gateway, deployment: Deployment) -> None:
        url = deployment.shared_limits or deployment.cache
        if not url:
            return
        config = configure_cache(url)
        if not isinstance(config, RedisConfig):
            raise ConfigError(f"--shared-limits: {url} is no Redis; write redis://HOST:PORT/DATABASE")
        from stat7.gateway.redis_rates import RedisBuckets

        buckets = RedisBuckets(config.server)
        self.opened.callback(buckets.close)
        gateway.rates = SharedRates(buckets)
        gateway.pings["cache" if url == deployment.cache else "limits"] = buckets.ping

    def _serve_metrics(self, monitor: Monitor, place: Place) -> None:
        try:
            _, stop = serve_metrics(monitor, place.host, place.port)
        except OSError as error:
            raise ConfigError(
                f"metrics can't be served at {place}: {error.strerror}; "
                "choose another address by --metrics HOST:PORT, or --metrics off"
            ) from None
        self.opened.callback(stop)

    def _announce(self, gateway: Gateway, bind: Place) -> None:
        deployment = self.deployment
        url = bind.url("https" if deployment.tls else "http")
        strangers = gateway.access.strangers
        self.say(f"serving {url}/ (the explorer; {url}/docs describes the interface)")
        if self.new:
            self.say(f"there was no {deployment.store}: it was made, and is empty")
        if deployment.settings.public_read:
            self.say("reading is open to everybody; writing needs a key")
        elif strangers:
            self.say("reading is open on this machine; writing needs a key (stat7 admin key create NAME --scope write)")
        else:
            self.say(f"reading and writing need a key; there are {len(gateway.access.ring)}")
        if deployment.metrics is not None:
            self.say(f"metrics at {deployment.metrics.url()}/metrics; Ctrl-C ends")


def _check(deployment: Deployment) -> None:
    """Raises ConfigError for what can be seen to fail before anything is opened."""
    bind, metrics = deployment.bind, deployment.metrics
    if metrics is not None and metrics.collides(bind):
        raise ConfigError(
            f"--metrics {metrics} is where --bind {bind} listens; give it another port, or write --metrics off"
        )
    if deployment.tls is not None:
        check_certificate(*deployment.tls)


def _server(gateway: Gateway, place: Place, tls: tuple[Path, Path] | None) -> Any:
    logging.getLogger("_granian").setLevel(logging.WARNING)
    certificate, key = tls or (None, None)
    return Server(
        gateway,
        address=place.host,
        port=place.port,
        interface=Interfaces.RSGI,
        backlog=1024,
        backpressure=_CONNECTIONS,
        websockets=False,
        log_enabled=False,
        http1_settings=HTTP1Settings(
            header_read_timeout=round(gateway.settings.limits.idle * 1000), max_buffer_size=_HEADER_BYTES
        ),
        http2_settings=HTTP2Settings(max_headers_size=_HEADER_BYTES, keep_alive_interval=30_000),
        ssl_cert=certificate,
        ssl_key=key,
    )


async def _until_it_answers(place: Place, serving: asyncio.Future[Any]) -> None:
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(place.host, place.host)  # noqa: S104
    until = time.monotonic() + 30
    while not serving.done() and time.monotonic() < until:
        try:
            _, writer = await asyncio.open_connection(host, place.port)
        except OSError:
            await asyncio.sleep(0.01)
        else:
            writer.close()
            return
    if not serving.done():
        raise ConfigError(f"the server can't be reached at {place}; choose another by --bind HOST:PORT")


def _tell_why(serving: asyncio.Future[Any], bind: Place) -> NoReturn:
    """Of a server that ended by itself."""
    try:
        serving.result()
    except (OSError, ValueError) as error:
        raise ConfigError(f"can't serve at {bind}: {error}; choose another by --bind HOST:PORT") from None
    raise ConfigError("the server ended by itself; its log says why")


async def _sweep(gateway: Gateway, port: int) -> None:
    """Close connections that only take up room."""
    limits = gateway.settings.limits
    connections = Connections(port, limits.idle, limits.unread)
    while True:
        await asyncio.sleep(min(_LOOK_SECONDS, limits.idle / 2, limits.unread / 2))
        with contextlib.suppress(Problem):
            await gateway.aside.call(connections.sweep)


async def _look(gateway: Gateway) -> None:
    """Ask now and then whether the parts answer, so that metrics tell it without a visit to /readyz."""
    while True:
        with contextlib.suppress(Stat7Error, OSError):
            await gateway.look()
        await asyncio.sleep(_LOOK_SECONDS)
