"""Names and cursors from outside are checked before they reach a path."""

from __future__ import annotations

from typing import Any

import pytest

from stat7.errors import InvalidEntity, InvalidQuery
from stat7.files.names import require_digest, require_name, scan_cursor, scan_start

NAME = "0123456789abcdef" * 4


def test_a_sha256_is_let_through() -> None:
    assert require_name(NAME) == require_digest(NAME) == NAME


@pytest.mark.parametrize("name", ["", "../" * 22, NAME.upper(), NAME[:-1], NAME + "0", NAME + "\n", None, 5, b"0" * 64])
def test_anything_else_is_refused_in_one_short_line(name: Any) -> None:
    with pytest.raises(InvalidQuery) as asked:
        require_name(name)
    with pytest.raises(InvalidEntity) as given:
        require_digest(name, "address")
    assert (asked.value.field, given.value.path) == ("sha256", "address")
    for caught in (asked, given):
        assert "\n" not in str(caught.value)
        assert len(str(caught.value)) < 160


def test_a_cursor_says_where_to_go_on() -> None:
    assert scan_start(None, 1) == ""
    assert scan_start(scan_cursor(NAME), 1) == NAME


@pytest.mark.parametrize("cursor", ["", NAME, "files.", "files." + NAME[1:], "files." + NAME.upper(), "other." + NAME])
def test_other_cursors_are_refused(cursor: str) -> None:
    with pytest.raises(InvalidQuery, match="cursor"):
        scan_start(cursor, 1)


@pytest.mark.parametrize("limit", [0, -1])
def test_a_page_of_nothing_is_refused(limit: int) -> None:
    with pytest.raises(InvalidQuery, match="limit"):
        scan_start(None, limit)
