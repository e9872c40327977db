"""Reading a table mapping from its TOML file, strictly: what isn't understood is refused by file, table, key."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any, Final, NoReturn

from stat7.errors import ConfigError, InvalidEntity
from stat7.importers.mapping import FORMATS, Mapping, SourceOptions, StateOptions
from stat7.importers.rules import BadRule, Rule, compile_rule
from stat7.importers.values import TYPES, shown
from stat7.record import COORDINATES, normalise

_MEMBERS: Final = ("id", "entity_type", "created_at")
_ENTITY_DEFAULTS: Final[dict[str, Any]] = {"created_at": None}
_COORDINATE_DEFAULTS: Final[dict[str, Any]] = {
    "lineage": 0, "adjacency": [], "horizon": "genesis", "resonance": 0, "velocity": 0, "density": 0,
}  # fmt: skip
_TABLES: Final = {
    "source": ("format", "encoding", "delimiter", "quote", "header", "columns", "nulls", "strip", "missing"),
    "types": None,
    "entity": _MEMBERS,
    "coordinates": COORDINATES,
    "state": ("columns", "drop", "rename", "constant", "nulls"),
}
_TEXT_ONLY: Final = ("encoding", "delimiter", "quote", "header", "columns", "nulls", "strip")
_OBJECT_ONLY: Final = ("missing",)


def load_mapping(path: Path) -> Mapping:
    """Read and check a mapping. Raises ConfigError naming the file, the table and the key, and what to write."""
    try:
        document = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(f"{path} can't be read: {error.strerror}; name a mapping file with --map") from error
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path} is not UTF-8 (byte {error.start}); save it as UTF-8") from error
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{path} is not TOML: {error}") from error
    for table in document:
        if table not in _TABLES:
            raise ConfigError(f"{path}: unknown table [{table}]; the tables are {', '.join(_TABLES)}")
    sections = {table: _Section(path, table, document.get(table, {})) for table in _TABLES}
    rules = {
        **_rules(sections["entity"], _MEMBERS, "", _ENTITY_DEFAULTS),
        **_rules(sections["coordinates"], COORDINATES, "coordinates.", _COORDINATE_DEFAULTS),
    }
    return Mapping(
        path,
        _source(sections["source"]),
        _types(sections["types"]),
        {path: rule.evaluate({}) for path, rule in rules.items() if not rule.columns},
        {path: rule for path, rule in rules.items() if rule.columns},
        _state(sections["state"]),
        frozenset(column for rule in rules.values() for column in rule.columns),
    )


class _Section:
    """One table of the file, whose keys are known to be allowed ones."""

    def __init__(self, path: Path, table: str, given: Any) -> None:
        self._path = path
        self._table = table
        if not isinstance(given, dict):
            raise ConfigError(f"{path}: {table} must be a table; write [{table}] on a line of its own")
        self.given: dict[str, Any] = given
        allowed = _TABLES[table]
        for key in given:
            if allowed is not None and key not in allowed:
                self.fail(key, f"unknown key; [{table}] may hold {', '.join(allowed)}")

    def fail(self, key: str, reason: str) -> NoReturn:
        raise ConfigError(f"{self._path}: [{self._table}] {key}: {reason}")

    def choice(self, key: str, allowed: tuple[str, ...], default: str | None) -> str | None:
        value = self.given.get(key, default)
        if key in self.given and value not in allowed:
            self.fail(key, f"{shown(value)} is not one of {', '.join(allowed)}")
        return value

    def text(self, key: str, default: str, expected: str) -> str:
        value = self.given.get(key, default)
        if not isinstance(value, str):
            self.fail(key, f"must be {expected}")
        return value

    def flag(self, key: str, default: bool) -> bool:
        value = self.given.get(key, default)
        if not isinstance(value, bool):
            self.fail(key, "must be true or false")
        return value

    def names(self, key: str) -> tuple[str, ...]:
        value = self.given.get(key, [])
        if not isinstance(value, list) or not all(isinstance(name, str) for name in value):
            self.fail(key, "must be an array of texts")
        if len(set(value)) != len(value):
            self.fail(key, "holds something twice")
        return tuple(value)

    def table(self, key: str) -> dict[str, Any]:
        value = self.given.get(key, {})
        if not isinstance(value, dict):
            self.fail(key, f"must be a table such as {key} = {{ name = … }}")
        return value


def _source(section: _Section) -> SourceOptions:
    format = section.choice("format", FORMATS, None)
    foreign = () if format is None else _TEXT_ONLY if format in ("json", "ndjson") else _OBJECT_ONLY
    for key in section.given.keys() & set(foreign):
        section.fail(key, f"does not apply to the format {format}; take it out")
    encoding = section.text("encoding", "utf-8", "a text such as utf-8")
    try:
        "".encode(encoding)
    except (LookupError, ValueError):  # unknown; a NUL in the name, or a codec such as "undefined" that refuses all
        section.fail("encoding", f"{shown(encoding)} is not a known text encoding such as utf-8")
    quote = section.text("quote", '"', 'one character, or "" for none')
    if len(quote) > 1 or quote in ("\r", "\n"):
        section.fail("quote", 'must be one character, or "" for none')
    delimiter = section.text("delimiter", ",", "one character") if "delimiter" in section.given else None
    if delimiter is not None and (len(delimiter) != 1 or delimiter in ("\r", "\n", " ", quote)):
        section.fail("delimiter", "must be one character, other than the quote, a space or the end of a line")
    header = section.flag("header", True)
    columns = section.names("columns") or None
    if columns is None and not header:
        section.fail("columns", "is missing: with header = false the columns must be named here")
    nulls, strip = frozenset(section.names("nulls")), section.flag("strip", False)
    missing = section.choice("missing", ("refuse", "null"), "refuse")
    return SourceOptions(format, encoding, delimiter, quote, header, columns, nulls, strip, missing or "refuse")


def _types(section: _Section) -> dict[str, str]:
    for column in section.given:
        section.choice(column, tuple(TYPES), None)
    return section.given


def _rules(section: _Section, members: tuple[str, ...], prefix: str, defaults: dict[str, Any]) -> dict[str, Rule]:
    rules: dict[str, Rule] = {}
    for key in members:
        path = prefix + key
        if key not in section.given:
            if key not in defaults:
                section.fail(key, "this rule is missing; every entity needs one")
            rules[path] = _unchanging(path, defaults[key])
            continue
        try:
            rules[path] = compile_rule(path, section.given[key])
        except BadRule as error:
            section.fail(key, str(error))
        for value in rules[path].fixed:
            _probe(section, key, path, value)
    return rules


def _unchanging(path: str, value: Any) -> Rule:
    return Rule(path, (), (), lambda row: value)


def _probe(section: _Section, key: str, path: str, value: Any) -> None:
    """Try a value that is written in the mapping in an entity, so that a bad one is found before any row is read."""
    members: dict[str, Any] = {"id": "probe", "entity_type": "probe", "created_at": None, "state": {}}
    coordinates = {"realm": "data", **_COORDINATE_DEFAULTS}
    table, _, member = path.rpartition(".")
    (coordinates if table else members)[member] = value
    try:
        normalise({"stat7": 1, **members, "coordinates": coordinates, "files": [], "previous": None})
    except InvalidEntity as error:
        section.fail(key, error.reason)


def _state(section: _Section) -> StateOptions:
    columns: str | tuple[str, ...] = section.given.get("columns", "unmapped")
    if columns not in ("unmapped", "all"):
        if isinstance(columns, str):
            section.fail("columns", 'must be "unmapped", "all" or an array of columns')
        columns = section.names("columns")
    drop = frozenset(section.names("drop"))
    if drop and not isinstance(columns, str):
        section.fail("drop", "is of no use beside a list of columns; take them out of that list")
    rename = section.table("rename")
    if not all(isinstance(name, str) for name in rename.values()):
        section.fail("rename", 'must give each column a text: { lat = "latitude" }')
    constant = section.table("constant")
    names = [*rename.values(), *constant]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        section.fail("rename", f"two members would be named {shown(twice)}")
    _probe(section, "constant", "state", constant)
    nulls = section.choice("nulls", ("keep", "drop"), "keep")
    return StateOptions(columns, drop, rename, constant, nulls == "keep")
