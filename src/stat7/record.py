"""A document and the facts read from it: what stores keep and index. Normalises, checks and hashes in one pass.

Three ways to a `Record`: `normalise_json` (text that denotes a valid entity), `normalise` (the same, as Python objects) and
`read_canonical` (bytes that must be the canonical form already). The rules are those of spec/entity.md; every refusal is an
InvalidEntity that names the path.
"""

from __future__ import annotations

import hashlib
import json
import re
import unicodedata
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Final, NamedTuple

import orjson

from stat7.address import Address, is_address
from stat7.canonical import (
    canonicalize,
    canonicalize_parsed,
    check_duplicates,
    format_path,
    parse_json,
    proves_distinct_members,
    require_canonical,
    sort_key,
)
from stat7.coordinates import ENTITY_TYPE, HORIZON_RANK, HORIZONS, MAX_LINEAGE, REALM, SCALE, quantise, real
from stat7.errors import InvalidEntity

VERSION: Final = 1
MAX_DOCUMENT: Final = 256 * 1024
MAX_NESTING: Final = 64
MAX_ADJACENCY: Final = 1024
MAX_FILES: Final = 1024
MAX_ID_BYTES: Final = 256
MAX_NAME_BYTES: Final = 255
MAX_FILE_SIZE: Final = 2**53 - 1

MEMBERS: Final = ("stat7", "id", "entity_type", "created_at", "coordinates", "state", "files", "previous")
COORDINATES: Final = ("realm", "lineage", "adjacency", "horizon", "resonance", "velocity", "density")
FILE_MEMBERS: Final = ("name", "media_type", "size", "sha256")

_PLAIN_ID = re.compile(r"[ -~]{1,256}")
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")
_MEDIA_TYPE = re.compile(r"[A-Za-z0-9][A-Za-z0-9!#$&^_.+-]{0,126}/[A-Za-z0-9][A-Za-z0-9!#$&^_.+-]{0,126}")
_TIME = re.compile(
    r"([0-9]{4})-([0-9]{2})-([0-9]{2})[Tt]([0-9]{2}):([0-9]{2}):([0-9]{2})(?:\.([0-9]+))?([Zz]|[+-][0-9]{2}:[0-9]{2})"
)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)


class Attachment(NamedTuple):
    """A file that an entity lists: its name there, RFC 6838 media type, size in bytes and SHA-256 (64 lowercase hex)."""

    name: str
    media_type: str
    size: int
    sha256: str


class Record(NamedTuple):
    """A canonical document, its address, and the facts that stores index (all derived from the document alone).

    `created_at` is in milliseconds since 1970 UTC or None, `horizon` its rank (0 to 4), and `resonance`, `velocity` and
    `density` are integers of 1e-8.
    """

    address: Address
    document: bytes
    id: str
    entity_type: str
    created_at: int | None
    realm: str
    lineage: int
    adjacency: list[str]
    horizon: int
    resonance: int
    velocity: int
    density: int
    files: list[Attachment]
    previous: Address | None


class Notice(NamedTuple):
    """What stays when something is withdrawn: whose case it is, why, and when (RFC 3339, UTC).

    For a document, `id` and `previous` are kept so that its history can still be walked (both None if it was never seen
    here); for a file `address` is the file's SHA-256 and both are None.
    """

    address: Address
    case: str
    reason: str
    withdrawn_at: str
    id: str | None = None
    previous: Address | None = None


def normalise_json(text: bytes) -> Record:
    """Read one entity from JSON text, bring it to the canonical form and hash it. Raises InvalidEntity."""
    try:
        document = orjson.loads(text)
    except (orjson.JSONDecodeError, RecursionError):
        document = parse_json(text)
    try:
        facts = _facts(document)
        written = canonicalize_parsed(document)
    except InvalidEntity:
        check_duplicates(text)
        raise
    # The usual line loses no quote in normalising; where one did, the reference parser decides whether a name was repeated.
    if written != text and not proves_distinct_members(text, written):
        check_duplicates(text)
    return _record(written, facts)


def normalise(document: Mapping[str, Any]) -> Record:
    """`normalise_json` for a document given as Python objects; the given objects are not changed."""
    copy: Any = dict(document) if isinstance(document, Mapping) else document
    if isinstance(copy, dict) and isinstance(copy.get("coordinates"), Mapping):
        copy["coordinates"] = dict(copy["coordinates"])
    facts = _facts(copy)
    return _record(canonicalize(copy), facts)


