"""Documents over HTTP: one by one, under their addresses, and many at a time."""

from __future__ import annotations

import hashlib
import json
from typing import Any

import httpx
import pytest

from stat7.files.memory import MemoryFiles
from stat7.query import Query
from stat7.stores.memory import MemoryStore
from stat7.testing.servers import Gateway
from tests.gateway.conftest import document
from tests.gateways import Gateways


def test_what_is_posted_is_read_back_byte_by_byte(gateway: Gateway, client: httpx.Client) -> None:
    posted = client.post("/entities", json=document("post/1"))
    assert posted.status_code == 201
    address = posted.json()["address"]
    assert posted.headers["location"] == f"/entities/{address}"
    got = client.get(f"/entities/{address}")
    assert (got.status_code, hashlib.sha256(got.content).hexdigest()) == (200, address)
    assert got.headers["etag"] == f'"{address}"'
    assert got.headers["content-type"] == "application/json"
    assert client.post("/entities", json=document("post/1")).status_code == 200


def test_canonical_bytes_are_put_under_their_address_and_others_refused(client: httpx.Client) -> None:
    first = client.post("/entities", json=document("exact/1"))
    data = client.get(f"/entities/{first.json()['address']}").content
    other = data.replace(b"exact/1", b"exact/2")
    address = hashlib.sha256(other).hexdigest()
    stored = client.put(f"/entities/{address}", content=other)
    assert (stored.status_code, stored.json()) == (201, {"address": address, "status": "new"})
    assert client.put(f"/entities/{address}", content=other).status_code == 200
    refused = client.put(f"/entities/{'0' * 64}", content=other)
    assert refused.status_code == 422
    assert address in refused.json()["detail"]
    assert "0" * 64 in refused.json()["detail"]


def test_a_document_that_breaks_a_rule_is_refused_with_its_path(client: httpx.Client) -> None:
    coordinates = {**document("x")["coordinates"], "density": 2}
    refused = client.post("/entities", json=document("bad", coordinates=coordinates))
    assert (refused.status_code, refused.json()["path"]) == (422, "coordinates.density")
    assert refused.headers["content-type"] == "application/problem+json"
    assert client.post("/entities", content=b"{", headers={"Content-Type": "application/json"}).status_code == 422


def test_a_lost_swap_is_409_with_the_current_head(client: httpx.Client) -> None:
    first = client.post("/entities", json=document("swap")).json()["address"]
    second = client.post("/entities", json=document("swap", previous=first, state={"n": 2})).json()["address"]
    lost = client.post("/entities", json=document("swap", previous=first, state={"n": 3}))
    assert (lost.status_code, lost.json()["current"], lost.json()["id"]) == (409, second, "swap")
    assert client.get("/head", params={"id": "swap"}).json() == {"id": "swap", "address": second}
    versions = client.get("/history", params={"id": "swap"}).json()["versions"]
    assert [each["address"] for each in versions] == [second, first]
    page = client.get("/history", params={"id": "swap", "limit": 1}).json()
    assert page["cursor"] == first
    rest = client.get("/history", params={"id": "swap", "cursor": first}).json()
    assert ([each["address"] for each in rest["versions"]], rest["cursor"]) == ([first], None)


def test_a_withdrawn_document_is_410_with_its_notice_and_stays_so(client: httpx.Client) -> None:
    address = client.post("/entities", json=document("gone")).json()["address"]
    tag = {"If-None-Match": f'"{address}"'}
    assert client.get(f"/entities/{address}", headers=tag).status_code == 304
    body = {"addresses": [address], "case": "K-7", "reason": "asked for"}
    (notice,) = client.post("/withdrawals", json=body).json()["notices"]
    assert (notice["address"], notice["id"]) == (address, "gone")
    for answer in (
        client.get(f"/entities/{address}"),
        client.get(f"/entities/{address}", headers=tag),
        client.post("/entities", json=document("gone")),
    ):
        assert (answer.status_code, answer.json()["notice"]["reason"]) == (410, "asked for")
        assert answer.headers["cache-control"] == "no-store"
    assert client.post("/withdrawals", json={"addresses": [address]}).status_code == 422
    assert client.post("/withdrawals", json={}).status_code == 400


def test_many_documents_have_a_result_each_in_order(client: httpx.Client) -> None:
    client.post("/entities", json=document("many/0"))
    lines = [json.dumps(document(f"many/{number}")) for number in range(5000)]
    lines[3] = "{}"
    lines[4] = "no json"
    content = "\n".join([*lines[:10], "", *lines[10:]])
    answer = client.post("/entities", content=content, headers={"Content-Type": "application/x-ndjson"})
    assert answer.headers["content-type"] == "application/x-ndjson"
    results = [json.loads(line) for line in answer.text.splitlines()]
    assert [each["line"] for each in results] == [*range(1, 11), *range(12, 5002)]
    assert [each["status"] for each in results[:6]] == ["existed", "new", "new", "refused", "refused", "new"]
    assert results[3]["problem"]["path"] == "stat7"
    addresses = [each["address"] for each in results if each["status"] == "new"]
    got = client.post("/entities/batch-get", json=[*addresses, "0" * 64])
    held = [json.loads(line) for line in got.text.splitlines()]
    assert [each["address"] for each in held] == addresses
    assert held[0]["document"]["id"] == "many/1"
    there = client.post("/entities/batch-has", json={"addresses": [addresses[7], "0" * 64, addresses[7]]})
    assert there.json() == [addresses[7]]


