"""Processes that wait for each other where a machine carries only one of something at a time."""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def taking_turns(what: str) -> Iterator[None]:
    """Wait until no other process of this user is inside for the same `what`, a word: pytest-xdist has several.

    Ends with the process, however that ends. On Windows nobody waits.
    """
    if sys.platform == "win32":
        yield
        return
    import fcntl

    path = Path(tempfile.gettempdir(), f"stat7-{what}-{os.getuid()}.lock")
    lock = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
    finally:
        # Said, not left to closing: a forked child may still hold the file open.
        fcntl.flock(lock, fcntl.LOCK_UN)
        os.close(lock)
