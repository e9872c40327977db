"""Addresses are SHA-256 in lowercase hex, and the same as CIDs."""

from __future__ import annotations

import base64
import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stat7.address import digest, from_cid, is_address, parse_address, to_cid
from stat7.errors import InvalidQuery

EMPTY = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
ALPHABET = "abcdefghijklmnopqrstuvwxyz234567"


def cid_by_hand(address: str, head: str = "0180041220") -> str:
    """A CID bit by bit: version 1, codec 0x0200, hash 0x12 of 0x20 bytes, in the base32 of RFC 4648 without padding."""
    bits = "".join(f"{byte:08b}" for byte in bytes.fromhex(head + address))
    bits += "0" * (-len(bits) % 5)
    return "b" + "".join(ALPHABET[int(bits[at : at + 5], 2)] for at in range(0, len(bits), 5))


def test_an_address_is_the_sha_256() -> None:
    assert digest(b"") == EMPTY
    assert digest(b"abc") == hashlib.sha256(b"abc").hexdigest()


@pytest.mark.parametrize(
    "text",
    ["", EMPTY[:-1], EMPTY + "0", EMPTY.upper(), EMPTY + "\n", " " + EMPTY, "g" * 64, "٣" * 64, None, 5, b"0" * 64],
)
def test_anything_but_64_lowercase_hex_digits_is_no_address(text: object) -> None:
    assert is_address(EMPTY)
    assert not is_address(text)


@given(st.binary(min_size=32, max_size=32))
def test_a_cid_is_the_address_in_base32_and_reads_back(data: bytes) -> None:
    cid = to_cid(data.hex())
    assert cid == cid_by_hand(data.hex())
    assert len(cid) == 61
    assert from_cid(cid) == from_cid(cid.upper()) == parse_address(cid) == data.hex()


@pytest.mark.parametrize(
    "given_text", [EMPTY, EMPTY.upper(), f"  {EMPTY}\n", cid_by_hand(EMPTY), cid_by_hand(EMPTY).upper()]
)
def test_an_address_is_read_as_people_type_it(given_text: str) -> None:
    assert parse_address(given_text) == EMPTY


@pytest.mark.parametrize(
    "text",
    [
        "",
        "b",
        "hero/ada",
        EMPTY[:-1],
        "b" + EMPTY,
        cid_by_hand(EMPTY)[1:],
        cid_by_hand(EMPTY)[:-1],
        cid_by_hand(EMPTY) + "a",
        cid_by_hand(EMPTY)[:-1] + "z",
        cid_by_hand(EMPTY).replace("b", "z", 1),
        cid_by_hand(EMPTY) + "====",
        cid_by_hand(EMPTY)[:-1] + "1",
        cid_by_hand(EMPTY)[:-1] + "é",
        cid_by_hand(EMPTY).replace("i", "ı"),
        cid_by_hand(EMPTY, head="01551220"),
        cid_by_hand(EMPTY, head="0071041220"),
        cid_by_hand(EMPTY, head="0180041320"),
        "b" + base64.b32encode(b"\x01\x80\x04\x12\x20" + b"x" * 31).decode().lower().rstrip("="),
        "B\ud800",
        "b" * 1_000_000,
    ],
)
def test_anything_else_is_refused(text: str) -> None:
    with pytest.raises(InvalidQuery) as caught:
        parse_address(text)
    assert caught.value.field == "address"
    assert len(str(caught.value)) < 400
    with pytest.raises(InvalidQuery):
        from_cid(text)
