"""The gateway over HTTP, asked by wrk from another process, against the plainest thing that sends the same bytes.

Single documents and 304s against a bare ASGI application on the same server, batches against single documents, NDJSON
against `stat7 import`, a file against nginx; and that memory stays the same with 500 idle and 50 busy connections. The
gateway's keys and limits are on. Needs wrk and nginx (Debian's packages wrk and nginx-light).
"""

from __future__ import annotations

import os
import random
import re
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from _entities import filled_store, texts
from _measure import clean_environment, memory_of, options, report, report_at_most

import stat7
from stat7.gateway.access import SCOPES, create_key
from stat7.testing.servers import Gateway
from stat7.testing.servers.base import free_port

FAST = [word for kind in ("read", "write", "find", "bulk") for word in ("--rate", f"{kind}=1000000/s")]
SHOWN = 1000
FILE_BYTES = 8 * 1024 * 1024

ASK = """
local addresses = {}
for line in io.lines("addresses") do addresses[#addresses + 1] = line end
wrk.headers["Authorization"] = "Bearer " .. io.open("key"):read("*l")
local tagged, batch, at = os.getenv("TAGGED"), os.getenv("BATCH"), 0
if batch then
  wrk.method, wrk.path = "POST", "/entities/batch-get"
  wrk.headers["Content-Type"] = "application/json"
  wrk.body = '["' .. table.concat(addresses, '","') .. '"]'
end
function request()
  if batch then return wrk.format() end
  at = at % #addresses + 1
  if tagged then wrk.headers["If-None-Match"] = '"' .. addresses[at] .. '"' end
  return wrk.format("GET", "/entities/" .. addresses[at])
end
"""


class Rate(NamedTuple):
    """What wrk measured: requests and bytes a second."""

    requests: float
    bytes: float


def wrk(url: str, folder: Path, seconds: float, connections: int = 32, *, script: bool = True, **settings: str) -> Rate:
    """Ask for some seconds; fails if any answer was no 2xx or 3xx."""
    command = ["wrk", "-t1", f"-c{connections}", f"-d{seconds:g}s", *(["-s", "ask.lua"] if script else []), url]
    environment = {**os.environ, **settings}
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=True)
    if "Non-2xx" in done.stdout or "Socket errors" in done.stdout:
        raise SystemExit(f"{url}: {done.stdout}")
    rate, size, unit = re.findall(r"Requests/sec:\s+([\d.]+)\s+Transfer/sec:\s+([\d.]+)([KMG]?)B", done.stdout)[0]
    return Rate(float(rate), float(size) * {"": 1, "K": 2**10, "M": 2**20, "G": 2**30}[unit])


class Served(NamedTuple):
    """A gateway that runs."""

    url: str
    port: int
    pid: int


@contextmanager
def running(command: list[str], port: int) -> Iterator[Served]:
    """A server of our own while it runs. All are started alike: in a session of its own a server is a third slower."""
    process = subprocess.Popen(command, env=clean_environment())
    try:
        until = time.monotonic() + 30
        while True:
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", port)) == 0:
                    break
            if process.poll() is not None or time.monotonic() > until:
                raise SystemExit(f"{command[0]} did not start")
            time.sleep(0.05)
        yield Served(f"http://127.0.0.1:{port}", port, process.pid)
    finally:
        process.terminate()
        process.wait(30)


@contextmanager
def bare(documents: Path, *words: str) -> Iterator[str]:
    """The bare application."""
    port = free_port()
    program = str(Path(__file__).with_name("_bare_asgi.py"))
    with running([sys.executable, program, str(port), str(documents), *words], port) as served:
        yield served.url


@contextmanager
def gateway_over(place: str, files: str) -> Iterator[Served]:
    """A gateway, by default limits but for rates; idle connections are held for longer than the benchmark takes."""
    port, metrics = free_port(), free_port()
    command = [sys.executable, "-m", "stat7", "serve", "--store", place, "--files", files, "--idle", "900", *FAST]
    with running([*command, "--bind", f"127.0.0.1:{port}", "--metrics", f"127.0.0.1:{metrics}"], port) as served:
        yield served


