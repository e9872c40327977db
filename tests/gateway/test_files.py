"""Files over HTTP: whole, in ranges, by name and type, and refused where they are not what they are called."""

from __future__ import annotations

import hashlib
import os
import subprocess
from collections.abc import Callable
from email import message_from_bytes
from typing import Any, cast

import httpx
import pytest

from stat7.files.memory import MemoryFiles
from stat7.gateway.settings import Limits
from stat7.stores.memory import MemoryStore
from stat7.testing.servers import Gateway
from tests.gateway.conftest import document
from tests.gateways import Gateways

CONTENT = os.urandom(3 * 1024 * 1024 + 17)
SHA256 = hashlib.sha256(CONTENT).hexdigest()


@pytest.fixture(autouse=True)
def stored(client: httpx.Client) -> None:
    """The file is there."""
    answer = client.put(f"/files/{SHA256}", content=CONTENT)
    assert answer.status_code in (200, 201)
    assert (answer.json()["sha256"], answer.json()["size"]) == (SHA256, len(CONTENT))


def test_a_file_comes_back_byte_by_byte_and_its_head_alone(client: httpx.Client) -> None:
    got = client.get(f"/files/{SHA256}")
    assert (got.status_code, hashlib.sha256(got.content).hexdigest()) == (200, SHA256)
    assert got.headers["etag"] == f'"{SHA256}"'
    assert got.headers["x-content-type-options"] == "nosniff"
    assert got.headers["accept-ranges"] == "bytes"
    head = client.head(f"/files/{SHA256}")
    assert (head.headers["content-length"], head.content) == (str(len(CONTENT)), b"")
    assert client.get(f"/files/{SHA256}", headers={"If-None-Match": f'"x", "{SHA256}"'}).status_code == 304


@pytest.mark.parametrize(
    ("asked", "start", "end"),
    [("0-0", 0, 1), ("5-10", 5, 11), ("1048570-2097160", 1048570, 2097161), ("-20", len(CONTENT) - 20, len(CONTENT)),
     ("3000000-", 3000000, len(CONTENT)), ("10-99999999999", 10, len(CONTENT)), ("0-", 0, len(CONTENT))],
)  # fmt: skip
def test_a_range_is_that_part(client: httpx.Client, asked: str, start: int, end: int) -> None:
    got = client.get(f"/files/{SHA256}", headers={"Range": f"bytes={asked}"})
    assert (got.status_code, got.content) == (206, CONTENT[start:end])
    assert got.headers["content-range"] == f"bytes {start}-{end - 1}/{len(CONTENT)}"


def test_several_ranges_come_as_parts(client: httpx.Client) -> None:
    got = client.get(f"/files/{SHA256}", headers={"Range": "bytes=0-9, 100-199,-5"})
    assert got.status_code == 206
    assert got.headers["content-length"] == str(len(got.content))
    head = f"Content-Type: {got.headers['content-type']}\r\n\r\n".encode()
    parts = message_from_bytes(head + got.content).get_payload()
    assert isinstance(parts, list)
    assert [str(cast(Any, part)["Content-Range"]) for part in parts] == [
        f"bytes {first}-{last}/{len(CONTENT)}"
        for first, last in ((0, 9), (100, 199), (len(CONTENT) - 5, len(CONTENT) - 1))
    ]
    assert CONTENT[100:200] in got.content


@pytest.mark.parametrize("asked", [f"bytes={len(CONTENT)}-", "bytes=-0"])
def test_a_range_beyond_the_end_is_416_with_the_size(client: httpx.Client, asked: str) -> None:
    got = client.get(f"/files/{SHA256}", headers={"Range": asked})
    assert (got.status_code, got.headers["content-range"]) == (416, f"bytes */{len(CONTENT)}")


@pytest.mark.parametrize("asked", ["bytes=5-1", "bytes=a-b", "lines=1-2", "bytes=", "bytes=1-2-3"])
def test_what_is_no_range_gives_the_whole(client: httpx.Client, asked: str) -> None:
    assert client.get(f"/files/{SHA256}", headers={"Range": asked}).status_code == 200


def test_a_range_of_what_has_changed_is_the_whole(client: httpx.Client) -> None:
    same = {"Range": "bytes=0-1", "If-Range": f'"{SHA256}"'}
    assert client.get(f"/files/{SHA256}", headers=same).status_code == 206
    assert client.get(f"/files/{SHA256}", headers={**same, "If-Range": '"other"'}).status_code == 200


@pytest.mark.parametrize(
    ("kind", "sent", "how"),
    [
        ("image/png", "image/png", "inline"),
        ("video/mp4", "video/mp4", "inline"),
        ("text/plain", "text/plain; charset=utf-8", "inline"),
        ("text/html", "application/octet-stream", "attachment"),
        ("image/svg+xml", "application/octet-stream", "attachment"),
        ("application/xml", "application/octet-stream", "attachment"),
        ("", "application/octet-stream", "attachment"),
    ],
)
def test_what_could_act_is_only_handed_out_to_be_saved(client: httpx.Client, kind: str, sent: str, how: str) -> None:
    got = client.get(
        f"/files/{SHA256}", params={"type": kind, "name": 'Ünï "x"/..\\y.png'}, headers={"Range": "bytes=0-0"}
    )
    assert got.headers["content-type"] == sent
    disposition = got.headers["content-disposition"]
    assert disposition.startswith(f'{how}; filename="')
    assert '"x"' not in disposition
    assert "/" not in disposition.partition("filename*")[0]
    assert got.headers["content-security-policy"].startswith("sandbox")


