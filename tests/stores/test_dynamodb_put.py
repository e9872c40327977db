"""What is in the table after puts, withdrawals and discards, whatever the service refuses and whoever comes between."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from stat7.contracts import Page
from stat7.errors import Unavailable
from stat7.query import Query
from stat7.record import Record
from stat7.stores.base import HeadMove, Outcome
from stat7.testing.required import need_driver
from stat7.testing.samples import FILES, attached, chain, notice, random_queries, random_records, sample, samples
from stat7.testing.servers import DynamoDB
from stat7.testing.store_suite import check_all, find_all, race, scan_all

pytest.importorskip("boto3")

from stat7.stores.dynamodb import DynamoDBStore, check
from stat7.stores.dynamodb.layout import Item
from tests.stores.dynamodb import Opening, below, document_key, items_below, settings_for

TABLE = "stat7"


@pytest.fixture
def opening(dynamodb: DynamoDB) -> Iterator[Opening]:
    """Opens stores in one table, and closes them after the test."""
    need_driver("dynamodb", "boto3")
    opened: list[DynamoDBStore] = []

    def open_store(**settings: Any) -> DynamoDBStore:
        opened.append(DynamoDBStore(settings_for(dynamodb, TABLE, **settings)))
        return opened[-1]

    yield open_store
    for store in opened:
        store.close()


@pytest.fixture
def store(opening: Opening, monkeypatch: pytest.MonkeyPatch) -> DynamoDBStore:
    """A store in an empty table, which waits briefly before it erases links."""
    monkeypatch.setattr(check, "_SECONDS_TO_ERASE", 0.1)
    return opening()


def _linked(id: str = "linked") -> Record:
    return sample(id, adjacency=["n", "m"], files=[attached(FILES[2])], realm="void")


def _kinds(store: DynamoDBStore) -> str:
    """The kinds of all items, sorted, without version and realms."""
    kinds = [item["pk"]["B"][:1].decode() for item in items_below(store)]
    return "".join(sorted(kind for kind in kinds if kind not in "VR"))


def _api(store: DynamoDBStore) -> Any:
    return store._client.api()


def _before(store: DynamoDBStore, operation: str, act: Callable[[], object], when: int = 0) -> None:
    """Have `act` done just before the client's n-th request of this kind from now on."""
    real, seen = getattr(_api(store), operation), iter(range(1000))

    def request(**given: Any) -> Any:
        if next(seen) == when:
            act()
        return real(**given)

    setattr(_api(store), operation, request)


def test_a_document_has_an_item_for_itself_and_for_each_neighbour_and_file(store: DynamoDBStore) -> None:
    record = _linked()
    store.put([record], [HeadMove(record.id, None, record.address)])
    assert _kinds(store) == "EFHNN"
    store.withdraw([notice(record.address)])
    assert _kinds(store) == "EHW"
    item = below(store).get_item(TableName=TABLE, Key=document_key(store, record.address))["Item"]
    assert item.keys() == {"pk", "sk", "k", "o", "w", "h", "i"}
    store.discard([record.address])
    assert _kinds(store) == "EHW"


def test_discarding_leaves_no_item(store: DynamoDBStore) -> None:
    store.put([_linked()])
    store.discard([_linked().address])
    assert _kinds(store) == ""


def test_a_document_and_adjacency_at_their_limits_fit_the_items(store: DynamoDBStore) -> None:
    neighbours = [f"{number:04}" + "n" * 180 for number in range(1024)]
    files = [attached(f"{number:064x}", f"{number}") for number in range(300)]
    record = sample("x" * 256, adjacency=neighbours, files=files[:200], state={"text": "x" * 30_000})
    assert len(record.document) > 240_000
    assert store.put([record])[0] == [Outcome.NEW]
    assert store.get([record.address]) == {record.address: record.document}
    assert len(find_all(store, Query(adjacent_to=neighbours[-1]))) == 1
    assert check_all(store) == []


def test_a_put_that_a_withdrawal_overtakes_stores_nothing_and_takes_its_links_back(opening: Opening) -> None:
    store, other, record = opening(), opening(), _linked()
    _before(store, "batch_execute_statement", lambda: other.withdraw([notice(record.address)]))
    assert store.put([record], [HeadMove("h", None, record.address)]) == ([Outcome.WITHDRAWN], [False])
    assert _kinds(store) == "EW"
    assert check_all(store) == []


def test_a_put_between_the_look_and_the_notice_of_a_withdrawal_is_withdrawn_too(opening: Opening) -> None:
    store, other, record = opening(), opening(), _linked()
    _before(store, "batch_execute_statement", lambda: other.put([record]))
    store.withdraw([notice(record.address)])
    assert store.get([record.address]) == {record.address: notice(record.address, id=record.id)}
    assert _kinds(store) == "EW"
    assert check_all(store) == []


