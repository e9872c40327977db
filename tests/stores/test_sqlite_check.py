"""Every kind of damage to index rows is found by `check`, named after its document, and mended by `replace`."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import apsw
import pytest

from stat7.errors import InvalidQuery
from stat7.query import Query
from stat7.record import Record
from stat7.stores.base import Finding
from stat7.stores.sqlite import SQLiteStore
from stat7.stores.sqlite import check as checking
from stat7.testing.samples import attached, forge, notice, sample, samples
from stat7.testing.store_suite import check_all, find_all, walk

VICTIM = sample("victim", realm="void", lineage=3, adjacency=["n", "m"], files=[attached("a" * 64)])
KEY = "(SELECT key FROM coordinates WHERE seq = (SELECT seq FROM documents WHERE id = 'victim'))"


def _other(number: int) -> Record:
    return sample(f"other {number}", realm="data", adjacency=["n"], files=[attached("b" * 64)])


@pytest.fixture
def store(tmp_path: Path) -> Iterator[SQLiteStore]:
    with SQLiteStore(tmp_path / "store.db", sync="normal") as store:
        others = [_other(number) for number in range(30)]
        store.put([*others[:15], VICTIM, *others[15:]])
        yield store


def _damage(store: SQLiteStore, *statements: str) -> None:
    with closing(apsw.Connection(store.path)) as raw:
        for statement in statements:
            raw.execute(statement).fetchall()


def _damage_without_index(store: SQLiteStore, statement: str) -> None:
    """Change the table of coordinates behind the back of its index."""
    index = store._read(
        lambda raw: raw.execute("SELECT sql, rootpage FROM sqlite_schema WHERE name = 'cov'").fetchall()
    )
    sql, page = index[0]
    with closing(apsw.Connection(store.path)) as raw:
        raw.config(apsw.SQLITE_DBCONFIG_DEFENSIVE, 0)
        raw.execute("PRAGMA writable_schema = ON").fetchall()
        raw.execute("DELETE FROM sqlite_schema WHERE name = 'cov'")
        raw.execute("PRAGMA writable_schema = RESET").fetchall()
    with closing(apsw.Connection(store.path)) as raw:
        raw.execute(statement)
    with closing(apsw.Connection(store.path)) as raw:
        raw.config(apsw.SQLITE_DBCONFIG_DEFENSIVE, 0)
        raw.execute("PRAGMA writable_schema = ON").fetchall()
        raw.execute("INSERT INTO sqlite_schema VALUES('index', 'cov', 'coordinates', ?, ?)", (page, sql))
        raw.execute("PRAGMA writable_schema = RESET").fetchall()


DAMAGE = {
    "a column of coordinates": f"UPDATE coordinates SET density = density + 1 WHERE key = {KEY}",
    "all columns of coordinates": f"UPDATE coordinates SET realm = NULL, segment = NULL WHERE key = {KEY}",
    "the segment": f"UPDATE coordinates SET segment = 7 WHERE key = {KEY}",
    "the row of coordinates": f"DELETE FROM coordinates WHERE key = {KEY}",
    "the key": f"UPDATE coordinates SET key = key + 1 WHERE key = {KEY}",
    "a bare row": f"UPDATE coordinates SET seq = NULL WHERE key = {KEY}",
    "a lost link to a neighbour": f"DELETE FROM links WHERE target = 'm' AND key = {KEY}",
    "a lost link to a file": f"DELETE FROM links WHERE segment = -1 AND key = {KEY}",
    "a false link to a neighbour": f"INSERT INTO links VALUES(0, 'stranger', {KEY})",
    "a false link to a file": f"INSERT INTO links VALUES(-1, x'{'cc' * 32}', {KEY})",
    "a changed link": f"UPDATE links SET target = 'o' WHERE target = 'm' AND key = {KEY}",
    "a file as a neighbour": f"UPDATE links SET segment = 0 WHERE segment = -1 AND key = {KEY}",
    "the id": "UPDATE documents SET id = 'impostor' WHERE id = 'victim'",
    "the realm's place in the list": "DELETE FROM realms WHERE realm = 'void'",
    "the document": "UPDATE documents SET document = x'7b' WHERE id = 'victim'",
}


@pytest.mark.parametrize("name", DAMAGE)
@pytest.mark.parametrize("limit", [1, 7, 1000])
def test_damage_is_found_and_named_after_its_document(store: SQLiteStore, name: str, limit: int) -> None:
    assert _findings(store, limit) == []
    _damage(store, DAMAGE[name])
    findings = _findings(store, limit)
    assert {finding.subject for finding in findings} == {VICTIM.address}
    assert {finding.kind for finding in findings} == {"document" if name == "the document" else "index"}
    assert all(len(finding.detail.splitlines()) == 1 for finding in findings)


@pytest.mark.parametrize("name", DAMAGE)
def test_replace_mends_it(store: SQLiteStore, name: str) -> None:
    _damage(store, DAMAGE[name])
    store.replace([VICTIM])
    assert check_all(store) == []
    assert store.get([VICTIM.address]) == {VICTIM.address: VICTIM.document}
    for query in (Query(realm="void", lineage=3), Query(adjacent_to="m"), Query(file="a" * 64)):
        assert find_all(store, query) == [(VICTIM.address, "victim")]
    assert find_all(store, Query(adjacent_to="stranger")) == []
    assert store.count() == 31


@pytest.mark.parametrize("name", DAMAGE)
def test_what_is_damaged_can_be_withdrawn(store: SQLiteStore, name: str) -> None:
    _damage(store, DAMAGE[name])
    if name in ("the row of coordinates", "the key", "a bare row"):
        store.replace([VICTIM])
    store.withdraw([notice(VICTIM.address)])
    _damage(store, "INSERT OR IGNORE INTO realms VALUES('void')")
    if name.startswith(("a false", "a changed", "a file as")):
        # What a sound document doesn't name isn't looked for: check finds it.
        assert {finding.detail.split(" is left")[1] for finding in check_all(store)} == {" of no document"}
        return
    assert check_all(store) == []


def test_the_address_kept_beside_a_document_is_mended(store: SQLiteStore) -> None:
    for change in ("x'00' || substr(address, 2)", "substr(address, 1, 31) || x'00'", "x'00'"):
        _damage(store, f"UPDATE documents SET address = CAST({change} AS BLOB) WHERE id = 'victim'")
        assert store.get([VICTIM.address]) == {}
        store.replace([VICTIM])
        assert store.get([VICTIM.address]) == {VICTIM.address: VICTIM.document}
        assert check_all(store) == []
        assert store.count() == 31


def test_rows_that_lead_nowhere_are_found(store: SQLiteStore) -> None:
    _damage(store, "DELETE FROM documents WHERE id = 'victim'")
    prefix = VICTIM.address[:16]
    found = {(finding.kind, finding.subject, finding.detail) for finding in check_all(store)}
    assert ("index", prefix, "a row of coordinates leads to no document") in found
    assert ("index", prefix, "a link to the neighbour 'm' is left of no document") in found
    assert {subject for _, subject, _ in found} == {prefix}
    assert VICTIM.address not in {match.address for match in find_all(store, Query())}
    store.replace([VICTIM])
    assert check_all(store) == []


def test_a_document_that_was_lost_can_be_put_again(store: SQLiteStore) -> None:
    _damage(store, "DELETE FROM documents WHERE id = 'victim'")
    assert store.put([VICTIM])[0][0].value == "new"
    assert check_all(store) == []
    assert find_all(store, Query(realm="void")) == [(VICTIM.address, "victim")]


def test_a_document_that_two_rows_lead_to(store: SQLiteStore) -> None:
    _damage(store, f"INSERT INTO coordinates SELECT key + 5, {_rest()} FROM coordinates WHERE key = {KEY}")
    assert {finding.subject for finding in check_all(store)} == {VICTIM.address}


def _rest() -> str:
    return "seq, segment, realm, horizon, lineage, resonance, velocity, density, entity_type, created_at"


def test_an_entry_that_the_index_lost_is_found_and_mended(store: SQLiteStore) -> None:
    _damage_without_index(store, f"UPDATE coordinates SET lineage = 4 WHERE key = {KEY}")
    subjects = {finding.subject for finding in check_all(store) if finding.kind == "index"}
    assert subjects == {VICTIM.address}
    store.replace([VICTIM])
    assert check_all(store) == []
    assert find_all(store, Query(realm="void", lineage=3)) == [(VICTIM.address, "victim")]


def test_an_entry_too_many_in_the_index_is_found_and_gone_after_reindexing(store: SQLiteStore) -> None:
    _damage_without_index(store, f"DELETE FROM coordinates WHERE key = {KEY}")
    details = [finding.detail for finding in check_all(store)]
    assert any("an entry of the index cov is left" in detail for detail in details)
    store.replace([VICTIM])
    store._writer.alone(lambda raw: raw.execute("REINDEX coordinates").fetchall())
    assert check_all(store) == []


def test_a_withdrawal_takes_out_what_the_index_has_lost(store: SQLiteStore) -> None:
    _damage_without_index(store, f"UPDATE coordinates SET lineage = 4 WHERE key = {KEY}")
    store.withdraw([notice(VICTIM.address)])
    assert check_all(store) == []
    assert store.has([VICTIM.address]) == set()


@pytest.mark.parametrize("index", ["cov", "bare"])
def test_a_missing_index_is_found_and_built_by_compact(store: SQLiteStore, index: str) -> None:
    _damage(store, f"DROP INDEX {index}")
    assert next(check.status for check in store.diagnose() if check.name == "indexes") == "fail"
    if index == "cov":
        assert {finding.subject for finding in check_all(store) if finding.kind == "index"} == {"cov"}
    store.compact()
    assert check_all(store) == []
    assert next(check.status for check in store.diagnose() if check.name == "indexes") == "ok"


def test_notices_that_cant_be_found_and_documents_that_should_be_gone(store: SQLiteStore) -> None:
    gone, back = samples(2)
    store.withdraw([notice(gone.address)])
    _damage(store, f"DELETE FROM coordinates WHERE key = (SELECT key FROM notices WHERE address = x'{gone.address}')")
    assert check_all(store) == [Finding("index", gone.address, "its notice can't be found by its key")]
    store.put([back])
    _damage(
        store,
        f"INSERT INTO notices SELECT address, {int(back.address[:16], 16) - 2**63}, 'x', NULL, 'c', 'r', 't', x''"
        f" FROM documents WHERE id = '{back.id}'",
    )
    found = {finding.kind: finding for finding in check_all(store) if finding.subject == back.address}
    assert found.keys() == {"document", "notice"}
    assert "withdrawn" in found["document"].detail


@pytest.mark.parametrize(
    "damage",
    [
        "reason = 'by requesT'",
        "\"case\" = 'case 2'",
        "withdrawn_at = '2026-02-03T04:05:06.788Z'",
        "id = 'another'",
        "previous = NULL",
        "reason = x'00ff'",
        "digest = x''",
    ],
)
def test_a_notice_that_says_something_else_than_when_it_was_kept_is_found(store: SQLiteStore, damage: str) -> None:
    gone = sample("gone")
    store.withdraw([notice(gone.address, id=gone.id, previous="b" * 64)])
    assert check_all(store) == []
    _damage(store, f"UPDATE notices SET {damage}")
    assert [(finding.kind, finding.subject) for finding in check_all(store)] == [("notice", gone.address)]


def test_displaced_documents_that_are_not_where_they_should_be(store: SQLiteStore) -> None:
    first, second = (forge(sample(f"{n}"), b"\x11" * 31 + bytes([n])) for n in range(2))
    store.put([first, second])
    assert check_all(store) == []
    _damage(store, "UPDATE displaced SET key = key + 1")
    found = check_all(store)
    assert {finding.subject for finding in found} == {second.address}
    assert {finding.kind for finding in found} == {"index"}


def test_links_of_an_unknown_kind_are_found(store: SQLiteStore) -> None:
    _damage(store, f"INSERT INTO links VALUES(0, 7, {KEY})", f"INSERT INTO links VALUES(0, x'00', {KEY})")
    assert {finding.subject for finding in _findings(store, 3)} == {VICTIM.address}


def test_writing_meanwhile_makes_no_findings(store: SQLiteStore) -> None:
    coming = iter([sample(f"new {n}", adjacency=["n"], files=[attached("c" * 64)]) for n in range(500)])
    cursor = None
    turns = 0
    while True:
        page = store.check(cursor, 4)
        assert page.items == []
        cursor, turns = page.cursor, turns + 1
        if cursor is None:
            break
        if turns < 60:
            store.put([next(coming), next(coming)])
            store.discard(
                [sample(f"other {turns % 30}", realm="data", adjacency=["n"], files=[attached("b" * 64)]).address]
            )
    assert turns > 30


def test_segments_are_counted_each_on_its_own(tmp_path: Path) -> None:
    """Documents in three segments, a link too many in the middle one."""
    records = [sample(f"{n}", adjacency=["n"]) for n in range(9)]
    with SQLiteStore(tmp_path / "store.db") as store:
        for number in range(3):
            store.put(records[3 * number : 3 * number + 3])
            _damage(store, f"INSERT INTO documents VALUES({65536 * number + 65530}, x'', '', x'')")
        _damage(store, "DELETE FROM documents WHERE id = ''")
        assert {finding.detail for finding in _findings(store, 2)} == set()
        victim = records[4]
        _damage(store, f"INSERT INTO links VALUES(1, 'stranger', {int(victim.address[:16], 16) - 2**63})")
        assert {finding.subject for finding in _findings(store, 2)} == {victim.address}


@pytest.mark.parametrize(
    "progress",
    [
        [], [1], ["nonsense"], ["documents", 1], ["documents", "1", 2, 3], ["documents", 2**63, 0, 0], ["keys", 1.5],
        ["links"], ["links", -1, "blob zz", 0, 0, 0], ["links", -1, "real x", 0, 0, 0], ["links", -1, "zz", 0, 0, 0],
        ["links", 0, 1, 0, 0, 0], ["cov", 1], ["database", 1], ["end"], {"a": 1}, None,
    ],
)  # fmt: skip
def test_progress_that_no_check_made_is_refused(store: SQLiteStore, progress: Any) -> None:
    with pytest.raises(InvalidQuery, match="cursor"):
        store.check(checking.cursor_of(progress), 10)


def test_every_phase_can_be_resumed(store: SQLiteStore) -> None:
    _damage(store, *(statement for name, statement in DAMAGE.items() if name.startswith("a false")))
    seen = set()
    cursor = None
    while True:
        page = store.check(cursor, 3)
        cursor = page.cursor
        if cursor is None:
            break
        seen.add(checking.progress_of(cursor)[0])
    assert seen == {"documents", "links", "cov", "keys", "notices", "database"}


def _findings(store: SQLiteStore, limit: int) -> list[Finding]:
    return list(walk(lambda cursor: store.check(cursor, limit), None))
