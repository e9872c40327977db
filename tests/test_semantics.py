"""Every rule of docs/semantics.md names tests that hold it, and every test it names exists."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
_RULE = re.compile(r"^- (.*?)(?=^- |^#|\Z|\n\n)", re.MULTILINE | re.DOTALL)
_NAMED = re.compile(r"\[((?:test_\w+[,\s]*)+)\]")
_DEFINED = re.compile(r"^ *def (test_\w+)\(", re.MULTILINE)


def rules(text: str) -> Iterator[tuple[str, list[str]]]:
    """Each rule's first line, and the tests that it names."""
    for rule in _RULE.findall(text):
        named = _NAMED.search(rule)
        yield rule.splitlines()[0], re.findall(r"\w+", named[1]) if named else []


def faults(text: str, defined: set[str]) -> Iterator[str]:
    """Rules without a test, and tests that don't exist."""
    for rule, named in rules(text):
        if not named:
            yield f"no test: {rule}"
        yield from (f"no such test: {name}" for name in named if name not in defined)


@cache
def defined_tests() -> frozenset[str]:
    """The names of all tests of the project, and of the suites that it publishes."""
    paths = [*(ROOT / "tests").rglob("*.py"), *(ROOT / "src" / "stat7" / "testing").rglob("*.py")]
    return frozenset(name for path in paths for name in _DEFINED.findall(path.read_text("utf-8")))


def test_every_rule_names_tests_that_exist() -> None:
    text = (ROOT / "docs" / "semantics.md").read_text("utf-8")
    assert list(faults(text, set(defined_tests()))) == []
    assert len(list(rules(text))) > 60


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("- A rule.\n  [test_there,\n  test_too]\n", []),
        ("- A rule.\n- Another.\n  [test_there]\n", ["no test: A rule."]),
        ("- A rule.\n  [test_gone, test_there]\n\nProse.\n", ["no such test: test_gone"]),
        ("# Title\n\n- The last rule", ["no test: The last rule"]),
    ],
)
def test_a_rule_without_its_test_is_found(text: str, expected: list[str]) -> None:
    assert list(faults(text, {"test_there", "test_too"})) == expected
