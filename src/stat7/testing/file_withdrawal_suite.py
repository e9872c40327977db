"""The rules of withdrawal: the bytes are erased at once, the notice stays, and nothing brings the bytes back."""

from __future__ import annotations

from contextlib import suppress

import pytest

from stat7.address import digest
from stat7.errors import Gone
from stat7.files.base import CHUNK, FileStore
from stat7.record import Notice
from stat7.testing.file_suite import FAR_FUTURE, FileSuite, content, scan_files
from stat7.testing.samples import HOSTILE_IDS, notice
from stat7.testing.store_suite import race

BIG = 2 * CHUNK + 17


class FileWithdrawalSuite(FileSuite):
    """Withdrawal before, after and without the bytes, and everything that must not undo it."""

    @pytest.mark.parametrize("size", [0, 400, BIG])
    def test_a_withdrawn_file_is_gone_and_its_notice_stays(self, store: FileStore, size: int) -> None:
        kept = store.put(b"kept")
        told = notice(store.put(content(size)).sha256)
        store.withdraw([told])
        self._assert_gone(store, told, content(size))
        assert scan_files(store) == sorted([kept, told])
        self.assert_stored(store, b"kept")

    def test_withdrawn_bytes_and_their_table_are_gone_below_the_store(self, store: FileStore) -> None:
        name = store.put(content(BIG)).sha256
        assert self.raw_bytes(store, name) is not None
        store.withdraw([notice(name)])
        assert self.raw_bytes(store, name) is None
        assert self.raw_table(store, name) is None

    def test_a_file_never_seen_is_withdrawn_ahead(self, store: FileStore) -> None:
        told = notice(digest(content(BIG)))
        store.withdraw([told])
        self._assert_gone(store, told, content(BIG))
        assert scan_files(store) == [told]

    def test_the_first_notice_wins(self, store: FileStore) -> None:
        name = store.put(b"x").sha256
        first, second = notice(name, "case 1"), notice(name, "case 2")
        store.withdraw([first, second])
        store.withdraw([second])
        self._assert_gone(store, first, b"x")

    def test_a_batch_withdraws_each(self, store: FileStore) -> None:
        contents = [content(size) for size in (0, 1, 400, BIG)]
        notices = [notice(store.put(data).sha256, f"case {at}") for at, data in enumerate(contents)]
        store.withdraw([*notices, notices[0], notice(digest(b"ahead"))])
        for told, data in zip(notices, contents, strict=True):
            self._assert_gone(store, told, data)
        assert scan_files(store) == sorted([*notices, notice(digest(b"ahead"))])

    def test_notices_keep_any_text(self, store: FileStore) -> None:
        for text in (*HOSTILE_IDS, "line\nbreak", "tab\t", "\x00", "", "x" * 10_000):
            name = digest(f"file {text}".encode())
            told = Notice(name, text, f"because of {text}", "2026-02-03T04:05:06.789Z")
            store.withdraw([told])
            assert store.stat([name]) == {name: told}

    def test_notices_survive_a_restart(self, store: FileStore) -> None:
        told = notice(store.put(content(BIG)).sha256)
        store.withdraw([told])
        store = self.reopen(store)
        self._assert_gone(store, told, content(BIG))

    def test_withdrawing_in_many_threads_keeps_one_notice(self, store: FileStore) -> None:
        name = store.put(b"x").sha256
        race(self.threads, lambda number: store.withdraw([notice(name, f"case {number}")]))
        found = store.stat([name])[name]
        assert isinstance(found, Notice)
        store.withdraw([notice(name, "later")])
        self._assert_gone(store, found, b"x")

    def test_a_put_that_races_with_withdrawal_brings_nothing_back(self, store: FileStore) -> None:
        for attempt in range(15):
            data = content(400, seed=attempt)
            told = notice(digest(data))

            def work(number: int, data: bytes = data, told: Notice = told) -> None:
                if number == 0:
                    store.withdraw([told])
                else:
                    with suppress(Gone):
                        store.put(data, sha256=told.address if number % 2 else None)

            race(4, work)
            self._assert_gone(store, told, data)
            assert self.raw_bytes(store, told.address) is None

    def _assert_gone(self, store: FileStore, told: Notice, data: bytes) -> None:
        name = told.address
        for call in (
            lambda: store.open(name),
            lambda: store.open(name, 0, 0),
            lambda: store.put([data]),
            lambda: store.put(data, sha256=name),
            lambda: store.replace(name, data),
        ):
            with pytest.raises(Gone) as caught:
                call()
            assert caught.value.notice == told
        assert store.refresh([name]) == store.delete([name]) == store.delete([name], FAR_FUTURE) == set()
        assert store.sweep(FAR_FUTURE) == 0
        assert store.stat([name]) == {name: told}
        assert told in scan_files(store)
