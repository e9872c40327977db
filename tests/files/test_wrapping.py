"""A wrapper of files that overrides nothing is what it wraps, in every respect."""

from __future__ import annotations

import copy
import inspect
from pathlib import Path

import pytest

from stat7.files.base import FileStore
from stat7.files.local import LocalFiles
from stat7.files.memory import MemoryFiles
from stat7.files.wrapping import FilesWrapper
from tests.files.wrapped import WrappedMemoryFiles


class TestFilesWrapper(WrappedMemoryFiles):
    """The conformance suite."""

    def wrap(self, inner: FileStore) -> FilesWrapper:
        """With nothing between."""
        return FilesWrapper(FilesWrapper(inner))


def test_every_method_of_the_contract_is_handed_on_by_name() -> None:
    wanted = {name for name, _ in inspect.getmembers(FileStore, inspect.isfunction) if not name.startswith("_")}
    assert wanted <= vars(FilesWrapper).keys()


def test_what_is_no_part_of_the_contract_is_that_of_the_folder(tmp_path: Path) -> None:
    files = FilesWrapper(LocalFiles(tmp_path / "files"))
    files.put(b"bytes")
    assert files.folder == tmp_path / "files"
    assert (files.name, files.durable) == ("file", True)
    assert files.disk_bytes() > 0
    assert [check.name for check in files.diagnose()] == [check.name for check in files.inner.diagnose()]  # type: ignore[attr-defined]
    assert copy.copy(files).inner is files.inner
    with pytest.raises(AttributeError):
        _ = files.no_such_name


def test_memory_stays_memory() -> None:
    files = FilesWrapper(MemoryFiles())
    assert (files.name, files.durable) == ("memory", False)
    files.close()
