"""What lies in the table. Every item has the binary attributes pk and sk; names are short, for they are paid for.

| pk | sk | holds |
|---|---|---|
| E part | address | document: d, c cell, p place, i id, t type, m time, r v y reals, n f links; or its notice |
| N quarter hash | address | link of a neighbour: e realm, z horizon, l lineage, i t m r v y as its document |
| F SHA-256 | address | link of a file, the same |
| H part | SHA-256 of the id | head: a address, i id |
| W | address | that there is a notice, so that notices are walked without anything else |
| R | realm | that a document of this realm was stored |
| M | m name | mark: x value |
| V | V | version of all this, and the number of parts |

A notice: k case, o reason, w time, i id, q previous, h its digest. A document and its notice are one item, so that no
write can bring a withdrawn document back: documents are only stored where no item is. The hash of a neighbour is the
first 16 bytes of the SHA-256 of its id; n holds those, f the files' SHA-256, one after the other, so that the links of
a document are known even where it can't be read.

A part is one of `spread` ranges of what follows, by its first byte: so documents come in address order, and heads
without anything else. The index `cell` has the documents alone. Its key c is realm#horizon#quarter, its order p the
lineage and the address. A quarter, by the first two bits of the address, is what spreads a much used cell or neighbour
over partitions of the service.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from hashlib import sha256
from typing import Any, Final, TypeAlias

from stat7.address import Address, is_address
from stat7.record import Notice, Record

Item: TypeAlias = dict[str, Any]
"""Attributes by name, each as boto3's client has it: {"S": text}, {"N": digits} or {"B": bytes}."""

VERSION: Final = 1
INDEX: Final = "cell"
QUARTERS: Final = 4
_HASH: Final = 16
_DIGEST: Final = 32
DOCUMENTS, HEADS = b"E", b"H"
NEIGHBOURS, FILES = b"N", b"F"
WITHDRAWN, REALMS, MARKS = b"W", b"R", b"M"
ABOUT: Final = {"pk": {"B": b"V"}, "sk": {"B": b"V"}}
"""The key of the item that tells the version."""

FACTS: Final = ("i", "t", "m", "r", "v", "y")
"""What links and the index have of a document besides its place."""
LINKS: Final = ("n", "f")
"""The attributes that name a document's links."""
NOTICE: Final = ("k", "o", "w", "i", "q", "h")
"""The attributes of a notice."""
HELD: Final = ("sk", "d", *NOTICE)
"""What tells a document or the notice in its place."""


@dataclass(frozen=True, slots=True)
class Layout:
    """One table: its name and in how many parts documents and heads are kept."""

    table: str
    spread: int

    def parts(self, kind: bytes) -> list[bytes]:
        """The values of pk of all documents or heads, in the order of what follows."""
        return [kind + bytes((number,)) for number in range(self.spread)]

    def part_of(self, digest: bytes) -> int:
        """The number of the part that this address, or SHA-256 of an id, is in."""
        return digest[0] * self.spread >> 8

    def document_key(self, raw: bytes) -> Item:
        """The key of a document's item."""
        return key(DOCUMENTS + bytes((self.part_of(raw),)), raw)

    def head_key(self, id: str) -> Item:
        """The key of an id's head."""
        digest = sha256(id.encode("utf-8")).digest()
        return key(HEADS + bytes((self.part_of(digest),)), digest)

    def document_item(self, record: Record) -> Item:
        """A document with what is indexed of it."""
        raw = bytes.fromhex(record.address)
        return {
            **self.document_key(raw),
            "d": {"B": record.document},
            "c": {"S": cell(record.realm, record.horizon, quarter(raw))},
            "p": {"B": place(record.lineage, raw)},
            **_facts(record),
            **_names(record),
        }

    def notice_item(self, notice: Notice, digest: bytes) -> Item:
        """A notice in the place of its document."""
        item = {
            **self.document_key(bytes.fromhex(notice.address)),
            "k": {"S": notice.case},
            "o": {"S": notice.reason},
            "w": {"S": notice.withdrawn_at},
            "h": {"B": digest},
        }
        if notice.id is not None:
            item["i"] = {"S": notice.id}
        if notice.previous is not None:
            item["q"] = {"B": bytes.fromhex(notice.previous)}
        return item


