"""Where the entities of a run live: in a file of the run's own for each scale, or in a store that was given."""

from __future__ import annotations

import os
import re
import shutil
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Final, NamedTuple, Protocol

from stat7.errors import ConfigError
from stat7.registry import anchored, configure_store, gateway_of, local_path, redact
from stat7.stress.environment import filesystem_of
from stat7.stress.subject import Location
from stat7.stress.tasks.ingest import Remove
from stat7.stress.workers import WorkerFailed, run_together
from stat7.stress.workload import Workload

BYTES_PER_ENTITY: Final = 2000
"""Disk that an embedded store takes for an entity at most, while it is built, the digests included."""

SPARE: Final = 500_000_000
_REMOVE_SILENCE: Final = 120.0
_IN_MEMORY: Final = frozenset({"tmpfs", "ramfs"})


class Room(NamedTuple):
    """Where the entities of a scale go; `held` of them are there already. `new`: a file to be made in bulk."""

    location: Location
    digests: Path
    held: int = 0
    new: Path | None = None


class Housing(Protocol):
    """Gives room for the entities of each scale, and leaves nothing behind."""

    shown: str
    apart: bool

    def lacks(self, scale: int) -> str | None:
        """Why there is no room for a scale; None if there is, or nobody can tell."""
        ...

    def move_in(self, scale: int, stored: bool = True) -> Room:
        """Room for entities 0 to `scale`. Where `apart` each scale has a store of its own, kept until the end.

        Unless `stored` only the digests will be kept there.
        """
        ...

    def wrote(self, indexes: range) -> None:
        """Entities of these indexes may have been written besides."""
        ...

    def leave(self) -> list[str]:
        """Tidy up; returns a line for each thing that couldn't be."""
        ...


class Embedded:
    """An SQLite file of its own for each scale, in a folder that its owner removes."""

    shown = "sqlite, a file in a temporary folder"
    apart = True

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def lacks(self, scale: int) -> str | None:
        """By the free disk."""
        return _lacking_disk(self.folder, scale)

    def move_in(self, scale: int, stored: bool = True) -> Room:
        """A store that is to be made."""
        place = self.folder / f"scale-{scale}"
        place.mkdir()
        location = Location(anchored("sqlite:store.db", place))
        return Room(location, place / "digests", new=place / "store.db")

    def wrote(self, indexes: range) -> None:
        """Goes with the store."""

    def leave(self) -> list[str]:
        """Nothing is anywhere else."""
        return []


class Given:
    """A store that somebody else owns: entities with ids of their own are added, scale upon scale, and removed at the
    end.
    """

    apart = False

    def __init__(self, location: Location, workload: Workload, folder: Path) -> None:
        self.location = location
        self._digests = folder / "digests"
        self.shown = redact(location.store)
        self._workload = workload
        self._held = 0
        self._written: list[range] = []

    def lacks(self, scale: int) -> str | None:
        """By the free disk, where the store is a file."""
        path = local_path(self.location.store)
        return None if path is None else _lacking_disk(path.absolute().parent, scale - self._held)

    def move_in(self, scale: int, stored: bool = True) -> Room:
        """The store, with what the smaller scales left in it."""
        held = self._held
        if stored:
            self._held = max(scale, held)
        return Room(self.location, self._digests, held)

    def wrote(self, indexes: range) -> None:
        """Remember them for the end."""
        self._written.append(indexes)

    def leave(self) -> list[str]:
        """Remove all that was added."""
        ranges = tuple(indexes for indexes in (range(self._held), *self._written) if indexes)
        if not ranges:
            return []
        try:
            run_together([Remove(self.location, self._workload, ranges)], seconds=_REMOVE_SILENCE)
        except WorkerFailed as error:
            prefix = self._workload.prefix
            return [
                f"entities whose ids begin with {prefix} may be left in {self.shown}: removing them failed ({error})"
            ]
        return []


def given_location(store: str, files: str | None) -> Location:
    """The location of a store given by its URL. Raises ConfigError if several processes can't share it, or it can't
    be opened.
    """
    configure_store(store)
    # A gateway decides by itself what is put, where its files are its own; other stores need none to be measured.
    location = Location(store, files or (store if gateway_of(store) else "memory:"))
    with location.open() as repository:
        if not repository.store.capabilities.shared:
            reason = (
                "can't be opened by several processes, which measuring takes; give another, such as sqlite:library.db"
            )
            raise ConfigError(f"--store: {redact(store)} {reason}")
    return location


def on_this_machine(store: str) -> bool:
    """Whether all hosts that a store's URL names are this machine; a file is."""
    hosts = store.partition("://")[2].partition("/")[0].rpartition("@")[2]
    names = [host.strip().strip("[]") for host in re.split(r",|:[0-9]+(?:,|$)", hosts)]
    return all(name in ("", "localhost", "::1") or name.startswith("127.") for name in names)


def make_folder() -> Path:
    """A new temporary folder on a disk: not in memory, if there is any choice."""
    usual = Path(tempfile.gettempdir())
    places: Sequence[Path] = [usual]
    if sys.platform != "win32" and filesystem_of(usual) in _IN_MEMORY:
        places = [Path(os.sep) / "var" / "tmp", usual]
    place = next((place for place in places if os.access(place, os.W_OK)), usual)
    return Path(tempfile.mkdtemp(prefix="stat7-stress-", dir=place))


def _lacking_disk(folder: Path, scale: int) -> str | None:
    free, needed = shutil.disk_usage(folder).free, scale * BYTES_PER_ENTITY + SPARE
    if free >= needed:
        return None
    return f"needs {needed / 1e9:.1f} GB of free disk in {folder.name}'s file system, there are {free / 1e9:.1f} GB"
