"""A store of files as plain dicts, and the Hypothesis state machine that drives a real store beside it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from stat7.address import digest
from stat7.errors import Gone, InvalidEntity, InvalidQuery, NotFound, Stat7Error
from stat7.files.base import CHUNK, FileStore, StoredFile
from stat7.record import Notice
from stat7.testing.file_suite import FAR_FUTURE, content, read, scan_files
from stat7.testing.samples import notice

if TYPE_CHECKING:
    from stat7.testing.file_suite import FileSuite

SIZES: Final = (0, 1, 2, 400, CHUNK, CHUNK + 1, 2 * CHUNK)
POOL: Final = {digest(data): data for data in (content(size, seed=9) for size in SIZES)}
NAMES: Final = st.sampled_from(sorted(POOL))
PLACES: Final = st.integers(-1, 2 * CHUNK + 1) | st.sampled_from((0, 1, 400, CHUNK - 1, CHUNK, CHUNK + 1, 2 * CHUNK))


class FileMachine(RuleBasedStateMachine):
    """Calls in any order; every answer must be what two dicts, of bytes and of notices, would give."""

    suite: FileSuite
    folder: Path
    runs = 0

    def __init__(self) -> None:
        super().__init__()
        self.files: dict[str, bytes] = {}
        self.notices: dict[str, Notice] = {}

    @initialize()
    def begin(self) -> None:
        """A fresh store in a folder of its own."""
        type(self).runs += 1
        folder = self.folder / str(self.runs)
        folder.mkdir(parents=True)
        self.store: FileStore = self.suite.make_store(folder)

    def teardown(self) -> None:
        """Close the store."""
        if hasattr(self, "store"):
            self.store.close()

    @rule(name=NAMES, blocks=st.sampled_from((1, 2, 9)), given=st.booleans(), again=st.booleans())
    def put(self, name: str, blocks: int, given: bool, again: bool) -> None:
        """Put or replace, in blocks, with or without the digest."""
        data = POOL[name]
        size = len(data) // blocks + 1
        source = (data[at : at + size] for at in range(0, len(data), size))
        if name in self.notices:
            with pytest.raises(Gone):
                self.store.put(source, sha256=name if given else None)
            return
        stored = self.store.replace(name, source) if again else self.store.put(source, sha256=name if given else None)
        assert (stored.sha256, stored.size) == (name, len(data))
        self.files[name] = data

    @rule(name=NAMES, other=NAMES, again=st.booleans())
    def put_other_bytes(self, name: str, other: str, again: bool) -> None:
        """Bytes that do not hash to the digest given."""
        if name != other:
            with pytest.raises(Gone if name in self.notices else InvalidEntity):
                self.store.replace(name, POOL[other]) if again else self.store.put(POOL[other], sha256=name)

    @rule(name=NAMES, start=PLACES, end=st.none() | PLACES)
    def open(self, name: str, start: int, end: int | None) -> None:
        """Read a range, or be refused."""
        expected = self._expected(name, start, end)
        if isinstance(expected, bytes):
            assert read(self.store, name, start, end) == expected
        else:
            with pytest.raises(expected):
                self.store.open(name, start, end)

    @rule(names=st.lists(NAMES, max_size=3))
    def refresh(self, names: list[str]) -> None:
        """Renew some."""
        assert self.store.refresh(names) == set(names) & self.files.keys()

    @rule(names=st.lists(NAMES, max_size=3), limit=st.sampled_from((None, 0, FAR_FUTURE)))
    def delete(self, names: list[str], limit: int | None) -> None:
        """Erase some."""
        erased = set() if limit == 0 else set(names) & self.files.keys()
        assert self.store.delete(names, limit) == erased
        for name in erased:
            del self.files[name]

    @rule(names=st.lists(NAMES, min_size=1, max_size=2), case=st.sampled_from(("one", "two")))
    def withdraw(self, names: list[str], case: str) -> None:
        """Withdraw some."""
        self.store.withdraw([notice(name, case) for name in names])
        for name in names:
            self.notices.setdefault(name, notice(name, case))
            self.files.pop(name, None)

    @rule()
    def sweep(self) -> None:
        """There is nothing to sweep."""
        assert self.store.sweep(FAR_FUTURE) == 0

    @precondition(lambda self: self.suite.can_reopen)
    @rule()
    def reopen(self) -> None:
        """Restart."""
        self.store = self.suite.reopen(self.store)

    @rule(size=st.integers(1, 4))
    def scan(self, size: int) -> None:
        """Walk everything in small pages."""
        self._compare(scan_files(self.store, size))

    @invariant()
    def stat_agrees(self) -> None:
        """What is known of every file is right at any time."""
        if hasattr(self, "store"):
            found = self.store.stat(sorted(POOL))
            self._compare([found[name] for name in sorted(found)])

    def _expected(self, name: str, start: int, end: int | None) -> bytes | type[Stat7Error]:
        if name in self.notices:
            return Gone
        if name not in self.files:
            return NotFound
        data = self.files[name]
        stop = len(data) if end is None else end
        return data[start:stop] if 0 <= start <= stop <= len(data) else InvalidQuery

    def _compare(self, items: list[StoredFile | Notice]) -> None:
        got = [item if isinstance(item, Notice) else (item.sha256, item.size) for item in items]
        expected = {name: (name, len(data)) for name, data in self.files.items()} | self.notices
        assert got == [expected[name] for name in sorted(expected)]


def file_machine(suite: FileSuite, folder: Path) -> type[FileMachine]:
    """A machine that drives the stores of `suite`, each in a folder of its own below `folder`."""
    return type("Machine", (FileMachine,), {"suite": suite, "folder": folder})
