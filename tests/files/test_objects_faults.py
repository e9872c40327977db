"""Object storage when the server stops, is slow, refuses or breaks off: bounded time, one clear error, nothing lost."""

from __future__ import annotations

import multiprocessing
import os
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from stat7.address import digest
from stat7.errors import ConfigError, Corrupt, Gone, NotFound, Stat7Error, Unavailable
from stat7.files.base import CHUNK, FileStore, StoredFile
from stat7.files.objects.layout import VERSION
from stat7.files.objects.storage import SINGLE
from stat7.files.objects.store import ObjectFiles
from stat7.registry import open_files
from stat7.testing.file_suite import FAR_FUTURE, content, read, scan_files
from stat7.testing.samples import notice
from stat7.testing.servers import Bucket, S3Server
from stat7.testing.store_suite import race
from tests.files.buckets import LARGE, SMALL, Below, Placed, open_at, prefix_of


def calls(store: FileStore) -> dict[str, Callable[[], object]]:
    """Every kind of call that needs the server."""
    name, big = digest(SMALL), digest(LARGE)
    return {
        "put": lambda: store.put(b"new"),
        "put again": lambda: store.put(SMALL),
        "put large": lambda: store.put(LARGE),
        "put large, digest given": lambda: store.put(LARGE, sha256=big),
        "replace": lambda: store.replace(name, SMALL),
        "open": lambda: store.open(name),
        "open large": lambda: b"".join(store.open(big)),
        "open range": lambda: b"".join(store.open(big, CHUNK, CHUNK + 1)),
        "stat": lambda: store.stat([name, big]),
        "stat many": lambda: store.stat([digest(bytes([number])) for number in range(100)]),
        "refresh": lambda: store.refresh([name]),
        "delete": lambda: store.delete([name]),
        "withdraw": lambda: store.withdraw([notice(digest(b"other"))]),
        "scan": lambda: store.scan(None, 10),
        "sweep": lambda: store.sweep(0),
    }


def assert_unavailable(store: FileStore, within: float) -> None:
    """Every call says Unavailable in one line, within that many seconds."""
    named = list(calls(store).items())

    def work(number: int) -> None:
        what, call = named[number]
        begin = time.monotonic()
        with pytest.raises(Unavailable) as caught:
            call()
        assert time.monotonic() - begin < within, what
        assert str(caught.value).startswith("s3://"), what
        assert len(str(caught.value).splitlines()) == 1, what

    race(len(named), work)


def assert_whole(store: FileStore) -> None:
    """Nothing that was acknowledged is lost, and the store works."""
    assert {item.sha256 for item in scan_files(store) if isinstance(item, StoredFile)} >= {digest(SMALL), digest(LARGE)}
    assert read(store, digest(SMALL)) == SMALL
    assert read(store, digest(LARGE)) == LARGE
    assert store.put(b"after").size == 5
    assert read(store, digest(b"after")) == b"after"


# The server is down, silent, slow or answers with errors.


def test_refused_connections_are_unavailable_and_recover(placed: Placed) -> None:
    store, proxy = placed
    proxy.refuse()
    assert_unavailable(store, within=12)
    proxy.heal()
    assert_whole(store)


def test_a_silent_server_is_unavailable_in_bounded_time_and_recovers(placed: Placed) -> None:
    store, proxy = placed
    proxy.freeze()
    assert_unavailable(store, within=12)
    proxy.cut()
    proxy.heal()
    assert_whole(store)


@pytest.mark.parametrize("status", [500, 503])
def test_a_server_that_answers_with_errors_is_unavailable_and_recovers(placed: Placed, status: int) -> None:
    store, proxy = placed
    proxy.answer(status)
    assert_unavailable(store, within=12)
    proxy.heal()
    assert_whole(store)


def test_errors_that_pass_are_not_noticed(placed: Placed) -> None:
    store, proxy = placed
    for status in (500, 503):
        for call in (lambda: read(store, digest(SMALL)), lambda: store.put(b"x"), lambda: store.stat([digest(SMALL)])):
            proxy.cut()
            proxy.answer(status, times=1)
            assert call()
        assert proxy.answered > 0


def test_a_server_slowed_to_two_seconds_is_waited_for(placed: Placed) -> None:
    _, proxy = placed
    patient = open_at(Bucket(_bucket_of(placed), f"s3://{_bucket_of(placed)}", "", {}))
    assert patient.stat([digest(b"unknown")]) == {}
    proxy.latency(to_client=2.0)
    begin = time.monotonic()
    assert read(patient, digest(SMALL)) == SMALL
    assert 2 <= time.monotonic() - begin < 10
    patient.close()


