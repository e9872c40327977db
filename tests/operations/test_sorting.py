"""Sorting on disk gives what sorting in memory gives, keeps little in memory, and leaves nothing behind."""

from __future__ import annotations

import errno
import random
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NoReturn

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stat7.errors import StoreFull, Unavailable
from stat7.operations.sorting import LineSorter

LINES = st.lists(st.binary(max_size=12).map(lambda data: data.replace(b"\n", b"") + b"\n"), max_size=60)


@pytest.fixture
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder that temporary files go to."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path


def filled(lines: list[bytes], **options: Any) -> LineSorter:
    """A sorter that was given these lines."""
    sorter = LineSorter(**options)
    for line in lines:
        sorter.add(line)
    return sorter


@given(LINES, st.integers(1, 200), st.integers(2, 4), st.booleans())
def test_lines_come_back_sorted_as_bytes(lines: list[bytes], run_bytes: int, fan_in: int, unique: bool) -> None:
    with filled(lines, unique=unique, run_bytes=run_bytes, fan_in=fan_in) as sorter:
        assert list(sorter) == sorted(set(lines) if unique else lines)
        assert list(sorter) == sorted(set(lines) if unique else lines), "and again"


def test_few_lines_touch_no_disk(temporary: Path) -> None:
    with filled([b"b\n", b"a\n"]) as sorter:
        assert list(sorter) == [b"a\n", b"b\n"]
        assert list(temporary.iterdir()) == []


def test_many_lines_are_merged_in_levels_with_few_files_open(temporary: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lines = [b"%09d\n" % number for number in range(5000)]
    random.Random(1).shuffle(lines)
    opened: list[Any] = []
    most = 0
    real = Path.open

    def counting(path: Path, *args: Any, **options: Any) -> Any:
        nonlocal most
        opened[:] = [file for file in opened if not file.closed]
        opened.append(real(path, *args, **options))
        most = max(most, len(opened))
        return opened[-1]

    monkeypatch.setattr(Path, "open", counting)
    with filled(lines, run_bytes=100, fan_in=8) as sorter:
        assert list(sorter) == sorted(lines)
    # 500 runs of ten lines: three full levels of at most seven runs, and one being written.
    assert 8 <= most <= 3 * 7 + 1


@pytest.mark.parametrize("error", [None, RuntimeError, KeyboardInterrupt])
def test_temporary_files_are_erased_however_it_ends(temporary: Path, error: type[BaseException] | None) -> None:
    def use() -> None:
        with filled([b"%d\n" % number for number in range(100)], run_bytes=50) as sorter:
            assert any(temporary.iterdir())
            next(iter(sorter))
            if error is not None:
                raise error

    if error is None:
        use()
    else:
        with pytest.raises(error):
            use()
    assert list(temporary.iterdir()) == []


@pytest.mark.parametrize(
    ("number", "expected"), [(errno.ENOSPC, StoreFull), (errno.EACCES, Unavailable), (errno.EIO, Unavailable)]
)
def test_a_disk_that_fails_says_what_to_do(
    temporary: Path, monkeypatch: pytest.MonkeyPatch, number: int, expected: type[Exception]
) -> None:
    def fail(*args: Any, **options: Any) -> NoReturn:
        raise OSError(number, "it failed")

    monkeypatch.setattr(Path, "open", fail)
    with LineSorter(run_bytes=1) as sorter, pytest.raises(expected, match="TMPDIR"):
        sorter.add(b"x\n")
    assert list(temporary.iterdir()) == []


def test_memory_holds_one_run_however_many_lines_there_are(temporary: Path) -> None:
    import tracemalloc

    def peak(count: int) -> int:
        tracemalloc.start()
        with LineSorter(run_bytes=100_000, fan_in=4) as sorter:
            for number in range(count):
                sorter.add(b"%064d\n" % (number * 7919 % count))
            for _ in sorter:
                pass
        most = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return most

    small, large = peak(8_000), peak(40_000)
    # Five times the lines (5 MB as Python holds them): one more level of open files, no more lines in memory.
    assert large < small + 1_500_000


def test_a_closed_sorter_is_empty(temporary: Path) -> None:
    sorter = filled([b"%d\n" % number for number in range(100)], run_bytes=50)
    reader: Iterator[bytes] = iter(sorter)
    next(reader)
    sorter.close()
    sorter.close()
    assert list(reader) == []
    assert list(sorter) == []
