"""S3 for tests: versitygw over a folder, where a bucket is a folder and an object is a file."""

from __future__ import annotations

import secrets
import shutil
from pathlib import Path

from stat7.testing.servers.base import HOST, Server
from stat7.testing.servers.objects import REGION, Bucket, bucket_name, request
from stat7.testing.servers.programs import S3


class S3Server(Server):
    """A strict S3 server. Objects survive `restart` and `kill`.

    An unknown access key is answered 404 where Amazon's service says 403.
    """

    program = S3

    def __init__(self, *, versioning: bool = False) -> None:
        super().__init__()
        self.versioning = versioning
        """Whether buckets can be made to keep old versions; needs extended attributes in the file system."""
        self.access_key = f"test{secrets.token_hex(8)}"
        """The one access key."""
        self.secret_key = secrets.token_hex(16)
        """Its secret."""

    @property
    def endpoint(self) -> str:
        """http://host:port."""
        return f"http://{HOST}:{self.port}"

    def bucket(self, endpoint: str = "") -> Bucket:
        """Make an empty bucket. `endpoint`: that of a proxy before the server, which clients shall use instead."""
        name = bucket_name()
        (self.folder / "buckets" / name).mkdir()
        return self.reach(name, endpoint)

    def reach(self, name: str, endpoint: str = "") -> Bucket:
        """What clients need for a bucket of that name, there or not."""
        chosen = endpoint or self.endpoint
        environment = {
            "AWS_ACCESS_KEY_ID": self.access_key,
            "AWS_SECRET_ACCESS_KEY": self.secret_key,
            "AWS_REGION": REGION,
            "AWS_DEFAULT_REGION": REGION,
            "AWS_ENDPOINT_URL": chosen,
            # obstore asks for this leave to use plain HTTP.
            "AWS_ALLOW_HTTP": "true",
        }
        return Bucket(name, f"s3://{name}", chosen, environment)

    def remove(self, bucket: Bucket) -> None:
        """Remove a bucket and all in it."""
        for kind in ("buckets", "metadata", "versions"):
            shutil.rmtree(self.folder / kind / bucket.name, ignore_errors=True)

    def stored(self, bucket: Bucket, key: str) -> Path:
        """The file that holds an object, to look at or meddle with below the server."""
        return self.folder / "buckets" / bucket.name / key

    def _prepare(self) -> None:
        for kind in ("buckets", "metadata", "versions"):
            (self.folder / kind).mkdir()

    def _settings(self) -> dict[str, str]:
        return {"ROOT_ACCESS_KEY": self.access_key, "ROOT_SECRET_KEY": self.secret_key}

    def _command(self) -> list[str]:
        # Beside the objects, not in extended attributes, which not every file system of a test machine has.
        where = ["--sidecar", str(self.folder / "metadata")]
        if self.versioning:
            where = ["--versioning-dir", str(self.folder / "versions")]
        gateway = [str(self.program.path()), "--port", f"{HOST}:{self.port}", "--region", REGION, "--health", "/health"]
        return [*gateway, "posix", *where, str(self.folder / "buckets")]

    def _answers(self) -> bool:
        return request(self, "GET", "/health")[0] == 200
