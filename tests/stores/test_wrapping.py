"""A wrapper that overrides nothing is the store that it wraps, in every respect."""

from __future__ import annotations

import copy
import inspect
from pathlib import Path

import pytest

from stat7.contracts import Check, checks_of
from stat7.files.memory import MemoryFiles
from stat7.importers.tree import own_paths
from stat7.repository import Repository
from stat7.stores.base import Store
from stat7.stores.memory import MemoryStore
from stat7.stores.sqlite import SQLiteStore
from stat7.stores.wrapping import StoreWrapper
from tests.stores.wrapped import WrappedMemory


class TestStoreWrapper(WrappedMemory):
    """The conformance suites."""

    def wrap(self, inner: Store) -> StoreWrapper:
        """With nothing between."""
        return StoreWrapper(StoreWrapper(inner))


def test_every_method_of_the_contract_is_handed_on_by_name() -> None:
    wanted = {name for name, _ in inspect.getmembers(Store, inspect.isfunction) if not name.startswith("_")}
    assert wanted <= vars(StoreWrapper).keys()


def test_what_is_no_part_of_the_contract_is_that_of_the_store(tmp_path: Path) -> None:
    store = StoreWrapper(SQLiteStore(tmp_path / "store.db"))
    assert store.path == str(tmp_path / "store.db")
    assert store.capabilities == store.inner.capabilities
    assert store.disk_bytes() > 0
    assert {check.name for check in store.diagnose()} == {check.name for check in checks_of(store.inner, "store", True)}
    assert own_paths(Repository(store, MemoryFiles())) == own_paths(Repository(store.inner, MemoryFiles()))
    with pytest.raises(AttributeError):
        _ = store.no_such_name
    store.close()


def test_a_wrapper_can_be_copied() -> None:
    wrapper = StoreWrapper(MemoryStore())
    assert copy.copy(wrapper).inner is wrapper.inner


@pytest.mark.parametrize(("durable", "status"), [(True, "ok"), (False, "warn")])
def test_of_a_store_that_says_nothing_its_durability_is_told(durable: bool, status: str) -> None:
    class Silent(StoreWrapper):
        """A store that can't speak about its health."""

        diagnose = None  # type: ignore[assignment]

    silent = Silent(MemoryStore())
    wrapper = StoreWrapper(silent)
    wrapper.capabilities = type(silent.capabilities)(name="silent", durable=durable)
    (check,) = wrapper.diagnose()
    assert isinstance(check, Check)
    assert (check.name, check.status) == ("store", status)
