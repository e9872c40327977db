"""What the explorer's tests look at: a small library with pictures, a movie, versions, neighbours and hostile texts."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any, Final, NamedTuple

from stat7.coordinates import HORIZONS
from stat7.repository import Repository
from tests.gateway.conftest import document
from tests.gateway.explorer.movies import png, webm
from tests.repositories import make_repository

REALMS: Final = ("data", "narrative", "event")
CROWD: Final = 75
"""More entities than a view shows at once."""

SCRIPT: Final = '<img src=x onerror="window.harmed=1"><script>window.harmed=1</script>'
HOSTILE: Final = (
    SCRIPT,
    "javascript:window.harmed=1//",
    "\u202egnp.exe\u202c \u200f(rtl)",
    "é" * 128,
    "'\"><svg onload=window.harmed=1>",
    "a/b?c=d&e=f#g%20h+i",
    "__proto__",
)
"""Ids that want to be markup, addresses, or to turn round what stands beside them; one has all 256 bytes."""


class Exhibits(NamedTuple):
    """The library: its folder, and addresses by what is there to see."""

    folder: Path
    hero: str
    older: str
    oldest: str
    movie: str
    picture_file: str
    movie_file: str
    hostile: tuple[str, ...]
    withdrawn: str
    damaged: str
    damaged_file: str

    @property
    def store(self) -> str:
        """The URL of the entities."""
        return f"sqlite:{self.folder.as_posix()}/store.db"

    @property
    def files(self) -> str:
        """The URL of the files."""
        return f"file:{self.folder.as_posix()}/files"

    def repository(self) -> Repository:
        """The same, opened beside the gateway."""
        return make_repository("sqlite", self.folder)


def furnish(folder: Path) -> Exhibits:
    """Make the library."""
    with make_repository("sqlite", folder) as repo:
        put = repo.put
        results = repo.put_many(_one_of_the_crowd(number) for number in range(CROWD))
        assert all(result.error is None for result in results)
        picture, movie = _attached(repo, "red.png", "image/png", png((200, 30, 40))), _film(repo)
        oldest = put(_hero(1, None))
        older = put(_hero(2, oldest))
        hero = put({**_hero(3, older), "files": [picture]})
        put(document("town/oxbow", coordinates=_at("narrative", 1, "peak", 0, 0, 0.5, ["hero/ada"])))
        shown = put(document("film/short", entity_type="film", files=[movie, _odd(repo)]))
        gone = put(document("gone/one"))
        repo.withdraw([gone], case="2026-17", reason="personal <b>data</b>")
        hurt_file = _attached(repo, "hurt.png", "image/png", png((1, 2, 3)))
        hurt = put(document("hurt/one", files=[hurt_file]))
        hostile = tuple(put(_hostile(id)) for id in HOSTILE)
    return Exhibits(
        folder, hero, older, oldest, shown, picture["sha256"], movie["sha256"], hostile, gone, hurt, hurt_file["sha256"]
    )


def _at(
    realm: str, lineage: int, horizon: str, resonance: float, velocity: float, density: float, adjacency: list[str]
) -> dict[str, Any]:
    return {"realm": realm, "lineage": lineage, "adjacency": adjacency, "horizon": horizon, "resonance": resonance,
            "velocity": velocity, "density": density}  # fmt: skip


def _one_of_the_crowd(number: int) -> dict[str, Any]:
    part = number / (CROWD - 1)
    place = _at(
        REALMS[number % 3], number % 12, HORIZONS[number % 5], round(2 * part - 1, 4), round(1 - 2 * part, 4),
        round(part * part, 4), [f"crowd/{(number + 1) % CROWD}"] if number % 2 else [],
    )  # fmt: skip
    return document(f"crowd/{number}", entity_type=("walker", "rider")[number % 2], coordinates=place)


def _hero(level: int, previous: str | None) -> dict[str, Any]:
    facts = {"name": "Ada", "level": level, "bag": {"coins": [1, 2, 3], "map": None}, "bold": True}
    place = _at("narrative", 3, "peak", 0.82, 0.1, 0.45, ["town/oxbow", "town/unknown"])
    return document(
        "hero/ada", entity_type="character", coordinates=place, state=facts, previous=previous,
        created_at=f"2026-0{level}-01T12:00:00.000Z",
    )  # fmt: skip


def _film(repo: Repository) -> dict[str, Any]:
    return _attached(repo, "short.webm", "video/webm", webm([(200, 0, 0), (0, 200, 0), (0, 0, 200)] * 5))


def _odd(repo: Repository) -> dict[str, Any]:
    """A file that would be active if it were shown as what it says it is."""
    return _attached(repo, f"{SCRIPT[:20].replace('/', '')}.svg", "image/svg+xml", f"<svg>{SCRIPT}</svg>".encode())


def _attached(repo: Repository, name: str, media_type: str, data: bytes) -> dict[str, Any]:
    stored = repo.put_file(data)
    assert stored.sha256 == hashlib.sha256(data).hexdigest()
    return {"name": name, "media_type": media_type, "size": len(data), "sha256": stored.sha256}


def _hostile(id: str) -> dict[str, Any]:
    deep: Any = SCRIPT
    for _ in range(58):
        deep = {SCRIPT: deep}
    facts = {
        "text": SCRIPT,
        "__proto__": {"constructor": SCRIPT},
        "deep": deep,
        "many": [SCRIPT] * 150,
        "": "\u202eabc",
    }
    place = _at("void", 0, "decay", 0, 0, 0, [each for each in HOSTILE if each != id])
    return document(id, entity_type="hostile", state=facts, coordinates=place)
