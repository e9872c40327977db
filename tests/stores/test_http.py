"""HttpStore passes the published suites over a real gateway, and keeps its own promises about answers and limits."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import nullcontext, suppress
from pathlib import Path

import pytest

import stat7
from stat7.address import Address
from stat7.errors import Corrupt, InvalidQuery, StoreFull, Unavailable, Unsupported
from stat7.files.memory import MemoryFiles
from stat7.gateway.settings import Limits, Rate
from stat7.query import Query
from stat7.record import Notice
from stat7.registry import open_store
from stat7.remote.connection import NDJSON
from stat7.remote.lines import LINES
from stat7.stores.base import HeadMove, Outcome, Store
from stat7.stores.http import HttpStore
from stat7.stores.memory import Contents, MemoryStore
from stat7.stores.sqlite import SQLiteStore
from stat7.testing import EntityStoreSuite, HeadStoreSuite
from stat7.testing.collision_suite import CollisionSuite
from stat7.testing.samples import FILES, HOSTILE_IDS, attached, forge, notice, random_records, sample, samples
from stat7.testing.store_suite import check_all, find_all, scan_all
from tests.gateways import WITHOUT_LIMIT, Gateways, Served
from tests.liars import http, lying, ndjson, problem, says


class TestHttpStore(EntityStoreSuite, HeadStoreSuite):
    """The conformance suites over a gateway of each test's own. A gateway hashes what it stores, so what nobody can
    make without breaking SHA-256, documents under addresses of others, never gets there: those tests are left out.
    """

    records = 120
    queries = 12

    @pytest.fixture(autouse=True)
    def _gateways(self, gateways: Gateways, request: pytest.FixtureRequest) -> None:
        name = request.function.__name__
        if name in vars(CollisionSuite) or name == "test_random_histories_agree_with_the_model":
            pytest.skip("a gateway stores nothing under an address that is not its own")
        self.gateways = gateways

    def make_store(self, tmp_path: Path) -> Store:
        return open_store(self.gateways.add(MemoryStore(), MemoryFiles()).keyed())

    def reopen(self, store: Store) -> Store:
        """The client alone: what is behind the gateway has suites of its own."""
        again = open_store(self._served(store).keyed())
        store.close()
        return again

    def raw_document(self, store: Store, address: Address) -> bytes | None:
        return self._contents(store).documents.get(address)

    def damage(self, store: Store, address: Address, data: bytes) -> None:
        self._contents(store).documents[address] = data

    def damage_index(self, store: Store, address: Address) -> None:
        del self._contents(store).files[address]

    def test_what_is_given_to_put_again_under_other_bytes_does_not_overwrite(self, store: Store) -> None:
        first, second = samples(2)
        store.put([first])
        with pytest.raises(Unavailable, match="no answer of a stat7 gateway"):
            store.put([forge(second, first.address)])
        assert store.get([first.address]) == {first.address: first.document}

    def test_hostile_text_in_notices_is_kept_exactly(self, store: Store) -> None:
        """What the façade lets nobody write, a case of several lines say, a gateway may refuse: it alters nothing."""
        records = samples(len(HOSTILE_IDS))
        for record, text in zip(records, HOSTILE_IDS, strict=True):
            told = Notice(record.address, text, text, "0001-01-01T00:00:00.000Z", text, record.address)
            with suppress(InvalidQuery) if not text.isprintable() else nullcontext():
                store.withdraw([told])
                assert store.get([record.address]) == {record.address: told}

    @pytest.mark.parametrize("data", [b"", b"garbage", b"{}", b"\xff\x00", sample("an impostor").document])
    def test_damage_is_returned_as_it_is_found_by_check_and_mended_by_replace(self, store: Store, data: bytes) -> None:
        """Damaged bytes don't leave the gateway: in their place come none, which are no document's either."""
        record = sample(adjacency=["n"], files=[attached(FILES[2])], realm="void", lineage=3)
        others = random_records(6, 20)
        store.put([record, *others])
        self.damage(store, record.address, data)
        assert store.get([record.address]) == {record.address: b""}
        assert store.get([record.address, others[0].address])[record.address] == b""
        assert dict(scan_all(store))[record.address] == b""
        assert {finding.subject for finding in check_all(store)} == {record.address}
        store.replace([record])
        assert store.get([record.address]) == {record.address: record.document}
        assert check_all(store) == []
        for query in (Query(adjacent_to="n", realm="void"), Query(file=FILES[2], lineage=3)):
            matching = [(each.address, each.id) for each in (record, *others) if query.matches(each)]
            assert sorted(find_all(store, query)) == sorted(matching)

    def _served(self, store: Store) -> Served:
        assert isinstance(store, HttpStore)
        return self.gateways.of(store.connection.url)

    def _contents(self, store: Store) -> Contents:
        below = self._served(store).store
        assert isinstance(below, MemoryStore)
        return below.contents()


@pytest.fixture
def served(gateways: Gateways, tmp_path: Path) -> Served:
    """A gateway over an SQLite store."""
    return gateways.add(SQLiteStore(tmp_path / "store.db"), MemoryFiles())


@pytest.fixture
def store(served: Served) -> Iterator[Store]:
    """A client of it."""
    made = open_store(served.keyed())
    yield made
    made.close()


def test_what_a_gateway_says_of_its_store_is_passed_on_as_far_as_it_counts_here(served: Served, store: Store) -> None:
    behind, known = served.store.capabilities, store.capabilities
    assert known.name == "gateway (sqlite)"
    assert known.max_batch == LINES < behind.max_batch
    assert known.shared
    for name in ("consistent_find", "durable", "ordered_scan", "refuses_scans", "indexed"):
        assert getattr(known, name) == getattr(behind, name)


def test_single_questions_take_the_quick_way(served: Served, store: Store) -> None:
    one, other = samples(2)
    store.put([one], [HeadMove(one.id, None, one.address)])
    served.paths.clear()
    assert store.get([one.address]) == {one.address: one.document}
    assert store.get([other.address]) == {}
    assert store.heads([one.id]) == {one.id: one.address}
    assert store.heads([other.id]) == {}
    assert store.heads(["e\u0301"]) == {}
    store.withdraw([notice(one.address)])
    assert store.get([one.address]) == {one.address: notice(one.address, id=one.id)}
    assert served.paths == [
        f"GET /entities/{one.address}", f"GET /entities/{other.address}", "GET /head", "GET /head", "POST /heads",
        "POST /withdrawals", f"GET /entities/{one.address}",
    ]  # fmt: skip


def test_a_client_that_waits_as_it_is_told_gets_everything(gateways: Gateways) -> None:
    slow = {**WITHOUT_LIMIT, "bulk": Rate(20, 5)}
    store = open_store(gateways.add(MemoryStore(), MemoryFiles(), rates=slow).keyed(options="retry=120"))
    store.put(samples(3))
    for _ in range(8):
        assert len(store.has([record.address for record in samples(3)])) == 3
    store.close()


def test_a_put_is_split_where_the_gateway_takes_less(gateways: Gateways) -> None:
    served = gateways.add(MemoryStore(), MemoryFiles(), limits=Limits(body=3000, batch=4, page=5))
    store = open_store(served.keyed())
    records = samples(20)
    for start in range(0, 20, store.capabilities.max_batch):
        assert store.put(records[start : start + 4])[0] == [Outcome.NEW] * 4
    store.replace(records)
    addresses = [record.address for record in records]
    assert store.has(addresses) == store.get(addresses).keys() == set(addresses)
    assert len(find_all(store, Query(), 100)) == len(scan_all(store, 100)) == 20
    assert store.swap_heads([HeadMove(each.id, None, each.address) for each in records]) == [True] * 20
    assert store.heads([each.id for each in records]) == {each.id: each.address for each in records}
    store.withdraw([notice(address) for address in addresses])
    assert store.count() == 0
    store.close()


def test_a_move_to_what_was_withdrawn_before_is_not_made_by_a_put(store: Store) -> None:
    gone, stored, unknown = samples(3)
    store.put([stored])
    store.withdraw([notice(gone.address)])
    moves = [HeadMove(each.id, None, each.address) for each in (gone, stored, unknown)]
    assert store.put([], moves)[1] == [False, True, True]


def test_a_question_too_long_for_a_url_is_unsupported_and_not_a_crash(store: Store) -> None:
    with pytest.raises(Unsupported, match="ask for fewer values"):
        store.find(Query(realm=[f"realm{number}" for number in range(30_000)]), None, 10)


def test_doctor_hears_of_parts_that_are_away(served: Served, store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    def away(*_: object) -> None:
        raise Unavailable("the disk is gone")

    assert [check.status for check in store.diagnose()][:-1] == ["ok"] * 3  # type: ignore[attr-defined]
    monkeypatch.setattr(served.files, "stat", away)
    time.sleep(1.1)  # an answer is good for a second
    found = {check.name: check for check in store.diagnose() if check.status == "fail"}  # type: ignore[attr-defined]
    assert found.keys() == {"gateway", "gateway's files"}
    assert "not ready" in found["gateway"].text
    assert "Unavailable" in found["gateway's files"].text


ADDRESS, OTHER = "a" * 64, "b" * 64
_NOTICE = {"address": OTHER, "case": "1", "reason": "r", "withdrawn_at": "x"}
_GONE = problem("withdrawn", 410, notice=_NOTICE)

LIES: list[tuple[str, Callable[[Store], object], bytes]] = [
    ("another's document is missing", lambda s: s.get([ADDRESS]), problem("not-found", 404, what=OTHER)),
    ("a page is missing", lambda s: s.get([ADDRESS]), http(b"no such page", "text/html", 404)),
    ("another's notice", lambda s: s.get([ADDRESS]), _GONE),
    ("another is damaged", lambda s: s.get([ADDRESS]), problem("corrupt", 500, address=OTHER, found="x")),
    ("an address nobody asked for", lambda s: s.get([ADDRESS, "c" * 64]), ndjson({"address": OTHER, "document": {}})),
    ("a line without an end", lambda s: s.get([ADDRESS, OTHER]), http(b'{"a', "application/x-ndjson")),
    ("lines that are JSON", lambda s: s.get([ADDRESS, OTHER]), http(b"\n", "application/json")),
    ("a line of nothing", lambda s: s.get([ADDRESS, OTHER]), ndjson({"address": ADDRESS})),
    ("a notice of another", lambda s: s.get([ADDRESS, OTHER]), ndjson({"address": ADDRESS, "notice": _NOTICE})),
    ("a list that isn't one", lambda s: s.has([ADDRESS]), says({"a": 1})),
    ("more than was asked for", lambda s: s.has([ADDRESS]), says([ADDRESS, OTHER])),
    ("numbers for names", lambda s: s.named_files([ADDRESS]), says([7])),
    ("the head of another", lambda s: s.heads(["x"]), says({"id": "y", "address": ADDRESS})),
    ("no head of another", lambda s: s.heads(["x"]), problem("not-found", 404, what="y")),
    ("a head that is no address", lambda s: s.heads(["x"]), says({"id": "x", "address": "y"})),
    ("heads of others", lambda s: s.heads(["x", "y"]), says({"z": ADDRESS})),
    ("too few moves", lambda s: s.swap_heads([HeadMove("x", None, ADDRESS)]), says([])),
    ("moves that are half made", lambda s: s.swap_heads([HeadMove("x", None, ADDRESS)]), says([1])),
    ("matches without ids", lambda s: s.find(Query(), None, 1), says({"matches": [{"address": ADDRESS}]})),
    ("a cursor that is a number", lambda s: s.scan_heads(None, 1), says({"items": [], "cursor": 7})),
    ("heads of three parts", lambda s: s.scan_heads(None, 1), says({"items": [["x", ADDRESS, "z"]], "cursor": None})),
    ("findings of two parts", lambda s: s.check(None, 1), says({"items": [["x", "y"]], "cursor": None})),
    ("notices of nobody", lambda s: s.scan_notices(None, 1), says({"items": [{"address": "x"}], "cursor": None})),
    ("a plan with half a row", lambda s: s.explain(Query()),
     says({"method": "m", "indexed": True, "rows": 0.5, "matches": 1, "detail": "d"})),
    ("marks that are numbers", lambda s: s.marks(), says({"copy": 1})),
    ("freed nothing at all", lambda s: s.compact(), says({})),
    ("another document was put", lambda s: s.put([sample()]), ndjson({"line": 1, "status": "new", "address": OTHER})),
    ("a status nobody knows", lambda s: s.put([sample()]),
     ndjson({"line": 1, "status": "fine", "address": sample().address})),
    ("another line", lambda s: s.put([sample()]), ndjson({"line": 2, "status": "new", "address": sample().address})),
    ("more lines than documents", lambda s: s.put([sample()]),
     ndjson(*[{"line": n, "status": "new", "address": sample().address} for n in (1, 2)])),
    ("no line at all", lambda s: s.put([sample()]), ndjson()),
    ("half a line", lambda s: s.put([sample()]), http(b'{"line": 1', "application/x-ndjson")),
]  # fmt: skip


@pytest.mark.parametrize(("call", "reply"), [lie[1:] for lie in LIES], ids=[lie[0] for lie in LIES])
def test_answers_that_cannot_be_are_not_believed(call: Callable[[Store], object], reply: bytes) -> None:
    with lying() as liar:
        store = open_store(liar.url())
        liar.says(reply)
        with pytest.raises(Unavailable) as caught:
            call(store)
        assert type(caught.value) is Unavailable
        store.close()


def test_an_answer_that_ends_with_a_problem_is_that_problem() -> None:
    with lying() as liar:
        store = open_store(liar.url())
        document = {"address": ADDRESS, "document": {}}
        told = {"type": "urn:stat7:problem:store-full", "title": "t", "status": 507, "detail": "no space"}
        liar.says(ndjson(document, {"problem": told}))
        with pytest.raises(StoreFull, match="no space"):
            store.get([ADDRESS, OTHER])
        liar.says(ndjson({"problem": told}))
        with pytest.raises(StoreFull, match="no space"):
            store.put([sample()])
        refused = {"line": 1, "status": "refused", "address": None, "problem": {**told, "detail": "this one"}}
        liar.says(ndjson(refused))
        with pytest.raises(StoreFull, match="this one"):
            store.put([sample()])
        store.close()


def test_other_bytes_than_the_address_says_are_corrupt() -> None:
    record, other = samples(2)
    with lying() as liar, stat7.open(liar.url()) as repo:
        liar.says(http(other.document))
        with pytest.raises(Corrupt):
            repo.get_document(record.address)
        liar.says(http(b'{"address":"%b","document":%b}\n' % (record.address.encode(), other.document), NDJSON))
        with pytest.raises(Corrupt):
            repo.get_documents([record.address, other.address])
