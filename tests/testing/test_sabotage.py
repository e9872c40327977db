"""The suites can fail: each sabotaged store is caught, by an example of the suites and, if one thread suffices, by the
state machine; the healthy one passes."""

from __future__ import annotations

import inspect
import itertools
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import run_state_machine_as_test

from stat7.address import Address
from stat7.stores.base import Store
from stat7.stores.memory import MemoryStore
from stat7.testing import EntityStoreSuite, HeadStoreSuite
from stat7.testing.model import store_machine

from .sabotaged import CAUGHT_BY, IN_HISTORIES


class Suite(EntityStoreSuite, HeadStoreSuite):
    """Both suites over any kind of memory store, with fewer random records."""

    records = 120
    queries = 25

    def __init__(self, kind: type[MemoryStore]) -> None:
        self.kind = kind

    def make_store(self, tmp_path: Path) -> Store:
        """A named one, so that it can be reopened."""
        return self.kind(str(tmp_path))

    def reopen(self, store: Store) -> Store:
        """The same name again."""
        assert isinstance(store, MemoryStore)
        store.close()
        return self.kind(store.name)

    def raw_document(self, store: Store, address: Address) -> bytes | None:
        """Straight from the dict."""
        assert isinstance(store, MemoryStore)
        return store.contents().documents.get(address)

    def damage(self, store: Store, address: Address, data: bytes) -> None:
        """Straight into the dict."""
        assert isinstance(store, MemoryStore)
        store.contents().documents[address] = data

    def damage_index(self, store: Store, address: Address) -> None:
        """Take the document out of the index of files."""
        assert isinstance(store, MemoryStore)
        del store.contents().files[address]


def cases(suite: Suite) -> Iterator[tuple[str, dict[str, Any]]]:
    """Every test of the suite with every set of its parameters, as pytest would run them; not the state machine."""
    for name, function in inspect.getmembers(type(suite), inspect.isfunction):
        if not name.startswith("test_") or "store" not in inspect.signature(function).parameters:
            continue
        marks = [mark for mark in getattr(function, "pytestmark", ()) if mark.name == "parametrize"]
        for values in itertools.product(*(mark.args[1] for mark in marks)):
            yield name.removeprefix("test_"), dict(zip((mark.args[0] for mark in marks), values, strict=True))


def failures(suite: Suite, tmp_path: Path, only: str = "") -> Iterator[str]:
    """The tests of the suite (or one of them) that fail, told one by one as they are run."""
    for number, (name, parameters) in enumerate(cases(suite)):
        if only and name != only:
            continue
        folder = tmp_path / str(number)
        folder.mkdir(parents=True)
        store = suite.make_store(folder)
        try:
            getattr(suite, f"test_{name}")(store=store, **parameters)
        except (Exception, pytest.fail.Exception):
            yield name
        finally:
            store.close()


def run_machine(kind: type[MemoryStore]) -> None:
    """Always the same random histories; a failure is not shrunk, which would take time."""
    names = itertools.count()
    machine = store_machine(lambda: kind(f"{kind.__name__} {id(kind)} {next(names)}"), Suite(kind).reopen)
    wanted = settings(
        max_examples=400,
        stateful_step_count=25,
        derandomize=True,
        database=None,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    run_state_machine_as_test(machine, settings=wanted)


def test_the_healthy_store_passes_every_test_that_must_catch_a_fault(tmp_path: Path) -> None:
    suite = Suite(MemoryStore)
    names = {name for name, _ in cases(suite)}
    assert set(CAUGHT_BY.values()) <= names
    assert [name for each in set(CAUGHT_BY.values()) for name in failures(suite, tmp_path / each, each)] == []


@pytest.mark.parametrize(("kind", "test"), CAUGHT_BY.items(), ids=[kind.__name__ for kind in CAUGHT_BY])
def test_the_suites_catch(kind: type[MemoryStore], test: str, tmp_path: Path) -> None:
    assert list(itertools.islice(failures(Suite(kind), tmp_path, test), 1)) == [test]


@pytest.mark.parametrize("kind", IN_HISTORIES, ids=lambda kind: kind.__name__)
def test_random_histories_catch(kind: type[MemoryStore]) -> None:
    with pytest.raises((AssertionError, ExceptionGroup)):
        run_machine(kind)
