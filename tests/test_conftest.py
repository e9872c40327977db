"""A skip for lack of a program becomes a failure where STAT7_TEST_REQUIRE names it."""

from __future__ import annotations

import os
from collections.abc import Callable

import pytest

ABSENT = "stat7-no-such-program"


def test_a_missing_program_skips_the_test(program: Callable[[str], str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STAT7_TEST_REQUIRE", "node")
    with pytest.raises(pytest.skip.Exception, match=f"{ABSENT} is not on the PATH"):
        program(ABSENT)


def test_a_missing_program_that_is_required_fails_the_test(
    program: Callable[[str], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STAT7_TEST_REQUIRE", f"node, {ABSENT}")
    with pytest.raises(pytest.fail.Exception, match="STAT7_TEST_REQUIRE names"):
        program(ABSENT)


def test_a_program_that_is_there_is_found(program: Callable[[str], str]) -> None:
    assert os.access(program("python3" if os.name == "posix" else "python"), os.X_OK)


def test_settings_from_outside_do_not_reach_the_tests() -> None:
    assert "STAT7_STORE" not in os.environ