def test_by_default_a_call_gives_up_well_under_a_minute() -> None:
    from stat7.files.objects.storage import Target

    target = Target("bucket", "place")
    # The last try begins within `retry`, and lasts at most `timeout`.
    assert target.retry + target.timeout <= 30


def test_a_batch_sends_its_requests_at_once(placed: Placed) -> None:
    store, proxy = placed
    proxy.latency(to_client=0.2)
    begin = time.monotonic()
    store.stat([digest(bytes([number])) for number in range(24)])
    # 72 requests one after the other would take 14 seconds.
    assert time.monotonic() - begin < 5


def test_a_connection_cut_while_reading_gives_the_right_bytes_or_none(placed: Placed) -> None:
    store, proxy = placed
    for passed in (10, CHUNK + 5, SINGLE + 100_000):
        proxy.cut_after(to_client=passed)
        with pytest.raises(Unavailable):
            read(store, digest(LARGE))
        proxy.heal()
    assert read(store, digest(LARGE)) == LARGE


def test_a_connection_cut_while_storing_leaves_the_file_whole_or_absent(placed: Placed) -> None:
    store, proxy = placed
    for number, passed in enumerate((100_000, SINGLE + 500_000)):
        data = content(SINGLE + CHUNK, seed=number)
        for given in (None, digest(data)):
            proxy.cut_after(to_server=passed)
            with pytest.raises(Unavailable):
                store.put(data, sha256=given)
            proxy.heal()
            with pytest.raises(NotFound):
                store.open(digest(data))
        assert store.put(data).sha256 == digest(data)
        assert read(store, digest(data)) == data


def _bucket_of(placed: Placed) -> str:
    return str(placed[0]._storage.place.split("/")[2])


# Wrong settings.


def test_a_missing_bucket_is_said_so_by_every_call(s3_server: S3Server, set_up: Callable[[Bucket], None]) -> None:
    bucket = s3_server.reach("missing-bucket")
    set_up(bucket)
    for what in calls(open_at(bucket)):
        with pytest.raises(ConfigError, match="s3://missing-bucket/files: the server knows no such bucket"):
            calls(open_at(bucket))[what]()


@pytest.mark.parametrize("variable", ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"])
def test_wrong_credentials_are_said_so_by_every_call(
    below: Below, variable: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(variable, "WRONGSECRET")
    for what in calls(open_at(below.bucket)):
        with pytest.raises(ConfigError, match="credentials") as caught:
            calls(open_at(below.bucket))[what]()
        assert "WRONGSECRET" not in str(caught.value)


def test_credentials_of_the_url_go_before_the_environment(below: Below, monkeypatch: pytest.MonkeyPatch) -> None:
    secret = below.bucket.environment["AWS_SECRET_ACCESS_KEY"]
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "WRONG")
    store = open_at(below.bucket, f"access_key_id={os.environ['AWS_ACCESS_KEY_ID']}&secret_access_key={secret}")
    assert store.put(b"x").size == 1
    store.close()


def test_a_server_that_ignores_conditions_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("obstore")

    class Careless(BaseHTTPRequestHandler):
        """Accepts every write."""

        def do_PUT(self) -> None:
            """Whatever the conditions."""
            self.rfile.read(int(self.headers["Content-Length"]))
            self.send_response(200)
            self.send_header("ETag", '"x"')
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            """Nothing."""

    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "x")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "x")
    with ThreadingHTTPServer(("127.0.0.1", 0), Careless) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        store = open_files(f"s3://bucket?endpoint=http://127.0.0.1:{server.server_port}")
        with pytest.raises(ConfigError, match="ignores If-None-Match"):
            store.put(b"x")
        server.shutdown()


def test_a_later_layout_is_refused_and_left_alone(store: ObjectFiles, below: Below) -> None:
    below.write("files/layout", b"stat7 files 2\n")
    for call in (lambda: store.put(b"x"), lambda: store.withdraw([notice(digest(b"x"))])):
        with pytest.raises(ConfigError, match="update stat7"):
            call()
    assert scan_files(store) == []
    below.write("files/layout", VERSION)
    assert store.put(b"x").size == 1