def test_a_document_discarded_between_the_look_and_the_notice_is_withdrawn_ahead(opening: Opening) -> None:
    store, other, record = opening(), opening(), _linked()
    store.put([record])
    _before(store, "batch_execute_statement", lambda: other.discard([record.address]))
    store.withdraw([notice(record.address)])
    assert store.get([record.address]) == {record.address: notice(record.address)}
    assert check_all(store) == []


def test_a_withdrawal_that_never_gets_its_turn_is_unavailable(opening: Opening) -> None:
    store, record = opening(), _linked()
    store._client.api().batch_execute_statement = lambda Statements: {  # noqa: N803
        "Responses": [{"Error": {"Code": "DuplicateItem"}}] * len(Statements)
    }
    with pytest.raises(Unavailable, match="try again"):
        store.withdraw([notice(record.address)])


def test_replace_of_what_is_withdrawn_meanwhile_leaves_the_notice_alone(opening: Opening) -> None:
    store, other, record = opening(), opening(), _linked()
    store.put([record])
    _before(store, "put_item", lambda: other.withdraw([notice(record.address)]))
    store.replace([record])
    assert _kinds(store) == "EW"
    assert check_all(store) == []


def test_a_put_cut_off_after_its_links_is_not_found_and_completed_by_the_next(store: DynamoDBStore) -> None:
    record = _linked()

    def fail(**request: Any) -> Any:
        raise KeyboardInterrupt

    real = _api(store).batch_execute_statement
    _api(store).batch_execute_statement = fail
    with pytest.raises(KeyboardInterrupt):
        store.put([record])
    _api(store).batch_execute_statement = real
    assert _kinds(store) == "FNN"
    assert find_all(store, Query(adjacent_to="n")) == find_all(store, Query(file=FILES[2])) == []
    assert store.named_files([FILES[2]]) == set()
    assert {finding.kind for finding in check_all(store)} == {"index"}
    assert store.put([record])[0] == [Outcome.NEW]
    assert check_all(store) == []


def test_compact_spares_the_links_of_a_put_under_way(store: DynamoDBStore, monkeypatch: pytest.MonkeyPatch) -> None:
    record = _linked("late")
    real, links = _api(store).batch_execute_statement, threading.Event()

    def late(**request: Any) -> Any:
        links.set()
        time.sleep(0.5)
        return real(**request)

    monkeypatch.setattr(check, "_SECONDS_TO_ERASE", 1.5)
    _api(store).batch_execute_statement = late
    with ThreadPoolExecutor(1) as pool:
        putting = pool.submit(store.put, [record])
        assert links.wait(30)
        store.compact()
        assert putting.result()[0] == [Outcome.NEW]
    _api(store).batch_execute_statement = real
    assert check_all(store) == []


def test_links_that_were_left_behind_are_swept_by_compact(store: DynamoDBStore) -> None:
    kept, lost = _linked("kept"), _linked("lost")
    store.put([kept, lost])
    below(store).delete_item(TableName=TABLE, Key=document_key(store, lost.address))
    assert {finding.subject for finding in check_all(store)} == {lost.address}
    assert store.compact() == 0
    assert check_all(store) == []
    assert _kinds(store) == "EFNN"
    assert find_all(store, Query(adjacent_to="m")) == [(kept.address, "kept")]


@pytest.mark.parametrize("name", ["c", "p", "i", "t", "r", "v", "y", "n", "f"])
def test_check_finds_any_changed_attribute_of_a_document(store: DynamoDBStore, name: str) -> None:
    record = _linked()
    store.put([record, *random_records(1, 5)])
    kind = {"c": {"S": "data#0#0"}, "i": {"S": "x"}, "t": {"S": "x"}}.get(name, {"N": "7"})
    value = {"B": b"\x00" * 40} if name in "pnf" else kind
    below(store).update_item(
        TableName=TABLE, Key=document_key(store, record.address), UpdateExpression="SET #a = :a",
        ExpressionAttributeNames={"#a": name}, ExpressionAttributeValues={":a": value},
    )  # fmt: skip
    assert {finding.subject for finding in check_all(store)} >= {record.address}
    store.replace([record])
    store.compact()
    assert check_all(store) == []


