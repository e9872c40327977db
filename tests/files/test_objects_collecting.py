"""Erasing from a bucket: gc beside puts of other processes, and markers told from files that are as long."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
import time
from concurrent.futures import ThreadPoolExecutor
from threading import Event

import pytest

from stat7.address import digest
from stat7.errors import Gone
from stat7.files.base import CHUNK
from stat7.files.objects.layout import MARKER, marks_at
from stat7.files.objects.storage import ObjectInfo
from stat7.files.objects.store import ObjectFiles
from stat7.testing.file_suite import content, read
from stat7.testing.samples import notice
from tests.files.buckets import Below

_PUTTING = """
    import sys, time
    from stat7.registry import open_files
    store = open_files(sys.argv[1])
    end, number, kept = time.monotonic() + 4, 0, set()
    while time.monotonic() < end:
        # The same files by all processes, again and again.
        kept.add(store.put(b"file %d" % (number % 300)).sha256)
        number += 1
    print(*kept)
"""


def test_gc_beside_puts_of_other_processes_loses_nothing(store: ObjectFiles, below: Below) -> None:
    began = int(time.time() * 1000)
    old = [b"old %d" % number for number in range(200)]
    for data in old:
        store._storage.put_bytes(f"files/files/{digest(data)}", data, marks_at(began - 10_000))
    names = [digest(data) for data in old] + [digest(b"file %d" % number) for number in range(300)]
    putting = [
        subprocess.Popen(
            [sys.executable, "-c", textwrap.dedent(_PUTTING), f"{below.bucket.url}/files"],
            stdout=subprocess.PIPE,
            text=True,
            env=dict(os.environ),
        )
        for _ in range(2)
    ]
    erased: set[str] = set()
    while any(child.poll() is None for child in putting):
        erased |= store.delete(names, began)
    assert erased == {digest(data) for data in old}
    for child in putting:
        output, _ = child.communicate(timeout=30)
        assert child.returncode == 0
        kept = output.split()
        assert len(kept) > 5
        assert set(kept) == store.stat(kept).keys()


def test_a_deletion_that_the_client_repeats_spares_what_was_stored_meanwhile(store: ObjectFiles) -> None:
    data = content(400)
    limit = store.put(data).stored_at + 1
    time.sleep(0.002)
    real, erased = store._storage.erase, Event()

    def repeated(info: ObjectInfo) -> bool:
        done = real(info)
        erased.set()
        time.sleep(0.3)
        store._storage.delete([info.key])
        return done

    setattr(store._storage, "erase", repeated)  # noqa: B010
    with ThreadPoolExecutor(1) as pool:
        deleting = pool.submit(store.delete, [digest(data)], limit)
        assert erased.wait(30)
        assert store.put(data).stored_at >= limit
        deleting.result()
    assert read(store, digest(data)) == data


def test_what_is_renewed_while_others_are_erased_stays(store: ObjectFiles) -> None:
    files = [store.put(content(400, seed)) for seed in range(20)]
    limit = max(file.stored_at for file in files) + 1
    real = store._storage.erase
    renewed: list[str] = []

    def first_renewed(info: object) -> bool:
        # With the first erasure under way, another process renews the last of them.
        if not renewed:
            renewed.append(files[-1].sha256)
            store._storage.put_bytes(store._layout.time(files[-1].sha256), b"", marks_at(limit + 1000))
        return real(info)  # type: ignore[arg-type]

    store._requests._threads = 1
    setattr(store._storage, "erase", first_renewed)  # noqa: B010
    assert store.delete([file.sha256 for file in files], limit) == {file.sha256 for file in files[:-1]}
    assert read(store, files[-1].sha256) == content(400, 19)


def test_withdrawn_bytes_as_long_as_the_marker_are_swept(store: ObjectFiles, below: Below) -> None:
    data = content(len(MARKER))
    name = digest(data)
    store.withdraw([notice(name), notice(digest(b"other"))])
    below.write(f"files/files/{name}", data)
    assert store.sweep(0) == 1
    assert below.read(f"files/files/{name}") == MARKER
    assert store.sweep(0) == 0
    with pytest.raises(Gone):
        store.put(data)


def test_files_as_long_as_the_marker_are_files(store: ObjectFiles) -> None:
    data = content(len(MARKER))
    stored = store.put(data)
    assert store.sweep(0) == 0
    assert store.stat([stored.sha256]) == {stored.sha256: stored}
    assert store.scan(None, 10).items == [stored]
    assert read(store, stored.sha256) == data
    assert store.delete([stored.sha256]) == {stored.sha256}


def test_the_marker_stays_while_its_notice_is_damaged(store: ObjectFiles, below: Below) -> None:
    name = store.put(content(400)).sha256
    store.withdraw([notice(name)])
    below.write(f"files/withdrawn/{name}", b"rubbish")
    assert store.delete([name]) == set()
    assert below.read(f"files/files/{name}") == MARKER


def test_a_table_that_is_too_long_is_made_anew_and_never_read_whole(store: ObjectFiles, below: Below) -> None:
    data = content(9 * CHUNK)
    name = store.put(data).sha256
    table = below.read(f"files/chunks/{name}")
    assert table is not None
    below.write(f"files/chunks/{name}", table + bytes(1_000_000))
    assert len(store._reader.table(name, len(data)) or b"") == len(table) + 1
    assert read(store, name, CHUNK, CHUNK + 5) == data[CHUNK : CHUNK + 5]
    assert below.read(f"files/chunks/{name}") == table
