"""Addresses: how they are read, that nobody else listens there, and the certificate; errors name option and file."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

import httpx
import pytest

from stat7.errors import ConfigError
from stat7.gateway.listening import Place, check_certificate, take
from stat7.gateway.monitor import Monitor, serve_metrics
from stat7.testing.required import missing
from stat7.testing.servers.base import HOST, free_port
from tests.cli.conftest import Run
from tests.cli.conftest import run as run


@pytest.mark.parametrize(
    ("text", "host", "port", "loopback"),
    [
        ("127.0.0.1", "127.0.0.1", 7, True),
        ("0.0.0.0:80", "0.0.0.0", 80, False),  # noqa: S104
        ("localhost:81", "localhost", 81, True),
        ("[::1]:82", "::1", 82, True),
        ("[::1]", "::1", 7, True),
        ("::1", "::1", 7, True),
        (":83", "127.0.0.1", 83, True),
        ("example.org", "example.org", 7, False),
    ],
)
def test_a_place_is_read(text: str, host: str, port: int, loopback: bool) -> None:
    place = Place.read(text, 7)
    assert (place.host, place.port, place.loopback) == (host, port, loopback)
    assert Place.read(str(place), 0) == place


@pytest.mark.parametrize("text", ["a:b", "a:70000", "a:-1"])
def test_a_place_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(ConfigError, match="is no port"):
        Place.read(text, 7)


@pytest.mark.parametrize(
    ("one", "other", "collide"),
    [
        ("127.0.0.1:7", "127.0.0.1:7", True),
        ("127.0.0.1:7", "127.0.0.1:8", False),
        ("127.0.0.1:7", "127.0.0.2:7", False),
        ("127.0.0.1:7", "localhost:7", True),
        ("0.0.0.0:7", "127.0.0.1:7", True),
        ("127.0.0.1:7", "0.0.0.0:7", True),
        ("[::1]:7", "[0:0:0:0:0:0:0:1]:7", True),
        ("[::]:7", "[::1]:7", True),
        ("127.0.0.1:0", "127.0.0.1:0", False),
        ("127.0.0.1:7", "no name at all:7", False),
    ],
)
def test_places_collide_at_one_port_of_one_address_or_of_all(one: str, other: str, collide: bool) -> None:
    assert Place.read(one, 0).collides(Place.read(other, 0)) == collide


def test_a_place_is_taken_once_until_it_is_given_back() -> None:
    place = Place(HOST, free_port())
    with ExitStack() as first:
        assert take(place, first) == place
        if sys.platform == "linux":
            with ExitStack() as second, pytest.raises(ConfigError, match=f"{place}: .* in use; choose another") as told:
                take(place, second)
            assert "--bind HOST:PORT" in str(told.value)
    with ExitStack() as third:
        take(place, third)


def test_a_place_where_somebody_listens_is_not_taken_and_port_0_is_a_free_one() -> None:
    with ExitStack() as opened, socket.create_server((HOST, 0)) as taken:
        with pytest.raises(ConfigError, match="can't listen at"):
            take(Place(HOST, taken.getsockname()[1]), opened)
        one, other = take(Place(HOST, 0), opened), take(Place("localhost", 0), opened)
        assert one.port != other.port
        assert (one.host, other.host) == (HOST, HOST)
        with pytest.raises(ConfigError, match="can't listen at no name at all:1: "):
            take(Place("no name at all", 1), opened)


def test_metrics_at_the_address_of_the_gateway_are_refused(run: Run, tmp_path: Path) -> None:
    port = free_port()
    for host in (HOST, "localhost"):
        done = run("serve", "--bind", f"{HOST}:{port}", "--metrics", f"{host}:{port}")
        assert done.code == 2
        (line,) = done.err.splitlines()
        assert f"--metrics {host}:{port} is where --bind {HOST}:{port} listens; give it another port" in line
    assert list(tmp_path.iterdir()) == []


class Starting:
    """A `stat7 serve` that starts, and what it has said."""

    def __init__(self, folder: Path, *options: str) -> None:
        folder.mkdir()
        command = [sys.executable, "-m", "stat7", "serve", "--metrics", "off", *options]
        self.process = subprocess.Popen(command, cwd=folder, stderr=subprocess.PIPE, text=True)
        self.said: list[str] = []
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stderr is not None
        self.said.extend(iter(self.process.stderr.readline, ""))

    def end(self) -> int:
        """Its exit code."""
        self.process.terminate()
        code = self.process.wait(60)
        self._reader.join(60)
        assert self.process.stderr is not None
        self.process.stderr.close()
        return code


def until(is_so: Callable[[], bool]) -> None:
    """Wait for something, a minute at most."""
    end = time.monotonic() + 60
    while not is_so():
        assert time.monotonic() < end
        time.sleep(0.02)


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere the port alone is asked for")
def test_of_two_that_start_at_once_exactly_one_serves(tmp_path: Path) -> None:
    port = free_port()
    pipes = [tmp_path / name for name in ("one.pipe", "other.pipe")]
    for pipe in pipes:
        # Nobody reads it yet: one that opens it waits there, having found the port free and not listening yet.
        os.mkfifo(pipe)
    both = [Starting(tmp_path / pipe.stem, "--bind", f"{HOST}:{port}", "--audit", str(pipe)) for pipe in pipes]
    readers: list[int] = []
    try:
        until(lambda: any(each.process.poll() is not None for each in both))
        readers.extend(os.open(pipe, os.O_RDONLY | os.O_NONBLOCK) for pipe in pipes)
        refused = next(each for each in both if each.process.poll() is not None)
        serves = next(each for each in both if each is not refused)
        until(lambda: any("reading is open" in line for line in serves.said))
        assert httpx.get(f"http://{HOST}:{port}/healthz", timeout=30).status_code == 200
    finally:
        codes = {each: each.end() for each in both}
        for reader in readers:
            os.close(reader)
    assert (codes[refused], codes[serves]) == (2, 0)
    assert f"can't listen at {HOST}:{port}" in "".join(refused.said)
    assert not any("serving" in line for line in refused.said)


def test_a_name_is_served_at_its_address(tmp_path: Path) -> None:
    named = Starting(tmp_path / "named", "--bind", "localhost:0")
    try:
        until(lambda: any("reading is open" in line for line in named.said) or named.process.poll() is not None)
        url = named.said[0].split()[1]
        assert url.startswith("http://localhost:")
        assert httpx.get(f"{url}stats", timeout=30).status_code == 200
    finally:
        assert named.end() == 0


@pytest.fixture(scope="module")
def pems(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with two certificates and keys, one.pem and one.key, two.pem and two.key, and locked.key."""
    if shutil.which("openssl") is None:
        missing("openssl", "openssl is not on the PATH: install it with your system's package manager")
    folder = tmp_path_factory.mktemp("pems")

    def openssl(*words: str) -> None:
        subprocess.run(["openssl", *words], cwd=folder, check=True, capture_output=True, timeout=60)

    for name in ("one", "two"):
        curve = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256")
        files = ("-keyout", f"{name}.key", "-out", f"{name}.pem")
        openssl("req", "-x509", *curve, "-nodes", "-days", "2", "-subj", "/CN=localhost", *files)
    openssl("ecparam", "-name", "secp521r1", "-genkey", "-out", "odd.key")
    openssl("req", "-x509", "-key", "odd.key", "-days", "2", "-subj", "/CN=localhost", "-out", "odd.pem")
    openssl("x509", "-in", "one.pem", "-trustout", "-out", "trusted.pem")
    openssl("pkey", "-in", "one.key", "-aes256", "-passout", "pass:x", "-out", "locked.key")
    one = (folder / "one.pem").read_text()
    (folder / "half.pem").write_text(one[: len(one) // 2])
    (folder / "chain.pem").write_text(one + one[: len(one) // 2])
    (folder / "half.key").write_text((folder / "one.key").read_text()[:80])
    (folder / "junk").write_bytes(b"\0\xffjunk")
    (folder / "empty").touch()
    return folder


@pytest.mark.parametrize(
    ("certificate", "key", "said"),
    [
        ("absent", "one.key", "--tls-cert {absent}: No such file"),
        ("one.pem", "absent", "--tls-key {absent}: No such file"),
        ("junk", "one.key", "--tls-cert {junk}: no certificate in PEM"),
        ("empty", "one.key", "--tls-cert {empty}: no certificate in PEM"),
        ("half.pem", "one.key", "--tls-cert {half.pem}: no certificate in PEM"),
        ("chain.pem", "one.key", "--tls-cert {chain.pem}: no certificate in PEM"),
        ("one.key", "one.key", "--tls-cert {one.key}: no certificate in PEM"),
        ("one.pem", "junk", "--tls-key {junk}: no private key in PEM"),
        ("one.pem", "empty", "--tls-key {empty}: no private key in PEM"),
        ("one.pem", "half.key", "--tls-key {half.key}: no private key in PEM"),
        ("one.pem", "one.pem", "--tls-key {one.pem}: no private key in PEM"),
        ("trusted.pem", "one.key", "--tls-cert {trusted.pem}: no certificate in PEM"),
        ("odd.pem", "odd.key", "--tls-cert {odd.pem}: its kind of key isn't served; make one of RSA, P-256"),
        ("one.pem", "locked.key", "--tls-key {locked.key}: it is encrypted"),
        (
            "one.pem",
            "two.key",
            "--tls-key {two.key}: it is not the key of the first certificate in --tls-cert {one.pem}",
        ),
    ],
)
def test_a_certificate_or_key_that_is_no_good_is_named(pems: Path, certificate: str, key: str, said: str) -> None:
    for name in (certificate, key):
        said = said.replace(f"{{{name}}}", str(pems / name))
    with pytest.raises(ConfigError) as told:
        check_certificate(pems / certificate, pems / key)
    assert str(told.value).startswith(said)
    assert "\n" not in str(told.value)


def test_good_certificates_are_good(pems: Path) -> None:
    check_certificate(pems / "one.pem", pems / "one.key")


def test_the_command_line_tells_of_a_bad_key_before_anything_is_opened(run: Run, pems: Path, tmp_path: Path) -> None:
    words = ("--tls-cert", str(pems / "one.pem"), "--tls-key", str(pems / "two.key"))
    done = run("serve", "--bind", "127.0.0.1:0", "--metrics", "off", *words)
    assert done.code == 2
    assert f"stat7: --tls-key {pems / 'two.key'}: " in done.err
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
def test_metrics_answer_get_and_head_at_addresses_of_both_kinds(host: str) -> None:
    try:
        port, stop = serve_metrics(Monitor(), host, 0)
    except OSError:
        if host == "::1" and not _has_ipv6():
            pytest.skip("this machine has no IPv6")
        raise
    url = f"http://{Place(host, port)}/metrics"
    try:
        got, head = httpx.get(url, timeout=30), httpx.head(url, timeout=30)
    finally:
        stop()
    assert (got.status_code, head.status_code) == (200, 200)
    assert b"stat7_build_info" in got.content
    assert head.headers["content-type"] == got.headers["content-type"]
    assert int(head.headers["content-length"]) > 1000


def _has_ipv6() -> bool:
    try:
        with socket.socket(socket.AF_INET6, socket.SOCK_STREAM) as probe:
            probe.bind(("::1", 0))
    except OSError:
        return False
    return True


def test_a_scraper_that_goes_away_is_not_worth_a_word(
    capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    port, stop = serve_metrics(Monitor(), HOST, 0)
    try:
        for request in (b"GET /metrics HTTP/1.0\r\n\r\n", b"GET /met", b""):
            for _ in range(10):
                scraper = socket.create_connection((HOST, port), timeout=30)
                # Closing resets the connection at once, whatever is under way.
                scraper.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
                scraper.sendall(request)
                scraper.close()
        assert httpx.get(f"http://{HOST}:{port}/metrics", timeout=30).status_code == 200
        until(lambda: not [each for each in threading.enumerate() if "process_request" in each.name])
    finally:
        stop()
    assert (capfd.readouterr().err, caplog.records) == ("", [])
