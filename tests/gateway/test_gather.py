"""Single reads gathered into batches, and a pool that refuses rather than lets everything wait."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Coroutine, Iterator, Mapping, Sequence
from typing import Any

import httpx
import pytest
import redis

from stat7.errors import Unavailable
from stat7.gateway.gather import WAITING, Coalesced, Direct, Gather, Pool
from stat7.gateway.problems import Problem
from stat7.stores.cached import renew
from stat7.testing.servers import Gateway
from tests.gateway.conftest import document


@pytest.fixture
def pool() -> Iterator[Pool]:
    """Two threads, half a second a call."""
    made = Pool(2, 0.5)
    yield made
    made.close()


def run(work: Coroutine[Any, Any, None]) -> None:
    """Carry it out."""
    asyncio.run(work)


def test_questions_of_the_same_time_are_one_call_and_each_gets_its_answer(pool: Pool) -> None:
    calls: list[list[int]] = []

    def square(asked: Sequence[int]) -> Mapping[int, int]:
        calls.append(list(asked))
        return {each: each * each for each in asked if each != 13}

    async def ask() -> None:
        gather = Gather(pool, square)
        answers = await asyncio.gather(*(gather.get(number % 50) for number in range(100)))
        assert answers == [None if number % 50 == 13 else (number % 50) ** 2 for number in range(100)]
        assert await gather.get(7) == 49

    run(ask())
    assert [len(call) for call in calls] == [50, 1]


def test_what_is_asked_while_calls_run_waits_for_the_next_and_batches_are_bounded(pool: Pool) -> None:
    sizes: list[int] = []
    begin = threading.Event()

    def slow(asked: Sequence[int]) -> Mapping[int, int]:
        sizes.append(len(asked))
        begin.wait(10)
        return dict.fromkeys(asked, 1)

    async def ask() -> None:
        gather = Gather(pool, slow, most=10, lanes=1)
        first = asyncio.ensure_future(_one(gather, 0))
        await asyncio.sleep(0.05)
        rest = [asyncio.ensure_future(_one(gather, number)) for number in range(1, 26)]
        await asyncio.sleep(0.05)
        begin.set()
        await asyncio.gather(first, *rest)

    run(ask())
    assert sizes == [1, 10, 10, 5]


async def _one(gather: Gather[int, int], number: int) -> int | None:
    return await gather.get(number)


def test_a_call_that_fails_fails_all_who_asked_and_the_next_works(pool: Pool) -> None:
    down = [True]

    def ask_it(asked: Sequence[int]) -> Mapping[int, int]:
        if down.pop() if down else False:
            raise Unavailable("down")
        return dict.fromkeys(asked, 1)

    async def ask() -> None:
        gather = Gather(pool, ask_it)
        answers = await asyncio.gather(gather.get(1), gather.get(2), return_exceptions=True)
        assert [type(each) for each in answers] == [Unavailable, Unavailable]
        assert await gather.get(1) == 1

    run(ask())


def test_a_store_in_this_process_is_asked_once_for_all_of_one_turn() -> None:
    calls: list[int] = []

    def square(asked: Sequence[int]) -> Mapping[int, int]:
        calls.append(len(asked))
        if 0 in asked:
            raise Unavailable("down")
        return {each: each * each for each in asked if each != 13}

    async def ask() -> None:
        direct = Direct(square, most=20)
        answers = await asyncio.gather(*(direct.get(1 + number % 50) for number in range(100)))
        assert answers == [None if number % 50 == 12 else (1 + number % 50) ** 2 for number in range(100)]
        failed = await asyncio.gather(direct.get(0), direct.get(1), return_exceptions=True)
        assert [type(each) for each in failed] == [Unavailable, Unavailable]
        assert await direct.get(1) == 1

    run(ask())
    assert calls == [20, 20, 10, 2, 1]


def test_what_many_want_to_know_is_looked_for_once_and_failures_are_forgotten() -> None:
    calls: list[int] = []

    async def find() -> int:
        calls.append(1)
        await asyncio.sleep(0.01)
        if len(calls) == 1:
            raise Unavailable("down")
        return len(calls)

    async def ask() -> None:
        known, fresh = Coalesced(find, 60.0), Coalesced(find, 0.0)
        failed = await asyncio.gather(*(known.get() for _ in range(5)), return_exceptions=True)
        assert [type(each) for each in failed] == [Unavailable] * 5
        assert await asyncio.gather(*(known.get() for _ in range(5))) == [2] * 5
        assert await known.get() == 2
        assert [await fresh.get(), await fresh.get()] == [3, 4]

    run(ask())


def test_a_call_that_takes_too_long_is_a_504_and_keeps_its_thread_until_it_ends(pool: Pool) -> None:
    end = threading.Event()

    async def ask() -> None:
        with pytest.raises(Problem) as refused:
            await pool.call(end.wait, 30)
        assert (refused.value.status, pool.busy) == (504, 1)
        end.set()
        while pool.busy:
            await asyncio.sleep(0.01)

    run(ask())


def test_beyond_its_bound_a_pool_refuses(pool: Pool) -> None:
    end = threading.Event()

    async def ask() -> None:
        waiting = [asyncio.ensure_future(pool.call(end.wait, 30)) for _ in range(pool.most)]
        await asyncio.sleep(0)
        with pytest.raises(Problem) as refused:
            await pool.call(end.wait, 30)
        assert (refused.value.status, refused.value.kind) == (503, "overloaded")
        end.set()
        await asyncio.gather(*waiting, return_exceptions=True)

    assert pool.most == 2 * (1 + WAITING)
    run(ask())


def test_a_poisoned_cache_entry_is_dropped_and_never_served(redis_url: str, start_server: Any) -> None:
    server: Gateway = start_server(Gateway("--cache", f"{redis_url}?timeout=5"))
    with server.repository() as repository:
        renew(repository.store, 0.0)  # a cache is used from the second lease on
    headers = {"X-API-Key": server.keys["all"]}
    with httpx.Client(base_url=server.url, headers=headers, timeout=60) as client:
        address = client.post("/entities", json=document("cached")).json()["address"]
        good = client.get(f"/entities/{address}").content
        with redis.Redis.from_url(redis_url) as direct:
            keys = [key for key in direct.keys("stat7:1:*") if key.endswith(bytes.fromhex(address))]
            assert len(keys) == 1
            direct.set(keys[0], good.replace(b"cached", b"forged"))
            for _ in range(3):
                assert client.get(f"/entities/{address}").content == good
            assert direct.get(keys[0]) in (good, None)
        assert "stat7_cache_poisoned_total 1.0" in httpx.get(server.metrics_url).text
