"""Rows of CSV, TSV, JSON and NDJSON: places, dialects, encodings, and faults that cost one row."""

from __future__ import annotations

import csv
import gzip
import io
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stat7.errors import ConfigError
from stat7.importers import rows as rows_module
from stat7.importers.mapping import SourceOptions
from stat7.importers.rows import read_rows
from stat7.importers.streams import MAX_LINE


class Named(io.BytesIO):
    """Bytes with the name of a file."""

    def __init__(self, data: bytes, name: str) -> None:
        super().__init__(data)
        self.name = name


def read(data: bytes, name: str = "x.csv", **options: Any) -> list[tuple[str, dict[str, Any] | str]]:
    """Place and values, or the error's text, of each row."""
    found = read_rows(Named(data, name), SourceOptions(**options), lambda columns: None)
    return [(row.place, row.values if row.error is None else str(row.error)) for row in found]


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("x.csv", b"a,b\n1,x\n2,y\n"),
        ("x.tsv", b"a\tb\n1\tx\n2\ty\n"),
        ("x.TAB", b"a\tb\r\n1\tx\r\n2\ty"),
        ("x.csv.gz", gzip.compress(b"a,b\n1,x\n2,y\n", mtime=0)),
    ],
)
def test_text_tables_are_read_by_their_names_with_the_lines_they_stand_on(name: str, data: bytes) -> None:
    assert read(data, name) == [("line 2", {"a": "1", "b": "x"}), ("line 3", {"a": "2", "b": "y"})]


@pytest.mark.parametrize(
    ("name", "data", "place"),
    [
        ("x.json", b'[{"a":1},\n {"a":2.5}]', "row"),
        ("x.ndjson", b'{"a":1}\n{"a":2.5}', "line"),
        ("x.jsonl.gz", gzip.compress(b'{"a":1}\r\n{"a":2.5}\n'), "line"),
        ("x.ndjson", b'\xef\xbb\xbf{"a":1}\n{"a":2.5}\n\n', "line"),
    ],
)
def test_tables_of_objects_keep_their_types(name: str, data: bytes, place: str) -> None:
    assert read(data, name) == [(f"{place} 1", {"a": 1}), (f"{place} 2", {"a": 2.5})]


def test_an_unknown_name_needs_a_format() -> None:
    with pytest.raises(ConfigError, match=r"x.dat: the name does not tell its format; add format"):
        read(b"", "x.dat")
    assert read(b"a\n1\n", "x.dat", format="csv") == [("line 2", {"a": "1"})]


@given(
    st.lists(
        st.lists(st.text(st.characters(codec="utf-8", exclude_categories=["Cs"]), max_size=5), min_size=2, max_size=2),
        max_size=5,
    ),
    st.sampled_from([",", ";", "\t", "|"]),
    st.sampled_from(["\n", "\r\n"]),
    st.sampled_from(["utf-8", "utf-8-sig", "utf-16"]),
)
def test_what_csv_writes_is_read_back(cells: list[list[str]], delimiter: str, end: str, encoding: str) -> None:
    text = io.StringIO()
    writer = csv.writer(text, delimiter=delimiter, lineterminator=end, quoting=csv.QUOTE_ALL)
    writer.writerows([["a", "b"], *cells])
    found = read(text.getvalue().encode(encoding), delimiter=delimiter, encoding=encoding)
    assert [values for _, values in found] == [{"a": first, "b": second} for first, second in cells]


def test_a_row_over_several_lines_stands_where_it_begins() -> None:
    data = b'a,b\n"one\ntwo",x\n\n"three",y\n'
    assert [place for place, _ in read(data)] == ["line 2", "line 5"]


def test_dialects() -> None:
    assert read(b"a;b\n'x;y';2\n", delimiter=";", quote="'") == [("line 2", {"a": "x;y", "b": "2"})]
    assert read(b'a,b\n"x,2\n', quote="") == [("line 2", {"a": '"x', "b": "2"})]
    assert read(b"a,b\n x , 2 \n", strip=True) == [("line 2", {"a": "x", "b": "2"})]
    assert read(b"a,b\nNA,\n", nulls=frozenset({"NA", ""})) == [("line 2", {"a": None, "b": None})]
    assert read(b"1,2\n", header=False, columns=("a", "b")) == [("line 1", {"a": "1", "b": "2"})]
    assert read(b"x,y\n1,2\n", columns=("a", "b")) == [("line 2", {"a": "1", "b": "2"})]
    assert read(b"a\n\xe9\n", encoding="latin-1") == [("line 2", {"a": "é"})]


FAULTS = [
    (b"1,2,3", "has 3 cells, the table has 2 columns"),
    (b"1", "has 1 cells, the table has 2 columns"),
    (b'"x"y,2', "not well formed"),
    (b"\xff,2", "holds bytes that are not utf-8; set `encoding`"),
    (b"1," + b"x" * 200_000, "field larger than field limit"),
    (b"1," + b"x" * (MAX_LINE + 9), "longer than 8388608 bytes"),
]


