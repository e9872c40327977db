"""A server that lies, and clients of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from types import SimpleNamespace
from typing import Any

import pytest

import stat7
from stat7.remote import connection
from stat7.repository import Repository
from tests.liars import Liar, lying

Open = Callable[..., Repository]


@pytest.fixture
def liar() -> Iterator[Liar]:
    """A server that says whatever it is told to."""
    with lying() as made:
        yield made


@pytest.fixture
def opened(liar: Liar) -> Iterator[Open]:
    """Opens repositories of the liar, with options of its URL, and closes them."""
    with ExitStack() as stack:
        yield lambda options="retry=0": stack.enter_context(stat7.open(liar.url(options)))


@pytest.fixture
def pauses(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The seconds that clients wait before they ask again, which pass at once."""
    waited: list[float] = []
    clock: Any = SimpleNamespace(monotonic=lambda: sum(waited), sleep=waited.append)
    monkeypatch.setattr(connection, "time", clock)
    return waited
