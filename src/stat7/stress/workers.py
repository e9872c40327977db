"""Tasks in processes of their own: started by spawn, begun together, every wait bounded, a crash told and never a hang.

A task is a picklable object; `prepare` does what may take long and isn't measured and returns the work itself, which
is called when all workers of the group are ready and returns what goes back (plain values and bytes, no Python object
per sample).
"""

from __future__ import annotations

import math
import signal
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from multiprocessing import get_context
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from typing import Any, Final, NoReturn, Protocol, TypeAlias

Tell: TypeAlias = Callable[[int], None]
"""Called by work now and then with the number of items done so far."""

Work: TypeAlias = Callable[[Tell], Mapping[str, Any]]

Obey: TypeAlias = Callable[[Any, Tell], Mapping[str, Any]]
"""Carries out an order (any picklable value) of a Crew."""

PREPARE_SECONDS: Final = 60.0
"""How long a worker may take from its start until it's ready, by default."""

_LEAVE_SECONDS: Final = 5.0


class Task(Protocol):
    """What a worker is to do; must be picklable."""

    def prepare(self) -> Work:
        """Get ready (open stores, draw keys), and return the work that is to be measured."""
        ...


class Hand(Protocol):
    """One of a crew: a worker that stays for many orders; must be picklable."""

    def prepare(self) -> AbstractContextManager[Obey]:
        """Get ready, and give what carries out orders; it's left when there are no more."""
        ...


class WorkerFailed(Exception):
    """A worker crashed, raised or didn't answer in time; the text, one line, says which and why."""


class OutOfTime(WorkerFailed):
    """The workers were ended because the time they were given was over."""


class _Group:
    """The processes of one group and the pipes to them."""

    def __init__(self) -> None:
        self.processes: list[BaseProcess] = []
        self.pipes: list[Connection] = []

    def start(self, tasks: Sequence[Task] | Sequence[Hand], serve: Callable[[Any, Connection], None]) -> None:
        """Start a process for each task, to live the life `serve`."""
        context = get_context("spawn")
        for task in tasks:
            ours, theirs = context.Pipe()
            process = context.Process(target=serve, args=(task, theirs), daemon=True)
            self.pipes.append(ours)
            try:
                with _deaf_to_interrupts():
                    process.start()
                    self.processes.append(process)
            finally:
                theirs.close()

    def collect(
        self, kind: str, seconds: float, on_progress: Callable[[int, int], None], until: float = math.inf
    ) -> list[Any]:
        """The message of this kind from every worker, in their order.

        Fails after so many seconds of silence, or when the (monotonic) time `until` has come.
        """
        answers: dict[int, Any] = {}
        while len(answers) < len(self.pipes):
            waiting = {self.pipes[index]: index for index in range(len(self.pipes)) if index not in answers}
            ready = wait(list(waiting), timeout=min(seconds, max(0.0, until - time.monotonic())))
            if time.monotonic() >= until:
                raise OutOfTime("the time for it is over")
            if not ready:
                late = ", ".join(str(index + 1) for index in waiting.values())
                raise WorkerFailed(f"worker {late} of {len(self.pipes)} gave no answer within {seconds:.0f} s")
            for pipe in ready:
                index = waiting[pipe]  # type: ignore[index]
                got, value = self._receive(index)
                if got == kind:
                    answers[index] = value
                elif got == "progress":
                    on_progress(index, value)
        return [answers[index] for index in range(len(self.pipes))]

    def begin(self, order: Any = "go") -> None:
        """Let all workers begin, with an order if they're a crew."""
        for index, pipe in enumerate(self.pipes):
            try:
                pipe.send(order)
            except OSError:
                self._fail(index, "is gone")

    def end(self) -> None:
        """Wait shortly for the processes to leave, and end those that don't."""
        for pipe in self.pipes:
            pipe.close()
        until = time.monotonic() + _LEAVE_SECONDS
        for process in self.processes:
            process.join(max(0.0, until - time.monotonic()))

    def kill(self) -> None:
        """End all processes of the group at once."""
        for process in self.processes:
            process.kill()
        for process in self.processes:
            process.join(_LEAVE_SECONDS)

    def _receive(self, index: int) -> tuple[str, Any]:
        try:
            kind, value = self.pipes[index].recv()
        except (EOFError, OSError):
            process = self.processes[index]
            process.join(_LEAVE_SECONDS)
            self._fail(index, f"ended with exit code {process.exitcode}")
        if kind == "failed":
            self._fail(index, f"failed: {value}")
        return kind, value

    def _fail(self, index: int, what: str) -> NoReturn:
        raise WorkerFailed(f"worker {index + 1} of {len(self.pipes)} {what}")


