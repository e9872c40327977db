"""Tables through a mapping: every form of rule, what goes to `state`, errors by row and column, and running again."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stat7.coordinates import SCALE
from stat7.errors import ConfigError
from stat7.importers.base import Item
from stat7.importers.rules import compile_rule
from stat7.importers.table import load_mapping, read_table
from stat7.query import Query
from stat7.record import Record, document_of
from tests.importers.support import errors, imported, memory_repository, peak_memory
from tests.importers.test_mapping_file import SMALLEST
from tests.importers.test_rows import Named


def items(folder: Path, mapping: str, table: str | bytes, name: str = "x.csv") -> list[Item]:
    path = folder / "map.toml"
    path.write_text(mapping, encoding="utf-8")
    data = table.encode() if isinstance(table, str) else table
    return list(read_table(Named(data, name), load_mapping(path)))


def documents_of(found: list[Item]) -> list[bytes]:
    assert errors(found) == []
    return [item.document.document for item in found if isinstance(item.document, Record)]


def documents(folder: Path, mapping: str, table: str, name: str = "x.csv") -> list[dict[str, Any]]:
    return [json.loads(document) for document in documents_of(items(folder, mapping, table, name))]


def one(folder: Path, rule: str, value: Any, table: str = "coordinates") -> Any:
    """What a rule over the column `v` makes of a value: the member, or the error's text."""
    key = rule.partition(" ")[0]
    mapping = SMALLEST.replace('realm = "data"', "" if key == "realm" else 'realm = "data"')
    mapping = mapping.replace(f"[{table}]", f"[{table}]\n{rule}")
    (item,) = items(folder, mapping, json.dumps([{"a": "x", "v": value}]), "x.json")
    if item.error is not None:
        assert item.place == "row 1"
        return str(item.error)
    assert isinstance(item.document, Record)
    document = document_of(item.document)
    return document[key] if table == "entity" else document["coordinates"][key]


def test_a_row_becomes_an_entity_with_the_rest_of_its_columns_as_state(tmp_path: Path) -> None:
    (found,) = documents(tmp_path, SMALLEST, "a,b,c\nx,1,\n")
    assert found == {
        "stat7": 1,
        "id": "x",
        "entity_type": "thing",
        "created_at": None,
        "coordinates": {
            "realm": "data", "lineage": 0, "adjacency": [], "horizon": "genesis",
            "resonance": 0, "velocity": 0, "density": 0,
        },
        "state": {"b": "1", "c": ""},
        "files": [],
        "previous": None,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("rule", "value", "expected"),
    [
        ("lineage = 3", None, 3),
        ("lineage = { constant = 3 }", None, 3),
        ('lineage = { field = "v" }', "12", 12),
        ('lineage = { field = "v" }', 12.0, 12),
        ('lineage = { field = "v", default = 2 }', None, 2),
        ('lineage = { field = "v", default = "2" }', "", 2),
        ('lineage = { scale = "v", from = [0, 10], to = [0, 3] }', 4, 1),
        ('lineage = { scale = "v", from = [0, 10], to = [0, 3] }', 5, 2),
        ('density = { field = "v" }', "0.25", 0.25),
        ('density = { scale = "v", from = [-90, 90], to = [0, 1] }', 45, 0.75),
        ('density = { scale = "v", from = [-90, 90], to = [1, 0] }', "45", 0.25),
        ('density = { scale = "v", from = [0, 1], to = [0, 1], clamp = true }', -7, 0),
        ('density = { scale = "v", from = [0, 1], to = [0, 1], clamp = true }', 7, 1),
        ('density = { scale = "v", from = [0, 1], to = [0, 1], default = 0.5 }', "", 0.5),
        ('density = { field = "v", values = { low = 0.1, high = 0.9 } }', "high", 0.9),
        ('density = { field = "v", values = { 1 = 0.1, true = 0.9 } }', 1, 0.1),
        ('density = { field = "v", values = { 1 = 0.1, true = 0.9 } }', True, 0.9),
        ('density = { field = "v", values = { low = 0.1 }, default = 1 }', "odd", 1),
        ('density = { field = "v", values = { low = 0.1 }, default = 1 }', None, 1),
        ('density = { field = "v", values = { "" = 0.1 } }', None, 0.1),
        ('horizon = { field = "v", values = { open = "peak" }, default = "decay" }', "open", "peak"),
        ('realm = { template = "{v}" }', "event", "event"),
        ('realm = { template = "r{v}", default = "void" }', "", "void"),
        ('realm = { field = "v" }', "event", "event"),
        ('adjacency = ["b", "a"]', None, ["a", "b"]),
        ('adjacency = "b"', None, ["b"]),
        ('adjacency = { field = "v" }', ["b", "a", "b"], ["a", "b"]),
        ('adjacency = { field = "v" }', "b;a", ["b;a"]),
        ('adjacency = { field = "v" }', None, []),
        ('adjacency = { split = "v", separator = ";" }', " b ;a;;", ["a", "b"]),
        ('adjacency = { split = "v", separator = "|", template = "n/{}" }', "b|a", ["n/a", "n/b"]),
        ('adjacency = { split = "v", template = "{{}}{}" }', [1, None, 2], ["{}1", "{}2"]),
        ('adjacency = { template = "n/{v}" }', "", []),
        ('adjacency = { template = ["n/{v}", "m/{a}"] }', "b", ["m/x", "n/b"]),
        ('adjacency = { template = ["n/{v}", "m/{a}"] }', None, ["m/x"]),
        ('adjacency = [{ split = "v", separator = "," }, { template = "m/{a}" }]', "b,c", ["b", "c", "m/x"]),
        ('adjacency = { template = "n/{v}" }', "e\u0301", ["n/\u00e9"]),
    ],
)
def test_rules_of_coordinates(tmp_path: Path, rule: str, value: Any, expected: Any) -> None:
    assert one(tmp_path, rule, value) == expected