@contextmanager
def nginx(folder: Path) -> Iterator[str]:
    """nginx with one worker, serving a folder by sendfile."""
    port, where = free_port(), folder / "nginx"
    where.mkdir()
    paths = "".join(
        f"{name}_temp_path {where}/{name}; " for name in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    configuration = where / "nginx.conf"
    configuration.write_text(
        f"worker_processes 1; daemon off; pid {where}/pid; error_log {where}/error; user root; events {{}}\n"
        f"http {{ access_log off; {paths} sendfile on; server {{ listen 127.0.0.1:{port}; root {folder}; }} }}\n"
    )
    with running([shutil.which("nginx") or "nginx", "-e", f"{where}/error", "-c", str(configuration)], port) as served:
        yield served.url


def against(
    name: str, unit: str, ours: Callable[[], float], theirs: Callable[[], float], *, rounds: int, target: float,
    note: str = "", times: float = 1.0,
) -> None:  # fmt: skip
    """Measure both in turns, and print the median of the ratios (divided by `times`, what is asked of ours)."""
    ours(), theirs()
    pairs = [(ours(), theirs()) if turn % 2 else (theirs(), ours())[::-1] for turn in range(rounds)]
    ratio = statistics.median(one / other for one, other in pairs) / times
    mine, other = (statistics.median(side) for side in zip(*pairs, strict=True))
    report(name, unit, ours=mine, baseline=other, ratio=ratio, target=target, note=note)


def reads(gateway: Served, folder: Path, rounds: int, seconds: float) -> None:
    """Documents one by one, 304s, and batches."""
    note = f"median of {rounds} rounds of {seconds:g} s by wrk, 32 connections, {SHOWN:,} addresses, a key, limits on"
    with bare(folder / "documents") as plain:
        against(
            "GET /entities/{address} against a bare ASGI application", "/s",
            lambda: wrk(gateway.url, folder, seconds).requests, lambda: wrk(plain, folder, seconds).requests,
            rounds=rounds, target=0.6, note=note,
        )  # fmt: skip
    with bare(folder / "documents", "304") as plain:
        against(
            "the same with If-None-Match", "/s",
            lambda: wrk(gateway.url, folder, seconds, TAGGED="1").requests,
            lambda: wrk(plain, folder, seconds, TAGGED="1").requests, rounds=rounds, target=0.8, note=note,
        )  # fmt: skip
    against(
        f"batch-get of {SHOWN:,} against single GETs", "documents/s",
        lambda: SHOWN * wrk(gateway.url, folder, seconds, 4, BATCH="1").requests,
        lambda: wrk(gateway.url, folder, seconds).requests, rounds=rounds, target=10.0, note="batches by 4 connections",
    )  # fmt: skip


def ndjson(folder: Path, count: int, rounds: int) -> None:
    """The same file posted and imported, each time into a new store."""
    path = folder / "posted.ndjson"
    path.write_bytes(b"".join(text + b"\n" for text in texts(count, prefix="posted")))

    def post() -> float:
        with Gateway(*FAST) as gateway:
            headers = ["-H", "Content-Type: application/x-ndjson", "-H", f"X-API-Key: {gateway.keys['all']}"]
            command = ["curl", "-sf", "-o", str(folder / "results"), "--data-binary", f"@{path}", *headers]
            begun = time.perf_counter()
            subprocess.run([*command, f"{gateway.url}/entities"], check=True)
            took = time.perf_counter() - begun
            assert (folder / "results").read_bytes().count(b'"status":"new"') == count
        return count / took

    def bring_in() -> float:
        with tempfile.TemporaryDirectory() as place:
            command = [
                sys.executable,
                "-m",
                "stat7",
                "import",
                "entities",
                str(path),
                "--store",
                f"sqlite:{place}/x.db",
            ]
            begun = time.perf_counter()
            subprocess.run(command, check=True, capture_output=True, env=clean_environment())
            return count / (time.perf_counter() - begun)

    against(
        f"POST of {count:,} documents as NDJSON against `stat7 import`", "/s", post, bring_in, rounds=rounds,
        target=0.6, note=f"median of {rounds} rounds, a new store each, durable",
    )  # fmt: skip


def files(gateway: Served, sha256: str, folder: Path, rounds: int, seconds: float) -> None:
    """One file, verified each time, against nginx."""
    (folder / "file.lua").write_text('wrk.headers["Authorization"] = "Bearer " .. io.open("key"):read("*l")\n')

    def ours() -> float:
        command = ["wrk", "-t1", "-c4", f"-d{seconds:g}s", "-s", "file.lua", f"{gateway.url}/files/{sha256}"]
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=True)
        found = re.findall(r"Transfer/sec:\s+([\d.]+)([KMG]?)B", done.stdout)
        if "Non-2xx" in done.stdout or not found:
            raise SystemExit(done.stdout)
        return float(found[0][0]) * {"": 1e-6, "K": 2**10 / 1e6, "M": 2**20 / 1e6, "G": 2**30 / 1e6}[found[0][1]]

    with nginx(folder) as plain:
        against(
            "GET /files of 8 MiB against nginx", "MB/s", ours,
            lambda: wrk(f"{plain}/file", folder, seconds, 4, script=False).bytes / 1e6, rounds=rounds, target=0.5,
            note=f"median of {rounds} rounds of {seconds:g} s by wrk, 4 connections; hashed again for every answer",
        )  # fmt: skip


