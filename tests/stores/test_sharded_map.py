"""The shard map: ranges, routing, what a mark proves, and which maps are refused."""

from __future__ import annotations

import itertools
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stat7.address import digest
from stat7.errors import ConfigError
from stat7.stores.sharded.shard_map import MOST, AddressRange, ShardMap, read_map

NAME = "0123456789abcdef" * 2


@given(st.integers(1, MOST), st.binary())
def test_every_address_lies_in_the_range_of_its_shard_and_in_no_other(count: int, data: bytes) -> None:
    shard_map = ShardMap.equal(count)
    address = digest(data)
    holding = [
        number
        for number in range(count)
        if (shard_map.range_of(number).low or "") <= address < (shard_map.range_of(number).high or "g")
    ]
    assert holding == [shard_map.shard_of(address)]


@pytest.mark.parametrize("count", [1, 2, 3, 5, 7, 256])
def test_equal_ranges_are_equal_and_cover_everything(count: int) -> None:
    shard_map = ShardMap.equal(count)
    assert shard_map.count == count
    firsts = [0, *(int(bound, 16) for bound in shard_map.bounds), 2**256]
    sizes = [high - low for low, high in itertools.pairwise(firsts)]
    assert max(sizes) - min(sizes) <= 2**192
    assert shard_map.range_of(0).low is None
    assert shard_map.range_of(count - 1).high is None


def test_the_ends_of_ranges_belong_to_the_shard_that_begins_there() -> None:
    shard_map = ShardMap(NAME, ("8",))
    assert shard_map.shard_of("7" + "f" * 63) == 0
    assert shard_map.shard_of("8" + "0" * 63) == 1
    assert [shard_map.shard_of(edge) for edge in ("0" * 64, "f" * 64)] == [0, 1]


@pytest.mark.parametrize("text", ["", "g", "F" * 64, "💥", "\x00", "f" * 70])
def test_what_is_no_address_has_a_shard_as_well(text: str) -> None:
    assert 0 <= ShardMap.equal(5).shard_of(text) < 5


def test_ids_live_by_the_sha256_of_their_utf8() -> None:
    shard_map = ShardMap.equal(16)
    for id in ("hero/ada", "ä", "😀"):
        assert shard_map.home_of(id) == int(digest(id.encode())[0], 16)


def test_a_mark_is_accepted_by_the_same_map_and_number_alone() -> None:
    shard_map, other = ShardMap.equal(3), ShardMap.equal(3)
    wider = ShardMap(shard_map.name, ("4", "8", "c"))
    assert shard_map.objection(1, shard_map.mark(1)) is None
    assert shard_map.objection(1, read_map(shard_map.name, shard_map.firsts).mark(1)) is None
    for mark, reason in (
        (None, "belongs to no set"),
        (other.mark(1), f"set {other.name[:8]}, the map is of the set {shard_map.name[:8]}"),
        (wider.mark(1), "4 shards with other ranges"),
        (shard_map.mark(2), "it is shard 2 of this set"),
        ("", "can't be read"),
        ("[]", "can't be read"),
        ("null", "can't be read"),
        (json.dumps(json.loads(shard_map.mark(1)) | {"version": 2}), "newer stat7"),
    ):
        assert reason in str(shard_map.objection(1, mark))


@pytest.mark.parametrize(
    ("name", "bounds"),
    [
        ("", ("8",)),
        ("x" * 32, ("8",)),
        (NAME, ("",)),
        (NAME, ("8", "8")),
        (NAME, ("8", "80")),
        (NAME, ("8", "4")),
        (NAME, ("0",)),
        (NAME, ("G",)),
        (NAME, ("8" * 65,)),
        (NAME, tuple(f"{number:064x}" for number in range(1, 257))),
    ],
)
def test_maps_that_can_not_be_are_refused(name: str, bounds: tuple[str, ...]) -> None:
    with pytest.raises(ConfigError, match="shard map"):
        ShardMap(name, bounds)


@pytest.mark.parametrize(("name", "firsts"), [(None, ["0"]), (NAME, [0]), (NAME, []), (NAME, ["1", "8"])])
def test_files_that_lack_something_are_refused(name: object, firsts: list[object]) -> None:
    with pytest.raises(ConfigError):
        read_map(name, firsts)


def test_ranges_are_shown_short() -> None:
    assert str(AddressRange(None, "8".ljust(64, "0"))) == "0… to before 8…"
    assert str(AddressRange("8".ljust(64, "0"), None)) == "8… to the end"
