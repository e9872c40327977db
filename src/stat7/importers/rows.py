"""The rows of a table file, one at a time: CSV, TSV, a JSON array of objects, or NDJSON; packed with gzip or not."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, BinaryIO, Final, NamedTuple, TypeAlias, cast

from stat7.canonical import parse_json
from stat7.errors import ConfigError, InvalidEntity
from stat7.importers.json_array import array_elements
from stat7.importers.mapping import FORMATS, SourceOptions
from stat7.importers.streams import MAX_LINE, BlockReader, Source, read_blocks, source_name, split_blocks, too_long

CheckColumns: TypeAlias = Callable[[Sequence[str]], None]
"""Called with the columns of a CSV or TSV table before its first row; raises ConfigError if some are missing."""

_SUFFIXES: Final = {
    ".csv": "csv", ".tsv": "tsv", ".tab": "tsv", ".json": "json", ".ndjson": "ndjson", ".jsonl": "ndjson",
}  # fmt: skip
_BOM: Final = "\ufeff"
_UNDECODABLE = re.compile("[\udc80-\udcff]")


class RowRead(NamedTuple):
    """A row's place (`line 3`, `row 3`) and its values by column, or why it can't be read."""

    place: str
    values: dict[str, Any]
    error: InvalidEntity | None = None


def read_rows(source: Source, options: SourceOptions, check: CheckColumns) -> Iterator[RowRead]:
    """Every row of a table; one that can't be read comes as an error and does not stop the rest.

    The place of a row of text, and of NDJSON, is the line on which it begins, that of an element of an array its
    number, both from 1. What ends the reading early (damaged gzip data, a broken array) comes as the last error. Raises
    ConfigError if the file can't be opened, its format isn't known, its header is wrong, or `check` refuses it.
    """
    format = options.format or _format_by_name(source_name(source))
    rows = {"json": _array_rows, "ndjson": _line_rows}.get(format)
    if rows is not None:
        return rows(source)
    return _text_rows(source, options, "," if format == "csv" else "\t", check)


def _format_by_name(name: str) -> str:
    path = Path(name)
    suffix = (Path(path.stem) if path.suffix.lower() == ".gz" else path).suffix.lower()
    format = _SUFFIXES.get(suffix)
    if format is None:
        raise ConfigError(
            f'{name}: the name does not tell its format; add format = "…" ({", ".join(FORMATS)}) to [source]'
        )
    return format


# Objects


def _line_rows(source: Source) -> Iterator[RowRead]:
    number = 0
    try:
        for number, line in enumerate(split_blocks(read_blocks(source)), 1):
            if line is None:
                yield RowRead(f"line {number}", {}, too_long())
            else:
                text = line.removeprefix(b"\xef\xbb\xbf") if number == 1 else line
                if text := text.strip(b" \t\r"):
                    yield _object(f"line {number}", text)
    except InvalidEntity as error:
        yield RowRead(f"line {number + 1}", {}, error)


def _array_rows(source: Source) -> Iterator[RowRead]:
    number = 0
    try:
        for number, element in enumerate(array_elements(read_blocks(source), source_name(source)), 1):
            if element is None:
                yield RowRead(f"row {number}", {}, too_long())
            else:
                yield _object(f"row {number}", element)
    except InvalidEntity as error:
        yield RowRead(f"row {number + 1}", {}, error)


def _object(place: str, text: bytes) -> RowRead:
    try:
        values = parse_json(text)
    except InvalidEntity as error:
        return RowRead(place, {}, error)
    if not isinstance(values, dict):
        return RowRead(place, {}, InvalidEntity("", "a row must be a JSON object of columns and values"))
    return RowRead(place, values)


# Text


def _text_rows(source: Source, options: SourceOptions, delimiter: str, check: CheckColumns) -> Iterator[RowRead]:
    lines = _Lines(read_blocks(source), options.encoding)
    reader = csv.reader(
        lines,
        delimiter=options.delimiter or delimiter,
        quotechar=options.quote or None,
        quoting=csv.QUOTE_MINIMAL if options.quote else csv.QUOTE_NONE,
        strict=True,
    )
    try:
        columns = _columns(reader, lines, options, source_name(source))
        if columns is None:
            return
        check(columns)
        yield from _cells(reader, lines, columns, options)
    except InvalidEntity as error:
        yield RowRead(f"line {lines.number + 1}", {}, error)


def _columns(reader: Iterator[list[str]], lines: _Lines, options: SourceOptions, name: str) -> list[str] | None:
    """The columns' names; None for a file that holds nothing at all."""
    try:
        header = next((row for row in reader if row), None) if options.header else []
    except csv.Error as error:
        raise ConfigError(
            f"{name}: the header can't be read ({error}); see `delimiter` and `quote` in [source]"
        ) from None
    fault = lines.take_fault()
    if fault is not None:
        raise ConfigError(f"{name}: the header {fault}")
    if header is None:
        return None
    columns = list(options.columns or [column.strip() for column in header])
    if options.header and len(columns) != len(header):
        raise ConfigError(f"{name}: the header has {len(header)} columns, [source] columns names {len(columns)}")
    for index, column in enumerate(columns):
        if not column:
            raise ConfigError(f"{name}: column {index + 1} has no name; name all of them with `columns` in [source]")
        if column in columns[:index]:
            raise ConfigError(f'{name}: two columns are named "{column}"; name all of them with `columns` in [source]')
    return columns


