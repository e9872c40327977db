"""Hypothesis strategies for everything valid: ids, facts, documents, records, queries. Hostile on purpose."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from typing import Any, Final

from hypothesis import strategies as st

from stat7.coordinates import HORIZONS, MAX_LINEAGE, STANDARD_REALMS, real
from stat7.query import Query
from stat7.record import MAX_FILE_SIZE, Notice, Record, format_time, normalise
from stat7.testing.samples import FILES, HOSTILE_IDS, LINEAGES, TIMES, UNITS, random_queries

_EARLIEST: Final = -62135596800000
_LATEST: Final = 253402300799999
_LARGEST_EXACT: Final = 2.0**53
_EXPONENT_FROM: Final = 1e21


def ids() -> st.SearchStrategy[str]:
    """1 to 256 bytes of UTF-8 in NFC without control characters, hostile ones often."""
    text = st.text(st.characters(exclude_categories=("Cs", "Cc")), min_size=1, max_size=64)
    return st.one_of(st.sampled_from(HOSTILE_IDS), text.map(_nfc).filter(lambda id: 1 <= len(id.encode()) <= 256))


def file_names() -> st.SearchStrategy[str]:
    """Names of attached files: 1 to 255 bytes, no `/`, no control characters, not `.` or `..`; need not be NFC."""
    text = st.text(st.characters(exclude_categories=("Cs", "Cc"), exclude_characters="/"), min_size=1, max_size=60)
    return text.filter(lambda name: name not in (".", ".."))


def realms() -> st.SearchStrategy[str]:
    """Realm tokens: standard ones often, any other too."""
    return st.one_of(st.sampled_from(STANDARD_REALMS), st.from_regex(r"[a-z][a-z0-9_-]{0,31}", fullmatch=True))


def entity_types() -> st.SearchStrategy[str]:
    """Entity type tokens."""
    return st.one_of(st.just("character"), st.from_regex(r"[a-z][a-z0-9_.-]{0,63}", fullmatch=True))


def digests() -> st.SearchStrategy[str]:
    """64 lowercase hex digits; some come again and again, so that files and versions are shared."""
    return st.one_of(st.sampled_from(FILES), st.binary(min_size=32, max_size=32).map(bytes.hex))


def times() -> st.SearchStrategy[str]:
    """Canonical times of the years 0001 to 9999, their ends often."""
    return st.one_of(st.sampled_from(TIMES), st.integers(_EARLIEST, _LATEST).map(format_time))


def lineages() -> st.SearchStrategy[int]:
    """Integers 0 to 2^53 - 1."""
    return st.one_of(st.sampled_from(LINEAGES), st.integers(0, 5), st.integers(0, MAX_LINEAGE))


def reals(least: int = -1) -> st.SearchStrategy[int | float]:
    """Numbers in [least, 1]: quantised ones, integers as such, and raw floats that have yet to be rounded."""
    units = st.one_of(st.sampled_from(UNITS), st.integers(-(10**8), 10**8))
    quantised = units.map(lambda each: real(max(each, least * 10**8)))
    return st.one_of(quantised, st.floats(least, 1), st.sampled_from((1 / 512, -0.0 if least else 0.0, 5e-9)))


def json_numbers() -> st.SearchStrategy[int | float]:
    """Every number that a document may hold in its state: finite, and not an integer in 2^53 <= |v| < 10^21."""
    integers = st.integers(-(2**53) + 1, 2**53 - 1)
    floats = st.floats(allow_nan=False, allow_infinity=False).filter(_is_writable)
    awkward = (0, -0.0, 1e-7, 1e-6, 3.4e-6, 1e21, 5e-324, 1.7976931348623157e308, 1 / 3, 2.0**70, 2**70)
    return st.one_of(integers, floats, st.sampled_from(awkward))


def json_values() -> st.SearchStrategy[Any]:
    """Any I-JSON value that a document may hold in its state, nested a few levels."""
    return st.recursive(
        st.one_of(st.none(), st.booleans(), json_numbers(), _text()),
        lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(_text(), inner, max_size=4)),
        max_leaves=8,
    )


def states() -> st.SearchStrategy[dict[str, Any]]:
    """The free part of a document."""
    return st.dictionaries(_text(), json_values(), max_size=4)


def attachments() -> st.SearchStrategy[list[dict[str, Any]]]:
    """The member `files`: names unique, in any order."""
    media_types = st.sampled_from(("image/png", "text/plain", "application/x.y+json", "a/b"))
    sizes = st.one_of(st.sampled_from((0, 1, MAX_FILE_SIZE)), st.integers(0, MAX_FILE_SIZE))
    entry = st.fixed_dictionaries({"name": file_names(), "media_type": media_types, "size": sizes, "sha256": digests()})
    return st.lists(entry, max_size=3, unique_by=lambda each: each["name"])


def coordinates() -> st.SearchStrategy[dict[str, Any]]:
    """The member `coordinates`, not yet normalised: neighbours in any order and repeated, reals not yet rounded."""
    return st.fixed_dictionaries(
        {
            "realm": realms(),
            "lineage": lineages(),
            "adjacency": st.lists(ids(), max_size=4),
            "horizon": st.sampled_from(HORIZONS),
            "resonance": reals(),
            "velocity": reals(),
            "density": reals(0),
        }
    )


def documents() -> st.SearchStrategy[dict[str, Any]]:
    """Documents as Python objects that `normalise` accepts."""
    return st.fixed_dictionaries(
        {
            "stat7": st.just(1),
            "id": ids(),
            "entity_type": entity_types(),
            "created_at": st.none() | times(),
            "coordinates": coordinates(),
            "state": states(),
            "files": attachments(),
            "previous": st.none() | digests(),
        }
    )


def records() -> st.SearchStrategy[Record]:
    """Records of valid documents."""
    return documents().map(normalise)


def notices(address: str | None = None) -> st.SearchStrategy[Notice]:
    """Notices for one address, or for any; the id and what came before known or not."""
    addresses = digests() if address is None else st.just(address)
    return st.builds(Notice, addresses, ids(), ids(), times(), st.none() | ids(), st.none() | digests())


def queries(around: Sequence[Record] = ()) -> st.SearchStrategy[Query]:
    """Queries of any predicates: free ones, which seldom match, and ones around the facts of given records."""
    given: dict[str, st.SearchStrategy[Any]] = {
        "realm": st.lists(realms(), min_size=1, max_size=3),
        "entity_type": st.lists(entity_types(), min_size=1, max_size=3),
        "horizon": st.lists(st.sampled_from(HORIZONS), min_size=1, max_size=4),
        "lineage": _ranges(lineages()),
        "resonance": _ranges(reals()),
        "velocity": _ranges(reals()),
        "density": _ranges(reals(0)),
        "created": _ranges(times()),
        "adjacent_to": ids(),
        "file": digests(),
        "versions": st.sampled_from(("current", "all")),
    }
    free = st.fixed_dictionaries({}, optional=given).map(lambda parts: Query(**parts))
    if not around:
        return free
    return st.one_of(free, st.integers(0, 2**32).map(lambda seed: random_queries(seed, 1, around)[0]))


def _ranges(ends: st.SearchStrategy[Any]) -> st.SearchStrategy[tuple[Any, Any]]:
    """Closed ranges, not turned round, open at either end at times."""
    closed = st.tuples(ends, ends).map(lambda pair: (min(pair), max(pair)))
    return st.one_of(closed, ends.map(lambda end: (end, None)), ends.map(lambda end: (None, end)))


def _text() -> st.SearchStrategy[str]:
    """Strings and member names of a state: anything but lone surrogates."""
    return st.one_of(st.text(st.characters(codec="utf-8"), max_size=20), st.sampled_from(HOSTILE_IDS))


def _nfc(text: str) -> str:
    return unicodedata.normalize("NFC", text)


def _is_writable(value: float) -> bool:
    return not (_LARGEST_EXACT <= abs(value) < _EXPONENT_FROM and value.is_integer())
