"""Names and cursors as they come from outside: checked before any store makes a path or a key of them."""

from __future__ import annotations

from stat7.address import is_address
from stat7.errors import InvalidEntity, InvalidQuery
from stat7.paging import at_least_one

_CURSOR = "files."


def require_name(sha256: str) -> str:
    """Return `sha256` if it is 64 lowercase hex digits, else raise InvalidQuery("sha256", …)."""
    if not is_address(sha256):
        raise InvalidQuery("sha256", _complaint(sha256))
    return sha256


def require_digest(sha256: str, path: str = "sha256") -> str:
    """`require_name` for what is to be stored: raises InvalidEntity(path, …)."""
    if not is_address(sha256):
        raise InvalidEntity(path, _complaint(sha256))
    return sha256


def scan_cursor(last: str) -> str:
    """The cursor for what comes after the file `last`."""
    return _CURSOR + last


def scan_start(cursor: str | None, limit: int) -> str:
    """The SHA-256 after which a scan goes on, "" for the beginning; raises InvalidQuery for a bad cursor or limit."""
    at_least_one(limit)
    if cursor is None:
        return ""
    last = cursor.removeprefix(_CURSOR)
    if not (cursor.startswith(_CURSOR) and is_address(last)):
        raise InvalidQuery("cursor", "was not given by a scan of files; begin again without it")
    return last


def _complaint(given: object) -> str:
    return f"must be 64 lowercase hex digits, not {ascii(given)[:80]}"
