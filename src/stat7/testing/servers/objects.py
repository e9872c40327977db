"""What the three object stores for tests share: buckets, and the plain HTTP requests that make and remove them."""

from __future__ import annotations

import http.client
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field

from stat7.testing.servers.base import Server, ServerFailed

REGION = "us-east-1"
"""The region that clients of S3 have to sign for."""


@dataclass(frozen=True)
class Bucket:
    """An empty bucket (Azure: container) and what clients need to reach it."""

    name: str
    """Its name, new for each bucket."""
    url: str
    """s3://name, gs://name or az://name."""
    endpoint: str
    """The server's address for clients, http://host:port and for Azure the account's path."""
    environment: Mapping[str, str] = field(repr=False)
    """The same and the credentials as the environment variables that official clients and obstore read."""


def bucket_name() -> str:
    """A new name that all three services allow: lower-case letters, digits and a hyphen."""
    return f"test-{secrets.token_hex(6)}"


def request(
    server: Server, method: str, path: str, headers: Mapping[str, str] | None = None, body: bytes = b""
) -> tuple[int, bytes]:
    """One HTTP request to the server on a connection of its own: status and body. OSError if it does not answer."""
    connection = http.client.HTTPConnection(*server.address, timeout=5)
    try:
        connection.request(method, path, body or None, dict(headers or {}))
        answer = connection.getresponse()
        return answer.status, answer.read()
    except http.client.HTTPException as failure:
        raise OSError(f"no HTTP answer: {failure!r}") from failure
    finally:
        connection.close()


def demand(
    server: Server, method: str, path: str, headers: Mapping[str, str] | None = None, body: bytes = b""
) -> bytes:
    """`request`, and ServerFailed unless the status is 2xx."""
    status, answer = request(server, method, path, headers, body)
    if not 200 <= status < 300:
        raise ServerFailed(f"{server.program.title}: {method} {path} was answered {status}: {answer[:300]!r}")
    return answer
