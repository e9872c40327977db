"""nginx with deploy/nginx.conf before a real gateway: what is handed on, and what happens while a gateway is away."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

import httpx
import pytest

from stat7.gateway.settings import Limits
from stat7.testing.fixtures import started
from stat7.testing.required import missing, need_driver
from stat7.testing.servers import Gateway
from stat7.testing.servers.base import HOST, free_port
from tests.deploy.deployment import DEPLOY
from tests.deploy.live import wait_until
from tests.gateway.conftest import document

CONFIG: Final = (DEPLOY / "nginx.conf").read_text("utf-8")
SLOWEST_READ: Final = 0.12e9
"""Bytes a second at which the largest file must be hashed within the proxy's patience."""


def nginx() -> str:
    """The program; skips the test where it isn't installed."""
    found = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin:/usr/local/sbin:/opt/homebrew/bin")
    return found or missing("nginx", "nginx is not on this machine: `make servers` installs it")


def placed(folder: Path, port: int, *gateways: str) -> list[str]:
    """The command for nginx.conf in a folder of its own, listening at a port of loopback; `gateways` HOST:PORT in
    place of those of compose.yaml.
    """
    text, found = re.subn(r"listen 8080;", f"listen {HOST}:{port};", CONFIG)
    assert found == 1
    kept = [
        f"{kind}_temp_path {folder.as_posix()}/{kind};" for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    ]
    text = text.replace("http {", "http { access_log off; " + " ".join(kept), 1)
    for named, gateway in zip(re.findall(r"server (\d[\d.]+:\d+)", CONFIG), gateways, strict=bool(gateways)):
        text = text.replace(named, gateway)
    (folder / "nginx.conf").write_text(f"pid {folder.as_posix()}/nginx.pid;\n{text}", "utf-8")
    return [nginx(), "-p", str(folder), "-c", "nginx.conf", "-e", "stderr"]


@contextmanager
def proxy(folder: Path, *gateways: str) -> Iterator[httpx.Client]:
    """nginx before these gateways, and somebody who asks it."""
    port = free_port()
    with subprocess.Popen([*placed(folder, port, *gateways), "-g", "daemon off;"]) as process:
        try:
            with httpx.Client(base_url=f"http://{HOST}:{port}", timeout=60) as client:

                def answers() -> bool:
                    assert process.poll() is None
                    with suppress(httpx.TransportError):
                        return client.get("/healthz").status_code == 200
                    return False

                wait_until("nginx", answers)
                yield client
        finally:
            process.terminate()


class _Keyless(Gateway):
    """With a store in which there is no key."""

    def _prepare(self) -> None:
        with self.repository():
            pass


@pytest.fixture(autouse=True)
def _needs() -> None:
    need_driver("gateway", "granian")
    nginx()


def test_nginx_takes_the_configuration_although_no_gateway_can_be_reached(tmp_path: Path) -> None:
    command = [*placed(tmp_path, free_port()), "-t"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stderr


def test_with_one_gateway_away_the_proxy_starts_and_every_request_is_answered(tmp_path: Path) -> None:
    audit = tmp_path / "audit.log"
    away = f"{HOST}:{free_port()}"
    with started(Gateway("--trust-proxy", HOST, "--audit", str(audit))) as gateway:
        with proxy(tmp_path, away, f"{HOST}:{gateway.port}") as client:
            client.headers["X-API-Key"] = gateway.keys["all"]
            own = str(client.base_url).rstrip("/")
            stored = client.post("/entities", json=document("proxied/1"), headers={"Origin": own})
            assert stored.status_code == 201
            elsewhere = client.post("/entities", json=document("proxied/2"), headers={"Origin": "https://a.example"})
            assert elsewhere.status_code == 403
            address = stored.json()["address"]
            assert {client.get(f"/entities/{address}").status_code for _ in range(20)} == {200}
            del client.headers["X-API-Key"]
            # What a client says of its own address is not handed on.
            assert client.get("/stats", headers={"X-Forwarded-For": "203.0.113.9"}).status_code == 401
        notes = [json.loads(line) for line in audit.read_text("utf-8").splitlines()]
        assert [note["who"] for note in notes if note["status"] == 401] == [HOST]


def test_behind_the_proxy_a_gateway_without_keys_gives_strangers_nothing(tmp_path: Path) -> None:
    with started(_Keyless()) as gateway:
        assert httpx.get(f"{gateway.url}/stats").status_code == 200
        with proxy(tmp_path, *[f"{HOST}:{gateway.port}"] * 2) as client:
            assert client.get("/stats").status_code == 401


def seconds(directive: str) -> int:
    """What a directive of nginx.conf says."""
    (found,) = re.findall(rf"^ *{directive} (\d+)s;", CONFIG, re.MULTILINE)
    return int(found)


def test_the_proxy_closes_idle_connections_first_and_waits_for_the_largest_file() -> None:
    limits = Limits()
    assert seconds("keepalive_timeout") <= limits.idle / 2
    assert seconds("proxy_read_timeout") > limits.file / SLOWEST_READ
