"""`put --attach`: files stored and listed in a document before it is put."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from stat7.canonical import parse_json
from stat7.errors import InvalidEntity
from stat7.importers.media import media_type
from stat7.record import check_file_name, normalise
from stat7.repository import Document, Repository


def attach(repo: Repository, document_bytes: bytes, paths: Iterable[Path]) -> Document:
    """Store the files, then return the document with them listed in its `files`, each under its base name (in NFC).

    `document_bytes` is one entity as JSON, whose member `files` may be missing. A name that is listed already with the
    same digest stays as it is. Raises InvalidEntity, before any file is stored, for a document that is no entity, a
    path that is not a file, and two paths of one name; later if a listed name stands for other bytes or a file can't
    be read; Gone if a file was withdrawn.
    """
    document = parse_json(document_bytes)
    named = _by_name(paths)
    if isinstance(document, dict) and named:
        document = {"files": [], **document}
    normalise(document)
    listed = {entry["name"]: entry for entry in document["files"]}
    for name, path in named.items():
        stored = repo.put_file(path)
        there = listed.setdefault(
            name, {"name": name, "media_type": media_type(name), "size": stored.size, "sha256": stored.sha256}
        )
        if there["sha256"] != stored.sha256:
            reason = f"the document lists {name!r} already as {there['sha256']}, {path} is {stored.sha256}; rename one"
            raise InvalidEntity("files", reason)
    result: dict[str, Any] = {**document, "files": list(listed.values())}
    return result


def _by_name(paths: Iterable[Path]) -> dict[str, Path]:
    """The paths by the names they will be listed under."""
    named: dict[str, Path] = {}
    for path in paths:
        name = check_file_name(unicodedata.normalize("NFC", path.name), "files")
        if name in named:
            raise InvalidEntity("files", f"{named[name]} and {path} would both be listed as {name!r}; rename one")
        if not path.is_file():
            raise InvalidEntity("files", f"{path} is not a file that can be read; name one that is")
        named[name] = path
    return named