def test_check_finds_damaged_links_notices_and_lists(store: DynamoDBStore) -> None:
    record, gone, listed = _linked(), sample("gone"), "ab" * 32
    store.put([record])
    store.withdraw([notice(gone.address)])
    api = below(store)
    link = next(item for item in items_below(store) if item["pk"]["B"][:1] == b"F")
    api.put_item(TableName=TABLE, Item={**link, "r": {"N": "5"}})
    entry: Item = {"pk": {"B": b"W"}, "sk": {"B": bytes.fromhex(gone.address)}}
    api.delete_item(TableName=TABLE, Key=entry)
    api.put_item(TableName=TABLE, Item={**entry, "sk": {"B": bytes.fromhex(listed)}})
    api.update_item(
        TableName=TABLE, Key=document_key(store, gone.address), UpdateExpression="SET #o = :o",
        ExpressionAttributeNames={"#o": "o"}, ExpressionAttributeValues={":o": {"S": "another reason"}},
    )  # fmt: skip
    api.delete_item(TableName=TABLE, Key={"pk": {"B": b"R"}, "sk": {"B": b"void"}})
    found = {(finding.kind, finding.subject) for finding in check_all(store)}
    assert found == {("index", record.address), ("index", gone.address), ("notice", gone.address), ("index", listed)}


# --- what the service leaves undone


class _Moody:
    """A client that leaves parts of batches undone and refuses requests for being busy, at random."""

    def __init__(self, store: DynamoDBStore, seed: int) -> None:
        self.chance = random.Random(seed)
        self.moods = 0
        self.codes: tuple[str, ...] = ("ThrottlingError", "ProvisionedThroughputExceeded", "InternalServerError")
        api = _api(store)
        self.real = {name: getattr(api, name) for name in ("batch_get_item", "batch_write_item", "query", "scan")}
        self.statements = api.batch_execute_statement
        api.batch_write_item = self.write
        api.batch_get_item = self.get
        api.batch_execute_statement = self.execute

    def write(self, RequestItems: dict[str, list[Item]]) -> Any:  # noqa: N803
        done, left = self._split(RequestItems[TABLE])
        if done:
            self.real["batch_write_item"](RequestItems={TABLE: done})
        return {"UnprocessedItems": {TABLE: left} if left else {}}

    def get(self, RequestItems: dict[str, dict[str, Any]]) -> Any:  # noqa: N803
        asked = RequestItems[TABLE]
        done, left = self._split(asked["Keys"])
        found = self.real["batch_get_item"](RequestItems={TABLE: {**asked, "Keys": done}}) if done else {}
        rest = {TABLE: {**asked, "Keys": left}} if left else {}
        return {"Responses": found.get("Responses", {TABLE: []}), "UnprocessedKeys": rest}

    def execute(self, Statements: list[Item]) -> Any:  # noqa: N803
        done, left = self._split(Statements)
        answers = self.statements(Statements=done)["Responses"] if done else []
        code = self.chance.choice(self.codes)
        return {"Responses": answers + [{"Error": {"Code": code, "Message": "m"}}] * len(left)}

    def _split(self, items: list[Item]) -> tuple[list[Item], list[Item]]:
        at = self.chance.choice((len(items), len(items), self.chance.randrange(len(items))))
        self.moods += at < len(items)
        return items[:at], items[at:]


