"""Plain words for tests, figures, verdicts and stores."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, NamedTuple

from stat7.stress.report.blocks import Line
from stat7.stress.report.numbers import At, Quoted, clean


class Subject(NamedTuple):
    """What a test is about: a heading, and the question that it answers."""

    heading: str
    question: str


SUBJECTS: Final[Mapping[str, Subject]] = {
    "address": Subject(
        "Giving each thing its address",
        "Every thing that is stored gets an address that is worked out from its own content, much like a fingerprint. "
        "How quickly is that done?",
    ),
    "collisions": Subject(
        "No two things with the same address",
        "If two different things ever got the same address, one could be mistaken for the other. Does it happen, and "
        "are there any early signs that it might?",
    ),
    "lookup": Subject(
        "Finding a thing again",
        "You have an address and want the thing. How long does that take, and how long to learn that there is no such "
        "thing?",
    ),
    "concurrent": Subject(
        "Many users at once",
        "Several programs read and save at the same time. Every save counts only once it is safe from a power cut. "
        "How much gets done, and is anything lost or mixed up?",
    ),
    "paced": Subject(
        "Keeping up with a steady stream",
        "Requests come in at a steady pace, and none waits until the one before is done. How long does each take, "
        "waiting included?",
    ),
    "memory": Subject("Memory", "When everything is kept in the computer's memory, how much does each thing take?"),
    "scaling": Subject(
        "What happens as the collection grows",
        "With ten times as many things, everything should take ten times as long in all, and not more. Does it?",
    ),
}

ANSWERS: Final = {
    "PASS": "met",
    "FAIL": "missed",
    "INCONCLUSIVE": "too close to call",
    "NO_DATA": "not enough data",
    "INVALID": "not to be trusted",
}
"""Each verdict as an answer to `was what was asked for met?`"""

MEANINGS: Final = {
    "PASS": "what was asked for was met, with room for chance.",
    "FAIL": "what was asked for was missed, and chance is not the reason.",
    "INCONCLUSIVE": "the measurement wavers around what was asked for. It could be either.",
    "NO_DATA": "there was too little to go by, or that part could not be done here. It is neither good nor bad news.",
    "INVALID": "a safety check failed, or the measuring itself went wrong. Nothing may be built on this figure.",
}

_FIGURES: Final = {
    "single_per_second": "addresses made one at a time",
    "bulk_per_second": "addresses made in bulk by all cores",
    "hit_per_second": "things found one at a time by one reader",
    "miss_per_second": "absent things recognised one at a time by one reader",
    "batched_hits_per_second": "things found when many are asked for together",
    "batched_misses_per_second": "absent things recognised when many are asked for together",
    "operations_per_second": "reads and saves by all users together",
    "read_per_second": "reads by all users together",
    "write_per_second": "saves by all users together",
    "offered_per_second": "requests that came in",
    "answered_per_second": "requests that were answered",
    "build_per_second": "things put in when the store is filled in bulk",
    "build_seconds": "filling the store",
    "errors": "requests that were refused",
    "acknowledged_writes_lost": "saves that were confirmed and then lost",
    "duplicates": "pairs of things with the same address",
    "malformed": "addresses of the wrong form",
    "unchanged_by_a_change": "changes to a thing that left its address as it was",
    "changed_by_reserialising": "other spellings of a thing that got another address",
    "bytes_per_entity": "memory for each thing",
    "anonymous_bytes": "memory for all things together",
    "allocated_bytes": "memory that the program asked for",
    "bytes_per_put_again": "memory that each thing takes when it is put in once more",
    "exponent": "growth of the time with the number of things",
    "birthday_probability": "likelihood that chance alone makes parts of addresses agree as often as they did",
    "largest_bit_deviation": "distance of the most lopsided part of the addresses from even",
}
_KINDS: Final = {
    "single": "making one address",
    "hit": "finding a thing",
    "miss": "learning that a thing is absent",
    "read": "reading a thing",
    "write": "saving a thing safely",
}
_STATISTICS: Final = {
    "mean": "{}, on average",
    "p50": "{}, the slower half of all cases left aside",
    "p95": "{}, the slowest one in twenty left aside",
    "p99": "{}, the slowest one in a hundred left aside",
    "max": "{}, at worst",
}


def figure_words(name: Quoted) -> Line:
    """A figure's name in plain words, where there are any, else the name itself."""
    if name.text in _FIGURES:
        return (_FIGURES[name.text],)
    kind, _, statistic = name.text.rpartition("_")
    if not kind and statistic in _STATISTICS:
        return (_STATISTICS[statistic].format("answering a request"),)
    if statistic in _STATISTICS and kind in _KINDS:
        return (_STATISTICS[statistic].format(_KINDS[kind]),)
    return ("“", name, "”")


class Store(NamedTuple):
    """A kind of store: its name, what it is in plain words, and the kind in one word."""

    kind: str
    name: str
    words: str


_STORES: Final = {
    "sqlite": Store("embedded", "SQLite", "a database in one file on this computer, without a server"),
    "memory": Store("memory", "the in-memory store", "everything in the computer's memory, gone when the program ends"),
    "postgresql": Store("postgresql", "PostgreSQL", "a database server that many computers can share"),
    "postgres": Store("postgresql", "PostgreSQL", "a database server that many computers can share"),
    "cassandra": Store("cluster", "Cassandra", "a database spread over several computers"),
    "scylla": Store("cluster", "ScyllaDB", "a database spread over several computers"),
    "dynamodb": Store("cluster", "DynamoDB", "a database that a cloud provider runs"),
    "sharded": Store("cluster", "a sharded store", "several databases that share the work between them"),
    "shards": Store("cluster", "a sharded store", "several databases that share the work between them"),
}
OTHER: Final = Store("other", "the store named in the run", "a store that this report has no plain words for")


def store_of(root: At) -> Store:
    """The kind of store that a run measured, by what its settings say."""
    text = clean(str(root["settings"]["store"].value)).lower()
    word = text.split(":")[0].split(",")[0].split("+")[0].split(" ")[0]
    return _STORES.get(word, OTHER)
