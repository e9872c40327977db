"""A browser, something to look at, and a gateway before it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, expect

from stat7.testing.fixtures import started
from stat7.testing.required import need_driver
from stat7.testing.servers import Gateway
from tests.gateway.explorer.browser import PATIENCE, RATES, Visit, Visiting, chromium
from tests.gateway.explorer.exhibits import Exhibits, furnish


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """One browser for all tests here."""
    expect.set_options(timeout=PATIENCE)
    with chromium() as launched:
        yield launched


@pytest.fixture(scope="module")
def exhibits(tmp_path_factory: pytest.TempPathFactory) -> Exhibits:
    """What there is to see."""
    return furnish(tmp_path_factory.mktemp("explorer") / "library")


@pytest.fixture(scope="module")
def shown(exhibits: Exhibits) -> Iterator[Gateway]:
    """A gateway before it, where everybody may read."""
    need_driver("gateway", "granian")
    with started(Gateway("--public-read", *RATES, store=exhibits.store, files=exhibits.files)) as server:
        yield server


@pytest.fixture
def visit(browser: Browser, shown: Gateway) -> Iterator[Visiting]:
    """Makes visits, see `Visiting`; nothing may go wrong on them that the test doesn't name."""
    visits: list[tuple[Visit, str]] = []

    def begin(*, server: Gateway = shown, expected: str = r"(?!)", **how: Any) -> Visit:
        made = Visit(browser, server.url, **how)
        visits.append((made, expected))
        return made

    yield begin
    for made, expected in visits:
        made.close()
        assert [error for error in made.errors if not re.search(expected, error)] == []
        assert made.strays == []
