"""The notice that stays in place of a withdrawn file, as a store of files keeps it: canonical JSON with a digest."""

from __future__ import annotations

from typing import Any

from stat7.canonical import canonicalize, parse_canonical
from stat7.errors import Corrupt, InvalidEntity
from stat7.record import Notice, notice_digest


def encode_notice(notice: Notice) -> bytes:
    """The bytes to keep: {"address", "case", "digest", "id", "previous", "reason", "withdrawn_at"}."""
    return canonicalize({**notice._asdict(), "digest": notice_digest(notice).hex()})


def decode_notice(data: bytes, sha256: str) -> Notice:
    """The notice of the file `sha256` from what `encode_notice` gave; raises Corrupt if it is damaged or of another."""
    try:
        fields = parse_canonical(data)
    except InvalidEntity:
        fields = None
    digest = fields.pop("digest", None) if isinstance(fields, dict) else None
    if not _is_notice(fields) or fields["address"] != sha256:
        raise Corrupt(sha256, "its withdrawal notice can't be read")
    notice = Notice(**fields)
    if notice_digest(notice).hex() != digest:
        raise Corrupt(sha256, "its withdrawal notice says something else than when it was kept")
    return notice


def _is_notice(fields: Any) -> bool:
    if not isinstance(fields, dict) or fields.keys() != set(Notice._fields):
        return False
    optional = ("id", "previous")
    return all(isinstance(value, str) or (value is None and name in optional) for name, value in fields.items())
