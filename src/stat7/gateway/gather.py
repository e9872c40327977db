"""Calls of the store from the event loop: in a bounded pool of threads, and single reads gathered into batches.

A store in this process is read on the spot: that takes some ten microseconds, the way to a thread and back takes sixty.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from itertools import chain, islice
from typing import Final, Generic, ParamSpec, Protocol, TypeVar

from stat7.gateway.problems import Problem, overloaded

Key = TypeVar("Key")
Value = TypeVar("Value")
Asked = TypeVar("Asked", contravariant=True)
Answer = TypeVar("Answer", covariant=True)
Result = TypeVar("Result")
Arguments = ParamSpec("Arguments")

WAITING: Final = 8
"""Calls that may wait for a thread, for each thread there is; more are refused."""


class Pool:
    """Threads that call the store. Nothing waits in an unbounded queue: beyond `most` calls one is refused (503)."""

    def __init__(self, threads: int, seconds: float, name: str = "store", most: int | None = None) -> None:
        self._executor = ThreadPoolExecutor(threads, thread_name_prefix=f"gateway-{name}")
        self._seconds = seconds
        self.name = name
        self.most = most or threads * (1 + WAITING)
        self.threads = threads
        self.busy = 0
        """Calls that run or wait now."""

    async def call(
        self, work: Callable[Arguments, Result], *args: Arguments.args, **kwargs: Arguments.kwargs
    ) -> Result:
        """`work(...)` in a thread. Raises what it raises; 503 at the bound, 504 if it takes too long (its thread stays
        taken until it ends).
        """
        if self.busy >= self.most:
            raise overloaded(f"{self.busy} calls of the {self.name} are under way")
        loop = asyncio.get_running_loop()
        self.busy += 1
        future = loop.run_in_executor(self._executor, partial(work, *args, **kwargs))
        future.add_done_callback(self._done)
        try:
            return await asyncio.wait_for(asyncio.shield(future), self._seconds)
        except TimeoutError:
            if future.done():
                raise
            detail = f"the store took longer than {self._seconds:g} s; ask for less at once"
            raise Problem(504, "too-long", "The store took too long", detail) from None

    def close(self) -> None:
        """Wait for what runs; nothing else is begun."""
        self._executor.shutdown(wait=True, cancel_futures=True)

    def _done(self, future: asyncio.Future[Result]) -> None:
        self.busy -= 1
        if not future.cancelled():
            future.exception()  # looked at, whoever waited


class Coalesced(Generic[Value]):
    """One answer for all who ask while it is looked for, and for `seconds` from then on; a failure is not kept."""

    def __init__(self, find: Callable[[], Coroutine[None, None, Value]], seconds: float) -> None:
        self._find = find
        self._seconds = seconds
        self._begun = 0.0
        self._task: asyncio.Task[Value] | None = None

    async def get(self) -> Value:
        """The answer; raises what finding it raises."""
        loop, task = asyncio.get_running_loop(), self._task
        if task is None or (task.done() and (task.exception() or loop.time() > self._begun + self._seconds)):
            self._begun = loop.time()
            task = self._task = loop.create_task(self._find())
        return await asyncio.shield(task)


class Reads(Protocol[Asked, Answer]):
    """Single questions."""

    def get(self, key: Asked) -> Awaitable[Answer | None]:
        """What is known of a key, None if nothing is."""
        ...


class Direct(Generic[Key, Value]):
    """Single questions to a store in this process: what came in the same turn of the event loop is asked as one.

    Asking lets go of the interpreter's lock, which the server's thread then takes: once for many is much less waiting.
    """

    def __init__(self, ask: Callable[[Sequence[Key]], Mapping[Key, Value]], most: int = 64) -> None:
        self._ask = ask
        self._most = most
        self._waiting: dict[Key, asyncio.Future[Value | None]] = {}

    def get(self, key: Key) -> Awaitable[Value | None]:
        """What is known of a key, None if nothing is; what is awaited raises what the call raises."""
        future = self._waiting.get(key)
        if future is None:
            loop = asyncio.get_running_loop()
            if not self._waiting:
                loop.call_soon(self._ask_all)
            future = self._waiting[key] = loop.create_future()
        return future

    def _ask_all(self) -> None:
        keys = list(islice(self._waiting, self._most))
        waiting = {key: self._waiting.pop(key) for key in keys}
        if self._waiting:
            asyncio.get_running_loop().call_soon(self._ask_all)
        try:
            found = self._ask(keys)
        except Exception as error:
            for future in waiting.values():
                future.set_exception(error)
        else:
            for key, future in waiting.items():
                future.set_result(found.get(key))


class Gather(Generic[Key, Value]):
    """Single questions that come at about the same time, asked as one.

    What is asked while a call runs waits for the next, so batches are as large as the load is high, and a lone request
    waits for nobody. `ask` gets keys, each once, and returns what is known of them.
    """

    def __init__(
        self, pool: Pool, ask: Callable[[Sequence[Key]], Mapping[Key, Value]], most: int = 256, lanes: int = 2
    ) -> None:
        self._pool = pool
        self._ask = ask
        self._most = most
        self._lanes = lanes
        self._running = 0
        self._begun = False
        self._waiting: dict[Key, list[asyncio.Future[Value | None]]] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    def get(self, key: Key) -> Awaitable[Value | None]:
        """What is known of a key, None if nothing is; what is awaited raises what the call raises."""
        loop = asyncio.get_running_loop()
        future: asyncio.Future[Value | None] = loop.create_future()
        self._waiting.setdefault(key, []).append(future)
        if not self._begun and self._running < self._lanes:
            self._begun = True
            loop.call_soon(self._begin)
        return future

    def _begin(self) -> None:
        self._begun = False
        if not self._waiting or self._running >= self._lanes:
            return
        if len(self._waiting) <= self._most:
            taken, self._waiting = self._waiting, {}
        else:
            keys = list(self._waiting)[: self._most]
            taken = {key: self._waiting.pop(key) for key in keys}
        self._running += 1
        task = asyncio.get_running_loop().create_task(self._run(taken))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _run(self, taken: dict[Key, list[asyncio.Future[Value | None]]]) -> None:
        try:
            found = await self._pool.call(self._ask, list(taken))
        except BaseException as error:
            for future in chain.from_iterable(taken.values()):
                if not future.done():
                    future.set_exception(error)
                    future.exception()  # whoever asked may be gone
            if not isinstance(error, Exception):
                raise
        else:
            for key, futures in taken.items():
                value = found.get(key)
                for future in futures:
                    if not future.done():
                        future.set_result(value)
        finally:
            self._running -= 1
            self._begin()
