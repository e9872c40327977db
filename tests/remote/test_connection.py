"""What is asked again and what isn't, how long a client waits, and that whatever goes wrong is an error of stat7."""

from __future__ import annotations

import ssl
import subprocess
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

import stat7
from stat7.errors import ConfigError, Stat7Error, Unavailable
from stat7.files.http import HttpFiles
from stat7.gateway import lines as written
from stat7.remote.connection import Connection
from stat7.remote.lines import DOCUMENT_AT
from stat7.remote.settings import Settings
from stat7.repository import Repository
from stat7.stores.base import HeadMove
from stat7.stores.http import HttpStore
from stat7.testing.samples import notice, sample
from stat7.testing.servers.base import HOST, free_port
from tests.liars import WHOAMI, Liar, http, lying, problem, says

Open = Callable[..., Repository]

AWAY = problem("unavailable", 503, {"Retry_After": 1})
BUSY = problem("overloaded", 503, {"Retry_After": 2})
FAST = problem("rate-limited", 429, {"Retry_After": 3})
ADDRESS = "a" * 64


def test_documents_begin_in_their_lines_where_gateways_begin_them() -> None:
    assert DOCUMENT_AT == written.DOCUMENT_AT


def test_a_gateway_that_says_how_long_to_wait_is_not_asked_sooner(
    liar: Liar, opened: Open, pauses: list[float]
) -> None:
    repo = opened("retry=60")
    liar.says(FAST, BUSY, AWAY, says({"entities": 7}))
    assert repo.store.count() == 7
    assert len(pauses) == 3
    assert all(least <= pause < least + 2 for least, pause in zip((3, 2, 1), pauses, strict=True))


def test_pauses_grow_where_nobody_says_how_long(liar: Liar, opened: Open, pauses: list[float]) -> None:
    repo = opened("retry=600")
    liar.says(*[http(status=502, kind="text/html")] * 40, says({"entities": 7}))
    assert repo.store.count() == 7
    assert all(0 <= pause <= 2 for pause in pauses)
    assert pauses[0] < 0.05
    assert max(pauses) > 0.4


def test_who_would_have_to_wait_too_long_is_told_so_at_once(liar: Liar, opened: Open, pauses: list[float]) -> None:
    repo = opened("retry=10")
    liar.says(problem("rate-limited", 429, {"Retry_After": 60}))
    with pytest.raises(Unavailable, match="told so") as caught:
        repo.store.count()
    assert type(caught.value) is Unavailable
    assert (pauses, len(liar.asked)) == ([], 1)


def test_in_the_end_it_is_unavailable(liar: Liar, opened: Open, pauses: list[float]) -> None:
    repo = opened("retry=10")
    liar.says(AWAY)
    with pytest.raises(Unavailable) as caught:
        repo.store.count()
    assert type(caught.value) is Unavailable
    assert 5 < sum(pauses) <= 10


def test_what_must_not_be_done_twice_is_asked_again_only_if_nothing_was_begun(
    liar: Liar, opened: Open, pauses: list[float]
) -> None:
    repo = opened("retry=60")
    calls: list[Callable[[], object]] = [
        lambda: repo.store.discard([ADDRESS]),
        lambda: repo.files.delete([ADDRESS]),
        repo.store.compact,
    ]
    for call in calls:
        for unclear in (AWAY, b"", http(status=503, kind="text/html")):
            liar.says(unclear)
            with pytest.raises(Unavailable):
                call()
            assert len(liar.asked) == 1
        liar.says(BUSY, FAST, AWAY)
        with pytest.raises(Unavailable):
            call()
        assert len(liar.asked) == 3


def test_what_can_be_done_twice_is_asked_again_after_a_lost_answer(
    liar: Liar, opened: Open, pauses: list[float]
) -> None:
    repo = opened("retry=60")
    calls: list[tuple[Callable[[], object], bytes]] = [
        (lambda: repo.store.has([ADDRESS]), says([ADDRESS])),
        (lambda: repo.store.swap_heads([HeadMove("x", None, ADDRESS)]), says([False])),
        (lambda: repo.store.withdraw([notice(ADDRESS)]), says({})),
        (lambda: repo.store.set_mark("copy", "x"), says({})),
        (lambda: repo.store.replace([sample()]), says({})),
        (lambda: repo.files.refresh([ADDRESS]), says([ADDRESS])),
        (lambda: repo.files.sweep(0), says({"swept": 0})),
    ]
    for call, reply in calls:
        liar.says(b"", AWAY, reply)
        call()
        assert len(liar.asked) == 3


