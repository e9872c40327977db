"""Connections are few, shared by any number of threads, cut when they hang, and made anew when they are lost."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from typing import Any

import psycopg
import pytest

from stat7.errors import ConfigError, Unavailable
from stat7.stores.base import HeadMove, Outcome
from stat7.stores.postgresql import PostgreSQLStore, Settings, erase, heads, put, reader
from stat7.stores.postgresql import session as session_module
from stat7.stores.postgresql import store as store_module
from stat7.stores.postgresql.session import Session, Sessions
from stat7.testing.samples import notice, sample, samples
from stat7.testing.servers import FaultProxy, PostgreSQL
from stat7.testing.store_suite import check_all, race
from tests.stores.postgresql import Opening, below, url_through

Placing = Callable[[PostgreSQL], FaultProxy]


def _kill_others(store: PostgreSQLStore) -> int:
    """End every connection of the store from the server's side; how many there were."""
    with below(store) as raw:
        rows = raw.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
            "WHERE pid <> pg_backend_pid() AND datname = current_database() AND backend_type = 'client backend'"
        ).fetchall()
        while raw.execute("SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()").fetchone() != (
            1,
        ):
            time.sleep(0.01)
    return len(rows)


def test_a_thread_keeps_the_connection_it_had(open_postgresql: Opening) -> None:
    store = open_postgresql()
    first = store._sessions.take()
    store._sessions.give(first)
    for _ in range(5):
        store.count()
        again = store._sessions.take()
        assert again is first
        store._sessions.give(again)
    assert len(store._sessions._all) == 1


def test_forty_threads_share_four_connections(open_postgresql: Opening) -> None:
    store = open_postgresql(pool=4, connect_timeout=60)
    records = samples(80)

    def work(number: int) -> None:
        for record in records[number * 2 : number * 2 + 2]:
            assert store.put([record], [HeadMove(record.id, None, record.address)]) == ([Outcome.NEW], [True])
            assert store.get([record.address]) == {record.address: record.document}

    race(40, work)
    assert store.count() == 80
    assert len(store._sessions._all) <= 4


def test_when_all_connections_are_in_use_it_is_unavailable_in_time(open_postgresql: Opening) -> None:
    store = open_postgresql(pool=1, connect_timeout=2)
    held = store._sessions.take()
    begun = time.monotonic()
    with pytest.raises(Unavailable, match="pool="):
        store.count()
    assert 1.5 < time.monotonic() - begun < 8
    threading.Timer(0.2, store._sessions.give, (held,)).start()
    assert store.count() == 0


def test_calls_go_on_after_every_connection_was_ended(open_postgresql: Opening) -> None:
    store = open_postgresql()
    record, *others = samples(60)
    race(3, lambda number: store.put([others[number]]))
    assert _kill_others(store) >= 1
    assert store.put([record], [HeadMove("a", None, record.address)]) == ([Outcome.NEW], [True])
    assert _kill_others(store) >= 1
    assert store.get([record.address]) == {record.address: record.document}
    assert _kill_others(store) >= 1
    assert store.swap_heads([HeadMove("a", record.address, None)]) == [True]
    assert _kill_others(store) >= 1
    store.withdraw([notice(record.address)])
    assert _kill_others(store) >= 1
    assert store.put(others)[0].count(Outcome.NEW) == 56
    assert check_all(store) == []


def test_a_server_that_restarts_is_used_again(start_server: Callable[[PostgreSQL], PostgreSQL]) -> None:
    from stat7.stores.postgresql import Settings

    server = start_server(PostgreSQL())
    with PostgreSQLStore(Settings(server.url())) as store:
        first, second, third = samples(3)
        store.put([first])
        server.restart()
        assert store.get([first.address]) == {first.address: first.document}
        server.restart()
        assert store.put([second], [HeadMove("a", None, second.address)]) == ([Outcome.NEW], [True])
        server.kill()
        begun = time.monotonic()
        for call in (lambda: store.get([first.address]), lambda: store.put([third]), lambda: store.swap_heads(
            [HeadMove("a", second.address, None)])):  # fmt: skip
            with pytest.raises(Unavailable):
                call()
        assert time.monotonic() - begun < 10
        server.start()
        assert store.heads(["a"]) == {"a": second.address}
        assert store.put([first, second, third])[0] == [Outcome.EXISTED, Outcome.EXISTED, Outcome.NEW]


