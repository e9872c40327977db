"""Starting and ending: what is refused at the start, what is said, and that no answer is lost at the end."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

from stat7.testing.required import missing
from stat7.testing.servers import Gateway
from tests.cli.conftest import Run
from tests.cli.conftest import run as run
from tests.gateway.conftest import document


def test_elsewhere_than_on_loopback_it_wants_keys_or_public_reading(run: Run) -> None:
    done = run("serve", "--bind", "0.0.0.0:0", "--metrics", "off")
    assert done.code == 2
    assert "there are no keys: make one first (stat7 admin key create NAME --scope read)" in done.err


def test_a_port_in_use_is_told(run: Run) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        done = run("serve", "--bind", f"127.0.0.1:{port}", "--metrics", "off")
        assert (done.code, "choose another by --bind HOST:PORT" in done.err) == (2, True)
        done = run("serve", "--bind", "127.0.0.1:0", "--metrics", f"127.0.0.1:{port}")
        assert (done.code, "--metrics HOST:PORT, or --metrics off" in done.err) == (2, True)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--rate", "read=fast"], "--rate read=fast: write KIND=N/s"),
        (["--rate", "sleep=1/s"], "KIND is one of read, find"),
        (["--trust-proxy", "x"], "--trust-proxy"),
        (["--tls-key", __file__], "--tls-cert and --tls-key go together"),
        (["--shared-limits", "memory:"], "unknown scheme"),
        (["--audit", "/nowhere/at/all.log"], "--audit"),
    ],
)
def test_options_that_make_no_sense_are_refused(run: Run, options: list[str], said: str) -> None:
    done = run("serve", "--bind", "127.0.0.1:0", "--metrics", "off", *options)
    assert done.code == 2
    assert said in done.err


def test_keys_are_made_listed_and_revoked_by_the_command_line(run: Run) -> None:
    made = run("admin", "key", "create", "laptop", "--scope", "read", "--scope", "write", "--expires", "90")
    text = made.text.strip()
    assert text.startswith("stat7_")
    assert "this is the only time it is shown" in made.err
    (listed,) = json.loads(run("admin", "key", "list", "--json").text)
    assert (listed["name"], listed["scopes"]) == ("laptop", ["read", "write"])
    assert text not in run("admin", "key", "list").text
    assert run("admin", "key", "revoke", listed["id"]).code == 0
    assert run("admin", "key", "revoke", listed["id"]).code == 3
    assert run("admin", "key", "create", "x", "--scope", "root").code == 2


def test_the_default_store_is_served_on_loopback_and_ends_on_ctrl_c(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "stat7", "serve", "--bind", "127.0.0.1:0", "--metrics", "off"]
    process = subprocess.Popen(command, cwd=tmp_path, stderr=subprocess.PIPE, text=True)
    assert process.stderr is not None
    url = process.stderr.readline().split()[1]
    assert "it was made, and is empty" in process.stderr.readline()
    assert "reading is open on this machine" in process.stderr.readline()
    assert httpx.get(f"{url}stats").json()["entities"] == 0
    assert "text/html" in httpx.get(url).headers["content-type"]
    process.send_signal(signal.SIGINT)
    assert process.wait(60) == 0
    assert "stopping" in process.stderr.read()
    assert (tmp_path / "stat7.db").exists()


def noted_in(log: Path, count: int) -> list[dict[str, Any]]:
    """The lines of an audit log, once there are so many: a line is written after its answer."""
    until = time.monotonic() + 60
    while len(lines := log.read_text().splitlines()) < count:
        assert time.monotonic() < until
        time.sleep(0.01)
    return [json.loads(line) for line in lines]


def test_what_changes_something_or_is_refused_is_in_the_audit_log_without_secrets(
    start_server: Callable[[Gateway], Gateway], tmp_path: Path
) -> None:
    log = tmp_path / "audit.log"
    server = start_server(Gateway("--audit", str(log)))
    key = server.keys["all"]
    with httpx.Client(base_url=server.url, headers={"X-API-Key": key}) as client:
        address = client.post("/entities", json=document("audited", state={"secret": "hidden"})).json()["address"]
        client.get(f"/entities/{address}")
        client.post("/withdrawals", json={"addresses": [address], "case": "K", "reason": "r"})
    httpx.get(f"{server.url}/stats", headers={"X-API-Key": "stat7_nonsense_secret"})
    noted = noted_in(log, 3)
    assert [(each["route"], each["status"]) for each in noted] == [
        ("/entities", 201), ("/withdrawals", 200), ("/stats", 401),
    ]  # fmt: skip
    assert [each["subject"] for each in noted[:2]] == [address, address]
    assert {each["who"] for each in noted} == {f"key:{key.split('_')[1]}", "127.0.0.1"}
    for secret in (key.split("_", 2)[2], "hidden", "nonsense"):
        assert secret not in log.read_text()


def test_a_forwarded_address_is_believed_of_a_trusted_proxy_alone(
    start_server: Callable[[Gateway], Gateway], tmp_path: Path
) -> None:
    log = tmp_path / "audit.log"
    forwarded = {"X-Forwarded-For": "198.51.100.1, 203.0.113.9, 127.0.0.1"}
    for options, who in ((("--trust-proxy", "127.0.0.0/8"), "203.0.113.9"), ((), "127.0.0.1")):
        server = start_server(Gateway("--audit", str(log), *options))
        httpx.get(f"{server.url}/stats", headers=forwarded)
        (noted,) = noted_in(log, 1)
        assert noted["who"] == who
        log.unlink()


def statuses(server: Gateway, *hosts: str) -> list[int]:
    """What it answers by each of these names, with a key."""
    key = {"X-API-Key": server.keys["read"]}
    return [httpx.get(f"{server.url}/count", headers={**key, "Host": host}, timeout=30).status_code for host in hosts]


def test_a_name_that_is_given_comes_to_those_of_this_machine(start_server: Callable[[Gateway], Gateway]) -> None:
    server = start_server(Gateway("--host", "Library.Example"))
    own = (f"127.0.0.1:{server.port}", "localhost", "[::1]:80", "library.example")
    assert statuses(server, *own) == [200] * 4
    assert statuses(server, "elsewhere.example", "127.0.0.2") == [421] * 2


def test_with_keys_and_no_name_given_any_will_do(start_server: Callable[[Gateway], Gateway]) -> None:
    assert statuses(start_server(Gateway()), "elsewhere.example", "localhost") == [200] * 2


def test_at_the_end_requests_under_way_are_answered_and_nothing_acknowledged_is_lost(
    start_server: Callable[[Gateway], Gateway],
) -> None:
    server = start_server(Gateway("--rate", "write=100000/s"))
    acknowledged: list[str] = []
    dropped: list[str] = []
    told = threading.Event()

    def put(number: int) -> None:
        with httpx.Client(base_url=server.url, headers={"X-API-Key": server.keys["all"]}, timeout=60) as client:
            for turn in range(100_000):
                late = told.is_set()
                try:
                    answer = client.post("/entities", json=document(f"load/{number}/{turn}"))
                except httpx.TransportError as error:
                    if not late:
                        dropped.append(repr(error))
                    return
                if answer.status_code != 201:
                    if not (told.is_set() and answer.status_code == 503):
                        dropped.append(answer.text)
                    return
                acknowledged.append(answer.json()["address"])

    threads = [threading.Thread(target=put, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    until = time.monotonic() + 60
    while len(acknowledged) < 200:
        assert time.monotonic() < until
        time.sleep(0.01)
    slow = socket.create_connection(server.address, timeout=60)
    body = json.dumps(document("slow")).encode()
    slow.sendall(
        b"POST /entities HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
        b"X-API-Key: %b\r\nContent-Length: %d\r\n\r\n" % (server.keys["all"].encode(), len(body))
    )
    time.sleep(0.2)
    told.set()
    os.kill(server.pid, signal.SIGTERM)
    time.sleep(0.2)
    slow.sendall(body)
    assert slow.recv(4096).startswith(b"HTTP/1.1 201")
    for thread in threads:
        thread.join(120)
    with server.repository() as repository:
        assert repository.store.has(acknowledged) == set(acknowledged)
    assert dropped == []


def test_tls_is_served_with_http_2_and_a_file_keeps_its_name(
    start_server: Callable[[Gateway], Gateway], program: Callable[[str], str], tmp_path: Path
) -> None:
    if shutil.which("openssl") is None:
        missing("openssl", "openssl is not on the PATH: install it with your system's package manager")
    certificate, key = tmp_path / "cert.pem", tmp_path / "key.pem"
    subject = ["-subj", "/CN=localhost", "-addext", "subjectAltName=IP:127.0.0.1"]
    make = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", *subject]
    subprocess.run([*make, "-keyout", str(key), "-out", str(certificate)], check=True, capture_output=True)
    server = start_server(_OverTLS(certificate, key))
    url = server.url.replace("http:", "https:")
    command = [program("curl"), "-s", "--cacert", str(certificate), "-o", "-", "-w", "%{http_version}"]
    got = subprocess.run([*command, f"{url}/healthz"], capture_output=True, check=True, timeout=60).stdout
    assert got.startswith(b'{"status":"ok"')
    assert got.endswith(b"2")


class _OverTLS(Gateway):
    """Answers by HTTPS only."""

    def __init__(self, certificate: Path, key: Path) -> None:
        super().__init__("--tls-cert", str(certificate), "--tls-key", str(key))
        self._certificate = certificate

    def _answers(self) -> bool:
        try:
            return httpx.get(f"https://127.0.0.1:{self.port}/healthz", verify=False).status_code == 200
        except httpx.TransportError as error:
            raise OSError(str(error)) from None
