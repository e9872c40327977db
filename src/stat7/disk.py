"""What a store's own diagnosis and the harness want to know of a disk: which file system it has, and the room left."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterable, Iterator
from typing import Final, NamedTuple

NETWORK: Final = frozenset({
    "nfs", "nfs4", "cifs", "smb2", "smb3", "smbfs", "9p", "afs", "ceph", "coda", "glusterfs", "lustre", "gpfs",
    "beegfs", "ocfs2", "gfs2", "davfs", "virtiofs", "vboxsf", "prl_fs", "drvfs", "fuse.sshfs", "fuse.glusterfs",
    "fuse.s3fs", "fuse.rclone", "fuse.gcsfuse", "fuse.davfs2", "fuse.cephfs", "fuse.juicefs",
})  # fmt: skip
"""Types of file systems whose bytes are on another machine, or whose fsync and locks another machine answers for."""

MIB: Final = 2**20
LITTLE: Final = 1024 * MIB
"""Bytes of free disk below which to warn."""

TOO_LITTLE: Final = 100 * MIB
"""Bytes of free disk below which writing will soon fail."""

_OCTAL = re.compile(rb"\\([0-7]{3})")


class Room(NamedTuple):
    """Free disk: its bytes, whether that is `ok`, `warn` or `fail`, and the same as text."""

    free: int
    status: str
    text: str


def room(folder: str | os.PathLike[str]) -> Room:
    """The free disk where a folder is. Raises OSError."""
    free = shutil.disk_usage(folder).free
    status = "fail" if free < TOO_LITTLE else "warn" if free < LITTLE else "ok"
    return Room(free, status, f"{free // MIB:,} MiB free")


def file_system(path: str | os.PathLike[str], mounts: Iterable[tuple[str, str]] | None = None) -> str | None:
    """The type of the file system that holds a path (`ext4`, `nfs4`), links followed; None where it can't be told.

    `mounts`: mount points and types, the later on top; by default what Linux tells of itself.
    """
    place = os.path.normcase(os.path.realpath(path))
    best, found = "", None
    for point, kind in _mounts() if mounts is None else mounts:
        point = os.path.normcase(point)
        inside = place == point or place.startswith(point.rstrip(os.sep) + os.sep)
        if inside and len(point) >= len(best):
            best, found = point, kind
    return found


def read_mounts(table: bytes) -> Iterator[tuple[str, str]]:
    """Mount points and types in the text of /proc/mounts; lines that are none are passed over."""
    for line in table.splitlines():
        fields = line.split(b" ")
        if len(fields) >= 3:
            # Spaces and the like are written as three octal digits.
            point = _OCTAL.sub(lambda code: bytes([int(code[1], 8) & 255]), fields[1])
            yield os.fsdecode(point), os.fsdecode(fields[2])


def _mounts() -> list[tuple[str, str]]:
    try:
        with open("/proc/self/mounts", "rb") as file:
            return list(read_mounts(file.read()))
    except OSError:
        return []
