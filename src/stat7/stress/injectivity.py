"""Every single fact of an entity is in its address, and nothing else is."""

from __future__ import annotations

import copy
import json
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from stat7.errors import Stat7Error
from stat7.stress.subject import Addresser
from stat7.stress.workload import Workload

Document = dict[str, Any]

_FILE = {"name": "cover.png", "media_type": "image/png", "size": 2048, "sha256": "ab" * 32}


@dataclass(slots=True)
class Injectivity:
    """What was tried; `kept` names changes that left an address as it was, `moved` the spellings that changed it."""

    changes: int = 0
    spellings: int = 0
    kept: list[str] = field(default_factory=list)
    moved: list[str] = field(default_factory=list)

    @property
    def examples(self) -> dict[str, list[str]]:
        """The kinds of changes and spellings that went wrong, for the results; empty if none did."""
        found = {"unchanged_by": sorted(set(self.kept)), "changed_by": sorted(set(self.moved))}
        return {name: kinds for name, kinds in found.items() if kinds}


def check(addresser: Addresser, workload: Workload, count: int) -> Injectivity:
    """Try every change and every spelling on `count` entities of the workload."""
    found = Injectivity()
    for index in range(count):
        document = workload.document(index) | {"files": [dict(_FILE)]}
        address = _address(addresser, _plain(document))
        seen = {address: "nothing"}
        for name, changed in changes(document):
            found.changes += 1
            other = _address(addresser, _plain(changed))
            if seen.setdefault(other, name) != name:
                found.kept.append(name)
        for name, text in spellings(document, random.Random(index)):
            found.spellings += 1
            if _address(addresser, text) != address:
                found.moved.append(name)
    return found


def changes(document: Document) -> Iterator[tuple[str, Document]]:
    """The document with one fact changed, once for each fact there is; all of them differ from each other."""
    for name, change in _CHANGES.items():
        changed = copy.deepcopy(document)
        change(changed)
        yield name, changed


def spellings(document: Document, rng: random.Random) -> Iterator[tuple[str, bytes]]:
    """The same facts as other JSON texts."""
    yield "white space", json.dumps(document, indent=3, ensure_ascii=False).encode()
    yield "escapes", json.dumps(document).replace("a", "\\u0061").encode()
    yield "order of members", _plain(_shuffled(document, rng))
    exponents = copy.deepcopy(document)
    place = exponents["coordinates"]
    text = _plain(exponents | {"coordinates": place | {"density": "@density"}})
    yield "spelling of a number", text.replace(b'"@density"', f"{place['density'] * 10:.17g}e-1".encode())
    reordered = copy.deepcopy(document)
    neighbours = reordered["coordinates"]["adjacency"]
    reordered["coordinates"]["adjacency"] = [*reversed(neighbours), *neighbours[:1]]
    yield "order of neighbours", _plain(reordered)
    if document["created_at"] is not None:
        moved = copy.deepcopy(document)
        moved["created_at"] = document["created_at"].replace("Z", "+00:00")
        yield "offset of a time", _plain(moved)


def _shuffled(value: Any, rng: random.Random) -> Any:
    if not isinstance(value, dict):
        return value
    names = list(value)
    rng.shuffle(names)
    return {name: _shuffled(value[name], rng) for name in names}


def _plain(document: Document) -> bytes:
    return json.dumps(document, ensure_ascii=False, separators=(",", ":")).encode()


def _address(addresser: Addresser, text: bytes) -> str:
    """The address of a text; an error stands for an address that nothing else has."""
    try:
        return addresser.record(text).address
    except Stat7Error as error:
        return f"refused: {error}"


def _move(name: str) -> Callable[[Document], None]:
    """Change a real coordinate by the smallest step there is."""

    def change(document: Document) -> None:
        value = document["coordinates"][name]
        document["coordinates"][name] = round(value + (1e-8 if value < 0.5 else -1e-8), 8)

    return change


def _set(*path: str | int, to: Any) -> Callable[[Document], None]:
    def change(document: Document) -> None:
        inside: Any = document
        for step in path[:-1]:
            inside = inside[step]
        inside[path[-1]] = to(inside[path[-1]]) if callable(to) else to

    return change


def _other(*choices: str) -> Callable[[str], str]:
    return lambda value: next(choice for choice in choices if choice != value)


_CHANGES: dict[str, Callable[[Document], None]] = {
    "id": _set("id", to=lambda text: f"{text}x"),
    "entity_type": _set("entity_type", to=lambda text: f"{text}x"),
    "created_at": _set("created_at", to=_other("2024-05-06T07:08:09.010Z", "2024-05-06T07:08:09.011Z")),
    "realm": _set("coordinates", "realm", to=_other("data", "void")),
    "lineage": _set("coordinates", "lineage", to=lambda generation: generation + 1),
    "adjacency": _set("coordinates", "adjacency", to=lambda ids: [*ids, "another/neighbour"]),
    "horizon": _set("coordinates", "horizon", to=_other("peak", "decay")),
    "resonance": _move("resonance"),
    "velocity": _move("velocity"),
    "density": _move("density"),
    "state.name": _set("state", "name", to=lambda text: f"{text} "),
    "state.level": _set("state", "level", to=lambda level: level + 1),
    "state.tags": _set("state", "tags", to=lambda tags: [*tags, "more"]),
    "state.note": _set("state", "note", to=lambda text: text.upper()),
    "state, a member more": _set("state", to=lambda state: state | {"more": None}),
    "files, name": _set("files", 0, "name", to="cover.jpg"),
    "files, media type": _set("files", 0, "media_type", to="image/jpeg"),
    "files, size": _set("files", 0, "size", to=2049),
    "files, sha256": _set("files", 0, "sha256", to="cd" * 32),
    "files, none": _set("files", to=[]),
    "previous": _set("previous", to="ef" * 32),
}