def test_whatever_is_left_undone_is_done_in_the_end(opening: Opening, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("stat7.stores.dynamodb.session._FIRST_PAUSE", 0.001)
    store = opening()
    moody = _Moody(store, 1)
    records = random_records(5, 300)
    moves = [HeadMove(record.id, None, record.address) for record in records]
    assert store.put(records, moves) == ([Outcome.NEW] * 300, [True] * 300)
    assert store.put(records)[0] == [Outcome.EXISTED] * 300
    assert store.heads([record.id for record in records]) == {record.id: record.address for record in records}
    store.withdraw([notice(record.address) for record in records[:50]])
    moody.codes = ("ThrottlingError",)  # An erasure that may have been done is not asked for again: the next test.
    store.discard([record.address for record in records[50:60]])
    documents = {record.address: record.document for record in records[60:]}
    held = store.get([record.address for record in records])
    assert {address: kept for address, kept in held.items() if isinstance(kept, bytes)} == documents
    for query in random_queries(5, 20, records):
        expected = sorted((r.address, r.id) for r in records[60:] if query.matches(r))
        assert sorted(find_all(store, query)) == expected
    assert check_all(store) == []
    assert moody.moods > 50


def test_an_erasure_that_may_have_been_done_is_not_repeated(opening: Opening) -> None:
    store, record = opening(), sample("a")
    store.put([record])
    asked: list[Any] = []

    def unclear(Statements: list[Item]) -> Any:  # noqa: N803
        asked.append(Statements)
        return {"Responses": [{"Error": {"Code": "InternalServerError", "Message": "m"}}]}

    _api(store).batch_execute_statement = unclear
    with pytest.raises(Unavailable, match="InternalServerError"):
        store.discard([record.address])
    assert len(asked) == 1
    assert store.get([record.address]) == {record.address: record.document}


def test_a_service_that_goes_on_refusing_is_unavailable_and_what_was_done_is_completed_later(opening: Opening) -> None:
    store, records = opening(retry=0.2), [_linked(f"{number}") for number in range(60)]
    real, seen = _api(store).batch_write_item, iter(range(1000))

    def refuse_later(RequestItems: Any) -> Any:  # noqa: N803
        return real(RequestItems=RequestItems) if next(seen) < 4 else {"UnprocessedItems": RequestItems}

    _api(store).batch_write_item = refuse_later
    with pytest.raises(Unavailable, match="too many"):
        store.put(records)
    _api(store).batch_write_item = real
    assert set(store.put(records)[0]) <= {Outcome.NEW, Outcome.EXISTED}
    assert len(find_all(store, Query(adjacent_to="n"))) == 60
    assert check_all(store) == []


def test_an_answer_that_was_lost_makes_existed_of_new_and_a_move_not_made(
    opening: Opening, monkeypatch: pytest.MonkeyPatch
) -> None:
    from botocore.exceptions import ReadTimeoutError

    monkeypatch.setattr("stat7.stores.dynamodb.session._FIRST_PAUSE", 0.001)
    store, record = opening(), _linked()
    real, seen = _api(store).batch_execute_statement, iter(range(100))

    def lose_first_two(Statements: Any) -> Any:  # noqa: N803
        answer = real(Statements=Statements)
        if next(seen) in (0, 2):
            raise ReadTimeoutError(endpoint_url="http://x")
        return answer

    _api(store).batch_execute_statement = lose_first_two
    assert store.put([record], [HeadMove("h", None, record.address)]) == ([Outcome.EXISTED], [False])
    assert store.heads(["h"]) == {"h": record.address}
    assert check_all(store) == []


def test_a_discard_whose_answer_was_lost_is_not_repeated(opening: Opening) -> None:
    from botocore.exceptions import ReadTimeoutError

    store, other, record = opening(), opening(), _linked()
    store.put([record])
    real = _api(store).batch_execute_statement

    def lose(Statements: Any) -> Any:  # noqa: N803
        real(Statements=Statements)
        other.put([record])
        raise ReadTimeoutError(endpoint_url="http://x")

    _api(store).batch_execute_statement = lose
    with pytest.raises(Unavailable):
        store.discard([record.address])
    assert other.has([record.address]) == {record.address}
    assert check_all(other) == []


# --- many


def test_readers_and_writers_of_two_stores_agree(opening: Opening) -> None:
    stores, versions = [opening() for _ in range(2)], chain("thing", 40)

    def work(number: int) -> int:
        made = 0
        for version in versions:
            move = HeadMove("thing", version.previous, version.address)
            made += stores[number % 2].put([version], [move])[1] == [True]
        return made

    assert sum(race(4, work)) == 40
    assert stores[0].heads(["thing"]) == {"thing": versions[-1].address}


def test_pages_of_scans_and_heads_end_with_short_answers_of_the_service(store: DynamoDBStore) -> None:
    records = [sample(f"{number}", state={"text": "x" * 200_000}) for number in range(30)]
    store.put(records, [HeadMove(record.id, None, record.address) for record in records])
    assert len(scan_all(store, 25)) == 30
    assert store.get([record.address for record in records]) == {r.address: r.document for r in records}
    page: Page[Any] = store.scan_heads(None, 30)
    assert len(page.items) == 30


def test_what_one_answer_cannot_hold_is_asked_for_again(store: DynamoDBStore) -> None:
    records = [sample(f"{number}", state={"text": "x" * 250_000}) for number in range(75)]
    for at in range(0, 75, 25):
        store.put(records[at : at + 25])
    asked: list[int] = []
    _before(store, "batch_get_item", lambda: asked.append(1), when=1)
    assert len(store.get([record.address for record in records])) == 75
    assert asked, "one answer held them all"


def test_files_named_by_many_documents_that_are_gone_are_still_named_by_one(store: DynamoDBStore) -> None:
    records = [sample(f"{number}", files=[attached(FILES[3])]) for number in range(20)]
    store.put(records)
    last = max(records, key=lambda record: record.address)
    for record in records:
        if record is not last:
            below(store).delete_item(TableName=TABLE, Key=document_key(store, record.address))
    assert store.named_files([FILES[3], FILES[4]]) == {FILES[3]}
    store.discard([last.address])
    assert store.named_files([FILES[3]]) == set()


def test_a_large_index_is_counted_in_parts(opening: Opening, monkeypatch: pytest.MonkeyPatch) -> None:
    store = opening()
    store.put(samples(60))
    real = _api(store).scan

    def limited(**request: Any) -> Any:
        return real(**request, Limit=7)

    _api(store).scan = limited
    assert store.count() == 60
