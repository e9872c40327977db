"""What the test servers share: a port, a folder, a log, a start that waits until they answer, an end by process id."""

from __future__ import annotations

import getpass
import json
import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from abc import ABC, abstractmethod
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import ClassVar, Self

from stat7.testing.servers import guard
from stat7.testing.servers.programs import Program

HOST = "127.0.0.1"
_PORTS = range(18_000, 32_000)
"""Below the ports that operating systems hand to outgoing connections, which could take one during a restart."""
_KILL = guard.KILL


class ServerFailed(RuntimeError):
    """A server did not start, or did not answer in time; the message ends with the tail of its log."""


def free_port() -> int:
    """A port of the loopback address on which nobody listens at the moment."""
    for port in random.SystemRandom().sample(_PORTS, 100):
        with socket.socket() as probe:
            try:
                probe.bind((HOST, port))
            except OSError:
                continue
            return port
    raise ServerFailed("no free port found in 100 tries")


class Server(ABC):
    """One server on a free port of the loopback address, with its data in a temporary folder.

    Use it as a context manager, or call `start` and `stop`. Should this process end in whatever way, the server ends
    too (see guard.py). `kill` and `pause` are for tests of faults; `restart` keeps port and data.
    """

    program: ClassVar[Program]
    """What runs it."""
    stop_signal: ClassVar[int] = signal.SIGTERM
    """Asks it to end without waiting for its clients."""
    patience: ClassVar[float] = 60.0
    """Seconds that it may take until it answers: enough for a slow machine under load."""

    def __init__(self) -> None:
        self.folder: Path = Path()
        """Its temporary folder, there while it is started."""
        self.port = 0
        """Its port, from the first start on."""
        self.keep_log = False
        """Leave the log file in place when the server stops; a test that failed sets it."""
        self._guard: subprocess.Popen[bytes] | None = None
        self._pid = 0
        self._log: Path | None = None

    @property
    def address(self) -> tuple[str, int]:
        """Host and port."""
        return HOST, self.port

    @property
    def pid(self) -> int:
        """The process id of the server itself; 0 when it does not run."""
        return self._pid if self.running else 0

    @property
    def running(self) -> bool:
        """Whether its process is there (it may be paused)."""
        return self._guard is not None and self._guard.poll() is None

    @property
    def log(self) -> Path:
        """The file with all that the server has printed."""
        if self._log is None:
            raise ServerFailed(f"{self.program.title} was never started: it has no log")
        return self._log

    def log_tail(self, lines: int = 30, begin: int = 0) -> str:
        """The last lines of its log, of what was written from byte `begin` on; empty if there are none."""
        if self._log is None or not self._log.exists():
            return ""
        with self._log.open("rb") as log:
            log.seek(begin)
            said = log.read().decode("utf-8", "replace")
        return "\n".join(said.splitlines()[-lines:])

    def start(self) -> Self:
        """Start it and wait until it answers.

        ProgramMissing without its program, ServerFailed with its log if it ends or stays silent. Starting a server
        that runs changes nothing.
        """
        if self.running:
            return self
        self.program.path()
        if not self.folder.name:
            self._make_folder()
        try:
            self._start_on_some_port()
        except BaseException:
            self.keep_log = True
            self.stop()
            raise
        return self

    def stop(self) -> None:
        """Ask it to end, kill it if it does not, and remove its folder. Safe to call twice."""
        self._end(self.stop_signal)
        if self.folder.name:
            shutil.rmtree(self.folder, ignore_errors=True)
            self.folder = Path()
        if self._log is not None and not self.keep_log:
            self._log.unlink(missing_ok=True)

    def kill(self) -> None:
        """End it at once, as a crash would; `start` starts it again on the same port and data."""
        self._end(_KILL)

    def restart(self, patience: float = 10.0) -> None:
        """End it in good order (killed after `patience` seconds) and start it again on the same port and data."""
        self._end(self.stop_signal, patience)
        self.start()

    def pause(self) -> None:
        """Freeze its process: connections stay open and nothing answers. Not on Windows."""
        self._signal(signal.SIGSTOP)

    def resume(self) -> None:
        """Let it run on after `pause`."""
        self._signal(signal.SIGCONT)

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    @abstractmethod
    def _command(self) -> list[str]:
        """The command line, once folder and port are known."""

    @abstractmethod
    def _answers(self) -> bool:
        """Whether it serves a real request. An OSError means: not yet."""

    def _prepare(self) -> None:  # noqa: B027 - most servers need nothing
        """Make in the new folder what the first start needs."""

    def _settings(self) -> dict[str, str]:
        """Environment variables of the server."""
        return {}

    def _user(self) -> str | None:
        """The user to run it as, None for whoever runs the tests."""
        return None

    def _make_folder(self) -> None:
        # Not pytest's folder: that is closed to the other user that some servers run as.
        self.folder = Path(tempfile.mkdtemp(prefix=f"stat7-{self.program.name}-"))
        self._log = Path(f"{self.folder}.log")
        self._log.touch(mode=0o600)
        self._prepare()

    def _start_on_some_port(self) -> None:
        """Start, and again where a port taken meanwhile or what a killed predecessor still holds stands in the way."""
        chosen = self.port == 0
        deadline = time.monotonic() + 10.0
        while True:
            if chosen:
                self.port = free_port()
            begin = self.log.stat().st_size
            try:
                self._start_process()
                self._wait()
                return
            except ServerFailed:
                self._end(_KILL)
                if "in use" not in self.log_tail(1000, begin) or time.monotonic() > deadline:
                    raise
                time.sleep(0.1)

    def _start_process(self) -> None:
        order = guard.Order(
            command=self._command(),
            user=self._user(),
            folder=str(self.folder),
            log=str(self.log),
            stop=int(self.stop_signal),
            patience=10.0,
        )
        with self.log.open("ab") as log:
            self._guard = subprocess.Popen(
                [sys.executable, "-P", guard.__file__, json.dumps(order)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                env={**os.environ, **self._settings()},
                # Ctrl-C is for the tests alone: they end the servers in good order.
                start_new_session=True,
            )
        assert self._guard.stdout is not None
        self._pid = int(self._guard.stdout.readline() or 0)

    def _wait(self) -> None:
        deadline = time.monotonic() + self.patience
        pause = 0.005
        while time.monotonic() < deadline:
            if not self.running:
                raise self._failed("ended before it answered")
            try:
                # Running afterwards too: what answered was not another server on the same port.
                if self._answers() and self.running:
                    return
            except OSError:
                pass
            time.sleep(pause)
            pause = min(pause * 1.5, 0.1)
        raise self._failed(f"did not answer within {self.patience:g} s")

    def _failed(self, what: str) -> ServerFailed:
        return ServerFailed(f"{self.program.title} {what}; the end of its log, {self._log}:\n{self.log_tail()}")

    def _signal(self, number: int) -> None:
        if not self.running:
            raise ServerFailed(f"{self.program.title} is not running")
        self._tell(number)
        assert self._guard is not None
        assert self._guard.stdout is not None
        self._guard.stdout.readline()  # Its word that the signal is sent.

    def _tell(self, number: int) -> None:
        assert self._guard is not None
        assert self._guard.stdin is not None
        # It may have ended by itself.
        with suppress(BrokenPipeError):
            self._guard.stdin.write(b"%d\n" % number)
            self._guard.stdin.flush()

    def _end(self, number: int, patience: float = 10.0) -> None:
        if self._guard is None:
            return
        if number != _KILL and os.name != "nt":
            self._tell(signal.SIGCONT)
        self._tell(number)
        try:
            self._guard.wait(patience)
        except subprocess.TimeoutExpired:
            self._tell(_KILL)
            self._guard.wait(10)
        assert self._guard.stdin is not None
        assert self._guard.stdout is not None
        self._guard.stdout.close()
        with suppress(BrokenPipeError):
            self._guard.stdin.close()
        self._guard = None
        self._pid = 0


def unprivileged() -> str | None:
    """A user for servers that refuse to run as root: None unless this process is root's."""
    if os.name == "nt" or os.getuid() != 0:
        return None
    import pwd

    for name in ("postgres", "nobody"):
        try:
            pwd.getpwnam(name)
        except KeyError:
            continue
        return name
    raise ServerFailed(f"no user but {getpass.getuser()} to run this server as: run the tests as another user")


def exchange(address: tuple[str, int], request: bytes, enough: bytes | None = None, timeout: float = 2.0) -> bytes:
    """Send bytes to a server and read until `enough` was seen or it closed; OSError if it cannot be reached in time."""
    answer = b""
    with socket.create_connection(address, timeout=timeout) as connection:
        connection.sendall(request)
        while enough is None or enough not in answer:
            received = connection.recv(65536)
            if not received:
                break
            answer += received
    return answer
