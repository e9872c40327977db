"""The audit log: who did what to which address, and with what outcome. No key, no document, no query's values."""

from __future__ import annotations

import logging
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Final

import orjson

from stat7.errors import ConfigError
from stat7.record import format_time

if TYPE_CHECKING:
    from stat7.gateway.exchange import Exchange

_REFUSED: Final = (401, 403, 429)
_LETTERS: Final = 10_000


class Audit:
    """One line of JSON for every change and every refusal, and with `reads` for every request of an entity or file.

    `path`: the file it is appended to, None for standard error. Raises ConfigError if it can't be written.
    """

    def __init__(self, path: Path | None = None, *, reads: bool = False) -> None:
        self._reads = reads
        self._log = logging.Logger("stat7.audit", logging.INFO)
        try:
            handler = logging.StreamHandler(sys.stderr) if path is None else logging.FileHandler(path, encoding="utf-8")
        except OSError as error:
            raise ConfigError(f"the audit log {path}: {error.strerror}; choose another place by --audit") from None
        handler.setFormatter(logging.Formatter("%(message)s"))
        self._log.addHandler(handler)

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
        self._log.info(orjson.dumps(line).decode("utf-8"))

    def close(self) -> None:
        """Close the file."""
        for handler in self._log.handlers:
            handler.close()
