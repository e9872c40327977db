"""For how many entities which kind of store serves, as far as this run has measured it, and what more would take."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from stat7.stress.report.blocks import Line
from stat7.stress.report.facts import has, of_name, stands
from stat7.stress.report.numbers import At, Number, derive, whole
from stat7.stress.report.words import store_of


@dataclass(frozen=True, slots=True)
class Band:
    """A size of collection: from `least` to `most` entities, the kinds of store that are meant for it, the rate that
    they should sustain, and how to measure them.
    """

    name: str
    least: int
    most: int
    kinds: frozenset[str]
    stores: str
    rate: int
    rate_words: str
    command: str


BANDS: Final = (
    Band(
        "10,000 to 100,000",
        10_000,
        100_000,
        frozenset({"embedded", "postgresql"}),
        "SQLite in one file, or PostgreSQL",
        5_000,
        "5,000",
        "stat7 stress --full",
    ),
    Band(
        "100,000 to 1,000,000",
        100_000,
        1_000_000,
        frozenset({"postgresql"}),
        "PostgreSQL with a pool of connections",
        10_000,
        "10,000",
        "stat7 stress --full --store postgresql://…",
    ),
    Band(
        "more than 1,000,000",
        1_000_001,
        10**18,
        frozenset({"cluster"}),
        "Cassandra, DynamoDB, or PostgreSQL in shards",
        50_000,
        "50,000",
        "stat7 stress --full --store cassandra://NODE,NODE,NODE/…",
    ),
)

CONSTANTS: Final = frozenset({"5,000", "10,000", "50,000", "100,000", "1,000,000"})
"""The numbers in BANDS: sizes of collections and the rates that are asked of them."""


@dataclass(frozen=True, slots=True)
class Advice:
    """What a run says about a band: the test that counts, its rate, and a verdict on the band, which is derived."""

    band: Band
    verdict: str
    test: At | None
    rate: At | None
    reason: Line


def advise(root: At) -> list[Advice]:
    """Advice for each band."""
    kind = store_of(root).kind
    return [_advise(list(root["tests"]), kind, band) for band in BANDS]


def _advise(tests: Sequence[At], kind: str, band: Band) -> Advice:
    """The largest scale within the band decides; there, the number of workers that did best."""
    concurrent = of_name(tests, "concurrent")
    inside = [test for test in concurrent if band.least <= test["scale"].value <= band.most]
    largest = [test for test in inside if test["scale"].value == inside[-1]["scale"].value]
    bad = next((test for test in largest if test["verdict"].value == "INVALID"), None)
    if bad is not None:
        return Advice(band, "INVALID", bad, None, ("at that size a check failed: “", bad["why"].quoted, "”"))
    measured = [test for test in largest if has(test, "operations_per_second") is not None]
    if not measured:
        near = [
            test for test in concurrent if has(test, "operations_per_second") and test["verdict"].value != "INVALID"
        ]
        best = _best([test for test in near if test["scale"].value == near[-1]["scale"].value])
        return Advice(
            band,
            "NO_DATA",
            best,
            best and best["figures"]["operations_per_second"],
            ("this run measured nothing of that size",),
        )
    best = _best(measured)
    assert best is not None
    rate = best["figures"]["operations_per_second"]
    if kind not in band.kinds:
        return Advice(band, "NO_DATA", best, rate, ("this run measured another kind of store",))
    if kind == "cluster" and band.kinds == {"cluster"}:
        # All nodes of a run share the machine it runs on, unless its owner says otherwise, which results can't hold.
        reason: Line = ("on one computer the nodes share what a cluster would have to each of them",)
        return Advice(band, "NO_DATA", best, rate, reason)
    verdict = stands(rate, ">=", band.rate)
    if verdict == "PASS" and best["verdict"].value != "PASS":
        return Advice(band, best["verdict"].value, best, rate, ("fast enough, but: “", best["why"].quoted, "”"))
    reasons: dict[str, Line] = {
        "PASS": ("the rate was reached",),
        "FAIL": ("the rate was not reached",),
        "INCONCLUSIVE": ("it could be either",),
        "NO_DATA": ("too little was measured for an interval",),
    }
    return Advice(band, verdict, best, rate, reasons[verdict])


def _best(tests: Sequence[At]) -> At | None:
    return max(tests, key=lambda test: float(test["figures"]["operations_per_second"]["value"].value), default=None)


def machines(rate: At) -> tuple[Number, Number | None] | None:
    """How many machines like the measured one the largest band would take, at the measured rate and at the low end of
    its interval, if they added up without loss.
    """
    each = derive("machines for 50000/s", (rate["value"],), style=whole)
    if each is None:
        return None
    low = rate.get("interval", 0)
    return each, None if low is None else derive("machines for 50000/s", (low,), style=whole)
