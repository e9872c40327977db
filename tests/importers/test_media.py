"""The own table of media types: well formed, and the same on every machine."""

from __future__ import annotations

import pytest

from stat7.importers.media import MEDIA_TYPES, UNKNOWN, ending, media_type
from stat7.testing.samples import sample


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("a.png", "image/png"), ("A.PNG", "image/png"), ("b.tar.gz", "application/gzip"), ("c.md", "text/markdown"),
        ("d", UNKNOWN), ("e.", UNKNOWN), (".profile", UNKNOWN), ("..png", UNKNOWN), (".a.png", "image/png"),
        ("f.nonsense", UNKNOWN), ("g.jpeg", "image/jpeg"),
    ],
)  # fmt: skip
def test_a_media_type_follows_from_the_ending(name: str, expected: str) -> None:
    assert media_type(name) == expected


def test_endings_are_in_lower_case_without_dot() -> None:
    assert [ending(name) for name in ("A.B.C", "x", ".x", "x.")] == ["c", "", "", ""]


def test_every_type_in_the_table_is_one_that_an_entity_may_list() -> None:
    assert len(MEDIA_TYPES) > 100
    for suffix, type in MEDIA_TYPES.items():
        assert suffix == suffix.lower()
        assert "." not in suffix
        entry = {"name": f"a.{suffix}", "media_type": type, "size": 0, "sha256": "0" * 64}
        assert sample("a", files=[entry]).files[0].media_type == type
