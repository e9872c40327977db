"""Mappings are read strictly: every fault is a ConfigError that names the file, the table, the key and what to do."""

from __future__ import annotations

from pathlib import Path

import pytest

from stat7.errors import ConfigError
from stat7.importers.mapping_file import load_mapping

SMALLEST = """
[entity]
id = { field = "a" }
entity_type = "thing"
[coordinates]
realm = "data"
"""


def load(folder: Path, text: str) -> object:
    path = folder / "map.toml"
    path.write_text(text, encoding="utf-8")
    return load_mapping(path)


def fault(folder: Path, text: str) -> str:
    """The one line that a mapping is refused with, without the file's name."""
    with pytest.raises(ConfigError) as caught:
        load(folder, text)
    said = str(caught.value)
    assert said.startswith(str(folder / "map.toml"))
    assert "\n" not in said
    return said.removeprefix(str(folder / "map.toml"))


def changed(old: str, new: str) -> str:
    """The smallest mapping with one line in another's place."""
    assert old in SMALLEST
    return SMALLEST.replace(old, new)


def with_coordinate(rule: str) -> str:
    return f"{SMALLEST}\n{rule}\n"


def test_the_smallest_mapping_is_enough(tmp_path: Path) -> None:
    load(tmp_path, SMALLEST)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("a = ", " is not TOML"),
        ("[colour]\n", ": unknown table [colour]; the tables are source, types, entity, coordinates, state"),
        ("entity = 3\n", ": entity must be a table"),
        (changed("[entity]", "[entity]\nname = 3"), ": [entity] name: unknown key"),
        (changed("[coordinates]", "[coordinates]\nmood = 3"), ": [coordinates] mood: unknown key"),
        (changed('id = { field = "a" }', ""), ": [entity] id: this rule is missing"),
        (changed('entity_type = "thing"', ""), ": [entity] entity_type: this rule is missing"),
        (changed('realm = "data"', ""), ": [coordinates] realm: this rule is missing"),
    ],
)
def test_tables_and_keys(tmp_path: Path, text: str, reason: str) -> None:
    assert reason in fault(tmp_path, text)


@pytest.mark.parametrize(
    ("rule", "reason"),
    [
        ('"one"', "every row would have this same id"),
        ('{ constant = "one" }', "every row would have this same id"),
        ('{ field = "a", default = "one" }', "every row would have this same id"),
        ('{ template = "one" }', "names no column"),
        ('"thing/{a}"', "write { template = 'thing/{a}' }"),
        ('{ template = "a{" }', "{ in 'a{' stands alone"),
        ('{ template = "a}b" }', "} in 'a}b' stands alone"),
        ('{ template = "{}" }', "stands alone"),
        ('{ template = "" }', "must be a text"),
        ("{ template = 3 }", "must be a text"),
        ("{ field = 3 }", "`field` must name a column"),
        ('{ field = "" }', "`field` must name a column"),
        ("{ }", "give exactly one of constant, field, template, scale, split"),
        ('{ field = "a", template = "{a}" }', "not field and template"),
        ('{ field = "a", colour = 1 }', "unknown key 'colour' beside `field`; allowed: default, format, values"),
        ('{ split = "a" }', "which is for adjacency alone"),
        ('{ scale = "a", from = [0, 1], to = [0, 1] }', "`scale` gives a number"),
        ('{ field = "a", format = "date" }', "`format` is for created_at alone"),
    ],
)
def test_rules_of_an_id(tmp_path: Path, rule: str, reason: str) -> None:
    said = fault(tmp_path, changed('{ field = "a" }', rule))
    assert said.startswith(": [entity] id: ")
    assert reason in said


