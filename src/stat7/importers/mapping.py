"""A table mapping, ready to use: how the columns of a row become an entity. stat7.importers.mapping_file reads it."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from stat7.errors import ConfigError, InvalidEntity
from stat7.importers.rules import Row, Rule
from stat7.importers.values import TYPES, shown
from stat7.record import COORDINATES, Record, normalise

FORMATS: Final = ("csv", "tsv", "json", "ndjson")
"""What a table may be: text separated by commas or tabs, an array of objects, one object a line."""


@dataclass(frozen=True, slots=True)
class SourceOptions:
    """The table `[source]`: how the rows are read.

    format: one of FORMATS, None for what the file's name says. For csv and tsv: encoding, delimiter (None: comma or
    tab), quote ("" for none), header (whether the first row holds the names), columns (the names), nulls (cells that
    mean null), strip (whether white space around cells goes). For json and ndjson: missing, `refuse` or `null`, is
    what becomes of objects that lack a member.
    """

    format: str | None = None
    encoding: str = "utf-8"
    delimiter: str | None = None
    quote: str = '"'
    header: bool = True
    columns: tuple[str, ...] | None = None
    nulls: frozenset[str] = frozenset()
    strip: bool = False
    missing: str = "refuse"


@dataclass(frozen=True, slots=True)
class StateOptions:
    """The table `[state]`: which columns go to `state`, under which names, and what is added to every row.

    columns: `unmapped`, `all`, or those named; drop: those that don't go there; rename: other names for them; constant:
    members added to each; keep_nulls: whether a null is written or left out.
    """

    columns: str | tuple[str, ...] = "unmapped"
    drop: frozenset[str] = frozenset()
    rename: dict[str, str] = field(default_factory=dict)
    constant: dict[str, Any] = field(default_factory=dict)
    keep_nulls: bool = True


@dataclass(frozen=True, slots=True)
class Mapping:
    """How rows become entities: the same for every row, whatever its rank and the time.

    Each of id, entity_type, created_at and `coordinates.…` is in `constants` or has one of the `rules`; `types` are the
    declared types by column, `required` the columns that the rules use.
    """

    path: Path
    source: SourceOptions
    types: dict[str, str]
    constants: dict[str, Any]
    rules: dict[str, Rule]
    state: StateOptions
    required: frozenset[str]

    def check_columns(self, columns: Collection[str], source: str) -> None:
        """Raise ConfigError unless the table called `source` has every column that this mapping names."""
        for table, key, named in self._named_columns():
            missing = next((column for column in named if column not in columns), None)
            if missing is not None:
                listed = ", ".join(map(shown, columns))
                reason = f"{source} has no column {shown(missing)}; it has {listed}"
                raise ConfigError(f"{self.path}: [{table}] {key}: {reason}")

    def record(self, row: Row) -> Record:
        """The entity of a row that has all required columns. Raises InvalidEntity naming the member and the column."""
        values = self._typed(row)
        made = dict(self.constants)
        for path, rule in self.rules.items():
            made[path] = rule.value(values)
        document = {
            "stat7": 1,
            "id": made["id"],
            "entity_type": made["entity_type"],
            "created_at": made["created_at"],
            "coordinates": {name: made[f"coordinates.{name}"] for name in COORDINATES},
            "state": self._state_of(values),
            "files": [],
            "previous": None,
        }
        try:
            return normalise(document)
        except InvalidEntity as error:
            raise self._naming_column(error) from None

    def _typed(self, row: Row) -> Row:
        """The row with the values of declared columns converted; where there is none it's null (but for text)."""
        values = dict(row)
        for column, type in self.types.items():
            value = values.get(column)
            if value == "" and type != "string":
                values[column] = None
            elif value is not None:
                try:
                    values[column] = TYPES[type](value)
                except ValueError as error:
                    raise InvalidEntity("", f'column "{column}": {error}; [types] says {type}') from None
        return values

    def _state_of(self, row: Row) -> dict[str, Any]:
        options = self.state
        state = dict(options.constant)
        for column in self._chosen(row):
            value = row[column]
            if value is None and not options.keep_nulls:
                continue
            name = options.rename.get(column, column)
            if name in state:
                reason = f'column "{column}": another member has this name; rename one of them in [state]'
                raise InvalidEntity(f"state.{name}", reason)
            state[name] = value
        return state

    def _chosen(self, row: Row) -> Sequence[str]:
        """The columns of the row that go to `state`."""
        columns, drop = self.state.columns, self.state.drop
        if columns == "all":
            return [column for column in row if column not in drop]
        if columns == "unmapped":
            return [column for column in row if column not in self.required and column not in drop]
        return [column for column in columns if column in row]

    def _naming_column(self, error: InvalidEntity) -> InvalidEntity:
        rule = next((rule for path, rule in self.rules.items() if error.path.startswith(path)), None)
        if rule is None:
            return error
        named = ", ".join(f'"{column}"' for column in rule.columns)
        return InvalidEntity(error.path, f"{error.reason} (from column {named})")

    def _named_columns(self) -> Iterator[tuple[str, str, Collection[str]]]:
        """Table and key of every place in the mapping that names columns."""
        for path, rule in self.rules.items():
            table, _, key = path.rpartition(".")
            yield table or "entity", key, rule.columns
        for column in self.types:
            yield "types", column, (column,)
        if not isinstance(self.state.columns, str):
            yield "state", "columns", self.state.columns
        yield "state", "drop", sorted(self.state.drop)
        yield "state", "rename", list(self.state.rename)
