"""`import entities`: documents as NDJSON, one a line, plain or packed with gzip."""

from __future__ import annotations

from collections.abc import Iterator

from stat7.errors import InvalidEntity
from stat7.importers.base import Item
from stat7.importers.streams import Source, read_blocks, split_blocks, too_long

_BLANK = b" \t\r"  # what JSON calls white space, but for the line feed


def read_entities(source: Source) -> Iterator[Item]:
    """Each line of a source as an item whose place is `line N`, from 1; blank lines are counted, but not given.

    Lines end by LF or CRLF, the last one may have no end. A line of over 8 MiB is an error item and is never held
    whole. A source that can't be read on, or whose gzip data is damaged, ends with an error item that names it. Raises
    ConfigError if the source can't be opened. Memory does not grow with the input.
    """
    number = 0
    try:
        for number, line in enumerate(split_blocks(read_blocks(source)), 1):
            if line is None:
                yield Item(f"line {number}", None, too_long(), keeps_history=True)
            elif line := line.strip(_BLANK):
                yield Item(f"line {number}", line, None, True)
    except InvalidEntity as error:
        yield Item(f"line {number + 1}", None, error, keeps_history=True)