def test_nothing_acknowledged_is_lost_when_the_server_is_killed_under_load(
    start_server: Callable[[PostgreSQL], PostgreSQL],
) -> None:
    from stat7.stores.postgresql import Settings

    server = start_server(PostgreSQL())
    with PostgreSQLStore(Settings(server.url(), connect_timeout=2)) as store:
        acknowledged: list[str] = []
        failures: list[Exception] = []
        stop = threading.Event()

        def write(number: int) -> None:
            turn = 0
            while not stop.is_set():
                record = sample(f"{number} {turn}")
                turn += 1
                try:
                    store.put([record, *samples(20, f"{number} {turn}")] if turn % 5 == 0 else [record])
                except Unavailable as error:
                    failures.append(error)
                    time.sleep(0.02)
                else:
                    acknowledged.append(record.address)

        threads = [threading.Thread(target=write, args=(number,)) for number in range(4)]
        for thread in threads:
            thread.start()
        for _ in range(3):
            before = len(acknowledged)
            deadline = time.monotonic() + 20
            while len(acknowledged) < before + 40 and time.monotonic() < deadline:
                time.sleep(0.02)
            assert len(acknowledged) >= before + 40
            server.kill()
            time.sleep(0.1)
            server.start()
        stop.set()
        for thread in threads:
            thread.join(timeout=60)
        assert failures
        assert store.has(acknowledged) == set(acknowledged)
        assert check_all(store) == []


def _losing_the_first_answer(real: Callable[..., Any], calls: list[int]) -> Callable[..., Any]:
    """The same work, whose first answer nobody hears; takes down each call."""

    def work(connection: Session | psycopg.Connection, *args: Any, **kwargs: Any) -> Any:
        calls.append(1)
        done = real(connection, *args, **kwargs)
        if len(calls) > 1:
            return done
        bare = connection.connection if isinstance(connection, Session) else connection
        # Committed by now, were it the end of a transaction.
        bare.pgconn.exec_(b"COMMIT")
        bare.close()
        raise psycopg.OperationalError("server closed the connection unexpectedly")

    return work


@pytest.mark.parametrize("count", [1, 5, 40])
def test_a_put_whose_answer_is_lost_is_done_again_and_nothing_twice(
    open_postgresql: Opening, monkeypatch: pytest.MonkeyPatch, count: int
) -> None:
    store = open_postgresql()
    records = samples(count)
    calls: list[int] = []
    monkeypatch.setattr(store_module, "put", _losing_the_first_answer(put.put, calls))
    moves = [HeadMove(record.id, None, record.address) for record in records]
    assert store.put(records, moves) == ([Outcome.EXISTED] * count, [False] * count)
    assert len(calls) == 2
    assert store.heads([record.id for record in records]) == {record.id: record.address for record in records}
    assert store.count() == count


