"""The entities that a run measures with: made from a seed and an index, so that any process can make entity i again.

Each is a realistic document of about 400 canonical bytes (names, a note, tags, neighbours, now and then a time or a
letter beyond ASCII). The canonical bytes are written here directly, by a template of their own: that is quick, and it
makes them a second opinion on the canonical form, against which the addresses of the program under test are checked.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from struct import Struct
from typing import Any, Final

import orjson

from stat7.coordinates import HORIZONS
from stat7.record import Record

REALMS: Final = ("narrative",) * 5 + ("data",) * 4 + ("event",) * 3 + ("system", "faculty", "pattern", "void")
TYPES: Final = ("character", "place", "item", "quest", "badge", "scene", "rule", "picture")
GIVEN: Final = ("Ada", "Bram", "Zoë", "Dorn", "Ember", "Fenn", "Gideon", "Hana", "Inés", "Jory", "Kael", "Lior", "Mira",
                "Nadia", "Osric", "Petra")  # fmt: skip
FAMILY: Final = ("Ashdown", "Briar", "Calder", "Dunmore", "Eastmarch", "Fairwind", "Greyholt", "Hollow", "Ironwood",
                 "Kestrel", "Larkspur", "Marrow", "Northgate", "Oxbow", "Quillon", "Ravensworth")  # fmt: skip
PLACES: Final = ("at the ford below the mill", "under the east gate of town", "in the hall of the old archive",
                 "on the road to the salt coast", "beside the lamp of the lighthouse", "between the two rivers",
                 "at the edge of the mapped world", "in the ruins behind the orchard")  # fmt: skip
DEEDS: Final = ("was last seen carrying a sealed letter", "keeps the only key to the cellar",
                "remembers every promise made", "bought three maps and lost two",
                "trades in stories of the first winter", "is waiting for a reply",
                "has sworn to find the missing bell", "knows why the tower was closed")  # fmt: skip
TAGS: Final = ("amber", "north", "oath", "tide", "ember", "lost", "crown", "relic")

NEIGHBOURS: Final = (0, 1, 2, 2, 3, 3, 3, 4, 4, 4, 4, 5, 5, 5, 6, 8)
"""How many neighbours are asked for, one of sixteen at random: 3.7 on average."""

LINEAGES: Final = (0, 0, 1, 1, 1, 2, 2, 2, 3, 3, 4, 5, 6, 8, 12, 20)
UNITS: Final = 10_000
"""The real coordinates are multiples of 1/UNITS, so that their shortest digits are their canonical form."""

_REALS: Final = tuple(str(step / UNITS) for step in range(UNITS))
_DAYS: Final = (0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334)
_START_OF_2025: Final = 1_735_689_600_000
_DAY: Final = 86_400_000
_WORDS: Final = Struct("<16H").unpack
_NEAR: Final = 4096
_NUMBERS: Final = ("resonance", "velocity", "density")


@dataclass(frozen=True, slots=True)
class Workload:
    """An endless list of distinct entities. `prefix` (printable ASCII, no quotes or backslashes) starts every id.

    With `lean` they have no neighbours.
    """

    seed: int
    prefix: str = ""
    lean: bool = False

    def id(self, index: int) -> str:
        """The id of entity `index` (0 <= index < 2^63)."""
        return f"{self.prefix}{TYPES[index & 7]}/{index:09d}"

    def record(self, index: int) -> Record:
        """Entity `index`, its canonical bytes written by this module's own template."""
        realm, lineage, near, rank, reals, state, created, made = self._facts(index)
        (r, resonance), (v, velocity), (d, density) = reals
        adjacency = '","'.join(near)
        level, name, note, tags = state
        document = (
            f'{{"coordinates":{{"adjacency":[{_listed(adjacency)}],"density":{density},"horizon":"{HORIZONS[rank]}",'
            f'"lineage":{lineage},"realm":"{realm}","resonance":{resonance},"velocity":{velocity}}},'
            f'"created_at":{created},"entity_type":"{TYPES[index & 7]}","files":[],"id":"{self.id(index)}",'
            f'"previous":null,"stat7":1,"state":{{"level":{level},"name":"{name}","note":"{note}","tags":[{tags}]}}}}'
        ).encode()
        address = hashlib.sha256(document).hexdigest()
        return Record(
            address, document, self.id(index), TYPES[index & 7], made, realm, lineage, near, rank, r, v, d, [], None
        )

    def line(self, index: int) -> bytes:
        """Entity `index` as a line of JSON whose members stand in the order of the specification (not canonical)."""
        realm, lineage, near, rank, reals, state, created, _ = self._facts(index)
        (_, resonance), (_, velocity), (_, density) = reals
        adjacency = '","'.join(near)
        level, name, note, tags = state
        return (
            f'{{"stat7":1,"id":"{self.id(index)}","entity_type":"{TYPES[index & 7]}","created_at":{created},'
            f'"coordinates":{{"realm":"{realm}","lineage":{lineage},"adjacency":[{_listed(adjacency)}],'
            f'"horizon":"{HORIZONS[rank]}","resonance":{resonance},"velocity":{velocity},"density":{density}}},'
            f'"state":{{"name":"{name}","level":{level},"tags":[{tags}],"note":"{note}"}},"files":[],"previous":null}}'
        ).encode()

    def document(self, index: int) -> dict[str, Any]:
        """Entity `index` as Python objects, new at each call."""
        document: dict[str, Any] = orjson.loads(self.line(index))
        return document

    def _facts(self, index: int) -> tuple[Any, ...]:
        key = self.seed.to_bytes(8, "little", signed=True)
        words = _WORDS(hashlib.blake2b(index.to_bytes(8, "little"), digest_size=32, key=key).digest())
        a, b = words[0], words[1]
        reals = _signed(words[2]), _signed(words[3]), (words[4] % UNITS * UNITS, _unsigned(words[4] % UNITS))
        state = (
            words[5] % 99 + 1,
            f"{GIVEN[a & 15]} {FAMILY[a >> 4 & 15]}",
            f"{PLACES[b & 7]}; {DEEDS[b >> 3 & 7]}",
            f'"{TAGS[b >> 6 & 7]}","{TAGS[b >> 9 & 7]}"',
        )
        created, made = _time(words[6], words[7]) if a >> 8 & 3 == 0 else ("null", None)
        near = [] if self.lean else self._near(index, words[8 : 8 + NEIGHBOURS[a >> 10 & 15]])
        return REALMS[b >> 12], LINEAGES[words[5] >> 12], near, words[6] % 5, reals, state, created, made

    def _near(self, index: int, words: tuple[int, ...]) -> list[str]:
        """Ids of distinct earlier entities, sorted."""
        window = min(index, _NEAR)
        if not window:
            return []
        prefix, last = self.prefix, index - 1
        earlier = [last - word % window for word in words]
        return sorted({f"{prefix}{TYPES[other & 7]}/{other:09d}" for other in earlier})


def _listed(joined: str) -> str:
    return f'"{joined}"' if joined else ""


def _signed(word: int) -> tuple[int, str]:
    """A real in (-1, 1), as units of 1e-8 and as text."""
    step = word % UNITS
    text = _unsigned(step)
    return (-step * UNITS, f"-{text}") if word & 0x8000 and step else (step * UNITS, text)


def _unsigned(step: int) -> str:
    return _REALS[step] if step else "0"


def _time(day: int, moment: int) -> tuple[str, int]:
    """A time in 2025, as JSON and in milliseconds since 1970."""
    month, date = day % 12, day // 12 % 28
    hour, minute, second, fraction = moment % 24, moment // 24 % 60, moment // 1440 % 60, moment % 1000
    text = f'"2025-{month + 1:02d}-{date + 1:02d}T{hour:02d}:{minute:02d}:{second:02d}.{fraction:03d}Z"'
    into_day = ((hour * 60 + minute) * 60 + second) * 1000 + fraction
    return text, _START_OF_2025 + (_DAYS[month] + date) * _DAY + into_day
