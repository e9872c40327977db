"""How fast facts become addresses: ours against the plainest way with the standard library, on the same documents.

The baseline looks at no rule of RFC 8785 or of the entity. Results are dropped as they come: keeping them would measure
the allocation of memory instead.
"""

from __future__ import annotations

import hashlib
import json
import random
import statistics
from collections import deque
from collections.abc import Iterable
from typing import Any

from _measure import compare, options, report_rate

from stat7.coordinates import HORIZONS, STANDARD_REALMS
from stat7.record import address_of, normalise, normalise_json

COUNT = 500


def make_documents(count: int, seed: int = 7) -> list[dict[str, Any]]:
    """`count` documents of about 405 canonical bytes: 3 or 4 neighbours, 4 to 6 members of state, one nested."""
    source = random.Random(seed)
    return [_document(source, number) for number in range(count)]


def _document(source: random.Random, number: int) -> dict[str, Any]:
    state: dict[str, Any] = {
        "name": f"Ada of Oxbow {number}",
        "level": source.randrange(100),
        "stats": {"health": source.randrange(1000), "luck": round(source.random(), 3)},
        "tags": source.sample(["brave", "exile", "healer", "smith"], 2),
    }
    if source.random() < 0.5:
        state["title"] = "Keeper of the gate"
    if source.random() < 0.5:
        state["met"] = f"{source.randrange(1, 29)} May"
    return {
        "stat7": 1,
        "id": f"hero/{number}",
        "entity_type": "character",
        "created_at": source.choice(
            (None, f"2026-01-{source.randrange(10, 32)}T12:{source.randrange(10, 60)}:00.000Z")
        ),
        "coordinates": {
            "realm": source.choice(STANDARD_REALMS),
            "lineage": source.randrange(60),
            "adjacency": [f"town/{source.randrange(10_000)}" for _ in range(source.choice((3, 4)))],
            "horizon": source.choice(HORIZONS),
            "resonance": round(source.uniform(-1, 1), 4),
            "velocity": round(source.uniform(-1, 1), 8),
            "density": round(source.random(), 2),
        },
        "state": state,
        "files": [],
        "previous": None,
    }


def plain_address(document: dict[str, Any]) -> str:
    """The baseline: sorted JSON and hashlib."""
    return hashlib.sha256(json.dumps(document, sort_keys=True).encode()).hexdigest()


def exhaust(results: Iterable[object]) -> None:
    """Take all results and keep none."""
    deque(results, maxlen=0)


def main() -> None:
    """Run and print both comparisons."""
    rounds = 15 if options(__doc__).quick else 201
    documents = make_documents(COUNT)
    lines = [json.dumps(document).encode() for document in documents]
    size = statistics.mean(len(normalise(document).document) for document in documents)
    note = f"median of {rounds} rounds of {COUNT} documents of {size:.0f} canonical bytes"
    from_documents = compare(
        lambda: exhaust(map(address_of, documents)),
        lambda: exhaust(map(plain_address, documents)),
        rounds=rounds,
    )
    from_lines = compare(
        lambda: exhaust(map(normalise_json, lines)),
        lambda: exhaust(map(plain_address, map(json.loads, lines))),
        rounds=rounds,
    )
    name = "document dict -> address, against json.dumps(sort_keys) + hashlib"
    report_rate(name, from_documents, COUNT, target=3, note=note)
    name = "NDJSON line -> checked record, against json.loads + json.dumps(sort_keys) + hashlib"
    report_rate(name, from_lines, COUNT, target=1.5, note=note)


if __name__ == "__main__":
    main()
