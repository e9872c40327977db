"""Prometheus and Alertmanager for tests: each with the configuration it is given, its data in its folder."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode

from stat7.testing.servers.base import HOST, Server
from stat7.testing.servers.objects import demand, request
from stat7.testing.servers.programs import ALERTMANAGER, PROMETHEUS

_NO_ROUTE = "route: {receiver: nobody}\nreceivers: [{name: nobody}]\n"


class _Configured(Server):
    """A server whose configuration is a file, with others beside it; all of them are written when it starts."""

    def __init__(self, config: str, files: Mapping[str, str] | None = None) -> None:
        super().__init__()
        self.config = config
        """The text of its configuration, in YAML; a change holds from the next start."""
        self.files = dict(files or {})
        """Texts of the files beside it that the configuration names, by their relative paths."""

    @property
    def url(self) -> str:
        """Where it is served."""
        return f"http://{HOST}:{self.port}"

    def _written(self) -> str:
        """The path of the configuration, once it and what belongs to it is there."""
        for name, text in {**self.files, "config.yml": self.config}.items():
            path = self.folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, "utf-8")
        return str(self.folder / "config.yml")

    def _get(self, path: str) -> Any:
        """The JSON answer to a GET; ServerFailed for any other."""
        return json.loads(demand(self, "GET", path))

    def _answers(self) -> bool:
        return request(self, "GET", "/-/ready")[0] == 200


class Prometheus(_Configured):
    """A Prometheus. `config` is the text of prometheus.yml, by default one that does nothing."""

    program = PROMETHEUS

    def __init__(self, config: str = "global: {}\n", files: Mapping[str, str] | None = None) -> None:
        super().__init__(config, files)

    def query(self, expression: str) -> list[dict[str, Any]]:
        """What an instant query gives: objects with `metric` and `value`. ServerFailed if it is refused."""
        found: list[dict[str, Any]] = self._get(f"/api/v1/query?{urlencode({'query': expression})}")["data"]["result"]
        return found

    def _command(self) -> list[str]:
        data = ["--storage.tsdb.path", str(self.folder / "data"), "--storage.tsdb.retention.time", "1h"]
        where = ["--config.file", self._written(), "--web.listen-address", f"{HOST}:{self.port}"]
        return [str(self.program.path()), *where, *data, "--log.level", "warn"]


class Alertmanager(_Configured):
    """An Alertmanager on its own. `config` is the text of alertmanager.yml, by default one that tells nobody."""

    program = ALERTMANAGER

    def __init__(self, config: str = _NO_ROUTE, files: Mapping[str, str] | None = None) -> None:
        super().__init__(config, files)

    def alerts(self) -> list[dict[str, Any]]:
        """The alerts that fire now, inhibited ones too: objects with `labels`, `annotations` and `status`."""
        found: list[dict[str, Any]] = self._get("/api/v2/alerts")
        return found

    def _command(self) -> list[str]:
        where = ["--config.file", self._written(), "--web.listen-address", f"{HOST}:{self.port}"]
        alone = ["--cluster.listen-address", "", "--storage.path", str(self.folder / "data")]
        return [str(self.program.path()), *where, *alone, "--log.level", "warn"]
