"""Values that no stat7 wrote, as flipped bits make them: every read answers or says Corrupt, `check` finds them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from pathlib import Path

import apsw
import pytest

from stat7.errors import Corrupt
from stat7.query import Query
from stat7.stores.base import HeadMove
from stat7.stores.sqlite import SQLiteStore
from stat7.testing.samples import attached, notice, sample, samples
from stat7.testing.store_suite import check_all, find_all, scan_all, walk

VICTIM = sample("victim", realm="void", lineage=3, adjacency=["n", "m"], files=[attached("a" * 64)])
GONE = sample("gone")
SEQ = "(SELECT seq FROM coordinates WHERE realm = 'void')"
NOT_TEXT = "CAST(x'76b5' AS TEXT)"

DAMAGE = {
    "an id that is no text": f"UPDATE documents SET id = {NOT_TEXT} WHERE seq = {SEQ}",
    "no id": f"UPDATE documents SET id = 7 WHERE seq = {SEQ}",
    "an address as text": f"UPDATE documents SET address = CAST(address AS TEXT) WHERE seq = {SEQ}",
    "an address as a number": f"UPDATE documents SET address = 7 WHERE seq = {SEQ}",
    "a document as text": f"UPDATE documents SET document = CAST(x'7bb5' AS TEXT) WHERE seq = {SEQ}",
    "a document as a number": f"UPDATE documents SET document = 7 WHERE seq = {SEQ}",
    "a neighbour that is no text": f"UPDATE links SET target = {NOT_TEXT} WHERE target = 'm'",
    "a neighbour under a word": "UPDATE links SET key = 'word' WHERE target = 'm'",
    "a neighbour under a fraction": "UPDATE links SET key = 0.5 WHERE target = 'm'",
    "a notice's address as text": "UPDATE notices SET address = CAST(address AS TEXT)",
    "a notice's address cut short": "UPDATE notices SET address = substr(address, 1, 20)",
    "a notice without address": "UPDATE notices SET address = x''",
    "a document's number as a word": "UPDATE coordinates SET seq = 'word' WHERE realm = 'void'",
}


@pytest.fixture
def store(tmp_path: Path) -> Iterator[SQLiteStore]:
    with SQLiteStore(tmp_path / "store.db", sync="normal") as store:
        records = [*samples(10), VICTIM, GONE]
        store.put(records, [HeadMove(record.id, None, record.address) for record in records])
        store.withdraw([notice(GONE.address)])
        yield store


def _damage(store: SQLiteStore, statement: str) -> None:
    with closing(apsw.Connection(store.path)) as raw:
        raw.execute(statement).fetchall()
        assert raw.changes() == 1, "the statement must meet the one row that it is to damage"


def _answers(ask: Callable[[], object]) -> None:
    """It answers, or says that the store is damaged; nothing else."""
    with suppress(Corrupt):
        ask()


@pytest.mark.parametrize("name", [name for name in DAMAGE if name != "an address as text"])
@pytest.mark.parametrize("limit", [1, 1000])
def test_check_finds_it_and_comes_to_its_end(store: SQLiteStore, name: str, limit: int) -> None:
    assert check_all(store) == []
    _damage(store, DAMAGE[name])
    assert list(walk(lambda cursor: store.check(cursor, limit), None))


def test_bytes_that_became_text_are_the_same_bytes(store: SQLiteStore) -> None:
    _damage(store, DAMAGE["an address as text"])
    _damage(store, f"UPDATE documents SET document = CAST(document AS TEXT) WHERE seq = {SEQ}")
    assert store.get([VICTIM.address]) == {VICTIM.address: VICTIM.document}
    assert dict(scan_all(store))[VICTIM.address] == VICTIM.document
    assert find_all(store, Query(realm="void")) == [(VICTIM.address, "victim")]


@pytest.mark.parametrize("name", DAMAGE)
def test_every_read_answers_or_says_corrupt(store: SQLiteStore, name: str) -> None:
    _damage(store, DAMAGE[name])
    for query in (Query(), Query(realm="void"), Query(adjacent_to="m"), Query(file="a" * 64)):
        _answers(lambda query=query: find_all(store, query))  # type: ignore[misc]
        _answers(lambda query=query: store.explain(query))  # type: ignore[misc]
    _answers(lambda: store.get([VICTIM.address]))
    _answers(lambda: store.get([VICTIM.address, GONE.address]))
    _answers(lambda: store.has([VICTIM.address, GONE.address]))
    _answers(lambda: scan_all(store, 1))
    _answers(lambda: list(walk(lambda cursor: store.scan_heads(cursor, 1), 1)))
    _answers(lambda: store.named_files(["a" * 64]))


@pytest.mark.parametrize("name", [name for name in DAMAGE if "notice" not in name and "under" not in name])
def test_replace_mends_it(store: SQLiteStore, name: str) -> None:
    _damage(store, DAMAGE[name])
    store.replace([VICTIM])
    assert check_all(store) == []
    assert store.get([VICTIM.address]) == {VICTIM.address: VICTIM.document}
    assert find_all(store, Query(adjacent_to="m")) == [(VICTIM.address, "victim")]


@pytest.mark.parametrize("statement", ["SET address = CAST(address AS TEXT)", f"SET id = {NOT_TEXT}"])
def test_damaged_heads_are_read_or_said_to_be_corrupt(store: SQLiteStore, statement: str) -> None:
    _damage(store, f"UPDATE heads {statement} WHERE id = 'victim'")
    _answers(lambda: store.heads(["victim"]))
    _answers(lambda: store.heads(["victim", "gone"]))
    _answers(lambda: list(walk(lambda cursor: store.scan_heads(cursor, 1), 1)))


def test_what_has_a_damaged_id_can_be_withdrawn_and_the_notice_has_the_right_one(store: SQLiteStore) -> None:
    _damage(store, DAMAGE["an id that is no text"])
    store.withdraw([notice(VICTIM.address)])
    assert store.get([VICTIM.address])[VICTIM.address] == notice(VICTIM.address, id="victim")