@pytest.mark.parametrize(
    ("rule", "reason"),
    [
        ('realm = "No Such"', "is not a token"),
        ('realm = { field = "a", values = {} }', "`values` must be a table"),
        ('realm = { field = "a", values = "x" }', "`values` must be a table"),
        ('realm = { field = "a", values = { x = "Bad" } }', "is not a token"),
        ('realm = { field = "a", default = "Bad" }', "is not a token"),
    ],
)
def test_values_in_the_mapping_are_tried_before_any_row(tmp_path: Path, rule: str, reason: str) -> None:
    said = fault(tmp_path, changed('realm = "data"', rule))
    assert said.startswith(": [coordinates] realm: ")
    assert reason in said


@pytest.mark.parametrize(
    ("rule", "reason"),
    [
        ("lineage = -1", "must be 0 to 2^53 - 1"),
        ("lineage = 1.5", "is not an integer"),
        ('lineage = "many"', "is not a number"),
        ('horizon = "noon"', "is not one of genesis"),
        ("density = 1.5", "must be in [0, 1]"),
        ("density = true", "is a boolean"),
        ('density = { scale = "a", to = [0, 1] }', "`from` must be a range of two numbers"),
        ('density = { scale = "a", from = [0], to = [0, 1] }', "`from` must be a range of two numbers"),
        ('density = { scale = "a", from = [0, "1"], to = [0, 1] }', "'1' is none"),
        ('density = { scale = "a", from = [0, inf], to = [0, 1] }', "inf is none"),
        ('density = { scale = "a", from = [0, true], to = [0, 1] }', "True is none"),
        ('density = { scale = "a", from = [1, 1], to = [0, 1] }', "must rise"),
        ('density = { scale = "a", from = [2, 1], to = [0, 1] }', "turn `to` round"),
        ('density = { scale = "a", from = [0, 1], to = [0, 2] }', "must be in [0, 1]"),
        ('density = { scale = "a", from = [0, 1], to = [-1, 1] }', "must be in [0, 1]"),
        ('density = { scale = "a", from = [0, 1], to = [0, 1], clamp = "yes" }', "`clamp` must be true or false"),
        ('density = { scale = "a", from = [0, 1], to = [0, 1], default = 7 }', "must be in [0, 1]"),
        ('lineage = { scale = "a", from = [0, 1], to = [-4, 4] }', "must be 0 to 2^53 - 1"),
        ("adjacency = 3", "`constant` must be a text or an array of texts"),
        ('adjacency = ["a", 3]', "`constant` must be a text or an array of texts"),
        ('adjacency = [""]', "must be 1 to 256 bytes"),
        ('adjacency = { field = "a", default = "x" }', "`default` can't be used for adjacency"),
        ('adjacency = { scale = "a", from = [0, 1], to = [0, 1] }', "`scale` can't be used for adjacency"),
        ('adjacency = { split = "a", separator = "" }', "`separator` must be a text"),
        ('adjacency = { split = "a", template = "x" }', "must be a text that holds {}"),
        ('adjacency = { split = "a", template = "{{}}" }', "must be a text that holds {}"),
        ('adjacency = { split = "a", template = 3 }', "must be a text that holds {}"),
        ('adjacency = { split = "a", template = "{}{" }', "stands alone"),
        ("adjacency = { template = [3] }", "`template` must be a text or an array of texts"),
        ('adjacency = [{ field = "a" }, { fields = "b" }]', "give exactly one of"),
    ],
)
def test_rules_of_coordinates(tmp_path: Path, rule: str, reason: str) -> None:
    said = fault(tmp_path, with_coordinate(rule))
    assert said.startswith(f": [coordinates] {rule.partition(' ')[0]}: ")
    assert reason in said


@pytest.mark.parametrize(
    ("rule", "reason"),
    [
        ('"soon"', "is not an RFC 3339 time"),
        ('{ field = "a", format = "%B" }', "`format` %B is not understood"),
        ('{ field = "a", format = 3 }', "`format` must be one of rfc3339"),
        ('{ field = "a", default = "soon" }', "is not an RFC 3339 time"),
    ],
)
def test_rules_of_times(tmp_path: Path, rule: str, reason: str) -> None:
    said = fault(tmp_path, changed("[entity]", f"[entity]\ncreated_at = {rule}"))
    assert said.startswith(": [entity] created_at: ")
    assert reason in said