@pytest.mark.parametrize(("row", "reason"), FAULTS, ids=[reason for _, reason in FAULTS])
def test_a_bad_row_is_named_and_does_not_stop_the_rest(row: bytes, reason: str) -> None:
    first, (place, text), last = read(b"a,b\n1,x\n" + row + b"\n2,y\n")
    assert first == ("line 2", {"a": "1", "b": "x"})
    assert last == ("line 4", {"a": "2", "b": "y"})
    assert place == "line 3"
    assert reason in text


@pytest.mark.parametrize("end", [b"", b"\n"])
def test_a_quote_that_is_never_closed_is_told(end: bytes) -> None:
    assert read(b'a\n1\n"open' + end)[1:] == [("line 3", "not well formed: unexpected end of data")]


def test_a_long_last_line_is_passed_over(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rows_module, "MAX_LINE", 20)
    found = read(b"a\n1\n" + b"x" * 50)
    assert found[0] == ("line 2", {"a": "1"})
    assert [place for place, _ in found] == ["line 2", "line 3"]
    assert "longer than" in str(found[1][1])


OBJECT_FAULTS = [
    (b"{", "not JSON"),
    (b"[1]", "must be a JSON object"),
    (b"7", "must be a JSON object"),
    (b'{"a":1,"a":2}', "twice"),
    (b'{"a":"\xff"}', "not UTF-8"),
]


@pytest.mark.parametrize(("row", "reason"), OBJECT_FAULTS)
def test_a_bad_object_on_a_line_does_not_stop_the_rest(row: bytes, reason: str) -> None:
    found = read(b'{"a":0}\n' + row + b'\n{"a":9}', "x.ndjson")
    assert (found[0], found[2]) == (("line 1", {"a": 0}), ("line 3", {"a": 9}))
    assert reason in str(found[1][1])


@pytest.mark.parametrize(("row", "reason"), OBJECT_FAULTS[1:])
def test_a_bad_element_does_not_stop_the_rest(row: bytes, reason: str) -> None:
    found = read(b'[{"a":0},' + row + b',{"a":9}]', "x.json")
    assert (found[0], found[2]) == (("row 1", {"a": 0}), ("row 3", {"a": 9}))
    assert reason in str(found[1][1])


@pytest.mark.parametrize("name", ["x.ndjson", "x.json", "x.csv"])
def test_rows_over_the_limit_of_length_are_passed_over(name: str) -> None:
    long = json.dumps({"a": "x" * MAX_LINE})
    data = {"x.ndjson": f'{long}\n{{"a":"1"}}', "x.json": f'[{long},{{"a":"1"}}]', "x.csv": f"a\n{long}\n1\n"}[name]
    bad, good = read(data.encode(), name)
    assert "longer than" in str(bad[1])
    assert good[1] == {"a": "1"}


@pytest.mark.parametrize("name", ["x.ndjson", "x.json", "x.csv"])
def test_a_broken_gzip_file_ends_with_an_error_that_names_it(name: str) -> None:
    rows = [{"a": str(number)} for number in range(40_000)]
    text = {
        "x.ndjson": "\n".join(map(json.dumps, rows)),
        "x.json": json.dumps(rows),
        "x.csv": "a\n" + "\n".join(row["a"] for row in rows),
    }[name]
    packed = gzip.compress(text.encode())
    found = read(packed[: len(packed) * 3 // 4], name)
    assert len(found) > 1000
    assert found[0][1] == {"a": "0"}
    assert f"{name}: the gzip data is cut off" in str(found[-1][1])


def test_an_array_that_is_cut_off_ends_with_an_error() -> None:
    (_, first), (place, text) = read(b'[{"a":1},{"a":', "x.json")
    assert first == {"a": 1}
    assert place == "row 2"
    assert "cut off" in str(text)


@pytest.mark.parametrize(
    ("data", "options", "reason"),
    [
        (b"a,,c\n", {}, "column 2 has no name"),
        (b"a,b,a\n", {}, 'two columns are named "a"'),
        (b"a,b\n", {"columns": ("x",)}, r"the header has 2 columns, \[source\] columns names 1"),
        (b'"a"x,b\n', {}, "the header can't be read"),
        (b"\xff,b\n", {}, "the header holds bytes that are not utf-8"),
    ],
)
def test_a_header_that_cannot_be_used_is_a_configuration_error(
    data: bytes, options: dict[str, Any], reason: str
) -> None:
    with pytest.raises(ConfigError, match=f"x.csv: {reason}"):
        read(data, **options)


@pytest.mark.parametrize("data", [b"", b"\n\n", b"a,b\n", b"\xef\xbb\xbf"])
def test_a_table_of_nothing_has_no_rows(data: bytes) -> None:
    assert read(data) == []


def test_text_that_is_not_in_its_encoding_at_all_is_told() -> None:
    ((place, text),) = read("a\n1\n".encode("utf-16")[:-1], encoding="utf-16")[-1:]
    assert "not utf-16" in str(text)
    assert place == "line 2"


def test_the_columns_are_checked_before_any_row() -> None:
    seen: list[list[str]] = []
    list(read_rows(Named(b"a,b\n1,2\n", "x.csv"), SourceOptions(), lambda columns: seen.append(list(columns))))
    assert seen == [["a", "b"]]


def test_a_missing_file_is_a_configuration_error(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="can't be opened"):
        list(read_rows(tmp_path / "x.csv", SourceOptions(), lambda columns: None))
