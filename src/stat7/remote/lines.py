"""Lines of NDJSON as a gateway writes them: what is held under addresses, and what became of what was put."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple

import httpx

from stat7.address import Address, is_address
from stat7.contracts import Damaged
from stat7.errors import Corrupt, Stat7Error
from stat7.record import Notice
from stat7.remote import answers
from stat7.remote.connection import NDJSON, Connection
from stat7.remote.problems import Busy, read_problem

_BEFORE: Final = b'{"address":"'
_BETWEEN: Final = b'","document":'
_ADDRESS_END: Final = len(_BEFORE) + 64
DOCUMENT_AT: Final = _ADDRESS_END + len(_BETWEEN)
"""Where the canonical bytes of a document begin in its line; they end one before the end."""

LINES: Final = 2000
BYTES: Final = 4 * 1024 * 1024
"""Documents of one request, and their bytes, at most."""

_HEADERS: Final = {"Content-Type": NDJSON}


def read_held(url: str, answer: httpx.Response) -> list[tuple[Address, bytes | Notice]]:
    """What is held, in order: documents cut out of their lines as they are, notices, and `Damaged` for what is damaged.

    Raises the error that a broken-off answer ends with.
    """
    lines = answer.content.split(b"\n")
    if lines.pop() or not _is_lines(answer):
        raise answers.unexpected(url)
    held: list[tuple[Address, bytes | Notice]] = []
    for line in lines:
        name = line[len(_BEFORE) : _ADDRESS_END].decode("latin-1")
        plain = line.startswith(_BEFORE) and line[_ADDRESS_END:DOCUMENT_AT] == _BETWEEN and line.endswith(b"}")
        held.append((name, line[DOCUMENT_AT:-1]) if plain and is_address(name) else _other(url, line))
    return held


def _other(url: str, line: bytes) -> tuple[Address, bytes | Notice]:
    given = answers.members(answers.parse(line, url), url)
    if "notice" in given:
        notice = answers.notice(given["notice"], url)
        if notice.address == given.get("address"):
            return notice.address, notice
    elif "problem" in given:
        error = read_problem(url, given["problem"])
        if not isinstance(error, Corrupt) or "address" not in given:
            raise error
        return answers.address(given["address"], url), Damaged(error.found)
    raise answers.unexpected(url)


class Line(NamedTuple):
    """What became of one document: a status by its name, the address if it is known, and the error if there is one."""

    status: str
    address: Address | None
    error: Stat7Error | None


class Posted(NamedTuple):
    """What was answered, in order, and the error for which the rest was not."""

    lines: list[Line]
    error: Stat7Error | None


def post(connection: Connection, documents: Sequence[bytes], most: int, *, keep: bool = False) -> Posted:
    """Put documents, in requests of at most `most` bytes of them; unless `keep`, heads move.

    What was answered counts even if the answer broke off; what wasn't is asked again while there is time.
    """
    found: list[Line] = []

    def attempt() -> None:
        while len(found) < len(documents):
            _post_some(connection, part(documents, len(found), most), keep, found)

    try:
        connection.again(attempt)
    except Stat7Error as error:
        return Posted(found, error)
    return Posted(found, None)


def part(documents: Sequence[bytes], start: int, most: int, lines: int = LINES) -> Sequence[bytes]:
    """The documents from `start` on that go into one request: one at least."""
    size = end = 0
    for end in range(start, min(start + lines, len(documents))):
        size += len(documents[end]) + 1
        if size > most and end > start:
            return documents[start:end]
    return documents[start : end + 1]


def _post_some(connection: Connection, documents: Sequence[bytes], keep: bool, found: list[Line]) -> None:
    """One request; `found` grows with each line of its answer."""
    url, params = connection.url, {"heads": "keep"} if keep else None
    body = b"\n".join(documents) + b"\n"
    answered = 0
    with connection.begin("POST", "/entities", params=params, content=body, headers=_HEADERS) as answer:
        if not _is_lines(answer):
            raise answers.unexpected(url)
        for line in _split(url, answer):
            answered += 1
            if answered > len(documents):
                raise answers.unexpected(url)
            found.append(_result(url, answered, line))
    if answered < len(documents):
        raise Busy(f"{url}: {len(documents) - answered} documents were not answered")


def _is_lines(answer: httpx.Response) -> bool:
    return str(answer.headers.get("content-type", "")).startswith(NDJSON)


def _split(url: str, answer: httpx.Response) -> Iterator[bytes]:
    rest = b""
    for piece in answer.iter_bytes():
        *whole, rest = (rest + piece).split(b"\n")
        yield from whole
    if rest:
        raise answers.unexpected(url)


def _result(url: str, number: int, text: bytes) -> Line:
    given = answers.members(answers.parse(text, url), url)
    error = read_problem(url, given["problem"]) if "problem" in given else None
    if error is not None and "line" not in given:
        raise error  # the answer ends here
    if given.get("line") != number:
        raise answers.unexpected(url)
    place = given.get("address")
    return Line(answers.text(given.get("status"), url), None if place is None else answers.address(place, url), error)
