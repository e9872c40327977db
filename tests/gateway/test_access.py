"""Who may do what: every route with every kind of caller, keys from making to revoking, names that lead elsewhere."""

from __future__ import annotations

import json
import time
from collections.abc import Callable

import httpx
import pytest

import stat7
from stat7.errors import ConfigError, InvalidQuery, NotFound
from stat7.gateway import access
from stat7.gateway.access import ADMIN, OPEN, READ, SCOPES, WRITE, KeyRing, create_key, list_keys, revoke_key
from stat7.gateway.problems import Problem
from stat7.gateway.routes import ROUTES, Route, Table
from stat7.gateway.service import healthz
from stat7.stores.memory import MemoryStore
from stat7.testing.servers import Gateway
from tests.gateway.conftest import document

NOBODY = "0" * 64
CALLERS = ("none", "nonsense", "expired", "revoked", *SCOPES, "all")
MAY = {READ: {READ}, WRITE: {WRITE}, ADMIN: {ADMIN}, "all": set(SCOPES)}


@pytest.fixture(scope="module")
def keys(gateway: Gateway) -> dict[str, str]:
    """The text of a key for each caller that sends one."""
    expired, revoked = gateway.key(*SCOPES, expires_ms=1), gateway.key(*SCOPES)
    with gateway.repository() as repository:
        revoke_key(repository.store, revoked.split("_")[1])
    time.sleep(1.5)
    nonsense = access.PREFIX + "0" * 8 + "_" + "x" * 43
    return {**gateway.keys, "expired": expired, "revoked": revoked, "nonsense": nonsense}


def expected(route: Route, caller: str) -> set[int]:
    """Which of the two refusals a caller meets at a route; empty for none."""
    if caller in ("nonsense", "expired", "revoked"):
        return {401}
    if route.scope == OPEN:
        return set()
    if caller == "none":
        return {401}
    return set() if route.scope in MAY[caller] else {403}


@pytest.mark.parametrize("caller", CALLERS)
def test_every_route_refuses_whom_it_must_and_nobody_else(gateway: Gateway, keys: dict[str, str], caller: str) -> None:
    headers = {"Authorization": f"Bearer {keys[caller]}"} if caller != "none" else {}
    wrong: list[str] = []
    with httpx.Client(base_url=gateway.url, headers=headers, timeout=60) as client:
        for route in ROUTES:
            for method in (route.method, "HEAD") if route.method == "GET" else (route.method,):
                path = route.path.replace("{address}", NOBODY).replace("{sha256}", NOBODY).replace("{file}", "x.js")
                status = client.request(method, path, params={"id": "nobody"} if "id" in path else None).status_code
                refused = {status} & {401, 403}
                if refused != expected(route, caller):
                    wrong.append(f"{method} {path}: {status}, expected {expected(route, caller) or 'an answer'}")
    assert wrong == []


def test_a_route_without_a_scope_is_refused_before_anything_is_served() -> None:
    planted = Route("GET", "/forgotten", "", "read", healthz)
    with pytest.raises(ValueError, match="GET /forgotten has no scope"):
        Table((*ROUTES, planted))


def test_a_refusal_tells_what_is_needed(gateway: Gateway) -> None:
    with httpx.Client(base_url=gateway.url) as stranger:
        refused = stranger.post("/entities", json=document("x"))
        assert refused.headers["www-authenticate"].startswith("Bearer")
        assert refused.headers["content-type"] == "application/problem+json"
        assert "needs the scope write: send a key" in refused.json()["detail"]
        refused = stranger.post("/entities", json={}, headers={"X-API-Key": gateway.keys[READ]})
        assert refused.status_code == 403
        assert "which the key" in refused.json()["detail"]


@pytest.mark.parametrize("header", ["Bearer", "Digest x", "Basic !", "Basic eA", "Bearer a b", "\xff\xfe"])
def test_what_is_no_key_is_no_key(gateway: Gateway, header: str) -> None:
    with httpx.Client(base_url=gateway.url) as client:
        sent = {b"authorization": header.encode("latin-1")}
        assert client.get("/stats", headers=sent).status_code == 401


