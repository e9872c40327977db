"""Comparing index rows with documents, and the file with what SQLite expects of one; nothing is changed.

Phases, one after the other, a part of one in each call:

documents  in the order they came: each one's row of coordinates, its entry in cov, its id, realm and links. At the end
           of a segment the links that should be there are counted against those that are; only if these differ
links      every link of that segment is traced back to its document (links to files: after the last document)
cov        every entry of the index against its row
keys       every row of coordinates leads to a document that belongs there
notices    what is withdrawn has its notice, as it was kept, and no document; what is displaced is where it should be
database   PRAGMA quick_check

Others may write meanwhile: each call judges one snapshot, so that what it finds is wrong in earnest.
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterator
from types import NoneType
from typing import Any, Final, TypeAlias

import apsw
import orjson

from stat7.address import is_address
from stat7.errors import InvalidEntity, InvalidQuery
from stat7.record import Notice, Record, notice_digest, try_read
from stat7.stores.base import Finding, Page
from stat7.stores.sqlite import reader
from stat7.stores.sqlite.connection import fetch, fetch_each
from stat7.stores.sqlite.lookup import as_json, displaced, notices
from stat7.stores.sqlite.rows import (
    FILES,
    HIGHEST_KEY,
    LOWEST_KEY,
    as_bytes,
    coordinate_row,
    key_of,
    link_rows,
    prefix_of,
    segment_of,
)
from stat7.stores.sqlite.schema import missing_indexes

_COLUMNS: Final = (
    "key", "seq", "segment", "realm", "horizon", "lineage", "resonance", "velocity", "density", "entity_type",
    "created_at",
)  # fmt: skip
_LED: Final = _COLUMNS[2:9]
_LED_AND_KEY: Final = ", ".join((*_LED, "key"))
_LED_AND_KEY_OF_ENTRY: Final = ", ".join(f"e.{column}" for column in (*_LED, "key"))
_AGREE: Final = " AND ".join(f"r.{column} IS e.{column}" for column in _LED)

_DOCUMENTS: Final = f"""
    SELECT seq, {as_bytes("address")}, id, {as_bytes("document")} FROM documents
    WHERE seq > ? ORDER BY seq LIMIT ?"""
_ROWS: Final = f"""
    SELECT {", ".join(f"c.{column}" for column in _COLUMNS)} FROM json_each(?) AS wanted
    CROSS JOIN coordinates AS c NOT INDEXED ON c.key = wanted.value"""
_IN_COV: Final = f"""
    SELECT EXISTS (SELECT 1 FROM coordinates INDEXED BY cov
    WHERE {" AND ".join(f"{column} = ?" for column in _LED)} AND key = ?)"""
_IN_LINKS: Final = "SELECT EXISTS (SELECT 1 FROM links WHERE segment = ? AND target = ? AND key = ?)"
_LINKS: Final = """
    SELECT l.target, l.key, d.seq, CAST(d.address AS BLOB), CAST(d.document AS BLOB) FROM
    (SELECT target, key FROM links WHERE segment = ? AND (target, key) > (?, ?) AND typeof(key) = 'integer'
    ORDER BY target, key LIMIT ?) AS l
    LEFT JOIN coordinates AS c NOT INDEXED ON c.key = l.key LEFT JOIN documents AS d ON d.seq = c.seq"""
_COV: Final = f"""
    SELECT {_LED_AND_KEY_OF_ENTRY}, {_AGREE}, CAST(d.address AS BLOB) FROM
    (SELECT {_LED_AND_KEY} FROM coordinates INDEXED BY cov WHERE ({_LED_AND_KEY}) > (?, ?, ?, ?, ?, ?, ?, ?)
    ORDER BY {_LED_AND_KEY} LIMIT ?) AS e
    LEFT JOIN coordinates AS r NOT INDEXED ON r.key = e.key LEFT JOIN documents AS d ON d.seq = r.seq"""
_KEYS: Final = """
    SELECT c.key, CAST(d.address AS BLOB) FROM
    (SELECT key, seq FROM coordinates NOT INDEXED WHERE key >= ? AND seq IS NOT NULL ORDER BY key LIMIT ?) AS c
    LEFT JOIN documents AS d ON d.seq = c.seq"""
_NOTICES: Final = """
    SELECT lower(hex(n.address)), n.key, c.key, CAST(n.digest AS BLOB) FROM
    (SELECT address, key, digest FROM notices WHERE address > unhex(?) ORDER BY address LIMIT ?) AS n
    LEFT JOIN coordinates AS c ON c.key = n.key"""
_ASTRAY: Final = """
    SELECT lower(hex(p.address)) FROM displaced AS p LEFT JOIN coordinates AS c ON c.key = p.key
    LEFT JOIN documents AS d ON d.seq = c.seq WHERE d.address IS NOT p.address"""
_MISNAMED: Final = """
    SELECT 'a notice of key ' || key FROM notices WHERE typeof(address) <> 'blob' OR length(address) <> 32
    UNION ALL SELECT 'a displaced document of key ' || key FROM displaced
    WHERE typeof(address) <> 'blob' OR length(address) <> 32"""
_CURSOR: Final = "check."
_MOST_COMPLAINTS: Final = 100


Progress: TypeAlias = list[Any]
"""What comes next: the name of a phase and where it stands (as in the default arguments of its function). As JSON it is
the cursor."""

Step: TypeAlias = tuple[list[Finding], Progress]


def check(connection: apsw.Connection, cursor: str | None, limit: int) -> Page[Finding]:
    """Judge the next `limit` rows or so."""
    phase, *state = ["documents"] if cursor is None else progress_of(cursor)
    try:
        findings, following = _PHASES[phase](connection, limit, *state)
    except (apsw.CorruptError, apsw.SQLError) as error:
        findings = [Finding("database", phase, f"this part of the file can't be read: {error}")]
        following = [_NEXT[phase]]
    return Page(findings, None if following == ["end"] else cursor_of(following))


def cursor_of(progress: Progress) -> str:
    """The cursor that goes on from there."""
    return _CURSOR + base64.urlsafe_b64encode(orjson.dumps(progress)).decode("ascii").rstrip("=")


# Documents


def _documents(connection: apsw.Connection, limit: int, last: int = 0, linked: int = 0, filed: int = 0) -> Step:
    """Judge documents of one segment; `linked` and `filed` are the links found so far, in this segment and to files."""
    rows = _readable_documents(connection, last, limit)
    if not rows:
        return [], ["links", FILES, None, 0, last, filed] if _link_count(connection, FILES) != filed else ["cov"]
    segment = segment_of(rows[0][0])
    rows = [row for row in rows if segment_of(row[0]) == segment]
    batch = _Batch(connection, rows)
    findings = list(batch.findings())
    last, linked, filed = rows[-1][0], linked + batch.linked, filed + batch.filed
    following = fetch(connection, "SELECT min(seq) FROM documents WHERE seq > ?", (last,))[0][0]
    if following is not None and segment_of(following) == segment:
        return findings, ["documents", last, linked, filed]
    if _link_count(connection, segment) != linked:
        return findings, ["links", segment, None, 0, last, filed]
    return findings, ["documents", last, 0, filed]


def _readable_documents(connection: apsw.Connection, last: int, limit: int) -> list[tuple[int, bytes, str, bytes]]:
    """The next documents; what can't be read of a damaged one comes as b""."""
    try:
        return fetch(connection, _DOCUMENTS, (last, limit))
    except apsw.CorruptError:
        seqs = fetch(connection, "SELECT seq FROM documents WHERE seq > ? ORDER BY seq LIMIT ?", (last, limit))
        read = ((seq, *reader.readable(connection, seq)) for (seq,) in seqs)
        return [(seq, address or b"", "", document) for seq, address, document in read]


