"""The command line: `stat7 COMMAND`, with a tour in README.md. Only the command asked for is loaded."""

from __future__ import annotations

import _thread
import os
import signal
import sys
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Final, NoReturn

if TYPE_CHECKING:
    from sys import UnraisableHookArgs

__all__ = ["main"]

_INTERRUPTED: Final = 130
_AGAIN_SECONDS: Final = 0.01


def main(arguments: list[str] | None = None) -> None:
    """Run the command line and exit with its code; an interrupt at any moment is one line and exit code 130."""
    interruptible = signal.getsignal(signal.SIGINT) is signal.default_int_handler
    if interruptible:
        # Nothing has begun, so that nothing needs to be brought to an end.
        signal.signal(signal.SIGINT, lambda number, frame: _leave())
        sys.unraisablehook = _interrupting_again(sys.unraisablehook)
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


def _interrupting_again(hook: Callable[[UnraisableHookArgs], object]) -> Callable[[UnraisableHookArgs], object]:
    """A hook that interrupts once more where Python dropped an interrupt: in a finalizer or a callback of the garbage
    collector nobody can catch it, and the command would go on as if nobody had pressed Ctrl-C.
    """

    def heard(dropped: UnraisableHookArgs) -> None:
        if issubclass(dropped.exc_type, KeyboardInterrupt):
            again = threading.Timer(_AGAIN_SECONDS, _thread.interrupt_main)
            again.daemon = True
            again.start()
        else:
            hook(dropped)

    return heard
