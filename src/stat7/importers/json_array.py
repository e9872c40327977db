"""The elements of a JSON array as they stream by, each as its own text; only one of them is ever held."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Final

from stat7.errors import ConfigError, InvalidEntity
from stat7.importers.streams import MAX_LINE

_BLANK: Final = b" \t\r\n"
_BOM: Final = b"\xef\xbb\xbf"
# What decides where an element ends. A whole string is one match; one that the block cuts off matches only its quote.
_STRING: Final = rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"'
_AT_TOP: Final = re.compile(_STRING + rb'|["\[\]{},]', re.DOTALL).search
_DEEPER: Final = re.compile(_STRING + rb'|["\[\]{}]', re.DOTALL).search
_IN_STRING: Final = re.compile(rb'["\\]').search


def array_elements(blocks: Iterable[bytes], name: str, limit: int = MAX_LINE) -> Iterator[bytes | None]:
    """The text of each element of the array in the blocks, not yet parsed; None for one of over `limit` bytes.

    Raises ConfigError, naming `name`, if there is no array, and InvalidEntity if it is cut off, closed wrongly, or
    something follows it. A quote or bracket too many inside an element hides the elements after it.
    """
    scanner = _Scanner(name, limit)
    for block in _after_opening(blocks, name):
        yield from scanner.feed(block)
    scanner.finish()


def _after_opening(blocks: Iterable[bytes], name: str) -> Iterator[bytes]:
    """The blocks without what comes before the array's first element: white space and the opening bracket."""
    blocks = iter(blocks)
    head = b""
    for block in blocks:
        head += block
        if len(head) >= len(_BOM) and head.removeprefix(_BOM).strip(_BLANK):
            break
    opened = head.removeprefix(_BOM).lstrip(_BLANK)
    if not opened.startswith(b"["):
        raise ConfigError(f'{name} holds no array of objects; for one object a line set format = "ndjson" in [source]')
    yield opened[1:]
    yield from blocks


class _Scanner:
    """Where in the array we are: how deep in brackets, whether inside a string, and the element's text so far."""

    def __init__(self, name: str, limit: int) -> None:
        self._name = name
        self._limit = limit
        self._depth = 1
        self._in_string = False
        self._escaped = False
        self._several = False
        self._parts: list[bytes] = []
        self._size = 0

    def feed(self, block: bytes) -> Iterator[bytes | None]:
        start = at = 0
        if self._escaped and block:
            self._escaped, at = False, 1
        while self._depth and (found := self._search(block, at)):
            at = found.end()
            token = found[0]
            if self._in_string:
                if token == b'"':
                    self._in_string = False
                elif at == len(block):
                    self._escaped = True
                else:
                    at += 1
            elif token == b'"':
                self._in_string = True
            elif token in (b"[", b"{"):
                self._depth += 1
            elif token in (b"]", b"}"):
                self._close(token)
            if self._depth == 0 or token == b",":
                element = self._take(block[start : at - 1])
                start = at
                if token == b"," or self._several or element is None or element.strip(_BLANK):
                    self._several = True
                    yield element
        if self._depth:
            self._hold(block[start:])
        elif block[start:].strip(_BLANK):
            raise InvalidEntity("", f"{self._name}: something follows the end of the array; what came before was read")

    def _search(self, block: bytes, at: int) -> re.Match[bytes] | None:
        if self._in_string:
            return _IN_STRING(block, at)
        return _AT_TOP(block, at) if self._depth == 1 else _DEEPER(block, at)

    def _close(self, bracket: bytes) -> None:
        self._depth -= 1
        if self._depth == 0 and bracket != b"]":
            raise InvalidEntity("", f"{self._name}: a bracket closes what was not opened; what came before was read")

    def _hold(self, part: bytes) -> None:
        self._size += len(part)
        if self._size > self._limit:
            self._parts.clear()
        else:
            self._parts.append(part)

    def _take(self, last: bytes) -> bytes | None:
        """The element that ends with `last`, or None if it is over the limit."""
        self._hold(last)
        element = None if self._size > self._limit else b"".join(self._parts)
        self._parts, self._size = [], 0
        return element

    def finish(self) -> None:
        if self._depth:
            raise InvalidEntity(
                "", f"{self._name}: the array is cut off; what came before was read, get the whole file"
            )
