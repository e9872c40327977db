"""A store as plain dicts, and the Hypothesis state machine that drives a real store beside it and compares answers."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, Final, TypeVar

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from stat7.address import Address
from stat7.query import Query
from stat7.record import Notice, Record
from stat7.stores.base import HeadMove, Match, Outcome, Store
from stat7.testing.samples import (
    FILES,
    attached,
    chain,
    forge,
    notice,
    queries_of_one_predicate,
    random_queries,
    random_records,
    sample,
)
from stat7.testing.store_suite import check_all, find_all, scan_all, scan_all_heads
from stat7.testing.strategies import queries, records

Item = TypeVar("Item")

IDS: Final = ("hero", "Hero", "hero ", "😀", "other")


class Model:
    """What a store holds, by the words of the contract: four dicts and no cleverness."""

    def __init__(self) -> None:
        self.documents: dict[Address, Record] = {}
        self.notices: dict[Address, Notice] = {}
        self.heads: dict[str, Address] = {}
        self.marks: dict[str, str] = {}

    def put(self, records: Sequence[Record], moves: Sequence[HeadMove]) -> tuple[list[Outcome], list[bool]]:
        """The outcomes and swaps that a put must answer."""
        outcomes = [self._put(record) for record in records]
        return outcomes, [move.new not in self.notices and self.swap([move]) == [True] for move in moves]

    def _put(self, record: Record) -> Outcome:
        if record.address in self.notices:
            return Outcome.WITHDRAWN
        if record.address in self.documents:
            return Outcome.EXISTED
        self.documents[record.address] = record
        return Outcome.NEW

    def replace(self, records: Sequence[Record]) -> None:
        """Store or overwrite what isn't withdrawn."""
        self.documents.update({record.address: record for record in records if record.address not in self.notices})

    def discard(self, addresses: Sequence[Address]) -> None:
        """Forget documents."""
        for address in addresses:
            self.documents.pop(address, None)

    def withdraw(self, notices: Sequence[Notice]) -> None:
        """Keep the first notice of each address, filled in from the document."""
        for each in notices:
            record = self.documents.pop(each.address, None)
            if record is not None:
                each = each._replace(id=each.id or record.id, previous=each.previous or record.previous)
            self.notices.setdefault(each.address, each)

    def swap(self, moves: Sequence[HeadMove]) -> list[bool]:
        """Compare and swap."""
        made = []
        for move in moves:
            made.append(self.heads.get(move.id) == move.expected)
            if made[-1] and move.new is None:
                self.heads.pop(move.id, None)
            elif made[-1] and move.new is not None:
                self.heads[move.id] = move.new
        return made

    def contents(self) -> dict[Address, bytes | Notice]:
        """Everything that a scan must give."""
        return {**{address: record.document for address, record in self.documents.items()}, **self.notices}

    def matches(self, query: Query) -> list[Match]:
        """What a find must give, sorted."""
        return sorted(Match(r.address, r.id) for r in self.documents.values() if query.matches(r))

    def named_files(self) -> set[str]:
        """Files that some document names."""
        return {entry.sha256 for record in self.documents.values() for entry in record.files}


def _pool() -> list[Record]:
    """Few records, so that they meet again and again in a history: awkward facts, versions, forged collisions."""
    addresses = (b"\xff" * 8 + b"\x00" * 24, b"\xff" * 31 + b"\x00", b"\xff" * 32)
    made = [
        sample(f"{n}", adjacency=["n"], files=[attached(FILES[n % 2])], realm="void") for n in range(len(addresses))
    ]
    forged = [forge(record, address) for record, address in zip(made, addresses, strict=True)]
    return [*forged, *chain("hero", 3), *random_records(41, 6)]


POOL: Final = _pool()
ADDRESSES: Final = [record.address for record in POOL]


def _favouring_few(pool: Sequence[Item]) -> st.SearchStrategy[Item]:
    """Any of the pool, but mostly the same few: faults show where things happen to one record in turn."""
    return st.one_of(st.sampled_from(pool[:4]), st.sampled_from(pool))


# Drawn by their places: Hypothesis would spell out every record of a pool whenever it names the strategy.
_batches = st.lists(_favouring_few(range(len(POOL))).map(lambda place: POOL[place]), max_size=6)
_addresses = st.lists(_favouring_few(ADDRESSES), max_size=6)
_TELLING: Final = [Query(), *queries_of_one_predicate((POOL[0], POOL[-1]))]
_queries = st.one_of(st.sampled_from([Query(), *random_queries(42, 40, POOL)]), queries(POOL))
_sizes = st.sampled_from((1, 2, 3, 7, 100))
_heads = st.none() | _favouring_few(ADDRESSES)
_moves = st.lists(st.builds(HeadMove, _favouring_few(IDS), _heads, _heads), max_size=3, unique_by=lambda move: move.id)


