"""What stores of entities and stores of files have in common: pages of an answer, and words about their own health."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

Item = TypeVar("Item")


@dataclass(frozen=True, slots=True)
class Page(Generic[Item]):
    """Part of an answer. `cursor` asks for what follows; None means that nothing does. A page may be short or empty."""

    items: list[Item]
    cursor: str | None


class Damaged(bytes):
    """b"", in place of a document that a store, or what is behind it, found to be damaged; `found` as in Corrupt."""

    found: str

    def __new__(cls, found: str) -> Damaged:
        damaged = super().__new__(cls)
        damaged.found = found
        return damaged


@dataclass(frozen=True, slots=True)
class Check:
    """One line of `doctor`: `status` is ok, warn or fail; `text` says what is so and, if it isn't ok, what to do."""

    name: str
    status: str
    text: str


class Diagnosed(Protocol):
    """A store or file store that can speak about its own health; `doctor` asks it, `stats` shows its size."""

    def diagnose(self) -> list[Check]:
        """Versions, durability settings, index presence, disk left: one Check each."""
        ...

    def disk_bytes(self) -> int | None:
        """Bytes the store occupies, None if it can't tell."""
        ...


def checks_of(part: object, name: str, durable: bool) -> list[Check]:
    """What a store says about itself or, if it can't, the one thing that is known of it, under `name`."""
    ask = getattr(part, "diagnose", None)
    if ask is not None:
        checks: list[Check] = ask()
        return checks
    if durable:
        return [Check(name, "ok", "what is acknowledged survives a power cut")]
    return [Check(name, "warn", "what is acknowledged may be lost; use a durable one for what must be kept")]
