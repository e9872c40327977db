"""Starting and ending a gateway: its stores, its checks, its addresses, its signals."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import signal
import socket
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final

from granian.constants import Interfaces
from granian.http import HTTP1Settings, HTTP2Settings
from granian.server.embed import Server

from stat7.errors import ConfigError, Stat7Error
from stat7.gateway.access import Access, KeyRing, KeyStore, strangers_scopes
from stat7.gateway.app import Gateway
from stat7.gateway.audit import Audit
from stat7.gateway.monitor import Monitor, serve_metrics
from stat7.gateway.rates import SharedRates
from stat7.gateway.scrub import Scrub
from stat7.gateway.settings import Settings
from stat7.metrics import Metrics
from stat7.opening import open as open_repository
from stat7.registry import configure_cache, local_path, open_store
from stat7.registry.caches import RedisConfig
from stat7.remote.settings import is_loopback
from stat7.repository import Repository

PORT: Final = 7007
METRICS_PORT: Final = 7008

_HEADER_BYTES: Final = 64 * 1024
_CONNECTIONS: Final = 4096
_DRAIN_SECONDS: Final = 30.0
_LOOK_SECONDS: Final = 5.0


@dataclass(frozen=True, slots=True)
class Place:
    """Where a gateway listens."""

    host: str
    port: int

    @property
    def loopback(self) -> bool:
        """Whether only this machine reaches it."""
        return is_loopback(self.host)

    def url(self, scheme: str = "http") -> str:
        """As a URL."""
        return f"{scheme}://{f'[{self.host}]' if ':' in self.host else self.host}:{self.port}"

    @classmethod
    def read(cls, text: str, port: int) -> Place:
        """From HOST, HOST:PORT, :PORT or [V6]:PORT; without a port it is `port`. Raises ConfigError."""
        host, colon, number = text.rpartition(":")
        if not colon or text.endswith("]") or (":" in host and not host.startswith("[")):
            host, number = text, str(port)
        if not (number.isascii() and number.isdigit() and int(number) < 65536):
            raise ConfigError(f"{text}: {number!r} is no port; write HOST:PORT, such as 127.0.0.1:{port}")
        return cls(host.strip("[]") or "127.0.0.1", int(number))


@dataclass(frozen=True, slots=True)
class Deployment:
    """Everything that `stat7 serve` is told. URLs as `stat7.open` takes them; `keys` "" for the store's own marks,
    `shared_limits` "" for this process alone; `scrub` days (0: never). `tls`: certificate and key, PEM files.
    """

    store: str
    files: str
    cache: str | None = None
    replica: str | None = None
    bind: Place = Place("127.0.0.1", PORT)
    metrics: Place | None = Place("127.0.0.1", METRICS_PORT)
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

    async def run(self) -> None:
        deployment = self.deployment
        with self.opened:
            bind = replace(deployment.bind, port=_free_port(deployment.bind))
            gateway = self._gateway(replace(deployment, bind=bind))
            server = _server(gateway, replace(deployment, bind=bind))
            loop = asyncio.get_running_loop()
            for number in (signal.SIGTERM, signal.SIGINT):
                with contextlib.suppress(NotImplementedError):  # on Windows, where Ctrl-C ends it at once
                    loop.add_signal_handler(number, self.stopping.set)
            gateway.start()
            serving = asyncio.ensure_future(server.serve())
            looking = asyncio.ensure_future(_look(gateway))
            stop = asyncio.ensure_future(self.stopping.wait())
            await _until_it_answers(bind, serving)
            self._announce(gateway, bind)
            await asyncio.wait((serving, stop), return_when=asyncio.FIRST_COMPLETED)
            looking.cancel()
            if serving.done():
                serving.result()
                raise ConfigError("the server ended by itself; its log says why")
            self.say("stopping: requests under way are answered first")
            await gateway.drain(_DRAIN_SECONDS)
            server.stop()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(serving, _DRAIN_SECONDS)
            await gateway.stop()

    def _gateway(self, deployment: Deployment) -> Gateway:
        metrics, monitor = Metrics(), Monitor()
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
        if loopback and strangers and not public:
            hosts = (settings.hosts or frozenset()) | {"localhost", "127.0.0.1", "::1", deployment.bind.host}
            settings = replace(settings, hosts=hosts)
        audit = Audit(deployment.audit, reads=deployment.audit_reads)
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

        buckets = RedisBuckets(config.server, gateway.pool)
        self.opened.callback(buckets.close)
        gateway.rates = SharedRates(buckets)
        gateway.pings["cache" if url == deployment.cache else "limits"] = buckets.ping

    def _serve_metrics(self, monitor: Monitor, place: Place) -> None:
        try:
            _, stop = serve_metrics(monitor, place.host, place.port)
        except OSError as error:
            raise ConfigError(
                f"metrics can't be served at {place.host}:{place.port}: {error.strerror}; "
                "choose another address by --metrics HOST:PORT, or --metrics off"
            ) from None
        self.opened.callback(stop)

    def _announce(self, gateway: Gateway, bind: Place) -> None:
        deployment = self.deployment
        url = bind.url("https" if deployment.tls else "http")
        strangers = gateway.access.strangers
        self.say(f"serving {url}/ (the explorer; {url}/docs describes the interface)")
        if deployment.settings.public_read:
            self.say("reading is open to everybody; writing needs a key")
        elif strangers:
            self.say("reading is open on this machine; writing needs a key (stat7 admin key create NAME --scope write)")
        else:
            self.say(f"reading and writing need a key; there are {len(gateway.access.ring)}")
        if deployment.metrics is not None:
            self.say(f"metrics at {deployment.metrics.url()}/metrics; Ctrl-C ends")


def _server(gateway: Gateway, deployment: Deployment) -> Any:
    logging.getLogger("_granian").setLevel(logging.WARNING)
    certificate, key = deployment.tls or (None, None)
    return Server(
        gateway,
        address=deployment.bind.host,
        port=deployment.bind.port,
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


def _free_port(place: Place) -> int:
    """The port, or a free one for 0; ConfigError where it can't be listened at, which the server itself would not
    notice: it would share the port.
    """
    family = socket.AF_INET6 if ":" in place.host else socket.AF_INET
    try:
        with socket.socket(family, socket.SOCK_STREAM) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind((place.host, place.port))
            port: int = probe.getsockname()[1]
            return port
    except OSError as error:
        raise ConfigError(
            f"can't listen at {place.host}:{place.port}: {error.strerror}; choose another by --bind HOST:PORT"
        ) from None


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


async def _look(gateway: Gateway) -> None:
    """Ask now and then whether the parts answer, so that metrics tell it without a visit to /readyz."""
    while True:
        with contextlib.suppress(Stat7Error, OSError):
            await gateway.look()
        await asyncio.sleep(_LOOK_SECONDS)
