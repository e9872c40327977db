"""What comes back from a store is hashed again, and damage to one thing never hides another."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

import pytest

from stat7.address import Address, digest
from stat7.errors import Corrupt
from stat7.record import Notice
from stat7.stored import get_each, parse_stored, previous_of, read_stored, verified, version_of
from stat7.stores.base import Store
from stat7.stores.memory import MemoryStore
from stat7.testing.samples import chain, notice, sample
from tests.repositories import Intercepted

OLD, NEW = chain("x", 2)


def test_bytes_that_hash_to_their_address_are_returned() -> None:
    assert verified(NEW.address, NEW.document) == NEW.document
    assert read_stored(NEW.address, NEW.document) == NEW


@pytest.mark.parametrize("at", [0, 100, -1])
def test_a_flipped_bit_is_corrupt_and_the_error_names_both_digests(at: int) -> None:
    data = bytearray(NEW.document)
    data[at] ^= 1
    with pytest.raises(Corrupt) as caught:
        read_stored(NEW.address, bytes(data))
    assert caught.value.address == NEW.address
    assert digest(bytes(data)) in caught.value.found


@pytest.mark.parametrize("data", [b"", b"not JSON", b"[]", b'{"stat7":1}'])
def test_bytes_that_hash_right_but_are_no_entity_are_corrupt(data: bytes) -> None:
    with pytest.raises(Corrupt, match="no entity"):
        parse_stored(digest(data), data)


def test_a_version_belongs_to_its_id_and_so_does_its_notice() -> None:
    assert version_of("x", NEW.address, NEW.document)
    assert not version_of("y", NEW.address, NEW.document)
    assert not version_of("x", NEW.address, None)
    assert version_of("x", NEW.address, notice(NEW.address, id="x"))
    assert version_of("x", NEW.address, notice(NEW.address)), "a notice left ahead may stand for any id"
    assert not version_of("y", NEW.address, notice(NEW.address, id="x"))


def test_previous_goes_through_documents_and_notices_of_the_same_id() -> None:
    kept = notice(NEW.address, id="x", previous=OLD.address)
    assert previous_of("x", NEW.address, NEW.document) == OLD.address
    assert previous_of("x", NEW.address, kept) == OLD.address
    assert previous_of("x", OLD.address, OLD.document) is None
    assert previous_of("x", NEW.address, None) is None
    assert previous_of("y", NEW.address, NEW.document) is None
    assert previous_of("y", NEW.address, kept) is None


def test_one_document_that_the_store_cannot_read_does_not_hide_the_others() -> None:
    class Unreadable(Intercepted):
        def get(self, addresses: Sequence[Address]) -> dict[Address, bytes | Notice]:
            if OLD.address in addresses:
                raise Corrupt(OLD.address, "the page can't be read")
            held: dict[Address, bytes | Notice] = self.inner.get(addresses)
            return held

    inner = MemoryStore()
    other = sample("other")
    inner.put([OLD, NEW, other])
    inner.withdraw([notice(other.address)])
    held = get_each(cast(Store, Unreadable(inner)), [OLD.address, NEW.address, other.address, "0" * 64])
    assert held[OLD.address] == b""
    assert held[NEW.address] == NEW.document
    assert isinstance(held[other.address], Notice)
    assert len(held) == 3


@pytest.mark.parametrize("data", [b"not JSON", b"[]", b"7", b'{"id":"x"}'])
def test_links_of_what_is_no_entity_are_corrupt(data: bytes) -> None:
    with pytest.raises(Corrupt, match="no entity"):
        version_of("x", digest(data), data)
    with pytest.raises(Corrupt, match="no entity"):
        previous_of("x", digest(data), data)


def test_links_of_damaged_bytes_are_corrupt() -> None:
    with pytest.raises(Corrupt, match="hash to"):
        previous_of("x", NEW.address, OLD.document)
