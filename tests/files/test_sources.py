"""Any source gives the same pieces: whole chunks, and a shorter one at the end."""

from __future__ import annotations

import io
import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from stat7.errors import InvalidEntity
from stat7.files import sources
from stat7.files.base import CHUNK, Source
from stat7.files.sources import pieces
from stat7.testing.file_suite import content


def taken(source: Source) -> list[bytes]:
    """Copies of the pieces."""
    return [bytes(piece) for piece in pieces(source)]


@given(blocks=st.lists(st.binary(max_size=20), max_size=12))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
def test_blocks_of_any_size_are_cut_at_the_same_places(blocks: list[bytes], monkeypatch: pytest.MonkeyPatch) -> None:
    data = b"".join(blocks)
    with monkeypatch.context() as patch:
        patch.setattr(sources, "CHUNK", 7)
        expected = [data[start : start + 7] for start in range(0, len(data), 7)]
        assert taken(iter(blocks)) == taken(data) == taken(io.BytesIO(data)) == expected


@pytest.mark.parametrize("size", [0, 1, CHUNK - 1, CHUNK, CHUNK + 1, 3 * CHUNK])
def test_a_path_gives_whole_chunks(tmp_path: Path, size: int) -> None:
    path = tmp_path / "file"
    path.write_bytes(content(size))
    got = taken(path)
    assert b"".join(got) == content(size)
    assert all(len(piece) == CHUNK for piece in got[:-1])
    assert all(got)


def test_views_of_other_items_than_bytes_are_taken_as_their_bytes() -> None:
    view = memoryview(b"12345678").cast("I")
    assert taken([view.tobytes(), view]) == [b"1234567812345678"]  # type: ignore[list-item]


def test_one_buffer_is_used_for_all_pieces() -> None:
    seen = pieces(bytes(CHUNK) for _ in range(3))
    first = next(seen)
    assert bytes(first[:1]) == b"\0"
    assert next(seen).obj is first.obj


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no named pipes")
def test_a_stream_that_does_not_wait_is_refused(tmp_path: Path) -> None:
    reading, writing = os.pipe()
    os.set_blocking(reading, False)
    with open(reading, "rb", buffering=0) as stream, open(writing, "wb"), pytest.raises(InvalidEntity, match="ready"):
        taken(stream)


@pytest.mark.parametrize("source", ["text", 5, None, 1.5, object()])
def test_what_is_no_source_is_refused(source: Any) -> None:
    with pytest.raises(InvalidEntity, match="must be a Path"):
        taken(source)


@pytest.mark.parametrize("blocks", [["text"], [b"x", 1], [None], {"a": 1}])
def test_blocks_that_are_no_bytes_are_refused(blocks: Iterable[Any]) -> None:
    with pytest.raises(InvalidEntity, match="must give bytes"):
        taken(blocks)


def test_a_file_opened_as_text_says_what_to_do() -> None:
    with pytest.raises(InvalidEntity, match="binary mode"):
        taken(io.StringIO("text"))  # type: ignore[arg-type]


def test_a_path_that_can_not_be_read_is_named(tmp_path: Path) -> None:
    for path in (tmp_path / "missing", tmp_path):
        with pytest.raises(InvalidEntity) as caught:
            taken(path)
        assert caught.value.path == "source"
        assert str(path) in caught.value.reason


def test_the_error_of_a_source_comes_through_as_it_is() -> None:
    error = OSError(5, "the caller's own")

    def failing() -> Iterator[bytes]:
        yield b"x"
        raise error

    with pytest.raises(OSError, match="own") as caught:
        taken(failing())
    assert caught.value is error
