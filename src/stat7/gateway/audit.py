"""The audit log: who did what to which address, and with what outcome. No key, no document, no query's values."""

from __future__ import annotations

import logging
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Final

import orjson

from stat7.errors import ConfigError
from stat7.record import format_time

if TYPE_CHECKING:
    from stat7.gateway.exchange import Exchange

_log = logging.getLogger("stat7.gateway")

TOLD_SECONDS: Final = 60.0
"""While lines are lost that is told this often."""

_REFUSED: Final = (401, 403, 429)
_LETTERS: Final = 1_000_000


def _nothing() -> None:
    pass


class Audit:
    """One line of JSON for every change and every refusal, and with `reads` for every request of an entity or file.

    `path`: the file it is appended to, None for standard error. Raises ConfigError if it can't be opened. A line that
    can't be written is lost: the request goes on, `on_loss` is called, and the gateway's log tells it now and then.
    """

    def __init__(
        self, path: Path | None = None, *, reads: bool = False, on_loss: Callable[[], None] = _nothing
    ) -> None:
        self._reads = reads
        self._path = path
        self._on_loss = on_loss
        self._lost = 0
        self._told_at = -TOLD_SECONDS
        self._torn = False
        self._file: BinaryIO | None = None
        if path is not None:
            try:
                # Without a buffer: what a full disk didn't take is not tried again behind each later line.
                self._file = path.open("ab", buffering=0)
            except OSError as error:
                raise ConfigError(f"the audit log {path}: {error.strerror}; choose another place by --audit") from None

    def concerns(self, exchange: Exchange) -> bool:
        """Whether a request that is over is of a kind that is noted."""
        scope = exchange.route.scope if exchange.route is not None else ""
        if scope == "read":
            return self._reads or exchange.status in _REFUSED
        return scope in ("write", "admin") or exchange.status in _REFUSED

    def note(self, exchange: Exchange, seconds: float) -> None:
        """Note a request that is over."""
        caller = exchange.caller
        line = {
            "time": format_time(time.time_ns() // 1_000_000),
            "request": exchange.id,
            "who": caller.id,
            "name": caller.name,
            "method": exchange.method,
            "route": exchange.route.path if exchange.route is not None else "",
            "subject": exchange.subject[:_LETTERS],
            "status": exchange.status,
            "seconds": round(seconds, 6),
        }
        try:
            self._write(orjson.dumps(line) + b"\n")
        except (OSError, ValueError) as error:  # ValueError: standard error was closed
            self._lose(error)

    def _write(self, line: bytes) -> None:
        if self._file is None:
            sys.stderr.write(line.decode("utf-8"))
            sys.stderr.flush()
            return
        whole = b"\n" + line if self._torn else line
        written = self._file.write(whole)
        self._torn = written < len(whole) and (self._torn or written > 0)
        if written < len(whole):
            raise OSError(None, "only the beginning of a line could be written")

    def _lose(self, error: OSError | ValueError) -> None:
        self._on_loss()
        self._lost += 1
        now = time.monotonic()
        if now - self._told_at < TOLD_SECONDS:
            return
        self._told_at = now
        why = error.strerror if isinstance(error, OSError) else error
        _log.error("the audit log %s: %s; %d lines were lost so far", self._path or "(stderr)", why, self._lost)

    def close(self) -> None:
        """Close the file."""
        if self._file is not None:
            self._file.close()