def read_canonical(data: bytes) -> Record:
    """Read bytes that must already be the canonical form of a valid entity; anything else raises InvalidEntity."""
    record = normalise_json(data)
    require_canonical(data, record.document)
    return record


def read_trusted(address: Address, document: bytes) -> Record:
    """The record of a document whose bytes are known to hash to `address` and so were checked when they were stored."""
    parsed = orjson.loads(document)
    return Record(address, document, *_facts(parsed))


def document_of(record: Record) -> dict[str, Any]:
    """The document as Python objects, parsed anew at each call."""
    parsed: dict[str, Any] = orjson.loads(record.document)
    return parsed


def address_of(document: Mapping[str, Any]) -> Address:
    """The SHA-256 of a document's RFC 8785 form, without checking or changing any of its members."""
    return hashlib.sha256(canonicalize(document)).hexdigest()


def format_time(milliseconds: int) -> str:
    """Milliseconds since 1970 as `2026-01-31T12:00:00.000Z`; raises OverflowError outside the years 0001 to 9999."""
    moment = _EPOCH + milliseconds * _MILLISECOND
    return f"{moment.year:04d}-{moment:%m-%dT%H:%M:%S}.{moment.microsecond // 1000:03d}Z"


def parse_time(text: str, path: str = "created_at") -> int:
    """Any RFC 3339 time as milliseconds since 1970 UTC; digits finer than a millisecond must be zero. InvalidEntity."""
    found = _TIME.fullmatch(text) if isinstance(text, str) else None
    if found is None:
        raise InvalidEntity(path, f"{_shown(text)} is not an RFC 3339 time such as 2026-01-31T12:00:00.000Z")
    year, month, day, hour, minute, second, fraction, offset = found.groups(default="")
    if fraction[3:].strip("0"):
        raise InvalidEntity(path, "is finer than a millisecond; round it to three digits")
    try:
        shift = timedelta() if offset in "Zz" else _offset(offset)
        moment = datetime(int(year), int(month), int(day), int(hour), int(minute), int(second), tzinfo=UTC)
        moment += timedelta(milliseconds=int(fraction[:3].ljust(3, "0"))) - shift
    except (ValueError, OverflowError) as error:
        raise InvalidEntity(path, f"{_shown(text)} is not a moment in the years 0001 to 9999 UTC ({error})") from None
    return (moment - _EPOCH) // _MILLISECOND


def check_id(value: Any, path: str = "id") -> str:
    """Return `value` if it may name an entity (1-256 bytes of UTF-8, NFC, no control characters), else InvalidEntity."""
    if not isinstance(value, str):
        raise InvalidEntity(path, f"must be a string, not {_kind(value)}")
    if _PLAIN_ID.fullmatch(value):
        return value
    try:
        size = len(value.encode("utf-8"))
    except UnicodeEncodeError:
        raise InvalidEntity(path, "holds a lone surrogate, which is not a character") from None
    if not 1 <= size <= MAX_ID_BYTES:
        raise InvalidEntity(path, f"must be 1 to {MAX_ID_BYTES} bytes of UTF-8, has {size}")
    if _CONTROL.search(value):
        raise InvalidEntity(path, "holds a control character")
    if not unicodedata.is_normalized("NFC", value):
        raise InvalidEntity(path, "is not in Unicode normalization form C (NFC)")
    return value


Facts = tuple[
    str, str, int | None, str, int, list[str], int, int, int, int, list[Attachment], Address | None
]  # the members of Record after address and document


def _record(written: bytes, facts: Facts) -> Record:
    if len(written) > MAX_DOCUMENT:
        raise InvalidEntity("", f"the canonical form has {len(written)} bytes, over the limit of {MAX_DOCUMENT}; attach a file")
    if len(written) - len(written.translate(None, b"{[")) > MAX_NESTING:
        _check_nesting(orjson.loads(written), ())
    return Record(hashlib.sha256(written).hexdigest(), written, *facts)


def _check_nesting(value: Any, path: tuple[str | int, ...]) -> None:
    """Refuse more than MAX_NESTING arrays and objects open at one place, the document itself counted."""
    if not isinstance(value, (dict, list)):
        return
    if len(path) >= MAX_NESTING:
        raise InvalidEntity(format_path(path[:6]), f"arrays and objects are nested over {MAX_NESTING} deep")
    members: Any = value.items() if isinstance(value, dict) else enumerate(value)
    for step, item in members:
        _check_nesting(item, (*path, step))