def _link_count(connection: apsw.Connection, segment: int) -> int:
    return int(fetch(connection, "SELECT count(*) FROM links WHERE segment = ?", (segment,))[0][0])


class _Batch:
    """Some documents of one segment against all their index rows."""

    def __init__(self, connection: apsw.Connection, rows: list[tuple[int, bytes, str, bytes]]) -> None:
        self._connection = connection
        self._documents = {seq: (address.hex(), id, document) for seq, address, id, document in rows}
        self._records: dict[int, Record] = {}
        self._keys: dict[int, int] = {}
        self.linked = 0
        self.filed = 0

    def findings(self) -> Iterator[Finding]:
        """What is wrong; afterwards `linked` and `filed` say how many links were found to be right."""
        yield from self._parse()
        yield from self._judge_coordinates()
        yield from self._judge_links()
        realms = {realm for (realm,) in fetch(self._connection, "SELECT realm FROM realms")}
        for record in self._records.values():
            if record.realm not in realms:
                yield Finding("index", record.address, f"its realm {record.realm} is not in the list of realms")

    def _parse(self) -> Iterator[Finding]:
        for seq, (address, id, document) in self._documents.items():
            record = try_read(address, document)
            if record is None:
                yield Finding("document", address or f"document {seq}", "the stored bytes can't be read as an entity")
            else:
                self._records[seq] = record
                if record.id != id:
                    yield Finding("index", address, f"the id kept beside the document is {id!r}, not {record.id!r}")

    def _judge_coordinates(self) -> Iterator[Finding]:
        entries = []
        for seq, row in self._coordinates().items():
            address = self._documents[seq][0]
            if row is None:
                yield Finding("index", address, "no row of coordinates leads to the document")
                self._keys |= {seq: key_of(address)} if len(address) == 64 else {}
                continue
            self._keys[seq] = row[0]
            entries.append((address, (*row[2:9], row[0])))
            if seq in self._records:
                right = coordinate_row(self._records[seq], row[0], seq)
                wrong = [name for name, is_, ought in zip(_COLUMNS, row, right, strict=True) if is_ != ought]
                if wrong:
                    yield Finding("index", address, f"its row of coordinates is wrong in {', '.join(wrong)}")
        present = fetch_each(self._connection, _IN_COV, [entry for _, entry in entries])
        for (address, _), (there,) in zip(entries, present, strict=True):
            if not there:
                yield Finding("index", address, "its entry in the index cov is missing")

    def _coordinates(self) -> dict[int, tuple[Any, ...] | None]:
        """For each document the row that leads to it, under its own key or the one it was displaced to."""
        homes = {seq: key_of(address) for seq, (address, _, _) in self._documents.items() if len(address) == 64}
        found = {seq: row for seq, row in self._rows(homes).items() if row[1] == seq}
        astray = {self._documents[seq][0]: seq for seq in homes if seq not in found}
        if astray:
            places = {astray[address]: key for address, key in displaced(self._connection, list(astray)).items()}
            found |= {seq: row for seq, row in self._rows(places).items() if row[1] == seq}
        return {seq: found.get(seq) for seq in self._documents}

    def _rows(self, keys: dict[int, int]) -> dict[int, tuple[Any, ...]]:
        rows = {row[0]: row for row in fetch(self._connection, _ROWS, (as_json(list(keys.values())),))}
        return {seq: rows[key] for seq, key in keys.items() if key in rows}

    def _judge_links(self) -> Iterator[Finding]:
        wanted = [
            (self._records[seq].address, row)
            for seq, key in self._keys.items()
            if seq in self._records
            for row in link_rows(self._records[seq], key, seq)
        ]
        present = fetch_each(self._connection, _IN_LINKS, [row for _, row in wanted])
        for (address, (segment, target, _)), (there,) in zip(wanted, present, strict=True):
            if not there:
                yield Finding("index", address, f"the link to {_named(target)} is missing")
            elif segment == FILES:
                self.filed += 1
            else:
                self.linked += 1


