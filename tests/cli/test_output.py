"""What is printed: safe on a terminal, exact in a pipe."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest
from click import unstyle
from hypothesis import given
from hypothesis import strategies as st

from stat7.cli.output import plain, print_document, print_table, to_json
from stat7.entity import Entity
from tests.cli.conftest import Done, Run, as_json

HOSTILE = "a\x7fb\x9bc\u061cd\u200ee\u2028f\u202eg\u2066h"


@pytest.fixture
def terminal(run: Run, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Commands whose standard output is a terminal."""
    monkeypatch.setenv("COLUMNS", "250")

    def run_there(*arguments: object, **more: bytes) -> Done:
        monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
        return run(*arguments, **more)

    return run_there


@pytest.mark.parametrize("id", ["a\\[/x]", "a\\[bold]z", "[/]", "[red]x[/red]", ":smile:"])
def test_find_shows_ids_as_they_are_on_a_terminal(terminal: Run, id: str) -> None:
    terminal("put", "-", stdin=as_json(id=id))
    done = terminal("find")
    assert done.code == 0
    assert f" {id} " in done.text


def test_find_keeps_every_coordinate_readable_on_eighty_columns(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    entity = as_json(
        id="town/" + "x" * 60,
        coordinates={
            "realm": "narrative", "lineage": 12, "adjacency": [], "horizon": "emergence", "resonance": 0,
            "velocity": -0.12345678, "density": 0,
        },
    )  # fmt: skip
    assert run("put", "-", stdin=entity).code == 0
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setenv("TERM", "dumb")
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    header, line = run("find").text.splitlines()[:2]
    assert header.split() == ["address", "id", "realm", "lineage", "horizon", "resonance", "velocity", "density"]
    assert len(line) <= 80
    assert all(word in line for word in ("narrative", "12", "emergence", "-0.1235", "town"))


def test_what_doctor_says_goes_on_below_its_beginning_on_a_terminal(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = tmp_path / ("x" * 90)
    assert run("init", "--store", f"sqlite:{store}", "--files", "memory:").code == 0
    one_line_each = run("doctor").lines
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    lines = [unstyle(line) for line in run("doctor").lines]
    assert len(lines) > len(one_line_each)
    assert all(len(line) <= 80 or len(line.split()) == 1 for line in lines), lines
    assert {line[:6].strip() for line in lines} == {"", "ok", "warn"}


def test_stats_names_what_it_counts_in_few_words(run: Run) -> None:
    run("put", "-", stdin=as_json())
    names = [line.split("\t")[0] for line in run("stats").lines]
    assert names[:4] == ["store", "files", "store from", "files from"]
    assert "realms narrative" in names
    assert not {"sampled", "kinds store", "realms and horizons estimated from"} & set(names)


def test_columns_wrap_or_are_cut_as_asked(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("COLUMNS", "24")
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    rows = [("word " * 10,)]
    assert print_table(("text",), rows, wrapped=("text",), colours={"word": "red"}) == 1
    assert capsys.readouterr().out.count("word") == 10
    print_table(("text",), rows)
    assert 0 < capsys.readouterr().out.count("word") < 10


def test_the_readable_form_of_get_escapes_what_a_terminal_would_obey(run: Run) -> None:
    address = run("put", "-", stdin=as_json(state={"text": HOSTILE})).text.strip()
    done = run("get", address)
    assert plain(done.text.replace("\n", "")) == done.text.replace("\n", "")
    assert "\\u009b" in done.text
    assert json.loads(done.out)["state"]["text"] == HOSTILE
    assert HOSTILE.encode() in run("get", address, "--raw").out
    assert HOSTILE.encode() in run("get", address, "--json").out


def test_documents_are_escaped_on_a_terminal_too(terminal: Run) -> None:
    address = terminal("put", "-", stdin=as_json(state={"text": HOSTILE})).text.strip()
    for command in (("get", address, "--json"), ("find", "--json"), ("history", "hero/ada", "--json")):
        done = terminal(*command)
        assert json.loads(done.out)["state"]["text"] == HOSTILE
        assert plain(done.text.rstrip("\n")) == done.text.rstrip("\n")


@given(st.recursive(st.text(), lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner)))
def test_json_is_safe_and_means_the_same(value: object) -> None:
    for indent in (None, 2):
        text = to_json(value, indent)
        assert json.loads(text) == value
        assert plain(text.replace("\n", "")) == text.replace("\n", "")


def test_a_document_in_a_pipe_is_its_bytes(capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    document = Entity.from_json(as_json(state={"text": HOSTILE})).canonical
    print_document(document)
    sys.stdout.flush()
    assert capfdbinary.readouterr().out == document + b"\n"


def test_find_in_a_pipe_keeps_every_digit(run: Run) -> None:
    run("put", "-", stdin=as_json(resonance=0.12345678, velocity=-1e-8, density=1))
    assert run("find").lines[0].split("\t")[6:9] == ["0.12345678", "-1e-8", "1"]


def test_explain_of_a_small_store_sounds_like_no_complaint(run: Run, tmp_path: Path) -> None:
    for number in range(5):
        run("put", "-", stdin=as_json(id=f"hero/{number}"))
    text = run("explain", "--velocity", "0.5..").text
    assert "the store is so small that reading about 5 of its 5 rows is cheapest" in text
    assert "scans" not in text
    assert "no index narrows" not in text