@pytest.mark.parametrize(
    ("option", "reason"),
    [
        ('format = "xml"', "format: 'xml' is not one of csv, tsv, json, ndjson"),
        ("format = 3", "format: 3 is not one of"),
        ('encoding = "utf-99"', "encoding: 'utf-99' is not a known text encoding"),
        ('encoding = "hex"', "encoding: 'hex' is not a known text encoding"),
        ('encoding = "undefined"', "encoding: 'undefined' is not a known text encoding"),
        ('encoding = "utf-8\\u0000"', "encoding: 'utf-8\\x00' is not a known text encoding"),
        ("encoding = 8", "encoding: must be a text"),
        ('delimiter = ""', "delimiter: must be one character"),
        ('delimiter = "::"', "delimiter: must be one character"),
        ("delimiter = '\"'", "delimiter: must be one character"),
        ('delimiter = "\\n"', "delimiter: must be one character"),
        ('quote = "ab"', "quote: must be one character"),
        ("quote = 1", "quote: must be one character"),
        ('header = "no"', "header: must be true or false"),
        ("header = false", "columns: is missing"),
        ("strip = 1", "strip: must be true or false"),
        ('columns = "a"', "columns: must be an array of texts"),
        ('columns = ["a", "a"]', "columns: holds something twice"),
        ("nulls = [0]", "nulls: must be an array of texts"),
        ('missing = "ignore"', "missing: 'ignore' is not one of refuse, null"),
        ('format = "json"\ndelimiter = ";"', "delimiter: does not apply to the format json"),
        ('format = "ndjson"\nnulls = [""]', "nulls: does not apply to the format ndjson"),
        ('format = "csv"\nmissing = "null"', "missing: does not apply to the format csv"),
        ("rows = 3", "rows: unknown key"),
    ],
)
def test_options_of_the_source(tmp_path: Path, option: str, reason: str) -> None:
    assert fault(tmp_path, f"[source]\n{option}\n{SMALLEST}").startswith(f": [source] {reason}")


@pytest.mark.parametrize(
    ("option", "reason"),
    [
        ('columns = "some"', 'columns: must be "unmapped", "all" or an array'),
        ("columns = [1]", "columns: must be an array of texts"),
        ("columns = 3", "columns: must be an array of texts"),
        ('columns = ["a"]\ndrop = ["b"]', "drop: is of no use beside a list of columns"),
        ('drop = "a"', "drop: must be an array of texts"),
        ('rename = "a"', "rename: must be a table"),
        ("rename = { a = 1 }", "rename: must give each column a text"),
        ('rename = { a = "x", b = "x" }', "rename: two members would be named 'x'"),
        ('rename = { a = "x" }\nconstant = { x = 1 }', "rename: two members would be named 'x'"),
        ("constant = 1", "constant: must be a table"),
        ("constant = { when = 2026-01-31 }", "constant: "),
        ("constant = { many = 9007199254740993 }", "constant: "),
        ('nulls = "omit"', "nulls: 'omit' is not one of keep, drop"),
        ("nulls = []", "nulls: [] is not one of keep, drop"),
    ],
)
def test_options_of_state(tmp_path: Path, option: str, reason: str) -> None:
    assert fault(tmp_path, f"{SMALLEST}\n[state]\n{option}\n").startswith(f": [state] {reason}")


@pytest.mark.parametrize("type", ['"date"', "3"])
def test_types(tmp_path: Path, type: str) -> None:
    said = fault(tmp_path, f"{SMALLEST}\n[types]\nb = {type}\n")
    assert said.startswith(": [types] b: ")
    assert "is not one of string, integer, number, boolean, json" in said


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"none.toml can't be read: .*--map"):
        load_mapping(tmp_path / "none.toml")
    (tmp_path / "latin.toml").write_bytes(b"# \xe9")
    with pytest.raises(ConfigError, match=r"latin.toml is not UTF-8 \(byte 2\)"):
        load_mapping(tmp_path / "latin.toml")
