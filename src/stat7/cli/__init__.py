"""The command line: `stat7 COMMAND`, with a tour in README.md. Only the command asked for is loaded."""

from __future__ import annotations

import os
import signal
from typing import NoReturn

__all__ = ["main"]

_INTERRUPTED = 130


def main(arguments: list[str] | None = None) -> None:
    """Run the command line and exit with its code; an interrupt at any moment is one line and exit code 130."""
    interruptible = signal.getsignal(signal.SIGINT) is signal.default_int_handler
    if interruptible:
        # Nothing has begun, so that nothing needs to be brought to an end.
        signal.signal(signal.SIGINT, lambda number, frame: _leave())
    from stat7.cli import app

    try:
        if interruptible:
            signal.signal(signal.SIGINT, signal.default_int_handler)
        app.main(arguments)
    except KeyboardInterrupt:
        # While the answer to a first interrupt was on its way.
        _leave()
    finally:
        if interruptible:
            signal.signal(signal.SIGINT, signal.SIG_IGN)


def _leave() -> NoReturn:
    os.write(2, b"stat7: interrupted\n")
    os._exit(_INTERRUPTED)
