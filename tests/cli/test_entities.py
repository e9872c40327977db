"""put, get, head, history, neighbours, address, find, explain."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest

from tests.cli.conftest import Run, as_json, document

GOOD = as_json()
MALFORMED: dict[str, tuple[bytes, str]] = {
    "empty input": (b"", "not JSON"),
    "not JSON": (b"{", "not JSON"),
    "trailing bytes": (GOOD + b"x", "not JSON"),
    "two documents": (GOOD + GOOD, "not JSON"),
    "a byte-order mark": (b"\xef\xbb\xbf" + GOOD, "byte-order mark"),
    "invalid UTF-8": (GOOD.replace(b"Ada", b"A\xffa"), "not UTF-8"),
    "UTF-16": (GOOD.decode().encode("utf-16"), "UTF-8"),
    "an array": (b"[]", "must be an object"),
    "a number": (b"7", "must be an object"),
    "a missing member": (GOOD.replace(b'"files": [], ', b""), "files: this member is missing"),
    "an unknown member": (GOOD[:-1] + b', "colour": 1}', "colour: unknown member"),
    "a repeated member": (GOOD[:-1] + b', "id": "hero/ada"}', "id: this member name occurs twice"),
    "a repeated member of state": (GOOD.replace(b'"Ada"', b'"Ada", "name": "Ada"'), "state.name: "),
    "version 2": (as_json(stat7=2), "stat7: "),
    "version true": (as_json(stat7=True), "stat7: "),
    "an empty id": (as_json(id=""), "id: "),
    "a long id": (as_json(id="x" * 257), "id: "),
    "a control character in the id": (as_json(id="a\nb"), "id: "),
    "an id that is not NFC": (as_json(id="e\u0301"), "id: "),
    "a numeric id": (as_json(id=7), "id: "),
    "a bad type": (as_json(entity_type="Hero"), "entity_type: "),
    "a local time": (as_json(created_at="2026-01-31T12:00:00"), "created_at: "),
    "microseconds": (as_json(created_at="2026-01-31T12:00:00.000001Z"), "created_at: "),
    "the 30th of February": (as_json(created_at="2026-02-30T12:00:00Z"), "created_at: "),
    "a bad realm": (as_json(realm="Narrative"), "coordinates.realm: "),
    "a negative lineage": (as_json(lineage=-1), "coordinates.lineage: "),
    "a fractional lineage": (as_json(lineage=1.5), "coordinates.lineage: "),
    "a huge lineage": (as_json(lineage=2**53), "coordinates.lineage: "),
    "adjacency as text": (as_json(adjacency="town/oxbow"), "coordinates.adjacency: "),
    "a bad neighbour": (as_json(adjacency=["a", ""]), "coordinates.adjacency[1]: "),
    "too many neighbours": (as_json(adjacency=[str(n) for n in range(1025)]), "coordinates.adjacency: "),
    "an unknown horizon": (as_json(horizon="noon"), "coordinates.horizon: "),
    "a resonance over 1": (as_json(resonance=1.5), "coordinates.resonance: "),
    "a density under 0": (as_json(density=-0.1), "coordinates.density: "),
    "a density in words": (as_json(density="high"), "coordinates.density: "),
    "a velocity of true": (as_json(velocity=True), "coordinates.velocity: "),
    "NaN": (GOOD.replace(b"0.45", b"NaN"), "coordinates.density: "),
    "infinity": (GOOD.replace(b"0.45", b"1e999"), "coordinates.density: "),
    "NaN in state": (GOOD.replace(b'"Ada"', b"NaN"), "state.name: "),
    "a lone surrogate": (GOOD.replace(b'"Ada"', b'"\\ud800"'), "state.name: "),
    "an integer others would round": (as_json(state={"n": 2**53}), "state.n: "),
    "state as an array": (as_json(state=[]), "state: "),
    "deep nesting": (GOOD.replace(b'"Ada"', b"[" * 70 + b"]" * 70), "nested"),
    "very deep nesting": (GOOD.replace(b'"Ada"', b"[" * 100_000 + b"]" * 100_000), "nested"),
    "a document over the limit": (as_json(state={"text": "x" * 262_144}), "limit"),
    "files as an object": (as_json(files={}), "files: "),
    "a file without a hash": (as_json(files=[{"name": "a", "media_type": "a/b", "size": 1}]), "files[0].sha256: "),
    "a file not stored": (
        as_json(files=[{"name": "a", "media_type": "a/b", "size": 1, "sha256": "0" * 64}]),
        "files[0].sha256: ",
    ),
    "a bad previous": (as_json(previous="abc"), "previous: "),
}


@pytest.mark.parametrize("kind", MALFORMED)
def test_put_refuses_a_malformed_document_in_one_line_and_stores_nothing(run: Run, kind: str) -> None:
    text, named = MALFORMED[kind]
    assert run("init").code == 0
    done = run("put", "-", stdin=text)
    assert (done.code, done.out) == (1, b"")
    assert len(done.err.splitlines()) == 1
    assert named in done.err
    stats = json.loads(run("stats", "--json").out)
    assert (stats["entities"], stats["heads"], stats["files"]["stored"]) == (0, 0, 0)


def test_put_prints_the_address_that_get_raw_hashes_to(run: Run) -> None:
    address = run("put", "-", stdin=GOOD).text.strip()
    raw = run("get", address, "--raw").out
    assert hashlib.sha256(raw).hexdigest() == address
    assert json.loads(raw) == document()
    assert json.loads(run("get", address).out) == document()
    assert run("get", address.upper(), "--json").out == raw + b"\n"


def test_get_takes_a_cid_and_an_id(run: Run) -> None:
    run("put", "-", stdin=GOOD)
    named = json.loads(run("address", "-", "--json", stdin=GOOD).out)
    assert run("get", named["cid"], "--raw").out == run("get", "--id", "hero/ada", "--raw").out
    assert run("head", "hero/ada").text.strip() == named["address"]
    assert named["locator"].startswith("stat7://narrative/3/")


def test_what_is_missing_is_exit_3_and_a_bad_address_exit_2(run: Run) -> None:
    run("init")
    assert run("get", "0" * 64).code == 3
    assert run("head", "nobody").code == 3
    assert run("get", "xyz").code == 2
    assert run("get").code == 2


def test_reading_where_no_store_is_says_so_and_makes_none(run: Run, tmp_path: Path) -> None:
    done = run("find")
    assert done.code == 2
    assert "stat7 init" in done.err
    assert list(tmp_path.iterdir()) == []


def test_a_conflict_is_exit_4_and_names_the_current_head(run: Run) -> None:
    address = run("put", "-", stdin=GOOD).text.strip()
    done = run("put", "-", stdin=as_json(state={"name": "Bob"}))
    assert done.code == 4
    assert address in done.err
    following = run("put", "-", "--json", stdin=as_json(state={"name": "Bob"}, previous=address))
    assert json.loads(following.out)["status"] == "new"
    versions = run("history", "hero/ada").lines
    assert [line.split("\t")[0] for line in versions] == [json.loads(following.out)["address"], address]


def test_put_attach_stores_the_file_and_lists_it(run: Run, tmp_path: Path) -> None:
    cover = tmp_path / "cover.png"
    cover.write_bytes(b"not really a picture")
    address = run("put", "-", "--attach", cover, stdin=GOOD).text.strip()
    (entry,) = json.loads(run("get", address).out)["files"]
    assert entry["name"] == "cover.png"
    assert entry["media_type"] == "image/png"
    assert run("file", "cat", entry["sha256"]).out == b"not really a picture"
    assert run("find", "--file", entry["sha256"], "--addresses").lines == [address]


def test_find_by_options_and_by_locator_agree(run: Run) -> None:
    for number in range(5):
        run("put", "-", stdin=as_json(id=f"hero/{number}", resonance=number / 4))
    by_options = run("find", "--realm", "narrative", "--resonance", "0.5..", "--addresses").lines
    by_locator = run("find", "stat7://narrative/3/*/peak?r=0.5..1", "--addresses").lines
    assert len(by_options) == 3
    assert by_options == by_locator
    documents = [json.loads(line) for line in run("find", "--resonance", "0.5..", "--json").lines]
    assert sorted(found["id"] for found in documents) == ["hero/2", "hero/3", "hero/4"]
    assert len(run("find", "--limit", "2").lines) == 2


def test_nothing_found_is_no_error(run: Run) -> None:
    run("init")
    assert run("find", "--realm", "void") == (0, b"", "")


@pytest.mark.parametrize(
    "arguments",
    [
        ("--resonance", "1..0"),
        ("--resonance", "abc"),
        ("--horizon", "peak..genesis"),
        ("--realm", ","),
        ("--created", "yesterday"),
        ("--file", "abc"),
        ("stat7://narrative/1/abc/peak",),
        ("http://x",),
    ],
)
def test_a_query_that_cannot_be_understood_is_exit_2(run: Run, arguments: tuple[str, ...]) -> None:
    run("init")
    done = run("find", *arguments)
    assert done.code == 2
    assert len(done.err.splitlines()) == 1


def test_explain_names_the_way(run: Run) -> None:
    run("put", "-", stdin=GOOD)
    plan = json.loads(run("explain", "--adjacent-to", "town/oxbow", "--json").out)
    assert plan["method"]
    assert plan["matches"] == 1
    assert run("explain", "--realm", "narrative").code == 0


def test_neighbours_in_both_directions(run: Run) -> None:
    run("put", "-", stdin=as_json())
    run("put", "-", stdin=as_json(id="town/oxbow", adjacency=["hero/ada", "river"]))
    lines = [line.split("\t")[:2] for line in run("neighbours", "hero/ada").lines]
    assert lines == [["<->", "town/oxbow"]]
    arrows = {json.loads(line)["id"]: json.loads(line) for line in run("neighbours", "town/oxbow", "--json").lines}
    assert arrows["river"]["outgoing"]
    assert not arrows["river"]["incoming"]
    assert run("neighbours", "nobody").code == 3


def test_hostile_text_does_not_reach_the_terminal(run: Run) -> None:
    run("put", "-", stdin=as_json(id="a\u202eb"))
    assert "\u202e" not in run("find").text
