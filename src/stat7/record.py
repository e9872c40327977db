"""A document and the facts read from it: what stores keep and index. Normalises, checks and hashes in one pass.

Three ways to a `Record`: `normalise_json` (text that denotes a valid entity), `normalise` (the same, as Python
objects) and `read_canonical` (bytes that must be the canonical form already). The rules are those of spec/entity.md;
every refusal is an InvalidEntity that names the path.
"""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from hashlib import sha256
from operator import itemgetter
from typing import Any, Final, NamedTuple

import orjson

from stat7.address import Address, is_address
from stat7.canonical import (
    Path,
    canonicalize,
    canonicalize_parsed,
    check_duplicates,
    format_path,
    parse_json,
    proves_distinct_members,
    require_canonical,
    sort_key,
)
from stat7.coordinates import (
    ENTITY_TYPE,
    HORIZON_RANK,
    HORIZONS,
    MAX_LINEAGE,
    REALM,
    SCALE,
    quantise,
    real,
)
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

_file_members = itemgetter(*FILE_MEMBERS)

_FLOAT_SCALE = float(SCALE)
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")
_MEDIA_TYPE = re.compile(r"[A-Za-z0-9][A-Za-z0-9!#$&^_.+-]{0,126}/[A-Za-z0-9][A-Za-z0-9!#$&^_.+-]{0,126}")
_TIME = re.compile(
    r"([0-9]{4})-([0-9]{2})-([0-9]{2})[Tt]([0-9]{2}):([0-9]{2}):([0-9]{2})(?:\.([0-9]+))?([Zz]|[+-][0-9]{2}:[0-9]{2})"
)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)


class Attachment(NamedTuple):
    """A file that an entity lists: its name there, RFC 6838 media type, size in bytes, SHA-256 (64 lowercase hex)."""

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


def notice_digest(notice: Notice) -> bytes:
    """SHA-256 of a notice's canonical JSON, 32 bytes: kept beside it, so that damage to it is seen."""
    return sha256(canonicalize(notice._asdict())).digest()


Facts = tuple[
    str, str, int | None, str, int, list[str], int, int, int, int, list[Attachment], Address | None
]  # the members of Record after address and document


def normalise_json(text: bytes) -> Record:
    """Read one entity from JSON text, bring it to the canonical form and hash it. Raises InvalidEntity."""
    try:
        document = orjson.loads(text)
    except (ValueError, RecursionError):
        document = parse_json(text)
    try:
        facts = _facts(document)
        written = canonicalize_parsed(document, MAX_DOCUMENT)
    except InvalidEntity:
        check_duplicates(text)  # the better message
        raise
    # Normalising may drop a neighbour or respell a time, and their colons; then the text is looked at for itself.
    if written != text and not proves_distinct_members(text, written):
        check_duplicates(text)
    return _record(document, written, facts)


def normalise(document: Mapping[str, Any]) -> Record:
    """`normalise_json` for a document given as Python objects, which are not changed. `files` may hold Attachments."""
    given: Any = document
    if isinstance(document, Mapping) and isinstance(files := document.get("files"), (list, tuple)):
        given = {**document, "files": [item._asdict() if isinstance(item, Attachment) else item for item in files]}
    # Writing and reading comes first, so that what is checked is plain JSON whatever kinds of object were given.
    plain = orjson.loads(canonicalize(given))
    facts = _facts(plain)
    return _record(plain, canonicalize_parsed(plain, MAX_DOCUMENT), facts)


def read_canonical(data: bytes) -> Record:
    """Read bytes that must already be the canonical form of a valid entity; anything else raises InvalidEntity."""
    record = normalise_json(data)
    require_canonical(data, record.document)
    return record


def read_trusted(address: Address, document: bytes) -> Record:
    """The record of a document whose bytes are known to hash to `address` and so were checked when they were stored.

    Raises InvalidEntity if they are no entity all the same.
    """
    try:
        parsed = orjson.loads(document)
    except (ValueError, RecursionError):
        parsed = parse_json(document)
    return Record(address, document, *_facts(parsed))