@pytest.mark.parametrize("params", [{"type": "no type"}, {"name": "a\nb"}, {"other": "x"}])
def test_parameters_that_make_no_sense_are_refused(client: httpx.Client, params: dict[str, str]) -> None:
    assert client.get(f"/files/{SHA256}", params=params).status_code == 400


def test_bytes_that_are_not_what_they_are_called_are_refused_and_nothing_is_kept(
    gateway: Gateway, client: httpx.Client
) -> None:
    claimed = hashlib.sha256(b"something else").hexdigest()
    answer = client.put(f"/files/{claimed}", content=CONTENT[:2_000_000])
    assert answer.status_code == 422
    assert claimed in answer.text
    assert client.get(f"/files/{claimed}").status_code == 404
    assert client.get(f"/files/{hashlib.sha256(CONTENT[:2_000_000]).hexdigest()}").status_code == 404
    with gateway.repository() as repository:
        assert repository.files.sweep(2**60) == 0


def test_a_file_of_nothing_is_a_file(client: httpx.Client) -> None:
    answer = client.post("/files", content=b"")
    empty = hashlib.sha256(b"").hexdigest()
    assert answer.json()["sha256"] == empty
    got = client.get(f"/files/{empty}")
    assert (got.status_code, got.content) == (200, b"")
    assert client.get(f"/files/{empty}", headers={"Range": "bytes=0-0"}).status_code == 416


def test_a_withdrawn_file_is_gone_and_can_not_come_back(client: httpx.Client) -> None:
    content = os.urandom(100)
    sha256 = client.post("/files", content=content).json()["sha256"]
    body = {"files": [sha256], "case": "K-1", "reason": "private"}
    (notice,) = client.post("/withdrawals", json=body).json()["file_notices"]
    assert notice["address"] == sha256
    for answer in (client.get(f"/files/{sha256}"), client.put(f"/files/{sha256}", content=content)):
        assert answer.status_code == 410
        assert answer.json()["notice"]["case"] == "K-1"
        assert answer.headers["cache-control"] == "no-store"


def test_a_damaged_file_is_never_sent(start_server: Callable[[Gateway], Gateway]) -> None:
    server = start_server(Gateway())
    headers = {"X-API-Key": server.keys["all"]}
    sha256 = httpx.post(f"{server.url}/files", content=CONTENT, headers=headers).json()["sha256"]
    path = server.folder / "library-files" / sha256[:2] / sha256
    damaged = bytearray(path.read_bytes())
    damaged[2_000_000] ^= 1
    path.write_bytes(damaged)
    answer = httpx.get(f"{server.url}/files/{sha256}", headers=headers)
    assert (answer.status_code, answer.json()["type"]) == (500, "urn:stat7:problem:corrupt")
    part = httpx.get(f"{server.url}/files/{sha256}", headers={**headers, "Range": "bytes=2000000-2000001"})
    assert part.status_code == 500
    sound = httpx.get(f"{server.url}/files/{sha256}", headers={**headers, "Range": "bytes=0-99"})
    assert (sound.status_code, sound.content) == (206, CONTENT[:100])


@pytest.mark.parametrize("version", ["--http1.1", "--http2-prior-knowledge"])
def test_curl_and_sha256sum_print_the_name_they_asked_for(
    gateway: Gateway, client: httpx.Client, program: Callable[[str], str], version: str
) -> None:
    address = client.post("/entities", json=document("curl")).json()["address"]
    for path in (f"entities/{address}", f"files/{SHA256}"):
        command = [program("curl"), "-s", version, "-H", f"X-API-Key: {gateway.keys['read']}", f"{gateway.url}/{path}"]
        got = subprocess.run(command, capture_output=True, check=True, timeout=60).stdout
        assert hashlib.sha256(got).hexdigest() == path.partition("/")[2]


def test_the_head_of_a_range_is_that_of_the_file(client: httpx.Client) -> None:
    head = client.head(f"/files/{SHA256}", headers={"Range": "bytes=0-9"})
    assert (head.status_code, head.headers["content-length"]) == (200, str(len(CONTENT)))


def test_answers_that_wait_on_the_disk_are_bounded(gateways: Gateways) -> None:
    files = MemoryFiles()
    files.put([CONTENT])
    served = gateways.add(MemoryStore(), files, limits=Limits(spool=2 * 1024 * 1024))
    with httpx.Client(headers={"X-API-Key": served.keys["all"]}) as client:
        assert client.get(f"{served.url}/files/{SHA256}").status_code == 413
        part = client.get(f"{served.url}/files/{SHA256}", headers={"Range": "bytes=0-1500000"})
        assert (part.status_code, part.content) == (206, CONTENT[:1_500_001])
        assert client.get(f"{served.url}/files/{SHA256}", headers={"Range": "bytes=0-1500000"}).status_code == 503
