"""The statistics of the collisions test on digests whose faults are known."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import pytest

from stat7.stress.tests.collisions import (
    WINDOWS,
    Digests,
    birthday,
    duplicates,
    largest_bit_deviation,
    open_digests,
)

COUNT = 60_000


def rows(data: bytes) -> Digests:
    return np.frombuffer(data, dtype=np.uint8).reshape(-1, 32)


@pytest.fixture(scope="module")
def sound() -> bytes:
    """Digests as they should be."""
    return b"".join(hashlib.sha256(index.to_bytes(8, "big")).digest() for index in range(COUNT))


def test_digests_are_read_from_their_file(sound: bytes, tmp_path: Path) -> None:
    (tmp_path / "digests").write_bytes(sound)
    assert np.array_equal(open_digests(tmp_path / "digests", 100), rows(sound)[:100])


def test_sound_digests_pass(sound: bytes) -> None:
    digests = rows(sound)
    assert duplicates(digests) == 0
    assert largest_bit_deviation(digests) < 5
    found = [birthday(digests, window) for window in range(WINDOWS)]
    assert all(window.expected == pytest.approx(COUNT * (COUNT - 1) / 2 / 2**28) for window in found)
    assert min(window.probability for window in found) > 1e-4


def test_pairs_are_counted_exactly() -> None:
    data = bytearray(32 * 6)
    for row, value in enumerate((1, 1, 1, 2, 2, 3)):
        data[32 * row + 4 : 32 * row + 8] = (value << 4 | row).to_bytes(4, "big")
    found = birthday(rows(bytes(data)), 1)
    assert found.observed == 3 + 1
    assert birthday(rows(bytes(data)), 0).observed == 15


@pytest.mark.parametrize("copies", [1, 3])
def test_every_duplicate_is_found_wherever_it_is(sound: bytes, copies: int) -> None:
    planted = sound + sound[32 * 7 : 32 * 8] * copies + sound[32 * 59_999 :]
    assert duplicates(rows(planted)) == copies + 1


def test_digests_that_agree_in_their_first_half_only_are_no_duplicates(sound: bytes) -> None:
    alike = sound[:16] + sound[64:80]
    assert duplicates(rows(sound + alike)) == 0


def test_digests_of_48_bits_fail_the_birthday_test_and_the_balance_of_bits(sound: bytes) -> None:
    digests = rows(sound).copy()
    digests[:, 6:] = 0
    assert birthday(digests, 0).probability > 1e-4
    assert birthday(digests, 1).probability < 1e-9
    assert largest_bit_deviation(digests) > 100


def test_too_few_pairs_are_no_chance_either() -> None:
    counter = np.zeros((200_000, 32), dtype=np.uint8)
    counter[:, 0:4] = (np.arange(200_000) << 8).astype(">u4").view(np.uint8).reshape(-1, 4)
    found = birthday(counter, 0)
    assert found.observed == 0
    assert found.probability < 1e-20


def test_one_bit_that_is_slightly_off_is_found(sound: bytes) -> None:
    digests = rows(sound).copy()
    digests[: COUNT // 20, 17] |= 0x08
    assert largest_bit_deviation(digests) > 6