def try_read(address: Address, document: bytes) -> Record | None:
    """The record of stored bytes as `read_trusted` gives it, None if they can't be read as an entity."""
    try:
        return read_trusted(address, document)
    except (InvalidEntity, ValueError):
        return None


def document_of(record: Record) -> dict[str, Any]:
    """The document as Python objects, parsed anew at each call."""
    parsed: dict[str, Any] = orjson.loads(record.document)
    return parsed


def address_of(document: Mapping[str, Any]) -> Address:
    """The SHA-256 of a document's RFC 8785 form, without checking or changing any of its members."""
    return sha256(canonicalize(document)).hexdigest()


def format_time(milliseconds: int) -> str:
    """Milliseconds since 1970 as `2026-01-31T12:00:00.000Z`; raises OverflowError outside the years 0001 to 9999."""
    moment = _EPOCH + milliseconds * _MILLISECOND
    return moment.isoformat(timespec="milliseconds")[:23] + "Z"


def parse_time(text: str, path: str = "created_at") -> int:
    """Any RFC 3339 time as milliseconds since 1970 UTC; digits finer than a millisecond must be zero. InvalidEntity."""
    found = _TIME.fullmatch(text) if isinstance(text, str) else None
    if found is None:
        raise InvalidEntity(path, f"{_shown(text)} is not an RFC 3339 time such as 2026-01-31T12:00:00.000Z")
    year, month, day, hour, minute, second, fraction, offset = found.groups(default="")
    if fraction[3:].strip("0"):
        raise InvalidEntity(path, "is finer than a millisecond; round it to three digits")
    try:
        moment = datetime(int(year), int(month), int(day), int(hour), int(minute), int(second), tzinfo=UTC)
        milliseconds = (moment - _EPOCH) // _MILLISECOND + int(fraction[:3].ljust(3, "0")) - _offset(offset)
        _EPOCH + milliseconds * _MILLISECOND  # an offset may lead out of the years there are
    except (ValueError, OverflowError) as error:
        raise InvalidEntity(path, f"{_shown(text)} is not a moment in the years 0001 to 9999 UTC ({error})") from None
    return milliseconds


def check_line(text: str, path: str) -> None:
    """Raise InvalidEntity unless `text`, the case or reason of a notice, is one line that says something."""
    if not text.strip() or not text.isprintable():
        raise InvalidEntity(path, f"{ascii(text)[:80]} is not one line of text; a notice keeps it for good")


def check_id(value: Any, path: str = "id") -> str:
    """Return `value` if it may name an entity (1-256 bytes of UTF-8, NFC, no controls), else raise InvalidEntity."""
    text = _checked_text(value, path, MAX_ID_BYTES)
    if _CONTROL.search(text):
        raise InvalidEntity(path, "holds a control character")
    if not unicodedata.is_normalized("NFC", text):
        raise InvalidEntity(path, "is not in Unicode normalization form C (NFC)")
    return text


def check_file_name(value: Any, path: str = "name") -> str:
    """Return `value` if an attached file may bear this name, else raise InvalidEntity."""
    text = _checked_text(value, path, MAX_NAME_BYTES)
    if "/" in text or text in (".", "..") or _CONTROL.search(text):
        raise InvalidEntity(path, f"{_shown(text)} may not hold '/' or a control character, nor be '.' or '..'")
    return text


def _record(document: Any, written: bytes, facts: Facts) -> Record:
    if len(written) > MAX_DOCUMENT:
        raise InvalidEntity(
            "", f"the canonical form has {len(written)} bytes, over the limit of {MAX_DOCUMENT}; attach a file"
        )
    # What replacing takes away is found quicker than count() counts it, the fewer there are.
    if len(written) - len(written.replace(b"{", b"").replace(b"[", b"")) > MAX_NESTING:
        _check_nesting(document)
    # Record(...) would do the same at twice the cost.
    return tuple.__new__(Record, (sha256(written).hexdigest(), written, *facts))