class StoreMachine(RuleBasedStateMachine):
    """Random histories of one store, each answer compared with the model's; `store_machine` binds it to a backend."""

    make_store: Callable[[], Store]
    reopen_store: Callable[[Store], Store] | None
    settle_store: Callable[[Store], None]

    def __init__(self) -> None:
        super().__init__()
        self.store = type(self).make_store()
        self.model = Model()

    @initialize(batch=_batches)
    def begin(self, batch: list[Record]) -> None:
        """Most histories begin with some documents."""
        assert self.store.put(batch) == self.model.put(batch, [])

    @rule(batch=_batches, moves=_moves, current=st.booleans())
    def put(self, batch: list[Record], moves: list[HeadMove], current: bool) -> None:
        """Put with moves, which expect the current heads or any other."""
        moves = self._expecting_current(moves) if current else moves
        assert self.store.put(batch, moves) == self.model.put(batch, moves)

    @rule(batch=st.lists(records(), max_size=3))
    def put_anything(self, batch: list[Record]) -> None:
        """Put documents that nobody thought of."""
        assert self.store.put(batch) == self.model.put(batch, [])

    @rule(moves=_moves, current=st.booleans())
    def swap(self, moves: list[HeadMove], current: bool) -> None:
        """Move heads, from the current ones or any other."""
        moves = self._expecting_current(moves) if current else moves
        assert self.store.swap_heads(moves) == self.model.swap(moves)

    @rule(addresses=_addresses, case=st.sampled_from(("one", "two")))
    def withdraw(self, addresses: list[Address], case: str) -> None:
        """Withdraw stored and unknown addresses."""
        notices = [notice(address, case) for address in addresses]
        self.store.withdraw(notices)
        self.model.withdraw(notices)

    @rule(addresses=_addresses)
    def discard(self, addresses: list[Address]) -> None:
        """Take documents back."""
        self.store.discard(addresses)
        self.model.discard(addresses)

    @rule(batch=_batches)
    def replace(self, batch: list[Record]) -> None:
        """Overwrite documents by themselves, or store them."""
        self.store.replace(batch)
        self.model.replace(batch)

    @rule(name=st.sampled_from(IDS), value=st.none() | st.sampled_from(("", "cursor")))
    def set_mark(self, name: str, value: str | None) -> None:
        """Set and remove marks."""
        self.store.set_mark(name, value)
        self.model.marks.pop(name, None)
        self.model.marks.update({} if value is None else {name: value})

    @rule(addresses=_addresses)
    def read(self, addresses: list[Address]) -> None:
        """Get, has, heads, marks and the files named."""
        known = self.model.contents()
        assert self.store.get(addresses) == {address: known[address] for address in addresses if address in known}
        assert self.store.has(addresses) == self.model.documents.keys() & set(addresses)
        assert self.store.heads(IDS) == self.model.heads
        assert self.store.marks() == self.model.marks
        assert self.store.named_files(FILES) == self.model.named_files() & set(FILES)

    @rule(query=_queries, size=_sizes)
    def find(self, query: Query, size: int) -> None:
        """Find, on pages of any size."""
        type(self).settle_store(self.store)
        assert sorted(find_all(self.store, query, size)) == self.model.matches(query)

    @rule(size=_sizes)
    def scan(self, size: int) -> None:
        """Walk over everything and over all heads."""
        _same(scan_all(self.store, size), self.model.contents())
        _same(scan_all_heads(self.store, size), self.model.heads)

    @rule()
    def check(self) -> None:
        """Nothing that is allowed leaves an index wrong."""
        assert check_all(self.store) == []

    @precondition(lambda self: type(self).reopen_store is not None)
    @rule()
    def reopen(self) -> None:
        """Restart."""
        reopen = type(self).reopen_store
        assert reopen is not None
        self.store = reopen(self.store)

    @invariant()
    def count(self) -> None:
        """The count is that of the documents."""
        assert self.store.count() == len(self.model.documents)

    def teardown(self) -> None:
        """Compare everything once more, and close."""
        try:
            self.read(ADDRESSES)
            self.scan(7)
            self.check()
            for query in _TELLING:
                self.find(query, 3)
        finally:
            self.store.close()

    def _expecting_current(self, moves: Iterable[HeadMove]) -> list[HeadMove]:
        return [move._replace(expected=self.model.heads.get(move.id)) for move in moves]


def store_machine(
    make: Callable[[], Store],
    reopen: Callable[[Store], Store] | None = None,
    settle: Callable[[Store], None] = lambda store: None,
) -> type[StoreMachine]:
    """The state machine for one backend.

    `make` gives a fresh store for each history, `reopen` closes a store and opens its data again, `settle` waits until
    what was put can be found. Run it by `hypothesis.stateful.run_state_machine_as_test`, or by its `TestCase`.
    """
    hooks = {"make_store": make, "reopen_store": reopen, "settle_store": settle}
    bound = {name: None if hook is None else staticmethod(hook) for name, hook in hooks.items()}
    return type("BoundStoreMachine", (StoreMachine,), bound)


def _same(pairs: list[tuple[str, Any]], expected: dict[str, Any]) -> None:
    assert dict(pairs) == expected
    assert len(pairs) == len(expected)