# Links


def _links(
    connection: apsw.Connection, limit: int, segment: int, target: str | None, key: int, last: int, filed: int
) -> Step:
    """Trace links of one segment back to their documents; then the documents go on behind `last`."""
    rows = fetch(connection, _LINKS, (segment, _bound(target), key, limit))
    records: dict[int, Record | None] = {}
    findings = []
    for named, key, seq, address, document in rows:
        if address is None:
            findings.append(Finding("index", prefix_of(key), f"a link to {_named(named)} is left of no document"))
            continue
        if seq not in records:
            records[seq] = try_read(address.hex(), document)
        record = records[seq]
        if record is not None and (segment, named, key) not in link_rows(record, key, seq):
            findings.append(
                Finding("index", address.hex(), f"a link to {_named(named)} is left, which it doesn't name")
            )
    if len(rows) == limit:
        return findings, ["links", segment, _written(rows[-1][0]), rows[-1][1], last, filed]
    return findings, ["cov"] if segment == FILES else ["documents", last, 0, filed]


def _written(target: str | bytes | float) -> str:
    """The target of a link as text for a cursor; a number, which is none that stat7 wrote, roughly."""
    if isinstance(target, bytes):
        return f"blob {target.hex()}"
    return f"text {target}" if isinstance(target, str) else f"real {float(target)}"


def _bound(written: str | None) -> str | bytes | float:
    """The target at which a page of links begins. ValueError for what `_written` never wrote."""
    kind, _, text = ("real", "", "-inf") if written is None else written.partition(" ")
    if kind == "text":
        return text
    if kind == "blob":
        return bytes.fromhex(text)
    if kind == "real":
        return float(text)
    raise ValueError(kind)


def _named(target: object) -> str:
    return f"the file {target.hex()}" if isinstance(target, bytes) else f"the neighbour {target!r}"


# Rows and entries that no document asks for


def _cov(connection: apsw.Connection, limit: int, *after: Any) -> Step:
    """Compare entries of the index with their rows."""
    if "cov" in missing_indexes(connection):
        return [Finding("index", "cov", "the index is missing; `stat7 gc --compact` builds it anew")], ["keys"]
    rows = fetch(connection, _COV, (*(after or (-1, "", 0, 0, 0, 0, 0, 0)), limit))
    detail = "an entry of the index cov is left, which is not in its row; `stat7 gc --compact` builds the index anew"
    findings = [Finding("index", _subject(row[7], row[9]), detail) for row in rows if not row[8]]
    if len(rows) < limit:
        return findings, ["keys"]
    # An entry that damage gave other types than its columns have can't stand in a cursor.
    sound = [row[:8] for row in rows if all(map(isinstance, row[:8], _STATES["cov"]))]
    return findings, ["cov", *sound[-1]] if sound else ["keys"]


