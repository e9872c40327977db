"""Files that a command writes: each appears under its name when it is complete, or not at all."""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

import click

from stat7.cli.output import plain
from stat7.fsync import fsync_file, fsync_folder


@contextmanager
def new_file(path: Path, *, force: bool, private: bool = False) -> Iterator[BinaryIO]:
    """What the block writes appears at `path`, and on the disk, when the block ends without an error.

    What bears the name already is replaced only by `force`, else a usage error; a folder never is. A pipe or device is
    written to as it stands. A `private` file can be read by its owner alone. Raises OSError that names `path`.
    """
    if path.is_dir():
        raise click.UsageError(f"{plain(str(path))} is a folder; name a file in it")
    temporary = path.absolute().parent / f".stat7-{secrets.token_hex(8)}"
    try:
        if path.exists() and not path.is_file():
            with path.open("wb") as target:
                yield target
            return
        _must_be_free(path, force)
        # Made by this call or not at all: nothing is followed or written over.
        with open(temporary, "xb", opener=_open_private if private else None) as target:
            yield target
            target.flush()
            fsync_file(target.fileno())
        _must_be_free(path, force)
        os.replace(temporary, path)
        fsync_folder(str(temporary.parent))
    except OSError as error:
        if error.filename in (None, str(temporary)):
            error.filename, error.filename2 = str(path), None
        raise
    finally:
        with suppress(OSError):
            temporary.unlink()


def _open_private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)


def _must_be_free(path: Path, force: bool) -> None:
    if not force and os.path.lexists(path):
        raise click.UsageError(f"{plain(str(path))} exists; add --force to replace it")
