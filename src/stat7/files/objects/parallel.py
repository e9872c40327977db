"""Many requests at once, by a bounded number of threads."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import CancelledError, Future, ThreadPoolExecutor
from threading import Lock
from typing import TypeVar

from stat7.errors import Unavailable

Given = TypeVar("Given")
Answer = TypeVar("Answer")


class Requests:
    """Sends up to `threads` requests at once for all callers together. Threads begin when they are first needed.

    What is sent must not itself wait for others sent here. `place` is for messages.
    """

    def __init__(self, threads: int, place: str) -> None:
        self._threads = threads
        self._place = place
        self._pool: ThreadPoolExecutor | None = None
        self._lock = Lock()

    def all(self, request: Callable[[Given], Answer], given: Sequence[Given]) -> list[Answer]:
        """The answers in order. The first error is raised, and what hasn't been sent by then never is."""
        if len(given) <= 1:
            return [request(each) for each in given]
        sent = [self.send(request, each) for each in given]
        try:
            return [self.answer(each) for each in sent]
        except BaseException:
            for answer in sent:
                answer.cancel()
            raise

    def send(self, request: Callable[[Given], Answer], given: Given) -> Future[Answer]:
        """Send one and go on."""
        with self._lock:
            if self._pool is None:
                self._pool = ThreadPoolExecutor(self._threads, thread_name_prefix="stat7-objects")
            return self._pool.submit(request, given)

    def answer(self, sent: Future[Answer]) -> Answer:
        """Wait for what was sent; raises what it raised, Unavailable if it never will be for a `close`."""
        try:
            return sent.result()
        except CancelledError:
            raise Unavailable(f"{self._place}: the store is closed; open it again") from None

    def close(self) -> None:
        """End the threads when they are done with what they do; a later request starts new ones."""
        with self._lock:
            pool, self._pool = self._pool, None
        if pool is not None:
            pool.shutdown(wait=False, cancel_futures=True)