def _cells(reader: Iterator[list[str]], lines: _Lines, columns: list[str], options: SourceOptions) -> Iterator[RowRead]:
    while True:
        place = f"line {lines.number + 1}"
        fault: str | None = None
        try:
            row = next(reader, None)
        except csv.Error as error:
            row, fault = [], f"not well formed: {error}"
        fault = lines.take_fault() or fault
        if row is None:
            if fault:
                yield RowRead(place, {}, InvalidEntity("", fault))
            return
        if fault is None and row and len(row) != len(columns):
            fault = f"has {len(row)} cells, the table has {len(columns)} columns"
        if fault:
            yield RowRead(place, {}, InvalidEntity("", fault))
        elif row:
            yield RowRead(place, dict(zip(columns, _cleaned(row, options), strict=True)))


def _cleaned(row: list[str], options: SourceOptions) -> Iterable[str | None]:
    if options.strip:
        row = [cell.strip() for cell in row]
    if options.nulls:
        return [None if cell in options.nulls else cell for cell in row]
    return row


class _Lines:
    """Decoded lines for csv.reader, whose number and faults can be asked for. A line over the limit is never held."""

    def __init__(self, blocks: Iterator[bytes], encoding: str) -> None:
        self.number = 0
        self._fault: str | None = None
        self._encoding = encoding
        buffered = io.BufferedReader(cast(Any, BlockReader(blocks)))
        # Bytes that can't be decoded become surrogates, so that they cost their row and not the rest of the file.
        self._text = io.TextIOWrapper(cast(BinaryIO, buffered), encoding, errors="surrogateescape", newline="")

    def __iter__(self) -> _Lines:
        return self

    def __next__(self) -> str:
        try:
            line = self._text.readline(MAX_LINE)
            if not line:
                raise StopIteration
            self.number += 1
            if len(line) >= MAX_LINE and not line.endswith(("\n", "\r")):
                self._skip_line()
                return "\n"
        except UnicodeError as error:
            reason = f"the text is not {self._encoding} ({error.__class__.__name__}); set `encoding` in [source]"
            raise InvalidEntity("", reason) from None
        if not line.isascii() and _UNDECODABLE.search(line):
            self._fault = f"holds bytes that are not {self._encoding}; set `encoding` in [source], or mend the row"
        return line.removeprefix(_BOM) if self.number == 1 else line

    def _skip_line(self) -> None:
        self._fault = too_long().reason
        while (part := self._text.readline(MAX_LINE)) and not part.endswith(("\n", "\r")):
            pass

    def take_fault(self) -> str | None:
        """What is wrong with the lines given since the last call, if anything."""
        fault, self._fault = self._fault, None
        return fault
