"""How long jobs tell how far they are."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

Report: TypeAlias = Callable[[str, int, int | None], None]
"""Called about once a batch with the stage's name (`entities`, …), items done in it, and their total if known."""


def silent(stage: str, done: int, total: int | None) -> None:
    """A Report that says nothing."""