# Processes.


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")
def test_a_forked_process_is_refused_and_does_not_hang(store: ObjectFiles) -> None:
    store.put(b"x")
    context: Any = multiprocessing.get_context("fork")
    ours, theirs = context.Pipe()

    def child() -> None:
        try:
            store.stat([digest(b"x")])
        except Stat7Error as error:
            theirs.send(type(error).__name__)

    process = context.Process(target=child)
    process.start()
    assert ours.poll(20)
    assert ours.recv() == "Unsupported"
    process.join(10)
    assert process.exitcode == 0


def _child(code: str, url: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(code), url], stdout=subprocess.PIPE, text=True, env=dict(os.environ)
    )


@pytest.mark.parametrize("given", [False, True], ids=["no digest", "digest given"])
def test_a_put_that_is_killed_leaves_nothing_to_be_seen(store: ObjectFiles, below: Below, given: bool) -> None:
    code = f"""
        import sys, time
        from stat7.registry import open_files
        def source():
            for number in range(60):
                yield bytes([number]) * 1048576
            print("sent", flush=True)
            time.sleep(60)
        open_files(sys.argv[1]).put(source(), sha256={"'" + "0" * 64 + "'" if given else None})
    """
    child = _child(code, f"{below.bucket.url}/files")
    assert child.stdout is not None
    with child.stdout:
        assert child.stdout.readline() == "sent\n"
        child.kill()
        child.wait()
    assert scan_files(store) == []
    store.sweep(FAR_FUTURE)
    assert list(store._storage.list("files/incoming", "")) == []
    assert list(store._storage.list("files/files", "")) == []


def test_200_megabytes_pass_in_little_memory(below: Below) -> None:
    pytest.importorskip("resource")
    code = """
        import resource, sys
        from stat7.registry import open_files
        store = open_files(sys.argv[1])
        store.put(b"x")
        list(store.open(store.put(b"y" * 9_000_000).sha256))
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        name = store.put(bytes([number]) * 1048576 for number in range(200)).sha256
        assert sum(map(len, store.open(name))) == 200 * 1048576
        print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) // 1024)
    """
    child = _child(code, f"{below.bucket.url}/files")
    output, _ = child.communicate(timeout=120)
    assert child.returncode == 0
    assert int(output) < 140, "MiB more than for small files"


# Races and leftovers that only object storage knows.


def test_large_bytes_that_came_back_after_their_withdrawal_are_not_given_out(store: ObjectFiles, below: Below) -> None:
    name = digest(LARGE)
    store.withdraw([notice(name)])
    below.write(f"files/files/{name}", LARGE)
    assert store.stat([name]) == {name: notice(name)}
    assert scan_files(store) == [notice(name)]
    assert store.refresh([name]) == store.delete([name]) == set()
    for call in (lambda: store.open(name), lambda: store.open(name, SINGLE, SINGLE + 1), lambda: store.put(LARGE)):
        with pytest.raises(Gone):
            call()
    assert store.sweep(0) == 1
    assert below.read(f"files/files/{name}") != LARGE
    assert store.sweep(0) == 0


def test_a_withdrawal_during_a_large_put_wins(store: ObjectFiles, below: Below) -> None:
    for given in (None, digest(LARGE)):
        data = LARGE if given else LARGE + b"other"
        told = notice(digest(data))

        def source(data: bytes = data, told: Any = told) -> Iterator[bytes]:
            yield data
            store.withdraw([told])

        with pytest.raises(Gone):
            store.put(source(), sha256=given)
        assert below.read(f"files/chunks/{told.address}") is None
        assert len(below.read(f"files/files/{told.address}") or b"") < 200
        assert list(store._storage.list("files/incoming", "")) == []
        assert store.sweep(FAR_FUTURE) == 0


def test_a_damaged_notice_still_withdraws(store: ObjectFiles, below: Below) -> None:
    name = store.put(SMALL).sha256
    store.withdraw([notice(name)])
    below.write(f"files/withdrawn/{name}", b"rubbish")
    for call in (lambda: store.open(name), lambda: store.put(SMALL)):
        with pytest.raises(Corrupt, match="notice"):
            call()
    assert [item.sha256 for item in scan_files(store) if isinstance(item, StoredFile)] == [name]
    store.withdraw([notice(name)])
    assert store.stat([name]) == {name: notice(name)}


