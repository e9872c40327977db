"""DynamoDB for tests: DynamoDB Local, Amazon's own emulator."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

from stat7.testing.servers import jvm
from stat7.testing.servers.base import HOST, Server, ServerFailed
from stat7.testing.servers.objects import REGION, request
from stat7.testing.servers.programs import DYNAMODB_LOCAL

_MAIN = "software.amazon.dynamodb.services.local.main.ServerRunner"
ACCESS_KEY = "stat7test"
"""Letters and digits alone: others are refused. Every secret is accepted with it."""


class DynamoDB(Server):
    """A DynamoDB server. It accepts every secret and listens on all of the machine's addresses.

    In memory, so that `restart` and `kill` empty it, unless `persistent`: then in a file. Tables are made by clients.
    """

    program = DYNAMODB_LOCAL

    def __init__(self, *, persistent: bool = False) -> None:
        super().__init__()
        self.persistent = persistent
        """Whether tables are in a file and survive a restart."""

    @property
    def endpoint(self) -> str:
        """http://host:port."""
        return f"http://{HOST}:{self.port}"

    @property
    def credentials(self) -> Mapping[str, str]:
        """Region and keys by the names that boto3's `client` takes them by."""
        return {"region_name": REGION, "aws_access_key_id": ACCESS_KEY, "aws_secret_access_key": "stat7test"}

    @property
    def environment(self) -> Mapping[str, str]:
        """Endpoint, region and keys as the environment variables that boto3 reads."""
        named = {name.replace("region_name", "aws_default_region"): value for name, value in self.credentials.items()}
        return {"AWS_ENDPOINT_URL_DYNAMODB": self.endpoint} | {name.upper(): value for name, value in named.items()}

    def tables(self) -> list[str]:
        """The names of its tables, the first hundred in alphabetical order."""
        return list(self._ask("ListTables", {})["TableNames"])

    def drop_tables(self) -> None:
        """Remove every table."""
        while names := self.tables():
            for name in names:
                self._ask("DeleteTable", {"TableName": name})

    def _ask(self, operation: str, body: Mapping[str, str]) -> dict[str, list[str]]:
        """The answer to one operation of its API; ServerFailed if it is refused."""
        headers = {
            "X-Amz-Target": f"DynamoDB_20120810.{operation}",
            "Content-Type": "application/x-amz-json-1.0",
            # It looks at the access key and the region, not at the signature.
            "Authorization": "AWS4-HMAC-SHA256 "
            f"Credential={ACCESS_KEY}/20250101/{REGION}/dynamodb/aws4_request, SignedHeaders=host, Signature=0",
            "X-Amz-Date": "20250101T000000Z",
        }
        status, answer = request(self, "POST", "/", headers, json.dumps(body).encode())
        if status != 200:
            raise ServerFailed(f"{self.program.title}: {operation} was answered {status}: {answer[:300]!r}")
        told: dict[str, list[str]] = json.loads(answer)
        return told

    def _command(self) -> list[str]:
        jars = self.program.path().parent
        data = ["-dbPath", str(self._data())] if self.persistent else ["-inMemory"]
        return [
            str(jvm.java()),
            *("-Xms32m", "-Xmx256m", *jvm.QUICK),
            f"-Dsqlite4java.library.path={jars}",
            f"-Djava.io.tmpdir={self.folder}",
            "-cp",
            jvm.class_path(jars),
            _MAIN,
            *("-port", str(self.port), "-sharedDb", "-disableTelemetry", *data),
        ]

    def _data(self) -> Path:
        folder = self.folder / "data"
        folder.mkdir(exist_ok=True)
        return folder

    def _answers(self) -> bool:
        return "TableNames" in self._ask("ListTables", {})
