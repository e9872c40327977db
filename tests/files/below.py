"""Looking below LocalFiles: where it keeps what on the disk."""

from __future__ import annotations

from pathlib import Path

from stat7.files.base import CHUNK, FileStore
from stat7.files.local import LocalFiles

BIG = 2 * CHUNK + 17


def path_of(store: FileStore, sha256: str) -> Path:
    """Where a file's bytes are on the disk."""
    assert isinstance(store, LocalFiles)
    return store.folder / sha256[:2] / sha256


def beside(store: FileStore, sha256: str, kind: str) -> Path:
    """Where its table (`chunks`) or notice (`withdrawn`) is."""
    return path_of(store, sha256).with_name(f"{sha256}.{kind}")


def names_in(folder: Path) -> list[str]:
    """Every file below a folder, sorted."""
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())
