"""Google Cloud Storage for tests: fake-gcs-server."""

from __future__ import annotations

import json
from urllib.parse import quote

from stat7.testing.servers.base import HOST, Server
from stat7.testing.servers.objects import Bucket, bucket_name, demand, request
from stat7.testing.servers.programs import GCS

PROJECT = "test"
"""The project that owns the buckets."""


class GcsServer(Server):
    """A server of Google Cloud Storage's JSON interface that asks for no credentials.

    In memory, so that `restart` and `kill` empty it, unless `persistent`: then in files. It tells clients where to go
    on with an upload; behind a proxy, set `endpoint` to the proxy's address before the start.
    """

    program = GCS

    def __init__(self, *, persistent: bool = False, endpoint: str = "") -> None:
        super().__init__()
        self.persistent = persistent
        """Whether objects are in files and survive a restart."""
        self._endpoint = endpoint

    @property
    def endpoint(self) -> str:
        """http://host:port for clients: of the server, or of the proxy before it."""
        return self._endpoint or f"http://{HOST}:{self.port}"

    def bucket(self) -> Bucket:
        """Make an empty bucket."""
        name = bucket_name()
        body = json.dumps({"name": name}).encode()
        demand(self, "POST", f"/storage/v1/b?project={PROJECT}", {"Content-Type": "application/json"}, body)
        return self.reach(name)

    def reach(self, name: str) -> Bucket:
        """What clients need for a bucket of that name, there or not."""
        environment = {"STORAGE_EMULATOR_HOST": self.endpoint, "GOOGLE_CLOUD_PROJECT": PROJECT}
        return Bucket(name, f"gs://{name}", self.endpoint, environment)

    def remove(self, bucket: Bucket) -> None:
        """Remove a bucket and all in it."""
        path = f"/storage/v1/b/{bucket.name}"
        page = ""
        while True:
            listed = json.loads(demand(self, "GET", f"{path}/o?pageToken={quote(page)}"))
            for item in listed.get("items", []):
                demand(self, "DELETE", f"{path}/o/{quote(item['name'], safe='')}")
            page = listed.get("nextPageToken", "")
            if not page:
                break
        demand(self, "DELETE", path)

    def _command(self) -> list[str]:
        address = ["-scheme", "http", "-host", HOST, "-port", str(self.port)]
        told = ["-public-host", self.endpoint.partition("://")[2], "-external-url", self.endpoint]
        data = ["-backend", "memory"]
        if self.persistent:
            data = ["-backend", "filesystem", "-filesystem-root", str(self.folder / "data")]
        return [str(self.program.path()), *address, *told, *data, "-log-level", "warn"]

    def _answers(self) -> bool:
        return request(self, "GET", "/_internal/healthcheck")[0] == 200
