"""Errors are one line fit for a person, survive pickling, and are all named in the tree."""

from __future__ import annotations

import copy
import pickle
import re

import pytest

from stat7 import errors
from stat7.errors import (
    ConfigError,
    Conflict,
    Corrupt,
    Gone,
    InvalidEntity,
    InvalidQuery,
    NotFound,
    Stat7Error,
    StoreFull,
    Unavailable,
    Unsupported,
)
from stat7.record import Notice

ADDRESS = "ab" * 32
EXAMPLES: list[tuple[Stat7Error, str]] = [
    (InvalidEntity("coordinates.density", "must be a number"), "coordinates.density: must be a number"),
    (InvalidEntity("", "not JSON"), "not JSON"),
    (InvalidQuery("realm", "the set is empty"), "realm: the set is empty"),
    (InvalidQuery("", "no query"), "no query"),
    (NotFound("hero/ada"), "not found: hero/ada"),
    (
        Gone(Notice(ADDRESS, "2026-17", "by request", "2026-01-31T12:00:00.000Z")),
        f"withdrawn: {ADDRESS} (case 2026-17: by request)",
    ),
    (
        Conflict("hero/ada", ADDRESS),
        f"conflict: the current version of hero/ada is {ADDRESS}; set `previous` to it to replace it",
    ),
    (
        Corrupt(ADDRESS, "0" * 64),
        f"corrupt: the bytes stored as {ADDRESS} are damaged ({'0' * 64}); run `stat7 verify --repair-from`",
    ),
    (Unsupported("ordered scan", "use find"), "not supported: ordered scan; use find"),
    (Unavailable("time-out after 5 s"), "time-out after 5 s"),
    (StoreFull("the disk is full"), "the disk is full"),
    (ConfigError("no such scheme"), "no such scheme"),
]


@pytest.mark.parametrize(("error", "text"), EXAMPLES)
def test_its_text_says_what_and_where(error: Stat7Error, text: str) -> None:
    assert str(error) == text


@pytest.mark.parametrize(("error", "text"), EXAMPLES)
def test_it_survives_pickling_and_copying(error: Stat7Error, text: str) -> None:
    for again in (pickle.loads(pickle.dumps(error)), copy.copy(error), copy.deepcopy(error)):  # noqa: S301
        assert type(again) is type(error)
        assert str(again) == text
        assert vars(again) == vars(error)


@pytest.mark.parametrize(
    ("given", "shown"),
    [
        ("a\nb\r\x00", r"a\nb\r\x00"),
        ("\x1b[2J\x9b", r"\x1b[2J\x9b"),
        ("\u2028\u202e\u0085", r"\u2028\u202e\x85"),
        ("\ud800", r"\ud800"),
        ("\U000e0001", r"\U000e0001"),
        ("é 日本 \\n", "é 日本 \\n"),
    ],
)
def test_whatever_a_terminal_would_not_print_is_escaped(given: str, shown: str) -> None:
    assert str(NotFound(given)) == f"not found: {shown}"
    assert str(Unavailable(given)) == shown
    assert str(Gone(Notice(ADDRESS, given, given, ""))).endswith(f"(case {shown}: {shown})")
    assert NotFound(given).what == given


def test_the_tree_in_the_docstring_names_every_error() -> None:
    classes = {
        name for name, value in vars(errors).items() if isinstance(value, type) and issubclass(value, Stat7Error)
    }
    named = set(re.findall(r"^[├└]── (\w+)\(", errors.__doc__ or "", re.MULTILINE))
    assert named | {"Stat7Error"} == classes
    assert {type(error) for error, _ in EXAMPLES} | {Stat7Error} == {getattr(errors, name) for name in classes}
