"""The conformance suite of `FileStore`: every rule of files/base.py, on a store of your own."""

from __future__ import annotations

import gzip
import io
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis.stateful import run_state_machine_as_test

from stat7.address import digest
from stat7.contracts import Page
from stat7.errors import InvalidEntity, InvalidQuery, NotFound
from stat7.files.base import CHUNK, FileStore, StoredFile
from stat7.testing.file_damage_suite import FileDamageSuite
from stat7.testing.file_model import file_machine
from stat7.testing.file_suite import FAR_FUTURE, SIZES, content, read, scan_files
from stat7.testing.file_withdrawal_suite import FileWithdrawalSuite
from stat7.testing.samples import notice
from stat7.testing.store_suite import race, walk

BIG = 2 * CHUNK + 17
EDGES = (0, 1, CHUNK - 1, CHUNK, CHUNK + 1, 2 * CHUNK - 1, 2 * CHUNK, 2 * CHUNK + 1, BIG - 1, BIG)
BAD_NAMES = (
    "",
    "x",
    "A" * 64,
    "0" * 63,
    "0" * 65,
    "../../etc/passwd",
    "0" * 63 + "/",
    "0" * 63 + "\n",
    "..",
    "０" * 64,
)
BAD_CURSORS = ("", "x", "0" * 64, "files.", "files." + "0" * 63, "files." + "A" * 64, "../..", "💥", "\x00")


class Stubborn(io.RawIOBase):
    """An open file that gives its bytes a few at a time."""

    def __init__(self, data: bytes) -> None:
        self._rest = data

    def readable(self) -> bool:
        """Always."""
        return True

    def readinto(self, buffer: Any) -> int:
        """At most 99,991 bytes."""
        size = min(99_991, len(buffer))
        piece, self._rest = self._rest[:size], self._rest[size:]
        buffer[: len(piece)] = piece
        return len(piece)


class ReadOnly:
    """The least that a program may call an open file."""

    def __init__(self, data: bytes) -> None:
        self._file = io.BytesIO(data)

    def read(self, size: int = -1) -> bytes:
        """The next bytes."""
        return self._file.read(size)


def blocks(data: bytes, size: int) -> Iterator[bytes]:
    """The bytes in blocks of `size`, with empty ones between."""
    for start in range(0, len(data), size):
        yield data[start : start + size]
        yield b""


SOURCES: dict[str, Callable[[bytes], Any]] = {
    "bytes": lambda data: data,
    "memory": io.BytesIO,
    "raw": Stubborn,
    "buffered": lambda data: io.BufferedReader(Stubborn(data)),
    "gzip": lambda data: gzip.GzipFile(fileobj=io.BytesIO(gzip.compress(data, 1))),
    "read alone": ReadOnly,
    "odd blocks": lambda data: blocks(data, 77_777),
    "whole chunks": lambda data: blocks(data, CHUNK),
    "one great block": lambda data: [data],
    "views": lambda data: [memoryview(data), bytearray()],
}


def failing(data: bytes, error: BaseException) -> Iterator[bytes]:
    """The bytes, and then an error in place of the end."""
    yield data
    raise error


