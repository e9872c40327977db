"""Lines of NDJSON: of documents on their way in, and of documents, notices and outcomes on their way out."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable
from typing import Final

import orjson

from stat7.address import Address
from stat7.errors import Corrupt
from stat7.gateway.problems import Problem, problem_of, too_large
from stat7.putting import PutResult
from stat7.record import Notice

DOCUMENT: Final = b'{"address":"%b","document":%b}\n'
"""A document in its line: its canonical bytes stand in it as they are, from `DOCUMENT_AT` to one before the end."""
DOCUMENT_AT: Final = len(DOCUMENT % (b"0" * 64, b"")) - 2

BATCH_LINES: Final = 2000
BATCH_BYTES: Final = 2 * 1024 * 1024


def held_line(address: Address, held: bytes | Notice | Corrupt) -> bytes:
    """What is held under an address: a document, the notice in its place, or that it is damaged."""
    if isinstance(held, bytes):
        return DOCUMENT % (address.encode("ascii"), held)
    if isinstance(held, Notice):
        return orjson.dumps({"address": address, "notice": held._asdict()}) + b"\n"
    return orjson.dumps({"address": address, "problem": problem_of(held).as_dict()}) + b"\n"


def held_lines(held: Iterable[tuple[Address, bytes | Notice | Corrupt]]) -> bytes:
    """`held_line` of each."""
    return b"".join(
        [DOCUMENT % (name.encode("ascii"), it) if type(it) is bytes else held_line(name, it) for name, it in held]
    )


def result_line(number: int, result: PutResult) -> bytes:
    """What became of the document in a line, counted from 1."""
    if result.error is None:
        return b'{"line":%d,"status":"%b","address":"%b"}\n' % (
            number, result.status.value.encode("ascii"), (result.address or "").encode("ascii"),
        )  # fmt: skip
    problem = problem_of(result.error).as_dict()
    whole = {"line": number, "status": result.status.value, "address": result.address, "problem": problem}
    return orjson.dumps(whole) + b"\n"


def broken_line(problem: Problem) -> bytes:
    """The last line of an answer that breaks off."""
    return orjson.dumps({"problem": problem.as_dict()}) + b"\n"


async def batches(pieces: AsyncIterator[bytes], line: int, lines: int) -> AsyncIterator[list[tuple[int, bytes]]]:
    """Lines that aren't blank, with their numbers from 1, in batches. Raises a 413 beyond `line` bytes or `lines`."""
    batch: list[tuple[int, bytes]] = []
    begun: list[bytes] = []
    waiting = number = size = 0
    async for piece in pieces:
        *whole, last = piece.split(b"\n")
        if whole:
            whole[0] = b"".join([*begun, whole[0]])
            begun, waiting = [], 0
        begun.append(last)
        waiting += len(last)
        for text in whole:
            number += 1
            _check(number, len(text), line, lines)
            if text and not text.isspace():
                batch.append((number, text))
                size += len(text)
                if len(batch) >= BATCH_LINES or size >= BATCH_BYTES:
                    yield batch
                    batch, size = [], 0
        if waiting > line:
            _check(number + 1, waiting, line, lines)
    rest = b"".join(begun)
    if rest and not rest.isspace():
        _check(number + 1, len(rest), line, lines)
        batch.append((number + 1, rest))
    if batch:
        yield batch


def _check(number: int, size: int, line: int, lines: int) -> None:
    if size > line:
        raise too_large(f"line {number}", f"{line} bytes")
    if number > lines:
        raise too_large("lines in one request", str(lines))
