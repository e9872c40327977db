"""Where the server programs of the tests are, at which versions, and how to install those that are missing.

Knows only the standard library and nothing of stat7: scripts/install_servers.py reads this file before anything is
installed. Programs that it builds or fetches itself lie in one folder, `cache()`, that outlives the checkout.
"""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import NamedTuple

VERSITYGW = "v1.8.0"
FAKE_GCS_SERVER = "v1.56.1"
AZURITE = "3.35.0"
CASSANDRA = "5.0.9"
DYNAMODB = "3.1.0"
JAVAS = (17, 21)
"""The releases of Java that the servers in Java are tried with."""


class ProgramMissing(RuntimeError):
    """A server's program is not on this machine; the message says how to install it."""


class Program(NamedTuple):
    """What runs one kind of server."""

    name: str
    """As in `make servers SERVERS="..."` and STAT7_TEST_REQUIRE; PROGRAMS has them all."""
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


def jar_folder(module: str) -> Path:
    """Where scripts/install_servers.py puts the jars of `module`: "cassandra" or "dynamodb"."""
    return cache() / f"{module}-{CASSANDRA if module == 'cassandra' else DYNAMODB}"


def java() -> Path | None:
    """A Java to run servers with: that of JAVA_HOME, else of the PATH, else of Debian's folder; None without one."""
    name = "java.exe" if os.name == "nt" else "java"
    home = os.environ.get("JAVA_HOME")
    candidates = [
        Path(home, "bin", name) if home else None,
        shutil.which("java"),
        *sorted(Path("/usr/lib/jvm").glob(f"*/bin/{name}")),
    ]
    for candidate in candidates:
        found = _first([candidate])
        if found is not None and java_release(found)[0] in JAVAS:
            return found.resolve()
    return None


def java_release(program: Path) -> tuple[int, str]:
    """Its release as a number, and all that tells it from other builds; (0, "") where it does not say."""
    try:
        # Reading the file that every Java brings takes no time; asking the program takes half a second.
        text = (program.resolve().parent.parent / "release").read_text("utf-8")
    except OSError:
        return 0, ""
    found = re.search(r'^JAVA_VERSION="(\d+)', text, re.MULTILINE)
    return (int(found.group(1)) if found else 0), text


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


def _jar(module: str, name: str) -> Path | None:
    """The main jar, those it needs beside it; None without a Java to run it with."""
    return _first([jar_folder(module) / name]) if java() is not None else None


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

_JARS = "set STAT7_SERVERS to a folder where it has put them"
CASSANDRA_NODE = Program("cassandra", "Cassandra", lambda: _jar("cassandra", f"cassandra-all-{CASSANDRA}.jar"), _JARS)
DYNAMODB_LOCAL = Program("dynamodb", "DynamoDB Local", lambda: _jar("dynamodb", f"DynamoDBLocal-{DYNAMODB}.jar"), _JARS)

PROMETHEUS = Program(
    "prometheus",
    "Prometheus",
    lambda: _first([shutil.which("prometheus")]) if shutil.which("promtool") else None,
    "install it with your system's package manager",
)
ALERTMANAGER = Program(
    "alertmanager",
    "Alertmanager",
    # Debian's package has a name of its own for it, as the other one's is not its own.
    lambda: _first([shutil.which("prometheus-alertmanager"), shutil.which("alertmanager")]),
    "install it with your system's package manager",
)

_SERVERS = (POSTGRES, REDIS, S3, GCS, AZURE, CASSANDRA_NODE, DYNAMODB_LOCAL, PROMETHEUS, ALERTMANAGER)
PROGRAMS = {program.name: program for program in _SERVERS}
"""All of them by name, in the order in which they are installed."""
