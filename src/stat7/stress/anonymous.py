"""Anonymous memory: what a process keeps in RAM that is not a mapped file."""

from __future__ import annotations

import os
import threading
from contextlib import suppress
from pathlib import Path
from typing import Final, Self

import psutil

_ON_LINUX: Final = Path("/proc/self/status").exists()
_SECONDS: Final = 0.5


def anonymous_bytes(process: int | None = None) -> int:
    """Bytes of anonymous memory of a process (by default this one): RssAnon on Linux, elsewhere its unique set size.

    Raises psutil.Error if the process is gone.
    """
    number = os.getpid() if process is None else process
    if not _ON_LINUX:
        return int(psutil.Process(number).memory_full_info().uss)
    try:
        status = Path(f"/proc/{number}/status").read_text("utf-8", "replace")
    except (FileNotFoundError, ProcessLookupError):
        raise psutil.NoSuchProcess(number) from None
    for line in status.splitlines():
        if line.startswith("RssAnon:"):
            return int(line.split()[1]) * 1024
    return 0  # a process that has ended but was not waited for


class PeakWatch:
    """Watches, from a thread, how much anonymous memory this process and all its descendants have together."""

    def __init__(self) -> None:
        self.peak: int | None = None
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="peak-watch", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self._stop.set()
        self._thread.join()

    def _watch(self) -> None:
        root = psutil.Process()
        while True:
            with suppress(psutil.Error):
                self.peak = max(self.peak or 0, _total(root))
            if self._stop.wait(_SECONDS):
                return


def _total(root: psutil.Process) -> int:
    total = anonymous_bytes(root.pid)
    for child in root.children(recursive=True):
        with suppress(psutil.Error):
            total += anonymous_bytes(child.pid)
    return total