@pytest.mark.parametrize(
    ("rule", "value", "path", "reason"),
    [
        ('lineage = { field = "v" }', "1.5", "coordinates.lineage", "is not an integer"),
        ('lineage = { field = "v" }', None, "coordinates.lineage", "has no value; give the rule a `default`"),
        ('lineage = { field = "v" }', -1, "coordinates.lineage", "must be 0 to 2^53 - 1"),
        ('density = { field = "v" }', "x", "coordinates.density", "is not a number"),
        ('density = { field = "v" }', 1.5, "coordinates.density", "must be in [0, 1]"),
        (
            'density = { scale = "v", from = [0, 9], to = [0, 1] }',
            10,
            "coordinates.density",
            "outside the stated range",
        ),
        ('density = { scale = "v", from = [0, 9], to = [0, 1] }', "", "coordinates.density", "has no value"),
        ('density = { scale = "v", from = [0, 9], to = [0, 1] }', "x", "coordinates.density", "is not a number"),
        (
            'density = { field = "v", values = { low = 0.1 } }',
            "odd",
            "coordinates.density",
            "is not in `values`; add it",
        ),
        ('density = { field = "v", values = { low = 0.1 } }', [], "coordinates.density", "is an array"),
        ('horizon = { field = "v" }', "noon", "coordinates.horizon", "is not one of genesis"),
        ('realm = { field = "v" }', "No", "coordinates.realm", "is not a token"),
        ('realm = { template = "{v}" }', {}, "coordinates.realm", "is an object"),
        ('adjacency = { split = "v" }', [["a"]], "coordinates.adjacency", "is an array"),
        ('adjacency = { split = "v" }', "x" * 300, "coordinates.adjacency[0]", "must be 1 to 256 bytes"),
    ],
)
def test_a_value_that_does_not_fit_names_the_member_and_the_column(
    tmp_path: Path, rule: str, value: Any, path: str, reason: str
) -> None:
    said = one(tmp_path, rule, value)
    assert said.startswith(f"{path}: ")
    assert 'column "v"' in said
    assert reason in said