class FileStoreSuite(FileDamageSuite, FileWithdrawalSuite):
    """Put, open, stat, refresh, delete, scan, sweep, close; with those of damage and withdrawal."""

    def test_a_fresh_store_is_empty(self, store: FileStore) -> None:
        name = digest(b"absent")
        assert scan_files(store) == []
        assert store.stat([name]) == {}
        assert store.refresh([name]) == store.delete([name]) == store.delete([name], FAR_FUTURE) == set()
        assert store.sweep(FAR_FUTURE) == 0
        with pytest.raises(NotFound) as caught:
            store.open(name)
        assert caught.value.what == name

    def test_empty_batches_do_nothing(self, store: FileStore) -> None:
        store.put(b"x")
        store.withdraw([])
        assert store.stat([]) == {}
        assert store.refresh([]) == store.delete([]) == store.delete([], FAR_FUTURE) == set()
        self.assert_stored(store, b"x")

    @pytest.mark.parametrize("size", SIZES)
    def test_bytes_come_back_under_their_sha256(self, store: FileStore, size: int) -> None:
        data = content(size)
        stored = store.put(data)
        assert (stored.sha256, stored.size) == (digest(data), size)
        assert store.stat([stored.sha256]) == {stored.sha256: stored}
        self.assert_stored(store, data)

    @pytest.mark.parametrize("kind", SOURCES)
    def test_any_source_of_the_same_bytes_is_the_same_file(self, store: FileStore, kind: str) -> None:
        for data in (b"", content(400), content(BIG)):
            assert store.put(SOURCES[kind](data)).sha256 == digest(data)
            self.assert_stored(store, data)
            assert store.put(SOURCES[kind](data), sha256=digest(data)).size == len(data)

    def test_a_path_is_a_source(self, store: FileStore, tmp_path: Path) -> None:
        for size in (0, 400, BIG):
            path = tmp_path / f"file {size}"
            path.write_bytes(content(size))
            assert store.put(path).sha256 == store.put(path, sha256=digest(content(size))).sha256
            self.assert_stored(store, content(size))

    @pytest.mark.parametrize("size", [0, 400, BIG])
    def test_with_the_right_digest_given_it_is_stored_and_stored_again(self, store: FileStore, size: int) -> None:
        data = content(size)
        for _ in range(2):
            stored = store.put(blocks(data, 300_000), sha256=digest(data))
            assert (stored.sha256, stored.size) == (digest(data), size)
            self.assert_stored(store, data)

    @pytest.mark.parametrize("size", [0, 400, CHUNK, BIG])
    def test_other_bytes_than_the_digest_says_are_refused(self, store: FileStore, size: int) -> None:
        data = content(size, seed=1)
        wrong = [data + b"!", content(BIG, seed=2), data[:-1] + b"?" if data else b"?", data[:CHUNK][:-1] or b"??"]
        for stored in (False, True):
            for other in wrong:
                with pytest.raises(InvalidEntity) as caught:
                    store.put(other, sha256=digest(data))
                assert caught.value.path == "sha256"
                assert digest(other) in caught.value.reason
                self.assert_absent(store, digest(other))
                assert store.sweep(FAR_FUTURE) == 0
            if stored:
                self.assert_stored(store, data)
            else:
                self.assert_absent(store, digest(data))
            store.put(data)

    @pytest.mark.parametrize("given", [False, True], ids=["no digest", "digest given"])
    def test_putting_again_renews_the_time(self, store: FileStore, given: bool) -> None:
        for size in (400, BIG):
            data = content(size)
            first = store.put(data)
            self.wait()
            second = store.put(data, sha256=first.sha256 if given else None)
            assert second.stored_at > first.stored_at
            assert store.stat([first.sha256]) == {first.sha256: second}
            self.assert_stored(store, data)

    def test_a_source_that_fails_leaves_nothing(self, store: FileStore) -> None:
        for error in (
            OSError(5, "the source broke"),
            ValueError("not now"),
            KeyboardInterrupt(),
            NotFound("elsewhere"),
        ):
            for data in (b"", content(400), content(CHUNK), content(BIG)):
                for sha256 in (None, digest(data), digest(data + b"more")):
                    with pytest.raises(type(error)) as caught:
                        store.put(failing(data, error), sha256=sha256)
                    assert caught.value is error
                    self.assert_absent(store, digest(data))
        assert scan_files(store) == []

    def test_a_failing_source_leaves_what_was_stored_before(self, store: FileStore) -> None:
        data = content(BIG)
        store.put(data)
        for sha256 in (None, digest(data)):
            with pytest.raises(ValueError, match="not now"):
                store.put(failing(data[:CHUNK], ValueError("not now")), sha256=sha256)
        self.assert_stored(store, data)

    def test_what_gives_no_bytes_is_refused(self, store: FileStore, tmp_path: Path) -> None:
        (tmp_path / "text").write_text("text")
        with (tmp_path / "text").open() as text:
            given: tuple[Any, ...] = ("path/as/text", ["text"], [1, 2], 7, None, text, tmp_path / "missing", tmp_path)
            for source in given:
                with pytest.raises(InvalidEntity) as caught:
                    store.put(source)
                assert caught.value.path == "source"
                assert "\n" not in str(caught.value)
        assert scan_files(store) == []
        assert store.sweep(FAR_FUTURE) == 0

    @pytest.mark.parametrize("name", BAD_NAMES, ids=ascii)
    def test_names_that_are_no_sha256_are_refused_everywhere(self, store: FileStore, name: str) -> None:
        reading: list[Callable[[], object]] = [
            lambda: store.open(name),
            lambda: store.stat([name]),
            lambda: store.refresh([name]),
            lambda: store.delete([name]),
            lambda: store.delete([name], FAR_FUTURE),
        ]
        writing: list[Callable[[], object]] = [
            lambda: store.put(b"", sha256=name),
            lambda: store.replace(name, b""),
            lambda: store.withdraw([notice(name)]),
        ]
        for call in reading:
            with pytest.raises(InvalidQuery, match="64 lowercase hex"):
                call()
        for call in writing:
            with pytest.raises(InvalidEntity, match="64 lowercase hex"):
                call()
        assert scan_files(store) == []

    def test_one_bad_name_in_a_batch_changes_nothing(self, store: FileStore) -> None:
        name = store.put(b"x").sha256
        for older_than in (None, FAR_FUTURE):
            with pytest.raises(InvalidQuery):
                store.delete([name, "bad"], older_than)
        with pytest.raises(InvalidEntity):
            store.withdraw([notice(name), notice("bad")])
        self.assert_stored(store, b"x")

    def test_the_same_bytes_put_by_many_threads_at_once(self, store: FileStore) -> None:
        for size in (400, BIG):
            data = content(size)
            given = [None, digest(data)]
            done = race(self.threads, lambda number: store.put(blocks(data, 100_000), sha256=given[number % 2]).sha256)  # noqa: B023
            assert set(done) == {digest(data)}
            self.assert_stored(store, data)
        assert store.sweep(FAR_FUTURE) == 0

    def test_different_bytes_put_by_many_threads_at_once(self, store: FileStore) -> None:
        contents = [content(size, seed) for seed in range(self.threads) for size in (0, 400 + seed, CHUNK + 1)]

        def put_share(number: int) -> None:
            for data in contents[number :: self.threads]:
                store.put(data)

        race(self.threads, put_share)
        assert [item.sha256 for item in scan_files(store) if isinstance(item, StoredFile)] == sorted(
            map(digest, {*contents})
        )
        for data in contents:
            self.assert_stored(store, data)

    def test_readers_see_a_whole_file_or_none_while_it_is_put(self, store: FileStore) -> None:
        data = content(BIG)
        done = threading.Event()

        def write() -> None:
            try:
                for _ in range(5):
                    store.put(data)
                    store.delete([digest(data)])
            finally:
                done.set()

        def look() -> None:
            while not done.is_set():
                with suppress(NotFound):
                    assert read(store, digest(data)) == data

        race(3, lambda number: look() if number else write())

    @pytest.mark.parametrize("size", SIZES)
    def test_every_range_gives_exactly_its_bytes(self, store: FileStore, size: int) -> None:
        data = content(size)
        name = store.put(data).sha256
        edges = sorted({min(edge, size) for edge in EDGES} | {max(size - 1, 0), size})
        for at, start in enumerate(edges):
            for end in edges[at:]:
                assert read(store, name, start, end) == data[start:end], (start, end)
            assert read(store, name, start) == data[start:], start

    @pytest.mark.parametrize("size", SIZES)
    def test_ranges_out_of_bounds_are_refused_at_once(self, store: FileStore, size: int) -> None:
        name = store.put(content(size)).sha256
        ranges = [(0, size + 1), (size, size + 1), (size + 1, None), (size + 1, size + 1), (-1, None), (-1, 0), (0, -1)]
        if size:
            ranges += [(size, size - 1), (1, 0)]
        for start, end in ranges:
            with pytest.raises(InvalidQuery) as caught:
                store.open(name, start, end)
            assert caught.value.field == "range"

    def test_a_read_left_half_way_does_no_harm(self, store: FileStore) -> None:
        data = content(BIG)
        name = store.put(data).sha256
        for started in (False, True):
            pieces = store.open(name)
            if started:
                piece = next(pieces)
                assert piece
                assert data.startswith(piece)
            del pieces
        assert store.delete([name]) == {name}
        self.assert_absent(store, name)

    def test_stat_and_refresh_tell_the_stored_from_the_unknown(self, store: FileStore) -> None:
        names = [store.put(content(400, seed)).sha256 for seed in range(5)]
        unknown = digest(b"unknown")
        assert store.stat([*names, unknown, names[0]]).keys() == set(names)
        assert store.refresh([unknown, *names, names[0]]) == set(names)

    def test_refresh_renews_the_time(self, store: FileStore) -> None:
        first, other = store.put(b"one"), store.put(b"two")
        self.wait()
        assert store.refresh([first.sha256]) == {first.sha256}
        found = store.stat([first.sha256, other.sha256])
        renewed = found[first.sha256]
        assert isinstance(renewed, StoredFile)
        assert renewed.stored_at > first.stored_at
        assert found[other.sha256] == other

    @pytest.mark.parametrize("size", [0, 400, BIG])
    def test_deleted_files_are_gone_and_can_come_back(self, store: FileStore, size: int) -> None:
        kept, name = store.put(b"kept").sha256, store.put(content(size)).sha256
        unknown = digest(b"unknown")
        assert store.delete([name, unknown, name]) == {name}
        self.assert_absent(store, name)
        with pytest.raises(NotFound):
            store.open(name)
        self.assert_stored(store, b"kept")
        store.put(content(size))
        self.assert_stored(store, content(size))
        assert store.delete([kept, name]) == {kept, name}
        assert scan_files(store) == []

    def test_nothing_of_a_deleted_file_stays_below_the_store(self, store: FileStore) -> None:
        data = content(BIG)
        for older_than in (None, FAR_FUTURE):
            name = store.put(data).sha256
            assert self.raw_bytes(store, name) == data
            assert store.delete([name], older_than) == {name}
            assert self.raw_bytes(store, name) is None
        assert store.sweep(FAR_FUTURE) == 0

    def test_delete_spares_what_is_not_older(self, store: FileStore) -> None:
        stored = store.put(content(BIG))
        assert store.delete([stored.sha256], stored.stored_at) == set()
        assert store.delete([stored.sha256], 0) == set()
        self.assert_stored(store, content(BIG))
        self.wait()
        store.refresh([stored.sha256])
        assert store.delete([stored.sha256], stored.stored_at + 1) == set()
        self.assert_stored(store, content(BIG))
        assert store.delete([stored.sha256, digest(b"unknown")], FAR_FUTURE) == {stored.sha256}
        self.assert_absent(store, stored.sha256)

    def test_a_put_that_races_with_delete_is_not_lost(self, store: FileStore) -> None:
        data = content(400)
        for _ in range(20):
            limit = store.put(data).stored_at + 1
            self.wait()

            def work(number: int, limit: int = limit) -> int:
                if number:
                    store.delete([digest(data)], limit)
                    return limit
                return store.put(data).stored_at

            stored_at = race(2, work)[0]
            assert stored_at >= limit
            self.assert_stored(store, data)

    @pytest.mark.parametrize("size", [1, 7, 1000])
    def test_scan_gives_files_and_notices_once_in_order(self, store: FileStore, size: int) -> None:
        stored: dict[str, object] = {}
        for number in range(60):
            file = store.put(content(number))
            stored[file.sha256] = file
        for name in [*sorted(stored)[::7], digest(b"ahead")]:
            stored[name] = notice(name)
            store.withdraw([notice(name)])
        assert scan_files(store, size) == [stored[name] for name in sorted(stored)]

    def test_what_stays_is_scanned_once_while_others_come_and_go(self, store: FileStore) -> None:
        contents = [content(number) for number in range(80)]
        names = {digest(data): data for data in contents}
        stay, go, come = sorted(names)[::3], sorted(names)[1::3], sorted(names)[2::3]
        for name in (*stay, *go):
            store.put(names[name])
        seen: list[str] = []
        cursor = None
        while True:
            page = store.scan(cursor, 5)
            seen += [item.sha256 for item in page.items if isinstance(item, StoredFile)]
            cursor = page.cursor
            if cursor is None:
                break
            store.delete([go.pop(), go.pop(0)] if go else [])
            for _ in range(2):
                if come:
                    store.put(names[come.pop()])
        assert seen == sorted(set(seen))
        assert set(stay) <= set(seen)

    @pytest.mark.parametrize("size", [1, 5, 17, 1000])
    def test_scan_of_notices_gives_them_alone_once_in_order(self, store: FileStore, size: int) -> None:
        assert store.scan_notices(None, size) == Page([], None)
        names = sorted(store.put(content(number)).sha256 for number in range(40))
        told = [notice(name) for name in sorted([*names[::3], digest(b"ahead")])]
        store.withdraw(told)
        assert list(walk(lambda cursor: store.scan_notices(cursor, size), size)) == told

    def test_bad_cursors_and_limits_are_refused(self, store: FileStore) -> None:
        store.put(b"x")
        for scan in (store.scan, store.scan_notices):
            for cursor in BAD_CURSORS:
                with pytest.raises(InvalidQuery) as caught:
                    scan(cursor, 10)
                assert caught.value.field == "cursor"
            for limit in (0, -1):
                with pytest.raises(InvalidQuery, match="at least 1"):
                    scan(None, limit)

    def test_a_cursor_survives_a_restart(self, store: FileStore) -> None:
        names = sorted(store.put(content(number)).sha256 for number in range(10))
        page = store.scan(None, 4)
        store = self.reopen(store)
        rest = store.scan(page.cursor, 100)
        assert [item.sha256 for item in (*page.items, *rest.items) if isinstance(item, StoredFile)] == names

    def test_everything_survives_a_restart(self, store: FileStore) -> None:
        kept = [store.put(content(size)) for size in SIZES]
        gone = notice(digest(b"gone"))
        store.withdraw([gone])
        store = self.reopen(store)
        assert scan_files(store) == sorted([*kept, gone])
        for size in SIZES:
            self.assert_stored(store, content(size))

    def test_sweep_erases_only_what_interrupted_calls_left(self, store: FileStore) -> None:
        kept = [store.put(content(size)) for size in SIZES]
        gone = notice(digest(b"gone"))
        store.withdraw([gone])
        left = self.leave_unfinished(store)
        assert left > 0
        assert scan_files(store) == sorted([*kept, gone])
        assert store.sweep(0) == 0
        assert store.sweep(FAR_FUTURE) == left
        assert store.sweep(FAR_FUTURE) == 0
        assert scan_files(store) == sorted([*kept, gone])
        for size in SIZES:
            self.assert_stored(store, content(size))

    def test_closing_twice_is_harmless(self, store: FileStore) -> None:
        store.put(b"x")
        store.close()
        store.close()

    def test_any_sequence_of_calls_agrees_with_a_dict(self, tmp_path: Path) -> None:
        machine = file_machine(self, tmp_path / "machine")
        checks = list(HealthCheck)
        run_state_machine_as_test(
            machine,
            settings=settings(
                max_examples=self.examples, stateful_step_count=self.steps, deadline=None, suppress_health_check=checks
            ),
        )
