"""NDJSON of entity documents: lines and their numbers, malformed ones, gzip, and memory that does not grow."""

from __future__ import annotations

import gzip
import io
import random
from collections.abc import Callable
from pathlib import Path

import pytest

from stat7.errors import ConfigError
from stat7.importers.base import run
from stat7.importers.entities import read_entities
from stat7.importers.streams import MAX_LINE
from stat7.testing.samples import sample
from tests.importers.support import imported, memory_repository, peak_memory

GOOD = sample("a").document
OTHER = sample("b").document


def places(data: bytes) -> list[str]:
    return [item.place for item in read_entities(io.BytesIO(data))]


def test_lines_are_counted_from_one_and_blank_ones_are_counted_too() -> None:
    data = GOOD + b"\n\n  \t\n\r\n" + OTHER
    assert places(data) == ["line 1", "line 5"]
    assert imported(memory_repository(), read_entities(io.BytesIO(data))).counts() == {"read": 2, "new": 2}


@pytest.mark.parametrize("end", [b"\n", b"\r\n"])
@pytest.mark.parametrize("last", [b"", b"\n", b"\r\n", b"\n\n"])
def test_lines_end_by_lf_or_crlf_and_the_last_one_as_it_likes(end: bytes, last: bytes) -> None:
    done = imported(memory_repository(), read_entities(io.BytesIO(GOOD + end + OTHER + last)))
    assert done.counts() == {"read": 2, "new": 2}


@pytest.mark.parametrize("data", [b"", b"\n", b" \r\n\n"])
def test_a_source_of_nothing_has_no_items(data: bytes) -> None:
    assert places(data) == []


def test_a_path_is_read_plain_or_packed_whatever_its_name(tmp_path: Path) -> None:
    for name, data in (("a.ndjson", GOOD), ("b.gz", GOOD), ("c.ndjson", gzip.compress(GOOD))):
        (tmp_path / name).write_bytes(data)
        assert [item.document for item in read_entities(tmp_path / name)] == [GOOD]


BAD_LINES: dict[str, tuple[Callable[[bytes], bytes], str]] = {
    "truncated": (lambda line: line[:-20], "not JSON"),
    "empty object": (lambda line: b"{}", "stat7: this member is missing"),
    "an array": (lambda line: b"[" + line + b"]", "must be an object"),
    "two documents": (lambda line: line + b" " + line, "not JSON"),
    "not UTF-8": (lambda line: line.replace(b'"bad"', b'"\xff"'), "not UTF-8"),
    "byte-order mark": (lambda line: b"\xef\xbb\xbf" + line, "byte-order mark"),
    "repeated member": (lambda line: line.replace(b'{"coord', b'{"id":"x","coord', 1), "twice"),
    "vertical tab": (lambda line: line + b"\x0b", "not JSON"),
    "wrong type": (lambda line: line.replace(b'"lineage":0', b'"lineage":"0"'), "coordinates.lineage"),
    "too long": (lambda line: line + b" " * MAX_LINE + b"x", "longer than 8388608 bytes"),
}


@pytest.mark.parametrize("fault", BAD_LINES)
def test_a_bad_line_is_named_and_does_not_stop_the_rest(fault: str) -> None:
    spoil, reason = BAD_LINES[fault]
    repo = memory_repository()
    done = imported(repo, read_entities(io.BytesIO(GOOD + b"\n" + spoil(sample("bad").document) + b"\n" + OTHER)))
    assert done.counts() == {"read": 3, "new": 2, "bad": 1}
    ((place, text),) = done.reasons()
    assert place == "line 2"
    assert reason in text
    assert "\n" not in text


def test_a_broken_gzip_file_is_named_and_what_was_read_before_is_kept(tmp_path: Path) -> None:
    path = tmp_path / "all.ndjson.gz"
    records = [sample(f"thing {number}", state={"noise": random.Random(number).random()}) for number in range(3000)]
    packed = gzip.compress(b"\n".join(record.document for record in records))
    path.write_bytes(packed[: len(packed) // 2])
    done = imported(memory_repository(), read_entities(path))
    assert done.summary.bad == 1
    assert done.summary.new > 700
    place, text = done.reasons()[-1]
    assert place == f"line {done.summary.new + 1}"
    assert str(path) in text


def test_a_missing_source_is_a_configuration_error(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="can't be opened"):
        next(read_entities(tmp_path / "none.ndjson"))


def test_running_again_is_a_no_op_and_versions_stay_in_their_order() -> None:
    versions = [sample("a")]
    for value in range(3):
        versions.append(sample("a", state={"value": value}, previous=versions[-1].address))
    data = b"\n".join(version.document for version in reversed(versions))
    repo = memory_repository()
    for batch in (1, 2, 5):
        for update in (False, True):
            imported(repo, read_entities(io.BytesIO(data)), batch=batch, update=update)
            assert repo.head("a") == versions[-1].address
            assert repo.store.count() == 4


def test_memory_does_not_grow_with_the_number_of_lines() -> None:
    class Endless(io.RawIOBase):
        """Lines of one entity that is stored already, and every tenth one bad."""

        def __init__(self, count: int) -> None:
            self.left = count // 10
            self.lines = (GOOD + b"\n") * 9 + GOOD[:-1] + b"\n"

        def readable(self) -> bool:
            return True

        def read(self, size: int | None = -1) -> bytes:
            many = min(self.left, 50)
            self.left -= many
            return self.lines * many

    def peak(count: int) -> int:
        bad = 0

        def on_problem(_: object) -> None:
            nonlocal bad
            bad += 1

        def work() -> None:
            source: io.RawIOBase = Endless(count)
            summary = run(memory_repository(), read_entities(source), batch=300, on_problem=on_problem)  # type: ignore[arg-type]
            assert (summary.read, bad) == (count, count // 10)

        return peak_memory(work)

    peak(1000)  # caches fill
    assert peak(8_000) < peak(2_000) * 1.2
