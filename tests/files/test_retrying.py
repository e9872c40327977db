"""RetryingFiles: the suite over files that fail now and then, and what can't be done twice."""

from __future__ import annotations

import inspect
import io
import random
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from stat7.backoff import Backoff
from stat7.errors import Unavailable
from stat7.files.base import CHUNK, FileStore
from stat7.files.memory import MemoryFiles
from stat7.files.retrying import RetryingFiles
from stat7.files.wrapping import FilesWrapper
from stat7.testing.file_suite import FAR_FUTURE, content, read
from stat7.testing.samples import notice
from tests.files.wrapped import WrappedMemoryFiles

QUICK = Backoff(attempts=40, first=0.0001, most=0.0001, total=60.0)
UNREPEATED = frozenset({"close", "diagnose"})


class Lossy(FilesWrapper):
    """Loses requests, or the answers to those that were carried out, as `loses` decides ("request", "answer" or "")."""

    def __init__(self, inner: FileStore, loses: Callable[[str, tuple[Any, ...]], str]) -> None:
        super().__init__(inner)
        self.calls: list[str] = []
        for name, method in inspect.getmembers(FilesWrapper, inspect.isfunction):
            if not name.startswith("_") and name not in UNREPEATED:
                setattr(self, name, self._lossy(name, method, loses))

    def _lossy(
        self, name: str, method: Callable[..., Any], loses: Callable[[str, tuple[Any, ...]], str]
    ) -> Callable[..., Any]:
        def call(*args: Any, **kwargs: Any) -> Any:
            self.calls.append(name)
            lost = loses(name, args)
            if lost == "request":
                raise Unavailable("the request was lost")
            answer = method(self, *args, **kwargs)
            if lost == "answer":
                raise Unavailable("the answer was lost")
            return answer

        return call


def lost_once(what: str) -> tuple[RetryingFiles, Lossy]:
    """Files whose very first request, or the answer to it, is lost."""
    waiting = [what]
    lossy = Lossy(MemoryFiles(), lambda name, args: waiting.pop() if waiting else "")
    return RetryingFiles(lossy, QUICK), lossy


class TestRetryingFiles(WrappedMemoryFiles):
    """The conformance suite, with every fourth request lost of those that are tried again."""

    def wrap(self, inner: FileStore) -> FilesWrapper:
        """Over files that lose requests."""
        chance = random.Random(5)

        def loses(name: str, args: tuple[Any, ...]) -> str:
            streamed = name in {"put", "replace"} and not isinstance(args[-1], (bytes, Path))
            once = streamed or (name == "delete" and len(args) < 2)
            return "request" if not once and chance.random() < 0.25 else ""

        return RetryingFiles(Lossy(inner, loses), QUICK)


@pytest.mark.parametrize("what", ["request", "answer"])
def test_bytes_and_paths_are_stored_again(what: str, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"bytes")
    for source in (b"bytes", tmp_path / "file"):
        files, lossy = lost_once(what)
        stored = files.put(source)
        assert read(files, stored.sha256) == b"bytes"
        assert lossy.calls[:2] == ["put", "put"]
        files, lossy = lost_once(what)
        files.replace(stored.sha256, source)
        assert lossy.calls == ["replace", "replace"]


def test_a_stream_is_not_read_twice() -> None:
    for source in (io.BytesIO(b"bytes"), iter([b"bytes"])):
        files, lossy = lost_once("answer")
        with pytest.raises(Unavailable):
            files.put(source)
        assert lossy.calls == ["put"]
    sha256 = MemoryFiles().put(b"bytes").sha256
    files, lossy = lost_once("answer")
    with pytest.raises(Unavailable):
        files.replace(sha256, io.BytesIO(b"bytes"))
    assert lossy.calls == ["replace"]


def test_only_files_that_are_old_enough_are_deleted_again() -> None:
    for older_than, calls in ((FAR_FUTURE, ["delete", "delete"]), (None, ["delete"])):
        files, lossy = lost_once("request")
        sha256 = lossy.inner.put(b"bytes").sha256
        if older_than is None:
            with pytest.raises(Unavailable):
                files.delete([sha256])
        else:
            assert files.delete([sha256], older_than) == {sha256}
        assert lossy.calls == calls


@pytest.mark.parametrize("what", ["request", "answer"])
def test_a_withdrawal_is_repeated(what: str) -> None:
    files, lossy = lost_once(what)
    sha256 = lossy.inner.put(b"bytes").sha256
    files.withdraw([notice(sha256)])
    assert files.stat([sha256]) == {sha256: notice(sha256)}
    assert lossy.calls == ["withdraw", "withdraw", "stat"]


def test_pieces_under_way_are_not_asked_for_again() -> None:
    class Breaking(FilesWrapper):
        """Loses the connection after the first piece."""

        def open(self, sha256: str, start: int = 0, end: int | None = None) -> Iterator[bytes]:
            yield next(self.inner.open(sha256, start, end))
            raise Unavailable("cut")

    files = RetryingFiles(Breaking(MemoryFiles()), QUICK)
    data = content(2 * CHUNK)
    pieces = files.open(files.put(data).sha256)
    assert next(pieces) == data[:CHUNK]
    with pytest.raises(Unavailable, match="cut"):
        next(pieces)


def test_closed_files_are_not_tried_again() -> None:
    files = RetryingFiles(
        Lossy(MemoryFiles(), lambda name, args: "request"), Backoff(attempts=5, first=30.0, most=30.0, total=1000.0)
    )
    files.close()
    started = time.monotonic()
    with pytest.raises(Unavailable):
        files.stat([])
    assert time.monotonic() - started < 10
