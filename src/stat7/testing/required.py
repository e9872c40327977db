"""A test whose server's program or driver is missing is skipped, or fails where it was asked for by name."""

from __future__ import annotations

import importlib.util
import os
from typing import NoReturn

import pytest

from stat7.testing.servers.programs import PROGRAMS


def missing(name: str, reason: str) -> NoReturn:
    """Skip the running test for lack of `name`, or fail it where STAT7_TEST_REQUIRE asks for `name`."""
    if name in os.environ.get("STAT7_TEST_REQUIRE", "").replace(" ", "").split(","):
        pytest.fail(f"{reason} (STAT7_TEST_REQUIRE names {name})")
    pytest.skip(reason)


def need(name: str) -> None:
    """Skip or fail the running test, as `missing` does, unless the program of that server is on this machine."""
    program = PROGRAMS[name]
    if not program.is_here():
        missing(name, program.remedy())


def need_driver(name: str, module: str) -> None:
    """The same for the Python driver `module` that the extra `name` of stat7 brings."""
    if importlib.util.find_spec(module) is None:
        missing(name, f"the Python package {module} is not installed: `pip install 'stat7[{name}]'`")