def test_a_body_of_another_kind_is_refused(client: httpx.Client) -> None:
    refused = client.post("/entities", content=b"<x/>", headers={"Content-Type": "text/xml"})
    assert (refused.status_code, refused.json()["type"]) == (415, "urn:stat7:problem:unsupported-type")


def test_finding_gives_what_the_store_gives_page_by_page(gateway: Gateway, client: httpx.Client) -> None:
    lines = "\n".join(
        json.dumps(document(f"find/{number}", coordinates={**document("x")["coordinates"], "realm": "findable",
                                                           "density": number / 100}))
        for number in range(60)
    )  # fmt: skip
    client.post("/entities", content=lines, headers={"Content-Type": "application/x-ndjson"})
    with gateway.repository() as repository:
        wanted = {entity.address for entity in repository.find(Query(realm="findable", density="0.1..0.45"))}
    assert len(wanted) == 36
    params: dict[str, str] | None = {"realm": "findable", "density": "0.1..0.45", "limit": "10"}
    found: list[str] = []
    url = "/entities"
    while url:
        answer = client.get(url, params=params)
        for match in answer.json()["matches"]:
            assert 0.1 <= match["document"]["coordinates"]["density"] <= 0.45
            found.append(match["address"])
        params, url = None, answer.links.get("next", {}).get("url", "")
    assert len(found) == len(set(found))
    assert set(found) == wanted
    plan = client.get("/explain", params={"realm": "findable"}).json()
    assert plan["indexed"] is True
    bare = client.get("/entities", params={"realm": "findable", "documents": "false"}).json()["matches"]
    assert set(bare[0]) == {"address", "id"}


@pytest.mark.parametrize(
    ("path", "field"),
    [
        ("/entities?density=5..1", "density"),
        ("/entities?realm=A", "realm"),
        ("/entities?nonsense=1", "nonsense"),
        ("/entities?limit=0", "limit"),
        ("/entities?limit=100000000000", "limit"),
        ("/entities?documents=maybe", "documents"),
        ("/entities?realm=a&realm=b", "realm"),
        ("/entities?cursor=%ff", "query string"),
        ("/entities?cursor=abc", "cursor"),
        ("/head", "id"),
        ("/history?id=x&cursor=y", "cursor"),
        ("/explain?cursor=x", "cursor"),
    ],
)
def test_a_question_that_makes_no_sense_names_the_field(client: httpx.Client, path: str, field: str) -> None:
    refused = client.get(path)
    assert (refused.status_code, refused.json()["field"]) == (400, field)


def test_neighbours_are_told_in_both_directions(client: httpx.Client) -> None:
    near = {**document("x")["coordinates"], "adjacency": ["walk/b"]}
    client.post("/entities", json=document("walk/a", coordinates=near))
    client.post("/entities", json=document("walk/b"))
    (out,) = client.get("/neighbours", params={"id": "walk/a"}).json()["neighbours"]
    assert (out["id"], out["outgoing"], out["incoming"]) == ("walk/b", True, False)
    (back,) = client.get("/neighbours", params={"id": "walk/b"}).json()["neighbours"]
    assert (back["id"], back["outgoing"], back["incoming"]) == ("walk/a", False, True)
    assert client.get("/neighbours", params={"id": "walk/nobody"}).status_code == 404


def test_methods_and_paths_that_are_not_there_say_what_is(client: httpx.Client) -> None:
    refused = client.delete("/entities")
    assert (refused.status_code, refused.headers["allow"]) == (405, "GET, HEAD, POST")
    assert client.get("/nothing/here").json()["type"] == "urn:stat7:problem:no-route"


def test_every_answer_bears_an_id_of_its_own(client: httpx.Client) -> None:
    ids = {client.get("/healthz").headers["x-request-id"] for _ in range(5)}
    assert len(ids) == 5
    refused = client.get("/head", params={"id": "never/seen"})
    assert refused.json()["request"] == refused.headers["x-request-id"]


def test_a_weak_tag_is_a_tag(client: httpx.Client) -> None:
    address = client.post("/entities", json=document("weak")).json()["address"]
    assert client.get(f"/entities/{address}", headers={"If-None-Match": f'"x", W/"{address}"'}).status_code == 304
    assert client.get(f"/entities/{address}", headers={"If-None-Match": f'W/"{address[::-1]}"'}).status_code == 200


def test_errors_are_not_kept_by_caches(client: httpx.Client) -> None:
    assert client.get(f"/entities/{'0' * 64}").headers["cache-control"] == "no-store"


def test_a_store_that_fails_in_the_middle_of_many_is_told_in_the_last_line(
    gateways: Gateways, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = MemoryStore()
    served = gateways.add(store, MemoryFiles())
    put, calls = store.put, list[Any]()

    def failing(*given: Any) -> Any:
        calls.append(given)
        if len(calls) > 1:
            raise ZeroDivisionError("a secret")
        return put(*given)

    monkeypatch.setattr(store, "put", failing)
    lines = b"".join(json.dumps(document(f"many-{number}")).encode() + b"\n" for number in range(3000))
    headers = {"X-API-Key": served.keys["all"], "Content-Type": "application/x-ndjson"}
    answer = httpx.post(f"{served.url}/entities", content=lines, headers=headers, timeout=60)
    told = [json.loads(line) for line in answer.text.splitlines()]
    assert {each["status"] for each in told[:-1]} == {"new"}
    assert 0 < len(told) - 1 < 3000
    assert told[-1]["problem"]["type"] == "urn:stat7:problem:internal"
    assert "secret" not in answer.text
