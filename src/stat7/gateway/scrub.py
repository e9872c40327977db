"""Hashing everything again in the background, at a pace that others hardly notice."""

from __future__ import annotations

import logging
import threading
import time
from typing import TYPE_CHECKING, Final

from stat7.errors import Stat7Error
from stat7.operations.verify import INFORMATIVE, verify
from stat7.repository import Repository
from stat7.stores.base import Finding

if TYPE_CHECKING:
    from stat7.gateway.app import Gateway

_log = logging.getLogger("stat7.gateway.scrub")

MARK: Final = "scrub"
"""The mark that holds when everything was last hashed again, seconds since 1970, for all gateways of one store."""

SHARE: Final = 0.1
"""Of the time, so much is spent on it."""

WANTED: Final = "scrub:wanted"
"""The mark that holds since when everything is to be hashed again, until that was done once."""

_LOOK_SECONDS: Final = 60.0


class _Stopped(Exception):
    """The gateway ends."""


class Scrub:
    """Verifies the repository every `interval` seconds, from a thread of its own."""

    def __init__(self, gateway: Gateway, repository: Repository, interval: float) -> None:
        self._gateway = gateway
        self._repository = repository
        self._interval = interval
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="scrub", daemon=True)
        self._worked = time.monotonic()
        self._done = 0
        gateway.scrub_interval = interval

    def start(self) -> None:
        """Begin, with the first one at once if it is due."""
        self._thread.start()

    def stop(self) -> None:
        """End soon, wherever it is; it begins anew next time."""
        self._stop.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._stop.is_set():
            wait = min(_LOOK_SECONDS, self._interval)
            try:
                completed = self._gateway.scrub_completed = self._completed()
                left = completed + self._interval - time.time()
                if left <= 0:
                    self._once()
                else:
                    wait = min(wait, left)
            except _Stopped:
                return
            except (Stat7Error, ValueError) as error:
                _log.warning("the scrub broke off: %s", error)
            self._stop.wait(wait)

    def _completed(self) -> float:
        """When it was last completed, by whichever gateway; 0: never, and since when that is so is told, too."""
        marks = self._repository.store.marks()
        if MARK not in marks and WANTED not in marks:
            self._repository.store.set_mark(WANTED, f"{time.time():.0f}")
        self._gateway.scrub_wanted = float(marks.get(WANTED, self._gateway.scrub_wanted))
        return float(marks.get(MARK, "0"))

    def _once(self) -> None:
        self._worked, self._done = time.monotonic(), 0
        self._gateway.monitor.scrub_share.set(0.0)
        verify(self._repository, on_finding=self._found, report=self._told)
        completed = time.time()
        self._repository.store.set_mark(MARK, f"{completed:.0f}")
        self._gateway.scrub_completed = completed
        self._gateway.monitor.scrub_share.set(1.0)

    def _found(self, finding: Finding, repaired: bool) -> None:
        informative = finding.kind in INFORMATIVE
        if not informative:
            self._gateway.monitor.corrupt("scrub")
        _log.log(
            logging.INFO if informative else logging.ERROR,
            "scrub: %s %s: %s",
            finding.kind,
            finding.subject,
            finding.detail,
        )

    def _told(self, stage: str, done: int, total: int | None) -> None:
        """Note how far it is, and rest for as long as keeps the pace."""
        monitor = self._gateway.monitor
        monitor.scrubbed.inc(done - self._done if done >= self._done else done)
        self._done = done
        if total:
            monitor.scrub_share.set(min(1.0, done / total))
        rest = (time.monotonic() - self._worked) * (1 - SHARE) / SHARE
        if self._stop.wait(min(rest, 5.0)):
            raise _Stopped
        self._worked = time.monotonic()