@contextmanager
def _deaf_to_interrupts() -> Iterator[None]:
    """Hold interrupts back until a process is started whole; it never hears of them (Ctrl-C reaches every process)."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    held: list[int] = []
    mask = getattr(signal, "pthread_sigmask", None)
    # The handler is for a signal that another thread takes; what the new process inherits is the mask.
    handler = signal.signal(signal.SIGINT, lambda number, frame: held.append(number))
    before = mask(signal.SIG_BLOCK, {signal.SIGINT}) if mask is not None else None
    try:
        yield
    finally:
        if mask is not None:
            mask(signal.SIG_SETMASK, before)
        signal.signal(signal.SIGINT, handler)
        if held:
            signal.raise_signal(signal.SIGINT)


def _ignore(index: int, done: int) -> None:
    """A listener that doesn't listen."""


def run_together(
    tasks: Sequence[Task],
    *,
    seconds: float,
    prepare_seconds: float = PREPARE_SECONDS,
    limit: float | None = None,
    hand_over: Sequence[Connection] = (),
    on_progress: Callable[[int, int], None] = _ignore,
) -> list[Mapping[str, Any]]:
    """Run each task in a process of its own, all begun together, and return what they return, in order.

    `seconds` is the longest silence while they work (a worker that tells its progress is not silent), `prepare_seconds`
    the same before; after `limit` seconds in all they are ended, and OutOfTime is raised. `on_progress` gets a worker's
    index and its items done. `hand_over` are ends of pipes that tasks hold: closed here once the workers have them.
    Raises WorkerFailed. Whatever happens, no process is left behind.
    """
    group = _Group()
    until = math.inf if limit is None else time.monotonic() + limit
    try:
        group.start(tasks, _serve)
        for end in hand_over:
            end.close()
        group.collect("ready", prepare_seconds, on_progress)
        group.begin()
        results = group.collect("done", seconds, on_progress, until)
        group.end()
        return results
    finally:
        group.kill()


class Crew:
    """Processes that stay for many orders, as a context manager: ready when it's entered, gone when it's left.

    Every method raises WorkerFailed; after that the crew is of no more use.
    """

    def __init__(self, hands: Sequence[Hand], prepare_seconds: float = PREPARE_SECONDS) -> None:
        self._hands = hands
        self._prepare_seconds = prepare_seconds
        self._group = _Group()

    def __enter__(self) -> Crew:
        """Start all hands, and wait until they're ready."""
        try:
            self._group.start(self._hands, _serve_crew)
            self._group.collect("ready", self._prepare_seconds, _ignore)
        except BaseException:
            self._group.kill()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        """Let them leave; end those that don't."""
        try:
            self._group.end()
        finally:
            self._group.kill()

    def order(self, order: Any, seconds: float) -> list[Mapping[str, Any]]:
        """Have every hand carry out the order at the same time; what they return, in order. `seconds` is the longest
        silence.
        """
        self._group.begin(order)
        return self._group.collect("done", seconds, _ignore)


def _serve(task: Task, pipe: Connection) -> None:
    """The life of a worker. An interrupt is its parent's to handle."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # where there is no mask to inherit
    try:
        work = task.prepare()
        pipe.send(("ready", None))
        if pipe.recv() == "go":
            pipe.send(("done", work(lambda done: pipe.send(("progress", done)))))
    except (EOFError, BrokenPipeError):
        return  # nobody waits for us any more
    except Exception as error:
        text = " ".join(f"{type(error).__name__}: {error}".split())
        with suppress(OSError):
            pipe.send(("failed", text))


def _serve_crew(hand: Hand, pipe: Connection) -> None:
    """The life of one of a crew, until the pipe is closed."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        with hand.prepare() as obey:
            pipe.send(("ready", None))
            while True:
                pipe.send(("done", obey(pipe.recv(), lambda done: pipe.send(("progress", done)))))
    except (EOFError, BrokenPipeError):
        return
    except Exception as error:
        text = " ".join(f"{type(error).__name__}: {error}".split())
        with suppress(OSError):
            pipe.send(("failed", text))