def test_a_key_comes_by_bearer_by_basic_and_by_its_own_header(gateway: Gateway) -> None:
    key = gateway.keys[READ]
    with httpx.Client(base_url=gateway.url) as client:
        for sent in ({"Authorization": f"bearer {key}"}, {"X-API-Key": key}):
            told = client.get("/whoami", headers=sent).json()
            assert (told["name"], told["scopes"]) == ("test", ["read"])
        assert client.get("/whoami", auth=("anybody", key)).json()["scopes"] == ["read"]


def test_a_key_works_within_a_second_of_being_made_and_not_after_being_revoked(gateway: Gateway) -> None:
    key = gateway.key(READ)

    def status() -> int:
        return httpx.get(f"{gateway.url}/stats", headers={"X-API-Key": key}).status_code

    until = time.monotonic() + 30
    while status() != 200:
        assert time.monotonic() < until
        time.sleep(0.05)
    with gateway.repository() as repository:
        revoke_key(repository.store, key.split("_")[1])
    while status() != 401:
        assert time.monotonic() < until
        time.sleep(0.05)


def test_only_a_digest_of_a_key_is_kept() -> None:
    store = MemoryStore()
    text, key = create_key(store, "laptop", {READ, WRITE}, now_ms=1_000, expires_ms=2_000)
    kept = json.dumps(store.marks())
    assert text.split("_", 2)[2] not in kept
    assert key.sha256 in kept
    assert list_keys(store) == [key]
    assert (key.expired(1_999), key.expired(2_000)) == (False, True)
    revoke_key(store, key.id)
    assert list_keys(store) == []
    with pytest.raises(NotFound):
        revoke_key(store, key.id)


@pytest.mark.parametrize(
    ("name", "scopes", "expires", "field"),
    [
        ("", {READ}, None, "name"),
        ("x" * 101, {READ}, None, "name"),
        ("a\nb", {READ}, None, "name"),
        ("a", set(), None, "scope"),
        ("a", {"root"}, None, "scope"),
        ("a", {READ}, 5, "expires"),
    ],
)
def test_a_key_that_makes_no_sense_is_not_made(name: str, scopes: set[str], expires: int | None, field: str) -> None:
    store = MemoryStore()
    with pytest.raises(InvalidQuery) as refused:
        create_key(store, name, scopes, now_ms=10, expires_ms=expires)
    assert refused.value.field == field
    assert store.marks() == {}


@pytest.mark.parametrize(
    "text", ["no json", "[]", "{}", '{"name":"x","scopes":["read"],"sha256":"zz","created":"x","expires":null}']
)
def test_a_mark_that_is_no_key_opens_nothing_and_is_told_to_who_lists(text: str) -> None:
    store = MemoryStore()
    good, _ = create_key(store, "good", {READ}, now_ms=0)
    store.set_mark("key:deadbeef", text)
    ring = KeyRing(store)
    ring.refresh()
    assert len(ring) == 1
    assert ring.judge(good).name == "good"
    with pytest.raises(ConfigError, match="deadbeef can't be read: revoke it"):
        list_keys(store)