@pytest.mark.parametrize(
    ("rule", "value", "expected"),
    [
        ('created_at = { field = "v" }', "2026-01-31T12:00:00Z", "2026-01-31T12:00:00.000Z"),
        ('created_at = { field = "v" }', None, None),
        ('created_at = { field = "v", default = 2026-01-31 }', "", "2026-01-31T00:00:00.000Z"),
        ('created_at = { field = "v", format = "%Y" }', 1999, "1999-01-01T00:00:00.000Z"),
        ('created_at = { field = "v", format = "unix" }', 0, "1970-01-01T00:00:00.000Z"),
        ('created_at = { template = "{v}-01-01T00:00:00Z" }', 1999, "1999-01-01T00:00:00.000Z"),
        ("created_at = 2026-01-31", None, "2026-01-31T00:00:00.000Z"),
        ("created_at = 2026-01-31T12:00:00+01:00", None, "2026-01-31T11:00:00.000Z"),
        ("created_at = 2026-01-31T12:00:00", None, "2026-01-31T12:00:00.000Z"),
        ('created_at = "2026-01-31T12:00:00Z"', None, "2026-01-31T12:00:00.000Z"),
    ],
)
def test_rules_of_times(tmp_path: Path, rule: str, value: Any, expected: str | None) -> None:
    assert one(tmp_path, rule, value, "entity") == expected


def test_a_time_that_is_none_names_its_column(tmp_path: Path) -> None:
    said = one(tmp_path, 'created_at = { field = "v" }', "soon", "entity")
    assert said.startswith('created_at: column "v": "soon" is not an RFC 3339 time')


def test_ids_are_brought_to_nfc_and_filled_from_several_columns(tmp_path: Path) -> None:
    mapping = SMALLEST.replace('{ field = "a" }', '{ template = "{a}/{b}{{}}" }')
    (found,) = documents(tmp_path, mapping, "a,b\ne\u0301,2\n")
    assert found["id"] == "\u00e9/2{}"


@pytest.mark.parametrize(
    ("cells", "reason"),
    [
        (",2", 'column "a": has no value'),
        ("x\x07,2", 'holds a control character (from column "a", "b")'),
        (f"{'x' * 300},2", 'must be 1 to 256 bytes of UTF-8, has 302 (from column "a", "b")'),
    ],
)
def test_an_id_that_is_none_names_its_columns(tmp_path: Path, cells: str, reason: str) -> None:
    mapping = SMALLEST.replace('{ field = "a" }', '{ template = "{a}/{b}" }')
    ((place, said),) = errors(items(tmp_path, mapping, f"a,b\n{cells}\n"))
    assert place == "line 2"
    assert said.startswith("id: ")
    assert reason in said


@pytest.mark.parametrize(
    ("options", "state"),
    [
        ("", {"b": "1", "c": "", "d": "yes"}),
        ('columns = "all"', {"a": "x", "b": "1", "c": "", "d": "yes"}),
        ('columns = ["d", "a"]', {"a": "x", "d": "yes"}),
        ("columns = []", {}),
        ('drop = ["b"]', {"c": "", "d": "yes"}),
        ('columns = "all"\ndrop = ["a", "b"]', {"c": "", "d": "yes"}),
        ('drop = ["d"]\nrename = { b = "count" }', {"count": "1", "c": ""}),
        ('columns = ["b"]\nconstant = { source = "me", deep = { n = [1, 2.5, true] } }',
         {"b": "1", "source": "me", "deep": {"n": [1, 2.5, True]}}),
    ],
)  # fmt: skip
def test_which_columns_go_to_state_and_how_they_are_named(tmp_path: Path, options: str, state: dict[str, Any]) -> None:
    (found,) = documents(tmp_path, f"{SMALLEST}\n[state]\n{options}", "a,b,c,d\nx,1,,yes\n")
    assert found["state"] == state


