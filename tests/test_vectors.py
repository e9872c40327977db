"""spec/vectors hold for stat7, and for implementations that know nothing of it."""

from __future__ import annotations

import hashlib
import json
import re
import shutil
import struct
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import make_vectors
import pytest
import rfc8785

from stat7.address import from_cid, to_cid
from stat7.canonical import canonicalize, format_number, parse_canonical, parse_json, sort_key
from stat7.entity import Entity
from stat7.errors import InvalidEntity
from stat7.locator import locator_of
from stat7.record import normalise_json, read_canonical
from tests.conftest import missing

ROOT = Path(__file__).resolve().parent.parent
FOLDER = ROOT / "spec" / "vectors"
NODE = Path(__file__).resolve().parent / "vectors_node"

REASONS = {
    "syntax": "not JSON: ",
    "encoding": "not UTF-8: byte 0x",
    "byte-order-mark": "byte-order mark",
    "duplicate": "this member name occurs twice",
    "surrogate": "lone surrogate",
    "not-finite": "is not a JSON number",
    "unsafe-integer": "beyond 2^53 - 1, other readers would round it; write it as a string",
    "nesting": "nested over ",
    "size": "over the limit of 262144; attach a file",
    "missing-member": "this member is missing",
    "unknown-member": "unknown member; allowed are ",
    "type": "must be an? [a-z0-9 \\[\\],-]*, not ",
    "version": "must be the integer 1, not ",
    "range": "must be (in \\[(-1|0), 1\\]|0 to 2\\^53 - 1), is ",
    "length": "must be 1 to 25[56] bytes of UTF-8, has ",
    "control": "holds a control character",
    "nfc": "is not in Unicode normalization form C",
    "token": " is not a token ",
    "horizon": " is not one of genesis, emergence, ",
    "time": " is not (an RFC 3339 time such as|a moment in the years 0001 to 9999)",
    "precision": "finer than a millisecond",
    "digest": "64 lowercase hex digits, not ",
    "media-type": " is not a media type such as image/png",
    "file-name": " may not hold '/' or a control character, nor be '.' or '..'",
    "repeated-name": " is listed twice",
    "count": "over the limit of 1024",
    "not-canonical": "the bytes are not the canonical form",
}
"""What stat7 says of each kind of fault: text, or a pattern where that has more than one form."""
PATTERNS = {"type", "range", "length", "time"}


def vectors(name: str) -> list[Any]:
    """The vectors of one file, as parameters of a test."""
    read = json.loads((FOLDER / name).read_text("utf-8"))["vectors"]
    return [pytest.param(vector, id=vector.get("name") or vector.get("bits")) for vector in read]


def given_bytes(vector: dict[str, Any]) -> bytes:
    """What a vector gives to a way in."""
    return bytes.fromhex(vector["hex"]) if "hex" in vector else make_vectors.expand(vector["input"]).encode()


@pytest.mark.parametrize("vector", vectors("valid.json"))
def test_a_valid_document_has_its_canonical_form_and_names(vector: dict[str, Any]) -> None:
    canonical = make_vectors.expand(vector["canonical"]).encode()
    record = normalise_json(given_bytes(vector))
    assert record.document == canonical
    assert len(canonical) == vector["size"]
    assert record.address == vector["address"] == from_cid(vector["cid"])
    assert to_cid(record.address) == Entity.from_record(record).cid == vector["cid"]
    assert locator_of(record) == vector["locator"]
    assert read_canonical(canonical) == record
    assert Entity.from_dict(parse_json(given_bytes(vector))).record == record
    if vector["same_facts"]:
        assert canonicalize(parse_json(given_bytes(vector))) == canonical
    if given_bytes(vector) != canonical:
        with pytest.raises(InvalidEntity):
            read_canonical(given_bytes(vector))


@pytest.mark.parametrize("vector", vectors("valid.json"))
def test_a_published_python_package_gives_the_same_address(vector: dict[str, Any]) -> None:
    canonical = make_vectors.expand(vector["canonical"]).encode()
    assert hashlib.sha256(rfc8785.dumps(json.loads(canonical))).hexdigest() == vector["address"]


@pytest.mark.parametrize("vector", vectors("invalid.json"))
def test_an_invalid_document_is_refused_with_its_path_and_reason(vector: dict[str, Any]) -> None:
    given = given_bytes(vector)
    ways: list[Callable[[bytes], Any]] = [normalise_json, read_canonical]
    if vector.get("exact"):
        assert normalise_json(given).document != given
        ways.remove(normalise_json)
    for way in ways:
        with pytest.raises(InvalidEntity) as caught:
            way(given)
        reason = REASONS[vector["kind"]]
        assert caught.value.path == vector["path"] or vector["kind"] == "nesting"
        assert caught.value.path.startswith(vector["path"])
        assert re.search(reason if vector["kind"] in PATTERNS else re.escape(reason), caught.value.reason)
        assert str(caught.value).isprintable()


