"""What `doctor` and `stats` want to know of a folder that files are kept in."""

from __future__ import annotations

import os
from collections.abc import Iterator

from stat7.contracts import Check
from stat7.disk import NETWORK, file_system, room
from stat7.files.durable import TemporaryFile, translate
from stat7.fsync import fsync_folder


def diagnose_folder(folder: str) -> list[Check]:
    """Checks named `files` (can it be written?), `files fsync`, `files space` and, if it can be told, `files system`.

    A folder that no put has made yet is judged by the one above it. Writes one small file and erases it.
    """
    if os.path.isdir(folder):
        return [_writable(folder), *_around(folder)]
    above = os.path.dirname(folder)
    if not os.path.isdir(above):
        return [Check("files", "fail", f"{above} does not exist; create it, or correct the URL of the files")]
    return [Check("files", "ok", f"{folder} is empty; the first file makes it"), *_around(above)]


def folder_bytes(folder: str) -> int:
    """Bytes of disk that everything below `folder` takes; 0 if it is missing. Raises OSError."""
    return sum(_disk_size(entry.stat(follow_symlinks=False)) for entry in _entries(folder))


def _writable(folder: str) -> Check:
    try:
        with TemporaryFile(folder) as temporary:
            temporary.write(b"stat7 doctor")
            temporary.finish()
    except OSError as error:
        return Check("files", "fail", str(translate(error, folder)))
    return Check("files", "ok", f"{folder} can be written")


def _around(folder: str) -> Iterator[Check]:
    yield _folder_fsync(folder)
    yield _space(folder)
    system = _file_system(folder)
    if system is not None:
        yield system


def _folder_fsync(folder: str) -> Check:
    try:
        kept = fsync_folder(folder)
    except OSError as error:
        return Check(
            "files fsync", "fail", f"the folder can't be brought to the disk: {error.strerror}; check the disk"
        )
    if kept:
        return Check("files fsync", "ok", "a stored file keeps its name over a power cut")
    text = "this system can't bring folder names to the disk; a power cut may lose the names of the newest files"
    return Check("files fsync", "warn", text)


def _space(folder: str) -> Check:
    _, status, text = room(folder)
    if status == "ok":
        return Check("files space", "ok", text)
    return Check("files space", status, f"{text}; free some, `stat7 gc` erases files that nothing names")


def _file_system(folder: str) -> Check | None:
    system = file_system(folder)
    if system is None:
        return None
    if system in NETWORK:
        text = (
            f"{system} is a network file system: durable only as far as its server keeps its word; prefer a local disk"
        )
        return Check("files system", "warn", text)
    return Check("files system", "ok", system)


def _entries(folder: str) -> Iterator[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as entries:
            for entry in entries:
                yield entry
                if entry.is_dir(follow_symlinks=False):
                    yield from _entries(entry.path)
    except FileNotFoundError:
        return


def _disk_size(found: os.stat_result) -> int:
    blocks = getattr(found, "st_blocks", None)
    return found.st_size if blocks is None else int(blocks) * 512