def test_declared_types_convert_and_make_null_of_what_is_empty(tmp_path: Path) -> None:
    types = 'b = "integer"\nc = "number"\nd = "boolean"\ne = "json"\nf = "string"'
    table = 'a,b,c,d,e,f\nx,1,1.50,yes,"[1,{""k"":2}]",7\ny,,,,,\n'
    found = documents(tmp_path, f"{SMALLEST}\n[types]\n{types}", table)
    assert found[0]["state"] == {"b": 1, "c": 1.5, "d": True, "e": [1, {"k": 2}], "f": "7"}
    assert found[1]["state"] == {"b": None, "c": None, "d": None, "e": None, "f": ""}
    dropped = documents(tmp_path, f'{SMALLEST}\n[types]\n{types}\n[state]\nnulls = "drop"', table)
    assert dropped[1]["state"] == {"f": ""}


def test_types_and_rules_work_on_objects_too(tmp_path: Path) -> None:
    mapping = f'{SMALLEST}\n[types]\nn = "string"\nm = "number"'
    (found,) = documents(tmp_path, mapping, '[{"a": 5, "n": 1.0, "m": "2", "k": null}]', "x.json")
    assert (found["id"], found["state"]) == ("5", {"n": "1", "m": 2, "k": None})


@pytest.mark.parametrize(
    ("extra", "row", "reason"),
    [
        ('[types]\nb = "integer"', {"a": "x", "b": "no"}, "'no' is not a number such as -1.5; [types] says integer"),
        ('[state]\nrename = { b = "c" }', {"a": "x", "b": 1, "c": 2}, 'column "c": another member has this name'),
        ("", {"a": "x", "b": 2**60}, "state.b: "),
        ("", {"b": 1}, "has no member 'a'; if that is meant, set missing"),
        ("", {"a": None}, 'id: column "a": has no value'),
    ],
)  # fmt: skip
def test_rows_that_make_no_entity_say_why(tmp_path: Path, extra: str, row: dict[str, Any], reason: str) -> None:
    ((place, said),) = errors(items(tmp_path, f"{SMALLEST}\n{extra}", json.dumps(row), "x.ndjson"))
    assert place == "line 1"
    assert reason in said


def test_members_that_objects_lack_may_count_as_null(tmp_path: Path) -> None:
    mapping = f'[source]\nmissing = "null"\n{SMALLEST}\nlineage = {{ field = "n", default = 4 }}'
    found = documents(tmp_path, mapping, '[{"a": "x"}, {"a": "y", "n": 1}]', "x.json")
    assert [document["coordinates"]["lineage"] for document in found] == [4, 1]


@pytest.mark.parametrize(
    ("extra", "where"),
    [
        ('lineage = { field = "z" }', "[coordinates] lineage"),
        ('adjacency = { template = ["a/{a}", "z/{z}"] }', "[coordinates] adjacency"),
        ('[types]\nz = "number"', "[types] z"),
        ('[state]\ndrop = ["z"]', "[state] drop"),
        ('[state]\nrename = { z = "y" }', "[state] rename"),
        ('[state]\ncolumns = ["z"]', "[state] columns"),
    ],
)
def test_a_column_that_the_table_lacks_is_a_configuration_error(tmp_path: Path, extra: str, where: str) -> None:
    with pytest.raises(ConfigError) as caught:
        items(tmp_path, f"{SMALLEST}\n{extra}\n", "a,b\nx,1\n")
    assert str(caught.value) == f"{tmp_path / 'map.toml'}: {where}: x.csv has no column 'z'; it has 'a', 'b'"


def test_bad_rows_do_not_stop_the_rest_and_running_again_is_a_no_op(tmp_path: Path) -> None:
    table = "a,b\nx,1\ny\nz,3\n,4\n"
    repo = memory_repository()
    done = imported(repo, items(tmp_path, SMALLEST, table))
    assert done.counts() == {"read": 4, "new": 2, "bad": 2}
    assert [place for place, _ in done.reasons()] == ["line 3", "line 5"]
    assert imported(repo, items(tmp_path, SMALLEST, table)).counts() == {"read": 4, "existed": 2, "bad": 2}


