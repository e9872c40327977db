"""Elements of a JSON array, cut out of the stream without holding more than one."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stat7.errors import ConfigError, InvalidEntity
from stat7.importers.json_array import array_elements
from tests.importers.support import blocks_of, peak_memory

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(st.sampled_from('a"\\[]{},: é\n'), max_size=6),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text('a"\\{', max_size=3), inner, max_size=4),
    max_leaves=12,
)


@given(st.lists(JSON, max_size=5), st.integers(1, 9), st.sampled_from([None, 1]), st.booleans())
def test_elements_are_those_of_the_array_however_it_is_cut_in_blocks(
    values: list[Any], size: int, indent: int | None, mark: bool
) -> None:
    data = (b"\xef\xbb\xbf" if mark else b"") + json.dumps(values, indent=indent, ensure_ascii=False).encode() + b"\n"
    elements = array_elements(blocks_of(data, size), "x.json")
    assert [json.loads(element or b"") for element in elements] == values


@given(st.lists(st.integers(1, 9), max_size=6), st.integers(1, 9))
def test_elements_over_the_limit_are_left_out_and_no_others(lengths: list[int], size: int) -> None:
    data = b"[" + b",".join(b"1" * length for length in lengths) + b"]"
    elements = list(array_elements(blocks_of(data, size), "x.json", limit=5))
    assert elements == [b"1" * length if length <= 5 else None for length in lengths]


@pytest.mark.parametrize("data", [b"", b"  \n", b'{"a":1}', b'"[1]"', b"1", b"\xef\xbb\xbf", b"\xef\xbb\xbf {}"])
def test_what_is_no_array_is_a_configuration_error_with_a_remedy(data: bytes) -> None:
    with pytest.raises(ConfigError, match=r'x.json holds no array.*format = "ndjson"'):
        list(array_elements([data], "x.json"))


@pytest.mark.parametrize(
    ("data", "before", "reason"),
    [
        (b"[1, 2", [b"1"], "cut off"),
        (b"[", [], "cut off"),
        (b'[1, "a]', [b"1"], "cut off"),
        (b"[1, {]", [b"1"], "cut off"),
        (b"[1] [2]", [b"1"], "something follows"),
        (b"[1], ", [b"1"], "something follows"),
        (b"[1, 2}", [b"1"], "closes what was not opened"),
    ],
)
@pytest.mark.parametrize("size", [1, 100])
def test_a_broken_array_gives_what_came_before_and_says_why(
    data: bytes, before: list[bytes], reason: str, size: int
) -> None:
    found: list[bytes] = []
    with pytest.raises(InvalidEntity, match=reason):
        found.extend(element or b"" for element in array_elements(blocks_of(data, size), "x.json"))
    assert [element.strip() for element in found] == before


@pytest.mark.parametrize("data", [b"[1,,2]", b"[1,2,]", b"[,1]"])
def test_an_element_that_is_missing_is_given_empty(data: bytes) -> None:
    assert b"" in list(array_elements([data], "x.json"))


def test_memory_is_that_of_one_element() -> None:
    def endless() -> Iterator[bytes]:
        yield b"["
        for _ in range(300):
            yield b'{"text":"' + b"x" * 100_000
            yield b'"},'
        yield b'{"long":"'
        for _ in range(300):
            yield b"y" * 100_000
        yield b'"}]'

    def read() -> None:
        sizes = [len(element or b"") for element in array_elements(endless(), "x.json", limit=1_000_000)]
        assert sizes == [100_011] * 300 + [0]

    assert peak_memory(read) < 3_000_000