def endurance(gateway: Served, folder: Path, minute: float) -> None:
    """Memory after the first minute of five and at the end, with 500 idle and 50 busy connections."""
    idle = [socket.create_connection(("127.0.0.1", gateway.port)) for _ in range(500)]
    for connection in idle:
        connection.sendall(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert connection.recv(4096).startswith(b"HTTP/1.1 200 ")
    wrk(gateway.url, folder, minute, 50)
    first = memory_of(gateway.pid)
    wrk(gateway.url, folder, 4 * minute, 50)
    last = memory_of(gateway.pid)
    for connection in idle:
        connection.sendall(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert connection.recv(4096).startswith(b"HTTP/1.1 200 ")
        connection.close()
    report_at_most(
        "memory gained after the first minute, 500 idle and 50 busy connections", "MB",
        ours=max(0, last - first) / 1e6, limit=5.0,
        note=f"{first / 1e6:.0f} MB after {minute:g} s, {last / 1e6:.0f} MB after {5 * minute:g} s; no error",
    )  # fmt: skip


def main() -> None:
    """Run and print all comparisons."""
    quick = options(__doc__).quick
    count, rounds, seconds = (5_000, 3, 1.0) if quick else (50_000, 7, 4.0)
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as name:
        folder = Path(name)
        store, addresses = filled_store(folder / "library.db", count)
        random.Random(1).shuffle(addresses)
        documents = store.get(addresses[:SHOWN])
        store.close()
        (folder / "addresses").write_text("\n".join(documents))
        lines = [
            b"%b %b\n" % (address.encode(), held) for address, held in documents.items() if isinstance(held, bytes)
        ]
        (folder / "documents").write_bytes(b"".join(lines))
        (folder / "ask.lua").write_text(ASK)
        place, beside = f"sqlite:{folder}/library.db", f"file:{folder}/library-files"
        content = random.Random(1).randbytes(FILE_BYTES)
        (folder / "file").write_bytes(content)
        with stat7.open(place, files=beside) as repository:
            sha256 = repository.put_file(content).sha256
            (folder / "key").write_text(create_key(repository.store, "wrk", SCOPES, now_ms=0)[0])
        with gateway_over(place, beside) as gateway:
            reads(gateway, folder, rounds, seconds)
            files(gateway, sha256, folder, rounds, seconds)
            endurance(gateway, folder, 3.0 if quick else 60.0)
        ndjson(folder, 5_000 if quick else 100_000, 1 if quick else 3)


if __name__ == "__main__":
    main()
