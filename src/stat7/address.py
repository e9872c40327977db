"""Addresses: the SHA-256 of some bytes, as 64 lowercase hex digits, and the same digest as a CID."""

from __future__ import annotations

import re
from base64 import b32decode, b32encode
from hashlib import sha256
from typing import TypeAlias

from stat7.errors import InvalidQuery

Address: TypeAlias = str
"""64 lowercase hex digits: the SHA-256 of a document's canonical bytes, or of a file's bytes."""

_ADDRESS = re.compile(r"[0-9a-f]{64}")
# Multiformats: CID version 1, codec json (0x0200 as the varint 80 04), multihash sha2-256 (0x12) of 32 bytes.
_CID_PREFIX = bytes.fromhex("01 8004 12 20")


def digest(data: bytes | memoryview) -> Address:
    """The address of `data`: its SHA-256 in lowercase hex."""
    return sha256(data).hexdigest()


def is_address(text: object) -> bool:
    """Whether `text` is a string of exactly 64 lowercase hex digits."""
    return isinstance(text, str) and _ADDRESS.fullmatch(text) is not None


def parse_address(text: str) -> Address:
    """Read an address as a person types it: 64 hex digits of either case, or a CID; raises InvalidQuery otherwise."""
    given = text.strip()
    if _ADDRESS.fullmatch(given.lower()):
        return given.lower()
    if given[:1] in ("b", "B"):
        return from_cid(given)
    raise InvalidQuery("address", f"{text[:80]!r} is not 64 hex digits (nor a CID)")


def to_cid(address: Address) -> str:
    """The address as a CIDv1 (codec json, sha2-256) in base32 lower case, 61 characters beginning with `b`."""
    encoded = b32encode(_CID_PREFIX + bytes.fromhex(address)).decode("ascii")
    return "b" + encoded.rstrip("=").lower()


def from_cid(cid: str) -> Address:
    """The address in a CIDv1 made by `to_cid`; raises InvalidQuery for any other version, codec, hash or base."""
    try:
        data = b32decode(cid[1:].upper() + "=" * (-len(cid[1:]) % 8))
    except ValueError:
        data = b""
    address = data[len(_CID_PREFIX) :].hex()
    # Comparing what it should have been refuses everything else: other prefixes, lengths, and bits left over at the
    # end.
    if not is_address(address) or to_cid(address) != cid.lower():
        raise InvalidQuery("address", f"{cid[:80]!r} is not a CIDv1 of codec json and hash sha2-256 in base32")
    return address
