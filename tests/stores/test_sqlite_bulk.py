"""A store that was filled at once is the same as one that was put together piece by piece."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import apsw
import pytest

from stat7.errors import ConfigError
from stat7.query import Query
from stat7.record import Record
from stat7.stores.base import HeadMove, Outcome
from stat7.stores.sqlite import SQLiteStore
from stat7.stores.sqlite.bulk import fill
from stat7.testing.samples import chain, forge, random_queries, random_records, sample, samples
from stat7.testing.store_suite import check_all, find_all, scan_all, scan_all_heads


def test_it_holds_the_same_as_if_it_had_been_put(tmp_path: Path) -> None:
    records = [*random_records(1, 300), *chain("versions", 5)]
    assert fill(tmp_path / "filled.db", [records[:100], [], records[100:]]) == 305
    with SQLiteStore(tmp_path / "filled.db") as filled, SQLiteStore(tmp_path / "put.db") as put:
        for record in records:
            put.put(
                [record], [HeadMove(record.id, record.previous if record.id == "versions" else None, record.address)]
            )
        assert scan_all(filled) == scan_all(put)
        assert scan_all_heads(filled) == scan_all_heads(put)
        assert check_all(filled) == []
        assert filled.count() == 305
        for query in random_queries(1, 30, records):
            assert find_all(filled, query) == find_all(put, query)
        assert [check.status for check in filled.diagnose()] == [check.status for check in put.diagnose()]
        assert filled.put(samples(3))[0] == [Outcome.NEW] * 3


def test_nothing_but_the_store_is_left(tmp_path: Path) -> None:
    fill(tmp_path / "store.db", [samples(10)])
    assert [path.name for path in tmp_path.iterdir()] == ["store.db"]


def test_records_that_come_twice_are_kept_once(tmp_path: Path) -> None:
    records = random_records(2, 20)
    assert fill(tmp_path / "store.db", [records, records[5:], records[::-1]]) == 20
    with SQLiteStore(tmp_path / "store.db") as store:
        assert len(scan_all(store)) == 20
        assert check_all(store) == []


def test_forged_collisions_are_kept_apart(tmp_path: Path) -> None:
    ends = [bytes([number]) for number in (3, 0, 2, 1, 2)]
    records = [forge(sample(f"{end[0]}", adjacency=["n"]), b"\xff" * 31 + end) for end in ends]
    assert fill(tmp_path / "store.db", [samples(5), records]) == 9
    with SQLiteStore(tmp_path / "store.db") as store:
        assert [address[-1] for address, _ in scan_all(store)][-4:] == ["0", "1", "2", "3"]
        assert len(find_all(store, Query(adjacent_to="n"))) == 4
        assert check_all(store) == []
        assert store.put(records)[0] == [Outcome.EXISTED] * 5


def test_an_empty_store_may_come_of_it(tmp_path: Path) -> None:
    assert fill(tmp_path / "store.db", []) == 0
    with SQLiteStore(tmp_path / "store.db") as store:
        assert store.put(samples(1))[0] == [Outcome.NEW]


def test_nothing_is_seen_of_it_before_it_is_whole(tmp_path: Path) -> None:
    path = tmp_path / "store.db"

    def batches() -> Iterator[list[Record]]:
        for number in range(3):
            assert not path.exists()
            yield samples(10, f"{number}")

    fill(path, batches())
    assert path.exists()


@pytest.mark.parametrize("error", [ValueError("bad input"), KeyboardInterrupt()])
def test_what_fails_leaves_nothing(tmp_path: Path, error: BaseException) -> None:
    def batches() -> Iterator[list[Record]]:
        yield samples(10)
        raise error

    with pytest.raises(type(error)):
        fill(tmp_path / "store.db", batches())
    assert list(tmp_path.iterdir()) == []


def test_what_exists_is_not_overwritten(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    with SQLiteStore(path) as store:
        store.put(samples(3))
    with pytest.raises(ConfigError, match="exists already"):
        fill(path, [samples(5)])
    with pytest.raises(ConfigError, match="create it"):
        fill(tmp_path / "missing" / "store.db", [samples(5)])
    with SQLiteStore(path) as store:
        assert store.count() == 3


def test_it_is_ready_to_be_written_ahead(tmp_path: Path) -> None:
    fill(tmp_path / "store.db", [samples(3)])
    with closing(apsw.Connection(str(tmp_path / "store.db"))) as raw:
        assert raw.execute("PRAGMA journal_mode").fetchall() == [("wal",)]
        assert raw.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
