"""Where the server programs of the tests are, at which versions, and how to install those that are missing.

Knows only the standard library and nothing of stat7: scripts/install_servers.py reads this file before anything is
installed. Programs that it builds or fetches itself lie in one folder, `cache()`, that outlives the checkout.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import NamedTuple

VERSITYGW = "v1.8.0"
FAKE_GCS_SERVER = "v1.56.1"
AZURITE = "3.35.0"


class ProgramMissing(RuntimeError):
    """A server's program is not on this machine; the message says how to install it."""


class Program(NamedTuple):
    """What runs one kind of server."""

    name: str
    """As in `make servers SERVERS="..."` and STAT7_TEST_REQUIRE: postgres, redis, s3, gcs or azure."""
    title: str
    """What the program calls itself."""
    find: Callable[[], Path | None]
    """Gives the path of the executable, None if it is not here."""
    install: str
    """How to install it where there is no checkout with its `make servers`."""

    def is_here(self) -> bool:
        """Whether the executable is on this machine."""
        return self.find() is not None

    def path(self) -> Path:
        """Where the executable is; ProgramMissing if it is not on this machine."""
        found = self.find()
        if found is None:
            raise ProgramMissing(self.remedy())
        return found

    def remedy(self) -> str:
        """One line for those who lack it: what is missing and how to install it."""
        make = f"`make servers SERVERS={self.name}` in a checkout of stat7"
        return f"{self.title} is not on this machine: {make}, or {self.install}"


def cache() -> Path:
    """The folder of installed programs: STAT7_SERVERS, else stat7/servers among the caches of the user."""
    chosen = os.environ.get("STAT7_SERVERS")
    if chosen:
        return Path(chosen)
    caches = os.environ.get("XDG_CACHE_HOME")
    return (Path(caches) if caches else Path.home() / ".cache") / "stat7" / "servers"


def built(program: str, version: str) -> Path:
    """Where scripts/install_servers.py puts a program that it builds, by name and version."""
    return cache() / "bin" / f"{program}-{version}{'.exe' if os.name == 'nt' else ''}"


def azurite_folder() -> Path:
    """Where scripts/install_servers.py puts the npm packages of Azurite."""
    return cache() / f"azurite-{AZURITE}"


def _first(candidates: Iterable[Path | str | None]) -> Path | None:
    for candidate in candidates:
        if candidate is not None and Path(candidate).is_file():
            return Path(candidate)
    return None


def _postgres() -> Path | None:
    """The server itself, with its links followed: initdb and the shared files are found from there."""
    name = "postgres.exe" if os.name == "nt" else "postgres"
    packaged = sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{name}"), key=_version, reverse=True)
    candidates = [shutil.which("postgres"), *packaged]
    for candidate in candidates:
        found = _first([candidate])
        if found is not None and _first([found.resolve().parent / name.replace("postgres", "initdb")]):
            return found.resolve()
    return None


def _version(server: Path) -> int:
    number = server.parent.parent.name
    return int(number) if number.isdigit() else 0


def _azurite() -> Path | None:
    if shutil.which("node") is None:
        return None
    script = Path("node_modules", "azurite", "dist", "src", "blob", "main.js")
    return _first([azurite_folder() / script]) or _azurite_on_the_path()


def _azurite_on_the_path() -> Path | None:
    """npm links the command to its script on POSIX; elsewhere the command is a wrapper that is of no use here."""
    found = shutil.which("azurite-blob")
    return Path(found).resolve() if found and os.name == "posix" else None


POSTGRES = Program("postgres", "PostgreSQL", _postgres, "install it with your system's package manager")
REDIS = Program(
    "redis", "Redis", lambda: _first([shutil.which("redis-server")]), "install it with your system's package manager"
)
S3 = Program(
    "s3",
    "versitygw",
    lambda: _first([built("versitygw", VERSITYGW), shutil.which("versitygw")]),
    f"`go install github.com/versity/versitygw/cmd/versitygw@{VERSITYGW}`",
)
GCS = Program(
    "gcs",
    "fake-gcs-server",
    lambda: _first([built("fake-gcs-server", FAKE_GCS_SERVER), shutil.which("fake-gcs-server")]),
    f"`go install github.com/fsouza/fake-gcs-server@{FAKE_GCS_SERVER}`",
)
AZURE = Program("azure", "Azurite", _azurite, f"`npm install --global azurite@{AZURITE}`")

PROGRAMS = {program.name: program for program in (POSTGRES, REDIS, S3, GCS, AZURE)}
"""All of them by name, in the order in which they are installed."""