@pytest.mark.parametrize("vector", vectors("numbers.json"))
def test_a_number_is_written_as_ecmascript_does(vector: dict[str, Any]) -> None:
    value = struct.unpack(">d", bytes.fromhex(vector["bits"]))[0]
    if vector["in_document"] == "valid":
        written = b'{"n":%s}' % vector["text"].encode()
        assert canonicalize({"n": value}) == written
        assert parse_canonical(written) == {"n": value}
    else:
        with pytest.raises(InvalidEntity) as caught:
            canonicalize({"n": value})
        assert caught.value.path == "n"
        assert REASONS[vector["in_document"]] in caught.value.reason
    if vector["text"] is not None:
        assert format_number(value) == vector["text"]


@pytest.mark.parametrize("vector", vectors("sorting.json"))
def test_names_are_sorted_by_utf_16(vector: dict[str, Any]) -> None:
    assert sorted(vector["sorted"], key=sort_key) == vector["sorted"]
    written = canonicalize(dict.fromkeys(reversed(vector["sorted"]), 0))
    assert list(json.loads(written)) == vector["sorted"]


def test_the_files_are_those_that_the_script_writes() -> None:
    for name, text in make_vectors.contents().items():
        assert (FOLDER / name).read_text("utf-8") == text, f"{name}: run python scripts/make_vectors.py"


def test_every_kind_of_fault_is_explained_and_shown() -> None:
    page = (FOLDER / "README.md").read_text("utf-8")
    rows = [
        line.split("|")[1] for line in page.partition("| kind | the rule |")[2].splitlines() if line.startswith("| `")
    ]
    explained = set(re.findall(r"`([a-z-]+)`", " ".join(rows)))
    shown = {vector.values[0]["kind"] for vector in vectors("invalid.json")}
    assert explained == shown == set(REASONS)


def test_every_limit_is_shown_at_its_edge_and_one_past_it() -> None:
    accepted = "\n".join(vector.id for vector in vectors("valid.json"))
    refused = "\n".join(vector.id for vector in vectors("invalid.json"))
    for edge, past in (
        ("262144 bytes", "262145 bytes"),
        ("nested 64 deep", "nested 65 deep"),
        ("1024 neighbours", "1025 neighbours"),
        ("1024 files", "1025 files"),
        ("id of 256 bytes", "id of 257 bytes"),
        ("name of 255 bytes", "a file with name \"" + "x" * 256),
        ("lineage 2^53 - 1", "lineage 9007199254740992"),
        ("size 2^53 - 1", "size 9007199254740992"),
        ("number 9007199254740991 in", "the number 9007199254740992"),
        ("number 1e21 in", "the number 999999999999999868928"),
        ("density 0", "density -1e-300"),
        ("resonance 1\n", "resonance 1.0000000000000002"),
        ("time 0001-01-01T00:00:00.000Z", 'created_at "0000-12-31T23:59:59.999Z"'),
    ):  # fmt: skip
        assert edge in accepted
        assert past in refused


def test_a_published_javascript_package_agrees(program: Callable[[str], str], tmp_path: Path) -> None:
    node = program("node")
    install(program("npm") if not (NODE / "node_modules" / "canonicalize").is_dir() else None)
    counts = {name: len(vectors(name)) for name in ("valid.json", "numbers.json", "sorting.json")}
    assert check_with(node, FOLDER) == {"checked": counts, "failures": []}

    planted = shutil.copytree(FOLDER, tmp_path / "vectors")
    for name, member, wrong in (("valid.json", "address", "0" * 64), ("numbers.json", "text", "1e5")):
        content = json.loads((planted / name).read_text("utf-8"))
        content["vectors"][5][member] = wrong
        (planted / name).write_text(json.dumps(content), "utf-8")
    failures = check_with(node, planted)["failures"]
    assert {failure.partition(":")[0] for failure in failures} == {"valid.json", "numbers.json"}


def install(npm: str | None) -> None:
    """Install the locked npm package, unless that was done before (`npm` is None)."""
    if npm is None:
        return
    done = subprocess.run(
        [npm, "ci"], cwd=NODE, capture_output=True, text=True, stdin=subprocess.DEVNULL, timeout=300, check=False
    )
    if done.returncode:
        missing("node", f"npm ci in tests/vectors_node failed; run `make servers`: {done.stderr.strip()[-300:]}")


def check_with(node: str, folder: Path) -> dict[str, Any]:
    """What check.mjs says of the vectors in a folder."""
    command = [node, str(NODE / "check.mjs"), str(folder)]
    done = subprocess.run(command, cwd=NODE, capture_output=True, text=True, encoding="utf-8", check=True, timeout=120)
    result: dict[str, Any] = json.loads(done.stdout)
    return result
