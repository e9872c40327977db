"""A test server answers before it is used, shows its log when it fails, and leaves nothing behind, however it ends."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from stat7.testing.servers import Program, ProgramMissing, Server, ServerFailed, guard
from stat7.testing.servers import base as base_module
from stat7.testing.servers.base import HOST, exchange, free_port

posix = pytest.mark.skipif(os.name == "nt", reason="signals of POSIX")

SERVE = """
import socketserver, sys, time
class Answer(socketserver.BaseRequestHandler):
    def handle(self):
        if self.request.recv(4) == b"ping":
            self.request.sendall(b"pong")
socketserver.TCPServer.allow_reuse_address = True
print("listening soon", flush=True)
socketserver.TCPServer(("127.0.0.1", int(sys.argv[1])), Answer).serve_forever()
"""
STUBBORN = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN)\n" + SERVE
SILENT = "import time; print('thinking', flush=True); time.sleep(600)"
BROKEN = "raise SystemExit('the disk is made of cheese')"

PYTHON = Program("python", "Ponger", lambda: Path(sys.executable), "nothing to install")


class Ponger(Server):
    """A server of four bytes, run by Python."""

    program = PYTHON

    def __init__(self, script: str = SERVE) -> None:
        super().__init__()
        self.script = script

    def _command(self) -> list[str]:
        return [str(self.program.path()), "-c", self.script, str(self.port)]

    def _answers(self) -> bool:
        return exchange(self.address, b"ping", b"pong") == b"pong"


@pytest.fixture
def ponger() -> Iterator[Callable[[str], Ponger]]:
    """Makes servers that are stopped after the test."""
    made: list[Ponger] = []

    def make(script: str = SERVE) -> Ponger:
        made.append(Ponger(script))
        return made[-1]

    yield make
    for server in made:
        server.keep_log = False
        server.stop()


def gone(pid: int, within: float = 10.0) -> bool:
    """Whether the process ends within so many seconds. One that only waits to be collected has ended."""
    deadline = time.monotonic() + within
    while time.monotonic() < deadline:
        told = subprocess.run(["ps", "-o", "stat=", "-p", str(pid)], capture_output=True, text=True, check=False)
        if told.stdout.strip()[:1] in {"", "Z"}:
            return True
        time.sleep(0.02)
    return False


def test_it_answers_as_soon_as_it_is_started() -> None:
    with Ponger() as server:
        assert exchange(server.address, b"ping", b"pong") == b"pong"
        assert server.running
        assert server.pid > 0
        assert "listening soon" in server.log_tail()


@posix
def test_stopped_it_leaves_no_process_folder_or_log() -> None:
    server = Ponger().start()
    pid, folder, log = server.pid, server.folder, server.log
    assert folder.is_dir()
    server.stop()
    server.stop()
    assert gone(pid, 0.1)
    assert not folder.exists()
    assert not log.exists()
    assert not server.running
    assert server.pid == 0


def test_starting_it_twice_is_starting_it_once() -> None:
    with Ponger() as server:
        pid = server.pid
        assert server.start().pid == pid


def test_two_at_once_have_ports_and_folders_of_their_own() -> None:
    with Ponger() as one, Ponger() as other:
        assert one.port != other.port
        assert one.folder != other.folder


def test_one_that_ends_at_once_shows_its_log(ponger: Callable[[str], Ponger]) -> None:
    server = ponger(BROKEN)
    with pytest.raises(ServerFailed, match=r"(?s)Ponger ended before it answered.*the disk is made of cheese"):
        server.start()
    assert server.log.exists()
    assert not server.folder.name


def test_one_that_never_answers_is_given_up_and_ended(
    ponger: Callable[[str], Ponger], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Ponger, "patience", 0.5)
    server = ponger(SILENT)
    with pytest.raises(ServerFailed, match=r"(?s)did not answer within 0.5 s.*thinking"):
        server.start()
    assert not server.running


def test_it_takes_another_port_where_the_first_was_taken_meanwhile(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server((HOST, 0)) as occupied:
        ports = iter([occupied.getsockname()[1], free_port()])
        monkeypatch.setattr(base_module, "free_port", lambda: next(ports))
        with Ponger() as server:
            assert server.port != occupied.getsockname()[1]


def test_killed_and_started_again_it_has_its_port_and_folder() -> None:
    with Ponger() as server:
        port, pid = server.port, server.pid
        (server.folder / "data").write_text("kept", "utf-8")
        server.kill()
        assert not server.running
        with pytest.raises(OSError, match=r"refused|reset"):
            exchange(server.address, b"ping", b"pong")
        server.start()
        assert server.port == port
        assert server.pid != pid
        assert (server.folder / "data").read_text("utf-8") == "kept"


def test_restarted_it_has_its_port() -> None:
    with Ponger() as server:
        port, pid = server.port, server.pid
        server.restart()
        assert (server.port, server.pid != pid) == (port, True)


@posix
def test_one_that_ignores_being_asked_is_killed(ponger: Callable[[str], Ponger]) -> None:
    server = ponger(STUBBORN).start()
    pid = server.pid
    server.restart(patience=0.2)
    assert gone(pid, 0.1)
    server.kill()


@posix
def test_paused_it_keeps_silent_until_it_is_resumed() -> None:
    with Ponger() as server:
        server.pause()
        with pytest.raises(TimeoutError):
            exchange(server.address, b"ping", b"pong", timeout=0.2)
        server.resume()
        assert exchange(server.address, b"ping", b"pong") == b"pong"
        server.pause()
    assert not server.running


def test_it_says_so_when_it_is_to_be_signalled_but_does_not_run() -> None:
    with pytest.raises(ServerFailed, match="Ponger is not running"):
        Ponger().pause()
    with pytest.raises(ServerFailed, match="has no log"):
        _ = Ponger().log
    assert Ponger().log_tail() == ""


def test_one_that_ended_by_itself_is_noticed_and_can_be_started_again() -> None:
    with Ponger() as server:
        os.kill(server.pid, signal.SIGTERM)
        deadline = time.monotonic() + 5
        while server.running and time.monotonic() < deadline:
            time.sleep(0.01)
        assert server.pid == 0
        server.start()
        assert exchange(server.address, b"ping", b"pong") == b"pong"


def test_without_the_program_the_error_says_how_to_install_it(monkeypatch: pytest.MonkeyPatch) -> None:
    absent = Program("s3", "versitygw", lambda: None, "`go install versitygw`")
    monkeypatch.setattr(Ponger, "program", absent)
    with pytest.raises(ProgramMissing, match=r"make servers SERVERS=s3.*or `go install versitygw`"):
        Ponger().start()
    assert not absent.is_here()


@posix
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT], ids=lambda number: str(number.name))
def test_it_ends_with_the_process_that_started_it(number: signal.Signals, checkout: Path) -> None:
    started = (
        "from tests.testing.test_servers_base import Ponger\n"
        "import time\n"
        "server = Ponger().start()\n"
        "print(server.pid, server.folder, server.log, flush=True)\n"
        "time.sleep(600)"
    )
    with subprocess.Popen(
        [sys.executable, "-c", started], cwd=checkout, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as run:
        assert run.stdout is not None
        pid, folder, log = run.stdout.readline().split()
        try:
            assert not gone(int(pid), 0.05)
            run.send_signal(number)
            assert gone(int(pid))
        finally:
            run.kill()
    deadline = time.monotonic() + 5
    while (Path(folder).exists() or Path(log).exists()) and time.monotonic() < deadline:
        time.sleep(0.01)
    assert not Path(folder).exists()
    assert not Path(log).exists()


@posix
def test_a_guard_that_is_asked_to_end_ends_its_server() -> None:
    with Ponger() as server:
        pid = server.pid
        assert server._guard is not None
        os.kill(server._guard.pid, signal.SIGTERM)
        assert gone(pid)


def order_for(script: str, folder: Path) -> guard.Order:
    """An order to run a Python script, with little patience."""
    command = [sys.executable, "-c", script]
    log = str(folder / "log")
    return guard.Order(command=command, user=None, folder=str(folder), log=log, stop=signal.SIGTERM, patience=0.3)


@posix
def test_the_guard_gives_the_code_its_server_ended_with(capfd: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    order = order_for("import sys; print('said'); sys.exit(7)", tmp_path)
    commands, told = os.pipe()
    try:
        assert guard.main([json.dumps(order)], commands) == 7
    finally:
        os.close(told)
    out, err = capfd.readouterr()
    assert int(out) > 0
    assert err == "said\n"
    assert tmp_path.exists()


@posix
def test_at_the_end_of_its_commands_the_guard_ends_the_server_and_removes_its_folder(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    folder.mkdir()
    order = order_for("import time; time.sleep(600)", folder)
    commands, told = os.pipe()
    os.write(told, b"%d\n" % signal.SIGCONT)
    os.close(told)
    assert guard.main([json.dumps(order)], commands) == 128 + signal.SIGTERM
    assert not folder.exists()


def test_a_port_that_is_taken_is_not_given() -> None:
    with socket.create_server((HOST, free_port())) as taken:
        port = taken.getsockname()[1]
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(base_module, "_PORTS", [port] * 100)
            with pytest.raises(ServerFailed, match="no free port"):
                free_port()


@posix
def test_a_server_that_ignores_its_guard_is_killed(tmp_path: Path) -> None:
    ignoring = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); time.sleep(600)"
    order = order_for(ignoring, tmp_path)
    server = guard.start(order)
    time.sleep(0.3)
    guard.stop(server, order)
    assert server.wait(5) == -signal.SIGKILL