def key(pk: bytes, sk: bytes) -> Item:
    """The key of an item."""
    return {"pk": {"B": pk}, "sk": {"B": sk}}


def quarter(raw: bytes) -> int:
    """Which quarter of all addresses this one is in."""
    return raw[0] >> 6


def cell(realm: str, horizon: int, number: int) -> str:
    """The key of the index for documents of a realm, a horizon and a quarter."""
    return f"{realm}#{horizon}#{number}"


def place(lineage: int, raw: bytes) -> bytes:
    """The order within a cell: by lineage, then address."""
    return lineage.to_bytes(8) + raw


def neighbour_hash(id: str) -> bytes:
    """What stands for a neighbour's id in the keys of its links."""
    return sha256(id.encode("utf-8")).digest()[:_HASH]


def neighbour_pk(hashed: bytes, number: int) -> bytes:
    """The pk of the links of a neighbour in a quarter."""
    return NEIGHBOURS + bytes((number,)) + hashed


def file_pk(digest: bytes) -> bytes:
    """The pk of the links of a file."""
    return FILES + digest


def link_keys(item: Item) -> list[Item]:
    """The keys of a document's links, by what its item says of them."""
    raw = item["sk"]["B"]
    number = quarter(raw)
    pks = [neighbour_pk(hashed, number) for hashed in _split(item, "n", _HASH)]
    pks += [file_pk(digest) for digest in _split(item, "f", _DIGEST)]
    return [key(pk, raw) for pk in pks]


def link_items(record: Record, item: Item) -> list[Item]:
    """A document's links: an item for each neighbour and each file."""
    keys = link_keys(item)
    if not keys:
        return keys
    shared: Item = {
        "e": {"S": record.realm},
        "z": {"N": str(record.horizon)},
        "l": {"N": str(record.lineage)},
        **{name: item[name] for name in FACTS if name in item},
    }
    return [{**each, **shared} for each in keys]


def known_addresses(addresses: Iterable[Address]) -> list[bytes]:
    """The digests of those that are addresses, each once."""
    return [bytes.fromhex(address) for address in dict.fromkeys(addresses) if is_address(address)]


def held_in(item: Item) -> bytes | Notice:
    """The document of an item or the notice in its place; b"", which fits no address, if there is neither."""
    if "k" in item:
        return notice_in(item)
    return bytes(item["d"]["B"]) if "d" in item else b""


def notice_in(item: Item) -> Notice:
    """The notice of an item that has one."""
    previous = item["q"]["B"].hex() if "q" in item else None
    id = item["i"]["S"] if "i" in item else None
    # One that lacks a part is damaged; its digest tells.
    case, reason, moment = (item.get(name, {}).get("S", "") for name in ("k", "o", "w"))
    return Notice(address_in(item), case, reason, moment, id, previous)


def address_in(item: Item) -> Address:
    """The address that an item's sk is."""
    address: str = item["sk"]["B"].hex()
    return address


def _facts(record: Record) -> Item:
    facts: Item = {
        "i": {"S": record.id},
        "t": {"S": record.entity_type},
        "r": {"N": str(record.resonance)},
        "v": {"N": str(record.velocity)},
        "y": {"N": str(record.density)},
    }
    if record.created_at is not None:
        facts["m"] = {"N": str(record.created_at)}
    return facts


def _names(record: Record) -> Item:
    names: Item = {}
    if record.adjacency:
        names["n"] = {"B": b"".join(dict.fromkeys(map(neighbour_hash, record.adjacency)))}
    if record.files:
        names["f"] = {"B": b"".join(bytes.fromhex(name) for name in dict.fromkeys(e.sha256 for e in record.files))}
    return names


def _split(item: Item, name: str, size: int) -> list[bytes]:
    joined: bytes = item[name]["B"] if name in item else b""
    return [joined[at : at + size] for at in range(0, len(joined), size)]