def _facts(document: Any) -> Facts:
    """Check a parsed document and bring it to normal form in place; `state`'s inside is left to the canonical writer."""
    if type(document) is not dict or len(document) != len(MEMBERS):
        _check_members(document, MEMBERS, "")
    try:
        version, coordinates, state = document["stat7"], document["coordinates"], document["state"]
        id, entity_type, created_at = document["id"], document["entity_type"], document["created_at"]
        files, previous = document["files"], document["previous"]
    except KeyError:
        _check_members(document, MEMBERS, "")
        raise
    if type(version) is not int or version != VERSION:
        raise InvalidEntity("stat7", f"must be the integer {VERSION}, not {_shown(version)}")
    check_id(id)
    if type(entity_type) is not str or not ENTITY_TYPE.fullmatch(entity_type):
        raise InvalidEntity("entity_type", f"{_shown(entity_type)} is not a token [a-z][a-z0-9_.-]{{0,63}}")
    if type(state) is not dict and not isinstance(state, Mapping):
        raise InvalidEntity("state", f"must be an object, not {_kind(state)}")
    if created_at is not None:
        created_at = parse_time(created_at)
        document["created_at"] = format_time(created_at)
    if previous is not None and not is_address(previous):
        raise InvalidEntity("previous", f"must be null or 64 lowercase hex digits, not {_shown(previous)}")
    place = _coordinates(coordinates)
    attached: list[Attachment] = []
    if files != [] or type(files) is not list:
        attached = _attachments(files)
        document["files"] = [entry._asdict() for entry in attached]
    return (id, entity_type, created_at, *place, attached, previous)


def _coordinates(given: Any) -> tuple[str, int, list[str], int, int, int, int]:
    if type(given) is not dict or len(given) != len(COORDINATES):
        _check_members(given, COORDINATES, "coordinates")
    try:
        realm, lineage, adjacency, horizon = given["realm"], given["lineage"], given["adjacency"], given["horizon"]
        resonance, velocity, density = given["resonance"], given["velocity"], given["density"]
    except KeyError:
        _check_members(given, COORDINATES, "coordinates")
        raise
    if type(realm) is not str or not REALM.fullmatch(realm):
        raise InvalidEntity("coordinates.realm", f"{_shown(realm)} is not a token [a-z][a-z0-9_-]{{0,31}}")
    if type(lineage) is not int:
        lineage = given["lineage"] = _integral(lineage, "coordinates.lineage")
    if not 0 <= lineage <= MAX_LINEAGE:
        raise InvalidEntity("coordinates.lineage", f"must be 0 to 2^53 - 1, is {lineage}")
    if adjacency != [] or type(adjacency) is not list:
        adjacency = given["adjacency"] = _adjacency(adjacency)
    rank = HORIZON_RANK.get(horizon) if type(horizon) is str else None
    if rank is None:
        raise InvalidEntity("coordinates.horizon", f"{_shown(horizon)} is not one of {', '.join(HORIZONS)}")
    r, v, d = _units(given, "resonance", resonance), _units(given, "velocity", velocity), _units(given, "density", density)
    if d < 0:
        raise InvalidEntity("coordinates.density", f"must be in [0, 1], is {density}")
    return realm, lineage, adjacency, rank, r, v, d


def _units(given: dict[str, Any], name: str, value: Any) -> int:
    """A real coordinate in units of 1e-8; puts its quantised number back into `given` where that differs."""
    if type(value) is float and -1.0 <= value <= 1.0:
        units = round(value * SCALE)
        # Most values are quantised already; those with a fraction need no other spelling.
        if units / SCALE == value and units % SCALE:
            return units
        units = quantise(value)
    elif type(value) is int and -1 <= value <= 1:
        return value * SCALE
    else:
        low = 0 if name == "density" else -1
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            raise InvalidEntity(f"coordinates.{name}", f"must be a number in [{low}, 1], not {_kind(value)}")
        raise InvalidEntity(f"coordinates.{name}", f"must be in [{low}, 1], is {value}")
    given[name] = real(units)
    return units


def _integral(value: Any, path: str) -> int:
    """The int behind a JSON number with an integral value (`3.0` denotes 3); true and strings are refused."""
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, int) and not isinstance(value, bool):
        return int(value)
    raise InvalidEntity(path, f"must be an integer, not {_shown(value)}")


def _adjacency(given: Any) -> list[str]:
    if isinstance(given, str) or not isinstance(given, (list, tuple)):
        raise InvalidEntity("coordinates.adjacency", f"must be an array of ids, not {_kind(given)}")
    for index, neighbour in enumerate(given):
        if type(neighbour) is not str or not _PLAIN_ID.fullmatch(neighbour):
            check_id(neighbour, f"coordinates.adjacency[{index}]")
    distinct = set(given)
    if len(distinct) > MAX_ADJACENCY:
        raise InvalidEntity("coordinates.adjacency", f"has {len(distinct)} neighbours, over the limit of {MAX_ADJACENCY}")
    return _sorted(distinct)


