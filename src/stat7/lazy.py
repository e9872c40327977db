"""Something that is opened when it is first needed, and closed if it ever was."""

from __future__ import annotations

from collections.abc import Callable
from threading import Lock
from typing import Generic, Protocol, TypeVar


class Closeable(Protocol):
    """What can be closed."""

    def close(self) -> None:
        """Release what is held."""
        ...


Opened = TypeVar("Opened", bound=Closeable)


class Lazy(Generic[Opened]):
    """What `open_it` gives, called at most once at a time; when that raises, the next one who asks tries again."""

    def __init__(self, open_it: Callable[[], Opened]) -> None:
        self._open = open_it
        self._opened: Opened | None = None
        self._lock = Lock()

    def opened(self) -> Opened:
        """It, opened now if it wasn't; raises what opening raises."""
        with self._lock:
            if self._opened is None:
                self._opened = self._open()
            return self._opened

    def close(self) -> None:
        """Close it if it was opened."""
        with self._lock:
            if self._opened is not None:
                self._opened.close()