def _check_nesting(document: Any) -> None:
    """Refuse more than MAX_NESTING arrays and objects open at one place, the document itself counted."""
    level = [document]
    for _ in range(MAX_NESTING):
        inside = (item for node in level for item in (node.values() if type(node) is dict else node))
        level = [item for item in inside if type(item) is dict or type(item) is list]
        if not level:
            return
    raise InvalidEntity(format_path(_deepest(document)), f"arrays and objects are nested over {MAX_NESTING} deep")


def _deepest(value: Any) -> Path:
    """The path of an array or object within `value` that nothing lies deeper than."""
    members: Any = value.items() if isinstance(value, dict) else enumerate(value)
    paths = [(step, *_deepest(item)) for step, item in members if isinstance(item, (dict, list))]
    return max(paths, key=len, default=())


def _facts(document: Any) -> Facts:
    """Check a parsed document and bring it to normal form in place; inside `state` the canonical writer checks."""
    try:
        version, id, entity_type = document["stat7"], document["id"], document["entity_type"]
        created_at, place, state = document["created_at"], document["coordinates"], document["state"]
        files, previous = document["files"], document["previous"]
        realm, lineage, adjacency, horizon = place["realm"], place["lineage"], place["adjacency"], place["horizon"]
        resonance, velocity, density = place["resonance"], place["velocity"], place["density"]
    except (KeyError, TypeError):
        raise next(_misfits(document)) from None
    if len(document) != len(MEMBERS) or len(place) != len(COORDINATES):
        raise next(_misfits(document))
    if type(version) is not int or version != VERSION:
        document["stat7"] = _version(version)
    # Most ids are printable ASCII, which needs no closer look.
    if type(id) is not str or not (id.isascii() and id.isprintable() and 0 < len(id) <= MAX_ID_BYTES):
        check_id(id)
    if type(entity_type) is not str or not _is_type(entity_type):
        raise _no_token("entity_type", entity_type, ENTITY_TYPE)
    if created_at is not None:
        created_at = _time(document, created_at)
    if type(state) is not dict:
        raise InvalidEntity("state", f"must be an object, not {_kind(state)}")
    if previous is not None and not is_address(previous):
        raise InvalidEntity("previous", f"must be null or 64 lowercase hex digits, not {_shown(previous)}")
    if files != []:
        files = _attachments(files)
        document["files"] = [entry._asdict() for entry in files]
    if type(realm) is not str or not _is_realm(realm):
        raise _no_token("coordinates.realm", realm, REALM)
    if type(lineage) is not int:
        lineage = place["lineage"] = _integral(lineage, "coordinates.lineage")
    if not 0 <= lineage <= MAX_LINEAGE:
        raise InvalidEntity("coordinates.lineage", f"must be 0 to 2^53 - 1, is {lineage}")
    if adjacency != []:
        adjacency = place["adjacency"] = _adjacency(adjacency)
    rank = HORIZON_RANK.get(horizon) if type(horizon) is str else None
    if rank is None:
        raise InvalidEntity("coordinates.horizon", f"{_shown(horizon)} is not one of {', '.join(HORIZONS)}")
    reals = _quantised(resonance, velocity, density) or _quantise(place)
    return id, entity_type, created_at, realm, lineage, adjacency, rank, *reals, files, previous