def _sorted(names: set[str]) -> list[str]:
    """Sorted by UTF-16 code units; for ASCII, and all else below U+D800, that is Python's own order."""
    if all(map(str.isascii, names)):
        return sorted(names)
    return sorted(names, key=sort_key)


def _attachments(given: Any) -> list[Attachment]:
    if isinstance(given, str) or not isinstance(given, (list, tuple)):
        raise InvalidEntity("files", f"must be an array, not {_kind(given)}")
    if len(given) > MAX_FILES:
        raise InvalidEntity("files", f"has {len(given)} files, over the limit of {MAX_FILES}")
    entries = [_attachment(entry, f"files[{index}]") for index, entry in enumerate(given)]
    seen: set[str] = set()
    for index, entry in enumerate(entries):
        if entry.name in seen:
            raise InvalidEntity(f"files[{index}].name", f"{_shown(entry.name)} is listed twice")
        seen.add(entry.name)
    return sorted(entries, key=lambda entry: sort_key(entry.name))


def _attachment(given: Any, path: str) -> Attachment:
    if isinstance(given, Attachment):
        given = given._asdict()
    _check_members(given, FILE_MEMBERS, path)
    size = _integral(given["size"], f"{path}.size")
    if not 0 <= size <= MAX_FILE_SIZE:
        raise InvalidEntity(f"{path}.size", f"must be 0 to 2^53 - 1, is {size}")
    if not is_address(given["sha256"]):
        raise InvalidEntity(f"{path}.sha256", f"must be 64 lowercase hex digits, not {_shown(given['sha256'])}")
    media_type = given["media_type"]
    if not isinstance(media_type, str) or not _MEDIA_TYPE.fullmatch(media_type):
        raise InvalidEntity(f"{path}.media_type", f"{_shown(media_type)} is not a media type such as image/png (RFC 6838)")
    return Attachment(check_file_name(given["name"], f"{path}.name"), media_type, size, given["sha256"])


def check_file_name(value: Any, path: str = "name") -> str:
    """Return `value` if an attached file may bear this name, else raise InvalidEntity."""
    if not isinstance(value, str):
        raise InvalidEntity(path, f"must be a string, not {_kind(value)}")
    try:
        size = len(value.encode("utf-8"))
    except UnicodeEncodeError:
        raise InvalidEntity(path, "holds a lone surrogate, which is not a character") from None
    if not 1 <= size <= MAX_NAME_BYTES:
        raise InvalidEntity(path, f"must be 1 to {MAX_NAME_BYTES} bytes of UTF-8, has {size}")
    if "/" in value or value in (".", "..") or _CONTROL.search(value):
        raise InvalidEntity(path, f"{_shown(value)} may not hold '/' or a control character, nor be '.' or '..'")
    return value


def _check_members(given: Any, expected: tuple[str, ...], path: str) -> None:
    """Raise InvalidEntity unless `given` is an object with exactly the expected members."""
    if not isinstance(given, Mapping):
        raise InvalidEntity(path, f"must be an object, not {_kind(given)}")
    prefix = f"{path}." if path else ""
    for name in expected:
        if name not in given:
            raise InvalidEntity(f"{prefix}{name}", "this member is missing")
    for name in given:
        if name not in expected:
            shown = name if isinstance(name, str) and re.fullmatch(r"[A-Za-z0-9_-]{1,80}", name) else _shown(name)
            raise InvalidEntity(f"{prefix}{shown}", f"unknown member; allowed are {', '.join(expected)}")


def _offset(text: str) -> timedelta:
    hours, minutes = int(text[1:3]), int(text[4:6])
    if hours > 23 or minutes > 59:
        raise ValueError("no such offset from UTC")
    shift = timedelta(hours=hours, minutes=minutes)
    return -shift if text[0] == "-" else shift


def _kind(value: Any) -> str:
    names = {dict: "an object", list: "an array", str: "a string", bool: "a boolean", type(None): "null"}
    return names.get(type(value), "a number" if isinstance(value, (int, float)) else f"a {type(value).__name__}")


def _shown(value: Any) -> str:
    """A value as one short line of JSON for an error's text; hostile characters come escaped."""
    try:
        text = json.dumps(value)
    except (TypeError, ValueError, RecursionError):
        text = ascii(value)
    return text if len(text) <= 80 else text[:77] + "…"
