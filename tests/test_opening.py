"""A repository from URLs: which files go with a store that names none, and that nothing stays open after a refusal."""

from __future__ import annotations

from pathlib import Path

import pytest

import stat7
from stat7.errors import ConfigError
from stat7.files.local import LocalFiles
from stat7.files.memory import MemoryFiles


def test_files_are_beside_the_store_unless_named(tmp_path: Path) -> None:
    with stat7.open(f"sqlite:{tmp_path / 'lib.db'}") as repo:
        assert isinstance(repo.files, LocalFiles)
        assert repo.files.folder == tmp_path / "lib-files"
    with stat7.open(f"sqlite:{tmp_path / 'lib.db'}", files="memory:") as repo:
        assert isinstance(repo.files, MemoryFiles)


def test_a_store_in_memory_keeps_its_files_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with stat7.open("memory:") as repo:
        assert isinstance(repo.files, MemoryFiles)
        repo.put_file(b"bytes")
    assert list(tmp_path.iterdir()) == []


def test_bad_files_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="unknown scheme"):
        stat7.open(f"sqlite:{tmp_path / 'lib.db'}", files="sqlite:x")
