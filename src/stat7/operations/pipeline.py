"""Working on a few items at once, with the results in the order of the items."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from threading import Event
from typing import TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")


def pipelined(
    work: Callable[[Item], Result], items: Iterable[Item], at_once: int, stop: Event | None = None
) -> Generator[tuple[Item, Result], None, None]:
    """Each item with what `work` makes of it, in order; `at_once` threads work while the next items are being read.

    At most twice `at_once` items are held. An error of `work`, of `items` or of whoever takes the results ends it: what
    has begun is waited for, so `work` should look at `stop`, which is set then, if it can take long.
    """
    waiting: deque[tuple[Item, Future[Result]]] = deque()
    with ThreadPoolExecutor(at_once, "stat7-copy") as pool:
        finished = False
        try:
            for item in items:
                waiting.append((item, pool.submit(work, item)))
                if len(waiting) == 2 * at_once:
                    done, result = waiting.popleft()
                    yield done, result.result()
            while waiting:
                done, result = waiting.popleft()
                yield done, result.result()
            finished = True
        finally:
            if not finished and stop is not None:
                stop.set()
            pool.shutdown(wait=False, cancel_futures=True)
