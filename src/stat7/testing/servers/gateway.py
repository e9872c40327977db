"""A gateway for tests: `stat7 serve` of this very installation, on a store of its own or on one that is named."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Final

import stat7
from stat7.gateway import access
from stat7.registry import open_store
from stat7.repository import Repository
from stat7.testing.servers.base import HOST, Server, exchange, free_port
from stat7.testing.servers.programs import Program

GATEWAY: Final = Program("gateway", "the gateway", lambda: Path(sys.executable), 'pip install "stat7[gateway]"')


class Gateway(Server):
    """`stat7 serve` on loopback, with a key for each scope and one for all.

    `store` and `files` are URLs, by default an SQLite store in its folder; `options` are further words of the command
    line. `keys` holds, once it was started, texts of keys by their scope: read, write, admin, and `all`.
    """

    program = GATEWAY

    def __init__(self, *options: str, store: str = "", files: str = "") -> None:
        super().__init__()
        self.options: Sequence[str] = options
        self.keys: dict[str, str] = {}
        self.metrics_port = free_port()
        self._store = store
        self._files = files

    @property
    def url(self) -> str:
        """Where it is served."""
        return f"http://{HOST}:{self.port}"

    @property
    def metrics_url(self) -> str:
        """Where Prometheus asks."""
        return f"http://{HOST}:{self.metrics_port}/metrics"

    @property
    def store(self) -> str:
        """The URL of the store behind it."""
        return self._store or f"sqlite:{self.folder.as_posix()}/library.db"

    @property
    def files(self) -> str:
        """The URL of the files behind it."""
        return self._files or f"file:{self.folder.as_posix()}/library-files"

    def repository(self) -> Repository:
        """What is behind it, opened beside it."""
        return stat7.open(self.store, files=self.files)

    def key(self, *scopes: str, expires_ms: int | None = None) -> str:
        """Make one more key."""
        with ExitStack() as opened:
            store = open_store(self.store)
            opened.callback(store.close)
            text, _ = access.create_key(store, "test", scopes, now_ms=0, expires_ms=expires_ms)
        return text

    def _prepare(self) -> None:
        with self.repository():
            self.keys = {scope: self.key(scope) for scope in access.SCOPES}
            self.keys["all"] = self.key(*access.SCOPES)

    def _command(self) -> list[str]:
        places = ["--store", self.store, "--files", self.files, "--bind", f"{HOST}:{self.port}"]
        metrics = ["--metrics", f"{HOST}:{self.metrics_port}"]
        return [sys.executable, "-m", "stat7", "serve", *places, *metrics, *self.options]

    def _answers(self) -> bool:
        return b" 200 " in exchange(self.address, b"GET /healthz HTTP/1.0\r\nHost: localhost\r\n\r\n", b"}")
