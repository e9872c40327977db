"""Write spec/vectors/*.json: what entity documents mean, worked out without stat7.

Usage: python scripts/make_vectors.py [--check]     --check writes nothing; exit 1 if a file is not up to date

Each valid vector is an input text and the facts it states, given by hand in normal form (vector_cases.py). Canonical
bytes come from the published package rfc8785, addresses and CIDs from hashlib and base64, locators from the facts.
Invalid ones are an input, the path of the fault and its kind, by hand (vector_faults.py). spec/vectors/README.md
explains the files.
"""

from __future__ import annotations

import argparse
import base64
import copy
import hashlib
import json
import struct
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import rfc8785
from vector_cases import NUMBERS, SORTED_NAMES, Raw, Text, valid_cases
from vector_faults import invalid_cases

FOLDER = Path(__file__).resolve().parent.parent / "spec" / "vectors"


def expand(text: Text) -> str:
    """The string that a text of the vector files stands for (see spec/vectors/README.md)."""
    if isinstance(text, str):
        return text
    return "".join(_expand_piece(piece) for piece in text)


def _expand_piece(piece: str | dict[str, Any]) -> str:
    if isinstance(piece, str):
        return piece
    if "repeat" in piece:
        return str(piece["repeat"]) * int(piece["times"])
    numbers = range(piece["first"], piece["last"] + 1)
    return str(piece["between"]).join(
        f"{piece['before']}{number:0{piece['digits']}d}{piece['after']}" for number in numbers
    )


def write_text(value: Any) -> Text:
    """A document as JSON text, in which a Raw stands for its own text."""
    raws: list[Text] = []

    def replaced(item: Any) -> Any:
        if isinstance(item, Raw):
            raws.append(item.text)
            return f"\ue123{len(raws) - 1}\ue124"
        if isinstance(item, dict):
            return {name: replaced(inner) for name, inner in item.items()}
        return [replaced(inner) for inner in item] if isinstance(item, list) else item

    text = json.dumps(replaced(value), ensure_ascii=False, separators=(",", ":"))
    pieces: list[str | dict[str, Any]] = []
    rest = text
    for number, raw in enumerate(raws):
        before, _, rest = rest.partition(f'"\ue123{number}\ue124"')
        pieces += [before, *([raw] if isinstance(raw, str) else raw)]
    return _joined([*pieces, rest])


def _joined(pieces: Sequence[str | dict[str, Any]]) -> Text:
    joined: list[str | dict[str, Any]] = []
    for piece in pieces:
        if isinstance(piece, str) and joined and isinstance(joined[-1], str):
            joined[-1] += piece
        elif piece != "":
            joined.append(piece)
    return joined[0] if len(joined) == 1 and isinstance(joined[0], str) else joined


def _plain(value: Any) -> Any:
    """The facts with every Raw read as JSON, and integers as the binary64 they are read as."""
    if isinstance(value, Raw):
        return _plain(json.loads(expand(value.text)))
    if isinstance(value, dict):
        return {name: _plain(item) for name, item in value.items()}
    if isinstance(value, list):
        return [_plain(item) for item in value]
    return float(value) if type(value) is int and abs(value) >= 2**53 else value


def _valid(name: str, given: Text, facts: dict[str, Any], same_facts: bool, canonical: Text | None) -> dict[str, Any]:
    plain = _plain(facts)
    data = rfc8785.dumps(plain)
    if canonical is not None and expand(canonical).encode() != data:
        raise SystemExit(f"{name}: the canonical text written by hand is not what rfc8785 writes")
    address = hashlib.sha256(data).hexdigest()
    cid = base64.b32encode(bytes.fromhex("0180041220" + address)).decode().rstrip("=").lower()
    place = plain["coordinates"]
    neighbours = hashlib.sha256(rfc8785.dumps(place["adjacency"])).hexdigest()[:16]
    reals = (rfc8785.dumps(place[real]).decode() for real in ("resonance", "velocity", "density"))
    return {
        "name": name,
        "input": given,
        "same_facts": same_facts,
        "canonical": data.decode() if canonical is None else canonical,
        "size": len(data),
        "address": address,
        "cid": f"b{cid}",
        "locator": "stat7://{realm}/{lineage}/{}/{horizon}?r={}&v={}&d={}".format(neighbours, *reals, **place),
    }


def make_valid() -> Iterator[dict[str, Any]]:
    """The vectors of valid.json."""
    for case in valid_cases():
        given = case.given if case.given is not None else write_text(case.document)
        yield _valid(case.name, given, case.facts or case.document, case.same_facts, case.canonical)


def make_invalid() -> Iterator[dict[str, Any]]:
    """The vectors of invalid.json."""
    for case in invalid_cases():
        given = case.given if case.given is not None else write_text(copy.deepcopy(case.document))
        form = {"hex": given.hex()} if isinstance(given, bytes) else {"input": given}
        exact = {"exact": True} if case.exact else {}
        yield {"name": case.name, **form, **exact, "path": case.path, "kind": case.kind}


def make_numbers() -> Iterator[dict[str, Any]]:
    """The vectors of numbers.json."""
    for bits, text in NUMBERS:
        value = struct.unpack(">d", bytes.fromhex(bits))[0]
        unsafe = text != "null" and 2**53 <= abs(value) < 10**21
        in_document = "not-finite" if text == "null" else "unsafe-integer" if unsafe else "valid"
        yield {"bits": bits, "text": None if text == "null" else text, "in_document": in_document}


def contents() -> dict[str, str]:
    """The files by name."""
    files: dict[str, Any] = {
        "valid.json": list(make_valid()),
        "invalid.json": list(make_invalid()),
        "numbers.json": list(make_numbers()),
        "sorting.json": SORTED_NAMES,
    }
    return {name: json.dumps({"stat7": 1, "vectors": vectors}, indent=1) + "\n" for name, vectors in files.items()}


def main() -> int:
    """Write the files, or compare them; 1 if they differ."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--check", action="store_true", help="write nothing; exit 1 if a file is not up to date")
    check = parser.parse_args().check
    stale = []
    for name, text in contents().items():
        path = FOLDER / name
        if not path.is_file() or path.read_text("utf-8") != text:
            stale.append(name)
            if not check:
                path.write_text(text, "utf-8", newline="\n")
    print(f"{'not up to date' if check else 'written'}: {', '.join(stale) or 'none'}")
    return 1 if check and stale else 0


if __name__ == "__main__":
    sys.exit(main())
