"""The published suite through a wrapper around a folder, or around memory."""

from __future__ import annotations

from pathlib import Path

from stat7.files.base import FileStore
from stat7.files.local import LocalFiles
from stat7.files.memory import MemoryFiles
from stat7.files.wrapping import FilesWrapper
from stat7.testing.file_store_suite import FileStoreSuite
from tests.files.below import beside, path_of


class WrappedFolder(FileStoreSuite):
    """Subclass it in a test module and give `wrap`."""

    def wrap(self, inner: FileStore) -> FilesWrapper:
        """The wrapper around a store that was just opened."""
        raise NotImplementedError

    def make_store(self, tmp_path: Path) -> FileStore:
        """A folder, wrapped."""
        return self.wrap(LocalFiles(tmp_path / "files"))

    def reopen(self, store: FileStore) -> FileStore:
        """The same folder, wrapped anew."""
        folder = folder_of(store).folder
        store.close()
        return self.wrap(LocalFiles(folder))

    def raw_bytes(self, store: FileStore, sha256: str) -> bytes | None:
        """From its folder."""
        path = path_of(folder_of(store), sha256)
        return path.read_bytes() if path.exists() else None

    def damage(self, store: FileStore, sha256: str, data: bytes) -> None:
        """In its folder."""
        path_of(folder_of(store), sha256).write_bytes(data)

    def raw_table(self, store: FileStore, sha256: str) -> bytes | None:
        """From its folder."""
        path = beside(folder_of(store), sha256, "chunks")
        return path.read_bytes() if path.exists() else None

    def damage_table(self, store: FileStore, sha256: str, table: bytes | None) -> None:
        """In its folder."""
        path = beside(folder_of(store), sha256, "chunks")
        if table is None:
            path.unlink()
        else:
            path.write_bytes(table)


class WrappedMemoryFiles(FileStoreSuite):
    """The same around files in memory."""

    time_step = 0.003

    def wrap(self, inner: FileStore) -> FilesWrapper:
        """The wrapper around a store that was just made."""
        raise NotImplementedError

    def make_store(self, tmp_path: Path) -> FileStore:
        """Memory, wrapped."""
        return self.wrap(MemoryFiles())

    def raw_bytes(self, store: FileStore, sha256: str) -> bytes | None:
        """From its dict."""
        held = memory_of(store)._files.get(sha256)
        return None if held is None else held.data

    def damage(self, store: FileStore, sha256: str, data: bytes) -> None:
        """In its dict."""
        spoil(memory_of(store), sha256, data)

    def raw_table(self, store: FileStore, sha256: str) -> bytes | None:
        """From its dict."""
        held = memory_of(store)._files.get(sha256)
        return None if held is None else held.table

    def damage_table(self, store: FileStore, sha256: str, table: bytes | None) -> None:
        """In its dict."""
        memory_of(store)._files[sha256].table = table


def spoil(store: MemoryFiles, sha256: str, data: bytes) -> None:
    """Put other bytes in place of a file in memory."""
    store._files[sha256].data = data


def memory_of(store: FileStore) -> MemoryFiles:
    """The files in memory under any number of wrappers."""
    found = _unwrapped(store)
    assert isinstance(found, MemoryFiles)
    return found


def folder_of(store: FileStore) -> LocalFiles:
    """The folder under any number of wrappers."""
    found = _unwrapped(store)
    assert isinstance(found, LocalFiles)
    return found


def _unwrapped(store: FileStore) -> FileStore:
    while isinstance(store, FilesWrapper):
        store = store.inner
    return store
