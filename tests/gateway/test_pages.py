"""Pages of documents: bounded by their bytes, complete by their cursors, and none lost for damage to another."""

from __future__ import annotations

import json
import random
import socket
from collections.abc import Iterator, Mapping, Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any

import httpx
import pytest

import stat7
from stat7.address import Address
from stat7.errors import Corrupt
from stat7.files.memory import MemoryFiles
from stat7.gateway import scale
from stat7.gateway.scale import PAGE_BYTES, STEP_BYTES, Scale
from stat7.operations.copy import copy
from stat7.query import Query
from stat7.record import Notice
from stat7.repository import Repository
from stat7.stores.base import Match, Page, Store
from stat7.stores.memory import MemoryStore
from stat7.stores.sqlite import SQLiteStore
from tests.gateway.conftest import document
from tests.gateways import Gateways, Served
from tests.repositories import damage_document

KIB = 1024
LARGE = 250 * KIB


def weighing(id: str, size: int, **changes: Any) -> dict[str, Any]:
    """A document of about so many bytes."""
    return document(id, **{"state": {"text": "x" * size}, **changes})


def alter(repository: Repository, address: Address) -> str:
    """Damage a document so that a store can still read it; returns what that hashes to, as errors tell it."""
    data = repository.get_document(address).replace(b'"entity_type":"thing"', b'"entity_type":"thin?"')
    damage_document(repository, address, data)
    return f"they hash to {sha256(data).hexdigest()}"


class Asking:
    """A gateway over a store, its repository, and pages of it."""

    def __init__(self, served: Served) -> None:
        self.served = served
        self.repository = Repository(served.store, served.files)
        self.client = httpx.Client(headers={"X-API-Key": served.keys["all"]}, timeout=60, trust_env=False)

    def get(self, path: str, **params: object) -> httpx.Response:
        """One answer, which must be a good one."""
        answer = self.client.get(self.served.url + path, params={name: str(text) for name, text in params.items()})
        assert answer.status_code == 200, answer.text
        return answer

    def pages(self, path: str, **params: object) -> Iterator[tuple[list[dict[str, Any]], int]]:
        """Items and size of each page, by the cursors."""
        cursor: str | None = ""
        while cursor is not None:
            answer = self.get(path, **params, **({"cursor": cursor} if cursor else {}))
            if path == "/scan":
                yield [json.loads(line) for line in answer.text.splitlines()], len(answer.content)
                cursor = answer.headers.get("stat7-cursor")
            else:
                given = answer.json()
                yield given["matches" if path == "/entities" else "versions"], len(answer.content)
                cursor = given["cursor"]
                linked = answer.links.get("next", {}).get("url")
                assert path != "/entities" or (linked is None) == (cursor is None)

    def addresses(self, path: str, **params: object) -> list[str]:
        """Of all items of all pages."""
        return [item["address"] for items, _ in self.pages(path, **params) for item in items]

    def count_of_damage(self) -> float:
        """How often damage was read."""
        name = "stat7_verification_failures_total"
        found = self.served._gateway.monitor.registry.get_sample_value(name, {"found_by": "read"})
        assert found is not None
        return found