def test_a_key_that_was_believed_a_moment_ago_is_not_once_it_is_known_to_be_revoked() -> None:
    store = MemoryStore()
    text, key = create_key(store, "k", {READ}, now_ms=0)
    brief, _ = create_key(store, "brief", {READ}, now_ms=0, expires_ms=time.time_ns() // 1_000_000 + 300)
    ring = KeyRing(store)
    ring.refresh()
    assert (ring.judge(text), ring.judge(text)) == (key, key)
    assert ring.judge(brief).name == "brief"
    time.sleep(0.4)
    with pytest.raises(Problem, match="expired"):
        ring.judge(brief)
    revoke_key(store, key.id)
    ring.refresh()
    with pytest.raises(Problem, match="revoked"):
        ring.judge(text)


def test_keys_that_could_not_be_read_for_long_are_not_believed(monkeypatch: pytest.MonkeyPatch) -> None:
    store = MemoryStore()
    text, _ = create_key(store, "k", {READ}, now_ms=0)
    ring = KeyRing(store)
    with pytest.raises(Problem) as refused:
        ring.judge(text)
    assert refused.value.status == 503
    ring.refresh()
    assert ring.judge(text).name == "k"
    monkeypatch.setattr(access, "STALE_SECONDS", -1.0)
    with pytest.raises(Problem):
        ring.judge(text)


@pytest.fixture
def open_gateway(start_server: Callable[[Gateway], Gateway], keyless: None) -> Gateway:
    """A gateway on loopback without keys."""
    return start_server(Gateway())


@pytest.fixture
def keyless(monkeypatch: pytest.MonkeyPatch) -> None:
    """Gateways are started without keys."""

    def prepare(server: Gateway) -> None:
        server.repository().close()

    monkeypatch.setattr(Gateway, "_prepare", prepare)


def test_without_keys_this_machine_may_read_by_the_gateways_own_names_and_not_write(open_gateway: Gateway) -> None:
    url = open_gateway.url
    assert httpx.get(f"{url}/stats").status_code == 200
    assert httpx.get(f"http://localhost:{open_gateway.port}/stats").status_code == 200
    assert httpx.post(f"{url}/entities", json=document("x")).status_code == 401
    for name in ("evil.example", f"evil.example:{open_gateway.port}", "127.0.0.1.evil.example", ""):
        refused = httpx.get(f"{url}/stats", headers={"Host": name})
        assert refused.status_code in (400, 421), name
    key = open_gateway.key(WRITE)
    until = time.monotonic() + 30
    while httpx.post(f"{url}/entities", json=document("x"), headers={"X-API-Key": key}).status_code != 201:
        assert time.monotonic() < until
        time.sleep(0.05)
    # What was open when it started stays open.
    assert httpx.get(f"{url}/head", params={"id": "x"}).status_code == 200


def test_a_gateways_key_is_no_mark_that_travels_by_http(client: httpx.Client) -> None:
    assert not [name for name in client.get("/marks").json() if name.startswith("key:")]
    for name in ("key:00000000", "key:"):
        answer = client.post("/marks", json={"name": name, "value": "x"})
        assert answer.status_code == 403


def test_a_write_key_sets_a_copys_mark_and_no_other(gateway: Gateway) -> None:
    with httpx.Client(base_url=gateway.url, headers={"X-API-Key": gateway.keys[WRITE]}) as writer:
        assert writer.post("/marks", json={"name": "copy", "value": None}).status_code == 200
        assert writer.post("/marks", json={"name": "shard", "value": "x"}).status_code == 403


def test_keys_are_kept_in_another_store_if_so_wished(
    start_server: Callable[[Gateway], Gateway], tmp_path: object
) -> None:
    elsewhere = f"sqlite:{tmp_path}/keys.db"
    with stat7.open(elsewhere, files="memory:") as repository:
        text, _ = create_key(repository.store, "elsewhere", {READ}, now_ms=0)
    server = start_server(Gateway("--keys", elsewhere))
    assert httpx.get(f"{server.url}/stats", headers={"X-API-Key": text}).status_code == 200
    assert httpx.get(f"{server.url}/stats", headers={"X-API-Key": server.keys["all"]}).status_code == 401


def test_without_keys_nothing_is_open_to_whoever_comes_through_a_proxy(open_gateway: Gateway) -> None:
    for name in ("X-Forwarded-For", "Forwarded", "Via"):
        assert httpx.get(f"{open_gateway.url}/stats", headers={name: "x"}).status_code == 401


def test_a_page_elsewhere_writes_nothing_with_a_key_that_a_browser_keeps(
    client: httpx.Client, gateway: Gateway
) -> None:
    body = json.dumps(document("origin"))
    for origin in ("https://evil.example", "null", f"http://127.0.0.1:{gateway.port + 1}"):
        refused = client.post("/entities", content=body, headers={"Origin": origin, "Content-Type": "application/json"})
        assert refused.status_code == 403
    own = {"Origin": gateway.url, "Content-Type": "application/json"}
    assert client.post("/entities", content=body, headers=own).status_code in (200, 201)
    assert client.get("/stats", headers={"Origin": "https://evil.example"}).status_code == 200


def test_who_tries_keys_is_told_to_wait_and_good_keys_are_not_held_up(
    start_server: Callable[[Gateway], Gateway],
) -> None:
    server = start_server(Gateway("--rate", "keys=0.01/s:3"))
    with httpx.Client(base_url=server.url) as client:
        tries = [client.get("/stats", headers={"X-API-Key": f"stat7_{number}"}).status_code for number in range(3)]
        tries += [client.get("/stats").status_code]
        assert tries == [401, 401, 401, 429]
        assert client.get("/stats", headers={"X-API-Key": server.keys[READ]}).status_code == 200
        assert client.get("/healthz").status_code == 200
