"""Notices of withdrawn files come back as they were, or not at all."""

from __future__ import annotations

import pytest

from stat7.errors import Corrupt
from stat7.files.notices import decode_notice, encode_notice
from stat7.record import notice_digest
from stat7.testing.samples import HOSTILE_IDS, notice

NAME = "a" * 64
GOOD = encode_notice(notice(NAME))


@pytest.mark.parametrize("case", HOSTILE_IDS, ids=ascii)
def test_a_notice_comes_back(case: str) -> None:
    told = notice(NAME, case, id=case, previous="b" * 64)
    assert decode_notice(encode_notice(told), NAME) == told


def test_it_is_canonical_json() -> None:
    assert (
        b'{"address":"' + NAME.encode() + b'","case":"case 1",'
        b'"digest":"' + notice_digest(notice(NAME)).hex().encode() + b'",'
        b'"id":null,"previous":null,"reason":"by request","withdrawn_at":"2026-02-03T04:05:06.789Z"}'
    ) == GOOD


def test_no_flipped_bit_goes_unseen() -> None:
    for place in range(8 * len(GOOD)):
        damaged = bytearray(GOOD)
        damaged[place // 8] ^= 1 << place % 8
        with pytest.raises(Corrupt):
            decode_notice(bytes(damaged), NAME)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"{}",
        b"[]",
        b"null",
        b"\xff",
        GOOD[:-1],
        GOOD + b"\n",
        GOOD.replace(b"case 1", b"case\xff1"),
        GOOD.replace(b'"case 1"', b"1"),
        GOOD.replace(b'"case 1"', b"null"),
        GOOD.replace(b'"reason"', b'"reaso"'),
        GOOD.replace(b"aa", b"bb"),
        GOOD.replace(b'"digest"', b'"diges"'),
        GOOD.replace(b"case 1", b"case 2"),
    ],
)
def test_a_damaged_notice_is_corrupt(data: bytes) -> None:
    with pytest.raises(Corrupt) as caught:
        decode_notice(data, NAME)
    assert caught.value.address == NAME