def test_a_changed_row_is_a_conflict_and_with_update_the_next_version(tmp_path: Path) -> None:
    repo = memory_repository()
    imported(repo, items(tmp_path, SMALLEST, "a,b\nx,1\ny,1\n"))
    changed = "a,b\nx,2\ny,1\n"
    done = imported(repo, items(tmp_path, SMALLEST, changed))
    assert done.counts() == {"read": 2, "existed": 1, "conflict": 1}
    assert done.problems[0].place == "line 2"
    assert imported(repo, items(tmp_path, SMALLEST, changed), update=True).counts() == {
        "read": 2,
        "new": 1,
        "existed": 1,
    }
    assert imported(repo, items(tmp_path, SMALLEST, changed)).counts() == {"read": 2, "existed": 2}
    assert repo.current("x").state == {"b": "2"}


@given(st.permutations(["x,1", "y,2", "z,3"]))
def test_nothing_depends_on_the_rank_of_a_row(tmp_path_factory: pytest.TempPathFactory, rows: list[str]) -> None:
    folder = tmp_path_factory.mktemp("ranks")
    made = items(folder, SMALLEST, "a,b\n" + "\n".join(rows))
    plain = items(folder, SMALLEST, "a,b\nx,1\ny,2\nz,3")
    assert sorted(documents_of(made)) == documents_of(plain)


@given(st.floats(-90, 90))
def test_a_scale_stays_in_its_range_and_rises(value: float) -> None:
    spec = {"scale": "v", "from": [-90, 90], "to": [-1, 1]}
    evaluate = compile_rule("coordinates.resonance", spec).evaluate
    scaled = evaluate({"v": value})
    assert -1 <= scaled <= 1
    assert round(scaled * SCALE) == pytest.approx(value / 90 * SCALE, abs=1)
    assert evaluate({"v": -90}) == -1
    assert evaluate({"v": 90}) == 1


def test_memory_does_not_grow_with_the_number_of_rows(tmp_path: Path) -> None:
    (tmp_path / "map.toml").write_text(SMALLEST, encoding="utf-8")
    mapping = load_mapping(tmp_path / "map.toml")

    class Generated(io.RawIOBase):
        name = "x.csv"

        def __init__(self, count: int) -> None:
            self.left = count
            self.first = True

        def readable(self) -> bool:
            return True

        def read(self, size: int | None = -1) -> bytes:
            if self.first:
                self.first = False
                return b"a,b\n"
            many = min(self.left, 100)
            self.left -= many
            return b"some id,some text\n" * many

    def peak(count: int) -> int:
        def work() -> None:
            source: Any = Generated(count)
            assert sum(1 for _ in read_table(source, mapping)) == count

        return peak_memory(work)

    peak(100)
    assert peak(4_000) < peak(500) * 1.2


def test_the_airports_of_the_examples_are_mapped(checkout: Path) -> None:
    table = "iata,name,city,state,country,latitude,longitude\n"
    table += "JFK,Kennedy,New York,NY,USA,40.6,-73.8\nROR,Koror,NA,NA,Palau,7.4,134.5\n"
    mapping = load_mapping(checkout / "examples" / "airports.toml")
    repo = memory_repository()
    done = imported(repo, read_table(Named(table.encode(), "airports.csv"), mapping))
    assert done.counts() == {"read": 2, "new": 2}
    assert [entity.id for entity in repo.find(Query(adjacent_to="state/NY", horizon="peak"))] == ["airport/JFK"]
    koror = repo.current("airport/ROR")
    assert koror.coordinates.adjacency == ("country/Palau",)
    assert koror.state == {
        "name": "Koror", "city": None, "state": None, "country": "Palau", "latitude": 7.4, "longitude": 134.5,
        "source": "vega_datasets",
    }  # fmt: skip


def test_a_table_written_by_csv_in_another_dialect_is_read_with_its_options(tmp_path: Path) -> None:
    text = io.StringIO()
    csv.writer(text, delimiter=";", quotechar="'").writerows([["a", "b"], ["it's", "x;y"]])
    mapping = f"[source]\ndelimiter = ';'\nquote = \"'\"\n{SMALLEST}"
    (found,) = documents(tmp_path, mapping, text.getvalue())
    assert (found["id"], found["state"]) == ("it's", {"b": "x;y"})
