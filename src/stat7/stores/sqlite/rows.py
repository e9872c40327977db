"""What a record becomes in the tables: its key, its row of coordinates, its links."""

from __future__ import annotations

from typing import Final, TypeAlias

from stat7.address import Address, digest
from stat7.record import Record, read_trusted

LOWEST_KEY: Final = -(2**63)
HIGHEST_KEY: Final = 2**63 - 1

SEGMENT_BITS: Final = 16
"""Documents share a segment 65,536 at a time, in the order they came; every index begins with the segment's number,
so that inserts stay inside one small region of it. This doubles the speed of ingest, for one seek a segment."""

FILES: Final = -1
"""The segment under which links to files are kept, whatever segment their document is in: gc asks for many of them."""

CoordinateRow: TypeAlias = tuple[int, int, int, str, int, int, int, int, int, str, int | None]
"""The columns of `coordinates`: key, seq, segment, realm, horizon, lineage, the reals, entity_type, created_at."""

LinkRow: TypeAlias = tuple[int, str | bytes, int]
"""The columns of `links`: segment, target (a neighbour's id as text, a file's digest as 32 bytes), key."""


def key_of(address: Address) -> int:
    """The first 8 bytes of an address as a signed integer in the order of addresses. ValueError if it isn't hex."""
    return int(address[:16], 16) + LOWEST_KEY


def prefix_of(key: int) -> str:
    """The 16 hex digits that every address with this key begins with."""
    return f"{key - LOWEST_KEY:016x}"


def segment_of(seq: int) -> int:
    """The number of the segment that holds document `seq`."""
    return seq >> SEGMENT_BITS


def coordinate_row(record: Record, key: int, seq: int) -> CoordinateRow:
    """The row of `coordinates` for a record that is document `seq`."""
    return (
        key,
        seq,
        seq >> SEGMENT_BITS,
        record.realm,
        record.horizon,
        record.lineage,
        record.resonance,
        record.velocity,
        record.density,
        record.entity_type,
        record.created_at,
    )


def link_rows(record: Record, key: int, seq: int) -> list[LinkRow]:
    """The rows of `links` for a record: one for each neighbour and each distinct file."""
    segment = seq >> SEGMENT_BITS
    rows: list[LinkRow] = [(segment, neighbour, key) for neighbour in record.adjacency]
    if record.files:
        rows += [(FILES, bytes.fromhex(name), key) for name in {entry.sha256 for entry in record.files}]
    return rows


def read_sound(address: Address, document: bytes) -> Record | None:
    """The record of a stored document, None if its bytes are not those that were stored."""
    return read_trusted(address, document) if digest(document) == address else None


def as_bytes(column: str) -> str:
    """SQL for a column of bytes that yields bytes whatever damage made of it: of text its bytes, of nothing b""."""
    return f"CAST(ifnull({column}, x'') AS BLOB)"