def _quantised(resonance: Any, velocity: Any, density: Any) -> tuple[int, int, int] | None:
    """The three reals in units of 1e-8 if all are quantised already and, none being integral, keep their spelling."""
    if (
        type(resonance) is type(velocity) is type(density) is float
        and -1.0 < resonance < 1.0
        and -1.0 < velocity < 1.0
        and 0.0 < density < 1.0
    ):
        # Called so, and with a float to multiply by, rounding takes half the time it takes through round().
        r = (resonance * _FLOAT_SCALE).__round__()
        v = (velocity * _FLOAT_SCALE).__round__()
        d = (density * _FLOAT_SCALE).__round__()
        if r / _FLOAT_SCALE == resonance and v / _FLOAT_SCALE == velocity and d / _FLOAT_SCALE == density and r and v:
            return r, v, d
    return None


def _quantise(place: dict[str, Any]) -> tuple[int, int, int]:
    """The three reals in units of 1e-8; puts the quantised numbers back into `place`."""
    return _units(place, "resonance", -1), _units(place, "velocity", -1), _units(place, "density", 0)


def _units(place: dict[str, Any], name: str, least: int) -> int:
    value = place[name]
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise InvalidEntity(f"coordinates.{name}", f"must be a number in [{least}, 1], not {_kind(value)}")
    if not least <= value <= 1:
        raise InvalidEntity(f"coordinates.{name}", f"must be in [{least}, 1], is {value}")
    units = quantise(value)
    place[name] = real(units)
    return units


def _time(document: dict[str, Any], given: Any) -> int:
    """The time in milliseconds since 1970; puts its canonical text into `document` where that is spelled otherwise."""
    if (
        type(given) is str
        and len(given) == 24
        and given[4:20:3] == "--T::."
        and given[23] == "Z"
        and given[11:13] != "24"
    ):
        try:
            since = datetime.fromisoformat(given) - _EPOCH
        except ValueError:
            pass  # no such day: parse_time says so
        else:
            return since.days * 86_400_000 + since.seconds * 1000 + since.microseconds // 1000
    milliseconds = parse_time(given)
    document["created_at"] = format_time(milliseconds)
    return milliseconds


def _version(given: Any) -> int:
    if isinstance(given, bool) or given != VERSION:
        raise InvalidEntity("stat7", f"must be the integer {VERSION}, not {_shown(given)}")
    return VERSION


def _integral(value: Any, path: str) -> int:
    """The int behind a JSON number with an integral value (`3.0` denotes 3); true and strings are refused."""
    if type(value) is float and value.is_integer():
        return int(value)
    if type(value) is int:
        return value
    raise InvalidEntity(path, f"must be an integer, not {_shown(value)}")


def _adjacency(given: Any) -> list[str]:
    if type(given) is not list:
        raise InvalidEntity("coordinates.adjacency", f"must be an array of ids, not {_kind(given)}")
    try:
        ordered = sorted(set(given))
        joined = "".join(ordered)
    except TypeError:
        ordered, joined = [], ""
    # One look at all of them together is enough for the usual ids; UTF-16 code units sort them as Python does.
    if not (joined.isascii() and joined.isprintable() and ordered and ordered[0] and len(joined) <= MAX_ID_BYTES):
        for index, neighbour in enumerate(given):
            check_id(neighbour, f"coordinates.adjacency[{index}]")
        ordered = sorted(set(given), key=sort_key)
    if len(ordered) > MAX_ADJACENCY:
        raise InvalidEntity(
            "coordinates.adjacency", f"has {len(ordered)} neighbours, over the limit of {MAX_ADJACENCY}"
        )
    return ordered


def _attachments(given: Any) -> list[Attachment]:
    if type(given) is not list:
        raise InvalidEntity("files", f"must be an array, not {_kind(given)}")
    if len(given) > MAX_FILES:
        raise InvalidEntity("files", f"has {len(given)} files, over the limit of {MAX_FILES}")
    entries: dict[str, Attachment] = {}
    for index, item in enumerate(given):
        entry = _attachment(item, index)
        if entries.setdefault(entry.name, entry) is not entry:
            raise InvalidEntity(f"files[{index}].name", f"{_shown(entry.name)} is listed twice")
    return [entries[name] for name in sorted(entries, key=sort_key)]


