"""The parent process of one server: it ends the server when told to, and also when whoever started it is gone.

A test run may be interrupted, killed or crash at any time. The guard reads commands from a pipe, and the end of the
pipe, which the operating system brings about whatever happened to the other side, is the command to stop and to
remove what the other side can't any more. Only its own child is ever signalled.

Run as a program of its own: `python guard.py JSON`, where JSON is an Order. It prints the server's process id. Commands
are lines, each the number of a signal to pass on; it prints the number when it has.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any, TypedDict

KILL = int(getattr(signal, "SIGKILL", signal.SIGTERM))


class Order(TypedDict):
    """What a guard is to start, and how it ends it."""

    command: list[str]
    """The server's command line."""
    user: str | None
    """The user to run it as, None for the guard's own."""
    folder: str
    """Its working folder, temporary."""
    log: str
    """The file that the guard's errors, and so the server's output, go to."""
    stop: int
    """The number of the signal that asks the server to end."""
    patience: float
    """Seconds until it is killed if it does not."""


def start(order: Order) -> subprocess.Popen[bytes]:
    """The server started, its output where this process's errors go."""
    as_user: dict[str, Any] = {} if order["user"] is None else identity(order["user"])
    return subprocess.Popen(
        order["command"], cwd=order["folder"], stdin=subprocess.DEVNULL, stdout=2, stderr=2, **as_user
    )


def identity(user: str) -> dict[str, Any]:
    """The arguments of Popen that make a process run as `user` and with the user's groups only."""
    import pwd

    entry = pwd.getpwnam(user)
    return {"user": entry.pw_uid, "group": entry.pw_gid, "extra_groups": []}


def obey(server: subprocess.Popen[bytes], order: Order, commands: int, orphaned: threading.Event) -> None:
    """Pass on the signals read from the descriptor `commands`; at its end, set `orphaned` and stop the server."""
    unread = b""
    while received := os.read(commands, 1024):
        *lines, unread = (unread + received).split(b"\n")
        for line in lines:
            server.send_signal(int(line))
            os.write(1, line + b"\n")
    orphaned.set()
    stop(server, order)


def stop(server: subprocess.Popen[bytes], order: Order) -> None:
    """Ask the server to end; kill it when it has not within its patience."""
    server.send_signal(order["stop"])
    try:
        server.wait(order["patience"])
    except subprocess.TimeoutExpired:
        server.send_signal(KILL)


def main(arguments: list[str], commands: int = 0) -> int:
    """Start the server, obey until it ends; its exit code, or 128 + the signal that ended it."""
    order: Order = json.loads(arguments[0])
    server = start(order)
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGTERM, lambda *_: threading.Thread(target=stop, args=(server, order)).start())
    print(server.pid, flush=True)
    # A daemon: the server may end while nobody has a command for it.
    orphaned = threading.Event()
    threading.Thread(target=obey, args=(server, order, commands, orphaned), daemon=True).start()
    code = server.wait()
    if orphaned.is_set():
        shutil.rmtree(order["folder"], ignore_errors=True)
        Path(order["log"]).unlink(missing_ok=True)
    return code if code >= 0 else 128 - code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