@pytest.fixture(params=["memory", "sqlite"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Store:
    """Two stores, of which one can't but read everything to find anything."""
    return MemoryStore() if request.param == "memory" else SQLiteStore(tmp_path / "library.db")


@pytest.fixture
def asking(gateways: Gateways, store: Store) -> Iterator[Asking]:
    """A gateway over it."""
    made = Asking(gateways.add(store, MemoryFiles()))
    with made.client:
        yield made


@pytest.fixture
def narrow(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pages that are full with a thousandth of what they may be as a rule."""
    monkeypatch.setattr(scale, "PAGE_BYTES", PAGE_BYTES // KIB)
    monkeypatch.setattr(scale, "STEP_BYTES", STEP_BYTES // KIB)


def test_pages_of_large_documents_end_early_and_hold_everything_once(asking: Asking, tmp_path: Path) -> None:
    addresses: list[str] = []
    for number in range(80):
        previous = addresses[-1] if addresses else None
        addresses.append(asking.repository.put(weighing("long", LARGE, previous=previous, entity_type=f"t{number}")))
    for path, params in (("/entities", {"versions": "all"}), ("/scan", {}), ("/history", {"id": "long"})):
        pages = list(asking.pages(path, limit=10_000, **params))
        found = [item["address"] for items, _ in pages for item in items]
        assert sorted(found) == sorted(addresses), path
        assert path != "/history" or found == addresses[::-1]
        assert len(pages) == 2, path
        for _, size in pages:
            assert size < PAGE_BYTES + LARGE + 10 * KIB, path
    assert asking.served._gateway.spooled, "large answers wait on the disk"
    with stat7.open(asking.served.keyed()) as client:
        assert sorted(each.address for each in client.find(Query(versions="all"))) == sorted(addresses)
        assert [each.address for each in client.history("long")] == addresses[::-1]
        with stat7.open("memory:", files="memory:") as target:
            assert copy(client, target, verify=True).problems == 0
            assert target.store.count() == 80


def test_a_page_as_a_whole_is_what_head_says_of_it(asking: Asking) -> None:
    for number in range(10):
        asking.repository.put(weighing(f"head/{number}", LARGE))
    url = f"{asking.served.url}/entities?limit=1000"
    size = len(asking.client.get(url).content)
    headed = asking.client.head(url)
    assert (headed.status_code, headed.content, int(headed.headers["content-length"])) == (200, b"", size)
    assert size > 10 * LARGE


@pytest.mark.usefixtures("narrow")
def test_whatever_documents_weigh_each_is_on_one_page(asking: Asking) -> None:
    chance = random.Random(7)
    current: list[str] = []
    everything: list[str] = []
    for number in range(60):
        size = chance.choice((0, 0, 10, 500, 3000, 9000, 20_000))
        versions: list[str] = []
        for _ in range(chance.choice((1, 1, 1, 12))):
            previous = versions[-1] if versions else None
            text = {"text": "x" * size, "n": len(versions)}
            versions.append(asking.repository.put(document(f"any/{number}", state=text, previous=previous)))
        current.append(versions[-1])
        everything += versions
    for limit in (1, 7, 100, 10_000):
        assert sorted(asking.addresses("/entities", limit=limit)) == sorted(current)
        assert sorted(asking.addresses("/entities", limit=limit, versions="all")) == sorted(everything)
        assert sorted(asking.addresses("/scan", limit=limit)) == sorted(everything)
    assert len(list(asking.pages("/entities", limit=10_000))) > 2
    small = list(asking.pages("/entities", limit=40, type="none"))
    assert small == [([], len('{"matches":[],"cursor":null}'))]


@pytest.mark.usefixtures("narrow")
def test_a_long_history_comes_on_pages_that_go_on_where_they_ended(asking: Asking) -> None:
    versions: list[str] = []
    for number in range(40):
        previous = versions[-1] if versions else None
        versions.append(asking.repository.put(weighing("h", 10 + number % 7 * 900, previous=previous)))
    asking.repository.withdraw([versions[20]], case="K", reason="asked for")
    for limit in (1, 13, 39, 40, 10_000):
        pages = [items for items, _ in asking.pages("/history", id="h", limit=limit)]
        assert [item["address"] for items in pages for item in items] == versions[::-1]
        assert max(map(len, pages)) <= limit
    assert len(pages) > 3


class Watched(MemoryStore):
    """Notes how many bytes of documents it gave at once; others store and withdraw in between; `also` is found, too."""

    def __init__(self) -> None:
        super().__init__()
        self.most = 0
        self.finds = 0
        self.meanwhile: list[dict[str, Any]] = []
        self.late: list[Address] = []
        self.also: list[Match] = []

    def get(self, addresses: Sequence[Address]) -> dict[Address, bytes | Notice]:
        """See EntityStore.get."""
        held = super().get(addresses)
        self._note(held)
        return held

    def scan(self, cursor: str | None, limit: int) -> Page[tuple[Address, bytes | Notice]]:
        """See EntityStore.scan."""
        page = super().scan(cursor, limit)
        self._note(dict(page.items))
        return page

    def find(self, query: Query, cursor: str | None, limit: int) -> Page[Match]:
        """See EntityStore.find."""
        self.finds += 1
        page = super().find(query, cursor, limit)
        if self.meanwhile:
            coming, self.meanwhile = self.meanwhile[:40], self.meanwhile[40:]
            Repository(self, MemoryFiles()).put_many(coming)
        if self.late:
            Repository(self, MemoryFiles()).withdraw(self.late, case="K", reason="asked for")
        return Page(page.items + self.also, page.cursor)

    def _note(self, held: Mapping[Address, bytes | Notice]) -> None:
        self.most = max(self.most, sum(len(each) for each in held.values() if isinstance(each, bytes)))


@pytest.fixture
def watched(gateways: Gateways) -> Iterator[tuple[Watched, Asking]]:
    """A store that is watched, and a gateway over it."""
    store = Watched()
    asking = Asking(gateways.add(store, MemoryFiles()))
    with asking.client:
        yield store, asking


@pytest.mark.parametrize("path", ["/entities", "/scan"])
def test_no_more_than_a_few_megabytes_are_read_at_once(watched: tuple[Watched, Asking], path: str) -> None:
    store, asking = watched
    for number in range(70):
        asking.repository.put(weighing(f"at/{number}", LARGE))
    store.most = 0
    assert len(asking.addresses(path, limit=10_000)) == 70
    assert 0 < store.most <= 16 * (LARGE + KIB)


def test_a_page_of_small_documents_costs_one_question(watched: tuple[Watched, Asking]) -> None:
    store, asking = watched
    asking.repository.put_many(document(f"small/{number}") for number in range(150))
    store.finds = 0
    assert len(next(asking.pages("/entities", limit=100))[0]) == 100
    assert store.finds == 1


@pytest.mark.usefixtures("narrow")
def test_what_others_store_meanwhile_hides_and_repeats_nothing(watched: tuple[Watched, Asking]) -> None:
    store, asking = watched
    stays = {asking.repository.put(weighing(f"stays/{number}", 1500)) for number in range(120)}
    for versions in ("current", "all"):
        store.meanwhile = [weighing(f"new/{versions}/{number}", 700) for number in range(1000)]
        found = asking.addresses("/entities", limit=90, versions=versions)
        assert not store.meanwhile
        assert len(found) == len(set(found))
        assert stays <= set(found)


def test_what_a_store_finds_but_does_not_have_is_left_out(watched: tuple[Watched, Asking]) -> None:
    store, asking = watched
    known = asking.repository.put(document("known"))
    gone = asking.repository.put(document("gone"))
    store.late = [gone]
    matches = asking.get("/entities", versions="all").json()["matches"]
    assert [each["address"] for each in matches] == [known]
    asking.repository.put(document("other"))
    store.late = [asking.repository.put(document("last"))]
    assert len(asking.get("/entities", versions="all").json()["matches"]) == 2


def test_bytes_that_are_no_entity_are_damage_whatever_they_hash_to(watched: tuple[Watched, Asking]) -> None:
    store, asking = watched
    address = sha256(b"{}").hexdigest()
    store.contents().documents[address] = b"{}"
    store.also = [Match(address, "odd")]
    (match,) = asking.get("/entities", versions="all").json()["matches"]
    assert (match["id"], match["problem"]["address"]) == ("odd", address)
    assert "no entity" in match["problem"]["found"]


@pytest.mark.parametrize("store", ["sqlite"], indirect=True)
def test_a_damaged_document_is_told_in_its_place_and_hides_no_other(asking: Asking) -> None:
    addresses = [asking.repository.put(document(f"hurt/{number}")) for number in range(30)]
    chain = [asking.repository.put(document("chain", state={"n": 0}))]
    for number in (1, 2, 3):
        chain.append(asking.repository.put(document("chain", state={"n": number}, previous=chain[-1])))
    hurt = addresses[11]
    found = alter(asking.repository, hurt)
    found_in_chain = alter(asking.repository, chain[1])
    for path, params in (("/entities", {"versions": "all"}), ("/scan", {})):
        before = asking.count_of_damage()
        matches = {each["address"]: each for items, _ in asking.pages(path, **params) for each in items}
        assert matches.keys() == {*addresses, *chain}
        problem = matches.pop(hurt)["problem"]
        assert (problem["status"], problem["address"], problem["found"]) == (500, hurt, found)
        assert problem["type"] == "urn:stat7:problem:corrupt"
        del matches[chain[1]]
        assert all("document" in each for each in matches.values())
        assert asking.count_of_damage() == before + 2
    (whole,) = [each for each in asking.get("/entities").json()["matches"] if each["address"] == hurt]
    assert (whole.keys(), whole["id"]) == ({"address", "id", "problem"}, "hurt/11")
    ((versions, _),) = asking.pages("/history", id="chain")
    assert [each["address"] for each in versions] == chain[:0:-1]
    assert versions[-1]["problem"]["found"] == found_in_chain
    assert all("document" in each for each in versions[:-1])


@pytest.mark.parametrize("store", ["sqlite"], indirect=True)
def test_the_client_raises_the_damage_that_the_gateway_found_once_it_comes_to_it(asking: Asking) -> None:
    addresses = [asking.repository.put(document(f"hurt/{number}")) for number in range(9)]
    found = alter(asking.repository, addresses[4])
    with stat7.open(asking.served.keyed()) as client:
        order = list(client.find_addresses(Query()))
        seen: list[str] = []
        with pytest.raises(Corrupt) as raised:
            seen.extend(each.address for each in client.find(Query()))
        assert (raised.value.address, raised.value.found) == (addresses[4], found)
        assert seen == order[: order.index(addresses[4])]
        for ask in (client.get, client.get_document, lambda address: client.get_documents([address, addresses[0]])):
            with pytest.raises(Corrupt) as raised:
                ask(addresses[4])
            assert raised.value.found == found


def test_a_filter_that_cannot_be_is_named_as_it_was_written(asking: Asking) -> None:
    for path in ("/entities", "/explain"):
        refused = asking.client.get(f"{asking.served.url}{path}?type=Air+port")
        assert (refused.status_code, refused.json()["field"]) == (400, "type")
        assert "entity_type" not in refused.text


def raw(asking: Asking, target: bytes) -> tuple[int, Any]:
    """Status and JSON of GET with these very bytes."""
    url = httpx.URL(asking.served.url)
    with socket.create_connection((url.host, url.port or 0), timeout=60) as connection:
        key = asking.served.keys["all"].encode()
        head = b"GET %b%b HTTP/1.1\r\nHost: localhost\r\nX-API-Key: %b\r\nConnection: close\r\n\r\n"
        connection.sendall(head % (url.raw_path, target, key))
        answer = b""
        while received := connection.recv(65536):
            answer += received
    return int(answer[9:12]), json.loads(answer.partition(b"\r\n\r\n")[2])


def test_ids_are_asked_for_as_they_are_written(asking: Asking) -> None:
    address = asking.repository.put(document("Zürich/日本"))
    for query in (b"id=Z\xc3\xbcrich/\xe6\x97\xa5\xe6\x9c\xac", b"id=Z%C3%BCrich%2F%E6%97%A5%E6%9C%AC"):
        assert raw(asking, b"/head?" + query) == (200, {"id": "Zürich/日本", "address": address})
    assert raw(asking, b"/head?id=Z%FCrich")[0] == 400


def test_a_scale_begins_small_and_grows_with_what_it_knows() -> None:
    known = Scale()
    assert (known.next(5), known.next(10_000)) == (5, 16)
    known.add(16, 16 * 400)
    assert (known.next(10_000), known.next(7)) == (128, 7)
    assert known.fitting == STEP_BYTES // 400
    known.add(20, 20 * KIB * KIB)
    assert (known.full, known.next(10_000)) == (True, 1)
