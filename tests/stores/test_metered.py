"""MeteredStore: the suites through it, and that every method is counted under its own name."""

from __future__ import annotations

import inspect
from typing import Any

import pytest

from stat7.errors import Unavailable
from stat7.metrics import Metrics
from stat7.query import Query
from stat7.stores.base import Store
from stat7.stores.memory import MemoryStore
from stat7.stores.metered import MeteredStore
from stat7.stores.wrapping import StoreWrapper
from stat7.testing.samples import notice, sample
from tests.stores.wrapped import WrappedMemory

ARGUMENTS: dict[str, tuple[Any, ...]] = {
    "put": ([sample()],),
    "replace": ([sample()],),
    "discard": ([],),
    "get": ([],),
    "has": ([],),
    "find": (Query(), None, 1),
    "explain": (Query(),),
    "scan": (None, 1),
    "scan_notices": (None, 1),
    "named_files": ([],),
    "withdraw": ([notice("a" * 64)],),
    "check": (None, 1),
    "count": (),
    "compact": (),
    "heads": ([],),
    "swap_heads": ([],),
    "scan_heads": (None, 1),
    "marks": (),
    "set_mark": ("name", "value"),
}


class TestMeteredStore(WrappedMemory):
    """The conformance suites."""

    def wrap(self, inner: Store) -> StoreWrapper:
        """With figures that nobody looks at."""
        return MeteredStore(inner, Metrics())


def test_every_method_of_the_contract_is_counted() -> None:
    metrics = Metrics()
    store = MeteredStore(MemoryStore(), metrics)
    wanted = {name for name, _ in inspect.getmembers(Store, inspect.isfunction) if not name.startswith("_")}
    assert ARGUMENTS.keys() == wanted - {"close"}
    for name, arguments in ARGUMENTS.items():
        getattr(store, name)(*arguments)
    assert {name: figures.calls for name, figures in metrics.snapshot()["store"].items()} == dict.fromkeys(ARGUMENTS, 1)
    assert store.metrics is metrics


def test_errors_are_counted_by_kind() -> None:
    metrics = Metrics()
    store = MeteredStore(MemoryStore(), metrics)
    store.close()
    for _ in range(2):
        with pytest.raises(Unavailable):
            store.count()
    assert metrics.snapshot()["store"]["count"].errors == {"Unavailable": 2}
