"""Talking to Redis: within the limit whatever the other side does, from many threads, after restarts and forks."""

from __future__ import annotations

import os
import socket
import threading
import time
from collections.abc import Callable, Iterator

import pytest
from redis.exceptions import AuthenticationError, InvalidResponse, ResponseError
from redis.exceptions import ConnectionError as LostConnection
from redis.exceptions import TimeoutError as TimedOut

from stat7.stores.redis.connection import Client, _TimedSocket
from stat7.stores.redis.server import Server
from stat7.testing.servers import FaultProxy, Redis
from stat7.testing.servers import Server as TestServer
from stat7.testing.store_suite import race

Place = Callable[[TestServer | tuple[str, int]], FaultProxy]


def at(server: Redis | FaultProxy) -> Server:
    """Where a client finds it."""
    return Server("127.0.0.1", server.port)


@pytest.fixture
def client(redis_server: Redis, redis_url: str) -> Iterator[Client]:
    """A client of an empty Redis."""
    client = Client(at(redis_server))
    yield client
    client.close()


def test_commands_go_together_and_answers_come_in_order(client: Client) -> None:
    commands = [(b"SET", b"k", b"\x00\r\n"), (b"GET", "k"), (b"GET", b"none"), (b"STRLEN", b"k")]
    assert client.exchange(lambda run_id: commands, 1.0) == [b"OK", b"\x00\r\n", None, 3]


def test_commands_are_made_for_the_server_that_they_go_to(redis_server: Redis, client: Client) -> None:
    seen: list[bytes] = []

    def build(run_id: bytes) -> list[tuple[bytes]]:
        seen.append(run_id)
        return [(b"PING",)]

    client.exchange(build, 1.0)
    client.exchange(build, 1.0)
    assert seen[0] == seen[1]
    assert len(seen[0]) == 40


def test_a_refused_command_is_raised_and_the_connection_kept_in_step(client: Client) -> None:
    for _ in range(3):
        with pytest.raises(ResponseError):
            client.exchange(lambda run_id: [(b"SET", b"a", b"1"), (b"NONSENSE",), (b"GET", b"a")], 1.0)
        assert client.exchange(lambda run_id: [(b"GET", b"a")], 1.0) == [b"1"]


def test_an_error_in_the_middle_of_an_exchange_leaves_no_answers_behind(client: Client) -> None:
    client.exchange(lambda run_id: [(b"SET", b"a", b"1")], 1.0)

    def build(run_id: bytes) -> list[tuple[bytes]]:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        client.exchange(build, 1.0)
    assert client.exchange(lambda run_id: [(b"GET", b"a")], 1.0) == [b"1"]


def test_a_server_that_was_restarted_is_met_anew_in_the_same_call(start_server: Callable[[Redis], Redis]) -> None:
    server = start_server(Redis())
    client = Client(at(server))

    def ask(number: int) -> object:
        return client.exchange(lambda run_id: [(b"PING",)], 2.0)

    race(4, ask)
    for _ in range(2):
        server.kill()
        with pytest.raises(LostConnection):
            ask(0)
        server.start()
        assert ask(0) == [b"PONG"]
    server.restart()
    assert ask(0) == [b"PONG"]


@pytest.mark.parametrize("fault", ["frozen", "slow", "trickling"])
def test_the_limit_holds_for_the_whole_exchange(
    redis_server: Redis, redis_url: str, fault_proxy: Place, fault: str
) -> None:
    proxy = fault_proxy(redis_server)
    client = Client(at(proxy))
    client.exchange(lambda run_id: [(b"SET", b"big", b"x" * 50_000)], 2.0)
    if fault == "frozen":
        proxy.freeze()
    elif fault == "slow":
        proxy.latency(to_client=1.0)
    else:
        proxy.bandwidth(to_client=20_000)
    for _ in range(2):
        started = time.monotonic()
        with pytest.raises(TimedOut):
            client.exchange(lambda run_id: [(b"GET", b"big")], 0.2)
        assert 0.15 < time.monotonic() - started < 2.0
    proxy.heal()
    assert client.exchange(lambda run_id: [(b"STRLEN", b"big")], 2.0) == [50_000]


def test_wrong_passwords_are_refused(start_server: Callable[[Redis], Redis]) -> None:
    server = start_server(Redis(password="secret"))
    for password in (None, "wrong"):
        client = Client(Server("127.0.0.1", server.port, password=password))
        with pytest.raises((AuthenticationError, ResponseError)):
            client.exchange(lambda run_id: [(b"PING",)], 1.0)
    client = Client(Server("127.0.0.1", server.port, 3, user="default", password="secret"))
    assert client.exchange(lambda run_id: [(b"PING",)], 1.0) == [b"PONG"]
    assert "secret" not in repr(client.server)
    assert client.server.place == f"redis://127.0.0.1:{server.port}/3"


@pytest.mark.parametrize(
    "said", [b"HTTP/1.1 400 Bad Request\r\n\r\n", b"$nonsense\r\n", b"*1\r\n:1\r\n", b"$4\r\nnone\r\n"]
)
def test_strangers_are_not_taken_for_redis(said: bytes) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def answer() -> None:
            connection, _ = listener.accept()
            with connection:
                connection.recv(1000)
                connection.sendall(said)

        thread = threading.Thread(target=answer)
        thread.start()
        with pytest.raises((InvalidResponse, ValueError)):
            Client(Server("127.0.0.1", listener.getsockname()[1])).exchange(lambda run_id: [(b"PING",)], 2.0)
        thread.join()


def test_many_threads_each_have_their_own_answers(client: Client) -> None:
    def ask(number: int) -> None:
        for turn in range(100):
            word = b"%d %d" % (number, turn)
            assert client.exchange(lambda run_id, word=word: [(b"ECHO", word), (b"ECHO", word)], 5.0) == [word, word]  # type: ignore[misc]

    race(10, ask)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")
def test_a_forked_child_and_its_parent_do_not_share_connections(client: Client) -> None:
    client.exchange(lambda run_id: [(b"PING",)], 1.0)
    child = os.fork()
    if child == 0:
        code = 1
        try:
            answers = [client.exchange(lambda run_id: [(b"ECHO", b"child")], 5.0) for _ in range(200)]
            code = 0 if answers == [[b"child"]] * 200 else 2
        finally:
            os._exit(code)
    for _ in range(200):
        assert client.exchange(lambda run_id: [(b"ECHO", b"parent")], 5.0) == [b"parent"]
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def test_tls_to_a_server_without_it_fails_within_the_limit(redis_server: Redis, redis_url: str) -> None:
    server = Server("127.0.0.1", redis_server.port, tls=True)
    assert server.place.startswith("rediss://")
    with pytest.raises((LostConnection, TimedOut)):
        Client(server).exchange(lambda run_id: [(b"PING",)], 0.5)


def test_the_deadline_holds_for_every_way_to_read() -> None:
    """redis-py reads by `recv_into` where hiredis is installed."""
    ours, theirs = socket.socketpair()
    with ours, theirs:
        timed = _TimedSocket(ours, time.monotonic() + 0.1)
        timed.settimeout(None)
        theirs.sendall(b"abcd")
        buffer = bytearray(2)
        assert (timed.recv_into(buffer), bytes(buffer), timed.recv(9)) == (2, b"ab", b"cd")
        assert timed.fileno() == ours.fileno()
        for read in (lambda: timed.recv(1), lambda: timed.recv_into(buffer), lambda: timed.sendall(b"late")):
            with pytest.raises(TimeoutError):
                read()
