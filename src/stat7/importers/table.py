"""`import table`: any CSV, TSV, JSON or NDJSON table through a declarative mapping."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from stat7.errors import InvalidEntity
from stat7.importers.base import Item
from stat7.importers.mapping import Mapping
from stat7.importers.mapping_file import load_mapping
from stat7.importers.rows import RowRead, read_rows
from stat7.importers.streams import Source, source_name
from stat7.importers.values import shown

__all__ = ["Mapping", "load_mapping", "read_table"]


def read_table(source: Source, mapping: Mapping) -> Iterator[Item]:
    """Each row of a table as an item: the entity that the mapping makes of it, or why it can't be one.

    The place is `line N` (where the row begins) or, in an array, `row N`. An error names the column. Every fact comes
    from the row alone. Memory does not grow with the input. Raises ConfigError if the table can't be opened, lacks a
    column that the mapping names, or its header is wrong.
    """
    check = partial(mapping.check_columns, source=source_name(source))
    for row in read_rows(source, mapping.source, check):
        if row.error is not None:
            yield Item(row.place, None, row.error)
            continue
        try:
            _complete(row, mapping)
            yield Item(row.place, mapping.record(row.values))
        except InvalidEntity as error:
            yield Item(row.place, None, error)


def _complete(row: RowRead, mapping: Mapping) -> None:
    """Give an object, as nulls, the members that its mapping needs and it lacks, or refuse it; text rows have all."""
    if mapping.required <= row.values.keys():
        return
    missing = sorted(mapping.required - row.values.keys())
    if mapping.source.missing == "refuse":
        remedy = 'if that is meant, set missing = "null" in [source]'
        raise InvalidEntity("", f"has no member {shown(missing[0])}; {remedy}")
    row.values.update(dict.fromkeys(missing))
