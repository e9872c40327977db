"""Azure Blob Storage for tests: Azurite."""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets
import shutil
from email.utils import formatdate

from stat7.testing.servers.base import HOST, Server, ServerFailed
from stat7.testing.servers.objects import Bucket, bucket_name, demand, request
from stat7.testing.servers.programs import AZURE

ACCOUNT = "stat7test"
"""The one storage account."""
_VERSION = "2021-12-02"


class AzureServer(Server):
    """An Azure Blob Storage server with one account and a random key. It does not know ranges counted from the end.

    In memory, so that `restart` and `kill` empty it, unless `persistent`: then in files, of which a `kill` loses what
    it had not yet saved.
    """

    program = AZURE

    def __init__(self, *, persistent: bool = False) -> None:
        super().__init__()
        self.persistent = persistent
        """Whether objects are in files and survive a restart."""
        self.key = base64.b64encode(secrets.token_bytes(64)).decode()
        """The account's key."""

    @property
    def endpoint(self) -> str:
        """http://host:port/account."""
        return f"http://{HOST}:{self.port}/{ACCOUNT}"

    def bucket(self, endpoint: str = "") -> Bucket:
        """Make an empty container. `endpoint`: http://host:port/ACCOUNT of a proxy that clients shall use instead."""
        name = bucket_name()
        self._send("PUT", name)
        return self.reach(name, endpoint)

    def reach(self, name: str, endpoint: str = "") -> Bucket:
        """What clients need for a container of that name, there or not."""
        chosen = endpoint or self.endpoint
        environment = {
            "AZURE_STORAGE_ACCOUNT_NAME": ACCOUNT,
            "AZURE_STORAGE_ACCOUNT_KEY": self.key,
            "AZURE_STORAGE_ENDPOINT": chosen,
            # obstore asks for this leave to use plain HTTP.
            "AZURE_ALLOW_HTTP": "true",
        }
        return Bucket(name, f"az://{name}", chosen, environment)

    def remove(self, bucket: Bucket) -> None:
        """Remove a container and all in it."""
        self._send("DELETE", bucket.name)

    def _send(self, method: str, container: str) -> None:
        """A request about a container, signed with the account's key."""
        headers = {"x-ms-date": formatdate(usegmt=True), "x-ms-version": _VERSION}
        signed = "".join(f"{name}:{headers[name]}\n" for name in sorted(headers))
        resource = f"/{ACCOUNT}/{ACCOUNT}/{container}\nrestype:container"
        # Eleven standard headers, all empty, stand between the method and the signed ones.
        text = f"{method}\n" + "\n" * 11 + signed + resource
        digest = hmac.digest(base64.b64decode(self.key), text.encode(), hashlib.sha256)
        headers["Authorization"] = f"SharedKey {ACCOUNT}:{base64.b64encode(digest).decode()}"
        demand(self, method, f"/{ACCOUNT}/{container}?restype=container", headers)

    def _settings(self) -> dict[str, str]:
        return {"AZURITE_ACCOUNTS": f"{ACCOUNT}:{self.key}"}

    def _command(self) -> list[str]:
        node = shutil.which("node")
        if node is None:
            raise ServerFailed("Azurite needs Node.js: `make servers SERVERS=azure` in a checkout of stat7")
        address = ["--blobHost", HOST, "--blobPort", str(self.port)]
        data = ["--location", str(self.folder)] if self.persistent else ["--inMemoryPersistence"]
        quiet = ["--silent", "--disableTelemetry", "--skipApiVersionCheck"]
        return [node, str(self.program.path()), *address, *data, *quiet]

    def _answers(self) -> bool:
        # Refused for lack of a signature, and so by Azurite.
        return request(self, "GET", f"/{ACCOUNT}?comp=list")[0] == 403
