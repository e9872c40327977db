"""Addressers that are wrong on purpose, each in one way."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from stat7.address import Address
from stat7.record import Record, document_of, normalise, normalise_json

ZEROS: Final = "0" * 52


class Addresser:
    """An addresser that gives every record another address."""

    def address(self, document: Mapping[str, Any]) -> str:
        """The address of one document."""
        return self.other(normalise(document))

    def record(self, line: bytes) -> Record:
        """The record of one line of JSON."""
        record = normalise_json(line)
        return record._replace(address=self.other(record))

    def other(self, record: Record) -> Address:
        """The address to give instead of the right one."""
        raise AssertionError("every sabotaged addresser has its own")


@dataclass(frozen=True)
class CutTo48Bits(Addresser):
    """Addresses of 12 hex digits."""

    def other(self, record: Record) -> Address:
        """The first 48 bits."""
        return record.address[:12]


@dataclass(frozen=True)
class CutTo48BitsAndPadded(Addresser):
    """Addresses with 48 bits in them that look like addresses."""

    def other(self, record: Record) -> Address:
        """The first 48 bits, then zeros."""
        return record.address[:12] + ZEROS


@dataclass(frozen=True)
class HashOfTheIdOnly(Addresser):
    """Addresses that know nothing but the id."""

    def other(self, record: Record) -> Address:
        """The SHA-256 of the id."""
        return hashlib.sha256(record.id.encode()).hexdigest()


@dataclass(frozen=True)
class CoordinateLeftOut(Addresser):
    """Addresses that don't depend on one of the seven coordinates."""

    name: str = "velocity"

    def other(self, record: Record) -> Address:
        """The address of the same facts with that coordinate constant."""
        document = document_of(record)
        document["coordinates"][self.name] = 0
        return normalise(document).address


@dataclass(frozen=True)
class RandomAddresses(Addresser):
    """Another address each time."""

    def other(self, record: Record) -> Address:
        """256 random bits."""
        return secrets.token_hex(32)


@dataclass(frozen=True)
class OrderOfASet(Addresser):
    """Addresses that hash the neighbours in the order of a Python set: another one for each seed of the built-in hash.

    Within one process they are stable, and distinct.
    """

    def other(self, record: Record) -> Address:
        """The SHA-256 of the document and the order of the set."""
        return hashlib.sha256(record.document + repr(set(record.adjacency)).encode()).hexdigest()


@dataclass(frozen=True)
class CutTo16BitsAndPadded(Addresser):
    """Addresses with 16 bits in them that look like addresses."""

    def other(self, record: Record) -> Address:
        """The first 16 bits, then zeros."""
        return record.address[:4] + "0" * 60


@dataclass(frozen=True)
class HashedAgain(Addresser):
    """Addresses that are the SHA-256 of the right ones: sound by themselves, and yet not what the format says."""

    def other(self, record: Record) -> Address:
        """The SHA-256 of the address."""
        return hashlib.sha256(record.address.encode()).hexdigest()
