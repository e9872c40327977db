"""MemoryFiles keeps the whole contract of a store of files."""

from __future__ import annotations

from pathlib import Path

from stat7.files.base import FileStore
from stat7.files.memory import MemoryFiles
from stat7.testing.file_store_suite import FileStoreSuite


class TestMemoryFiles(FileStoreSuite):
    """The conformance suite; meddling below the store is meddling with its dict."""

    time_step = 0.003

    def make_store(self, tmp_path: Path) -> MemoryFiles:
        """A new one."""
        return MemoryFiles()

    def raw_bytes(self, store: FileStore, sha256: str) -> bytes | None:
        """From its dict."""
        assert isinstance(store, MemoryFiles)
        held = store._files.get(sha256)
        return None if held is None else held.data

    def damage(self, store: FileStore, sha256: str, data: bytes) -> None:
        """In its dict."""
        assert isinstance(store, MemoryFiles)
        store._files[sha256].data = data

    def raw_table(self, store: FileStore, sha256: str) -> bytes | None:
        """From its dict."""
        assert isinstance(store, MemoryFiles)
        held = store._files.get(sha256)
        return None if held is None else held.table

    def damage_table(self, store: FileStore, sha256: str, table: bytes | None) -> None:
        """In its dict."""
        assert isinstance(store, MemoryFiles)
        store._files[sha256].table = table


def test_it_says_that_nothing_is_kept() -> None:
    store = MemoryFiles()
    assert not store.durable
    assert store.disk_bytes() == 0
    assert [check.status for check in store.diagnose()] == ["warn"]
