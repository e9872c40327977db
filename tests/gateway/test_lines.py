"""Lines of NDJSON on their way in: numbered from 1, in whatever pieces they come."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence

import pytest

from stat7.gateway.lines import batches
from stat7.gateway.problems import Problem


def read(pieces: Sequence[bytes], line: int = 10, lines: int = 5) -> list[tuple[int, bytes]]:
    """The lines of a body that comes in these pieces."""

    async def come() -> AsyncIterator[bytes]:
        for piece in pieces:
            yield piece

    async def all_of_them() -> list[tuple[int, bytes]]:
        return [each async for batch in batches(come(), line, lines) for each in batch]

    return asyncio.run(all_of_them())


def test_lines_keep_their_numbers_past_blank_ones() -> None:
    assert read([b"a\n\nb", b"c\n ", b"\n", b"d"]) == [(1, b"a"), (3, b"bc"), (5, b"d")]


@pytest.mark.parametrize("piece", [1, 7, 100], ids=str)
@pytest.mark.parametrize("end", [b"", b"\n", b"\nmore"], ids=["open", "ended", "followed"])
@pytest.mark.parametrize("before", [0, 1, 3])
def test_a_line_that_is_too_large_is_named_by_its_own_number(before: int, end: bytes, piece: int) -> None:
    body = b"ok\n" * before + b"x" * 30 + end
    with pytest.raises(Problem, match=rf"line {before + 1}: at most 10 bytes"):
        read([body[start : start + piece] for start in range(0, len(body), piece)])


def test_one_line_too_many_is_refused_but_not_a_last_empty_one() -> None:
    assert len(read([b"a\n" * 5])) == 5
    with pytest.raises(Problem, match="lines in one request: at most 5"):
        read([b"a\n" * 5, b"b"])
