"""Pieces handed from the thread that makes them to another one that sends them, a few at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from queue import Empty, Queue
from threading import Thread

_WAITING = 8


class Abandoned(Exception):
    """Raised in the thread that sends, in place of the end, when there is no more because the source has failed."""


class Handover:
    """Runs `send` in a thread of its own, over the pieces that `run` takes from a source in the caller's.

    A client library that drives its requests while it asks for the next piece can't be asked by the source in turn;
    and the caller can be interrupted.
    """

    def __init__(self, send: Callable[[Iterator[bytes]], object]) -> None:
        self._send = send
        self._waiting: Queue[bytes | None] = Queue(_WAITING)
        self._ended = False
        self._given_up = False
        self._error: BaseException | None = None

    def run(self, pieces: Iterable[bytes]) -> None:
        """Send all; raises what the source raises, or what `send` does."""
        sender = Thread(target=self._work, name="stat7-upload", daemon=True)
        sender.start()
        try:
            for piece in pieces:
                if self._ended:
                    break
                self._waiting.put(piece)
        except BaseException:
            self._given_up = True
            raise
        finally:
            self._waiting.put(None)
            sender.join()
        if self._error is not None:
            raise self._error

    def _work(self) -> None:
        try:
            self._send(self._taken())
        except BaseException as error:
            self._error = error
        # Whoever waits for room goes on, and then sees that nobody takes anything any more.
        self._ended = True
        while True:
            try:
                self._waiting.get_nowait()
            except Empty:
                return

    def _taken(self) -> Iterator[bytes]:
        while (piece := self._waiting.get()) is not None:
            yield piece
        if self._given_up:
            raise Abandoned
