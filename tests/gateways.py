"""Gateways for tests by the dozen: one server in a thread of this process, and below each path a gateway over stores of
its own. What tests ask goes over a real socket; a fresh gateway costs next to nothing.
"""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx
from granian.constants import Interfaces
from granian.server.embed import Server

from stat7.files.base import FileStore
from stat7.gateway.access import SCOPES, Access, KeyRing, create_key
from stat7.gateway.app import Gateway
from stat7.gateway.audit import Audit
from stat7.gateway.monitor import Monitor
from stat7.gateway.settings import RATES, Limits, Rate, Settings
from stat7.repository import Repository
from stat7.stores.base import Store
from stat7.testing.servers.base import HOST, free_port

WITHOUT_LIMIT = dict.fromkeys(RATES, Rate(1e9, 1e9))


class Keys:
    """Where keys are kept."""

    def __init__(self) -> None:
        self._marks: dict[str, str] = {}

    def marks(self) -> dict[str, str]:
        """See KeyStore.marks."""
        return dict(self._marks)

    def set_mark(self, name: str, value: str | None) -> None:
        """See KeyStore.set_mark."""
        assert value is not None
        self._marks[name] = value


class Moved:
    """A request with the path that the gateway below has for it."""

    def __init__(self, scope: Any, path: str) -> None:
        self.path = path
        self._scope = scope

    def __getattr__(self, name: str) -> Any:
        return getattr(self._scope, name)


class Served:
    """A gateway at `url`, with the stores behind it, and keys by their scope (and `all`)."""

    def __init__(self, url: str, store: Store, files: FileStore, settings: Settings) -> None:
        self.url = url
        self.store = store
        self.files = files
        self.paths: list[str] = []
        """What was asked for, in order: method and path."""
        kept = Keys()
        wanted = {**{scope: [scope] for scope in SCOPES}, "all": list(SCOPES)}
        self.keys = {name: create_key(kept, name, scopes, now_ms=0)[0] for name, scopes in wanted.items()}
        self._ring = KeyRing(kept)
        repository = Repository(store, files)
        self._gateway = Gateway(repository, Access(self._ring), settings, Monitor(), Audit())
        self._gateway.audit.note = lambda *_: None  # type: ignore[method-assign]

    async def answer(self, scope: Moved, wire: Any) -> None:
        """Answer one request."""
        if self._ring.age > 1:
            self._ring.refresh()
        self.paths.append(f"{scope.method} {scope.path}")
        await self._gateway.__rsgi__(scope, wire)

    def keyed(self, key: str = "all", options: str = "") -> str:
        """The URL with a key in it."""
        return self.url.replace("://", f"://:{self.keys[key]}@") + (f"?{options}" if options else "")

    def close(self) -> None:
        """Close what is behind it."""
        self._gateway.close()


class Gateways:
    """A server; `add` puts one more gateway below a path of its own."""

    def __init__(self) -> None:
        self.port = free_port()
        self._served: list[Served] = []
        self._closed = 0

    def add(self, store: Store, files: FileStore, *, limits: Limits | None = None, **settings: Any) -> Served:
        """A gateway over these stores, without limits of rates unless `rates` sets some."""
        given = {"rates": WITHOUT_LIMIT, **settings}
        url = f"http://{HOST}:{self.port}/{len(self._served)}"
        self._served.append(Served(url, store, files, Settings(limits=limits or Limits(), **given)))
        return self._served[-1]

    def of(self, url: str) -> Served:
        """The gateway at a URL."""
        return next(served for served in self._served if served.url == url)

    async def __rsgi__(self, scope: Any, wire: Any) -> None:
        """Hand a request on."""
        number, _, path = scope.path[1:].partition("/")
        await self._served[int(number)].answer(Moved(scope, f"/{path}"), wire)

    def close(self) -> None:
        """Close all that were added since it was called last."""
        while self._closed < len(self._served):
            self._served[self._closed].close()
            self._closed += 1


@contextmanager
def serving() -> Iterator[Gateways]:
    """A server that runs meanwhile."""
    logging.getLogger("_granian").setLevel(logging.WARNING)
    gateways = Gateways()
    loop = asyncio.new_event_loop()
    server = Server(
        gateways, address=HOST, port=gateways.port, interface=Interfaces.RSGI, websockets=False, log_enabled=False
    )

    def run() -> None:
        asyncio.set_event_loop(loop)
        loop.run_until_complete(server.serve())

    thread = threading.Thread(target=run, name="gateways", daemon=True)
    thread.start()
    _wait_for(gateways.port)
    try:
        yield gateways
    finally:
        loop.call_soon_threadsafe(server.stop)
        thread.join(30)
        gateways.close()


def _wait_for(port: int) -> None:
    end = time.monotonic() + 60
    while True:
        try:
            httpx.get(f"http://{HOST}:{port}/", trust_env=False)
        except httpx.TransportError:
            assert time.monotonic() < end, "the gateways don't answer"
            time.sleep(0.02)
        else:
            return
