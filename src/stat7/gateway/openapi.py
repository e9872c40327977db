"""The description of the interface, OpenAPI 3.1, made from the table of routes and what is said of each here."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from stat7 import __version__
from stat7.coordinates import HORIZONS
from stat7.gateway.access import OPEN

if TYPE_CHECKING:
    from stat7.gateway.routes import Route

Schema = dict[str, Any]


class Said(NamedTuple):
    """What is said of a route: `parameters` of its query, by name; `body` and answers by media type."""

    summary: str
    answers: Mapping[int, tuple[str, Mapping[str, Schema]]]
    parameters: Sequence[str] = ()
    body: Mapping[str, Schema] | None = None
    needed: Sequence[str] = ()


_DIGEST: Final = {"type": "string", "pattern": "^[0-9a-f]{64}$"}
_TEXT: Final = {"type": "string"}
_FREE: Final = {"type": "object"}
_BYTES: Final = {"type": "string", "contentMediaType": "application/octet-stream"}
_LINES: Final = {"type": "string", "description": "one JSON value a line"}


def _list(of: Schema) -> Schema:
    return {"type": "array", "items": of, "maxItems": 10_000}


def _object(needed: Mapping[str, Schema], **more: Schema) -> Schema:
    whole = {**needed, **more}
    return {"type": "object", "properties": whole, "required": list(needed), "additionalProperties": False}


def _or_null(schema: Schema) -> Schema:
    return {"anyOf": [schema, {"type": "null"}]}


_NOTICE: Final = _object(
    {"address": _DIGEST, "case": _TEXT, "reason": _TEXT, "withdrawn_at": _TEXT}, id=_or_null(_TEXT),
    previous=_or_null(_DIGEST),
)  # fmt: skip
_PROBLEM: Final[Schema] = {
    "type": "object",
    "properties": {
        "type": _TEXT, "title": _TEXT, "status": {"type": "integer"}, "detail": _TEXT, "request": _TEXT,
        "path": _TEXT, "reason": _TEXT, "field": _TEXT, "notice": {"$ref": "#/components/schemas/Notice"},
        "id": _TEXT, "current": _DIGEST, "address": _DIGEST, "found": _TEXT,
    },
    "required": ["type", "title", "status", "detail", "request"],
}  # fmt: skip
_DAMAGE: Final[Schema] = {
    "type": "object",
    "properties": {
        "type": {"const": "urn:stat7:problem:corrupt"}, "title": _TEXT, "status": {"const": 500}, "detail": _TEXT,
        "address": _DIGEST, "found": _TEXT,
    },
    "required": ["type", "title", "status", "detail", "address", "found"],
}  # fmt: skip
_ENTITY: Final[Schema] = {
    "type": "object",
    "description": "An entity as spec/entity.md has it; it is stored in its canonical form (RFC 8785).",
    "properties": {"id": _TEXT, "entity_type": _TEXT, "coordinates": _FREE, "state": _FREE},
    "required": ["id"],
}

_PARAMETERS: Final[Mapping[str, tuple[str, Schema]]] = {
    "realm": ("A realm, or a comma list.", {**_TEXT, "examples": ["data", "data,event"]}),
    "lineage": ("Generations from the root: a number or a range a..b, a.., ..b.", {**_TEXT, "examples": ["2..5"]}),
    "adjacent_to": ("An id that must be among the neighbours.", _TEXT),
    "horizon": (f"Of {', '.join(HORIZONS)}: one, a comma list, or a range in this order.", _TEXT),
    "resonance": ("A number or range within -1..1.", {**_TEXT, "examples": ["0.5.."]}),
    "velocity": ("A number or range within -1..1.", _TEXT),
    "density": ("A number or range within 0..1.", _TEXT),
    "type": ("An entity type, or a comma list.", _TEXT),
    "created": ("A range of RFC 3339 times or dates.", _TEXT),
    "file": ("The SHA-256 of an attached file.", _DIGEST),
    "versions": ("Current versions only, or all.", {"type": "string", "enum": ["current", "all"]}),
    "cursor": ("Where the page before ended, as it said.", _TEXT),
    "limit": (
        "Most items of a page; of large documents there are fewer.",
        {"type": "integer", "minimum": 1, "maximum": 10_000},
    ),
    "documents": ("Whether the documents come with their addresses.", {"type": "boolean"}),
    "allow_scan": ("Read a whole cluster if no index serves the query.", {"type": "boolean"}),
    "id": ("An entity's id.", {"type": "string", "minLength": 1}),
    "heads": ("keep: leave all heads where they are, as copies do.", {"type": "string", "enum": ["move", "keep"]}),
    "type of file": ("The media type to send it as, where that is a harmless one.", _TEXT),
    "name of file": ("The name to save it by.", {"type": "string", "maxLength": 255}),
}
_RANGED: Final = (
    "realm", "lineage", "adjacent_to", "horizon", "resonance", "velocity", "density", "type", "created", "file",
    "versions",
)  # fmt: skip

_ENTITY_BODY: Final = {"application/json": {"$ref": "#/components/schemas/Entity"}}
_STORED: Final = _object({"address": _DIGEST, "status": {"enum": ["new", "existed"]}})
_STORED_FILE: Final = _object(
    {
        "sha256": _DIGEST,
        "size": {"type": "integer", "minimum": 0},
        "status": {"enum": ["stored", "existed"]},
        "stored_at": {"type": "integer"},
    }
)
_PLACED: Final = {
    **_object({"address": _DIGEST, "id": _TEXT}, document=_FREE, problem=_DAMAGE),
    "description": "A match; with a problem in place of the document if its stored bytes are damaged.",
}
_VERSION: Final = {
    **_object({"address": _DIGEST}, document=_FREE, notice={"$ref": "#/components/schemas/Notice"}, problem=_DAMAGE),
    "description": "A version, the notice in its place, or a problem if its stored bytes are damaged: then the last.",
}
_NOTICES: Final = {"type": "array", "items": {"$ref": "#/components/schemas/Notice"}}


def _json(schema: Schema, text: str = "Done", status: int = 200) -> dict[int, tuple[str, Mapping[str, Schema]]]:
    return {status: (text, {"application/json": schema})}


def _lines(text: str) -> dict[int, tuple[str, Mapping[str, Schema]]]:
    return {200: (text, {"application/x-ndjson": _LINES})}


def _page(of: Schema) -> dict[int, tuple[str, Mapping[str, Schema]]]:
    return _json(_object({"items": {"type": "array", "items": of}, "cursor": _or_null(_TEXT)}), "A page")


_SAME: Final[dict[int, tuple[str, Mapping[str, Schema]]]] = {304: ("What If-None-Match names is still so", {})}
_HEALTH: Final = _object({"status": _TEXT, "parts": _FREE})
_NAMES: Final[Mapping[str, Schema]] = {"application/json": _list(_DIGEST)}
_DIGESTS: Final = _json({"type": "array", "items": _DIGEST}, "Those of which it is so")
_PLACES: Final = ("cursor", "limit")

SAID: Final[Mapping[tuple[str, str], Said]] = {
    ("GET", "/"): Said("The explorer, for people.", {200: ("The page", {"text/html": _TEXT}), **_SAME}),
    ("GET", "/explorer/{file}"): Said(
        "What the pages are made of.",
        {
            200: ("The file", dict.fromkeys(("text/html", "text/javascript", "text/css", "image/svg+xml"), _TEXT)),
            **_SAME,
        },
    ),
    ("GET", "/docs"): Said("This description, to be read.", {200: ("The page", {"text/html": _TEXT}), **_SAME}),
    ("GET", "/openapi.json"): Said("This description.", _json(_FREE)),
    ("GET", "/healthz"): Said("Whether the process lives.", _json(_object({"status": _TEXT, "version": _TEXT}))),
    ("GET", "/readyz"): Said(
        "Whether every part answers, and how soon.",
        {**_json(_HEALTH, "Ready"), **_json(_HEALTH, "Not ready, or draining", 503)},
    ),
    ("GET", "/whoami"): Said(
        "What the caller may do and, if that is anything, what is behind the gateway and how much it takes at once.",
        _json(_object({"name": _TEXT, "scopes": _list(_TEXT)}, store=_FREE, files=_FREE, limits=_FREE)),
    ),
    ("GET", "/entities/{address}"): Said(
        "The canonical bytes of a document: their SHA-256 is the address.",
        {200: ("The document", {"application/json": _FREE}), **_SAME},
    ),
    ("PUT", "/entities/{address}"): Said(
        "Store canonical bytes that hash to the address.",
        {**_json(_STORED, "It was stored", 201), **_json(_STORED, "It was there already")},
        body=_ENTITY_BODY,
    ),
    ("POST", "/entities"): Said(
        "Store one document, or NDJSON of many: then each line has a result, in order.",
        {
            **_json(_STORED, "It was stored", 201),
            200: ("It was there already; or results", {"application/json": _STORED, "application/x-ndjson": _LINES}),
        },
        ("heads",),
        {**_ENTITY_BODY, "application/x-ndjson": _LINES},
    ),
    ("POST", "/entities/batch-get"): Said(
        "Many documents, or the notices in their place; unknown ones are left out.",
        _lines("Objects of address and document, notice or problem"),
        body=_NAMES,
    ),
    ("POST", "/entities/batch-has"): Said("Which of these are stored.", _DIGESTS, body=_NAMES),
    ("GET", "/entities"): Said(
        "Find entities by coordinates, type, time and attached file; the header Link leads to the next page. A page "
        "ends early where its documents are large.",
        _json(_object({"matches": {"type": "array", "items": _PLACED}, "cursor": _or_null(_TEXT)}), "A page"),
        (*_RANGED, "cursor", "limit", "documents", "allow_scan"),
    ),
    ("GET", "/explain"): Said(
        "How a find would be answered.",
        _json(_object({"method": _TEXT, "indexed": {"type": "boolean"}, "rows": {"type": "integer"},
                       "matches": {"type": "integer"}, "detail": _TEXT})),
        _RANGED,
    ),
    ("GET", "/head"): Said(
        "The address of the current version of an id.", _json(_object({"id": _TEXT, "address": _DIGEST})), ("id",),
        needed=("id",),
    ),
    ("GET", "/history"): Said(
        "The versions of an id, newest first; withdrawn ones as their notices. A page ends early where they are large.",
        _json(_object({"id": _TEXT, "versions": {"type": "array", "items": _VERSION}, "cursor": _or_null(_DIGEST)})),
        ("id", "limit", "version"), needed=("id",),
    ),
    ("GET", "/neighbours"): Said(
        "The ids next to an id, in both directions.",
        _json(_object({"id": _TEXT, "neighbours": {"type": "array", "items": _FREE}, "more": {"type": "boolean"}})),
        ("id", "limit"), needed=("id",),
    ),
    ("POST", "/heads"): Said(
        "The current addresses of ids.", _json({"type": "object", "additionalProperties": _DIGEST}),
        body={"application/json": _list(_TEXT)},
    ),
    ("POST", "/heads/moves"): Said(
        "Compare and swap heads, each on its own.", _json({"type": "array", "items": {"type": "boolean"}}),
        body={"application/json": _list(
            _object({"id": _TEXT, "expected": _or_null(_DIGEST), "new": _or_null(_DIGEST)})
        )},
    ),
    ("GET", "/files/{sha256}"): Said(
        "A file's bytes, verified; Range and If-Range are understood.",
        {
            200: ("The file", {"*/*": _BYTES}),
            206: ("Parts of it", {"*/*": _BYTES}),
            **_SAME,
        },
        ("type of file", "name of file"),
    ),
    ("PUT", "/files/{sha256}"): Said(
        "Store bytes that hash to the name; nothing of others is kept.",
        {**_json(_STORED_FILE, "It was stored", 201), **_json(_STORED_FILE, "It was there already")},
        body={"application/octet-stream": _BYTES},
    ),
    ("POST", "/files"): Said(
        "Store bytes under whatever they hash to.", _json(_STORED_FILE, "It is stored", 201),
        body={"application/octet-stream": _BYTES},
    ),
    ("POST", "/files/stat"): Said(
        "Size and time of files, or the notices in their place.",
        _json({"type": "object", "additionalProperties": _FREE}), body=_NAMES,
    ),
    ("POST", "/files/named"): Said("Which of these files some document names.", _DIGESTS, body=_NAMES),
    ("POST", "/files/renew"): Said("Tell gc that files are in use.", _DIGESTS, body=_NAMES),
    ("POST", "/files/delete"): Said(
        "Erase files that no document names, as gc does.", _DIGESTS,
        body={"application/json": _object({"sha256s": _list(_DIGEST)}, older_than=_or_null({"type": "integer"}))},
    ),
    ("POST", "/files/sweep"): Said(
        "Erase what interrupted uploads left.", _json(_object({"swept": {"type": "integer"}})),
        body={"application/json": _object({"older_than": {"type": "integer"}})},
    ),
    ("POST", "/withdrawals"): Said(
        "Erase documents and files for good, and leave notices.",
        _json(_object({"notices": _NOTICES, "file_notices": _NOTICES}), "The notices in force"),
        body={"application/json": _object(
            {}, addresses=_list(_DIGEST), files=_list(_DIGEST), case=_TEXT, reason=_TEXT, notices=_NOTICES,
            file_notices=_NOTICES,
        )},
    ),
    ("GET", "/stats"): Said("Counts, not older than half a minute.", _json(_FREE)),
    ("GET", "/count"): Said(
        "How many documents are stored now, all versions.", _json(_object({"entities": {"type": "integer"}}))
    ),
    ("GET", "/scan"): Said(
        "Everything stored, page by page; the header Stat7-Cursor leads to the next. A page ends early where its "
        "documents are large.",
        _lines("Objects of address and document, notice or problem"), _PLACES,
    ),
    ("GET", "/scan-heads"): Said("Every head, page by page.", _page({"type": "array", "items": _TEXT}), _PLACES),
    ("GET", "/scan-notices"): Said("Every notice of a document.", _page(_FREE), _PLACES),
    ("GET", "/scan-files"): Said("Every file, page by page.", _page(_FREE), _PLACES),
    ("GET", "/scan-file-notices"): Said("Every notice of a file.", _page(_FREE), _PLACES),
    ("GET", "/digest"): Said(
        "One digest that proves what the store holds; everything is read for it.",
        _json(_object(dict.fromkeys(("entities", "heads", "files", "combined"), _DIGEST))),
    ),
    ("GET", "/marks"): Said("How far copies are.", _json({"type": "object", "additionalProperties": _TEXT})),
    ("POST", "/marks"): Said(
        "Set a mark, or remove it (null).", _json(_object({"name": _TEXT, "value": _or_null(_TEXT)})),
        body={"application/json": _object(
            {"name": {"type": "string", "minLength": 1, "maxLength": 300}, "value": _or_null(_TEXT)}
        )},
    ),
    ("GET", "/check"): Said(
        "Index rows compared with documents.", _page({"type": "array", "items": _TEXT}), _PLACES
    ),
    ("POST", "/compact"): Said("Give freed space back.", _json(_object({"freed": {"type": "integer"}}))),
    ("POST", "/discards"): Said(
        "Take back documents just stored.", _json(_object({"discarded": {"type": "integer"}})), body=_NAMES
    ),
    ("POST", "/repairs/entities"): Said(
        "Documents that replace whatever bytes are stored under their addresses.",
        _json(_object({"replaced": {"type": "integer"}})), body={"application/x-ndjson": _LINES},
    ),
    ("PUT", "/repairs/files/{sha256}"): Said(
        "A file that replaces damaged or missing bytes.",
        _json(_object(
            {"sha256": _DIGEST, "size": {"type": "integer"}, "stored_at": {"type": "integer"}}
        )), body={"application/octet-stream": _BYTES},
    ),
}  # fmt: skip


def describe(routes: Sequence[Route]) -> Schema:
    """The OpenAPI document of these routes. Raises KeyError for one of which nothing is said."""
    paths: dict[str, Schema] = {}
    for route in routes:
        said = SAID[route.method, route.path]
        paths.setdefault(route.path, {})[route.method.lower()] = _operation(route, said)
        if route.method == "GET" and route.scope != OPEN:
            paths[route.path]["head"] = _operation(route, said, head=True)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "stat7",
            "version": __version__,
            "description": "Entities and files under the SHA-256 of their bytes. Errors come as RFC 9457 has it.",
        },
        "paths": paths,
        "components": {
            "schemas": {"Entity": _ENTITY, "Notice": _NOTICE, "Problem": _PROBLEM},
            "securitySchemes": {"key": {"type": "http", "scheme": "bearer"}},
        },
    }


def _operation(route: Route, said: Said, *, head: bool = False) -> Schema:
    answers: dict[str, Schema] = {}
    for status, (text, kinds) in said.answers.items():
        answers[str(status)] = {"description": text}
        if kinds and not head:
            answers[str(status)]["content"] = {kind: {"schema": schema} for kind, schema in kinds.items()}
    problem = {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}}
    answers["default"] = {"description": "A problem", **({} if head else {"content": problem})}
    operation: Schema = {
        "summary": said.summary,
        "operationId": f"{'head' if head else route.method.lower()}{route.path.translate(_PLAIN)}",
        "parameters": [*_in_path(route.path), *(_parameter(name, said) for name in said.parameters)],
        "responses": answers,
        "security": [] if route.scope == OPEN else [{"key": []}],
        "x-scope": route.scope,
    }
    if said.body is not None:
        content = {kind: {"schema": schema} for kind, schema in said.body.items()}
        operation["requestBody"] = {"required": True, "content": content}
    return operation


_PLAIN: Final = str.maketrans({"/": "_", "-": "_", "{": None, "}": None})
_PARTS: Final = {"address": _DIGEST, "sha256": _DIGEST, "file": {"type": "string", "pattern": "^[a-z0-9.-]+$"}}


def _in_path(path: str) -> list[Schema]:
    name = path.partition("{")[2].rstrip("}")
    return [{"name": name, "in": "path", "required": True, "schema": _PARTS[name]}] if name else []


def _parameter(name: str, said: Said) -> Schema:
    text, schema = ("The version that a page begins with.", _DIGEST) if name == "version" else _PARAMETERS[name]
    plain = "cursor" if name == "version" else name.partition(" ")[0]
    return {"name": plain, "in": "query", "required": name in said.needed, "description": text, "schema": schema}