def test_moves_whose_answer_is_lost_are_done_again_and_not_made_twice(
    open_postgresql: Opening, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = open_postgresql()
    store.swap_heads([HeadMove("a", None, "0" * 64), HeadMove("b", None, "0" * 64)])
    calls: list[int] = []
    monkeypatch.setattr(heads, "move_heads", _losing_the_first_answer(heads.move_heads, calls))
    moves = [HeadMove("a", "0" * 64, "1" * 64), HeadMove("b", "0" * 64, None)]
    assert store.swap_heads(moves) == [False, False]
    assert len(calls) == 2
    assert store.heads(["a", "b"]) == {"a": "1" * 64}


def test_a_silent_network_is_unavailable_in_time_and_used_again(
    open_postgresql: Opening,
    postgres_server: PostgreSQL,
    postgres_url: str,
    fault_proxy: Placing,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(session_module, "GRACE", 0.5)
    proxy = fault_proxy(postgres_server)
    store = open_postgresql(url_through(postgres_url, proxy.port), timeout=1, connect_timeout=2)
    store.put(samples(2))
    proxy.freeze()
    for call in (store.count, lambda: store.get([sample().address]), lambda: store.put(samples(3))):
        begun = time.monotonic()
        with pytest.raises(Unavailable):
            call()
        assert time.monotonic() - begun < 12
    proxy.heal()
    assert store.count() >= 2


def test_a_statement_that_takes_too_long_is_ended_by_the_server_and_not_sent_again(
    open_postgresql: Opening,
) -> None:
    store = open_postgresql(timeout=1)
    address = sample().address
    with below(store) as raw, raw.transaction():
        raw.execute("LOCK TABLE entities IN ACCESS EXCLUSIVE MODE")
        for call in (store.count, lambda: store.get([address]), lambda: store.get([address, "a" * 64])):
            begun = time.monotonic()
            with pytest.raises(Unavailable, match="timeout="):
                call()
            assert 0.9 < time.monotonic() - begun < 1.9
    assert store.count() == 0


def test_a_statement_that_failed_is_used_again_on_the_same_connection(open_postgresql: Opening) -> None:
    store = open_postgresql(timeout=0.5, pool=1)
    first, second = samples(2)
    store.put([first], [HeadMove("a", None, first.address)])
    assert store.get([first.address]) == {first.address: first.document}
    session = store._sessions._all[0]
    with below(store) as raw, raw.transaction():
        raw.execute("LOCK TABLE entities IN ACCESS EXCLUSIVE MODE")
        with pytest.raises(Unavailable):
            store.put([second], [HeadMove("b", None, second.address)])
        with pytest.raises(Unavailable):
            store.get([first.address])
    assert store.put([second], [HeadMove("b", None, second.address)]) == ([Outcome.NEW], [True])
    assert reader.get_one(session, bytes.fromhex(first.address)) == [first.document]
    assert store._sessions._all == [session]


def test_a_single_get_takes_one_round_trip_whether_it_finds_something_or_not(
    open_postgresql: Opening, postgres_server: PostgreSQL, postgres_url: str, fault_proxy: Placing
) -> None:
    proxy = fault_proxy(postgres_server)
    store = open_postgresql(url_through(postgres_url, proxy.port))
    there, *_ = samples(3)
    store.put([there])
    store.get([there.address])
    found = {there.address: there.document}
    for address, expected in ((there.address, found), ("a" * 64, {}), (there.address.upper(), {})):
        before = proxy.round_trips
        assert store.get([address]) == expected
        assert proxy.round_trips - before <= 1


def test_a_server_that_says_nothing_more_is_unavailable_in_time_while_a_store_is_opened(
    postgres_server: PostgreSQL, postgres_url: str, fault_proxy: Placing, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(session_module, "GRACE", 0.5)
    proxy = fault_proxy(postgres_server)
    connect = Sessions.connect

    def connect_and_freeze(sessions: Sessions) -> psycopg.Connection:
        connection = connect(sessions)
        proxy.freeze()
        return connection

    monkeypatch.setattr(Sessions, "connect", connect_and_freeze)
    begun = time.monotonic()
    with pytest.raises(Unavailable, match="gave no answer"):
        PostgreSQLStore(Settings(url_through(postgres_url, proxy.port), timeout=1, connect_timeout=2))
    assert time.monotonic() - begun < 10


def test_the_watchdog_leaves_a_session_alone_that_was_given_back_in_time(open_postgresql: Opening) -> None:
    store = open_postgresql()
    sessions = store._sessions
    session = sessions.take()
    session.deadline = 0.0
    late = sessions.overdue()
    assert late == [session]
    sessions.give(session)
    again = sessions.take()
    assert again is session
    session.cut_if_late()
    assert session.connection.execute("SELECT 1").fetchone() == (1,)
    sessions.give(session)
    assert sessions.take() is session
    sessions.give(session)


def test_a_session_that_is_about_to_be_cut_is_not_lent_again(open_postgresql: Opening) -> None:
    store = open_postgresql()
    session = store._sessions.take()
    session.deadline = 0.0
    session.cut_if_late()
    with pytest.raises(psycopg.OperationalError):
        session.connection.execute("SELECT 1")
    session = store._sessions.take()
    session.doomed = True
    store._sessions.give(session)
    assert session.connection.closed
    session.deadline = 0.0
    session.cut_if_late()
    assert store.count() == 0


def test_without_a_thread_for_the_watchdog_it_is_unavailable_and_no_connection_stays_taken(
    postgres_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    PostgreSQLStore(Settings(postgres_url)).close()
    sessions = Sessions(Settings(postgres_url, pool=1, connect_timeout=2))

    def refuse(thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    with monkeypatch.context() as patched:
        patched.setattr(threading.Thread, "start", refuse)
        with pytest.raises(Unavailable, match="thread"):
            sessions.take()
    session = sessions.take()
    assert session.connection.execute("SELECT 1").fetchone() == (1,)
    sessions.give(session)
    sessions.close()


def test_lost_races_are_run_again(open_postgresql: Opening) -> None:
    store = open_postgresql()
    attempts: list[int] = []

    def work(session: Session) -> str:
        attempts.append(1)
        if len(attempts) < 4:
            raise psycopg.errors.DeadlockDetected("deadlock detected")
        return "done"

    assert store._run(work) == "done"

    def never(session: Session) -> None:
        raise psycopg.errors.SerializationFailure("could not serialize")

    with pytest.raises(Unavailable, match="try again"):
        store._run(never)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
def test_a_forked_child_uses_connections_of_its_own(open_postgresql: Opening) -> None:
    store = open_postgresql()
    store.put(samples(5))
    held = store._sessions.take()
    child = os.fork()
    if child == 0:
        code = 1
        try:
            record = sample("child")
            put = store.put([record], [HeadMove("child", None, record.address)])
            if put == ([Outcome.NEW], [True]) and store.count() == 6:
                code = 0
            store.close()
        finally:
            os._exit(code)
    assert os.waitpid(child, 0)[1] == 0
    store._sessions.give(held)
    assert held in store._sessions._all
    assert store.count() == 6
    assert store.heads(["child"]) == {"child": sample("child").address}


def test_a_connection_left_inside_a_transaction_is_not_lent_again(open_postgresql: Opening) -> None:
    store = open_postgresql()
    session = store._sessions.take()
    session.connection.execute("BEGIN")
    store._sessions.give(session)
    assert session.connection.closed
    assert store.count() == 0


def test_closing_waits_for_nobody_and_closes_what_comes_back(open_postgresql: Opening) -> None:
    store = open_postgresql()
    session = store._sessions.take()
    store.close()
    closed = [session.connection.closed]
    store._sessions.give(session)
    closed.append(session.connection.closed)
    assert closed == [False, True]
    with pytest.raises(Unavailable, match="closed"):
        store.count()


def test_word_of_the_servers_end_is_seen_before_a_write_that_cant_be_repeated(open_postgresql: Opening) -> None:
    store = open_postgresql()
    store.count()
    session = store._sessions.take(sure=True)
    silent = [session.silent]
    store._sessions.give(session)
    _kill_others(store)
    silent.append(session.silent)
    again = store._sessions.take(sure=True)
    assert again is not session
    store._sessions.give(again)
    again.connection.close()
    silent.append(again.silent)
    assert silent == [True, False, False]
    assert store.count() == 0


def test_statements_that_the_driver_made_the_server_forget_are_prepared_again(open_postgresql: Opening) -> None:
    store = open_postgresql()
    first, second, third = samples(3)
    store.put([first], [HeadMove("a", None, first.address)])
    assert store.get([first.address]) == {first.address: first.document}
    session = store._sessions.take()
    session.connection.execute("DEALLOCATE ALL")
    store._sessions.give(session)
    assert store.put([second], [HeadMove("b", None, second.address)]) == ([Outcome.NEW], [True])
    assert reader.get_one(session, bytes.fromhex(first.address)) == [first.document]
    with below(store) as raw:
        raw.execute("ALTER TABLE entities DROP CONSTRAINT entities_address")
    assert store.put([third], [HeadMove("c", None, third.address)]) == ([Outcome.NEW], [True])
    session.connection.execute("DEALLOCATE ALL")
    session.connection.execute("ALTER TABLE entities RENAME TO hidden")
    with pytest.raises(psycopg.errors.UndefinedTable):
        reader.get_one(session, bytes.fromhex(first.address))


def test_a_discard_whose_answer_is_lost_is_not_done_again(
    open_postgresql: Opening, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = open_postgresql()
    record = samples(1)[0]
    store.put([record])
    calls: list[int] = []
    real = erase.discard

    def discard(connection: psycopg.Connection, addresses: list[str]) -> None:
        calls.append(1)
        real(connection, addresses)
        # Done, but nobody hears of it; then somebody else puts the document again.
        connection.close()
        raise psycopg.OperationalError("server closed the connection unexpectedly")

    monkeypatch.setattr(erase, "discard", discard)
    with pytest.raises(Unavailable):
        store.discard([record.address])
    assert calls == [1]


@pytest.mark.parametrize("host", ["a..b", "x" * 70 + ".example"])
def test_a_host_that_is_no_name_is_one_clear_error(host: str) -> None:
    with pytest.raises((ConfigError, Unavailable)) as caught:
        PostgreSQLStore(Settings(f"postgresql://u:secret@{host}/db"))
    assert "secret" not in str(caught.value)