def _attachment(given: Any, index: int) -> Attachment:
    for fault in _member_faults(given, FILE_MEMBERS, ("files", index)):
        raise fault
    name, media_type, given_size, digest = _file_members(given)
    path = f"files[{index}]"
    size = _integral(given_size, f"{path}.size")
    if not 0 <= size <= MAX_FILE_SIZE:
        raise InvalidEntity(f"{path}.size", f"must be 0 to 2^53 - 1, is {size}")
    if not is_address(digest):
        raise InvalidEntity(f"{path}.sha256", f"must be 64 lowercase hex digits, not {_shown(digest)}")
    if not isinstance(media_type, str) or not _MEDIA_TYPE.fullmatch(media_type):
        raise InvalidEntity(
            f"{path}.media_type", f"{_shown(media_type)} is not a media type such as image/png (RFC 6838)"
        )
    return Attachment(check_file_name(name, f"{path}.name"), media_type, size, digest)


def _checked_text(value: Any, path: str, limit: int) -> str:
    """`value` if it is a string of 1 to `limit` bytes of UTF-8."""
    if not isinstance(value, str):
        raise InvalidEntity(path, f"must be a string, not {_kind(value)}")
    text = str.__str__(value)
    try:
        size = len(text.encode("utf-8"))
    except UnicodeEncodeError:
        raise InvalidEntity(path, "holds a lone surrogate, which is not a character") from None
    if not 1 <= size <= limit:
        raise InvalidEntity(path, f"must be 1 to {limit} bytes of UTF-8, has {size}")
    return text


def _misfits(document: Any) -> Iterator[InvalidEntity]:
    """What is wrong with the shape of a document: missing and unknown members."""
    yield from _member_faults(document, MEMBERS, ())
    yield from _member_faults(document["coordinates"], COORDINATES, ("coordinates",))


def _member_faults(given: Any, expected: tuple[str, ...], path: Path) -> Iterator[InvalidEntity]:
    if type(given) is not dict:
        yield InvalidEntity(format_path(path), f"must be an object, not {_kind(given)}")
    for name in expected:
        if name not in given:
            yield InvalidEntity(format_path((*path, name)), "this member is missing")
    if len(given) > len(expected):
        unknown = next(name for name in given if name not in expected)
        yield InvalidEntity(format_path((*path, unknown)), f"unknown member; allowed are {', '.join(expected)}")


# There are few realms and types, and many documents of each.
@lru_cache(maxsize=512)
def _is_realm(text: str) -> bool:
    return REALM.fullmatch(text) is not None


@lru_cache(maxsize=512)
def _is_type(text: str) -> bool:
    return ENTITY_TYPE.fullmatch(text) is not None


def _no_token(path: str, given: Any, rule: re.Pattern[str]) -> InvalidEntity:
    return InvalidEntity(path, f"{_shown(given)} is not a token {rule.pattern}")


def _offset(text: str) -> int:
    """An RFC 3339 offset from UTC in milliseconds."""
    if text in ("Z", "z"):
        return 0
    hours, minutes = int(text[1:3]), int(text[4:6])
    if hours > 23 or minutes > 59:
        raise ValueError("no such offset from UTC")
    return (hours * 60 + minutes) * (-60_000 if text[0] == "-" else 60_000)


def _kind(value: Any) -> str:
    names = {dict: "an object", list: "an array", str: "a string", bool: "a boolean", type(None): "null"}
    return names.get(type(value), "a number" if isinstance(value, (int, float)) else f"a {type(value).__name__}")


def _shown(value: Any) -> str:
    """A scalar as one short line of JSON for an error's text, hostile characters escaped; of anything else its kind."""
    if isinstance(value, str):
        return json.dumps(value if len(value) <= 80 else value[:80] + "…")
    if isinstance(value, (int, float)) and abs(value) < 1e300:
        return json.dumps(value)
    return _kind(value)