@pytest.mark.parametrize(
    "reply",
    [b"", b"garbage\r\n\r\n", b"HTTP/1.1 200 OK\r\n\r\n", http(b"<html>hello</html>", "text/html"), http(b"{"),
     http(b"[]", "application/x-ndjson"), http(b"{}", Content_Length=100), says(None), says([]), says({"entities": -1}),
     says({"entities": "many"}), http(b"\x1f\x8bno gzip", Content_Encoding="gzip"), http(b"\xff\xfe"),
     b"HTTP/1.1 999999 X\r\n\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n", b"\x00" * 100,
     b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", b"HTTP/1.1 101 Switching\r\n\r\n"],
)  # fmt: skip
def test_whatever_is_said_instead_of_an_answer_is_one_line_of_unavailable(
    liar: Liar, opened: Open, reply: bytes
) -> None:
    repo = opened()
    liar.says(reply)
    with pytest.raises(Unavailable) as caught:
        repo.store.count()
    assert type(caught.value) is Unavailable
    assert str(caught.value).startswith(f"http://{HOST}:{liar.port}: ")
    assert caught.value.__suppress_context__ or caught.value.__context__ is None


def test_a_gateway_that_falls_silent_is_unavailable(liar: Liar, opened: Open) -> None:
    repo = opened("retry=0&timeout=0.2")
    liar.says(None)
    with pytest.raises(Unavailable, match=r"no answer in 0\.2 s"):
        repo.store.count()


def test_where_nobody_listens_it_says_what_to_check() -> None:
    for url in (f"https://{HOST}:{free_port()}", f"http://{HOST}:{free_port()}", "https://nowhere.invalid:7007"):
        with pytest.raises(Unavailable, match=f"can't connect to {url}: .*check host and port") as caught:
            stat7.open(f"{url}?retry=0.2")
        assert type(caught.value) is Unavailable


def test_more_requests_than_connections_wait_for_one(liar: Liar, opened: Open) -> None:
    repo = opened("retry=0&connections=1&connect_timeout=0.3")
    silent = threading.Event()
    liar.answer = lambda asked: says({"entities": 1}) if silent.wait(30) else None
    waiting = threading.Thread(target=repo.store.count)
    waiting.start()
    try:
        while not any(asked.path == "/count" for asked in liar.asked):
            silent.wait(0.01)
        with pytest.raises(Unavailable, match="all 1 connections are in use"):
            repo.store.count()
    finally:
        silent.set()
        waiting.join()


@pytest.mark.parametrize(
    "told",
    [{}, {"name": "x", "scopes": ["read"]}, {**WHOAMI, "limits": {}}, {**WHOAMI, "scopes": "read"},
     {**WHOAMI, "store": {}, "files": {}}, {**WHOAMI, "store": {"max_batch": 0}, "files": {}},
     {**WHOAMI, "store": [], "files": {"name": "x", "durable": 1}}],
)  # fmt: skip
def test_who_does_not_speak_like_a_gateway_is_not_opened(told: dict[str, object]) -> None:
    with lying() as liar:
        liar.whoami = told
        for make in (HttpStore, HttpFiles):
            with pytest.raises(Unavailable, match="no answer of a stat7 gateway"):
                make(Settings(f"http://{HOST}:{liar.port}"))


def test_a_stranger_who_may_do_nothing_is_told_to_name_a_key() -> None:
    with lying() as liar:
        liar.whoami = {"name": "", "scopes": []}
        with pytest.raises(ConfigError, match="nobody may read or write there without a key; name one: STAT7_KEY"):
            stat7.open(liar.url())


def test_the_key_goes_with_every_request_and_nothing_is_asked_of_caches(liar: Liar) -> None:
    with stat7.open(liar.url(), key="stat7_x_y") as repo:
        liar.says(says({"entities": 1}))
        repo.store.count()
    for asked in liar.asked:
        assert asked.headers["authorization"] == "Bearer stat7_x_y"
        assert asked.headers["cache-control"] == "no-cache"


def test_a_store_and_its_files_share_connections_and_the_last_closes_them(liar: Liar) -> None:
    settings = Settings(f"http://{HOST}:{liar.port}")
    store, files = HttpStore(settings), HttpFiles(settings)
    assert store.connection is files.connection
    store.close()
    store.close()
    liar.says(says([]))
    assert files.refresh([ADDRESS]) == set()
    files.close()
    with pytest.raises(Unavailable, match="was closed"):
        files.refresh([ADDRESS])
    again = Connection.share(settings)
    assert again is not store.connection
    again.close()


def test_text_that_is_no_unicode_is_refused(liar: Liar, opened: Open) -> None:
    repo = opened()
    with pytest.raises(Stat7Error, match="no Unicode"):
        repo.store.heads(["\ud800", "x"])


def test_a_certificate_that_nobody_vouches_for_is_refused_unless_it_is_named(
    tmp_path: Path, program: Callable[[str], str]
) -> None:
    key, certificate = tmp_path / "key.pem", tmp_path / "certificate.pem"
    subject = ["-subj", "/CN=localhost", "-addext", f"subjectAltName=IP:{HOST}"]
    command = [program("openssl"), "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2"]
    subprocess.run([*command, "-keyout", key, "-out", certificate, *subject], check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    with lying([says({"entities": 7})], context) as liar:
        with pytest.raises(ConfigError, match=r"certificate can't be trusted \(.*\); name the authority by \?ca=FILE"):
            stat7.open(liar.url())
        with pytest.raises(ConfigError, match="can't be used with these certificates"):
            stat7.open(liar.url(f"ca={tmp_path / 'missing.pem'}"))
        with stat7.open(liar.url(f"retry=0&ca={certificate}"), key="stat7_x_y") as repo:
            assert repo.store.count() == 7