def test_what_storage_cant_copy_is_sent_again(store: ObjectFiles) -> None:
    store._storage.copy_limit = SINGLE
    name = store.put(LARGE).sha256
    assert read(store, name) == LARGE
    assert store.sweep(FAR_FUTURE) == 0


def test_files_erased_while_they_are_read_are_said_so(store: ObjectFiles) -> None:
    name = store.put(content(3 * SINGLE)).sha256
    pieces = store.open(name)
    next(pieces)
    store.delete([name])
    with pytest.raises(NotFound):
        list(pieces)
    name = store.put(content(3 * SINGLE)).sha256
    pieces = store.open(name)
    next(pieces)
    store.withdraw([notice(name)])
    with pytest.raises(Gone):
        list(pieces)


def test_prefixes_and_what_others_keep_there_stay_apart(store: ObjectFiles, below: Below) -> None:
    other = open_files(f"{below.bucket.url}/files2")
    stored = store.put(SMALL)
    other.put(b"other")
    zeros = "0" * 64
    for key in ("readme.txt", "files/readme.txt", f"files/{zeros}.txt", f"files/0/{zeros}"):
        below.write(f"files/{key}", b"foreign")
    assert scan_files(store) == [stored]
    assert store.sweep(FAR_FUTURE) == 0
    assert below.read("files/files/readme.txt") == b"foreign"
    assert other.stat([stored.sha256]) == {}
    other.close()


def test_a_file_stored_by_others_is_read_and_has_the_servers_time(store: ObjectFiles, below: Below) -> None:
    name = digest(SMALL)
    below.write(f"files/files/{name}", SMALL)
    found = store.stat([name])[name]
    assert isinstance(found, StoredFile)
    assert abs(found.stored_at - time.time() * 1000) < 60_000
    assert read(store, name) == SMALL


# What it costs, and how it is.


def test_a_small_file_takes_one_request_each_way(placed: Placed) -> None:
    store, proxy = placed
    before = proxy.round_trips
    name = store.put(b"one request").sha256
    assert proxy.round_trips == before + 1
    assert read(store, name) == b"one request"
    assert proxy.round_trips == before + 2


def test_a_scan_in_small_pages_lists_once(store: ObjectFiles, monkeypatch: pytest.MonkeyPatch) -> None:
    race(8, lambda number: [store.put(b"%d %d" % (number, turn)) for turn in range(4)])
    listed = []
    real = store._storage.list

    def counted(folder: str, after: str) -> Iterator[Any]:
        listed.append(folder)
        return real(folder, after)

    monkeypatch.setattr(store._storage, "list", counted)
    assert len(scan_files(store, 5)) == 32
    assert len(listed) == 3


def test_it_can_speak_about_its_health(store: ObjectFiles, below: Below) -> None:
    store.put(LARGE)
    assert store.disk_bytes() is not None
    assert store.disk_bytes() >= len(LARGE)
    checks = {check.name: check for check in store.diagnose()}
    assert {name: check.status for name, check in checks.items()} == dict.fromkeys(checks, "ok")
    assert "files credentials" in checks
    assert "AWS_ACCESS_KEY_ID" in checks["files credentials"].text
    assert below.bucket.environment["AWS_SECRET_ACCESS_KEY"] not in str(checks)
    assert prefix_of(store) == "files/"
    assert list(store._storage.list("files/incoming", "")) == []


def test_trouble_is_told_by_its_health(placed: Placed) -> None:
    store, proxy = placed
    proxy.latency(to_client=0.55)
    assert [check.status for check in store.diagnose() if check.name == "files"] == ["warn"]
    proxy.heal()
    proxy.refuse()
    assert [check.status for check in store.diagnose() if check.name == "files"] == ["fail"]


def test_a_wrong_clock_and_careless_conditions_are_told(store: ObjectFiles, monkeypatch: pytest.MonkeyPatch) -> None:
    real = store._storage.put_bytes
    monkeypatch.setattr(store._storage, "put_bytes", lambda key, data, marks, only_if=None: real(key, data, marks))
    monkeypatch.setattr("stat7.files.objects.diagnosis.now", lambda: int(time.time() * 1000) + 120_000)
    status = {check.name: check.status for check in store.diagnose()}
    assert (status["files clock"], status["files conditions"]) == ("warn", "fail")


def test_closed_stores_can_be_used_again(store: ObjectFiles) -> None:
    store.close()
    assert store.stat([store.put(content(3 * CHUNK)).sha256, digest(b"x")]).keys() == {digest(content(3 * CHUNK))}