def _subject(key: object, address: bytes | None) -> str:
    """What a finding about an entry names: the address of its document, if it leads to one, else what its key says."""
    if address is not None:
        return address.hex()
    return prefix_of(key) if isinstance(key, int) else f"key {key!r}"


def _keys(connection: apsw.Connection, limit: int, first: int = LOWEST_KEY) -> Step:
    """Judge that rows of coordinates lead to documents which belong there."""
    rows = fetch(connection, _KEYS, (first, limit))
    findings = []
    astray = {}
    for key, raw in rows:
        if raw is None:
            findings.append(Finding("index", prefix_of(key), "a row of coordinates leads to no document"))
        elif len(raw) != 32 or key_of(raw.hex()) != key:
            astray[raw.hex()] = key
    places = displaced(connection, list(astray)) if astray else {}
    findings += [
        Finding("index", address, "a row of coordinates leads to it under a key that is not its own")
        for address, key in astray.items()
        if places.get(address) != key
    ]
    more = len(rows) == limit and rows[-1][0] < HIGHEST_KEY
    return findings, ["keys", rows[-1][0] + 1] if more else ["notices"]


def _notices(connection: apsw.Connection, limit: int, after: str = "") -> Step:
    """Judge that notices can be found, and that what is withdrawn is gone; with the first page, displaced documents."""
    rows = fetch(connection, _NOTICES, (after, limit))
    findings = [
        Finding("index", address, "its notice can't be found by its key")
        for address, key, held, _ in rows
        if held is None or not is_address(address) or key != key_of(address)
    ]
    kept = notices(connection, [row[0] for row in rows])
    findings += [
        Finding("notice", address, "its notice is damaged: it says something else than when it was kept")
        for address, _, _, digest in rows
        if not _is_sound(kept.get(address), digest)
    ]
    stored = reader.has(connection, [row[0] for row in rows])
    findings += [Finding("document", address, "it was withdrawn, yet its document is stored") for address in stored]
    if not after:
        astray = fetch(connection, _ASTRAY)
        findings += [Finding("index", address, "it is not where it was displaced to") for (address,) in astray]
        findings += [Finding("index", name, "its address is damaged") for (name,) in fetch(connection, _MISNAMED)]
    return findings, ["notices", rows[-1][0]] if len(rows) == limit else ["database"]


def _is_sound(notice: Notice | None, digest: bytes) -> bool:
    try:
        return notice is not None and notice_digest(notice) == digest
    except InvalidEntity:
        return False


def _database(connection: apsw.Connection, limit: int) -> Step:
    """Ask SQLite about the structure of the file."""
    rows = fetch(connection, f"PRAGMA quick_check({_MOST_COMPLAINTS})")
    complaints = [line for (text,) in rows for line in str(text).splitlines() if line != "ok"]
    return [Finding("database", "structure", line) for line in complaints], ["end"]


_PHASES: Final[dict[str, Callable[..., Step]]] = {
    "documents": _documents,
    "links": _links,
    "cov": _cov,
    "keys": _keys,
    "notices": _notices,
    "database": _database,
}
_NEXT: Final = {
    "documents": "cov", "links": "cov", "cov": "keys", "keys": "notices", "notices": "database", "database": "end",
}  # fmt: skip
_STATES: Final = {
    "documents": (int, int, int),
    "links": (int, (str, NoneType), int, int, int),
    "cov": (int, str, int, int, int, int, int, int),
    "keys": (int,),
    "notices": (str,),
    "database": (),
}


def progress_of(cursor: str) -> Progress:
    """What a cursor says; InvalidQuery for one that `check` never made."""
    try:
        text = cursor.removeprefix(_CURSOR).encode("ascii")
        progress = orjson.loads(base64.b64decode(text + b"=" * (-len(text) % 4), b"-_", validate=True))
    except ValueError:
        progress = None
    if not cursor.startswith(_CURSOR) or not isinstance(progress, list) or not _is_progress(progress):
        raise InvalidQuery("cursor", "is not one that a check returned; drop it to begin anew")
    return progress


def _is_progress(progress: list[Any]) -> bool:
    phase, *state = progress or [""]
    kinds = _STATES.get(phase) if isinstance(phase, str) else None
    if kinds is None or len(state) not in ({len(kinds)} if phase == "links" else {0, len(kinds)}):
        return False
    if not all(isinstance(value, kind) for value, kind in zip(state, kinds, strict=False)):
        return False
    if phase == "links":
        try:
            _bound(state[1])
        except ValueError:
            return False
    return all(LOWEST_KEY <= value <= HIGHEST_KEY for value in state if isinstance(value, int))
