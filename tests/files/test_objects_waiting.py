"""Who waits for whom, how long, and in how much memory: readers, batches, large uploads, slow lines, closing."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from stat7.errors import Unavailable
from stat7.files.base import CHUNK
from stat7.files.objects.parallel import Requests
from stat7.files.objects.storage import PATIENCE, QUICK, SINGLE
from stat7.files.objects.store import ObjectFiles
from stat7.testing.file_suite import content, read
from stat7.testing.servers import Bucket, FaultProxy, S3Server, Server
from stat7.testing.store_suite import race
from tests.files.buckets import LARGE, SMALL, Below, open_at


@pytest.fixture
def behind(
    s3_server: S3Server,
    below: Below,
    set_up: Callable[[Bucket], None],
    fault_proxy: Callable[[Server | tuple[str, int]], FaultProxy],
) -> Iterator[Callable[[str], tuple[ObjectFiles, FaultProxy]]]:
    """Opens a store with options of the URL behind a proxy."""
    opened: list[ObjectFiles] = []

    def give(options: str) -> tuple[ObjectFiles, FaultProxy]:
        proxy = fault_proxy(s3_server)
        set_up(s3_server.reach(below.bucket.name, proxy.url))
        opened.append(open_at(below.bucket, options))
        return opened[-1], proxy

    yield give
    for store in opened:
        store.close()


Behind = Callable[[str], tuple[ObjectFiles, FaultProxy]]


def test_a_reader_does_not_wait_for_a_batch_of_others(behind: Behind) -> None:
    store, proxy = behind("connections=2")
    name = store.put(LARGE).sha256
    proxy.latency(to_client=0.1)

    def look() -> None:
        with pytest.raises(Unavailable, match="the store is closed"):
            store.stat([f"{number:064x}" for number in range(60)])

    batch = threading.Thread(target=look)
    batch.start()
    time.sleep(0.2)
    begin = time.monotonic()
    assert read(store, name, CHUNK, CHUNK + 1) == LARGE[CHUNK : CHUNK + 1]
    # The batch's 180 requests, two at a time, take nine seconds.
    assert time.monotonic() - begin < 3
    assert batch.is_alive()
    store.close()
    batch.join()


def test_closing_while_something_waits_to_be_read_is_unavailable(behind: Behind) -> None:
    store, proxy = behind("connections=1")
    names = [store.put(content(3 * SINGLE, seed)).sha256 for seed in range(4)]
    proxy.latency(to_client=0.2)
    errors: list[Unavailable] = []

    def work(number: int) -> None:
        try:
            read(store, names[number])
        except Unavailable as error:
            errors.append(error)

    done = threading.Event()

    def close() -> None:
        while not done.wait(0.1):
            store.close()

    closing = threading.Thread(target=close)
    closing.start()
    race(4, work)
    done.set()
    closing.join()
    assert errors
    assert all("the store is closed" in str(error) and str(error).startswith("s3://") for error in errors)


def test_requests_that_never_will_be_sent_are_told() -> None:
    requests, begun, held = Requests(1, "s3://bucket"), threading.Event(), threading.Event()

    def wait(_: int) -> bool:
        begun.set()
        return held.wait(20)

    first, second = requests.send(wait, 1), requests.send(wait, 2)
    begun.wait(20)
    requests.close()
    with pytest.raises(Unavailable, match="s3://bucket: the store is closed"):
        requests.answer(second)
    held.set()
    assert requests.answer(first)


def test_a_slow_line_has_longer_to_send_than_to_answer(behind: Behind) -> None:
    store, proxy = behind("timeout=1&retry=0")
    data = content(1_000_000)
    proxy.bandwidth(to_server=500_000)
    begin = time.monotonic()
    name = store.put(data).sha256
    assert time.monotonic() - begin > 1.5
    proxy.heal()
    assert read(store, name) == data


def test_a_server_slow_to_copy_is_waited_for(behind: Behind) -> None:
    store, proxy = behind("timeout=1&retry=0")
    store.put(SMALL)
    real = store._storage.copy

    def slowly(source: str, target: str, marks: Any) -> None:
        proxy.latency(to_client=2.0)
        real(source, target, marks)
        proxy.latency()

    setattr(store._storage, "copy", slowly)  # noqa: B010
    name = store.put(LARGE).sha256
    assert read(store, name) == LARGE


def test_what_is_short_gives_up_as_soon_as_an_answer(behind: Behind) -> None:
    store, proxy = behind("timeout=0.5&retry=0")
    store.put(b"ready")
    proxy.freeze()
    for data, least in ((bytes(QUICK), 0.0), (bytes(QUICK + 1), 0.5 * PATIENCE)):
        begin = time.monotonic()
        with pytest.raises(Unavailable):
            store._storage.put_bytes("files/files/late", data, {})
        assert least <= time.monotonic() - begin < least + 3
    proxy.cut()
    proxy.heal()


def test_two_large_files_are_sent_at_a_time(below: Below) -> None:
    store = open_at(below.bucket)
    under_way, most, lock = [0], [0], threading.Lock()
    real = store._storage.put_stream

    def counted(*given: Any) -> None:
        with lock:
            under_way[0] += 1
            most[0] = max(most[0], under_way[0])
        try:
            real(*given)
        finally:
            with lock:
                under_way[0] -= 1

    setattr(store._storage, "put_stream", counted)  # noqa: B010
    large = [content(SINGLE + 1, seed) for seed in range(6)]
    names = race(6, lambda number: store.put(large[number]).sha256)
    assert [read(store, name) for name in names] == large
    assert most == [2]
    store.close()


def test_eight_large_files_at_once_take_the_memory_of_two(below: Below) -> None:
    pytest.importorskip("resource")
    code = """
        import resource, sys, threading
        from stat7.registry import open_files
        store = open_files(sys.argv[1])
        list(store.open(store.put(b"y" * 9_000_000).sha256))
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        def put(number):
            store.put(bytes([number, piece]) * 524288 for piece in range(64))
        threads = [threading.Thread(target=put, args=(number,)) for number in range(8)]
        for each in threads: each.start()
        for each in threads: each.join()
        print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) // 1024)
    """
    child = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code), f"{below.bucket.url}/files"],
        stdout=subprocess.PIPE, text=True, env=dict(os.environ), timeout=120, check=True,
    )  # fmt: skip
    # Eight times a first piece of nine, and twice what one upload takes.
    assert int(child.stdout) < 380, "MiB more than for one file"


def test_a_source_that_fails_does_not_wait_for_the_others(below: Below) -> None:
    store = open_at(below.bucket)
    store.put(SMALL)
    stop = threading.Event()

    def source(number: int) -> Iterator[bytes]:
        for piece in range(1000):
            if stop.is_set() or (number == 7 and piece == 20):
                stop.set()
                raise InterruptedError
            yield bytes([number]) * CHUNK

    def work(number: int) -> None:
        with pytest.raises(InterruptedError):
            store.put(source(number))

    begin = time.monotonic()
    timer = threading.Timer(3, stop.set)
    timer.start()
    race(8, work)
    timer.cancel()
    assert time.monotonic() - begin < 20
    assert [info.size for info in store._storage.list("files/files", "")] == [len(SMALL)]
    store.close()
