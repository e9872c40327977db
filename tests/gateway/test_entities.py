"""Documents over HTTP: one by one, under their addresses, and many at a time."""

from __future__ import annotations

import hashlib

import httpx

from stat7.testing.servers import Gateway
from tests.gateway.conftest import document


def test_what_is_posted_is_read_back_byte_by_byte(gateway: Gateway, client: httpx.Client) -> None:
    posted = client.post("/entities", json=document("post/1"))
    assert posted.status_code == 201
    address = posted.json()["address"]
    assert posted.headers["location"] == f"/entities/{address}"
    got = client.get(f"/entities/{address}")
    assert (got.status_code, hashlib.sha256(got.content).hexdigest()) == (200, address)
    assert got.headers["etag"] == f'"{address}"'
    assert got.headers["content-type"] == "application/json"
    assert client.post("/entities", json=document("post/1")).status_code == 200
