"""MeteredFiles: the suite through it, and that every method is counted under its own name."""

from __future__ import annotations

import inspect
from typing import Any

import pytest

from stat7.errors import Corrupt, NotFound
from stat7.files.base import CHUNK, FileStore
from stat7.files.memory import MemoryFiles
from stat7.files.metered import MeteredFiles
from stat7.files.wrapping import FilesWrapper
from stat7.metrics import Metrics
from stat7.testing.file_suite import content, flipped, read
from stat7.testing.samples import notice
from tests.files.wrapped import WrappedMemoryFiles, spoil

NAME = MemoryFiles().put(b"bytes").sha256
ARGUMENTS: dict[str, tuple[Any, ...]] = {
    "put": (b"bytes",),
    "open": (NAME,),
    "stat": ([NAME],),
    "refresh": ([NAME],),
    "replace": (NAME, b"bytes"),
    "withdraw": ([notice("a" * 64)],),
    "delete": ([NAME],),
    "scan": (None, 1),
    "scan_notices": (None, 1),
    "sweep": (0,),
}


class TestMeteredFiles(WrappedMemoryFiles):
    """The conformance suite."""

    def wrap(self, inner: FileStore) -> FilesWrapper:
        """With figures that nobody looks at."""
        return MeteredFiles(inner, Metrics())


def test_every_method_of_the_contract_is_counted() -> None:
    metrics = Metrics()
    files = MeteredFiles(MemoryFiles(), metrics)
    wanted = {name for name, _ in inspect.getmembers(FileStore, inspect.isfunction) if not name.startswith("_")}
    assert ARGUMENTS.keys() == wanted - {"close"}
    for name, arguments in ARGUMENTS.items():
        getattr(files, name)(*arguments)
    counted = metrics.snapshot()["files"]
    assert {name: figures.calls for name, figures in counted.items()} == dict.fromkeys(ARGUMENTS, 1)


def test_each_piece_is_counted_and_damage_between_them() -> None:
    metrics, inner = Metrics(), MemoryFiles()
    files = MeteredFiles(inner, metrics)
    data = content(2 * CHUNK)
    name = files.put(data).sha256
    assert read(files, name) == data
    counted = metrics.snapshot()["files"]
    assert (counted["open"].calls, counted["read"].calls) == (1, 3)
    spoil(inner, name, flipped(data, CHUNK))
    with pytest.raises(Corrupt):
        read(files, name)
    with pytest.raises(NotFound):
        files.open("0" * 64)
    counted = metrics.snapshot()["files"]
    assert counted["read"].errors == {"Corrupt": 1}
    assert counted["open"].errors == {"NotFound": 1}
